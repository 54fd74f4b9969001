# Loads the databases of the benchmark, measures, and reports. test/bench/run calls it.

use strict;
use warnings FATAL => 'all';
use utf8;

use File::Basename qw(dirname);

use lib dirname(__FILE__);
use Cluster;
use Load;

my $here = dirname(__FILE__);
my $work = $ENV{BENCH_WORK};
my $most = $ENV{BENCH_KEYS} || 2_000_000;
my $load = Load::start_cluster('main', 2048, '');

sub measure_pairs
{
	my ($db, $pattern) = @_;
	my $cluster = $load->{cluster};

	return map { [ split /\t/, $_, -1 ] } split /\n/,
	  Cluster::run("$work/pairs", "$here/pairs", "host=$cluster->{socket} dbname=$db", $pattern);
}

$load->database('keys', $most);
foreach my $pair (measure_pairs('keys', $ENV{BENCH_ONLY} || ''))
{
	my ($name, $ratio, $bar, $limit, $clear, $ours, $wall) = @$pair;
	printf "%-46s ratio %.3f  bar %-5s limit %-5s  in clear %9.2f us  ours %9.2f us  by wall time %.3f\n",
	  $name, $ratio, $bar, $limit, $clear, $ours, $wall;
}
$load->{cluster}->stop;
