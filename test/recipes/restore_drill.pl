# The restore drill, examples/restore-drill: a good dump and keyring are said to be good;
# a missing master key, a tampered row, a changed log, a dump without rows and others are
# named, with status 1; what cannot be restored is status 2; and nothing stays behind.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../t";

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $example = "$FindBin::RealBin/../../examples/restore-drill";
# short, because the drill's socket is in it
my $dir = PostgreSQL::Test::Utils::tempdir_short;
my $bindir = `pg_config --bindir` =~ s/\n//r;
my ($old, $new) = map { hex_key("drill $_") } 1 .. 2;
my $keyring = write_private("$dir/keys", "$old\n");
my $copy = write_private("$dir/copy of the keyring's", "$old\n", 0400);
mkdir "$dir/tmp";

my $node = new_node('drill', keyring => { master_key_file => $keyring });
$node->start;
install($node);
my $key = add_key($node, 'Key', 'sk-proj-0123456789abcdefghijkl');
my ($old_key, $project) = (add_key($node, 'Before', 'sk-proj-0123456789abcdefghijkl-2'), $PROJECT);
ask_ok($node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.set_secret('$PROJECT', 'SECRET', 'one'), tarx_keys.set_secret('$PROJECT', 'SECRET', 'two');
	SELECT tarx_keys.create_agent('$PROJECT', 'Agent', '$key');
	SELECT count(*) FROM tarx_keys.create_platform_key('laptop');
	SELECT tarx_keys.delete_project(tarx_keys.create_project('Ended'))});

# A dump of the server as it is, by a name
sub dump_as
{
	my ($name, @options) = @_;
	run_command([ 'pg_dump', '-Fc', @options, '-f', "$dir/$name", '-d', $node->connstr('postgres') ]);
	return "$dir/$name";
}

sub drill
{
	my (@args) = @_;
	my ($out, $err) = ('', '');
	local $ENV{TMPDIR} = "$dir/tmp";

	IPC::Run::run([ "$example/restore-drill", '--bindir', $bindir, '--conf', $ENV{TARX_KEYS_STAGE_CONF} || '/dev/null', @args ],
		'<', '/dev/null', '>', \$out, '2>', \$err);
	return ($? >> 8, $out, $err);
}

# A drill that ends like this, and says this
sub drill_is
{
	my ($test, $expected, $says, @args) = @_;
	my ($status, $out, $err) = drill(@args);
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is($status, $expected, "$test: status $expected") or diag("$out$err");
	like($expected == 2 ? $err : $out, $says, "$test: it says so");
	unlike($out . $err, qr/sk-proj|\b(?:one|two)\b/, "$test: and no value");
	return;
}

my $good = dump_as('good.dump');
run_command([ 'pg_dumpall', '--globals-only', '-f', "$dir/globals.sql", '-d', $node->connstr('postgres') ]);
drill_is('a good dump', 0,
	qr/^restored: projects: 1, LLM keys: 2, secrets: 1, platform keys: 1, rows of the audit log: \d+; newest change: \d{4}-.*\nall rows open, and all audit logs are whole\n$/,
	'--newest', '1', $good, $copy);

# A part of the keyring is missing, or all of it
write_private($keyring, "$new\n$old\n");
reload_keyring($node);
ask_ok($node, 'service', qq{SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.set_secret('$PROJECT', 'NEW', 'three')});
my $rotating = dump_as('rotating.dump');
my $fingerprint = $node->safe_psql('postgres', 'SELECT fingerprint FROM tarx_keys.keyring_status() WHERE is_active');
drill_is('a copy of the keyring that is too old, and a dump, too', 1,
	qr/^missing: master key $fingerprint, which rows need: LLM keys: 0, versions of secrets: 1, .*\nwrong: rows that are missing master key: 1 secret\nwrong: missing master key: secret [0-9a-f-]{36} of project $PROJECT\n(?:.*\n)*missing: changes since \d{4}-/m,
	'--newest', '0', $rotating, $copy);
write_private("$dir/both", "$new\n$old\n");
write_private("$dir/empty", "\n");
drill_is('a copy that is no keyring', 1, qr/^missing: the keyring: \S/, $good, "$dir/empty");

