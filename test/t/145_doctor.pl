# What doctor() finds in the configuration and in files.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

# not below the checkout, whose directories a group may write to
my $dir = PostgreSQL::Test::Utils::tempdir_short . '/keys';
mkdir $dir, 0700 or die "could not make a directory: $!";
my $file = write_private("$dir/file", hex_key('a'));
my $node = new_node('doctor', keyring => { master_key_file => $file });
$node->start;
install($node);

# The findings of a check, as lines of severity|finding
sub findings
{
	my ($check) = @_;
	return $node->safe_psql('postgres',
		"SELECT severity, finding FROM tarx_keys.doctor() WHERE check_name = '$check'");
}

sub finds
{
	my ($check, $regexp, $test) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	like(findings($check), $regexp, "$check: $test");
	return;
}

sub advises
{
	my ($check, $regexp, $test) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	like($node->safe_psql('postgres', "SELECT advice FROM tarx_keys.doctor() WHERE check_name = '$check' AND severity = 'critical'"),
		$regexp, "$check: $test");
	return;
}

sub restart_with
{
	my ($conf) = @_;

	$node->append_conf('postgresql.conf', $conf);
	$node->restart;
	return;
}

# As one should install it: nothing but information

is( $node->safe_psql(
		'postgres',
		q{SELECT check_name, severity FROM tarx_keys.doctor()
		   WHERE severity <> 'ok' ORDER BY 1, 2}),
	join("\n", 'log_settings|info', 'members|info', 'members|info', 'powerful_roles|info'),
	'a good installation');

# The key file and where it is

chmod 0640, $file or die "could not chmod: $!";
finds('key_file', qr/^critical\|the next reload or restart will refuse .* permissions/,
	'a mode that the next reload refuses');
advises('key_file', qr/^Use chmod 0600/, 'what to do about the mode');
finds('keyring', qr/^ok\|.* loaded at \d{4}-/, 'the keyring is in use all the same');
like(reload_keyring($node), qr/not reloaded/, 'the reload is refused');
finds('keyring', qr/^critical\|the keyring in use stays only until .* permissions/,
	'the last reload was refused');
chmod 0600, $file or die "could not chmod: $!";
rename $file, "$file.away" or die "could not rename: $!";
finds('key_file', qr/^critical\|.* cannot be read/, 'a missing file');
advises('key_file', qr/^Put the file in its place/, 'what to do about a missing file');
rename "$file.away", $file or die "could not rename: $!";
reload_keyring($node);
finds('keyring', qr/^ok\|/, 'all is well after the next reload');

chmod 0770, $dir or die "could not chmod: $!";
finds('key_file', qr/^warning\|users other .* through directory \Q$dir\E$/, 'a directory that a group may write to');
chmod 01777, $dir or die "could not chmod: $!";
finds('key_file', qr/^ok\|/, 'the sticky bit protects the file');
symlink $file, "$dir/link" or die "could not make a symbolic link: $!";
mkdir "$dir/open" or die "could not make a directory: $!";
chmod 0777, "$dir/open" or die "could not chmod: $!";
symlink $file, "$dir/open/link" or die "could not make a symbolic link: $!";
set_keyring($node, master_key_file => "$dir/open/link");
reload_keyring($node);
finds('key_file', qr/^warning\|users other .* through directory \Q$dir\E\/open$/, 'a link that others can replace');
SKIP:
{
	my $none = "$dir/\xe9";

	skip 'this file system has names in UTF-8 only', 1 unless mkdir $none;
	chmod 0777, $none or die "could not chmod: $!";
	symlink $file, "$none/link" or die "could not make a symbolic link: $!";
	set_keyring($node, master_key_file => "$none/link");
	reload_keyring($node);
	finds('key_file', qr/^warning\|users other .* through directory \Q$dir\E\/\?$/, 'the same in a directory whose name is no text');
}
my $inside = write_private($node->data_dir . '/key', hex_key('a'));
set_keyring($node, master_key_file => $inside);
reload_keyring($node);
finds('key_file', qr/^warning\|the key file is in the data directory/m, 'in the data directory');

