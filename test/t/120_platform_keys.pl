# Platform keys over restarts and on a standby: when one was last used survives
# a restart, login works on a hot standby, and a revocation on the primary ends
# that as soon as it is replayed.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $keys = write_private("$dir/keys", hex_key('a'));
my $node = new_node(
	'platform',
	init => { allows_streaming => 1 },
	keyring => { master_key_file => $keys },
	conf => "tarx_keys.usage_flush_interval = 1\n");
$node->start;
install($node);
$node->safe_psql('postgres', 'CREATE ROLE web LOGIN IN ROLE tarx_keys_login');

# the last line is the token
my $token = ask_ok(
	$node, 'service', q{
	SELECT tarx_keys.act_as('bob');
	SELECT token FROM tarx_keys.create_platform_key('laptop')});
like($token, qr/^sk-tarx-[0-9A-Za-z]{49}$/, 'a token');
my $login = "SELECT user_id || ' ' || role FROM tarx_keys.login('$token', '$PROJECT')";
my $list = "SELECT tarx_keys.act_as('bob'); SELECT last_used_at IS NOT NULL FROM tarx_keys.platform_keys";

is(ask_ok($node, 'service', $list), 'f', 'a new key has not been used');
is(ask_ok($node, 'web', $login), 'bob member', 'login');
is(ask_ok($node, 'service', $list), 't', 'its use shows at once');
$node->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM tarx_keys_internal.last_used WHERE kind = 'platform_key'")
  or die 'the use was not written down';
$node->restart;
is(ask_ok($node, 'service', $list), 't', 'its use shows after a restart');

# Log lines, which have the key but no token

my $elsewhere = '22222222-2222-4222-8222-222222222222';
my $key = $node->safe_psql('postgres', 'SELECT id FROM tarx_keys.platform_api_keys');
ask_ok($node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.create_project('Elsewhere', '$elsewhere')});
my ($expired_key, $expired) = split /\|/, ask_ok(
	$node, 'service', q{
	SELECT tarx_keys.act_as('bob');
	SELECT id, token FROM tarx_keys.create_platform_key('expired', clock_timestamp() + '0.5 s')});
$node->safe_psql('postgres', qq{
	SELECT pg_sleep(extract(epoch FROM expires_at - clock_timestamp()) + 0.01)
	  FROM tarx_keys.platform_api_keys WHERE id = '$expired_key'});
my $unknown = 'sk-tarx-' . '0' x 49;

sub login_sql
{
	my ($with, $project) = @_;
	return "SELECT user_id || ' ' || role FROM tarx_keys.login('$with', '$project')";
}

# All that can happen: one allowed, and one refused for each reason
sub play
{
	my ($login) = @_;

	is(ask_ok($node, $login, login_sql($token, $PROJECT)), 'bob member', 'a login');
	state_is($node, $login, login_sql($unknown, $PROJECT), 'TK010', 'an unknown token');
	state_is($node, $login, login_sql($expired, $PROJECT), 'TK010', 'an expired one');
	state_is($node, $login, login_sql($token, $elsewhere), '42501', 'a project that is not for it');
	return;
}

sub line
{
	my ($login, $outcome, $project, $object, $state, $user) = @_;
	return "tarx_keys: event=login outcome=$outcome project=$project object=$object sqlstate=$state login=$login role=- user=$user client=[local]";
}

sub lines_since
{
	my ($offset) = @_;
	return join "\n", log_since($node, $offset) =~ /LOG:  (tarx_keys: event=.*)/g;
}

my @refused = (
	line('web', 'refused', $PROJECT, '-', 'TK010', '-'),
	line('web', 'refused', $PROJECT, $expired_key, 'TK010', '-'),
	line('web', 'refused', $elsewhere, $key, '42501', 'bob'));
my %lines = (
	off => [],
	refused => \@refused,
	all => [ line('web', 'allowed', $PROJECT, $key, '-', 'bob'), @refused ]);
$node->append_conf('postgresql.conf', 'log_min_error_statement = error');
$node->reload;
foreach my $what (sort keys %lines)
{
	my $offset = log_size($node);

	$node->safe_psql('postgres', "ALTER ROLE web SET tarx_keys.log_resolves = '$what'");
	play('web');
	is(lines_since($offset), join("\n", @{ $lines{$what} }), "log_resolves = $what");
	unlike(log_since($node, $offset), qr/$token|$expired|$unknown/, 'no token');
}

