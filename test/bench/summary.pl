# summary.pl PAGE SUMMARY: puts the summary between the marks in the page.
use strict;
use warnings FATAL => 'all';

my ($path, $summary_path) = @ARGV;

sub contents
{
	my ($file) = @_;
	local $/;
	open(my $fh, '<:raw', $file) or die "could not open \"$file\": $!\n";
	return <$fh>;
}

my $page = contents($path);
my $summary = contents($summary_path);

$page =~ s/(<!-- bench -->\n).*?(<!-- end of bench -->)/$1$summary$2/s
  or die "\"$path\" has no place for the results of the benchmark\n";
open(my $fh, '>:raw', $path) or die "could not write \"$path\": $!\n";
print $fh $page;
close($fh) or die "could not write \"$path\": $!\n";
