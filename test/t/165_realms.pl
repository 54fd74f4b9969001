# Two databases of a server with the same keyring: what is written in one is as good
# in the other, unless they have realms of their own.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealedBoxes;
use Test::More;
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $file = write_private("$dir/keys", hex_key('a'));
my $node = new_node('realms', init => { allows_streaming => 1 }, keyring => { master_key_file => $file });

$node->start;
install($node);

sub as_admin
{
	my ($db, $sql) = @_;
	return ask_ok($node, 'service', "SELECT tarx_keys.act_as('alice'); $sql", $db);
}

# What there is to be copied
sub story
{
	my ($db) = @_;
	my %story = (
		key => as_admin($db, "SELECT tarx_keys.add_llm_key('$PROJECT', 'mistral', 'key', 'the-value-of-a-key')"),
		token => as_admin($db, q{SELECT token FROM tarx_keys.create_platform_key('key')}));
	$story{agent} = as_admin($db, "SELECT tarx_keys.create_agent('$PROJECT', 'agent', '$story{key}')");
	as_admin($db, "SELECT tarx_keys.set_secret('$PROJECT', 'SECRET', 'value')");
	return %story;
}

# Copy all rows to another database, as they are.
sub copy_rows
{
	my ($from, $to) = @_;
	my $dump = "$dir/$from.sql";

	$node->command_ok([ 'pg_dump', '--file', $dump, $node->connstr($from) ], "dump of $from");
	$node->safe_psql('postgres', "CREATE DATABASE $to");
	$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr($to) ], "copy in $to");
	return;
}

sub set_realm
{
	my ($db, $realm) = @_;
	$node->safe_psql('postgres', "ALTER DATABASE $db SET tarx_keys.realm = '$realm'");
	return;
}

sub doctor
{
	my ($db) = @_;
	return $node->safe_psql($db, q{SELECT severity, finding FROM tarx_keys.doctor() WHERE check_name = 'realm'});
}

sub verifies
{
	my ($db) = @_;
	return $node->safe_psql($db, qq{
		SELECT ok, broken_at, reason FROM tarx_keys.verify_audit('$PROJECT')
		UNION SELECT ok, broken_at, reason FROM tarx_keys.verify_personal_audit('alice')});
}

like(doctor('postgres'), qr/^ok\|/, 'a database on its own');
my %story = story('postgres');
copy_rows('postgres', 'copy');

# Without realms, they are one trust domain.

is(ask_ok($node, 'runner', resolve_sql($story{key}), 'copy'), 'the-value-of-a-key', 'the same realm: a key resolves');
is(ask_ok($node, 'runner', "SELECT key_value FROM tarx_keys.resolve_agent_key('$PROJECT', '$story{agent}')", 'copy'),
	'the-value-of-a-key', 'an agent, too');
is(ask_ok($node, 'runner', "SELECT tarx_keys.resolve_secret('$PROJECT', 'SECRET')", 'copy'), 'value', 'a secret');
is(ask_ok($node, 'service', "SELECT user_id, role FROM tarx_keys.login('$story{token}', '$PROJECT')", 'copy'), 'alice|admin', 'a token logs in');
is(ask_ok($node, 'service', "SELECT tarx_keys.act_as('alice', '$PROJECT'); SELECT tarx_keys.rename_project('$PROJECT', 'renamed')", 'copy'), '', 'admins are admins');
is(verifies('copy'), 't||', 'the audit log verifies');
is($node->safe_psql('copy', 'SELECT DISTINCT status FROM tarx_keys.verify_keys()'), 'ok', 'verify_keys() says nothing');
is(ask_ok($node, 'service', 'SELECT public_key FROM tarx_keys.sealing_public_key()', 'copy'), ask_ok($node, 'service', 'SELECT public_key FROM tarx_keys.sealing_public_key()'),
	'and they have one key to seal to');
like(doctor('postgres'), qr/^info\|tarx_keys\.realm is empty, and the cluster has other databases/, 'doctor() says so');

# With another realm, they are nothing there.

