# What the TAP tests of tarx_keys have in common: clusters with a keyring, the
# logins and rows of the story, and how to ask for an SQLSTATE.
#
# The clusters take settings from TEMP_CONFIG by PostgreSQL::Test::Cluster
# itself. That file may only tell where the extension is, or may set a master
# key and preload the library as well; so everything that a test relies on is
# set behind it, also where it is the default.

package TarxKeys;

use strict;
use warnings FATAL => 'all';

use Digest::SHA qw(sha256 sha256_hex);
use Exporter 'import';
use File::Basename qw(dirname);
use MIME::Base64 qw(encode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = qw(
  $PROJECT
  base64_key
  hex_key
  write_private
  shell_output
  need
  npm_packages
  new_node
  set_keyring
  log_size
  log_since
  reload_until
  reload_keyring
  wait_until
  child_pid
  worker_pid
  wait_for_worker
  install
  ask
  ask_ok
  state_of
  state_is
  add_key
  resolve_sql
  run_sql
  key_resolves
  keyring
  rows_of
  rights_of
  differences
  rows_below
  first_cells
);

# The project of the story; its admin is alice, bob is a member.
our $PROJECT = '11111111-1111-4111-8111-111111111111';

# Master keys by a label, the same in every run, so that a failure repeats.
sub hex_key
{
	my ($label) = @_;
	return sha256_hex("tarx_keys test $label");
}

sub base64_key
{
	my ($label) = @_;
	return encode_base64(sha256("tarx_keys test $label"), '');
}

# A file that is complete and has its mode as soon as it has its name.
sub write_private
{
	my ($path, $text, $mode) = @_;
	my $new = "$path.new";

	unlink $new;
	open(my $fh, '>:raw', $new) or die "could not create \"$new\": $!";
	print $fh $text;
	close($fh) or die "could not write \"$new\": $!";
	chmod(defined $mode ? $mode : 0600, $new) or die "could not chmod \"$new\": $!";
	rename($new, $path) or die "could not rename to \"$path\": $!";
	return $path;
}

# What not every machine has: without it a test is left out. "make check", which installs
# it, says so, and .ci/run fails.
sub need
{
	my ($what, $have) = @_;

	return if $have;
	die "needs $what\n" if $ENV{TARX_KEYS_ALL_TESTS};
	plan skip_all => "needs $what";
	return;
}

# A command in the shell that has test/lib/common.sh; returns whether it succeeded.
sub in_shell
{
	my ($command, @args) = @_;
	my $library = dirname(__FILE__) . '/../lib/common.sh';

	return system('bash', '-euo', 'pipefail', '-c', ". \"\$0\"; $command", $library, @args) == 0;
}

# What such a command prints, about the server whose programs are in PATH
sub shell_output
{
	my ($command) = @_;
	my $library = dirname(__FILE__) . '/../lib/common.sh';
	my ($out, $err) = run_command([ 'bash', '-euo', 'pipefail', '-c', ". '$library'; PG_CONFIG=pg_config; $command" ]);

	die "$command: $err\n" if $err ne '';
	return $out;
}

# The npm packages that a directory's lock file names, unless they are there from
# another run.
sub npm_packages
{
	my ($dir) = @_;

	need('Node.js and npm', in_shell('has_node || { command -v node >/dev/null && has_npm_packages "$1"; }', $dir));
	need("the npm packages of $dir", in_shell('npm_packages "$1"', $dir));
	return;
}

# A cluster that is not started yet. keyring => { setting => value }, as
# set_keyring() takes it; conf => further settings; init => what init() takes;
# new => what new() takes.
sub new_node
{
	my ($name, %params) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name, %{ $params{new} || {} });

	# The masked list has characters that not every encoding has.
	$node->init(
		extra => [ '--encoding=UTF8', '--locale=C' ],
		%{ $params{init} || {} });

	# Our own statements need not be in the log, which tests look at.
	$node->append_conf(
		'postgresql.conf', qq{
shared_preload_libraries = 'tarx_keys'
log_statement = none
log_min_messages = warning
include = 'keyring.conf'
} . ($params{conf} || ''));
	set_keyring($node, %{ $params{keyring} || {} });
	return $node;
}

# Make these the only settings that name a keyring; takes a reload or restart.
sub set_keyring
{
	my ($node, %settings) = @_;
	my $text = '';

	foreach my $setting (qw(master_key_file master_key_command master_key))
	{
		my $value = defined $settings{$setting} ? $settings{$setting} : '';

		$value =~ s/\\/\\\\/g;
		$value =~ s/'/''/g;
		$value =~ s/\n/\\n/g;
		$text .= "tarx_keys.$setting = '$value'\n";
	}
	write_private($node->data_dir . '/keyring.conf', $text);
	return;
}

