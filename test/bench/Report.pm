# The results of the benchmark as tables and as a plot.
package Report;

use strict;
use utf8;
use warnings FATAL => 'all';

use POSIX qw(floor);

sub new
{
	my ($class) = @_;
	return bless { sections => [], missed => 0, held => 0, points => {} }, $class;
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

# A row: what, ratio (text), bar ('', '>= 0.95', '<= 1.5', 'none'), and figures.
sub row
{
	my ($self, $what, $ratio, $bar, @figures) = @_;
	my $verdict = '';

	if ($bar =~ /^([<>])= ([0-9.]+)$/)
	{
		my ($sign, $limit) = ($1, $2);
		my $ok = $sign eq '>' ? $ratio >= $limit : $ratio <= $limit;

		$verdict = $ok ? 'ok' : 'missed';
		$self->{ $ok ? 'held' : 'missed' }++;
		$bar = $limit == 0 ? 'no growth' : ($sign eq '>' ? 'at least ' : 'at most ') . ($limit >= 1000 ? figure($limit) : $limit);
		$ratio = undef if $limit == 0 || $limit >= 1000;	# no ratio
	}
	my $row = [ $what, defined $ratio ? figure($ratio) : '', $bar, $verdict, @figures ];
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

	$text .= table([ 'What', 'Ratio', 'Bar', '', @{ $section->{columns} } ], $section->{rows}) . "\n"
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
	my @rows;

	foreach my $section (@{ $self->{sections} })
	{
		push @rows, map { [ $_->[0], @$_[ 1 .. 3 ], join(', ', grep { $_ ne '' } @$_[ 4 .. $#$_ ]) ] }
		  grep { $_->[3] ne '' } @{ $section->{rows} };
	}
	return "$heading\n" . table([ 'What', 'Ratio', 'Bar', '', 'Figures' ], \@rows) . "\n";
}

#
# The plot: plain SVG, without a background, in colours for light and dark pages
#

my $STYLE = <<'SVG';
<style>
text { font: 13px sans-serif; fill: #24292f }
.title { font-weight: bold }
.axis { stroke: #8c959f; fill: none }
.a { fill: #8c959f } .b { fill: #0969da } .c { fill: #bc4c00 } .d { fill: #8250df }
.line { fill: none; stroke-width: 2 }
.line.a { stroke: #8c959f } .line.b { stroke: #0969da } .line.c { stroke: #bc4c00 } .line.d { stroke: #8250df }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .b { fill: #4493f8 } .c { fill: #f0883e } .d { fill: #ab7df8 }
  .line.b { stroke: #4493f8 } .line.c { stroke: #f0883e } .line.d { stroke: #ab7df8 }
  .line { fill: none }
}
</style>
SVG

# Points for the plot: bars of a panel, or a line over sizes
sub plot
{
	my ($self, $panel, @points) = @_;
	push @{ $self->{points}{$panel} }, @points;
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

# Bars of [label, value, class]; returns the SVG and where it ends.
sub bars
{
	my ($top, $title, $unit, @points) = @_;
	my $most = (sort { $b <=> $a } map { $_->[1] } @points)[0];
	my $svg = label(0, $top + 14, $title, 'start', 'title');
	my $y = $top + 24;

	foreach my $point (@points)
	{
		my ($name, $value, $class) = @$point;
		my $width = 430 * $value / $most;

		$svg .= label(170, $y + 13, $name, 'end');
		$svg .= sprintf(qq{<rect class="%s" x="178" y="%d" width="%.1f" height="17" rx="2"/>\n}, $class, $y, $width > 1 ? $width : 1);
		$svg .= label(184 + $width, $y + 13, figure($value) . $unit);
		$y += 23;
	}
	return ($svg, $y + 14);
}

# Lines of [label, class, [size, value]...], relative to the first value
sub lines
{
	my ($top, $title, @lines) = @_;
	my @sizes = map { $_->[0] } @{ $lines[0] }[ 2 .. $#{ $lines[0] } ];
	my $most = (sort { $b <=> $a } 1.4, map { my $l = $_; map { $_->[1] } @$l[ 2 .. $#$l ] } @lines)[0];
	my ($left, $right, $bottom, $height) = (60, 500, $top + 190, 150);
	my $x = sub { $left + ($right - $left) * (log($_[0] / $sizes[0]) / (log($sizes[-1] / $sizes[0]) || 1)) };
	my $y = sub { $bottom - $height * $_[0] / $most };
	my $svg = label(0, $top + 14, $title, 'start', 'title');
	my $last = 0;

	$svg .= qq{<path class="axis" d="M$left,} . ($bottom - $height) . qq{V${bottom}H$right"/>\n};
	foreach my $tick (1, 1.3)
	{
		$svg .= sprintf(qq{<path class="axis" stroke-dasharray="2 4" d="M%d,%.1fH%d"/>\n}, $left, $y->($tick), $right);
		$svg .= label($left - 6, $y->($tick) + 4, $tick, 'end');
	}
	$svg .= label($x->($_), $bottom + 18, figure($_) =~ s/\..*//r, 'middle') foreach @sizes;
	foreach my $line (sort { $a->[-1][1] <=> $b->[-1][1] } @lines)
	{
		my ($name, $class, @points) = @$line;
		my $end = $y->($points[-1][1]) + 4;

		# names stand one above the other, however close the lines are
		$end = $last - 16 if $last && $end > $last - 16;
		$last = $end;
		$svg .= sprintf(qq{<polyline class="line %s" points="%s"/>\n}, $class,
			join(' ', map { sprintf('%.1f,%.1f', $x->($_->[0]), $y->($_->[1])) } @points));
		$svg .= label($right + 8, $end, sprintf('%s, %s', $name, figure($points[-1][1])));
	}
	return ($svg, $bottom + 36);
}

sub svg
{
	my ($self, $caption) = @_;
	my ($body, $y, $part) = ('', 0);

	foreach my $panel (
		[ 'inside', 'One look-up inside the server, µs (less is better)', '' ],
		[ 'trip 1', 'One look-up per transaction, 1 client, per second (more is better)', '' ],
		[ 'trip 8', 'One look-up per transaction, 8 clients, per second', '' ])
	{
		next if !$self->{points}{ $panel->[0] };
		($part, $y) = bars($y, @$panel[ 1, 2 ], @{ $self->{points}{ $panel->[0] } });
		$body .= $part;
	}
	if ($self->{points}{growth})
	{
		($part, $y) = lines($y, 'Cost by the number of keys in the table, relative to the smallest', @{ $self->{points}{growth} });
		$body .= $part;
	}
	$body .= label(0, $y + 6, $caption);
	$y += 14;
	return qq{<svg xmlns="http://www.w3.org/2000/svg" viewBox="-4 0 728 $y" width="728" height="$y" role="img" aria-label="Results of the benchmark">\n$STYLE$body</svg>\n};
}

1;
