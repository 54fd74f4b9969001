# Counts instructions. test/bench/run calls it.
#
#   instructions.pl instructions   prints what pairs of calls take
#   instructions.pl record         writes what resolve_key takes by a plaintext SELECT
#   instructions.pl check          fails if it takes 5 % more than what is recorded

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);

use lib dirname(__FILE__);
use Cluster;
use Instructions;

my $recorded = dirname(__FILE__) . '/recorded';
my $MOST = 1.05;

sub lines_of_majors
{
	return map { /^(\d+) ([0-9.]+)$/ ? ($1 => $2) : () } split /\n/, Cluster::slurp($recorded);
}

sub resolve_key_ratio
{
	my ($counted) = @_;
	my ($pair) = $counted->count('keys', '^resolve_key in FROM$');

	return sprintf('%.4f', $pair->{ours} / $pair->{clear});
}

sub check
{
	my ($counted) = @_;
	my $before = { lines_of_majors() }->{ $counted->{major} } or die "nothing is recorded for PostgreSQL $counted->{major}\n";
	my $now = resolve_key_ratio($counted);
	my $ok = $now <= $before * $MOST;

	print $ok ? '' : 'not ', "ok 1 - resolve_key takes $now times the instructions of a plaintext SELECT; recorded is $before\n";
	print "# If it has to be so, record it: test/bench/run record\n" if !$ok;
	exit !$ok;
}

sub record
{
	my ($counted) = @_;
	my ($head) = Cluster::slurp($recorded) =~ /^((?:#.*\n)*)/;
	my %ratios = (lines_of_majors(), $counted->{major} => resolve_key_ratio($counted));

	Cluster::spew("$ENV{BENCH_OUT}/recorded", $head . join('', map { "$_ $ratios{$_}\n" } sort { $a <=> $b } keys %ratios));
	print "PostgreSQL $counted->{major}: $ratios{$counted->{major}}\n";
	return;
}

sub show
{
	my ($counted) = @_;
	printf "%-80s %9d in clear, %9d ours, ratio %.3f\n", @$_{qw(name clear ours)}, $_->{ours} / $_->{clear}
	  foreach $counted->table($ENV{BENCH_ONLY} || '^resolve_|^login|^act_as|^render');
	return;
}

{ instructions => \&show, check => \&check, record => \&record }->{ $ARGV[0] }->(Instructions->new);
