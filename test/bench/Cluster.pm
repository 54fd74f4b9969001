# Throwaway clusters for the benchmark, and how to ask them: psql, pgbench,
# several sessions at once.
package Cluster;

use strict;
use warnings FATAL => 'all';

use POSIX ();

my $bin = $ENV{BENCH_BIN};
my $work = $ENV{BENCH_WORK};

sub slurp
{
	my ($path) = @_;
	local $/;
	open(my $fh, '<', $path) or die "could not open \"$path\": $!\n";
	return scalar <$fh>;
}

sub spew
{
	my ($path, $text) = @_;
	open(my $fh, '>', $path) or die "could not write \"$path\": $!\n";
	print $fh $text;
	close($fh) or die "could not write \"$path\": $!\n";
	return $path;
}

# Start a program with its output in a file; returns its process id.
sub launch
{
	my ($log, @command) = @_;
	my $pid = fork;

	die "could not fork: $!\n" if !defined $pid;
	return $pid if $pid;
	open(STDIN, '<', '/dev/null');
	open(STDOUT, '>', $log);
	open(STDERR, '>&', \*STDOUT);
	{ no warnings; exec @command; }
	POSIX::_exit(127);
}

# Run a program; returns its output, and dies with it if the program fails.
sub run
{
	my (@command) = @_;
	my $log = "$work/output.$$";

	waitpid(launch($log, @command), 0);
	die "@command:\n" . slurp($log) if $? != 0;
	return slurp($log);
}

sub new
{
	my ($class, $name, %params) = @_;
	my $self = bless { data => "$work/$name", socket => "$work/$name.socket" }, $class;

	mkdir $self->{socket};
	run("$bin/initdb", '-D', $self->{data}, '-A', 'trust', '-U', 'postgres', '-E', 'UTF8', '--locale=C', '--no-sync');
	open(my $conf, '>>', "$self->{data}/postgresql.conf") or die "postgresql.conf: $!\n";
	print $conf qq{
listen_addresses = ''
unix_socket_directories = '$self->{socket}'
fsync = off
autovacuum = off
jit = off
huge_pages = try
$params{conf}};
	close($conf) or die "postgresql.conf: $!\n";
	return $self;
}

# options are those of pg_ctl.
sub start
{
	my ($self, @options) = @_;
	run("$bin/pg_ctl", '-D', $self->{data}, '-l', "$self->{data}.log", '-w', '-t', '120', @options, 'start');
	return;
}

# pg_ctl waits until the server has removed its file, we until it has ended.
sub stop
{
	my ($self) = @_;
	my ($pid) = slurp("$self->{data}/postmaster.pid") =~ /^(\d+)/;

	run("$bin/pg_ctl", '-D', $self->{data}, '-m', 'fast', '-w', 'stop');
	select undef, undef, undef, 0.05 while kill 0, $pid;
	return;
}

sub psql_command
{
	my ($self, $db, $user, @args) = @_;
	return ("$bin/psql", '-XAtq', '-v', 'ON_ERROR_STOP=1', '-h', $self->{socket},
		'-U', $user, '-d', $db, @args);
}

# What a statement, or several, print, without the last line end
sub ask
{
	my ($self, $db, $user, $sql) = @_;
	my $answer = run($self->psql_command($db, $user, '-c', $sql));

	chomp $answer;
	return $answer;
}

# The last line of what a script prints, of its file and variables
sub script
{
	my ($self, $db, $user, $file, %vars) = @_;
	return run($self->psql_command($db, $user, (map { ('-v', "$_=$vars{$_}") } sort keys %vars), '-f', $file));
}

# Run tasks, which are lists of arguments of psql, in so many sessions at once.
sub in_parallel
{
	my ($self, $sessions, $db, @tasks) = @_;
	my %running;

	while (@tasks || %running)
	{
		while (@tasks && keys %running < $sessions)
		{
			my $task = shift @tasks;
			my $log = "$work/task." . scalar(@tasks);

			$running{ launch($log, $self->psql_command($db, 'postgres', @$task)) } = $log;
		}
		my $pid = wait;
		die slurp($running{$pid}) if $? != 0;
		delete $running{$pid};
	}
	return;
}

# Transactions per second of a script of pgbench with so many clients
sub tps
{
	my ($self, $db, $user, $script, $clients) = @_;
	my $output = run("$bin/pgbench", '-n', '-M', 'prepared', '-h', $self->{socket}, '-U', $user,
		'-c', $clients, '-j', 2, '-T', 2, '-f', $script, $db);

	die "pgbench: $output" if $output =~ /number of failed transactions: [1-9]/;
	$output =~ /^tps = ([0-9.]+)/m or die "pgbench: $output";
	return $1;
}

1;
