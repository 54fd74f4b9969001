# With tarx_keys.redact_logs off the same search finds the markers: it looks in
# the right places. It still finds none that travelled in a box. With it on, what
# wrappers carry is found exactly where docs/security.md says.

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

my @logs = map { "log in $_ form" } log_forms();

# Everything planted is in a log, whatever the form of the log
{
	my $node = leak_node('bare', [ @LIBRARIES, 'tarx_keys' ], 'off');
	plant_control($node);
	plant($node);
	my %channels = channels($node);

	is(join('; ', not_found_in($channels{$_})), '', "$_ has every marker") foreach @logs;
	is(join('; ', sealed_among(found_in($channels{$_}))), '', "$_ has no marker that was in a box")
	  foreach sort keys %channels;
	my $crash = join "\n", $channels{'log in stderr form'} =~ /Failed process was running: .*/g;
	is(join('; ', found_in($crash)), 'killed', 'the line about a killed backend has its marker');
	my $deadlock = join "\n", $channels{'log in stderr form'} =~ /Process \d+: SELECT.*/g;
	is( join('; ', found_in($deadlock)),
		'deadlock noticed by another session; deadlock noticed by the same session',
		'the detail of a deadlock has the markers of both sessions');
	foreach my $case (
		[ 'pg_stat_activity', 'idle after a failure; idle after a failure in a transaction; '
			  . 'seen by another session by extended; seen by another session by prepared; '
			  . 'terminated; waiting for a lock' ],
		[ 'pg_prepared_statements', 'PREPARE' ],
		[ 'pg_backend_memory_contexts', 'PREPARE' ],
		[ 'pg_cursors', 'cursor' ])
	{
		my ($channel, $forms) = @$case;

		is(join('; ', found_in($channels{$channel})), $forms, "$channel has markers");
	}
	is(join('; ', found_in($channels{$_})), 'row; row in TOAST', "$_ has the markers of a table, and no others")
	  foreach 'pg_dumpall', 'logical decoding', 'data directory (heap, TOAST)', 'data directory (WAL)';

	is(join('; ', found_in($channels{'data directory (all else)'})), '', 'no other file has any');

	# each library has lines of its own
	my @lines = split /\n/, $channels{'log in stderr form'};
	foreach my $library (
		[ 'auto_explain', qr/Query Text: / ],
		[ 'pgaudit', qr/AUDIT: / ])
	{
		my ($name, $sign) = @$library;
		my %found = map { $_ => 1 } found_in(join "\n", grep { $_ =~ $sign } @lines);

		next unless grep { $_ eq $name } @LIBRARIES;
		ok($found{$_}, "$name has the marker of $_") foreach ('add_llm_key', 'set_secret', 'cursor that is closed later');
	}
	foreach my $channel ('pg_stat_statements', 'pg_stat_statements, its files')
	{
		my %found = map { $_ => 1 } found_in($channels{$channel});

		ok($found{$_}, "$channel has the marker of $_") foreach ('DO', 'COPY');
	}
}

# The open ones
{
	my $node = leak_node('wrapped', [ @LIBRARIES, 'tarx_keys' ], 'on');
	plant_wrapped($node);
	my %channels = channels($node);
	my $open = 'COPY with a trigger; bound wrapper; unusual spelling; wrapper; wrapper in CALL; '
	  . 'wrapper that fails afterwards; wrapper that fails before';

	foreach my $channel (sort keys %channels)
	{
		my $expected =
			(grep { $_ eq $channel } @logs) ? $open
		  : $channel =~ /^pg_stat_statements/ && $node->pg_version < 17 ? 'wrapper in CALL'
		  : '';

		is(join('; ', found_in($channels{$channel})), $expected, "wrappers in $channel");
	}
}

# Without log_statement and pgaudit, what is written before a wrapper reaches us
{
	my $node = leak_node('quiet', [ (grep { $_ ne 'pgaudit' } @LIBRARIES), 'tarx_keys' ], 'on',
		"log_statement = none\ndebug_print_parse = off\ndebug_print_rewritten = off\ndebug_print_plan = off\nlog_min_messages = warning\n");
	plant_wrapped($node);
	my %channels = channels($node);

	is( join('; ', found_in($channels{$_})),
		'bound wrapper; wrapper that fails before',
		"wrappers in a quiet $_") foreach @logs;
}

done_testing();
