# The page that holds the keyring: shared by all processes, locked into memory,
# left out of core dumps, and read-only for backends. A server that cannot lock
# it has no keyring.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

plan skip_all => 'needs /proc/PID/smaps with flags'
  unless -r "/proc/$$/smaps" && slurp_file("/proc/$$/smaps") =~ /^VmFlags:/m;

my $value = 'sk-proj-page-0123456789abcdef0123456789';
my $node = new_node('page', keyring => { master_key => hex_key('page') });
$node->start;
install($node);
my $key = add_key($node, 'first', $value);

# The shared anonymous mappings of a process that are locked: flags by address.
# PostgreSQL's own shared memory is not.
sub locked_mappings
{
	my ($pid) = @_;
	my %mapping;
	my $address;

	foreach my $line (split /\n/, slurp_file("/proc/$pid/smaps"))
	{
		$address = "$1 $2" if $line =~ /^([0-9a-f]+-[0-9a-f]+) (...[ps]) /;
		$mapping{$address} = $line
		  if $line =~ /^VmFlags:.* lo\b/ && $address =~ /s$/;
	}
	return %mapping;
}

my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
my %page = locked_mappings($postmaster);
is(scalar(keys %page), 1, 'the postmaster has one shared page that is locked');
my ($page) = keys %page;
like($page{$page}, qr/\bdd\b/, 'it is left out of core dumps');
like($page, qr/ rw-s$/, 'the postmaster can write to it');

# A lock does not pass to children, which does not matter: a page is locked as
# long as one process has it so. That it is left out of core dumps does pass.
my $session = $node->background_psql('postgres');
my $pid = $session->query_safe('SELECT pg_backend_pid()');
is($session->query_safe(resolve_sql($key)), $value, 'a backend reads it');
my ($address) = split / /, $page;
my $smaps = slurp_file("/proc/$pid/smaps");
like($smaps, qr/^$address r--s /m, 'a backend that has read it cannot write to it');
my ($flags) = $smaps =~ /^$address .*?^VmFlags: (.*?)$/ms;
like($flags, qr/\bdd\b/, 'it is left out of core dumps of a backend');
$session->quit;

SKIP:
{
	skip 'needs prlimit', 7
	  if $> == 0 || system("prlimit --pid $$ --memlock=0: >/dev/null 2>&1") != 0;

	# the server takes its limits from us
	my $offset = log_size($node);
	$node->restart;
	like(
		log_since($node, $offset),
		qr/could not lock memory for the master keyring/,
		'a server that cannot lock the page says so and starts');
	like(
		log_since($node, $offset),
		qr/no usable master keyring\n.*could not be locked.*\n.*HINT:  .*restart the server; a reload does not help\.$/m,
		'it says that only a restart helps');
	state_is($node, 'runner', resolve_sql($key), 'TK005', 'a page that is not locked gets no keyring');
	like(
		state_is($node, undef, 'SELECT * FROM tarx_keys.keyring_status()', 'TK005', 'keyring_status() fails'),
		qr/HINT:  .*restart the server; a reload does not help\.$/m,
		'keyring_status() says that only a restart helps');
	is( $node->safe_psql(
			'postgres', q{SELECT advice ~ 'restart the server; a reload does not help' FROM tarx_keys.doctor()
			WHERE check_name = 'keyring' AND severity = 'critical'}),
		't', 'so does doctor()');

	my $ran = PostgreSQL::Test::Utils::tempdir . '/ran';
	set_keyring($node, master_key_command => "touch '$ran'; exit 1");
	$node->restart;
	ok(!-e $ran, 'nothing is fetched that has no place');
}

done_testing();
