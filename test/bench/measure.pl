# Loads the databases of the benchmark, measures, and reports. test/bench/run calls it.

use strict;
use warnings FATAL => 'all';
use utf8;

use File::Basename qw(dirname);
use POSIX qw(strftime);
use Time::HiRes qw(time);

use lib dirname(__FILE__);
use Cluster;
use Instructions;
use Load;
use Report;

binmode STDERR, ':encoding(UTF-8)';
binmode STDOUT, ':encoding(UTF-8)';

my $work = $ENV{BENCH_WORK};
my $only = $ENV{BENCH_ONLY};
my $most = $ENV{BENCH_KEYS} || (defined $only ? 1000 : 2_000_000);
my $rounds = $ENV{BENCH_ROUNDS} || 5;
my $began = time;
my ($load_average) = Cluster::slurp('/proc/loadavg') =~ /^(\S+)/;
my $report = Report->new;
my $NOISE = 0.02;

die "BENCH_KEYS must be a multiple of 10, and at least 1000\n" if $most < 1000 || $most % 10;

my $needed = 256 + $most * 0.0015;
my $buffers = int($needed < Load::memory() * 0.35 ? $needed : Load::memory() * 0.35);
my $load = Load::start_cluster('main', $buffers);
my $cluster = $load->{cluster};

sub fig
{
	my ($value, $unit) = @_;
	return Report::figure($value) . $unit;
}

# A row of what test/bench/pairs.c prints of a pair
sub pair_row
{
	my ($pair, $bar) = @_;
	my ($name, $ratio, undef, $limit, $clear, $ours, $wall, $wall_clear, $wall_ours) = @$pair;

	$report->row($name, $ratio, $bar, $limit, fig($clear, ' µs'), fig($ours, ' µs'),
		sprintf('%.2f', $wall), fig($wall_clear, ' µs'), fig($wall_ours, ' µs'));
	return;
}

my @PAIR_COLUMNS = ('In clear', 'Ours', 'Ratio of wall times', 'Wall, in clear', 'Wall, ours');

# Pairs with few keys, and with many: there the ratio must not be worse.
sub measure_pairs
{
	my (@sizes) = @_;
	my (%few, @bars);

	foreach my $size (@sizes)
	{
		$report->section('Server CPU per call, with ' . Report::figure($size) . ' keys: in clear by ours', @PAIR_COLUMNS);
		foreach my $pair ($load->pairs("keys_$size", 'keys', $only || ''))
		{
			my ($name, $ratio, $bar, $limit) = @$pair;
			my $before = $few{$name};

			$few{$name} ||= $ratio;
			pair_row($pair, !$bar ? '' : '>= ' . ($before ? sprintf('%.2f', $before * (1 - $NOISE)) : $bar));
			$report->plot($name, $size, $ratio, $limit) if $limit;
		}
	}
	return;
}

# Calls that one statement makes: ours with few keys, and by a plaintext SELECT with many
sub measure_inside
{
	my (@sizes) = @_;

	$report->section('Inside the server, 100,000 calls of resolve_key in one statement: CPU time a call', 'In clear', 'Ours');
	foreach my $size (@sizes)
	{
		my ($pair) = $load->pairs("keys_$size", 'inside', '');
		my (undef, undef, undef, undef, $clear, $ours) = @$pair;
		my $what = 'inside the server, with ' . Report::figure($size) . ' keys';

		if ($size == $sizes[0])
		{
			$report->row("$what, µs", $ours, '<= 3.1', '', fig($clear, ' µs'), fig($ours, ' µs'));
		}
		else
		{
			$report->row("$what: by a plaintext SELECT", $ours / $clear, '<= 1.35', '', fig($clear, ' µs'), fig($ours, ' µs'));
		}
	}
	return;
}

# Lists of a thousand keys
sub measure_large
{
	my @pairs = $load->pairs('large', 'large', $only || '');

	$report->section('A project of 1,000 keys', @PAIR_COLUMNS) if @pairs;
	foreach my $pair (@pairs)
	{
		my ($name, $ratio, $bar) = @$pair;
		pair_row($pair, ">= $bar");
	}
	return;
}

sub measure_vault
{
	if (!Load::has_vault())
	{
		$report->note('Not measured: Supabase Vault, because supabase_vault, without pgsodium, is not installed.');
		return;
	}
	pair_row($_, '') foreach $load->pairs('keys_1000', 'vault', '');
	return;
}

# Eight clients, all with the same key, and with any of all
sub measure_clients
{
	my ($db, $keys) = @_;
	my %lookups = (
		clear => 'SELECT t.id, t.provider, t.name, t.destination, t.key_value FROM bench.plain_keys t WHERE t.project_id = PROJECT AND t.id = KEY',
		ours => 'SELECT r.* FROM tarx_keys.resolve_key(PROJECT, KEY) r');

	$report->section('8 clients: throughput of resolve_key by that of a plaintext SELECT', 'Ours', 'In clear');
	foreach my $used (1, $keys)
	{
		my %tps;

		foreach my $round (1 .. $rounds)
		{
			foreach my $kind (sort keys %lookups)
			{
				my $sql = $lookups{$kind} =~ s/PROJECT/bench.uuid_of(0, :n \/ 10)/r =~ s/KEY/bench.uuid_of(1, :n)/r;
				my $script = Cluster::spew("$work/$kind.sql", "\\set n random(0, $used - 1)\n$sql;\n");

				push @{ $tps{$kind} }, $cluster->tps($db, 'bench_runner', $script, 8);
			}
		}
		my %median = map { $_ => Report::median(@{ $tps{$_} }) } keys %tps;
		$report->row('8 clients, on ' . ($used == 1 ? 'one key' : Report::figure($used) . ' keys'),
			$median{ours} / $median{clear}, '', '', fig($median{ours}, '/s'), fig($median{clear}, '/s'));
	}
	return;
}

