# Boxes for tests that need some, made and opened by the C program in
# examples/sealed.

package SealedBoxes;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use FindBin;
use IPC::Run;
use PostgreSQL::Test::Utils;
use TarxKeys;

our @EXPORT = qw(
  run_program
  run_program_ok
  public_key
  seal_box
  new_recipient
  try_open_box
  open_box
);

# Run a program with an input; returns whether it succeeded, and what it printed.
sub run_program
{
	my ($command, $input) = @_;
	my ($out, $err);
	my $ok = IPC::Run::run($command, '<', \(defined $input ? $input : ''), '>', \$out, '2>', \$err);

	chomp $out;
	return ($ok, $out, $err);
}

# The same for one that must not fail; returns what it printed.
sub run_program_ok
{
	my ($ok, $out, $err) = run_program(@_);

	die "@{ $_[0] }: $err" unless $ok;
	return $out;
}

# Where keys are, and the program once it is built
my $dir = PostgreSQL::Test::Utils::tempdir;

sub program
{
	my $source = "$FindBin::RealBin/../../examples/sealed/seal.c";

	run_program_ok([ 'cc', '-o', "$dir/seal", $source, '-lsodium' ]) unless -e "$dir/seal";
	return "$dir/seal";
}

sub public_key
{
	my ($node) = @_;
	return ask_ok($node, 'service', 'SELECT public_key FROM tarx_keys.sealing_public_key()');
}

# Seal a value to a server for the story's project; returns the box as a literal.
# The arguments are the program's: what, [-e expires_at], then the fields.
sub seal_box
{
	my ($node, $value, $what, @fields) = @_;
	my @expiry = @fields && $fields[0] eq '-e' ? splice(@fields, 0, 2) : ();

	return "'\\x"
	  . run_program_ok([ program(), $what, @expiry, public_key($node), $PROJECT, @fields ], $value)
	  . "'";
}

# A key pair to seal to, by a name; returns the public key as a literal.
sub new_recipient
{
	my ($name) = @_;
	return "'\\x" . run_program_ok([ program(), 'new-key', "$dir/$name.key" ]) . "'";
}

# Open what was sealed to it; returns whether that went well, and the value.
sub try_open_box
{
	my ($name, $sealed) = @_;
	return run_program([ program(), 'open', "$dir/$name.key" ], $sealed);
}

sub open_box
{
	my ($name, $sealed) = @_;
	return run_program_ok([ program(), 'open', "$dir/$name.key" ], $sealed);
}

1;
