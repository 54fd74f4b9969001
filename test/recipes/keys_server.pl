# The keys server beside a managed database, examples/keys-server, without containers: what
# the image and compose.yaml run, step by step. TLS and passwords are needed, each login may
# do its part through the pooler, and what the backup writes passes a restore drill.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../t";

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $example = "$FindBin::RealBin/../../examples/keys-server";
my $dir = PostgreSQL::Test::Utils::tempdir_short;
my $bindir = `pg_config --bindir` =~ s/\n//r;
my $compose = slurp_file("$example/compose.yaml");
my ($secrets, $data) = ("$dir/secrets", "$dir/data");
my ($port, $pooler_port) = map { PostgreSQL::Test::Cluster::get_free_port() } 1 .. 2;

$ENV{PATH} = "$example:$bindir:$ENV{PATH}:/usr/sbin";
need('pgbouncer', grep { -x "$_/pgbouncer" } split /:/, $ENV{PATH});
delete @ENV{ grep { /^PG/ } keys %ENV };

sub run_ok
{
	my ($test, @command) = @_;
	my $out = '';
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	ok(IPC::Run::run(\@command, '<', '/dev/null', '>', \$out, '2>', \$out), $test) or diag($out);
	return $out;
}

sub pg_ctl
{
	my ($test, @args) = @_;

	# its server must not keep our pipe open
	ok(system("pg_ctl -D '$data' -w -l '$dir/log' @args >'$dir/pg_ctl.log' 2>&1") == 0, $test) or diag(slurp_file("$dir/pg_ctl.log"), -e "$dir/log" ? slurp_file("$dir/log") : '');
	return;
}

my $pooler;
sub stop_all
{
	$pooler->kill_kill if defined $pooler;
	undef $pooler;
	system("pg_ctl -D '$data' -m immediate -w stop >/dev/null 2>&1") if -e "$data/postmaster.pid";
	return;
}
END { local $?; stop_all() }

# The secrets
run_ok('make-secrets makes them', 'make-secrets', 'keys.example', $secrets);
my ($files) = $compose =~ /^secrets:\n(.*)/ms;
my @wanted = $files =~ m{^  (\S+): \{file: \./secrets/\1\}$}mg;
is(join(' ', sort @wanted), join(' ', sort grep { !/^ca\.(?:key|srl)$/ } map { s{.*/}{}r } glob "$secrets/*"), 'compose.yaml has all but those of the authority');
is(join(' ', map { sprintf '%o', (stat "$secrets/$_")[2] & 0777 } 'master.key', 'server.key', 'app_runner.password'), '600 600 600', 'only their owner reads them');
ok(!IPC::Run::run([ 'make-secrets', 'keys.example', $secrets ], '2>', \my $err), 'it overwrites nothing');

