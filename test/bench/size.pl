# How large many projects are, what changes write, and how long it takes to look after
# them. test/bench/run calls it.
#
# It loads a tenth of SIZE_PROJECTS (2000000) projects and measures; computes from that
# what it will find with all of them; loads those, and measures; and computes from that
# what 10 million projects of ten keys will need.

use strict;
use warnings FATAL => 'all';
use utf8;

use File::Basename qw(dirname);
use POSIX qw(ceil strftime);
use Time::HiRes qw(time);

use lib dirname(__FILE__);
use Cluster;
use Load;
use Report;

binmode STDERR, ':encoding(UTF-8)';
binmode STDOUT, ':encoding(UTF-8)';

my $work = $ENV{BENCH_WORK};
my $bin = $ENV{BENCH_BIN};
my $projects = $ENV{SIZE_PROJECTS} || 2_000_000;
my $KEYS = 2;               # of a loaded project
my ($MANY, $MANY_KEYS) = (10_000_000, 10);
my $MADE = 10_000;          # projects that are made by the functions that applications call
my $CHANGES = 1000;
my @TABLES = map { "tarx_keys$_" } qw(.projects .project_members .project_llm_keys .agents .audit_log _internal.audit_ends);

my $load = Load::start_cluster('sized', 2048, "wal_level = replica\nmax_wal_senders = 4\nfull_page_writes = on\n");
my $cluster = $load->{cluster};
my $db;    # that is asked

sub ask
{
	my ($sql) = @_;
	return $cluster->ask($db, 'postgres', $sql);
}

# Bytes of each table with its indexes
sub table_sizes
{
	return map { $_ => ask("SELECT pg_total_relation_size('$_')") } @TABLES;
}

# Of each index: levels, leaf pages, and how many pages a page points to
sub indexes
{
	my %indexes;

	foreach my $line (split /\n/, ask(qq{
		SELECT c.relname, s.tree_level + 1, s.leaf_pages, s.leaf_pages::float8 / greatest(s.internal_pages, 1)
		  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid, pgstatindex(i.indexrelid) s
		 WHERE i.indrelid = ANY ('{@{[ join ',', @TABLES ]}}'::regclass[])}))
	{
		my ($name, $levels, $leaves, $fan_out) = split /\|/, $line;
		$indexes{$name} = { levels => $levels, leaves => $leaves, fan_out => $fan_out };
	}
	return \%indexes;
}

# The levels of an index that has so many times the leaves. The root may be smaller
# than others; below it each level has as many pages as the fan-out says.
sub levels
{
	my ($index, $times) = @_;
	my $pages = $index->{leaves} * $times;
	my $levels = 1;

	for (; $pages > 1; $levels++)
	{
		$pages = ceil($pages / $index->{fan_out});
	}
	return $levels;
}

#
# What one project needs, made by the functions that applications call
#

sub make_projects
{
	my ($name, $count, $keys) = @_;

	$db = $name;
	$load->empty($db);
	$cluster->ask($db, 'bench_service', qq{
		DO \$\$
		DECLARE
			project uuid;
			key uuid;
		BEGIN
			FOR p IN 1 .. $count LOOP
				project := bench.uuid_of(0, p);
				PERFORM tarx_keys.act_as('user-' || p);
				PERFORM tarx_keys.create_project('Project ' || p, project);
				FOR k IN 1 .. $keys LOOP
					key := tarx_keys.add_llm_key(project, 'openai', 'key ' || k, bench.key_value(k));
				END LOOP;
				PERFORM tarx_keys.create_agent(project, 'Agent', key);
				COMMIT;
			END LOOP;
		END
		\$\$;});
	ask('VACUUM FULL');
	my %sizes = table_sizes();
	$cluster->ask('postgres', 'postgres', "DROP DATABASE $name");
	return map { $_ => $sizes{$_} / $count } @TABLES;
}

#
# Many projects
#