sub log_size
{
	my ($node) = @_;
	return -s $node->logfile;
}

sub log_since
{
	my ($node, $offset) = @_;
	return slurp_file($node->logfile, $offset);
}

# Reload, and wait until the log says something; returns what it said since.
sub reload_until
{
	my ($node, $regexp) = @_;
	my $offset = log_size($node);

	wait_for_worker($node);
	$node->reload;
	$node->wait_for_log($regexp, $offset);
	return log_since($node, $offset);
}

# Reload, and wait until the keyring has been loaded or refused; returns what the
# log said of it.
sub reload_keyring
{
	my ($node) = @_;
	return reload_until($node,
		qr/tarx_keys: master keyring loaded.*\n|tarx_keys: (?:no usable master keyring|master keyring not reloaded).*\n.*DETAIL:.*\n/);
}

# Wait until something holds; what it returned then, or false if it takes too long.
sub wait_until
{
	my ($condition) = @_;
	my $end = time() + 30;

	while (time() < $end)
	{
		my $result = $condition->();
		return $result if $result;
		usleep(50_000);
	}
	return 0;
}

# A child of this process with such a title; 0 if there is none.
sub child_pid
{
	my ($parent, $title) = @_;

	foreach my $proc (glob '/proc/[0-9]*')
	{
		# processes come and go, and others' cannot be read
		my $status = eval { slurp_file("$proc/status") } || '';
		next unless $status =~ /^PPid:\s+$parent$/m;
		my $found = eval { slurp_file("$proc/cmdline") } || '';
		return $proc =~ s!^/proc/!!r if $found =~ $title;
	}
	return 0;
}

# The process that reloads the keyring; 0 if there is none.
sub worker_pid
{
	my ($node) = @_;
	my ($postmaster) = split /\n/, slurp_file($node->data_dir . '/postmaster.pid');

	return child_pid($postmaster, qr/tarx_keys keyring/);
}

# Wait until that process takes notice of a reload: PostgreSQL drops the signal of
# one that reaches a background worker before it has its own signal handlers. Until
# then SIGHUP, signal 1, is blocked.
sub wait_for_worker
{
	my ($node) = @_;

	return wait_until(
		sub {
			my $pid = worker_pid($node) || return 0;
			my $status = eval { slurp_file("/proc/$pid/status") } || '';
			return $status =~ /^SigBlk:\s+[0-9a-f]*[02468ace]$/m;
		});
}

# The extension and its two logins in a database: "service" acts for users,
# "runner" resolves. With a project that has an admin and a member.
sub install
{
	my ($node, $db) = @_;
	$db = 'postgres' unless defined $db;

	$node->safe_psql(
		$db, q{
		CREATE EXTENSION tarx_keys;
		CREATE ROLE service LOGIN IN ROLE tarx_keys_backend;
		CREATE ROLE runner LOGIN IN ROLE tarx_keys_agent;});
	ask_ok(
		$node, 'service', qq{
		SELECT tarx_keys.act_as('alice');
		SELECT tarx_keys.create_project('Story', '$PROJECT');
		SELECT tarx_keys.add_member('$PROJECT', 'bob');}, $db);
	return;
}

# Run SQL as a login, or as the superuser if it is undef, in one transaction;
# returns psql's status, what it printed, and its errors with their SQLSTATE.
sub ask
{
	my ($node, $login, $sql, $db) = @_;
	local $ENV{PGCLIENTENCODING} = 'UTF8';

	return $node->psql(
		defined $db ? $db : 'postgres',
		"BEGIN;\n$sql\n;COMMIT;",
		extra_params => [
			'-v', 'VERBOSITY=verbose', defined $login ? ('-U', $login) : () ]);
}

# The same for SQL that must not fail; returns the last line that it printed.
sub ask_ok
{
	my ($node, $login, $sql, $db) = @_;
	my ($status, $out, $err) = ask($node, $login, $sql, $db);

	die "$err\nwhile running $sql" if $status != 0;
	my @lines = split /\n/, $out;
	return @lines ? $lines[-1] : '';
}

# The SQLSTATE in the errors of psql; '' if there is none.
sub state_of
{
	my ($err) = @_;
	return $err =~ /(?:ERROR|FATAL):  ([0-9A-Z]{5}):/ ? $1 : '';
}

sub state_is
{
	my ($node, $login, $sql, $state, $test, $db) = @_;
	my ($status, $out, $err) = ask($node, $login, $sql, $db);
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is(state_of($err), $state, $test) or diag($err);
	return $err;
}

