# Eight sessions resolve, and one adds, while the keyring is reloaded two hundred
# times: never a wrong value, never an error.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $value = 'sk-proj-reloads-0123456789abcdef0123456789';
my $reloads = 200;
# different lengths, so that keys change their places as well
my @keyrings = (
	join("\n", map { hex_key($_) } qw(a b)),
	join("\n", map { hex_key($_) } qw(b c a)));
my $file = write_private("$dir/keys", $keyrings[0]);

# its log tells of each reload; one client adds keys all the time
my $node = new_node('reloads', keyring => { master_key_file => $file }, conf => "tarx_keys.max_per_project = 1000000\n");
$node->start;
install($node);
my ($first) = split /\|/, keyring($node);
my $key = add_key($node, 'of a', "$value-of-a");
write_private($file, $keyrings[1]);
reload_keyring($node);
my ($second) = split /\|/, keyring($node);
my $other = add_key($node, 'of b', "$value-of-b");
ask_ok($node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.set_secret('$PROJECT', 'TOKEN', 'secret')});

# A client that runs a script for as long as there are reloads. A statement that
# fails ends it with a message.
sub start_clients
{
	my ($login, $count, $script) = @_;
	my %run = (output => "$dir/$login.log");

	$run{harness} = IPC::Run::start(
		[
			'pgbench', '-n', '-c', $count, '-j', 2, '-T', 600,
			'-f', write_private("$dir/$login.sql", $script), '-U', $login,
			'-h', $node->host, '-p', $node->port, 'postgres'
		],
		'<', \undef, '>&', $run{output});
	return \%run;
}

my $resolving = start_clients('runner', 8, qq{
	SELECT 1 / (key_value = '$value-of-a')::integer FROM tarx_keys.resolve_key('$PROJECT', '$key');
	SELECT 1 / (key_value = '$value-of-b')::integer FROM tarx_keys.resolve_key('$PROJECT', '$other');
	SELECT 1 / (tarx_keys.resolve_secret('$PROJECT', 'TOKEN') = 'secret')::integer;
});
my $adding = start_clients('service', 1, qq{
	\\set n random(1, 1000000000000)
	BEGIN;
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.add_llm_key('$PROJECT', 'openai', 'n ' || :n, '$value-n-' || :n);
	COMMIT;
});

my $dba = $node->background_psql('postgres');
my $done = 0;
foreach my $i (1 .. $reloads)
{
	my $expected = $i % 2 ? $first : $second;
	my $tries = 3000;

	write_private($file, $keyrings[ $i % 2 ? 0 : 1 ]);
	$dba->query_safe('SELECT pg_reload_conf()');
	usleep(2_000)
	  until $dba->query_safe('SELECT (tarx_keys_internal.keyring_fingerprints())[1]') eq $expected
		  || --$tries == 0;
	$done++ if $tries > 0;
}
is($done, $reloads, 'every reload took effect');

foreach my $run ($resolving, $adding)
{
	$run->{harness}->kill_kill;
	unlike(slurp_file($run->{output}), qr/error|aborted/i, 'no call failed, no value was wrong');
}
cmp_ok(
	ask_ok($node, 'service', qq{
		SELECT tarx_keys.act_as('alice');
		SELECT least(min(uses), $reloads) FROM tarx_keys.key_usage WHERE uses > 0}),
	'>=', $reloads, 'there were calls all the time');
is( $node->safe_psql('postgres', qq{
		SELECT count(*) FILTER (WHERE k.name LIKE 'n %') > 20,
			count(DISTINCT substring(ciphertext FROM 2 FOR 8)), bool_and(key_value = '$value-' || replace(k.name, ' ', '-'))
		FROM tarx_keys.project_llm_keys k, tarx_keys.resolve_key(k.project_id, k.id) r}),
	't|2|t', 'keys that were added meanwhile are sealed with either master key, and resolve');
is($node->safe_psql('postgres', "SELECT ok FROM tarx_keys.verify_audit('$PROJECT')"),
	't', 'the audit log verifies');

$dba->quit;
$node->stop;
done_testing();