sub load_projects
{
	my ($name, $count) = @_;
	my $keys = $count * $KEYS;

	$db = $name;
	$load->empty($db);
	$load->without_indexes($db,
		$load->rows('load_projects.sql', $count, $KEYS),
		$load->rows('load_keys.sql', $keys, $KEYS),
		$load->rows('load_agents.sql', $keys, $KEYS, "every=$KEYS"));
	# sessions that begin when the planner knows of some audit logs look them up by index
	ask('SELECT count(tarx_keys.begin_audit(bench.uuid_of(0, n))) FROM generate_series(0, 999) n');
	ask('ANALYZE');
	$cluster->in_parallel(Load::sessions(), $db, $load->rows('load_audit.sql', $keys, $KEYS));
	ask($_) foreach 'CREATE EXTENSION pgstattuple', 'ANALYZE', 'CHECKPOINT';
	Load::progress("$db is loaded");
	return;
}

# Bytes of WAL for a change that is made in $CHANGES projects from a number on, which are
# spread over the table
sub wal_of_change
{
	my ($change, $first, $count, $whole_pages) = @_;

	ask($_) foreach "ALTER SYSTEM SET full_page_writes = $whole_pages", 'SELECT pg_reload_conf()', 'CHECKPOINT';
	my $before = ask('SELECT pg_current_wal_lsn()');
	$cluster->ask($db, 'bench_service', qq{
		DO \$\$
		DECLARE
			n bigint;
			project uuid;
		BEGIN
			FOR i IN $first .. $first + $CHANGES - 1 LOOP
				n := i * 7919::bigint % $count;
				project := bench.uuid_of(0, n);
				PERFORM tarx_keys.act_as('user-' || n, project);
				PERFORM $change;
				COMMIT;
			END LOOP;
		END
		\$\$});
	return ask("SELECT pg_current_wal_lsn() - '$before'") / $CHANGES;
}

# For each kind of change: bytes of WAL without whole pages, and with them
sub wal
{
	my ($count) = @_;
	my $first = 0;
	my @changes = (
		[ 'add an LLM key', q{tarx_keys.add_llm_key(project, 'openai', 'added', bench.key_value(n))} ],
		[ 'replace it, and move its agent', "tarx_keys.replace_llm_key(project, bench.uuid_of(1, n * $KEYS), bench.key_value(n))" ],
		[ 'delete it', "tarx_keys.delete_llm_key(project, bench.uuid_of(1, n * $KEYS + 1))" ],
		[ 'set a secret', q{tarx_keys.set_secret(project, 'SECRET', bench.key_value(n))} ]);
	my @rows;

	foreach my $change (@changes)
	{
		my ($what, $sql) = @$change;

		push @rows, [ $what, map { $first += $CHANGES; Report::figure(wal_of_change($sql, $first, $count, $_)) } qw(off on) ];
	}
	return @rows;
}

# How long VACUUM, backups and restoring take, in pairs of a name and seconds
sub maintenance
{
	my @server = ('-h', $cluster->{socket}, '-U', 'postgres');
	my @seconds;
	my $time = sub {
		my ($what, $code) = @_;
		my $began = time;

		$code->();
		push @seconds, [ $what, time - $began ];
	};

	$time->('First `VACUUM`, with `FREEZE`', sub { ask('VACUUM (FREEZE)') });
	ask(q{UPDATE tarx_keys.project_llm_keys SET ciphertext = ciphertext WHERE project_id < '028f0000-0000-0000-0000-000000000000'});
	$time->('`VACUUM` of the keys, after 1 % of them changed', sub { ask('VACUUM tarx_keys.project_llm_keys') });
	ask($_) foreach 'DROP SCHEMA bench CASCADE', 'CHECKPOINT';
	$time->('`pg_basebackup`', sub { Cluster::run("$bin/pg_basebackup", @server, '-D', "$work/copy", '-c', 'fast') });
	Cluster::run('rm', '-rf', "$work/copy");
	$time->('`pg_dump`, 2 jobs', sub { Cluster::run("$bin/pg_dump", @server, '-d', $db, '-Fd', '-j', 2, '-Z', 1, '-f', "$work/dump") });
	$cluster->ask('postgres', 'postgres', 'CREATE DATABASE restored');
	$time->('`pg_restore`, 2 jobs', sub {
		# as docs/operations.md has it
		local $ENV{PGOPTIONS} = '-c session_replication_role=replica';
		Cluster::run("$bin/pg_restore", @server, '-d', 'restored', '-j', 2, "$work/dump");
	});
	$cluster->ask('postgres', 'postgres', 'DROP DATABASE restored');
	Cluster::run('rm', '-rf', "$work/dump");
	return @seconds;
}

