# readme.pl README SUMMARY: puts the summary between the marks in the README.
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

my $readme = contents($path);
my $summary = contents($summary_path);

$readme =~ s/(<!-- bench -->\n).*?(<!-- end of bench -->)/$1$summary$2/s
  or die "\"$path\" has no place for the results of the benchmark\n";
open(my $fh, '>:raw', $path) or die "could not write \"$path\": $!\n";
print $fh $readme;
close($fh) or die "could not write \"$path\": $!\n";
