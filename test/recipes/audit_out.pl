# The audit log to a webhook, examples/audit-out: all rows in the order of commits, also
# after the program was killed with rows on the way; and what its login may read.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../t";

use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $example = "$FindBin::RealBin/../../examples/audit-out";
my $dir = PostgreSQL::Test::Utils::tempdir;
need('wal2json', -e (`pg_config --pkglibdir` =~ s/\n//r) . '/wal2json.so');
npm_packages("$example/../client");

my $node = new_node('audit_out', keyring => { master_key => hex_key('audit out') }, conf => "wal_level = logical\n");
$node->start;
install($node);
# minor versions from 2026 on ask which plugins are trusted
if ($node->safe_psql('postgres', "SELECT count(*) FROM pg_settings WHERE name = 'output_plugin_libraries'") ne '0')
{
	$node->append_conf('postgresql.conf', "output_plugin_libraries = 'pgoutput, wal2json'\n");
	$node->reload;
	$node->poll_query_until('postgres', "SELECT current_setting('output_plugin_libraries') LIKE '%wal2json'");
}
$node->safe_psql('postgres', q{
	CREATE ROLE audit_out LOGIN REPLICATION IN ROLE tarx_keys_auditor;
	SELECT pg_create_logical_replication_slot('tarx_keys_audit', 'wal2json')});

# A webhook that writes down what it gets, a line for each request, and answers as a file says
my $receiver = write_private("$dir/receiver.mjs", q{
import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
const dir = process.argv[2];
const server = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  appendFileSync(`${dir}/got`, `${body}\n`);
  if (existsSync(`${dir}/silent`)) return;
  response.writeHead(existsSync(`${dir}/refuse`) ? 500 : 204).end();
}).listen(0, '127.0.0.1', () => writeFileSync(`${dir}/port`, String(server.address().port)));
});
my $webhook = IPC::Run::start([ 'node', $receiver, $dir ], '<', '/dev/null');
ok($node->poll_query_until('postgres', "SELECT length(pg_read_file('$dir/port', 0, 9, true)) > 0"), 'the webhook listens');
local $ENV{WEBHOOK_URL} = 'http://127.0.0.1:' . PostgreSQL::Test::Utils::slurp_file("$dir/port");
local $ENV{AUDIT_URL} = 'postgres://audit_out@localhost/postgres?host=' . $node->host . '&port=' . $node->port;

sub got
{
	return [] unless -e "$dir/got";
	return [ map { @{ decode_json($_) } } split /\n/, PostgreSQL::Test::Utils::slurp_file("$dir/got") ];
}

sub name_of
{
	my ($row) = @_;
	return join ' ', $row->{project_id}, $row->{personal} ? 't' : 'f', @$row{qw(generation seq action)};
}

sub logged
{
	return $node->safe_psql('postgres', q{
		SELECT concat_ws(' ', project_id, personal, generation, seq, action) FROM tarx_keys.audit_log ORDER BY at, seq});
}

sub send_all
{
	my ($err) = '';
	local $ENV{ONCE} = 1;

	IPC::Run::run([ 'node', "$example/send-audit.js" ], '<', '/dev/null', '2>', \$err);
	return $? >> 8 ? "failed: $err" : 'done';
}

# Removes what was logged before the slot was made
my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM tarx_keys.audit_log');
my ($key, $other) = map { add_key($node, "Key $_", "sk-proj-0123456789abcdefghijkl-$_") } 1 .. 2;
is(send_all(), 'done', 'the rows are sent');
my @expected = (split /\n/, logged())[ $before .. $before + 1 ];
is_deeply([ map { name_of($_) } @{ got() } ], \@expected, 'all, as they were logged');
unlike(PostgreSQL::Test::Utils::slurp_file("$dir/got"), qr/stamp|sk-proj/, 'without stamps and values');
is(send_all(), 'done', 'with nothing new');
is(scalar @{ got() }, 2, 'nothing is sent again');

# A transaction that began first and commits last is not missed
my ($in, $out) = ('', '');
my $late = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-U', 'service' ], '<', \$in, '>', \$out);
$in = "BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.set_secret('$PROJECT', 'LATE', 'x'); SELECT 'written';\n";
$late->pump until $out =~ /written/;
ask_ok($node, 'service', qq{SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.set_secret('$PROJECT', 'EARLY', 'x')});
send_all();
$in = "COMMIT;\n";
$late->finish;
send_all();
is_deeply([ map { $_->{object_name} } @{ got() }[ 2, 3 ] ], [ 'EARLY', 'LATE' ], 'rows come as transactions commit');

# Killed when the rows are on the way, and before it knows that they have arrived
PostgreSQL::Test::Utils::append_to_file("$dir/silent", '');
ask_ok($node, 'service', qq{SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.delete_llm_key('$PROJECT', '$other')});
my $sender = IPC::Run::start([ 'node', "$example/send-audit.js" ], '<', '/dev/null');
ok($node->poll_query_until('postgres', "SELECT pg_read_file('$dir/got') LIKE '%llm_key.delete%'"), 'a row is on the way');
$sender->signal('KILL');
$sender->finish;
unlink "$dir/silent";
PostgreSQL::Test::Utils::append_to_file("$dir/refuse", '');
like(send_all(), qr/^failed: .*the webhook answered 500/s, 'a webhook that refuses ends it');
unlink "$dir/refuse";
ask_ok($node, 'service', qq{SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.delete_secret('$PROJECT', 'LATE')});
is(send_all(), 'done', 'it goes on');
is_deeply([ map { $_->{action} } @{ got() }[ 4 .. 7 ] ], [ ('llm_key.delete') x 3, 'secret.delete' ],
	'with what was not confirmed, and then with what is new');
my %unique = map { name_of($_) => 1 } @{ got() };
my @all = split /\n/, logged();
is_deeply([ sort keys %unique ], [ sort @all[ $before .. $#all ] ], 'nothing is missing');

# What a purge deletes is not sent
$node->safe_psql('postgres', 'CALL tarx_keys.purge_audit(now())');
is(send_all(), 'done', 'a purge');
is(scalar @{ got() }, 8, 'sends nothing');

# A slot whose database is idle keeps nothing of what others write
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE TABLE t AS SELECT generate_series(1, 1000); CHECKPOINT');
my $written = $node->safe_psql('other', 'SELECT pg_current_wal_flush_lsn()');
is(send_all(), 'done', 'another database');
is($node->safe_psql('postgres', "SELECT confirmed_flush_lsn >= '$written' FROM pg_replication_slots"), 't', 'is not kept in WAL');

# The login
my $as_auditor = sub { return ($node->psql('postgres', $_[0], extra_params => [ '-U', 'audit_out' ]))[2] };
like($as_auditor->('SELECT ciphertext FROM tarx_keys.project_llm_keys'), qr/permission denied/, 'the login reads no other table');
like($as_auditor->("SELECT tarx_keys.resolve_key('$PROJECT', '$key')"), qr/permission denied/, 'and resolves nothing');
like($node->safe_psql('postgres', 'SELECT finding FROM tarx_keys.doctor()'), qr/^login audit_out replicates/m, 'doctor knows what it can');
$webhook->signal('KILL');
$webhook->finish;
$node->stop;
done_testing();
