# A dump has everything but the master key: with that, its keys resolve wherever
# it is restored, also in a database of another encoding; without it, people can
# still read the list.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $hex = hex_key('dump');
my $value = 'sk-proj-dump-0123456789abcdef0123456789';
my $utf8 = sub { my $s = shift; utf8::encode($s); return $s };
my $accented = $utf8->("caf\x{e9}");
# Latin-1 has no euro sign
my $euro = $utf8->("euro-\x{20ac}-0123456789abcdef0123456789");

my $node = new_node('source', keyring => { master_key => $hex });
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
install($node, 'app');
$node->safe_psql(
	'app', q{
	INSERT INTO tarx_keys.providers (slug, label, default_base_url, models_path, key_prefixes)
		VALUES ('acme', 'Acme', 'https://llm.acme.example/v1', '/models', '{ak-}');
	CREATE ROLE auditor LOGIN;
	GRANT USAGE ON SCHEMA tarx_keys TO auditor;
	GRANT SELECT ON tarx_keys.llm_key_tombstones TO auditor;
	GRANT SELECT (slug) ON tarx_keys.providers TO auditor;
	GRANT EXECUTE ON FUNCTION tarx_keys.keyring_status() TO auditor;});

my %key = (
	first => add_key($node, 'first', $value, 'app'),
	deleted => add_key($node, 'deleted', $value, 'app'),
	$accented => add_key($node, $accented, "$value $accented", 'app'),
	euro => add_key($node, 'euro', $euro, 'app'));
$key{acme} = ask_ok(
	$node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.add_llm_key('$PROJECT', 'acme', 'acme', 'ak-$value')}, 'app');
$key{own} = ask_ok(
	$node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.add_llm_key('$PROJECT', 'openai_compatible', 'own', '$value',
		'https://LLM.example:443/v1')}, 'app');
my $agent = ask_ok(
	$node, 'service', qq{
	SELECT tarx_keys.act_as('bob');
	SELECT tarx_keys.create_agent('$PROJECT', 'Helper', '$key{first}')}, 'app');
my $orphan = ask_ok(
	$node, 'service', qq{
	SELECT tarx_keys.act_as('bob');
	SELECT tarx_keys.create_agent('$PROJECT', 'Orphan', '$key{deleted}')}, 'app');
my $row = $node->safe_psql('app',
	"SELECT k::text FROM tarx_keys.project_llm_keys k WHERE id = '$key{deleted}'");
ask_ok(
	$node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.delete_llm_key('$PROJECT', '$key{deleted}')}, 'app');

# All rows, rights and owners of the extension, and what doctor() says of them, one a line
sub everything
{
	my ($cluster, $db) = @_;
	local $ENV{PGCLIENTENCODING} = 'UTF8';

	return split /\n/, $cluster->safe_psql(
		$db, q{
		SELECT 'project', * FROM tarx_keys.projects;
		SELECT 'member', * FROM tarx_keys.project_members;
		SELECT 'key', * FROM tarx_keys.project_llm_keys;
		SELECT 'tombstone', * FROM tarx_keys.llm_key_tombstones;
		SELECT 'agent', * FROM tarx_keys.agents;
		SELECT 'provider', * FROM tarx_keys.providers;
		SELECT 'schema', nspowner::regrole, a.grantor::regrole, a.grantee::regrole, a.privilege_type
			FROM pg_namespace, aclexplode(nspacl) a WHERE nspname = 'tarx_keys';
		SELECT 'function', p.oid::regprocedure, proowner::regrole,
				a.grantor::regrole, a.grantee::regrole, a.privilege_type
			FROM pg_proc p LEFT JOIN aclexplode(proacl) a ON true
			WHERE pronamespace = 'tarx_keys'::regnamespace;
		SELECT 'relation', c.oid::regclass, relowner::regrole, relrowsecurity, relforcerowsecurity,
				a.grantor::regrole, a.grantee::regrole, a.privilege_type
			FROM pg_class c LEFT JOIN aclexplode(relacl) a ON true
			WHERE relnamespace = 'tarx_keys'::regnamespace;
		SELECT 'column', attrelid::regclass, attname,
				a.grantor::regrole, a.grantee::regrole, a.privilege_type
			FROM pg_attribute JOIN pg_class c ON c.oid = attrelid, aclexplode(attacl) a
			WHERE relnamespace = 'tarx_keys'::regnamespace;
		SELECT 'doctor', check_name, severity, finding FROM tarx_keys.doctor()
			WHERE check_name IN ('ownership', 'grants', 'public_rights', 'row_security', 'policies',
				'triggers', 'agents');});
}

