# A dump, in any format, has everything but the master key: with that, its keys
# and secrets resolve, its tokens log in and its audit log verifies wherever it is
# restored, also in a database of another encoding; without it, people can still
# read the lists. Parts of it can be restored as far as they make sense.

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
my $euro_sql = "SELECT tarx_keys.resolve_secret('$PROJECT', 'EURO')";

my $node = new_node('source', keyring => { master_key => $hex });
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
install($node, 'app');
$node->safe_psql(
	'app', q{
	INSERT INTO tarx_keys.custom_providers (slug, label, default_base_url, models_path, key_prefixes)
		VALUES ('acme', 'Acme', 'https://llm.acme.example/v1', '/models', '{ak-}');
	INSERT INTO tarx_keys.custom_providers
		SELECT (jsonb_populate_record(NULL::tarx_keys.custom_providers, to_jsonb(p) || '{"label": "Mistral (Paris)"}')).*
		FROM tarx_keys.providers p WHERE slug = 'mistral';
	-- as one that was there before this provider was built in
	SET check_function_bodies = off;
	INSERT INTO tarx_keys.custom_providers (slug, label, default_base_url, models_path)
		VALUES ('groq', 'Our gateway', 'https://llm.acme.example/groq', '/models');
	RESET check_function_bodies;
	-- what a platform has beside it, under names that need quotes
	CREATE SCHEMA "Our app";
	CREATE TABLE "Our app"."A table" ("An id" uuid PRIMARY KEY);
	ALTER TABLE "Our app"."A table" ENABLE ROW LEVEL SECURITY;
	CREATE POLICY "A policy" ON "Our app"."A table" USING (true);
	CREATE SCHEMA "tarx_keys ";
	CREATE ROLE auditor LOGIN;
	GRANT USAGE ON SCHEMA tarx_keys TO auditor;
	GRANT USAGE ON SCHEMA tarx_keys_internal TO auditor;
	GRANT SELECT ON tarx_keys_internal.audit_ends TO auditor;
	GRANT SELECT (slug) ON tarx_keys.providers TO auditor;
	GRANT EXECUTE ON FUNCTION tarx_keys.keyring_status() TO auditor;
	REVOKE SELECT ON tarx_keys.key_usage FROM tarx_keys_login;
	CREATE ROLE keeper LOGIN BYPASSRLS IN ROLE pg_read_all_data;});

my %key = (
	first => add_key($node, 'first', $value, 'app'),
	deleted => add_key($node, 'deleted', $value, 'app'),
	$accented => add_key($node, $accented, $value, 'app'));
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
ask_ok(
	$node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.set_secret('$PROJECT', 'TOKEN', '$accented 1', 'Of the $accented');
	SELECT tarx_keys.set_secret('$PROJECT', 'TOKEN', '$accented 2');
	SELECT tarx_keys.set_secret('$PROJECT', 'EURO', '$euro');
	SELECT tarx_keys.set_secret('$PROJECT', 'GONE', 'x');
	SELECT tarx_keys.delete_secret('$PROJECT', 'GONE')}, 'app');
my ($token, $revoked) = map {
	ask_ok(
		$node, 'service', qq{
		SELECT tarx_keys.act_as('bob');
		SELECT token FROM tarx_keys.create_platform_key('$_', '2100-01-01', ARRAY['$PROJECT'::uuid])}, 'app')
} $accented, 'revoked';
ask_ok(
	$node, 'service', q{
	SELECT tarx_keys.act_as('bob');
	SELECT tarx_keys.revoke_platform_key(id) FROM tarx_keys.platform_keys WHERE name = 'revoked'}, 'app');
my $row = $node->safe_psql('app',
	"SELECT k::text FROM tarx_keys.project_llm_keys k WHERE id = '$key{deleted}'");
ask_ok(
	$node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.delete_llm_key('$PROJECT', '$key{deleted}')}, 'app');

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

sub doctor_of
{
	my ($cluster, $db) = @_;

	return $cluster->safe_psql(
		$db, q{
		SELECT check_name, severity, finding FROM tarx_keys.doctor()
		 WHERE check_name IN ('ownership', 'grants', 'public_rights', 'row_security', 'policies',
			'triggers', 'providers', 'agents')});
}

my $doctor_before = doctor_of($node, 'app');
my @rows_before = rows_of($node, 'app');
my @rights_before = rights_of($node, 'app');
foreach my $table (qw(custom_providers project_secrets project_secret_versions platform_api_keys project_members agents audit_log audit_ends))
{
	ok((grep { /^tarx_keys(_internal)?\.$table\|/ } @rows_before), "$table has rows to lose");
}

