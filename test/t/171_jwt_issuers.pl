# The file of the issuers: what it must look like, who may write it, when it is loaded,
# and what doctor() says of it.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use Protocol;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;
use Tokens;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $file = "$dir/issuers.json";
my $pair = key_pair('Ed25519');
my $rsa = key_pair('RS256');
my $key = jwk($pair, kid => 'a');
my $node = new_node(
	'issuers',
	init => { allows_streaming => 1 },
	keyring => { master_key_file => write_private("$dir/keys", hex_key('a')) },
	conf => "tarx_keys.jwt_issuers_file = '$file'\n");

sub token_of { return token($pair, claims(@_)) }

sub login_sql
{
	my ($token) = @_;
	return "SELECT user_id FROM tarx_keys.login_jwt('$token')";
}

sub doctor_says
{
	return $node->safe_psql('postgres',
		q{SELECT severity || ': ' || finding FROM tarx_keys.doctor() WHERE check_name = 'jwt_issuers'});
}

# A file that is missing when the server starts: nobody is trusted, until it is there.

$node->start;
install($node);
$node->safe_psql('postgres', 'CREATE ROLE web LOGIN IN ROLE tarx_keys_login');
like(slurp_file($node->logfile),
	qr/LOG:  tarx_keys: no usable JWT issuers\n.*DETAIL:  What is wrong with the file of tarx_keys.jwt_issuers_file: it cannot be opened: No such file or directory\.\n.*HINT:  Correct the file, and reload the configuration\.\n/,
	'a missing file');
state_is($node, 'web', login_sql(token_of()), 'TK010', 'nobody is trusted');
like(doctor_says(), qr/^warning: .* it cannot be opened: No such file or directory; no token logs in$/, 'doctor says so');
write_issuers($file, [ issuer([$key]) ]);
like(reload_issuers($node), qr/LOG:  tarx_keys: JWT issuers loaded: 1 issuer\n/, 'the file is there');
is(ask_ok($node, 'web', login_sql(token_of())), 'alice', 'a token logs in');
is(doctor_says(), "info: issuers whose tokens log in with tarx_keys.login_jwt(): $ISSUER (1 keys)", 'doctor says whose');

# A session that has read the page cannot write to it, as to that of the keyring.

my $reader = Protocol->connect($node, 'web');
my ($reader_pid) = @{ $reader->query('SELECT pg_backend_pid()')->{rows} };
my $read_only = sub { scalar(() = slurp_file("/proc/$reader_pid/maps") =~ /^\S+ r--s /mg) };
is($reader->query('SELECT tarx_keys.sealing_public_key()')->{C}, undef, 'a session reads the page of the keyring');
my $before = $read_only->();
is($reader->query(login_sql(token_of()))->{C}, undef, 'and that of the issuers');
is($read_only->(), $before + 1, 'which is read-only from then on');

# A bad file keeps what is there, and says why, without any of its text.

sub bad
{
	my ($issuers, $problem, $test) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	write_issuers($file, $issuers);
	my $log = reload_issuers($node);
	my ($is) = $log =~ /tarx_keys: JWT issuers not reloaded, those in use stay\n.*DETAIL:  What is wrong with the file of tarx_keys.jwt_issuers_file: (.*)\.\n/;
	is($is, $problem, $test) or diag($log);
	unlike($log, qr/MARKER/, 'nothing of its text');
	return;
}

my @array = ('must be an array of at least one text');
my $text = 'must be text of printable ASCII';
bad('', 'it is not a JSON array in UTF-8', 'an empty file');
bad('[{"issuer": MARKER}]', 'it is not a JSON array in UTF-8', 'no JSON');
bad('{"issuer": "x"}', 'it is not a JSON array in UTF-8', 'an object');
bad("[\"\xff\"]", 'it is not a JSON array in UTF-8', 'no UTF-8');
bad('["\u0000"]', 'it is not a JSON array in UTF-8', 'a zero character');
bad('"MARKER"', 'it is not a JSON array in UTF-8', 'a text');
bad('[1e999999]', 'it could not be read (SQLSTATE 22003)', 'a number without end');
bad('[1]', 'issuer 1: it must be an object', 'a number as an issuer');
bad([ issuer([$key], audiences => ['MARKER']) ], 'issuer 1: it has a member that no issuer has', 'a misspelt member');
foreach my $member (qw(issuer user_claim))
{
	bad([ issuer([$key], $member => $_) ], "issuer 1: $member $text", "a bad $member") foreach '', [], "M\xe9MARKER", "a\nb";
}
bad([ issuer([$key], issuer => undef) ], "issuer 1: issuer $text", 'no issuer');
bad([ issuer([$key], user_prefix => 1) ], "issuer 1: user_prefix $text", 'a prefix that is no text');
bad([ issuer([$key], user_prefix => 'sa:x') ], 'issuer 1: user_prefix must not begin with sa:', 'the prefix of service accounts');
foreach my $member (qw(audience algorithms))
{
	bad([ issuer([$key], $member => $_) ], "issuer 1: $member $array[0]", "a bad $member") foreach undef, [], 'MARKER';
}
bad([ issuer([$key], audience => ['']) ], "issuer 1: audience $text", 'an empty audience');
bad([ issuer([$key], typ => []) ], "issuer 1: typ $array[0]", 'a list of no typ');
bad([ issuer([$key], typ => [1]) ], "issuer 1: typ $text", 'a typ that is no text');
bad([ issuer([$key], algorithms => ['Ed25519', $_]) ], 'issuer 1: algorithms may have Ed25519, EdDSA, ES256 and RS256 only', 'an unknown algorithm')
  foreach qw(HS256 none RS512 ed25519), 1;
