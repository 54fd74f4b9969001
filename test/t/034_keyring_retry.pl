# What a keyring comes from may be there later than the server: a KMS that is not up
# yet, a file that is mounted late. Then it is tried again without a reload, more and
# more slowly, and quietly.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $value = 'sk-proj-retry-0123456789abcdef0123456789';
my $file = write_private("$dir/keys", hex_key('a'));
my $late = "$dir/late";
my $tries = "$dir/tries";

# A command that notes when it runs, and fails while there is no such file
my $command = "date +%s%N >> '$tries'; cat '$late'";

my $node = new_node('retry', keyring => { master_key_file => $file });
$node->start;
install($node);
my $key = add_key($node, 'first', $value);

sub count_in
{
	my ($text, $regexp) = @_;
	my @found = $text =~ /$regexp/g;
	return scalar @found;
}

# At start, without a keyring

my $noted;
foreach my $case (
	[ 'a command', { master_key_command => $command }, 'command failed: child process exited with exit code 1' ],
	[ 'a file', { master_key_file => $late }, 'cannot be read' ])
{
	my ($test, $settings, $why) = @$case;

	unlink $late, $tries;
	set_keyring($node, %$settings);
	my $offset = log_size($node);
	$node->restart;
	like(log_since($node, $offset), qr/no usable master keyring\n.*DETAIL:  .*$why.*\n.*HINT:  .*tried again/,
		"$test: the log says why, and that it is tried again");
	my $error = state_is($node, undef, 'SELECT * FROM tarx_keys.keyring_status()', 'TK005', "$test: TK005");
	like($error, qr/DETAIL:  .*$why/, "$test: keyring_status() says why");
	like($error, qr/HINT:  .*tried again/, "$test: keyring_status() says that it is tried again");
	wait_until(sub { count_in(slurp_file($tries), qr/\n/) > 2 }) if $test eq 'a command';
	is(count_in(log_since($node, $offset), qr/LOG:  tarx_keys: /),
		$test eq 'a command' ? 3 : 2, "$test: the failures of one minute are logged once");
	write_private($late, hex_key('a'));
	$node->wait_for_log(qr/loaded: 1 key/, $offset);
	key_resolves($node, $key, $value, "$test: without a reload the keyring is there");
	unlike(log_since($node, $offset), qr/received SIGHUP/, "$test: there was no reload");
	$noted = slurp_file($tries) if $test eq 'a command';
}

# The times between the tries; on a slow machine they are longer. The server makes the
# first one itself.
my @times = split /\n/, $noted;
my @between = map { ($times[ $_ + 1 ] - $times[$_]) / 1e9 } 0 .. 2;
cmp_ok($between[0], '>', 0.9, 'the second try is a second after the first');
cmp_ok($between[1], '>', 1.9, 'the third one two seconds later');
cmp_ok($between[2], '>', 3.9, 'the fourth one four seconds later');

# A reload that fails while there is a keyring

set_keyring($node, master_key_file => "$dir/later");
like(reload_keyring($node), qr/the one in use stays\n.*DETAIL:  .*cannot be read.*\n.*HINT:  .*tried again/,
	'a reload: the log says why, and that it is tried again');
key_resolves($node, $key, $value, 'a reload: the keyring in use stays');
my $offset = log_size($node);
write_private("$dir/later", join("\n", hex_key('b'), hex_key('a')));
$node->wait_for_log(qr/loaded: 2 keys/, $offset);
key_resolves($node, $key, $value, 'a reload: the new keyring is there without another one');
is($node->safe_psql('postgres', 'SELECT DISTINCT reload FROM tarx_keys.keyring_status()'),
	'done', 'a reload: it is done');

$node->stop;
done_testing();