sub list
{
	my ($cluster, $db) = @_;
	my ($status, $out, $err) = ask(
		$cluster, 'service', q{
		SELECT tarx_keys.act_as('bob');
		SELECT name, provider_label, masked_key, base_url, agent_count
		FROM tarx_keys.llm_keys ORDER BY name}, $db);

	is($err, '', "$db: the list has no errors");
	$out =~ s/^\n//;
	return $out;
}

my %before = map { $_ => 1 } everything($node, 'app');

sub same_as_before
{
	my ($cluster, $db) = @_;
	my %now = map { $_ => 1 } everything($cluster, $db);
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is( join("\n",
			(map { "lost: $_" } grep { !$now{$_} } sort keys %before),
			(map { "new: $_" } grep { !$before{$_} } sort keys %now)),
		'',
		"$db: all rows, owners and rights are there");
	return;
}

my $list = list($node, 'app');
like($list, qr/^first\|OpenAI\|sk-proj-dum\x{e2}\x{80}\x{a6}6789\|\|1$/m, 'the list to compare with');

# What holds of every copy that has the master key
sub resolves
{
	my ($cluster, $db) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is(ask_ok($cluster, 'runner', resolve_sql($key{first}), $db), $value, "$db: a key resolves");
	is(ask_ok($cluster, 'runner', resolve_sql($key{$accented}), $db),
		"$value $accented", "$db: a key with an accent in name and value resolves");
	is( ask_ok(
			$cluster, 'runner',
			"SELECT provider, name, base_url, key_value FROM tarx_keys.resolve_key('$PROJECT', '$key{acme}')",
			$db),
		"acme|acme|https://llm.acme.example/v1|ak-$value",
		"$db: a key of a custom provider resolves");
	is( ask_ok(
			$cluster, 'runner',
			"SELECT base_url FROM tarx_keys.resolve_key('$PROJECT', '$key{own}')", $db),
		'https://llm.example/v1',
		"$db: a key with a base URL resolves");
	is( ask_ok(
			$cluster, 'runner',
			"SELECT key_value FROM tarx_keys.resolve_agent_key('$PROJECT', '$agent')", $db),
		$value,
		"$db: an agent's key resolves");
	state_is($cluster, 'runner',
		"SELECT * FROM tarx_keys.resolve_agent_key('$PROJECT', '$orphan')",
		'TK002', "$db: a deleted key stays deleted", $db);
	like(add_key($cluster, 'new', $value, $db), qr/^[0-9a-f-]{36}$/, "$db: adding works");
	return;
}

sub restore
{
	my ($cluster, $db) = @_;

	is( $cluster->psql($db, slurp_file("$dir/app.sql"), on_error_stop => 1),
		0, "$db: the dump restores");
	return;
}

$node->command_ok([ 'pg_dump', '-f', "$dir/app.sql", '-d', $node->connstr('app') ],
	'pg_dump');
$node->command_ok(
	[ 'pg_dump', '-Fc', '-f', "$dir/app.custom", '-d', $node->connstr('app') ],
	'pg_dump in custom format');
$node->command_ok(
	[ 'pg_dumpall', '--globals-only', '-f', "$dir/globals.sql", '-d', $node->connstr('postgres') ],
	'pg_dumpall of the roles');

# Another database

$node->safe_psql('postgres', 'CREATE DATABASE copy');
restore($node, 'copy');
same_as_before($node, 'copy');
is(list($node, 'copy'), $list, 'copy: the list is the same');
resolves($node, 'copy');
is(ask_ok($node, 'runner', resolve_sql($key{euro}), 'copy'), $euro, 'copy: any value resolves');