my $interval = 'must be an interval, like 30 s or 1 h';
foreach my $case (
	[ clock_skew => 'MARKER', $interval ],
	[ clock_skew => '-1 s', 'must be from 0 to 1 hour' ],
	[ clock_skew => '61 min', 'must be from 0 to 1 hour' ],
	[ clock_skew => '1 month', 'must be from 0 to 1 hour' ],
	[ clock_skew => 30, $text ],
	[ max_lifetime => '0', 'must be from 1 second to 31 days' ],
	[ max_lifetime => '1 month', 'must be from 1 second to 31 days' ],
	[ max_lifetime => '32 days', 'must be from 1 second to 31 days' ],
	[ max_lifetime => '2147483647 days 9223372036854 s', 'must be from 1 second to 31 days' ],
	[ max_lifetime => '1 h' x 100, $interval ])
{
	my ($member, $value, $problem) = @$case;
	bad([ issuer([$key], $member => $value) ], "issuer 1: $member $problem", "$member of " . substr $value, 0, 40);
}
bad([ issuer([$key]), issuer([$key]) ], 'an issuer occurs twice', 'an issuer twice');
bad([ issuer([$key], user_prefix => $_->[0]), issuer([$key], issuer => 'x', user_prefix => $_->[1]) ],
	'the user_prefix of an issuer begins that of another one, or is the same', "the prefixes $_->[0] and $_->[1]")
  foreach [ '', '' ], [ 'a', '' ], [ '', 'a' ], [ 'a', 'a' ], [ 'a', 'ab' ], [ 'ab', 'a' ];
bad([ issuer([$key], jwks => $_) ], 'issuer 1: jwks must be an object with an array keys', 'no key set') foreach undef, [], {}, { keys => {} };
bad([ issuer([$key], issuer => 'one', user_prefix => 'x'), issuer([1], user_prefix => 'y') ], 'issuer 2: a key in jwks is not an object', 'a key that is a number');
bad([ issuer([ $key, { %$key, kid => 'b', $_ => 'MARKER' } ]) ], 'issuer 1: a key in jwks has private members', "a private member $_")
  foreach qw(d p q dp dq qi oth k);
bad([ issuer([ $key, { kty => 'oct', k => 'MARKER' } ]) ], 'issuer 1: a key in jwks has private members', 'a shared secret');
bad([ issuer([ $key, jwk($rsa, kid => 'a') ]) ], 'issuer 1: two keys in jwks have the same kid', 'a kid twice');
bad([ issuer([ { %$key, kid => 1 } ]) ], 'issuer 1: the kid of a key in jwks is not a text', 'a kid that is no text');
my $unusable = 'issuer 1: jwks has no key for its algorithms that signatures can be verified with';
bad([ issuer([]) ], $unusable, 'no keys');
bad([ issuer([$key], algorithms => ['RS256']) ], $unusable, 'keys for other algorithms only');
bad([ map { issuer([ map { jwk($rsa, kid => "k$_") } 1 .. 25 ], issuer => "i$_", user_prefix => "$_:") } 10 .. 20 ],
	'the issuers with their keys need more than 65536 bytes', 'more than there is room for');
bad('[' . ' ' x (1024 * 1024) . ']', 'it has more than 1 MB', 'a file that is too long');

is(ask_ok($node, 'web', login_sql(token_of())), 'alice', 'the issuers from before are in use');
like(doctor_says(), qr/^warning: .* it has more than 1 MB; the issuers that were loaded before stay in use\ninfo: .*\Q$ISSUER\E/, 'doctor says so');

