# The hour after a leak: the database's part. revoke_leaked_platform_keys() tells of
# each token what was done; find_key() names whatever has a value, wherever it is.
# The leak scan looks for what they leave behind.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use SealedBoxes;
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $file = write_private("$dir/keys", hex_key('leaks'));
my $node = new_node('leaks', keyring => { master_key_file => $file }, conf => "log_min_messages = log\n");
$node->start;
install($node);

my $other = ask_ok($node, 'service', q{SELECT tarx_keys.act_as('carol'); SELECT tarx_keys.create_project('Other')});

# Platform keys

sub new_token
{
	my ($before, $name) = @_;
	return split /\|/, ask_ok($node, 'service', "$before; SELECT * FROM tarx_keys.create_platform_key('$name')");
}

sub login_state
{
	my ($token) = @_;
	my ($status, $out, $err) = ask($node, 'service', "SELECT tarx_keys.login('$token')");
	return state_of($err);
}

# As psql prints them
sub revoke
{
	my (@tokens) = @_;
	my $list = join ', ', map { defined $_ ? "'$_'" : 'NULL' } @tokens;
	my ($status, $out, $err) = ask($node, undef,
		"SELECT place, outcome, id, user_id FROM tarx_keys.revoke_leaked_platform_keys(ARRAY[$list]::text[])");

	return ($out, $err);
}

my ($root, $root_token) = new_token(q{SELECT tarx_keys.act_as('alice')}, 'laptop');
my ($child, $child_token) = new_token("SELECT tarx_keys.login('$root_token')", 'made by a thief');
my ($bobs, $bobs_token) = new_token(q{SELECT tarx_keys.act_as('bob')}, 'build');
my ($kept, $kept_token) = new_token(q{SELECT tarx_keys.act_as('alice')}, 'phone');
my $unknown = $kept_token =~ s/(.)$/$1 eq 'A' ? 'B' : 'A'/er;

is(login_state($child_token), '', 'a key that was made with the leaked one logs in');
my ($out, $err) = revoke($root_token, " $bobs_token\n", $root_token, $unknown, 'sk-tarx-', undef);
is($out,
	"1|revoked|$root|alice\n2|revoked|$bobs|bob\n3|already|$root|alice\n4|no token||\n5|no token||\n6|no token||",
	'each token is told of by its place: blanks do not matter, a typing error is no token');