# The image: what it copies is there, and what it writes is run
my $dockerfile = slurp_file("$example/Dockerfile");
ok(-x "$example/$_", "$_ is there to be copied") foreach $dockerfile =~ /^COPY (\S+)/mg;
mkdir "$dir/initdb.d";
my ($written) = $dockerfile =~ /^RUN (printf .*?[^\\])\n(?:\S|\z)/ms;
run_ok('the image gets its script', 'sh', '-c', $written =~ s{/docker-entrypoint-initdb\.d}{$dir/initdb.d}gr =~ s/\\\n//gr);

# The cluster, as the entrypoint of the image postgres makes it: a server without network runs
# the file that creates the extension, then ours
my @settings = map { s{/run/secrets}{$secrets}r } $compose =~ /^      - -c(\S+)$/mg;
cmp_ok(scalar @settings, '>=', 6, 'compose.yaml has settings');
run_ok('a cluster', 'initdb', '-N', '-D', $data, '-U', 'postgres', '--auth-local=trust', '--auth-host=scram-sha-256', '--encoding=UTF8', "--pwfile=$secrets/postgres.password");
append_to_file("$data/postgresql.conf", join "\n", slurp_file($ENV{TARX_KEYS_STAGE_CONF} || '/dev/null'), "unix_socket_directories = '$dir'", "port = $port", 'log_statement = all', '');
my $options = join ' ', map { "-c$_" } @settings;
pg_ctl('the server starts with the settings of compose.yaml', '-o', qq("$options -clisten_addresses="), 'start');
{
	local @ENV{qw(PGHOST PGPORT)} = ($dir, $port);
	run_ok('the first database', 'psql', '-XqU', 'postgres', '-d', 'postgres', '-c', 'CREATE DATABASE keys');
	run_ok('the extension', 'psql', '-XqU', 'postgres', '-d', 'keys', '-c', 'CREATE EXTENSION tarx_keys');
	local @ENV{qw(POSTGRES_USER PGDATA KEYS_SECRETS)} = ('postgres', $data, $secrets);
	run_ok('init makes logins', $_) foreach glob "$dir/initdb.d/*.sh";
	my ($doctor) = run_ok('doctor runs', 'psql', '-XAtqU', 'postgres', '-d', 'keys', '-c', q{SELECT check_name, severity, finding FROM tarx_keys.doctor() WHERE severity = 'critical' OR check_name IN ('connect', 'tls', 'members')});
	unlike($doctor, qr/\|critical\|/, 'and finds nothing critical') or diag($doctor);
	like($doctor, qr/^connect\|ok\|/m, 'nobody else may connect');
}
pg_ctl('it stops', 'stop');
pg_ctl('and starts with the network', '-o', qq("$options -clisten_addresses=127.0.0.1"), 'start');

# The pooler, by its command
@ENV{qw(KEYS_SECRETS KEYS_RUN KEYS_BACKUPS KEYS_PORT KEYS_POOLER_PORT KEYS_POOLER_ADDRESS)} = ($secrets, "$dir/run", "$dir/backups", $port, $pooler_port, '127.0.0.1');
my ($command) = $compose =~ /^  pooler:.*?command: \[(.*?)\]/ms;
is($command, 'keys-server, pooler', 'compose.yaml runs the pooler');
$ENV{KEYS_HOST} = '127.0.0.1';
run_ok('a certificate for 127.0.0.1, in place of the containers\' names', 'sh', '-ec', qq{
	cd $secrets
	openssl req -new -key server.key -subj /CN=keys.example -out s.csr
	printf 'subjectAltName=DNS:keys.example,DNS:server,DNS:pooler,IP:127.0.0.1' >ext
	openssl x509 -req -in s.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out server.crt});
pg_ctl('the server takes it', 'reload');
$pooler = IPC::Run::start([ split /, /, $command ], '<', '/dev/null', '>', "$dir/pooler.log", '2>&1');

sub ask_keys
{
	my ($login, $at, $sql, %more) = @_;
	my ($out, $err) = ('', '');
	local $ENV{PGPASSWORD} = slurp_file("$secrets/" . ($more{password} || $login) . '.password') =~ s/\n//r;
	my $mode = $more{sslmode} || 'verify-full';

	IPC::Run::run([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', "host=127.0.0.1 port=$at user=$login dbname=" . ($more{database} || 'keys') . " sslmode=$mode sslrootcert=$secrets/ca.crt" ],
		'<', \$sql, '>', \$out, '2>', \$err);
	return ($? >> 8, $out, $err);
}
wait_until(sub { (ask_keys('app_runner', $pooler_port, 'SELECT 1'))[0] == 0 }) or diag(slurp_file("$dir/pooler.log"));

# Each login does its part
my ($status, $out) = ask_keys('app_backend', $pooler_port, qq{
	BEGIN;
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.create_project('Story', '$PROJECT') = '$PROJECT';
	SELECT tarx_keys.add_llm_key('$PROJECT', 'openai', 'Key', 'sk-proj-0123456789abcdefghijkl');
	COMMIT;});
is($status, 0, 'the backend adds a key through the pooler');
my ($key) = $out =~ /([0-9a-f-]{36})/;
($status, $out) = ask_keys('app_runner', $pooler_port, "SELECT key_value FROM tarx_keys.resolve_key('$PROJECT', '$key')");
is($out, "sk-proj-0123456789abcdefghijkl\n", 'a runner resolves it');

# and no more
foreach my $wrong (
	[ 'the backend does not resolve', qr/permission denied/, 'app_backend', $pooler_port, "SELECT tarx_keys.resolve_key('$PROJECT', '$key')" ],
	[ 'nobody comes to the pooler without TLS', qr/./, 'app_runner', $pooler_port, 'SELECT 1', sslmode => 'disable' ],
	[ 'nor to the server', qr/no pg_hba\.conf entry/, 'app_runner', $port, 'SELECT 1', sslmode => 'disable' ],
	[ 'nor with another password', qr/authentication failed/, 'app_runner', $pooler_port, 'SELECT 1', password => 'app_backend' ],
	[ 'no superuser comes by the network', qr/no pg_hba\.conf entry/, 'postgres', $port, 'SELECT 1' ],
	[ 'nor by the pooler', qr/authentication failed|no such user/, 'postgres', $pooler_port, 'SELECT 1' ],
	[ 'a runner has one database', qr/no pg_hba\.conf entry|permission denied/, 'app_runner', $port, 'SELECT 1', database => 'postgres' ])
{
	my ($test, $message, @ask) = @$wrong;
	my (undef, $result, $error) = ask_keys(@ask);

	like($error, $message, $test);
}

# Backups, and the drill with them
mkdir "$dir/backups";
like(run_ok('a backup', 'keys-server', 'backup'), qr/^backup: keys-\d{8}T\d{6}Z\.dump$/m, 'has a name');
my ($dump) = glob "$dir/backups/keys-*.dump";
like(slurp_file("$dir/backups/globals.sql"), qr/CREATE ROLE app_runner/, 'the roles are in it');
unlike(slurp_file("$dir/backups/globals.sql"), qr/SCRAM-SHA-256/, 'without passwords');
utime 0, 0, $dump;
rename $dump, "$dir/backups/keys-19700101T000000Z.dump";
run_ok('another backup', 'keys-server', 'backup');
is(scalar(@{ [ glob "$dir/backups/*.dump" ] }), 1, 'removes one that is too old');
($dump) = glob "$dir/backups/keys-*.dump";
{
	delete local @ENV{ grep { /^(?:PG|KEYS)/ } keys %ENV };
	like(run_ok('a restore drill', "$example/../restore-drill/restore-drill", '--bindir', $bindir, '--conf', $ENV{TARX_KEYS_STAGE_CONF} || '/dev/null',
			'--globals', "$dir/backups/globals.sql", $dump, "$secrets/master.key"),
		qr/^restored: projects: 1, LLM keys: 1, .*\nall rows open/, 'opens all of it');
}

my $log = slurp_file("$dir/log");
like($log, qr/statement: /, 'statements are logged');
my $passwords = join '|', map { slurp_file($_) =~ s{\n}{}r } glob "$secrets/*.password";
unlike($log . slurp_file("$dir/pooler.log"), qr/sk-proj-0123456789|$passwords/, 'no value and no password is');
stop_all();

done_testing();
