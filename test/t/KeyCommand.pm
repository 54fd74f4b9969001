# What the tests of the master key command have in common: commands that tell which
# processes they have, and what becomes of these.

package KeyCommand;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

our @EXPORT = qw(
  runs
  note_pids
  hanging
  wait_started
  reload_command
  remember
  forget
  all_gone
);

my $started;
my %running;

END
{
	local $?;
	kill 'KILL', keys %running if %running;
}

# A part of a command that notes these of its processes. The file has its name as
# soon as it is complete.
sub note_pids
{
	my ($pids) = @_;

	$started ||= PostgreSQL::Test::Utils::tempdir . '/started';
	return "echo $pids > '$started.new'; mv '$started.new' '$started'";
}

# Commands that hang, by their kind; wait_started() returns their processes. A stubborn
# one minds no signal that can be minded, nor do its children. timeout(1) makes a
# process group of its own.
sub hanging
{
	my $wait = "sleep 300 & @{[note_pids('$$ $!')]}; wait";

	return (
		hanging => $wait,
		silent => "echo '#'; exec >&-; $wait",
		stubborn => "trap '' HUP INT QUIT TERM PIPE; $wait",
		orphaned => "sleep 300 & @{[note_pids('$!')]}",
		regrouped => "timeout 300 sh -c \"@{[note_pids('\$\$ \$PPID')]}; exec sleep 300\" | cat; true",
		detached => "setsid -f sh -c \"@{[note_pids('\$\$')]}; exec sleep 300\" | cat; true");
}

# Does this process run? One that only waits for its parent to look does not.
sub runs
{
	my ($pid) = @_;
	my $stat = eval { slurp_file("/proc/$pid/stat") } || return 0;

	return $stat !~ /\) [ZX] [^)]*$/;
}

# Wait until a command has noted its processes; returns them.
sub wait_started
{
	my ($test) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	ok(wait_until(sub { -e $started }), "$test: the command runs") or return;
	my @pids = split ' ', slurp_file($started);
	unlink $started;
	remember(@pids);
	return @pids;
}

# Reload with such a command, and wait until it runs.
sub reload_command
{
	my ($node, $command, $test) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	set_keyring($node, master_key_command => $command);
	wait_for_worker($node);
	$node->reload;
	return wait_started($test);
}

# Processes that are killed if they are there at the end of the test, or not any more
sub remember
{
	my (@pids) = @_;

	@running{@pids} = ();
	return;
}

sub forget
{
	my (@pids) = @_;

	delete @running{@pids};
	return;
}

sub all_gone
{
	my ($test, @pids) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	ok(wait_until(sub { !grep { runs($_) } @pids }), "$test: nothing of the command is left")
	  or diag(scalar `ps -o pid,ppid,pgid,stat,args -p @{[join ',', @pids]}`);
	forget(@pids);
	return;
}

1;