sub same_as_before
{
	my ($cluster, $db) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is(differences(\@rows_before, [ rows_of($cluster, $db) ]), '', "$db: all rows are there");
	is(differences(\@rights_before, [ rights_of($cluster, $db) ]),
		'', "$db: all owners and rights are there");
	is(doctor_of($cluster, $db), $doctor_before, "$db: doctor() finds what it found before");
	return;
}

sub verifies
{
	my ($cluster, $db) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is( ask_ok($cluster, undef, qq{
			SELECT p, u FROM tarx_keys.verify_audit('$PROJECT') p, tarx_keys.verify_personal_audit('bob') u}, $db),
		'(t,,)|(t,,)',
		"$db: the audit log verifies");
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
		$value, "$db: a key with an accent in its name resolves");
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
	is(ask_ok($cluster, 'runner', "SELECT tarx_keys.resolve_secret('$PROJECT', 'TOKEN')", $db),
		"$accented 2", "$db: a secret resolves");
	state_is($cluster, 'runner', "SELECT tarx_keys.resolve_secret('$PROJECT', 'GONE')",
		'TK011', "$db: a deleted secret stays deleted", $db);
	is( ask_ok(
			$cluster, 'service',
			"SELECT user_id, role FROM tarx_keys.login('$token', '$PROJECT')", $db),
		'bob|member',
		"$db: a token logs in");
	state_is($cluster, 'service', "SELECT * FROM tarx_keys.login('$revoked')",
		'TK010', "$db: a revoked one does not", $db);
	verifies($cluster, $db);
	is(ask_ok($cluster, undef, 'SELECT DISTINCT status FROM tarx_keys.verify_keys()', $db), 'ok', "$db: all rows authenticate");
	is( ask_ok(
			$cluster, 'service', qq{
			SELECT tarx_keys.act_as('alice');
			SELECT tarx_keys.restore_secret('$PROJECT', 'TOKEN', 1)}, $db),
		3,
		"$db: an older version of a secret is there");
	is(ask_ok($cluster, 'runner', "SELECT tarx_keys.resolve_secret('$PROJECT', 'TOKEN')", $db),
		"$accented 1", "$db: and resolves");
	like(add_key($cluster, 'new', $value, $db), qr/^[0-9a-f-]{36}$/, "$db: adding works");
	verifies($cluster, $db);
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
	[ 'pg_dump', '-Fd', '-j', '2', '-f', "$dir/app.dir", '-d', $node->connstr('app') ],
	'pg_dump in directory format, in parallel');
# of one database, because its roles go with it
$node->command_ok(
	[ 'pg_dumpall', '--exclude-database=postgres', '-f', "$dir/all.sql", '-d', $node->connstr('postgres') ],
	'pg_dumpall');
$node->command_ok(
	[ 'pg_dumpall', '--globals-only', '-f', "$dir/globals.sql", '-d', $node->connstr('postgres') ],
	'pg_dumpall of the roles');

# Another database

$node->safe_psql('postgres', 'CREATE DATABASE copy');
restore($node, 'copy');
same_as_before($node, 'copy');
is(list($node, 'copy'), $list, 'copy: the list is the same');
resolves($node, 'copy');
is(ask_ok($node, 'runner', $euro_sql, 'copy'), $euro, 'copy: any secret resolves');

# A deleted key cannot be inserted once more, from an older backup. Put in the place of
# its row, it opens, until somebody looks.
my $again = "INSERT INTO tarx_keys.project_llm_keys SELECT (\$row\$$row\$row\$::tarx_keys.project_llm_keys).*";
like(($node->psql('copy', $again))[2], qr/project_llm_keys_pkey/, 'copy: a deleted row collides with what is left of it');
$node->safe_psql('copy', "DELETE FROM tarx_keys.project_llm_keys WHERE id = '$key{deleted}'; $again");
is(ask_ok($node, undef, "SELECT status FROM tarx_keys.verify_keys() WHERE id = '$key{deleted}'", 'copy'),
	'older', 'copy: in its place it is found to be older');
is(ask_ok($node, undef, 'SELECT tarx_keys.delete_older_rows()', 'copy'), 1, 'copy: and is deleted');
state_is($node, 'runner', resolve_sql($key{deleted}),
	'TK002', 'copy: so that it does not resolve', 'copy');

# Another role than a superuser

$node->command_ok(
	[ 'pg_dump', '-U', 'keeper', '-Fc', '-t', 'tarx_keys.*', '-t', 'tarx_keys_internal.*', '-f', "$dir/keeper.custom", '-d', $node->connstr('app') ],
	'pg_dump by a role that may read all, and bypasses row security');