# What is ignored, and durations of all kinds

sub loads
{
	my ($issuers, $test) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	write_issuers($file, $issuers);
	like(reload_issuers($node), qr/JWT issuers loaded/, $test);
	return;
}

loads([ issuer([ { %$key, x5c => [ 'x' x 2000 ], name => "\x{e9}" }, { kty => 'new', kid => 'n' } ], max_lifetime => 'PT1H', clock_skew => '00:01') ],
	'a key with certificates, and one of a type that is unknown');
like(doctor_says(), qr/\(1 keys, and 1 left out\)$/, 'doctor says how many are left out');
loads('[{"issuer": "x", "issuer": "' . $ISSUER . '", ' . substr(json(issuer([$key], issuer => undef)), 1) . ']', 'the last of duplicate members counts');
is(ask_ok($node, 'web', login_sql(token_of())), 'alice', 'and so it does');

# Who may write it

sub refused
{
	my ($problem, $test) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	like(reload_issuers($node), qr/DETAIL:  What is wrong with the file of tarx_keys.jwt_issuers_file: $problem\.\n/, $test);
	like(doctor_says(), qr/^warning: .*$problem/, 'doctor says the same');
	return;
}

chmod 0664, $file;
like(doctor_says(), qr/^warning: .*its group or others may write it/, 'doctor looks at the file as it is now');
refused('its group or others may write it', 'a file that its group may write');
chmod 0646, $file;
refused('its group or others may write it', 'a file that others may write');
chmod 0444, $file;
like(reload_issuers($node), qr/JWT issuers loaded/, 'a file that everybody may read');
chmod 0777, $dir;
refused(qr/others than root and the server's user may write the directory "\Q$dir\E" above it/, 'a directory that others may write');
chmod 01777, $dir;
like(reload_issuers($node), qr/JWT issuers loaded/, 'a directory with the sticky bit');
chmod 0700, $dir;
mkdir "$dir/open" or die;
chmod 0777, "$dir/open";
write_issuers("$dir/open/issuers.json", [ issuer([$key]) ]);
unlink $file;
symlink "$dir/open/issuers.json", $file or die;
refused(qr/others than root .* the directory "\Q$dir\E\/open" above it/, 'a symbolic link into one that others may write');
chmod 0755, "$dir/open";
like(reload_issuers($node), qr/JWT issuers loaded/, 'a symbolic link');
mkdir "$dir/link" or die;
symlink '../open/issuers.json', "$dir/link/first" or die;
unlink $file;
symlink 'link/first', $file or die;
like(reload_issuers($node), qr/JWT issuers loaded/, 'a symbolic link to another one');
chmod 0777, "$dir/link";
refused(qr/others than root .* the directory "\Q$dir\E\/link" above it/, 'one of them in a directory that others may write');
chmod 0755, "$dir/link";
like(reload_issuers($node), qr/JWT issuers loaded/, 'symbolic links that nobody else can replace');
unlink $file;
{
	# $dir/way leads to $dir/link/way, and that to $dir/open
	my $way = "$dir/way/issuers.json";
	symlink '../open', "$dir/link/way" or die;
	symlink 'link/way', "$dir/way" or die;
	$node->safe_psql('postgres', "ALTER SYSTEM SET tarx_keys.jwt_issuers_file = '$way'");
	like(reload_issuers($node), qr/JWT issuers loaded/, 'a directory that is a symbolic link to another one');
	chmod 0777, "$dir/link";
	refused(qr/others than root .* the directory "\Q$dir\E\/link" above it/, 'one of the two in a directory that others may write');
	chmod 0755, "$dir/link";
	unlink "$dir/way";
	symlink 'way', "$dir/way" or die;
	refused('it cannot be opened: Too many levels of symbolic links', 'a symbolic link to itself');
	$node->safe_psql('postgres', 'ALTER SYSTEM RESET tarx_keys.jwt_issuers_file');
}
{
	# a problem has 299 bytes at most, and one of these two ends in the middle of a character
	foreach my $name ("\xc3\xa9" x 60, 'x' . "\xc3\xa9" x 60)
	{
		my $long = "$dir/$name";
		mkdir $_ or die foreach $long, "$long/$name";
		chmod 0777, "$long/$name";
		write_issuers("$long/$name/issuers.json", [ issuer([$key]) ]);
		$node->safe_psql('postgres', "ALTER SYSTEM SET tarx_keys.jwt_issuers_file = '$long/$name/issuers.json'");
		reload_issuers($node);
		local $ENV{PGCLIENTENCODING} = 'LATIN1';
		like(doctor_says(), qr/^warning: .*\/x?\xe9+; the issuers that were loaded before/, 'a path that is too long to be shown');
	}
	$node->safe_psql('postgres', 'ALTER SYSTEM RESET tarx_keys.jwt_issuers_file');
	my $none = "$dir/\xe9";
	mkdir $none or die;
	chmod 0777, $none;
	write_issuers("$none/issuers.json", [ issuer([$key]) ]);
	$node->append_conf('postgresql.conf', "tarx_keys.jwt_issuers_file = '$none/issuers.json'\n");
	reload_issuers($node);
	like(doctor_says(), qr/^warning: .* the directory "\Q$dir\E\/\?" above it/, 'a path that is no text');
	$node->append_conf('postgresql.conf', "tarx_keys.jwt_issuers_file = '$file'\n");
}
mkdir $file or die;
refused('it is not a regular file', 'a directory in its place');
rmdir $file or die;
system_or_bail('mkfifo', $file);
refused('it is not a regular file', 'a FIFO in its place');
unlink $file;
$node->safe_psql('postgres', q{ALTER SYSTEM SET tarx_keys.jwt_issuers_file = 'issuers.json'});
refused('its path is not absolute', 'a relative path');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET tarx_keys.jwt_issuers_file');

# Sessions that go on see what is loaded, after a crash as well

loads([ issuer([$key]) ], 'the file again');
$node->safe_psql('postgres', 'ALTER SYSTEM SET restart_after_crash = on');
$node->reload;
write_issuers($file, 'MARKER');
my $offset = log_size($node);
my $victim = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'});
kill 'KILL', $victim;
$node->wait_for_log(qr/JWT issuers not reloaded/, $offset);
ok(wait_until(sub { $node->psql('postgres', 'SELECT 1') == 0 }), 'up again after a crash');
is(ask_ok($node, 'web', login_sql(token_of())), 'alice', 'the issuers survive a crash');

# A session that goes on sees what is loaded meanwhile; a server that has just started
# knows the issuers as soon as it admits sessions.

{
	my $session = Protocol->connect($node, 'web');

	is($session->query('BEGIN; ' . login_sql(token_of()))->{rows}[-1], 'alice', 'a token in a session');
	$session->query('ROLLBACK');
	loads([ issuer([$key], audience => ['other']) ], 'another audience');
	is($session->query('BEGIN; ' . login_sql(token_of()))->{C}, 'TK010', 'the session sees it');
	$session->query('ROLLBACK');
	is($session->query('BEGIN; ' . login_sql(token_of(aud => 'other')))->{rows}[-1], 'alice', 'also what is admitted now');
	loads([ issuer([$key]) ], 'the usual audience');
	$node->restart;
	is(ask_ok($node, 'web', login_sql(token_of())), 'alice', 'after a restart');
}

# On a standby, whose file is its own

loads([ issuer([$key]) ], 'the file once more');
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
is(ask_ok($standby, 'web', "SELECT user_id || ' ' || role FROM tarx_keys.login_jwt('@{[token_of()]}', '$PROJECT')"), 'alice admin', 'a token logs in on a standby');
is(ask_ok($standby, 'web', "SELECT tarx_keys.login_jwt('@{[token_of()]}'); SELECT count(*) FROM tarx_keys.projects"), '1', 'and its user sees lists');
my $bob = token_of(sub => 'bob');
is(ask_ok($standby, 'web', login_sql($bob)), 'bob', 'another user');
$node->safe_psql('postgres', q{SELECT tarx_keys.end_user('bob')});
$node->wait_for_catchup($standby);
state_is($standby, 'web', login_sql($bob), 'TK010', 'who ends on the primary ends on the standby');
is(ask_ok($standby, 'web', login_sql(token_of())), 'alice', 'and nobody else');

# An empty setting ends the trust.

$node->append_conf('postgresql.conf', "tarx_keys.jwt_issuers_file = ''\n");
$node->reload;
ok(wait_until(sub { doctor_says() eq 'ok: no issuer of tokens is trusted' }), 'doctor says that nobody is trusted');
state_is($node, 'web', login_sql(token_of()), 'TK010', 'an empty setting ends the trust');

# Who may see and change the setting

state_is($node, 'web', 'SHOW tarx_keys.jwt_issuers_file', '42501', 'not for everybody to see');
state_is($node, 'web', q{SET tarx_keys.jwt_issuers_file = ''}, '55P02', 'not for sessions to change');

done_testing();
