# All connections are taken: who is connected goes on, who comes is told so, the workers
# do their work, and afterwards all is as before.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;
use Faults;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $file = write_private("$dir/keys", hex_key('a'));
my ($all, $reserved) = (8, 2);
my $node = new_node(
	'connections',
	keyring => { master_key_file => $file },
	conf => qq{
log_statement = all
max_connections = $all
superuser_reserved_connections = $reserved
tarx_keys.usage_flush_interval = 1
});
$node->start;
my $story = new_story($node);
my ($key) = values %{ $story->{keys} };
my ($name) = keys %{ $story->{keys} };
my $start = log_size($node);

sub connect_as
{
	my ($login) = @_;
	return $node->background_psql('postgres', extra_params => [ defined $login ? ('-U', $login) : () ]);
}

sub is_full_for
{
	my ($login, $sql, $test) = @_;
	my ($status, $out, $err) = ask($node, $login, $sql);
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	like("$status|$out|$err", qr/^2\|\|.*FATAL:  (?:sorry, too many clients already|remaining connection slots are reserved)/,
		"$test: no connection");
	return;
}

# All that others than superusers may have

my @runners = map { connect_as('runner') } 1 .. $all - $reserved - 1;
my $service = connect_as('service');
is_full_for('runner', resolve_sql($key), 'a runner');
is_full_for('service', "SELECT tarx_keys.login('$story->{token}')", 'a service');

is(scalar(grep { $_->query_safe(resolve_sql($key)) ne value_of($name) } @runners), 0, 'who is connected resolves');
my $added = $service->query_safe(qq{
	BEGIN;
	SELECT tarx_keys.act_as('alice', '$PROJECT') AS nothing \\gset
	SELECT tarx_keys.add_llm_key('$PROJECT', 'openai', 'added', '} . value_of('added') . q{') AS key \gset
	COMMIT;
	SELECT :'key'});
is($runners[0]->query_safe(resolve_sql($added)), value_of('added'), 'and adds');
$story->{keys}{added} = $added;
is($service->query_safe("BEGIN; SELECT user_id FROM tarx_keys.login('$story->{token}'); COMMIT"), 'bob', 'and logs in');
all_verifies($node, 'a superuser has a connection');

# All of them

my @superusers = map { connect_as() } 1 .. $reserved;
is_full_for(undef, 'SELECT 1', 'a superuser');
is($runners[-1]->query_safe(resolve_sql($added)), value_of('added'), 'who is connected resolves');

my $before = $superusers[0]->query_safe('SELECT clock_timestamp()');
$runners[0]->query_safe(resolve_sql($key));
ok( wait_until(sub { $superusers[0]->query_safe("SELECT count(*) > 0 FROM tarx_keys_internal.last_used WHERE last_used_at >= '$before'") eq 't' }),
	'last uses are written down');
write_private($file, hex_key('b') . "\n" . hex_key('a'));
reload_keyring($node);
is($superusers[0]->query_safe('SELECT count(*) FROM tarx_keys.keyring_status()'), 2, 'the keyring is loaded again');
$superusers[1]->query_safe('SET client_min_messages = warning; CALL tarx_keys.rotate_master_key(1)');
is($superusers[0]->query_safe('SELECT sum(remaining) FROM tarx_keys.rotation_progress'), 0, 'a rotation comes to its end');
is($runners[0]->query_safe(resolve_sql($key)), value_of($name), 'and the key resolves');

$_->quit foreach @runners, $service, @superusers;
wait_until(sub { (ask($node, 'runner', 'SELECT 1'))[0] == 0 });
story_holds($node, $story, 'there is room again');
all_verifies($node, 'there is room again');
is_same_server($node, $start, 'all the time');
nothing_leaked($node, $story, 'all the time');

$node->stop;
done_testing();
