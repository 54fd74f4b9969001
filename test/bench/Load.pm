# The databases of the benchmark: a cluster with the extension, and in each database so
# many keys, sealed and in clear.
package Load;

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use Time::HiRes qw(time);

use Cluster;

my $here = dirname(__FILE__);
my $work = $ENV{BENCH_WORK};
my $sessions = `nproc` + 0;
my $began = time;
my $SOME_PROJECTS = 100;    # have secrets, and users with tokens

sub sessions
{
	return $sessions;
}

sub machine
{
	my ($cpu) = `grep -m1 'model name' /proc/cpuinfo` =~ /:\s*(.*)/;
	return sprintf('%d CPUs (%s), %.0f GB', $sessions, $cpu || 'unknown', memory() / 1024);
}

# in MB
sub memory
{
	return `grep MemTotal /proc/meminfo` =~ /(\d+)/ ? $1 / 1024 : 4096;
}

sub random_hex
{
	open(my $fh, '<:raw', '/dev/urandom') or die "/dev/urandom: $!\n";
	read($fh, my $bytes, 32);
	return unpack('H*', $bytes);
}

sub progress
{
	my ($what) = @_;
	printf STDERR "%4d s  %s\n", time - $began, $what;
	return;
}

# Supabase Vault, unless it is an old one that needs pgsodium as well
sub has_vault
{
	my $control = "$ENV{BENCH_SHARE}/extension/supabase_vault.control";

	return -e $control && Cluster::slurp($control) !~ /^requires\s*=/m;
}

# The cluster, which has the master key "first"; buffers in MB, more settings
sub start_cluster
{
	my ($name, $buffers, $more) = @_;
	my $conf = '';
	my $preload = has_vault() ? 'tarx_keys,supabase_vault' : 'tarx_keys';
	my $self = bless { first => random_hex(), buffers => $buffers }, 'Load';

	$self->write_keyring($self->{first});
	if (has_vault())
	{
		Cluster::spew("$work/vault_key", "#!/bin/sh\necho " . random_hex() . "\n");
		chmod 0700, "$work/vault_key";
		$conf .= "vault.getkey_script = '$work/vault_key'\n";
	}
	$self->{cluster} = Cluster->new($name, conf => Cluster::slurp("$work/stage/server.conf")
		  . "tarx_keys.master_key_file = '$work/master.key'\n"
		  . "shared_preload_libraries = '$preload'\n"
		  . "shared_buffers = ${buffers}MB\n"
		  . "maintenance_work_mem = 1GB\nmax_wal_size = 8GB\ncheckpoint_timeout = 1h\n"
		  . "full_page_writes = off\nwal_level = minimal\nmax_wal_senders = 0\n"
		  . $conf . ($more || ''));
	$self->{cluster}->start;
	$self->{cluster}->ask('postgres', 'postgres', 'CREATE ROLE bench_runner LOGIN; CREATE ROLE bench_service LOGIN');
	return $self;
}

# Write master keys, the active one first.
sub write_keyring
{
	my ($self, @keys) = @_;
	my $new = Cluster::spew("$work/master.new", join("\n", @keys) . "\n");

	chmod 0600, $new;
	rename $new, "$work/master.key" or die "master.key: $!\n";
	return;
}

# Split the numbers 0 .. n - 1 into as many ranges as there are sessions.
sub ranges
{
	my ($n) = @_;
	my $part = int($n / $sessions);
	return map { [ $_ * $part, $_ < $sessions - 1 ? ($_ + 1) * $part - 1 : $n - 1 ] } 0 .. $sessions - 1;
}

# Let sessions load rows 0 to n - 1 of a file, at once.
sub rows
{
	my ($self, $file, $n, $per_project, @vars) = @_;
	push @vars, "master_key=$self->{first}", "per_project=$per_project";

	return map { [ (map { ('-v', $_) } @vars, "first=$_->[0]", "last=$_->[1]"), '-f', "$here/$file" ] } ranges($n);
}

# A database without rows
sub empty
{
	my ($self, $db) = @_;
	my $cluster = $self->{cluster};

	$cluster->ask('postgres', 'postgres', "CREATE DATABASE $db");
	$cluster->script($db, 'postgres', "$here/schema.sql", seal => "$work/seal.so");
	return;
}

# Run tasks in several sessions, and make the indexes of the large tables afterwards.
sub without_indexes
{
	my ($self, $db, @tasks) = @_;
	my $cluster = $self->{cluster};

	$cluster->script($db, 'postgres', "$here/indexes.sql");
	$cluster->ask($db, 'postgres', 'CALL bench.drop_indexes()');
	$cluster->in_parallel($sessions, $db, @tasks);
	$cluster->in_parallel($sessions, $db, map { [ '-c', $_ ] } split /\n/, $cluster->ask($db, 'postgres',
		'SELECT bench.index_command(d) FROM bench.dropped_indexes d ORDER BY pg_relation_size(relation) DESC'));
	return;
}

# A database with so many keys, of so many in each project
sub database
{
	my ($self, $db, $keys, $per_project) = @_;
	my $cluster = $self->{cluster};
	my $projects = $keys / $per_project;

	$self->empty($db);
	$self->without_indexes($db,
		$self->rows('load_projects.sql', $projects, $per_project),
		$self->rows('load_keys.sql', $keys, $per_project),
		$self->rows('load_plain.sql', $keys, $per_project),
		$self->rows('load_agents.sql', $keys < 100_000 ? $keys : 100_000, $per_project, 'every=1'));
	$cluster->script($db, 'postgres', "$here/load_others.sql",
		keys => $keys, per_project => $per_project, some_projects => $projects < $SOME_PROJECTS ? $projects : $SOME_PROJECTS);
	$cluster->script($db, 'postgres', "$here/load_vault.sql") if has_vault();
	$cluster->ask($db, 'postgres', $_) foreach 'VACUUM ANALYZE',
	  q{SELECT sum(pg_prewarm(i.indexrelid)), sum(pg_prewarm(r)) FROM unnest(ARRAY['tarx_keys.project_llm_keys'::regclass, 'bench.plain_keys']) r
	    JOIN pg_index i ON i.indrelid = r AND i.indisprimary};
	$self->check($db);
	progress("$db is loaded");
	return;
}

# What pairs of a group measure, each as a list; dumps as test/bench/pairs.c has it
sub pairs
{
	my ($self, $db, $group, $pattern, @dumps) = @_;

	progress("measuring $db");
	return map { [ split /\t/, $_, -1 ] } split /\n/,
	  Cluster::run("$work/pairs", "$here/pairs", "host=$self->{cluster}{socket} dbname=$db", $group, $pattern, @dumps);
}

# What has been loaded resolves, to what it should.
sub check
{
	my ($self, $db) = @_;
	my $wrong = $self->{cluster}->ask($db, 'bench_runner', q{
		SELECT count(*) FROM (SELECT * FROM bench.picks LIMIT 1000) p
		  JOIN bench.plain_keys k ON k.project_id = p.project_id AND k.id = p.id,
		LATERAL tarx_keys.resolve_key(p.project_id, p.id) r
		WHERE r.key_value IS DISTINCT FROM k.key_value});

	die "$wrong of 1000 keys did not resolve to what was loaded\n" if $wrong;
	return;
}

1;