is($err, '', 'and nobody is warned');
is(login_state($_->[0]), 'TK010', "$_->[1] logs in no more")
  foreach [ $root_token, 'the leaked key' ], [ $child_token, 'what was made with it' ], [ $bobs_token, q{another user's} ];
is(login_state($kept_token), '', 'other keys of the user do');

is( $node->safe_psql('postgres', q{
		SELECT string_agg(concat_ws(' ', user_id, proven, login, object_name), ', ' ORDER BY user_id, object_name)
		  FROM tarx_keys.audit_log WHERE action = 'platform_key.revoke'}),
	"alice f @{[ $node->safe_psql('postgres', 'SELECT session_user') ]} laptop, alice f @{[ $node->safe_psql('postgres', 'SELECT session_user') ]} made by a thief, bob f @{[ $node->safe_psql('postgres', 'SELECT session_user') ]} build",
	'the log of each user has it, with the login of who revoked');
is($node->safe_psql('postgres', q{SELECT bool_and(ok) FROM unnest('{alice,bob}'::text[]) u, tarx_keys.verify_personal_audit(u)}),
	't', 'and is whole');
like(slurp_file($node->logfile), qr/revokes leaked platform keys: tokens: 6, revoked: 2, held: 0/, 'the server log has how many');

# a token of another server, whose checksum is right
my $second = new_node('elsewhere', keyring => { master_key => hex_key('elsewhere') });
$second->start;
install($second);
my $foreign = ask_ok($second, 'service', q{SELECT tarx_keys.act_as('alice'); SELECT token FROM tarx_keys.create_platform_key('x')});
$second->stop;
($out) = revoke($foreign, $bobs_token);
is($out, "1|unknown||\n2|already|$bobs|bob", 'a token of somewhere else is unknown; one that was revoked before is not');

# somebody holds the row: it is said, and done the next time
my $holder = $node->background_psql('postgres');
$holder->query_safe("BEGIN; SELECT id FROM tarx_keys.platform_api_keys WHERE id = '$kept' FOR UPDATE");
($out, $err) = revoke($kept_token);
is($out, "1|held|$kept|alice", 'a key that somebody holds is told of as held');
like($err, qr/WARNING:  55P03/, 'with a warning');
$holder->quit;
($out) = revoke($kept_token);
is($out, "1|revoked|$kept|alice", 'and is revoked the next time');

# without a keyring, and by a login that a superuser has granted it to, and no other
state_is($node, 'service', "SELECT * FROM tarx_keys.revoke_leaked_platform_keys('{}')", '42501', 'services may not');
my ($last, $last_token) = new_token(q{SELECT tarx_keys.act_as('alice')}, 'last');
$node->safe_psql('postgres', q{
	CREATE ROLE scanner LOGIN;
	GRANT USAGE ON SCHEMA tarx_keys TO scanner;
	GRANT EXECUTE ON FUNCTION tarx_keys.revoke_leaked_platform_keys, tarx_keys.find_key, tarx_keys.find_sealed_key TO scanner});
is(ask_ok($node, 'scanner', "SELECT outcome FROM tarx_keys.revoke_leaked_platform_keys(ARRAY['$last_token'])"),
	'revoked', 'a login with the right may, and no user acts');
state_is($node, undef, 'SELECT * FROM tarx_keys.revoke_leaked_platform_keys(NULL)', '22023', 'a list is needed');

# Values

my $value = 'sk-proj-0123456789abcdefghij-leaked';
my $header = 'gateway-0123456789abcdefghij';
my $key = add_key($node, 'Leaked', $value);
my $unlike = add_key($node, 'Unlike', "$value-not");
my $off = ask_ok($node, 'service', qq{
	SELECT tarx_keys.act_as('carol');
	SELECT tarx_keys.add_llm_key('$other', 'openai', 'Copy', '$value', NULL, '{"enabled": false, "headers": {"x-gateway": "$header"}}')});
my $deleted = add_key($node, 'Deleted', $value);
ask_ok($node, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.delete_llm_key('$PROJECT', '$deleted')");
ask_ok($node, 'service', qq{
	SELECT tarx_keys.act_as('carol');
	SELECT tarx_keys.set_secret('$other', 'OPENAI', '$value\n');
	SELECT tarx_keys.set_secret('$other', 'OPENAI', 'something else');
	SELECT tarx_keys.set_secret('$other', 'NOW', '$value')});
my $secrets = $node->safe_psql('postgres', q{SELECT string_agg(id::text, ' ' ORDER BY name) FROM tarx_keys.project_secrets});
my ($now, $openai) = split / /, $secrets;
my $everywhere = join "\n", sort
  "$PROJECT|llm_key|$key|Leaked|enabled|",
  "$other|llm_key|$off|Copy|disabled|",
  "$other|secret|$now|NOW|current|1",
  "$other|secret|$openai|OPENAI|older|1";

sub find
{
	my ($call) = @_;
	my ($status, $found, $said) = ask($node, undef, "SELECT * FROM tarx_keys.$call");
	return (join("\n", sort split /\n/, $found), $said);
}

($out, $err) = find("find_key('$value')");
is($out, $everywhere, 'find_key() names keys, also disabled ones, and secrets, also older versions, in all projects');
is($err, '', 'and warns of nothing');
($out) = find("find_key(E'\\f $value \\n\\x0b')");
is($out, $everywhere, 'blanks around the value do not matter');
($out) = find("find_key('$header')");
is($out, "$other|llm_key_header|$off|Copy|disabled|", 'a header of a key is found as well');
($out) = find(q{find_key('} . substr($value, 0, -1) . q{')});
is($out, '', 'a part of a value is not');
like(slurp_file($node->logfile), qr/looks for a value: found: 4, rows that do not open: 0/, 'the server log has that somebody looked');

# sealed: by each of the programs
my $public = $node->safe_psql('postgres', q{SELECT encode(public_key, 'hex') FROM tarx_keys.sealing_public_key()});
my $examples = "$FindBin::RealBin/../../examples/client";
($out) = find('find_sealed_key(' . seal_search($node, $value) . ')');
is($out, $everywhere, 'C: find_sealed_key() finds the same');
my $python = python_with('nacl');
need('PyNaCl', defined $python);
my $box = run_program_ok([ $python, '-c', 'import sys; sys.path.insert(0, sys.argv[1]); import sealing; print(sealing.seal_search(bytes.fromhex(sys.argv[2]), sys.stdin.read()).hex())', $examples, $public ], $value);
($out) = find("find_sealed_key('\\x$box')");
is($out, $everywhere, 'Python: find_sealed_key() finds the same');
npm_packages($examples);
write_private("$dir/search.mjs", qq{
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { sealSearch } from '$examples/sealing.js';
const sodium = createRequire('$examples/sealing.js')('libsodium-wrappers');
await sodium.ready;
const box = await sealSearch(sodium, sodium.from_hex('$public'), { value: readFileSync(0, 'utf8') });
process.stdout.write(sodium.to_hex(box));
});
$box = run_program_ok([ 'node', "$dir/search.mjs" ], $value);
($out) = find("find_sealed_key('\\x$box')");
is($out, $everywhere, 'Node.js: find_sealed_key() finds the same');
state_is($node, undef, "SELECT * FROM tarx_keys.find_sealed_key(" . seal_box($node, $value, 'secret', 'NOW') . ')',
	'TK013', 'a box for another call does not open');
state_is($node, undef, 'SELECT * FROM tarx_keys.find_sealed_key(' . seal_search($node, $value, '-e', '1') . ')', 'TK013', 'nor does an old one');

# who may, and what is no value
foreach my $call ("find_key('$value')", "find_sealed_key('\\x$box')")
{
	state_is($node, 'service', "SELECT * FROM tarx_keys.$call", '42501', "services may not: $call" =~ s/\(.*//r);
	state_is($node, 'scanner', "SELECT * FROM tarx_keys.$call", '42501', "nor others than superusers, granted or not: $call" =~ s/\(.*//r);
}
state_is($node, undef, "SELECT * FROM tarx_keys.find_key($_)", '22023', "no value: $_") foreach 'NULL', q{''}, q{E' \n'};

# rows that do not open are not passed over in silence
$node->safe_psql('postgres', "UPDATE tarx_keys.project_llm_keys SET name = 'Elsewhere' WHERE id = '$key'");
($out, $err) = find("find_key('$value')");
unlike($out, qr/$key/, 'a row that was tampered with does not open');
like($err, qr/WARNING:  TK004.*rows that do not open could have the value as well: 1/, 'and that is said');
write_private($file, hex_key('another one'));
reload_keyring($node);
($out, $err) = find("find_key('$value')");
is($out, '', 'without their master key no rows open');
like($err, qr/WARNING:  TK004.*as well: 6/, 'and that is said of each');

unlike(slurp_file($node->logfile), qr/\Q$value\E|\Q$header\E|sk-tarx-\w{43}/, 'no value and no token is in the server log');

# Without a keyring nothing is found, and revoking goes on.
write_private($file, hex_key('leaks'));
reload_keyring($node);
($last, $last_token) = new_token(q{SELECT tarx_keys.act_as('bob')}, 'last');
set_keyring($node, master_key_file => "$dir/none");
$node->restart;
state_is($node, undef, "SELECT * FROM tarx_keys.find_key('$value')", 'TK005', 'find_key() needs a keyring');
($out) = revoke($last_token);
is($out, "1|revoked|$last|bob", 'revoking does not');
is(ask_ok($node, undef, "SELECT revoked_at IS NOT NULL FROM tarx_keys.platform_api_keys WHERE id = '$last'"), 't', 'and lasts');

done_testing();