# Everything about a database of so many projects; it is gone afterwards.
sub measure
{
	my ($name, $count) = @_;
	my %found = (count => $count);

	load_projects($name, $count);
	$found{sizes} = { table_sizes() };
	$found{indexes} = indexes();
	$found{wal} = [ wal($count) ];
	$found{seconds} = [ maintenance() ];
	$cluster->ask('postgres', 'postgres', "DROP DATABASE $name");
	Load::progress("$name is measured");
	return \%found;
}

#
# The report
#

sub sum
{
	my (%sizes) = @_;
	my $sum = 0;

	$sum += $_ foreach values %sizes;
	return $sum;
}

# Bytes of a project
sub project_table
{
	my ($one, $ten) = @_;
	my @rows = map { [ "`$_`", map { Report::figure($_) } $one->{$_}, $ten->{$_} ] } @TABLES;

	return Report::table([ 'Bytes of a project, with indexes', 'With one key and one agent', 'With ten keys and one agent' ],
		[ @rows, [ 'Sum', Report::figure(sum(%$one)) . (sum(%$one) <= 2300 ? '' : ', over the bar of 2,300'), Report::figure(sum(%$ten)) ] ]);
}

sub gigabytes
{
	my ($bytes) = @_;
	return sprintf('%.2f GB', $bytes / 1e9);
}

sub minutes
{
	my ($seconds) = @_;
	return $seconds < 120 ? sprintf('%.1f s', $seconds) : sprintf('%.0f min', $seconds / 60);
}

# What many projects need: computed from a tenth, measured, and computed for $MANY
sub many_table
{
	my ($tenth, $all, $ten) = @_;
	my $times = $all->{count} / $tenth->{count};
	my $bytes = sum(%{ $all->{sizes} });
	my $many_bytes = sum(%$ten) * $MANY;
	my @rows = ([ 'Storage', gigabytes(sum(%{ $tenth->{sizes} }) * $times), gigabytes($bytes), gigabytes($many_bytes) ]);

	foreach my $name (sort keys %{ $all->{indexes} })
	{
		# the rows of keys, and those of projects
		my $many = $MANY / $all->{count} * ($name =~ /llm_keys|audit_log/ ? $MANY_KEYS / $KEYS : 1);

		push @rows, [ "Levels of `$name`", levels($tenth->{indexes}{$name}, $times), $all->{indexes}{$name}{levels}, levels($all->{indexes}{$name}, $many) ];
	}
	foreach my $n (0 .. $#{ $all->{seconds} })
	{
		my ($what, $seconds) = @{ $all->{seconds}[$n] };

		push @rows, [ $what, minutes($tenth->{seconds}[$n][1] * $times), minutes($seconds), minutes($seconds * $many_bytes / $bytes) ];
	}
	my $measured = Report::figure($all->{count});
	return Report::table([ '', "$measured projects of $KEYS keys, computed from a tenth", "$measured projects of $KEYS keys, measured",
		Report::figure($MANY) . " projects of $MANY_KEYS keys, computed" ], \@rows);
}

sub wal_table
{
	my ($all) = @_;
	return Report::table([ 'Bytes of WAL to', 'Without whole pages', 'With them, just after a checkpoint' ], $all->{wal});
}

my %one = make_projects('one', $MADE, 1);
my %ten = make_projects('ten', $MADE / 10, 10);
Load::progress('projects are made by functions');
my $tenth = measure('tenth', $projects / 10);
my $all = measure('many', $projects);
my $text = join("\n",
	strftime('%Y-%m-%d', gmtime) . ', ' . Load::machine() . ".\n",
	project_table(\%one, \%ten), many_table($tenth, $all, \%ten), wal_table($all), '');

$cluster->stop;
print $text;
utf8::encode($text);
Cluster::spew("$ENV{BENCH_OUT}/size.md", $text);
