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
  python_with
  public_key
  seal_box
  seal_search
  seal_program
  key_file
  new_recipient
  try_open
  open_key
  open_secret
);

# Where keys are, inputs, and the program once it is built
my $dir = PostgreSQL::Test::Utils::tempdir;

# Run a program with an input; returns whether it succeeded, and what it printed. The input
# is a file, because not every program reads what it refuses: a pipe would break.
sub run_program
{
	my ($command, $input) = @_;
	my $file = write_private("$dir/input", defined $input ? $input : '');
	my ($out, $err);
	my $ok = IPC::Run::run($command, '<', $file, '>', \$out, '2>', \$err);

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

# A Python that has these modules. Debian's are those of its own one, which need not be
# the first in the path.
sub python_with
{
	my ($modules) = @_;
	my ($python) = grep { (run_program([ $_, '-c', "import $modules" ]))[0] }
	  grep { -x } map { "$_/python3" } split(/:/, $ENV{PATH}), '/usr/bin';

	return $python;
}

sub seal_program
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
# The arguments are the program's: what, its switches, then the fields.
sub seal_box
{
	my ($node, $value, $what, @fields) = @_;
	my @switches;

	push @switches, splice(@fields, 0, 2) while @fields && $fields[0] =~ /^-[edo]$/;
	return "'\\x"
	  . run_program_ok([ seal_program(), $what, @switches, public_key($node), $PROJECT, @fields ], $value)
	  . "'";
}

# The same for find_sealed_key()
sub seal_search
{
	my ($node, $value, @switches) = @_;
	return "'\\x" . run_program_ok([ seal_program(), 'search', @switches, public_key($node) ], $value) . "'";
}

# Where the secret key of a key pair is
sub key_file
{
	my ($name) = @_;
	return "$dir/$name.key";
}

# A key pair to seal to, by a name; returns the public key as a literal.
sub new_recipient
{
	my ($name) = @_;
	return "'\\x" . run_program_ok([ seal_program(), 'new-key', key_file($name) ]) . "'";
}

# Open what was sealed to a key pair, as a box of the story's project for an id, a
# provider or a name; returns whether that went well, what was printed, and the error.
# what is "key", "provider-key" or "secret".
sub try_open
{
	my ($name, $sealed, $what, $asked, $project) = @_;
	return run_program([ seal_program(), "open-$what", key_file($name), $project || $PROJECT, $asked ], $sealed);
}

# The contents of a key's box, which must open; asked for is an id or a provider
sub open_key
{
	my $by_provider = $_[2] !~ /-/;
	my ($ok, $out, $err) = try_open($_[0], $_[1], $by_provider ? 'provider-key' : 'key', $_[2]);
	my @names = (($by_provider ? 'key_id' : ()), qw(provider base_url auth_header auth_scheme value headers));
	my %key;

	die $err unless $ok;
	@key{@names} = split /\n/, $out, -1;
	return \%key;
}

# The value in a secret's box, which must open
sub open_secret
{
	my ($ok, $out, $err) = try_open($_[0], $_[1], 'secret', $_[2]);

	die $err unless $ok;
	return $out;
}

1;