set_realm('copy', 'staging');
state_is($node, 'runner', resolve_sql($story{key}), 'TK004', 'another realm: a key', 'copy');
state_is($node, 'runner', "SELECT key_value FROM tarx_keys.resolve_agent_key('$PROJECT', '$story{agent}')", 'TK004', 'an agent', 'copy');
state_is($node, 'runner', "SELECT tarx_keys.resolve_secret('$PROJECT', 'SECRET')", 'TK004', 'a secret', 'copy');
state_is($node, 'service', "SELECT tarx_keys.login('$story{token}')", 'TK010', 'a token', 'copy');
state_is($node, 'service', "SELECT tarx_keys.act_as('alice', '$PROJECT')", 'TK004', 'a member', 'copy');
state_is($node, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.create_agent('$PROJECT', 'x')", 'TK004', 'and again', 'copy');
is(verifies('copy'), 'f|0|the record of its ends changed', 'the audit log does not verify');
is($node->safe_psql('copy', 'SELECT DISTINCT status FROM tarx_keys.verify_keys()'), 'tampered', 'verify_keys() finds all of them');
isnt(ask_ok($node, 'service', 'SELECT public_key FROM tarx_keys.sealing_public_key()', 'copy'), ask_ok($node, 'service', 'SELECT public_key FROM tarx_keys.sealing_public_key()'),
	'each has its own key to seal to');
is(doctor('copy'), 'warning|no row authenticates in the realm "staging", though their master key is in the keyring: another realm?', 'doctor() asks');

# A box opens where it was sealed for, in a database of another realm it does not,
# though that has a project with the same id.

my $box = seal_box($node, 'a value', 'secret', 'BOXED');
my $set_sealed = "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.set_sealed_secret('$PROJECT', 'BOXED', $box)";
$node->safe_psql('postgres', 'CREATE DATABASE fresh');
set_realm('fresh', 'fresh');
$node->safe_psql('fresh', 'CREATE EXTENSION tarx_keys');
as_admin('fresh', "SELECT tarx_keys.create_project('Story', '$PROJECT')");
is(ask_ok($node, 'service', $set_sealed), '1', 'a box opens');
state_is($node, 'service', $set_sealed, 'TK013', 'and in another realm it does not', 'fresh');
set_realm('fresh', '');
state_is($node, 'service', $set_sealed, 'TK004', 'whose members are others', 'fresh');
like(doctor('fresh'), qr/^warning\|no row authenticates in the realm ""/, 'doctor() asks where the realm was taken away');

# One of its own works, beside rows that came from elsewhere, and back in its own
# realm a copy does as well.

is(ask_ok($node, 'service', q{SELECT tarx_keys.act_as('bob'); SELECT count(tarx_keys.create_project('own'))}, 'copy'), '1', 'a project of its own');
like(doctor('copy'), qr/^ok\|/, 'then some rows are of this realm');
like($node->safe_psql('copy', q{SELECT finding FROM tarx_keys.doctor() WHERE check_name = 'rows' AND severity = 'critical'}), qr/kind llm_key/,
	'and the others were tampered with');
set_realm('copy', '');
is(ask_ok($node, 'runner', resolve_sql($story{key}), 'copy'), 'the-value-of-a-key', 'in its own realm it opens again');

# A database for each tenant, from one template. Each has a realm of its own, so that a
# row is worth nothing in another tenant's database, though projects there have the same id.

my $value = 'the-value-of-a-tenant';
$node->safe_psql('postgres', 'CREATE DATABASE tenant');
$node->safe_psql('tenant', 'CREATE EXTENSION tarx_keys');
foreach my $db ('acme', 'bravo')
{
	$node->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE tenant");
	set_realm($db, $db);
	as_admin($db, "SELECT tarx_keys.create_project('Story', '$PROJECT')");
	is(doctor($db), 'ok|the rows that were looked at are of this realm', "doctor() is content with $db");
}
my $tenant_key = as_admin('acme', "SELECT tarx_keys.add_llm_key('$PROJECT', 'mistral', 'key', '$value')");

sub tenant_key_resolves
{
	my ($server, $db, $test) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(ask_ok($server, 'runner', resolve_sql($tenant_key), $db), $value, $test);
	return;
}

sub is_foreign
{
	my ($server, $db, $test) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return state_is($server, 'runner', resolve_sql($tenant_key), 'TK004', $test, $db);
}

my $row = $node->safe_psql('acme', 'SELECT quote_literal(k::text) FROM tarx_keys.project_llm_keys k');
$node->safe_psql('bravo', "INSERT INTO tarx_keys.project_llm_keys SELECT ($row\::tarx_keys.project_llm_keys).*");
tenant_key_resolves($node, 'acme', 'a key resolves in its own database');
is_foreign($node, 'bravo', 'its row does not open in another one');
set_realm('bravo', 'acme');
tenant_key_resolves($node, 'bravo', 'but would, if both had one realm');
set_realm('bravo', 'bravo');

# A database as a template of another one: without its realm, which is a setting

$node->safe_psql('postgres', 'CREATE DATABASE acme_copy TEMPLATE acme');
is_foreign($node, 'acme_copy', 'a copy by TEMPLATE has no realm');
set_realm('acme_copy', 'acme');
tenant_key_resolves($node, 'acme_copy', 'until it gets that of the original');
is(verifies('acme_copy'), 't||', 'then its audit log verifies');

# A dump has the realm with --create only

$node->command_ok([ 'pg_dump', '--create', '--file', "$dir/acme.sql", $node->connstr('acme') ], 'dump with the settings of the database');
$node->safe_psql('postgres', 'DROP DATABASE acme');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/acme.sql", $node->connstr('postgres') ], 'restored');
tenant_key_resolves($node, 'acme', 'a key of the restored database resolves');

# A standby has the settings of all databases

$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('realms_standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
tenant_key_resolves($standby, 'acme', 'a key resolves on a standby');
is_foreign($standby, 'bravo', 'and there as well in its own database only');
$standby->stop;

# Partitions are not supported: doctor() says so, and what it says is a way out

$node->safe_psql('acme_copy', q{
	ALTER TABLE tarx_keys.project_llm_keys RENAME TO part;
	CREATE TABLE tarx_keys.project_llm_keys (LIKE tarx_keys.part) PARTITION BY HASH (project_id);
	ALTER TABLE tarx_keys.project_llm_keys ATTACH PARTITION tarx_keys.part FOR VALUES WITH (MODULUS 1, REMAINDER 0)});
like($node->safe_psql('acme_copy', q{SELECT finding, advice FROM tarx_keys.doctor() WHERE check_name = 'distribution' AND severity = 'critical'}),
	qr/project_llm_keys is partitioned.*Copy the rows of all tables to a new/, 'doctor() finds a partitioned table');
$node->safe_psql('postgres', 'CREATE DATABASE whole TEMPLATE tenant');
set_realm('whole', 'acme');
foreach my $table (split /\n/, $node->safe_psql('tenant', q{
	SELECT c.oid::regclass FROM pg_class c WHERE relnamespace = ANY ('{tarx_keys,tarx_keys_internal}'::regnamespace[]) AND relkind = 'r'}))
{
	$node->safe_psql('acme_copy', "COPY (SELECT * FROM $table) TO '$dir/rows'");
	$node->safe_psql('whole', "SET session_replication_role = replica; COPY $table FROM '$dir/rows'");
}
tenant_key_resolves($node, 'whole', 'a key resolves where its rows were copied to');
is(verifies('whole'), 't||', 'and the audit log verifies');
is($node->safe_psql('whole', q{SELECT check_name FROM tarx_keys.doctor(true) WHERE severity = 'critical'}), '', 'doctor() finds nothing critical there');

# Who may set it, and to what

state_is($node, 'service', q{SET tarx_keys.realm = 'x'}, '42501', 'a service sets no realm');
state_is($node, undef, "SET tarx_keys.realm = 'caf\xc3\xa9'", '22023', 'a realm is ASCII');
state_is($node, undef, "SET tarx_keys.realm = '" . ('x' x 201) . "'", '22023', 'and not long');

$node->stop;
done_testing();