# Make a new master key the active one. The first one stays, that of the other
# databases.
my $active = '';
sub rotate_keyring
{
	my ($db) = @_;
	my $active_sql = 'SELECT fingerprint FROM tarx_keys.keyring_status() WHERE is_active';
	my $fingerprint = $cluster->ask($db, 'postgres', $active_sql);
	my $new = Load::random_hex();

	$load->write_keyring($new, grep { $_ } $active, $load->{first});
	$active = $new;
	$cluster->ask('postgres', 'postgres', 'SELECT pg_reload_conf()');
	foreach (1 .. 100)
	{
		return if $cluster->ask($db, 'postgres', $active_sql) ne $fingerprint;
		select undef, undef, undef, 0.1;
	}
	die "the new master key is not in use after 10 s\n";
}

# CPU seconds of a session that runs statements
sub cpu_seconds
{
	my ($db, @statements) = @_;
	my $clock = q{SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)};
	my @clocks = split /\n/, Cluster::run($cluster->psql_command($db, 'postgres', map { ('-c', $_) } $clock, @statements, $clock));

	return ($clocks[-1] - $clocks[0]) / 1e9;
}

sub measure_rotation
{
	my ($db) = @_;
	my $sql = sub { $cluster->ask($db, 'postgres', "SELECT string_agg(format('$_[0]', schema_name, table_name, sealed_column), '$_[1]') FROM tarx_keys_internal.sealed_tables()") };
	my $rows = $cluster->ask($db, 'postgres', 'SELECT ' . $sql->('(SELECT count(*) FROM %I.%I)', ' + '));
	my $updates = $sql->('UPDATE %I.%I SET %3$I = %3$I', '; ');
	my (@rotation, @update);

	foreach my $round (1 .. $rounds)
	{
		rotate_keyring($db);
		$cluster->ask($db, 'postgres', $_) foreach 'VACUUM', 'CHECKPOINT';
		push @rotation, cpu_seconds($db, 'CALL tarx_keys.rotate_master_key(1000)');
		$cluster->ask($db, 'postgres', $_) foreach 'VACUUM', 'CHECKPOINT';
		push @update, cpu_seconds($db, $updates);
	}
	my ($update, $rotation) = map { Report::median(@$_) } \@update, \@rotation;
	my $ratio = Report::median(map { $update[$_] / $rotation[$_] } 0 .. $#update);

	$report->section('Rotation: rows per second of CPU time, by an UPDATE of the same rows', 'Rotation', 'UPDATE');
	$report->row('rotate_master_key', $ratio, '>= 0.75', 0.8, fig($rows / $rotation, '/s'), fig($rows / $update, '/s'));
	$report->plot('rotate_master_key', $rows, $ratio, 0.8);
	return;
}

sub measure_instructions
{
	$report->section('Instructions of the server per call: ours by in clear', 'In clear', 'Ours');
	$report->row($_->{name}, $_->{ours} / $_->{clear}, '', '', fig($_->{clear}, ''), fig($_->{ours}, ''))
	  foreach Instructions->new->table('^resolve_|^login|^act_as|^render');
	return;
}

sub versions
{
	my $server = $cluster->ask('keys_1000', 'postgres', q{SELECT 'PostgreSQL ' || current_setting('server_version')});
	my $extension = $cluster->ask('keys_1000', 'postgres', q{SELECT extversion FROM pg_extension WHERE extname = 'tarx_keys'});

	$server =~ s/ \(.*//;
	return "$server, tarx_keys $extension";
}

sub write_out
{
	my ($name, $content) = @_;
	utf8::encode($content);
	Cluster::spew("$ENV{BENCH_OUT}/$name", $content);
	return;
}

if (defined $only)
{
	$load->database("keys_$most", $most, 10);
	$load->database('large', 1000, 1000);
	measure_pairs($most);
	measure_large();
	$cluster->stop;
	print $report->text('');
	exit;
}

my @sizes = (1000, $most == 1000 ? () : $most);
my $some = $most < 100_000 ? $most : 100_000;
$load->database("keys_$_", $_, 10) foreach @sizes;
$load->database('middle', $some, 10);
$load->database('large', 1000, 1000);
my $loaded = time - $began;

measure_pairs(@sizes);
measure_vault();
measure_inside(@sizes);
measure_large();
measure_clients('middle', $some);
measure_rotation('middle');
my $versions = versions();
$cluster->stop;
measure_instructions();

my $heading = sprintf("%s, %s, %s. Tables of up to %s keys, shared buffers of %d MB; medians of %d rounds; %d minutes, of which loading took %.1f; the load average before was %s.\n",
	strftime('%Y-%m-%d', gmtime), Load::machine(), $versions, Report::figure($most), $buffers, $rounds, (time - $began) / 60 + 0.5, $loaded / 60, $load_average);
my $text = $report->text($heading);
print $text;
write_out('results.md', $text);
write_out('summary.md', $report->summary($heading));
write_out('speed.svg', $report->svg(strftime('%Y-%m-%d', gmtime) . ', ' . Load::machine() . ", $versions"));