# The keyring

foreach my $case (
	[ hex_key('a') . ",\n" . hex_key('a'), 'occurs twice', 'a duplicate key' ],
	[ '00' x 32, 'one byte repeated', 'a weak key' ])
{
	my ($text, $why, $test) = @$case;

	write_private($inside, $text);
	reload_keyring($node);
	finds('keyring', qr/^critical\|the keyring in use stays .*$why/, $test);
	unlike(findings('keyring'), qr/[0-9a-f]{16}/, "keyring: no text of $test");
}
write_private($inside, join("\n", hex_key('b'), hex_key('a')));
add_key($node, 'old', 'sk-proj-doctor-0123456789abcdef0123456789');
reload_keyring($node);
finds('master_keys', qr/^info\|rows that need retired master key [0-9a-f]{16}: \d+$/, 'a retired key in use');
write_private($inside, hex_key('b'));
reload_keyring($node);
finds('master_keys', qr/^critical\|rows that need master key [0-9a-f]{16}, which is not/, 'a missing key');

set_keyring($node, master_key_file => $file, master_key_command => "cat '$file'");
reload_keyring($node);
finds('keyring', qr/^critical\|.* More than one/, 'two sources');
set_keyring($node);
$node->restart;
finds('keyring', qr/^critical\|there is no usable master keyring: None of/, 'no source');
finds('master_keys', qr/^warning\|could not be checked: .*TK005/, 'cannot be checked without a keyring');
finds('audit_log', qr/^warning\|could not be checked: .*TK005/, 'cannot be checked without a keyring');
set_keyring($node, master_key => hex_key('a'));
$node->restart;
finds('keyring', qr/^warning\|tarx_keys.master_key has the keyring/, 'in the configuration');

# Settings of the server

$node->append_conf('postgresql.conf', "log_min_duration_statement = 10s\n");
$node->reload;
$node->poll_query_until('postgres', q{SELECT current_setting('log_min_duration_statement') = '10s'})
  or die 'the reload did not arrive';
finds('log_settings', qr/^info\|log_min_duration_statement = 10000: /m, 'statements in the log, redacted');
restart_with("tarx_keys.redact_logs = off\n");
finds('settings', qr/^warning\|tarx_keys.redact_logs = off: /, 'no redaction');
finds('log_settings', qr/^warning\|log_min_duration_statement = 10000: /m, 'statements in the log');
finds('log_settings', qr/^warning\|log_parameter_max_length = -1: /m, 'values in the log');
restart_with(
	q{
log_min_duration_statement = -1
shared_preload_libraries = 'tarx_keys, pg_stat_statements, auto_explain'
auto_explain.log_min_duration = 1min
max_worker_processes = 3
# the second is for documentation: nobody has it, and the server starts without
listen_addresses = '127.0.0.1, 192.0.2.1'});
finds('log_settings', qr/^warning\|auto_explain.log_min_duration = 60000: /m, 'auto_explain');
finds('log_settings', qr/^info\|pg_stat_statements.track_utility = on: /m, 'pg_stat_statements');
finds('workers', qr/^warning\|max_worker_processes = 3 /, 'no room');
finds('tls', qr/^warning\|the server listens on 192\.0\.2\.1 without TLS/, 'without TLS');
restart_with(
	q{
shared_preload_libraries = 'pg_stat_statements, auto_explain, tarx_keys'
auto_explain.log_min_duration = -1
max_worker_processes = 8
listen_addresses = '127.0.0.1'});
is( $node->safe_psql(
		'postgres',
		q{SELECT check_name FROM tarx_keys.doctor()
		   WHERE check_name IN ('preload', 'workers', 'tls') AND severity <> 'ok'}),
	'', 'all is well again');

$node->stop;
done_testing();