# Rows and logs that are not what was written
$node->safe_psql('postgres', "UPDATE tarx_keys.project_llm_keys SET base_url = 'https://elsewhere.example' WHERE id = '$key'");
$node->safe_psql('postgres', "CREATE TABLE kept AS SELECT * FROM tarx_keys.audit_log WHERE action = 'agent.create'; DELETE FROM tarx_keys.audit_log WHERE action = 'agent.create'");
drill_is('a tampered row, and a log that lacks one', 1,
	qr/^wrong: rows that are tampered: 1 llm_key\nwrong: tampered: llm_key $key of project $PROJECT\nwrong: audit log of project $PROJECT: .*, at \d+$/m, dump_as('tampered.dump'), "$dir/both");
$node->safe_psql('postgres', "UPDATE tarx_keys.project_llm_keys SET base_url = NULL WHERE id = '$key'");
$node->safe_psql('postgres', 'INSERT INTO tarx_keys.audit_log SELECT * FROM kept; DROP TABLE kept');

# What is no good dump
drill_is('a dump without rows', 1, qr/^missing: all rows: /m, dump_as('schema.dump', '-s'), "$dir/both");
$node->safe_psql('postgres', q{CREATE TABLE aside AS SELECT 1});
drill_is('a dump of something else', 2, qr/^restore-drill: the dump has no extension tarx_keys$/m, dump_as('other.dump', '-t', 'aside'), "$dir/both");
write_private("$dir/broken.dump", substr(slurp_file($good), 0, 2000));
drill_is('a dump that is cut short', 2, qr/^restore-drill: the dump could not be restored$/m, "$dir/broken.dump", $copy);
drill_is('no dump', 2, qr/^restore-drill: cannot read /m, "$dir/none", $copy);

# Another realm: the dump does not say which
$node->safe_psql('postgres', q{CREATE DATABASE other});
$node->safe_psql('postgres', q{ALTER DATABASE other SET tarx_keys.realm = 'other'});
$node->safe_psql('other', 'CREATE EXTENSION tarx_keys');
ask_ok($node, 'service', qq{SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.create_project('Other')}, 'other');
run_command([ 'pg_dump', '-Fc', '-f', "$dir/realm.dump", '-d', $node->connstr('other') ]);
drill_is('another realm', 1, qr/^wrong: rows that are tampered: 1 member$/m, "$dir/realm.dump", "$dir/both");
drill_is('its own realm, and a command for the keyring', 0, qr/^all rows open/m, '--realm', 'other', '--command', "$dir/realm.dump", "cat '$dir/both'");

is(join(' ', glob "$dir/tmp/*"), '', 'nothing stays behind');

# The unit calls the script as it can be called.
my ($options) = slurp_file("$example/restore-drill.service") =~ m{^ExecStart=/usr/local/sbin/restore-drill (.*)$}m;
drill_is('as the unit calls it', 0, qr/^all rows open/m,
	split / /, $options =~ s{/srv/backup/globals.sql}{$dir/globals.sql}r =~ s{/srv/backup/app.dump}{$good}r =~ s{/srv/keyring-copy/master.key}{$dir/both}r);
SKIP:
{
	skip 'there is no systemd-analyze', 1 unless grep { -x "$_/systemd-analyze" } split /:/, $ENV{PATH};
	my ($said, $errors);
	mkdir "$dir/units";
	# as it is, but for the path of the script, which is not installed here
	write_private("$dir/units/restore-drill.service", slurp_file("$example/restore-drill.service") =~ s{/usr/local/sbin/restore-drill}{$example/restore-drill}r);
	write_private("$dir/units/restore-drill.timer", slurp_file("$example/restore-drill.timer"));
	IPC::Run::run([ 'systemd-analyze', 'verify', "$dir/units/restore-drill.service", "$dir/units/restore-drill.timer" ], '>', \$said, '2>', \$errors);
	unlike($errors, qr{/units/restore-drill}, 'systemd finds nothing wrong with the units');
}

done_testing();