# A deleted row that comes back all the same, from an older backup
$node->safe_psql('copy',
	"INSERT INTO tarx_keys.project_llm_keys SELECT (\$row\$$row\$row\$::tarx_keys.project_llm_keys).*");
state_is($node, 'runner', resolve_sql($key{deleted}),
	'TK002', 'copy: a deleted row that comes back does not resolve', 'copy');

# A database of another encoding

$node->safe_psql('postgres',
	q{CREATE DATABASE latin1 TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'});
restore($node, 'latin1');
my $ascii = $list =~ s/\x{e2}\x{80}\x{a6}/.../gr;
is(list($node, 'latin1'), $ascii, 'latin1: the list has its masks in ASCII');
resolves($node, 'latin1');
state_is($node, 'runner', resolve_sql($key{euro}),
	'22P05', 'latin1: a value with other characters does not resolve', 'latin1');
is( ask_ok($node, 'runner',
		resolve_sql(add_key($node, "$accented 2", "$value $accented", 'latin1')), 'latin1'),
	"$value $accented",
	'latin1: what is added there resolves there');

# and from there back

$node->command_ok([ 'pg_dump', '-f', "$dir/latin1.sql", '-d', $node->connstr('latin1') ],
	'pg_dump of latin1');
$node->safe_psql('postgres', 'CREATE DATABASE back');
is($node->psql('back', slurp_file("$dir/latin1.sql")), 0, 'back: the dump restores');
is( ask_ok($node, 'runner', resolve_sql($key{$accented}), 'back'),
	"$value $accented",
	'back: a key with an accent in name and value resolves');
is(ask_ok($node, 'runner', resolve_sql($key{euro}), 'back'), $euro, 'back: any value resolves');

# Another cluster with another master key, until it gets the right one

my $file = write_private("$dir/keys", hex_key('another'));
my $other = new_node('other', keyring => { master_key_file => $file });
$other->start;
# the superuser exists already, so not all of it goes well
$other->psql('postgres', slurp_file("$dir/globals.sql"), on_error_stop => 0);
$other->safe_psql('postgres', 'CREATE DATABASE moved');
$other->command_ok(
	[ 'pg_restore', '--exit-on-error', '-d', $other->connstr('moved'), "$dir/app.custom" ],
	'moved: the dump restores');
same_as_before($other, 'moved');
is(list($other, 'moved'), $list, 'moved: the list is the same without the master key');

my ($fingerprint) = split /\|/, keyring($node, 'app');
my $err = state_is($other, 'runner', resolve_sql($key{first}),
	'TK006', 'moved: resolving needs the master key', 'moved');
like($err, qr/ERROR:.*$fingerprint/, 'moved: the error names it');
like(keyring($other, 'moved'), qr/^$fingerprint\|\|5$/m, 'moved: keyring_status names it');
is( ask_ok(
		$other, 'auditor', 'SELECT id FROM tarx_keys.llm_key_tombstones', 'moved'),
	'',
	'moved: a role of the DBA has its rights, and row security against it');
like(
	ask_ok(
		$other, 'auditor',
		"SELECT string_agg(fingerprint, ' ') FROM tarx_keys.keyring_status()", 'moved'),
	qr/$fingerprint/,
	'moved: a role of the DBA has its rights on a function');

write_private($file, hex_key('another') . "\n$hex");
reload_keyring($other);
resolves($other, 'moved');

# A dump into a cluster without our roles: the extension makes them

my $bare = new_node('bare', keyring => { master_key => $hex });
$bare->start;
$bare->safe_psql('postgres', 'CREATE DATABASE bare');
$bare->safe_psql('postgres', 'CREATE ROLE auditor');
restore($bare, 'bare');
$bare->safe_psql('postgres', 'CREATE ROLE runner LOGIN IN ROLE tarx_keys_agent');
is(ask_ok($bare, 'runner', resolve_sql($key{first}), 'bare'), $value, 'bare: a key resolves');

done_testing();
