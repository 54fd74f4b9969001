# What a process has in its memory, as a core dump would show it.

package Memory;

use strict;
use warnings FATAL => 'all';

# addresses have 64 bits
no warnings 'portable';

use Exporter 'import';
use PostgreSQL::Test::Utils;

our @EXPORT = qw(
  can_read_memory
  count_in
  count_in_page
  postmaster_of
);

# Does this machine let us look into a process of ours?
sub can_read_memory
{
	my ($process) = @_;

	return open(my $probe, '<', "/proc/$process/mem") && -r "/proc/$process/smaps"
	  && slurp_file("/proc/$process/smaps") =~ /^VmFlags:/m;
}

sub postmaster_of
{
	my ($node) = @_;
	return (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
}

# The mappings of a process that a core dump has, or those that are left out of it on
# purpose, as the keyring's page. Pairs of addresses.
sub mappings
{
	my ($process, $is_left_out) = @_;
	my (@mappings, $range);

	foreach my $line (split /\n/, slurp_file("/proc/$process/smaps"))
	{
		if ($line =~ /^([0-9a-f]+)-([0-9a-f]+) (.)/)
		{
			$range = $3 eq 'r' && $line !~ /\[v/ ? [ hex $1, hex $2 ] : undef;
		}
		push @mappings, $range
		  if $range && $line =~ /^VmFlags:/ && ($line =~ / dd\b/ xor !$is_left_out);
	}
	return @mappings;
}

# How many of these strings these mappings of an idle process have
sub count_in_mappings
{
	my ($process, $mappings, @needles) = @_;
	my $count = 0;

	open(my $memory, '<:raw', "/proc/$process/mem") or die "could not open memory: $!";
	foreach my $range (@$mappings)
	{
		my ($from, $to) = @$range;
		my $bytes;

		sysseek($memory, $from, 0);
		(sysread($memory, $bytes, $to - $from) || 0) == $to - $from
		  or die sprintf('could not read memory at %x: %s', $from, $!);
		$count += grep { index($bytes, $_) >= 0 } @needles;
	}
	return $count;
}

sub count_in
{
	my ($process, @needles) = @_;
	return count_in_mappings($process, [ mappings($process, 0) ], @needles);
}

# The same in the keyring's page, of which of this master key
sub count_in_page
{
	my ($node, $master_key) = @_;
	my $postmaster = postmaster_of($node);

	return count_in_mappings($postmaster, [ mappings($postmaster, 1) ], pack('H*', $master_key));
}

1;
