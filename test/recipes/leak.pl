# The hour after a leak, as docs/operations.md has it: the rules for scanners and
# check-tokens find real tokens and nothing else, and the steps in psql do what they say.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../t";

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use SealedBoxes;
use TarxKeys;

my $examples = "$FindBin::RealBin/../../examples";
my $dir = PostgreSQL::Test::Utils::tempdir;
my $node = new_node('leak', keyring => { master_key => hex_key('leak') }, conf => "log_statement = all\n");
$node->start;
install($node);

my %token = map {
	my (undef, $token) = split /\|/, ask_ok($node, 'service', "SELECT tarx_keys.act_as('alice'); SELECT * FROM tarx_keys.create_platform_key('key $_')");
	$_ => $token
} 1 .. 20;
my $key = add_key($node, 'Leaked', 'sk-proj-0123456789abcdefghijkl');
my $agent = ask_ok($node, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.create_agent('$PROJECT', 'Agent', '$key')");
my $ticket = ask_ok($node, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.issue_run_ticket('$PROJECT', '$agent')");
# of the right form, but for the checksum
my $typed = $token{1} =~ s/(.)$/$1 eq 'A' ? 'B' : 'A'/er;

# The scanners' rules
my %rules = (
	'gitleaks.toml' => qr/^regex = '''(.*)'''$/m,
	'trufflehog.yaml' => qr/^ +(?:token|ticket): '(.*)'$/m);
foreach my $file (sort keys %rules)
{
	my ($for_tokens, $for_tickets) = slurp_file("$examples/leak/$file") =~ /$rules{$file}/g;

	is(scalar(grep { "key=$_;" =~ /$for_tokens/ && $& eq $_ } values %token), 20, "$file: the pattern finds tokens");
	# in JSON and in an address, what is in front of one may end in a letter
	is(scalar(grep { /$for_tokens/ && $& eq $token{1} } "\"key:\\n$token{1}\\n\"", "?to=%3Fkey%3D$token{1}&"), 2, "$file: also behind what is escaped");
	ok("ticket%3D$ticket&" =~ /$for_tickets/ && $& eq $ticket, "$file: as run tickets");
	is(scalar(grep { /$for_tokens/ && $& eq $token{1} } map { $token{1} . $_ } qw(x 0 _ -)), 4, "$file: whatever follows, as check-tokens");
	is(scalar(grep { /$for_tokens/ } substr($token{1}, 0, -1), 'sk-tarx-...', "sk-proj-$token{1}" =~ s/sk-tarx/sk/r), 0, "$file: and not what only looks like one");
	ok("ticket: $ticket\n" =~ /$for_tickets/ && $& eq $ticket, "$file: the pattern finds a run ticket");
	ok($token{1} !~ /$for_tickets/ && $ticket !~ /$for_tokens/, "$file: each finds its own");
}
ok(slurp_file("$examples/leak/$_") =~ /sk-tarx-\W*\n.*tarx-run-\W*\n/s, "$_: has the words that the scanner looks for first") foreach sort keys %rules;

# check-tokens
sub check_tokens
{
	my ($input, @args) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ "$examples/leak/check-tokens", @args ], '<', \$input, '>', \$out, '2>', \$err);
	return ($? >> 8, $out, $err);
}

sub mask { return substr($_[0], 0, 11) . '...' . substr($_[0], -4) }

my ($status, $out, $err) = check_tokens(join "\n", 'Authorization: Bearer ' . $token{1}, $typed, "$token{2} $token{3}", "\xff\x00$token{1}\"", "_$token{4}", "%3D$token{5}\\n", "\\t$token{6}", "$token{7}a", '');
is($out, join('', map { "-:$_->[0]: " . mask($token{ $_->[1] }) . "\n" } [ 1, 1 ], [ 3, 2 ], [ 3, 3 ], [ 4, 1 ], map { [ $_ + 1, $_ ] } 4 .. 7),
	'check-tokens tells places and masks of what has the right checksum');
is($status, 1, 'and that there are some');
is(mask($token{1}), $node->safe_psql('postgres', q{SELECT masked_key FROM tarx_keys.platform_api_keys WHERE name = 'key 1'}), 'masks are those of the lists');
($status, $out) = check_tokens(join("\n", values %token), '--print');
is(join("\n", sort split /\n/, $out), join("\n", sort values %token), 'the checksum of each token is right');
($status, $out, $err) = check_tokens("$typed\nsk-tarx-\n");
is("$status $out$err", '0 ', 'nothing found is status 0');
($status, $out, $err) = check_tokens('', "$dir/none");
like("$status $out$err", qr/^2 check-tokens: .*: No such file or directory$/, 'a file that cannot be read is status 2');

# The steps, word for word
my ($chapter) = slurp_file("$examples/../docs/operations.md") =~ /^## The hour after a leak\n(.*?)^## /ms;
my ($revoke, $find, $sealed, $grant) = $chapter =~ /^ +```sql\n(.*?)^ +```/msg;
local $ENV{PATH} = "$examples/leak:$ENV{PATH}";
local $ENV{PGHOST} = $node->host;
local $ENV{PGPORT} = $node->port;

sub step
{
	my ($sql, $found) = @_;
	my ($said, $errors) = ('', '');

	write_private("$dir/found.txt", $found);
	IPC::Run::run([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', 'postgres' ], '<', \$sql, '>', \$said, '2>', \$errors, init => sub { chdir $dir });
	return $said . $errors;
}

run_program_ok([ 'cp', seal_program(), "$dir/seal" ]);
like(step($revoke, "log line with $token{1}\nand $token{1}, $typed, $token{2}\n"), qr/^1\|revoked\|[0-9a-f-]{36}\|alice\n2\|revoked\|[0-9a-f-]{36}\|alice\n$/,
	'step 1 revokes what is in the file');
is($node->safe_psql('postgres', 'SELECT count(*) FROM tarx_keys.platform_api_keys WHERE revoked_at IS NOT NULL'), 2, 'and nothing else');
is(step($_->[1], "sk-proj-0123456789abcdefghijkl\n"), "$PROJECT|llm_key|$key|Leaked|enabled|\n", "step 2 finds a key, $_->[0]")
  foreach [ 'by its value', $find ], [ 'sealed', $sealed ];
$node->safe_psql('postgres', $grant =~ s/DATABASE app/DATABASE postgres/r);
is( ask_ok($node, 'app_scanner', "SELECT outcome FROM tarx_keys.revoke_leaked_platform_keys(ARRAY['$token{3}'])"),
	'revoked', 'step 7: the scanner may revoke');
is($node->safe_psql('postgres', q{SELECT DISTINCT severity FROM tarx_keys.doctor() WHERE check_name = 'grants'}), 'info', 'and doctor lists it');
my $log = slurp_file($node->logfile);
like($log, qr/revoke_leaked_platform_keys/, 'the server log has the statements');
unlike($log, qr/sk-tarx-\w{43}|sk-proj-0123456789abcdefghijkl/, 'without a token or a value');

done_testing();