$node->safe_psql('app', 'ALTER ROLE keeper NOBYPASSRLS');
$node->command_fails_like(
	[ 'pg_dump', '-U', 'keeper', '-f', "$dir/keeper.sql", '-d', $node->connstr('app') ],
	qr/row-level security/,
	'pg_dump by a role that does not: no dump rather than an empty one');
my ($of_schema) = run_command([ 'pg_dump', '-n', 'tarx_keys', '-d', $node->connstr('app') ]);
unlike($of_schema, qr/^COPY/m, 'pg_dump -n leaves out what is of an extension, as docs/operations.md warns');

# Databases of other encodings

my $ascii = $list =~ s/\x{e2}\x{80}\x{a6}/.../gr;

foreach my $encoding (qw(latin1 latin9))
{
	$node->safe_psql('postgres',
		qq{CREATE DATABASE $encoding TEMPLATE template0 ENCODING '$encoding' LOCALE 'C'});
	restore($node, $encoding);
	same_as_before($node, $encoding);
	is(list($node, $encoding), $ascii, "$encoding: the list has its masks in ASCII");
	resolves($node, $encoding);
	is( ask_ok($node, 'runner',
			resolve_sql(add_key($node, "$accented 2", $value, $encoding)), $encoding),
		$value,
		"$encoding: what is added there resolves there");
}
state_is($node, 'runner', $euro_sql,
	'22P05', 'latin1: a secret with other characters does not resolve', 'latin1');
is(ask_ok($node, 'runner', $euro_sql, 'latin9'), $euro,
	'latin9: a secret that fits it does');

# and from there back

$node->command_ok([ 'pg_dump', '-f', "$dir/latin1.sql", '-d', $node->connstr('latin1') ],
	'pg_dump of latin1');
$node->safe_psql('postgres', 'CREATE DATABASE back');
is($node->psql('back', slurp_file("$dir/latin1.sql")), 0, 'back: the dump restores');
is( ask_ok($node, 'runner', resolve_sql($key{$accented}), 'back'),
	$value,
	'back: a key with an accent in its name resolves');
is(ask_ok($node, 'runner', $euro_sql, 'back'), $euro, 'back: any secret resolves');
verifies($node, 'back');

# Rows only, into a new extension: all of them, without the DBA's own rights.

$node->safe_psql('postgres', 'CREATE DATABASE data');
$node->safe_psql('data', 'CREATE EXTENSION tarx_keys');
$node->command_ok(
	[ 'pg_restore', '--exit-on-error', '--data-only', '-d', $node->connstr('data'), "$dir/keeper.custom" ],
	'data: the rows restore');
is(differences(\@rows_before, [ rows_of($node, 'data') ]), '', 'data: all rows are there');
isnt(differences(\@rights_before, [ rights_of($node, 'data') ]), '', 'data: rights are not');
resolves($node, 'data');

# Single tables that have lost all, while the others stay

