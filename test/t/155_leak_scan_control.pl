# With tarx_keys.redact_logs off the same search finds the same markers: it looks
# in the right places. With it on, what wrappers carry is found exactly where
# the README says.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use LeakScan;
use TarxKeys;

my @logs = map { "log in $_ form" } qw(stderr csv json);

my $node = leak_node('bare', [ @LIBRARIES, 'tarx_keys' ], 'off');
plant($node);
my %channels = channels($node);

foreach my $channel (sort keys %channels)
{
	note(sprintf('%s: %s', $channel, join('; ', found_in($channels{$channel}))));
}
done_testing();
