# login_jwt(): every rule about tokens, by a token that breaks just this one; what the
# client and the server log are told; when an identity ends.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use MIME::Base64 qw(encode_base64url decode_base64url);
use Protocol;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;
use Tokens;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $file = "$dir/issuers.json";
my %key = map { $_ => key_pair($_) } qw(Ed25519 ES256 RS256 ES384 RSA1024 RSA3);
my $spare = key_pair('Ed25519');

# One issuer, with a key for each algorithm
sub usual
{
	my (%members) = @_;
	return issuer(
		[ jwk($key{Ed25519}, kid => 'ed'), jwk($key{ES256}, kid => 'es'), jwk($key{RS256}, kid => 'rs') ], %members);
}

write_issuers($file, [ usual() ]);
my $node = new_node(
	'jwt',
	keyring => { master_key_file => write_private("$dir/keys", hex_key('a')) },
	conf => "tarx_keys.jwt_issuers_file = '$file'\nlog_min_error_statement = error\n");
$node->start;
install($node);
$node->safe_psql('postgres', 'CREATE ROLE web LOGIN IN ROLE tarx_keys_login; CREATE ROLE nobody LOGIN');

sub login_sql
{
	my ($token, $project) = @_;
	return "SELECT user_id || ' ' || coalesce(role, 'no project') FROM tarx_keys.login_jwt('$token'"
	  . (defined $project ? ", '$project')" : ')');
}

# A token logs in, as this user.
sub admits
{
	my ($token, $test, $user) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($status, $out, $err) = ask($node, 'web', login_sql($token));

	is($out, ($user || 'alice') . ' no project', $test) or diag($err);
	return;
}

# A token is refused, for this reason, which only the log has. Each in a login of its
# own, because a login has so many lines a minute.
my $logins = 0;
sub refuses
{
	my ($token, $reason, $test) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $login = 'guest' . int($logins++ / 10);
	my $offset = log_size($node);

	$node->safe_psql('postgres', "CREATE ROLE $login LOGIN IN ROLE tarx_keys_login") if $logins % 10 == 1;
	my ($status, $out, $err) = ask($node, $login, login_sql($token));
	my $log = log_since($node, $offset);
	my ($line) = $log =~ /LOG:  (tarx_keys: event=.*)/;
	my ($is) = $log =~ /LOG:  tarx_keys: event=login_jwt outcome=refused project=- object=- sqlstate=TK010 login=$login role=- user=- client=\[local\] reason=(\w+)$/m;

	is($is, $reason, "$test: $reason") or diag($log);
	is($err =~ s/^LOCATION:.*\n?//mr =~ s/^psql:\S+ //mr,
		"ERROR:  TK010: login failed\nHINT:  The token is wrong, expired, or not one that this database trusts. The server log has the reason; get a new token from its issuer.\n",
		"$test: what the client is told");
	return $log;
}

# Each algorithm, with kid and without

my $now = time();
foreach my $alg (qw(Ed25519 ES256 RS256))
{
	my %kid = (Ed25519 => 'ed', ES256 => 'es', RS256 => 'rs');
	admits(token($key{$alg}, claims()), "$alg without kid");
	admits(token($key{$alg}, claims(), kid => $kid{$alg}), "$alg with kid");
}
admits(token($key{Ed25519}, claims(), alg => 'EdDSA'), 'EdDSA is Ed25519');
is(ask_ok($node, 'web', login_sql(token($key{ES256}, claims()), $PROJECT)), 'alice admin', 'the role in a project');
is(ask_ok($node, 'service', login_sql(token($key{ES256}, claims(sub => 'bob')), $PROJECT)), 'bob member', 'for backends as well');
state_is($node, 'nobody', login_sql('x'), '42501', 'for nobody else');
state_is($node, 'runner', login_sql('x'), '42501', 'not for runners');
state_is($node, 'web', 'SELECT tarx_keys.login_jwt(NULL)', '22023', 'a token must not be null');
state_is($node, 'web', login_sql(token($key{ES256}, claims(sub => 'carol')), $PROJECT), '42501', 'who is no member of the project');

