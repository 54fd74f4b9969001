# The results of the benchmark as tables and as a plot.
package Report;

use strict;
use utf8;
use warnings FATAL => 'all';

use POSIX qw(floor);

my @COLUMNS = ('What', 'Ratio', 'Bar', 'Limit', '');

sub new
{
	my ($class) = @_;
	return bless { sections => [], missed => 0, held => 0, points => [] }, $class;
}

sub median
{
	my @sorted = sort { $a <=> $b } @_;
	my $n = @sorted;
	return $n % 2 ? $sorted[ floor($n / 2) ] : ($sorted[ $n / 2 - 1 ] + $sorted[ $n / 2 ]) / 2;
}

# A number with as many digits as one can believe
sub figure
{
	my ($value) = @_;
	return sprintf('%.2f', $value) if abs($value) < 10;
	return sprintf('%.1f', $value) if abs($value) < 100;
	my $text = sprintf('%.0f', $value);
	1 while $text =~ s/^(-?\d+)(\d{3})/$1,$2/;
	return $text;
}

sub section
{
	my ($self, $title, @columns) = @_;
	push @{ $self->{sections} }, { title => $title, columns => \@columns, rows => [], notes => [] };
	print STDERR "$title\n";
	return;
}

# A row: what, ratio, bar ('', '>= 0.95' or '<= 1.35'), limit (or ''), and figures
sub row
{
	my ($self, $what, $ratio, $bar, $limit, @figures) = @_;
	my $verdict = '';

	if ($bar =~ /^([<>])= ([0-9.]+)$/)
	{
		my $ok = $1 eq '>' ? $ratio >= $2 : $ratio <= $2;

		$verdict = $ok ? 'ok' : 'missed';
		$self->{ $ok ? 'held' : 'missed' }++;
		$bar = ($1 eq '>' ? 'at least ' : 'at most ') . $2;
	}
	my $row = [ $what, figure($ratio), $bar, $limit, $verdict, @figures ];
	push @{ $self->{sections}[-1]{rows} }, $row;
	print STDERR '    ', join(' | ', @$row), "\n";
	return;
}

sub note
{
	my ($self, $note) = @_;
	push @{ $self->{sections}[-1]{notes} }, $note;
	print STDERR "    $note\n";
	return;
}

sub table
{
	my ($columns, $rows) = @_;
	my @all = ($columns, @$rows);
	my @width = map { my $c = $_; (sort { $b <=> $a } map { length } map { $_->[$c] } @all)[0] } 0 .. $#$columns;
	my $line = sub {
		my ($cells) = @_;
		return '| ' . join(' | ', map { sprintf('%-*s', $width[$_], $cells->[$_]) } 0 .. $#width) . " |\n";
	};

	return $line->($columns) . $line->([ map { '-' x $_ } @width ]) . join('', map { $line->($_) } @$rows);
}

sub section_text
{
	my ($section) = @_;
	my $text = "### $section->{title}\n\n";

	$text .= table([ @COLUMNS, @{ $section->{columns} } ], $section->{rows}) . "\n"
	  if @{ $section->{rows} };
	$text .= join('', map { "$_\n" } @{ $section->{notes} }) . "\n" if @{ $section->{notes} };
	return $text;
}

sub text
{
	my ($self, $heading) = @_;
	return "# Benchmark\n\n$heading\n" . join('', map { section_text($_) } @{ $self->{sections} })
	  . sprintf("%d bars hold, %d are missed.\n", $self->{held}, $self->{missed});
}

# Only what has a bar
sub summary
{
	my ($self, $heading) = @_;
	my $text = "$heading\n";

	foreach my $section (@{ $self->{sections} })
	{
		my @with_bar = grep { $_->[4] ne '' } @{ $section->{rows} };

		$text .= "$section->{title}:\n\n" . table([ @COLUMNS, @{ $section->{columns} } ], \@with_bar) . "\n" if @with_bar;
	}
	return $text;
}

#
# The plot: plain SVG, without a background, in colours for light and dark pages
#

my $STYLE = <<'SVG';
<style>
text { font: 13px sans-serif; fill: #24292f }
.title { font-weight: bold }
.few { fill: #0969da } .many { fill: #8c959f }
.limit { stroke: #bc4c00; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .few { fill: #4493f8 } .limit { stroke: #f0883e }
}
</style>
SVG

# A bar of the plot: what takes so much in clear by ours, with so many keys, and the limit
sub plot
{
	my ($self, $what, $keys, $ratio, $limit) = @_;
	my $first = $self->{points}[0];

	push @{ $self->{points} }, { what => $what, keys => $keys, ratio => $ratio, limit => $limit,
		class => !$first || $first->{keys} == $keys ? 'few' : 'many' };
	return;
}

sub label
{
	my ($x, $y, $text, $anchor, $class) = @_;
	$text =~ s/&/&amp;/g;
	$text =~ s/</&lt;/g;
	return sprintf(qq{<text x="%.1f" y="%.1f" text-anchor="%s"%s>%s</text>\n},
		$x, $y, $anchor || 'start', $class ? qq{ class="$class"} : '', $text);
}

# The bars of a call, one for each number of keys, with the limit through all of them
sub call_bars
{
	my ($left, $wide, $top, @points) = @_;
	my $limit = $left + $wide * $points[0]{limit};
	my $svg = label($left - 8, $top + 9 * @points + 5, $points[0]{what}, 'end');

	foreach my $n (0 .. $#points)
	{
		my $width = $wide * $points[$n]{ratio};

		$svg .= sprintf(qq{<rect class="%s" x="%d" y="%d" width="%.1f" height="15" rx="2"/>\n}, $points[$n]{class}, $left, $top + 18 * $n, $width);
		$svg .= label($left + ($width > $wide * $points[0]{limit} ? $width : $wide * $points[0]{limit}) + 8, $top + 18 * $n + 12,
			figure($points[$n]{ratio}) . ', ' . figure($points[$n]{keys}) =~ s/\..*//r . ' keys');
	}
	return $svg . sprintf(qq{<path class="limit" d="M%.1f,%dV%d"/>\n}, $limit, $top - 2, $top + 18 * @points - 1);
}

sub svg
{
	my ($self, $caption) = @_;
	my $body = label(0, 14, 'Server CPU per call: in clear by ours. The line is where ours would cost its cryptography only.', 'start', 'title');
	my $y = 32;
	my %seen;

	foreach my $what (grep { !$seen{$_}++ } map { $_->{what} } @{ $self->{points} })
	{
		my @points = grep { $_->{what} eq $what } @{ $self->{points} };

		$body .= call_bars(290, 300, $y, @points);
		$y += 18 * @points + 12;
	}
	$body .= label(0, $y + 10, $caption);
	$y += 20;
	return qq{<svg xmlns="http://www.w3.org/2000/svg" viewBox="-4 0 728 $y" width="728" height="$y" role="img" aria-label="What calls cost in clear by what they cost sealed">\n$STYLE$body</svg>\n};
}

1;
