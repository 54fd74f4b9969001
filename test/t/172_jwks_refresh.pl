# The recipe for fresh keys of an issuer, examples/jwt/refresh-issuers: it fetches,
# compares, replaces the file as a whole and reloads; whatever goes wrong, the file stays.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;
use Tokens;

need('Python 3', grep { -x "$_/python3" } split /:/, $ENV{PATH});

my $dir = PostgreSQL::Test::Utils::tempdir;
my ($file, $template) = ("$dir/issuers.json", "$dir/issuers.template.json");
my $port = PostgreSQL::Test::Cluster::get_free_port();
my ($old, $new) = map { key_pair('Ed25519') } 1 .. 2;
my $script = "$FindBin::RealBin/../../examples/jwt/refresh-issuers";

mkdir "$dir/web" or die;
sub publish { return write_private("$dir/web/jwks.json", ref $_[0] ? json({ keys => $_[0] }) : $_[0], 0644) }

sub serve
{
	my $server = IPC::Run::start([ 'python3', '-m', 'http.server', '--bind', '127.0.0.1', '--directory', "$dir/web", $port ],
		'<', '/dev/null', '>', '/dev/null', '2>&1');
	require IO::Socket::INET;
	wait_until(sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) }) or die 'the HTTP server does not start';
	return $server;
}

sub use_template
{
	my ($uri) = @_;
	my $issuer = issuer([], jwks => undef, jwks_uri => $uri);

	return write_private($template, json([$issuer]), 0644);
}

publish([ jwk($old, kid => 'old') ]);
use_template("http://127.0.0.1:$port/jwks.json");
my $server = serve();
my $node = new_node(
	'refresh',
	keyring => { master_key_file => write_private("$dir/keys", hex_key('a')) },
	conf => "tarx_keys.jwt_issuers_file = '$file'\n");
$node->start;
install($node);
$node->safe_psql('postgres', 'CREATE ROLE web LOGIN IN ROLE tarx_keys_login');

# What the script says, and how it ends
sub refresh
{
	my ($out, $err);
	my $done = IPC::Run::run([ $script, $template, $file, 'psql', '-XAtqc', 'SELECT pg_reload_conf()', $node->connstr('postgres') ],
		'>', \$out, '2>', \$err);

	return ($done ? 'ok' : 'failed', $out . $err);
}

sub logs_in
{
	my ($pair, $kid) = @_;
	my $token = token($pair, claims(), kid => $kid);
	my ($status, $out) = ask($node, 'web', "SELECT user_id FROM tarx_keys.login_jwt('$token')");

	return $out eq 'alice';
}

# The script's own reload, and not one of ours
sub refreshes
{
	my ($test) = @_;
	my $offset = log_size($node);
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	wait_for_worker($node);
	is(join('|', refresh()), "ok|$file has new keys\n", $test);
	$node->wait_for_log(qr/JWT issuers loaded: 1 issuer\n/, $offset);
	return;
}

sub is_kept
{
	my ($error, $test) = @_;
	my $before = join ' ', (stat $file)[ 1, 9 ];
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($status, $said) = refresh();

	is($status, 'failed', "$test: it says so");
	like($said, $error, "$test: why");
	is(join(' ', (stat $file)[ 1, 9 ]), $before, "$test: the file stays");
	is(join(' ', glob "$dir/.issuers.*"), '', "$test: nothing is left beside it");
	return;
}

ok(!logs_in($old, 'old'), 'nobody logs in yet');
refreshes('a first file');
ok(logs_in($old, 'old'), 'tokens log in');
is((stat $file)[2] & 07777, 0644, 'everybody may read it');

my $inode = (stat $file)[1];
my $offset = log_size($node);
is(join('|', refresh()), 'ok|', 'nothing new');
is((stat $file)[1], $inode, 'the file stays');
unlike(log_since($node, $offset), qr/SIGHUP/, 'and nothing is reloaded');

publish([ jwk($old, kid => 'old'), jwk($new, kid => 'new') ]);
refreshes('another key');
ok(logs_in($old, 'old') && logs_in($new, 'new'), 'tokens of both log in');
publish([ jwk($new, kid => 'new') ]);
refreshes('the old key is gone');
ok(!logs_in($old, 'old') && logs_in($new, 'new'), 'its tokens log in no more');


# What the server would refuse the whole file for, with all issuers in it, gets into none.
publish('{"keys": [{"kty": "odd", "x": "\\u0000"}, {"kty": "odd", "kid": 1}, {"kty": "odd", "x": "\\ud800"}, '
	  . json(jwk($old, kid => 'old')) =~ s/\}$/, "name": "\\u0000", "number": NaN, "large": 1e999999, "deep": [[{}]]}/r . ', '
	  . json(jwk($new, kid => 'new', key_ops => ['verify'])) . ']}');
refreshes('members that only this issuer understands');
ok(logs_in($old, 'old') && logs_in($new, 'new'), 'its keys log in all the same');
publish([ jwk($new, kid => 'new') ]);
refreshes('the usual ones again');

publish('{"keys": [');
is_kept(qr/has no key set/, 'no JSON');
publish('[]');
is_kept(qr/has no key set/, 'no object');
publish([]);
is_kept(qr/has no key set/, 'no keys');
publish([1]);
is_kept(qr/has no key set/, 'keys that are none');
publish([ jwk($new, kid => 'new', d => 'x') ]);
is_kept(qr/has a private key/, 'a private key');
publish([ jwk($new, kid => 'new', priv => 'x') ]);
is_kept(qr/has a private key/, 'a private key of a newer kind');
publish([ jwk($old, kid => 'new'), jwk($new, kid => 'new') ]);
is_kept(qr/has a kid twice/, 'a kid twice');
publish([ jwk($new, kid => 1), { kty => 'OKP', crv => [] }, jwk($new, use => 1) ]);
is_kept(qr/has no key that the server can read/, 'no key that is usable');
publish(' ' x (300 * 1024));
is_kept(qr/has more than 262144 bytes/, 'an answer without end');
unlink "$dir/web/jwks.json";
is_kept(qr/cannot be fetched: HTTP Error 404/, 'no such page');
mkdir "$dir/web/moved" or die;
use_template("http://127.0.0.1:$port/moved");
is_kept(qr/cannot be fetched: HTTP Error 301/, 'a redirection');
use_template("http://id.example/jwks.json");
is_kept(qr/is not https/, 'http to another machine');
use_template("file://$dir/web/jwks.json");
is_kept(qr/is not https/, 'a file');
use_template("http://127.0.0.1:$port/jwks.json");
$server->kill_kill;
is_kept(qr/cannot be fetched/, 'no server');
ok(logs_in($new, 'new'), 'tokens log in all the while');

done_testing();
