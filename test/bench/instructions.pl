# Counts instructions of the server's process by callgrind: they have no noise, whatever
# else the machine does. test/bench/run calls it.
#
#   instructions.pl instructions   prints what pairs of calls take, and what the library costs others
#   instructions.pl record         writes to test/bench/recorded what resolve_key takes by a plaintext SELECT
#   instructions.pl check          fails if it takes more than 5 % more than what is written there

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);

use lib dirname(__FILE__);
use Cluster;
use Load;

my ($what) = @ARGV;
my $work = $ENV{BENCH_WORK};
my $recorded = dirname(__FILE__) . '/recorded';
my $MOST = 1.05;    # of what was recorded
my $load = Load::start_cluster('counted', 128, '');
my ($major) = $load->{cluster}->ask('postgres', 'postgres', 'SHOW server_version') =~ /^(\d+)/;

# What pairs take, by a server that runs under callgrind, with options of its own
sub counted
{
	my ($group, $pattern, $options) = @_;
	my $dumps = "$work/callgrind";
	my $program = Cluster::spew("$work/counted_postgres", qq{#!/bin/sh
case \$1 in -V) exec $ENV{BENCH_BIN}/postgres -V ;; esac
exec valgrind -q --tool=callgrind --dump-before=pg_backend_pid --callgrind-out-file=$dumps.%p $ENV{BENCH_BIN}/postgres "\$@"
});

	chmod 0755, $program;
	$load->{cluster}->start('-p', $program, '-o', $options);
	my @rows = $load->pairs('keys', $group, $pattern, $dumps);
	$load->{cluster}->stop;
	unlink glob "$dumps.*";
	return @rows;
}

sub resolve_key_ratio
{
	my ($row) = counted('keys', '^resolve_key in FROM$', '');
	return sprintf('%.4f', $row->[3] / $row->[2]);
}

sub check
{
	my ($text) = grep { /^$major / } split /\n/, Cluster::slurp($recorded);

	if (!defined $text)
	{
		print "ok 1 - instructions # SKIP nothing is recorded for PostgreSQL $major\n";
		return;
	}
	my (undef, $before) = split ' ', $text;
	my $now = resolve_key_ratio();
	my $ok = $now <= $before * $MOST;

	print $ok ? '' : 'not ', "ok 1 - resolve_key takes $now times the instructions of a plaintext SELECT; recorded is $before\n";
	print "# If that is meant to be so, record it: test/bench/run record\n" if !$ok;
	exit 1 if !$ok;
	return;
}

sub record
{
	my @lines = grep { !/^$major / } split /\n/, Cluster::slurp($recorded);
	my $ratio = resolve_key_ratio();

	Cluster::spew("$ENV{BENCH_OUT}/recorded", join('', map { "$_\n" } @lines, "$major $ratio"));
	print "PostgreSQL $major: $ratio\n";
	return;
}

sub show
{
	my @rows = counted('keys', '^resolve_key in FROM$|^resolve_secret$|^login|^act_as', '');
	my ($with) = counted('other', '', '');
	my ($without) = counted('other', '', "-c shared_preload_libraries=''");

	printf "%s\t%.0f\t%.0f\n", @$_[ 0, 2, 3 ] foreach @rows;
	printf "%s, without the library and with it\t%.0f\t%.0f\n", $with->[0], $without->[2], $with->[2];
	return;
}

$load->database('keys', 1000, 10);
$load->{cluster}->stop;
{ instructions => \&show, check => \&check, record => \&record }->{$what}->();