# Form

my $good = token($key{Ed25519}, claims());
my ($header, $payload, $signature) = split /\./, $good;
refuses('', 'claims', 'an empty token');
refuses('..', 'claims', 'nothing but dots');
refuses("$header.$payload", 'claims', 'two pieces');
refuses("$header.$payload.", 'claims', 'no signature');
refuses("$good.x", 'claims', 'four pieces');
refuses("$good ", 'claims', 'white space behind it');
refuses("\n$good", 'claims', 'white space in front of it');
refuses("$header=.$payload.$signature", 'claims', 'padding');
refuses("$header.$payload.$signature=", 'claims', 'padding of the signature');
refuses(raw_token($key{Ed25519}, '{"alg":"Ed25519"', json(claims())), 'claims', 'a header that is no JSON');
refuses(raw_token($key{Ed25519}, '["alg"]', json(claims())), 'claims', 'a header that is no object');
refuses(raw_token($key{Ed25519}, '{"alg":"Ed25519"}', 'null'), 'claims', 'a payload that is no object');
refuses(raw_token($key{Ed25519}, '{"alg":"Ed25519"}', json(claims()) . '}'), 'claims', 'something behind the payload');
refuses(raw_token($key{Ed25519}, '{"alg":"Ed25519"}', '{"sub":"\\u0000"}'), 'claims', 'a zero character');
refuses(raw_token($key{Ed25519}, '{"alg":"Ed25519"}', "{\"sub\":\"\xff\"}"), 'claims', 'bytes that are not UTF-8');
refuses(raw_token($key{Ed25519}, '{"alg":"Ed25519"}', '{"n":1e999999}'), 'claims', 'a number that PostgreSQL has no room for');
refuses(raw_token($key{Ed25519}, '{"alg":"Ed25519"}', '{"n":' . '[' x 5000 . ']' x 5000 . '}'), 'issuer', 'deep JSON');
admits(token($key{Ed25519}, claims(x => 'y' x 11000)), 'a long token');
refuses(token($key{Ed25519}, claims(x => 'y' x 12100)), 'claims', 'more than 16 kB');
admits(raw_token($key{Ed25519}, '{"alg":"none","alg":"Ed25519"}', '{"sub":"bob",' . substr(json(claims()), 1)),
	'the last of duplicate members counts');

# Header

refuses(encode_base64url('{"alg":"none"}') . ".$payload.$signature", 'key', 'alg none');
refuses(encode_base64url('{"alg":"none"}') . ".$payload.", 'claims', 'alg none without a signature');
refuses(token($key{Ed25519}, claims(), alg => 'HS256'), 'key', 'an HMAC');
refuses(token($key{Ed25519}, claims(), alg => 'ed25519'), 'key', 'alg in other case');
refuses(token($key{Ed25519}, claims(), alg => undef), 'key', 'no alg');
refuses(token($key{Ed25519}, claims(), alg => 1), 'key', 'alg that is no text');
refuses(token($key{Ed25519}, claims(), alg => 'ES256'), 'signature', 'the alg of another key');
refuses(token($key{Ed25519}, claims(), alg => 'ES256', kid => 'ed'), 'key', 'an alg that does not fit the key');
refuses(token($key{Ed25519}, claims(), kid => 'other'), 'key', 'a kid that fits no key');
refuses(token($key{Ed25519}, claims(), kid => 'es'), 'key', 'the kid of another key');
refuses(token($key{Ed25519}, claims(), kid => ''), 'key', 'an empty kid');
refuses(token($key{Ed25519}, claims(), kid => 1), 'key', 'a kid that is no text');
refuses(token($key{Ed25519}, claims(), crit => ['exp']), 'claims', 'crit');
refuses(token($key{Ed25519}, claims(), crit => []), 'claims', 'an empty crit');
refuses(token($key{Ed25519}, claims(), cty => 'JWT'), 'claims', 'cty');
refuses(token($key{Ed25519}, claims(), typ => 'logout+jwt'), 'claims', 'a logout token');
refuses(token($key{Ed25519}, claims(), typ => ''), 'claims', 'an empty typ');
refuses(token($key{Ed25519}, claims(), typ => 'application/'), 'claims', 'a media type without a name is not like none');
refuses(token($key{Ed25519}, claims(), typ => 1), 'claims', 'typ that is no text');
admits(token($key{Ed25519}, claims(), typ => undef), 'no typ');
admits(token($key{Ed25519}, claims(), typ => 'at+jwt'), 'typ at+jwt');
admits(token($key{Ed25519}, claims(), typ => 'application/AT+JWT'), 'typ as a whole media type');
refuses(token($spare, claims(), jwk => jwk($spare)), 'signature', 'a key in the header');
admits(token($key{Ed25519}, claims(), jwk => jwk($spare), jku => 'https://evil.example', x5u => 'x', x5c => ['x']),
	'keys in the header mean nothing');