# Add a key to the story's project as its admin; returns its id.
sub add_key
{
	my ($node, $name, $value, $db) = @_;

	return ask_ok(
		$node, 'service', qq{
		SELECT tarx_keys.act_as('alice');
		SELECT tarx_keys.add_llm_key('$PROJECT', 'openai', '$name', '$value')}, $db);
}

sub resolve_sql
{
	my ($key_id) = @_;
	return "SELECT key_value FROM tarx_keys.resolve_key('$PROJECT', '$key_id')";
}

# The key of a ticket's agent, in a run of the ticket, in one statement
sub run_sql
{
	my ($ticket) = @_;
	return "SELECT k.key_value FROM tarx_keys.enter_run('$ticket') r, tarx_keys.resolve_agent_key(r.project_id, r.agent_id) k";
}

# Does a runner get this value of a key?
sub key_resolves
{
	my ($node, $key_id, $value, $test) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is(ask_ok($node, 'runner', resolve_sql($key_id)), $value, $test);
	return;
}

# keyring_status() as lines of fingerprint|is_active|llm_keys
sub keyring
{
	my ($node, $db) = @_;
	return $node->safe_psql(defined $db ? $db : 'postgres',
		'SELECT fingerprint, is_active, llm_keys FROM tarx_keys.keyring_status()');
}

# All rows of the extension, one a line, whatever tables it has
sub rows_of
{
	my ($cluster, $db) = @_;
	local $ENV{PGCLIENTENCODING} = 'UTF8';
	my @tables = split /\n/, $cluster->safe_psql(
		$db, q{SELECT c.oid::regclass FROM pg_class c
			WHERE relnamespace = ANY ('{tarx_keys,tarx_keys_internal}'::regnamespace[]) AND relkind = 'r'});

	return split /\n/, $cluster->safe_psql($db,
		join "\n", map { "SELECT '$_', * FROM $_;" } @tables);
}

# All rights and owners; no list of rights is the same as the default
sub rights_of
{
	my ($cluster, $db) = @_;

	return split /\n/, $cluster->safe_psql(
		$db, q{
		SELECT 'schema', nspowner::regrole, a.grantor::regrole, a.grantee::regrole, a.privilege_type
			FROM pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) a WHERE nspname ~ '^tarx_keys';
		SELECT 'function', p.oid::regprocedure, proowner::regrole,
				a.grantor::regrole, a.grantee::regrole, a.privilege_type
			FROM pg_proc p, aclexplode(coalesce(proacl, acldefault('f', proowner))) a
			WHERE pronamespace = ANY ('{tarx_keys,tarx_keys_internal}'::regnamespace[]);
		SELECT 'relation', c.oid::regclass, relowner::regrole, relrowsecurity, relforcerowsecurity,
				a.grantor::regrole, a.grantee::regrole, a.privilege_type
			FROM pg_class c, aclexplode(coalesce(relacl, acldefault('r', relowner))) a
			WHERE relnamespace = ANY ('{tarx_keys,tarx_keys_internal}'::regnamespace[]) AND relkind IN ('r', 'v');
		SELECT 'column', attrelid::regclass, attname,
				a.grantor::regrole, a.grantee::regrole, a.privilege_type
			FROM pg_attribute JOIN pg_class c ON c.oid = attrelid, aclexplode(attacl) a
			WHERE relnamespace = ANY ('{tarx_keys,tarx_keys_internal}'::regnamespace[]);});
}

# What two lists of lines do not have in common, one a line
sub differences
{
	my ($before, $now) = @_;
	my %before = map { $_ => 1 } @$before;
	my %now = map { $_ => 1 } @$now;

	return join("\n",
		(map { "lost: $_" } grep { !$now{$_} } sort keys %before),
		(map { "new: $_" } grep { !$before{$_} } sort keys %now));
}

# The rows of the tables in a section whose first column has this title, as
# lists of cells without backquotes
sub rows_below
{
	my ($page, $section, $title) = @_;
	my ($text) = $page =~ /^## \Q$section\E\n(.*?)(?=^## |\z)/ms or die "there is no section \"$section\"";
	my ($inside, @rows) = (0);

	foreach my $line (split /\n/, $text)
	{
		my @cells = $line =~ /^\|/ ? map { s/^\s+|\s+$//gr } split /\|/, substr($line, 1) : ();

		if (!@cells || !$inside)
		{
			$inside = @cells && $cells[0] eq $title;
			next;
		}
		push @rows, [ map { tr/`//dr } @cells ] unless $cells[0] =~ /^-+$/;
	}
	return @rows;
}

sub first_cells
{
	return map { $_->[0] } rows_below(@_);
}

1;