# However many logins fail, each fails at once and right tokens log in; lines in the
# log are few, and what they leave out is counted

$node->safe_psql('postgres', q{
	CREATE ROLE guessing LOGIN IN ROLE tarx_keys_login;
	CREATE ROLE "others' guesses" LOGIN IN ROLE tarx_keys_login});
my $offset = log_size($node);

# So many guesses in one session, each in a transaction of its own
sub guess
{
	my ($login, $guesses, $with) = @_;

	$node->psql('postgres', join("\n", ("SELECT tarx_keys.login('$with');") x $guesses),
		on_error_stop => 0, extra_params => [ '-U', $login ], timeout => 60);
	return;
}

# How many refusals the log accounts for, and in how many lines of their own
sub refused
{
	my ($as) = @_;
	my $log = log_since($node, $offset);
	my $own = () = $log =~ /event=login outcome=refused .* login=\Q$as\E /g;
	my ($all, $counts) = ($own, 0);

	while ($log =~ /tarx_keys: (\d+) more refused logins? of \Q$as\E since/g)
	{
		$all += $1;
		$counts++;
	}
	return ($all, $own, $counts);
}

# Counts come with the rounds of the worker, here every second
sub all_refused_is
{
	my ($as, $expected, $test) = @_;
	my $all = 0;

	wait_until(sub { ($all) = refused($as); return $all >= $expected; });
	is($all, $expected, $test);
	return;
}

guess('guessing', 150, $unknown);
guess('guessing', 150, 'x');
is(ask_ok($node, 'guessing', $login), 'bob member', 'the right token logs in nevertheless');
all_refused_is('guessing', 300, 'all refused logins are accounted for');
cmp_ok((refused('guessing'))[1], '<=', 40, 'few of them have a line of their own');
cmp_ok((refused('guessing'))[2], '>=', 1, 'the others are counted');
my $errors = () = log_since($node, $offset) =~ /ERROR:  login failed/g;
cmp_ok($errors, '>=', 20, 'PostgreSQL logs errors of its own');
cmp_ok($errors, '<=', 40, 'but no others than those that have a line');

# A key that is known is not lost among them
my $known = log_size($node);
state_is($node, 'guessing', login_sql($expired, $PROJECT), 'TK010', 'an expired token');
like(log_since($node, $known), qr/event=login outcome=refused project=$PROJECT object=$expired_key sqlstate=TK010 login=guessing /,
	'a token that belongs to a key has a line even so');

# Each database login has lines of its own, and a name is quoted where it must be
guess(q{others' guesses}, 50, $unknown);
all_refused_is(q{"others' guesses"}, 50, 'those of another database login as well');
cmp_ok((refused(q{"others' guesses"}))[1], '>=', 1, 'which has lines of its own');

# What is not logged is not counted either
$node->safe_psql('postgres', q{ALTER ROLE guessing SET tarx_keys.log_resolves = 'off'});
my ($before) = refused('guessing');
guess('guessing', 50, $unknown);
guess(q{others' guesses}, 50, $unknown);
all_refused_is(q{"others' guesses"}, 100, 'a round of the worker later');
is((refused('guessing'))[0], $before, 'nothing of logins that are not to be logged');

$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('platform_standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is(ask_ok($standby, 'web', $login), 'bob member', 'login on a standby');
state_is($standby, 'service', q{
	SELECT tarx_keys.act_as('bob');
	SELECT token FROM tarx_keys.create_platform_key('phone')},
	'25006', 'none is created there');

ask_ok(
	$node, 'service', q{
	SELECT tarx_keys.act_as('bob');
	SELECT tarx_keys.revoke_platform_key(id) FROM tarx_keys.platform_keys});
$node->wait_for_catchup($standby);
state_is($standby, 'web', $login, 'TK010', 'a revoked key is refused on the standby');
state_is($node, 'web', $login, 'TK010', 'and on the primary');

$standby->stop;
$node->stop;
done_testing();