# Signature

refuses("$header.$payload." . encode_base64url("\0" x 64), 'signature', 'a signature of zeros');
refuses("$header.$payload." . encode_base64url(substr decode_base64url($signature), 0, 63), 'signature', 'a short one');
refuses("$header.$payload." . encode_base64url(decode_base64url($signature) . "\0"), 'signature', 'a long one');
refuses("$header.$payload." . encode_base64url('x' x 2000), 'signature', 'a very long one');
refuses("$header." . encode_base64url(json(claims(sub => 'bob'))) . ".$signature", 'signature', 'the signature of another token');
refuses(token($spare, claims()), 'signature', 'a key that is not the issuer\'s');
{
	my $es = token($key{ES256}, claims());
	my ($h, $p, $s) = split /\./, $es;
	my ($r, $sig) = unpack 'a32 a32', decode_base64url($s);
	my $der = sub { my $n = $_[0] =~ s/^\0+//r; $n = "\0$n" if ord($n) > 127; "\x02" . chr(length $n) . $n };
	my $body = $der->($r) . $der->($sig);
	refuses("$h.$p." . encode_base64url("\x30" . chr(length $body) . $body), 'signature', 'ES256 in DER');
	refuses("$h.$p." . encode_base64url("\0" x 64), 'signature', 'ES256 of zeros');
}

# Claims

sub with { return token($key{Ed25519}, claims(@_)) }

refuses(with(iss => undef), 'issuer', 'no iss');
refuses(with(iss => "$ISSUER/"), 'issuer', 'an iss with a slash more');
refuses(with(iss => uc $ISSUER), 'issuer', 'an iss in other case');
refuses(with(iss => [$ISSUER]), 'issuer', 'an iss that is no text');
refuses(with(aud => undef), 'audience', 'no aud');
refuses(with(aud => 'other'), 'audience', 'the aud of another');
refuses(with(aud => []), 'audience', 'an empty aud');
refuses(with(aud => [ 'other', 'third' ]), 'audience', 'an array without ours');
refuses(with(aud => [ $AUDIENCE, 1 ]), 'audience', 'an array with a number');
refuses(with(aud => { $AUDIENCE => 1 }), 'audience', 'an object');
admits(with(aud => [ 'other', $AUDIENCE ]), 'an array with ours');
refuses(with(exp => undef), 'claims', 'no exp');
refuses(with(exp => '' . ($now + 300)), 'claims', 'exp that is a text');
refuses(with(exp => $now - 1, iat => $now - 100), 'expired', 'exp is over');
refuses(with(exp => -1), 'claims', 'a negative exp');
refuses(with(exp => 1e300, iat => 1e300), 'claims', 'an exp beyond all times');
refuses(with(iat => undef), 'claims', 'no iat');
refuses(with(iat => '' . $now), 'claims', 'iat that is a text');
refuses(with(iat => $now - 3500), 'claims', 'exp - iat is more than max_lifetime');
admits(with(iat => $now - 3200), 'exp - iat is less');
admits(with(iat => $now + 200), 'a clock that is ahead');
refuses(with(iat => $now + 400), 'claims', 'exp before iat');
admits(with(exp => $now + 300.5), 'exp with a fraction');
refuses(with(nbf => $now + 100), 'claims', 'nbf is to come');
admits(with(nbf => $now + 20), 'nbf within the skew');
refuses(with(nbf => '' . ($now - 1)), 'claims', 'nbf that is a text');
refuses(with(sub => undef), 'claims', 'no sub');
refuses(with(sub => ''), 'claims', 'an empty sub');
refuses(with(sub => 17), 'claims', 'sub that is a number');
refuses(with(sub => 'x' x 201), 'claims', 'a long sub');
refuses(with(sub => "a\nb"), 'claims', 'sub with a control character');
refuses(with(sub => 'sa:robot'), 'claims', 'a service account');
admits(with(sub => 'x' x 200), 'a sub of 200 characters', 'x' x 200);
admits(with(sub => 'SA:robot'), 'a sub that is no service account', 'SA:robot');

# Nothing of a token is in the log.

{
	my $log = slurp_file($node->logfile);

	unlike($log, qr/eyJ/, 'no token is in the log');
	unlike($log, qr/invalid input|overflows|out of range|Token/, 'nor what the parser says');
}

# The file's other members

sub change_issuers
{
	my ($issuers, $test) = @_;

	write_issuers($file, $issuers);
	like(reload_issuers($node), qr/JWT issuers loaded/, $test);
	return;
}

change_issuers([ usual(user_claim => 'email', user_prefix => 'mail:', typ => ['at+jwt'],
	clock_skew => '0', max_lifetime => '2 days', algorithms => ['EdDSA'], audience => [ 'a', 'b' ]) ], 'other members');
my @ours = (email => 'al@x.example', aud => 'b');
admits(token($key{Ed25519}, claims(@ours), typ => 'at+jwt'), 'user_claim and user_prefix', 'mail:al@x.example');
refuses(token($key{Ed25519}, claims(@ours), typ => 'JWT'), 'claims', 'a typ that the file has not');
refuses(token($key{Ed25519}, claims(@ours), typ => undef), 'claims', 'no typ where the file has some');
refuses(token($key{ES256}, claims(@ours), typ => 'at+jwt'), 'key', 'an algorithm that the file has not');
refuses(token($key{Ed25519}, claims(@ours, nbf => time() + 10), typ => 'at+jwt'), 'claims', 'no skew for nbf');
admits(token($key{Ed25519}, claims(@ours, exp => time() + 172700), typ => 'at+jwt'), 'max_lifetime', 'mail:al@x.example');
refuses(token($key{Ed25519}, claims(@ours, email => 'x' x 196), typ => 'at+jwt'), 'claims', 'prefix and claim together are too long');
change_issuers([ usual(typ => [ '', 'JWT' ], user_prefix => 's') ], 'typ may be absent');
admits(token($key{Ed25519}, claims(), typ => undef), 'no typ where the file has an empty one', 'salice');
refuses(with(sub => 'a:robot'), 'claims', 'prefix and claim together are a service account');

# Keys: use, key_ops and alg; exactly one must fit

sub keys_are { change_issuers([ issuer([@_]) ], 'keys') }

my @other = jwk($key{ES256});
foreach my $case (
	[ { use => 'sig', alg => 'Ed25519', key_ops => ['verify'] }, '' ],
	[ { alg => 'EdDSA' }, '' ],
	[ { key_ops => [ 'sign', 'verify' ] }, '' ],
	[ { use => 'enc' }, 'key' ],
	[ { use => 1 }, 'key' ],
	[ { alg => 'ES256' }, 'key' ],
	[ { alg => undef }, 'key' ],
	[ { key_ops => ['encrypt'] }, 'key' ],
	[ { key_ops => 'verify' }, 'key' ],
	[ { crv => 'Ed448' }, 'key' ],
	[ { kty => 'EC' }, 'key' ],
	[ { x => 'AAAA' }, 'key' ],
	[ { x => encode_base64url("\0" x 32) }, 'key' ])
{
	my ($members, $reason) = @$case;
	my $test = 'a key with ' . json($members);

	keys_are(@other, jwk($key{Ed25519}, %$members));
	$reason eq '' ? admits(token($key{Ed25519}, claims()), $test) : refuses(token($key{Ed25519}, claims()), $reason, $test);
}
keys_are(jwk($key{Ed25519}, kid => 'a'), jwk($spare, kid => 'b'));
refuses(token($key{Ed25519}, claims()), 'key', 'two keys fit');
admits(token($key{Ed25519}, claims(), kid => 'a'), 'the kid says which');
refuses(token($key{Ed25519}, claims(), kid => 'b'), 'signature', 'or which not');
keys_are(jwk($key{Ed25519}), jwk($key{ES384}), jwk($key{RSA1024}), jwk($key{RSA3}), { kty => 'new' });
refuses(token($key{RSA1024}, claims()), 'key', 'RSA of 1024 bits');
refuses(token($key{RSA3}, claims()), 'key', 'RSA with exponent 3');
refuses(token($key{ES384}, claims(), alg => 'ES256'), 'key', 'another curve');
{
	my $off = jwk($key{ES256});
	$off->{y} = $off->{x};
	keys_are(jwk($key{Ed25519}), $off);
	refuses(token($key{ES256}, claims()), 'key', 'a point that is not on the curve');
	my $even = jwk($key{RS256});
	$even->{e} = encode_base64url("\1\0\2");
	keys_are(jwk($key{Ed25519}), $even);
	refuses(token($key{RS256}, claims()), 'key', 'an even exponent');
	my $zero = jwk($key{RS256});
	$zero->{n} = encode_base64url("\0" . decode_base64url($zero->{n}));
	keys_are($zero);
	admits(token($key{RS256}, claims()), 'a zero in front of the modulus');
}

# Key rotation of an issuer: both keys for a while, then only the new one

my $old = token($key{Ed25519}, claims(), kid => 'old');
my $new = token($spare, claims(), kid => 'new');
keys_are(jwk($key{Ed25519}, kid => 'old'));
admits($old, 'before the rotation');
refuses($new, 'key', 'the new key before');
keys_are(jwk($key{Ed25519}, kid => 'old'), jwk($spare, kid => 'new'));
admits($old, 'the old key meanwhile');
admits($new, 'the new key meanwhile');
keys_are(jwk($spare, kid => 'new'));
refuses($old, 'key', 'the old key afterwards');
admits($new, 'the new key afterwards');

# Two issuers with the same sub are two users; a token of one is none of the other.

change_issuers([
	issuer([ jwk($key{Ed25519}) ], user_prefix => 'one:'),
	issuer([ jwk($key{ES256}) ], user_prefix => 'two:', issuer => 'https://two.example', audience => ['second']) ], 'two issuers');
my @second = (iss => 'https://two.example', aud => 'second');
admits(token($key{Ed25519}, claims()), 'the first issuer', 'one:alice');
admits(token($key{ES256}, claims(@second)), 'the second one', 'two:alice');
refuses(token($key{ES256}, claims()), 'key', 'a key of the other issuer');
refuses(token($key{ES256}, claims(@second, aud => $AUDIENCE)), 'audience', 'the audience of the other issuer');

# An allowed login has a line, if all have

{
	my $offset = log_size($node);
	$node->safe_psql('postgres', 'ALTER ROLE web SET tarx_keys.log_resolves = \'all\'');
	admits(token($key{Ed25519}, claims()), 'a login', 'one:alice');
	like(log_since($node, $offset),
		qr/LOG:  tarx_keys: event=login_jwt outcome=allowed project=- object=- sqlstate=- login=web role=- user=one:alice client=\[local\]$/m,
		'an allowed login has a line');
	$node->safe_psql('postgres', 'ALTER ROLE web RESET tarx_keys.log_resolves');
}

# The identity: proven, and over at exp and when the user ends

change_issuers([ usual(clock_skew => '2 s') ], 'the first issuer again');
my $alice = token($key{Ed25519}, claims());
my $project = "'$PROJECT'";
state_is($node, 'service', "SELECT tarx_keys.login_jwt('$alice'); SELECT tarx_keys.act_as('bob')", '42501', 'no act_as() behind it');
$node->safe_psql('postgres', 'ALTER ROLE service SET tarx_keys.require_login = on');
is(ask_ok($node, 'service', "SELECT tarx_keys.login_jwt('$alice'); SELECT tarx_keys.current_user_id()"), 'alice', 'under require_login');
$node->safe_psql('postgres', 'ALTER ROLE service RESET tarx_keys.require_login');
ask_ok($node, 'web', "SELECT tarx_keys.login_jwt('$alice'); SELECT tarx_keys.rename_project($project, 'By token')");
is($node->safe_psql('postgres', "SELECT user_id, proven, login FROM tarx_keys.audit_log WHERE action = 'project.rename'"),
	'alice|t|web', 'the audit log says that the user was proven');
like(ask_ok($node, 'web', "SELECT tarx_keys.login_jwt('$alice'); SELECT token FROM tarx_keys.create_platform_key('laptop')"),
	qr/^sk-tarx-/, 'a platform key, which may outlive the token');

my @calls = (
	"SELECT tarx_keys.rename_project($project, 'Late')",
	'SELECT count(*) FROM tarx_keys.projects',
	"SELECT tarx_keys.delete_agent($project, gen_random_uuid())",
	'SELECT count(*) FROM tarx_keys.platform_keys',
	"SELECT tarx_keys.create_platform_key('late')");
my $soon = time() + 2;
my $brief = token($key{Ed25519}, claims(exp => $soon));
foreach my $call (@calls)
{
	$brief = token($key{Ed25519}, claims(exp => time() + 1.5));
	my $err = state_is($node, 'web', "SELECT tarx_keys.login_jwt('$brief', $project); SELECT pg_sleep(1.6); $call", 'TK010', "$call after exp");
	like($err, qr/the login has ended/, 'with its own message');
}

# A run and a user in one transaction, in either order
{
	$node->safe_psql('postgres', 'CREATE ROLE everything LOGIN IN ROLE tarx_keys_backend, tarx_keys_agent');
	my $agent = ask_ok($node, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.create_agent($project, 'run', provider => 'openai')");
	my $ticket = ask_ok($node, 'everything', "SELECT tarx_keys.login_jwt('$alice'); SELECT tarx_keys.issue_run_ticket($project, '$agent')");
	my ($run, $login) = ("SELECT tarx_keys.enter_run('$ticket')", "SELECT tarx_keys.login_jwt('$alice')");

	like(ask_ok($node, 'everything', $run), qr/alice/, 'a run');
	state_is($node, 'everything', "$run; $login", '42501', 'no login in a run');
	state_is($node, 'everything', "$login; $run", '42501', 'no run after a login');
	$brief = token($key{Ed25519}, claims(exp => time() + 1.5));
	state_is($node, 'web', "SELECT tarx_keys.login_jwt('$brief'); SELECT pg_sleep(1.6); SELECT tarx_keys.issue_run_ticket($project, '$agent')",
		'TK010', 'no ticket after exp');
}

# Others who end while a transaction goes on
my $bob = token($key{Ed25519}, claims(sub => 'bob'));
my $session = Protocol->connect($node, 'web');
$session->query("BEGIN; SELECT tarx_keys.login_jwt('$bob')");
is($session->query('SELECT count(*) FROM tarx_keys.projects')->{rows}[0], '1', 'before the end');
$node->safe_psql('postgres', "SELECT tarx_keys.end_user('bob')");
is($session->query('SELECT count(*) FROM tarx_keys.projects')->{C}, 'TK010', 'a list after the end of the user');
refuses($bob, 'expired', 'a token from before the end');
refuses(token($key{Ed25519}, claims(sub => 'bob', iat => time() + 1)), 'expired', 'one that a clock ahead has issued before');
admits(token($key{Ed25519}, claims()), 'another user');
admits(token($key{Ed25519}, claims(sub => 'bob', iat => time() + 4)), 'one from afterwards', 'bob');

# Ends are kept for as long as a run ticket, or a token of any issuers' file, could last,
# whatever is set or loaded now: a file may be missing, or a standby may have another one.
$node->safe_psql('postgres', q{
	INSERT INTO tarx_keys_internal.ended_users
		VALUES ('w', now() - interval '400 days'), ('x', now() - interval '366 days 1 minute'), ('y', now() - interval '365 days 1 minute');
	SELECT tarx_keys.end_user('z')});
is($node->safe_psql('postgres', q{SELECT string_agg(user_id, ',' ORDER BY user_id) FROM tarx_keys_internal.ended_users}),
	'bob,y,z', 'old ends are forgotten, and no others');

# A savepoint ends the identity, and outside a transaction block it is warned.

is(ask_ok($node, 'web', "SAVEPOINT s; SELECT tarx_keys.login_jwt('$alice'); ROLLBACK TO s; SELECT coalesce(tarx_keys.current_user_id(), 'nobody')"),
	'nobody', 'ROLLBACK TO ends the identity');
{
	my ($status, $out, $err) = $node->psql('postgres', "SELECT tarx_keys.login_jwt('$alice')", extra_params => [ '-U', 'web' ]);
	like($err, qr/WARNING:  tarx_keys\.login_jwt\(\) lasts only for this statement/, 'a login without a transaction block');
}

# Whoever tries tokens cannot hide that one is in use which an issuer has signed.

{
	my $offset = log_size($node);
	$node->safe_psql('postgres', 'CREATE ROLE guessing LOGIN IN ROLE tarx_keys_login');
	my $guesser = Protocol->connect($node, 'guessing');
	$guesser->query("SELECT tarx_keys.login_jwt('x')") foreach 1 .. 30;
	$guesser->query("SELECT tarx_keys.login_jwt('" . token($key{Ed25519}, claims(exp => 2, iat => 1)) . "')");
	my @reasons = log_since($node, $offset) =~ /login=guessing .* reason=(\w+)$/mg;
	is(join(' ', @reasons), join(' ', ('claims') x 20, 'expired'), 'a signed token has its line, whatever was tried before');
}

# In a database of another encoding an id is what it is, or cannot be.

$node->safe_psql('postgres', q{CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'});
$node->safe_psql('latin', 'CREATE EXTENSION tarx_keys');
{
	my $has = token($key{Ed25519}, claims(sub => "J\x{fc}rgen"));
	my $lacks = token($key{Ed25519}, claims(sub => "\x{4e2d}"));
	my $length = "SELECT octet_length(user_id) FROM tarx_keys.login_jwt";

	is(ask_ok($node, 'web', "$length('$has')", 'latin'), 6, 'a name that LATIN1 has');
	is(ask_ok($node, 'web', "$length('$has')"), 7, 'the same in UTF8');
	is(ask_ok($node, 'web', "$length('$lacks')"), 3, 'one that LATIN1 has not');
	my $err = state_is($node, 'web', "$length('$lacks')", 'TK010', 'there it is no name', 'latin');
	unlike($err, qr/LATIN1|encoding/, 'nothing of what the conversion says');
	is(ask_ok($node, 'web', "$length('" . raw_token($key{Ed25519}, '{"alg":"Ed25519"}', json(claims(sub => 'x')) =~ s/"x"/"\\u00fc"/r) . "')", 'latin'),
		1, 'also as an escape');
}

# Nobody has made a setting of it.
state_is($node, 'web', "SET tarx_keys.token_times = '9999999999999999 0'", '55P02', 'the times cannot be set');

done_testing();
