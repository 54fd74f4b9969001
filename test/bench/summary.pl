# summary.pl PAGE SUMMARY MARK: puts the summary between the marks of that name in the page.
use strict;
use warnings FATAL => 'all';

my ($path, $summary_path, $mark) = @ARGV;

sub contents
{
	my ($file) = @_;
	local $/;
	open(my $fh, '<:raw', $file) or die "could not open \"$file\": $!\n";
	return <$fh>;
}

my $page = contents($path);
my $summary = contents($summary_path);

$page =~ s/(<!-- $mark -->\n).*?(<!-- end of $mark -->)/$1$summary$2/s
  or die "\"$path\" has no place for the results of \"$mark\"\n";
open(my $fh, '>:raw', $path) or die "could not write \"$path\": $!\n";
print $fh $page;
close($fh) or die "could not write \"$path\": $!\n";