sub restore_parts
{
	my ($test, @options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$node->command_ok(
		[ 'pg_restore', '--exit-on-error', '--data-only', '-n', 'tarx_keys', '-n', 'tarx_keys_internal', @options, '-d', $node->connstr('parts'), "$dir/app.custom" ],
		"parts: $test");
	return;
}

$node->safe_psql('postgres', 'CREATE DATABASE parts');
restore($node, 'parts');
$node->safe_psql('parts', 'DELETE FROM tarx_keys.project_llm_keys');
restore_parts('one table', '-t', 'project_llm_keys');
same_as_before($node, 'parts');

$node->safe_psql('parts', 'DELETE FROM tarx_keys.projects');
my ($toc, $toc_errors) = run_command([ 'pg_restore', '-l', "$dir/app.custom" ]);
# what the deletion has not taken along
write_private("$dir/list", join "\n", grep { !/ (custom_providers|last_used|platform_api_keys|audit_\w+) / } split /\n/, $toc);
restore_parts('several, by a list', '-L', "$dir/list");
same_as_before($node, 'parts');
resolves($node, 'parts');

# The two tables of the audit log belong together.
$node->safe_psql('parts', 'DELETE FROM tarx_keys.audit_log');
restore_parts('an older audit log', '-t', 'audit_log');
like(ask_ok($node, undef, "SELECT tarx_keys.verify_audit('$PROJECT')", 'parts'),
	qr/^\(f,/, 'parts: an older audit log does not verify with newer ends');
$node->safe_psql('parts', 'DELETE FROM tarx_keys_internal.audit_ends; DELETE FROM tarx_keys.audit_log');
restore_parts('both tables of the audit log', '-t', 'audit_log', '-t', 'audit_ends');
verifies($node, 'parts');

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
# where a key goes is not shown of one that does not open
my $hidden = $list =~ s{\|https://llm\.example/v1\|}{||}r;
isnt($hidden, $list, 'a base URL to hide');
is(list($other, 'moved'), $hidden, 'moved: without the master key the list is the same but for base URLs');

my ($fingerprint) = split /\|/, keyring($node, 'app');
my $err = state_is($other, 'runner', resolve_sql($key{first}),
	'TK006', 'moved: resolving needs the master key', 'moved');
like($err, qr/ERROR:.*$fingerprint/, 'moved: the error names it');
like(state_is($other, 'runner', "SELECT tarx_keys.resolve_secret('$PROJECT', 'TOKEN')", 'TK006', 'moved: so does a secret', 'moved'),
	qr/ERROR:.*$fingerprint/, 'moved: and the error names it');
is(ask_ok($other, undef, "SELECT tarx_keys.verify_audit('$PROJECT')", 'moved'),
	'(f,0,"master key missing")', 'moved: and the audit log');
# which goes on all the same, in another generation, and verifies with it once the key is there
state_is($other, 'service', "SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.create_agent('$PROJECT', 'Second')",
	'TK006', 'moved: who is a member needs it, too', 'moved');
$other->safe_psql('moved', "SELECT tarx_keys.restamp_members('$PROJECT')");
ask_ok($other, 'service', "SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.create_agent('$PROJECT', 'Second')", 'moved');
is(ask_ok($other, undef, "SELECT max(generation) FROM tarx_keys.audit_log WHERE project_id = '$PROJECT'", 'moved'),
	'2', 'moved: changes are logged in another generation');
is( ask_ok($other, 'service', qq{
		SELECT tarx_keys.act_as('bob', '$PROJECT');
		SELECT s.name, s.version, s.description, p.name FROM tarx_keys.secrets s, tarx_keys.platform_keys p
		WHERE s.name = 'TOKEN' AND p.revoked_at IS NULL}, 'moved'),
	"TOKEN|2|Of the $accented|$accented",
	'moved: the lists of secrets and platform keys');
state_is($other, 'service', "SELECT * FROM tarx_keys.login('$token')",
	'TK010', 'moved: no token logs in', 'moved');
like(keyring($other, 'moved'), qr/^$fingerprint\|\|4$/m, 'moved: keyring_status names it');
is( ask_ok(
		$other, 'auditor', 'SELECT lane FROM tarx_keys_internal.audit_ends', 'moved'),
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
$other->safe_psql('moved', 'CALL tarx_keys.rotate_master_key()');
write_private($file, hex_key('another'));
reload_keyring($other);
is(ask_ok($other, 'runner', resolve_sql($key{first}), 'moved'), $value,
	'moved: a key that was rotated to the cluster\'s own master key resolves');
is(ask_ok($other, undef, "SELECT count(*) FROM tarx_keys.verify_keys() WHERE status <> 'ok'", 'moved'),
	0, 'moved: and all others');
verifies($other, 'moved');
write_private($file, hex_key('another') . "\n$hex");
reload_keyring($other);

# In parallel, with the right one from the start. pg_restore does not know that the
# rows of one table of an extension refer to those of another, so that their checks
# must wait until all are there.

$other->safe_psql('postgres', 'CREATE DATABASE parallel');
{
	local $ENV{PGOPTIONS} = '-c session_replication_role=replica';
	$other->command_ok(
		[ 'pg_restore', '--exit-on-error', '-j', '2', '-d', $other->connstr('parallel'), "$dir/app.dir" ],
		'parallel: the dump restores');
}
same_as_before($other, 'parallel');
resolves($other, 'parallel');

# All of a cluster, into one that has none of it

my $whole = new_node('whole', keyring => { master_key => $hex });
$whole->start;
$whole->command_ok(
	[ 'psql', '-Xq', '-f', "$dir/all.sql", '-d', $whole->connstr('postgres') ],
	'whole: the dump of all restores');
same_as_before($whole, 'app');
is(list($whole, 'app'), $list, 'whole: the list is the same');
resolves($whole, 'app');
is(ask_ok($whole, 'auditor', 'SELECT count(*) > 0 FROM tarx_keys.keyring_status()', 'app'),
	't', 'whole: a role of the DBA has its rights');

# A dump into a cluster without our roles: the extension makes them

my $bare = new_node('bare', keyring => { master_key => $hex });
$bare->start;
$bare->safe_psql('postgres', 'CREATE DATABASE bare');
$bare->safe_psql('postgres', 'CREATE ROLE auditor');
restore($bare, 'bare');
$bare->safe_psql('postgres', 'CREATE ROLE runner LOGIN IN ROLE tarx_keys_agent');
is(ask_ok($bare, 'runner', resolve_sql($key{first}), 'bare'), $value, 'bare: a key resolves');

done_testing();
