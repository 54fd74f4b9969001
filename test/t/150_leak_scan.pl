# A statement that carries a value leaves no trace: markers go through every
# function in every form, and every channel is searched for them, with the
# libraries that record statements in several orders.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use LeakScan;
use TarxKeys;

need('pg_stat_statements', grep { $_ eq 'pg_stat_statements' } @LIBRARIES);

my @orders = (
	[ @LIBRARIES, 'tarx_keys' ],
	[ 'tarx_keys', reverse @LIBRARIES ],
	[ $LIBRARIES[0], 'tarx_keys', @LIBRARIES[ 1 .. $#LIBRARIES ] ]);

for my $n (0 .. $#orders)
{
	my $order = join(', ', @{ $orders[$n] });
	my $node = leak_node("leak_$n", $orders[$n], 'on');

	note("shared_preload_libraries = '$order'");
	note('without pgaudit, which is not installed') if $order !~ /pgaudit/;
	plant($node);
	my %channels = channels($node);

	# not like(), which would show all of it
	ok($channels{'log in stderr form'} =~ /was terminated by signal 9/,
		'the crash of a backend is in the log');
	ok($channels{'log in stderr form'} =~ /plan:\n\s*Query Text: /, 'auto_explain is at work')
	  if $order =~ /auto_explain/;
	ok($channels{'log in stderr form'} =~ /AUDIT: /, 'pgaudit is at work')
	  if $order =~ /pgaudit/;
	foreach my $channel (sort keys %channels)
	{
		my @found = found_in($channels{$channel});

		is(join('; ', @found), '',
			sprintf('%s: %d bytes searched for %d markers, %d found',
				$channel, length $channels{$channel}, LeakScan::number_of_markers(), scalar @found));
	}
}

done_testing();
