# pg_upgrade from major to major with data in place. Needs several majors, each with
# the extension installed: test/matrix has them, and names them in order, by the
# directories they are installed in, in TARX_KEYS_UPGRADE.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../t";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my @installed = split / /, $ENV{TARX_KEYS_UPGRADE} || '';
plan skip_all => 'needs several majors; see test/matrix' if @installed < 2;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $keyring = write_private("$dir/keys", hex_key('upgrade'));
my $value = 'sk-proj-upgrade-0123456789abcdef0123456789';

# what pg_upgrade leaves where it stands
chdir $dir or die "could not change to \"$dir\": $!";

sub cluster
{
	my ($path, $name) = @_;

	return new_node(
		$name,
		new => { install_path => $path },
		# by default since 18, and to be the same in both
		init => { extra => [ '--encoding=UTF8', '--locale=C', '--data-checksums' ] },
		keyring => { master_key_file => $keyring });
}

my $old = cluster($installed[0], 'first');
my $oldpath = shift @installed;
$old->start;
$old->safe_psql('postgres', q{ALTER DATABASE postgres SET tarx_keys.realm = 'upgraded'});
install($old);
$old->safe_psql(
	'postgres', q{
	CREATE ROLE auditor LOGIN;
	GRANT USAGE ON SCHEMA tarx_keys TO auditor;
	GRANT SELECT ON tarx_keys.audit_log TO auditor;
	GRANT EXECUTE ON FUNCTION tarx_keys.keyring_status() TO auditor;
	REVOKE SELECT ON tarx_keys.key_usage FROM tarx_keys_login;});
my %key = map { $_ => add_key($old, $_, "$value-$_") } qw(kept deleted);
my $agent = ask_ok(
	$old, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.delete_llm_key('$PROJECT', '$key{deleted}');
	SELECT tarx_keys.set_secret('$PROJECT', 'TOKEN', 'one');
	SELECT tarx_keys.set_secret('$PROJECT', 'TOKEN', 'two');
	SELECT tarx_keys.create_agent('$PROJECT', 'Helper', '$key{kept}')});
my $token = ask_ok(
	$old, 'service', q{
	SELECT tarx_keys.act_as('bob');
	SELECT token FROM tarx_keys.create_platform_key('laptop')});

# An audit log whose master key was missing for a time has two generations.
write_private($keyring, hex_key('upgrade 2'));
reload_keyring($old);
$old->safe_psql('postgres', "SELECT tarx_keys.restamp_members('$PROJECT')");
ask_ok(
	$old, 'service', qq{
	SELECT tarx_keys.act_as('bob');
	SELECT tarx_keys.create_agent('$PROJECT', 'Second')});
is($old->safe_psql('postgres', 'SELECT max(generation) FROM tarx_keys.audit_log'), '2', 'two generations of the audit log');
write_private($keyring, hex_key('upgrade 2') . "\n" . hex_key('upgrade'));
reload_keyring($old);

# What a superuser of 17 and later can grant besides: it came with no restore.
sub rights
{
	my ($node) = @_;
	return [ grep { !/\|MAINTAIN$/ } rights_of($node, 'postgres') ];
}

sub is_as_before
{
	my ($node, $test, $rows, $rights) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is(differences($rows, [ rows_of($node, 'postgres') ]), '', "$test: all rows");
	is(differences($rights, rights($node)), '', "$test: all owners and rights");
	is($node->safe_psql('postgres', 'SHOW tarx_keys.realm'), 'upgraded', "$test: the database has its realm");
	is(ask_ok($node, 'runner', resolve_sql($key{kept})), "$value-kept", "$test: a key resolves");
	is( ask_ok($node, 'runner', "SELECT key_value FROM tarx_keys.resolve_agent_key('$PROJECT', '$agent')"),
		"$value-kept", "$test: an agent's key resolves");
	state_is($node, 'runner', resolve_sql($key{deleted}), 'TK002', "$test: a deleted key stays deleted");
	is(ask_ok($node, 'runner', "SELECT tarx_keys.resolve_secret('$PROJECT', 'TOKEN')"),
		'two', "$test: a secret resolves");
	is(ask_ok($node, 'service', "SELECT user_id FROM tarx_keys.login('$token')"),
		'bob', "$test: a token logs in");
	is( ask_ok($node, undef, qq{
			SELECT p, u FROM tarx_keys.verify_audit('$PROJECT') p, tarx_keys.verify_personal_audit('bob') u}),
		'(t,,)|(t,,)', "$test: the audit log verifies");
	is(ask_ok($node, 'auditor', 'SELECT count(*) > 0 FROM tarx_keys.keyring_status()'),
		't', "$test: a role of the DBA has its rights");
	return;
}

# To a master key that the cluster did not have before the upgrade
sub rotate
{
	my ($node, $test) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	write_private($keyring, hex_key($test) . "\n" . slurp_file($keyring));
	reload_keyring($node);
	is($node->safe_psql('postgres', 'SELECT sum(done) FROM tarx_keys.rotation_progress'),
		'0', "$test: all hangs on the old master key");
	$node->safe_psql('postgres', 'CALL tarx_keys.rotate_master_key()');
	is($node->safe_psql('postgres', 'SELECT sum(remaining), sum(done) > 5 FROM tarx_keys.rotation_progress'),
		'0|t', "$test: then on the new one");
	is($node->safe_psql('postgres', 'SELECT string_agg(DISTINCT status, chr(44)) FROM tarx_keys.verify_keys()'),
		'ok', "$test: and every row is verified");
	return;
}

foreach my $path (@installed)
{
	my $test = "$oldpath to $path" =~ s/\S*\///gr;
	my ($rows, $rights) = ([ rows_of($old, 'postgres') ], rights($old));
	my $new = cluster($path, 'to' . ($path =~ s/.*\///r));
	my @upgrade = (
		"$path/bin/pg_upgrade", '-b', "$oldpath/bin", '-B', "$path/bin",
		'-d', $old->data_dir, '-D', $new->data_dir,
		'-p', $old->port, '-P', $new->port, '-s', $new->host);

	$old->stop;
	$new->append_conf('postgresql.conf', "shared_preload_libraries = ''");
	command_fails([ @upgrade, '--check' ], "$test: refused unless the new cluster preloads the library");
	$new->append_conf('postgresql.conf', "shared_preload_libraries = 'tarx_keys'");
	command_ok(\@upgrade, "$test: upgraded");
	$new->start;
	is_as_before($new, $test, $rows, $rights);
	like(add_key($new, "added after $test", $value), qr/^[0-9a-f-]{36}$/, "$test: adding works");
	ok($new->safe_psql('postgres', "SELECT ok FROM tarx_keys.verify_audit('$PROJECT')") eq 't',
		"$test: and the audit log goes on");
	rotate($new, $test);
	($old, $oldpath) = ($new, $path);
}

# What was installed by the first major is what the last would install.
$old->safe_psql('postgres', 'CREATE DATABASE fresh');
$old->safe_psql('fresh', 'CREATE EXTENSION tarx_keys');
is($old->safe_psql('postgres', q{SELECT extversion FROM pg_extension WHERE extname = 'tarx_keys'}),
	$old->safe_psql('fresh', q{SELECT extversion FROM pg_extension WHERE extname = 'tarx_keys'}),
	'the version is that of a new installation');

$old->stop;
done_testing();
