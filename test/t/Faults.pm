# What the tests of faults have in common: a story with values that can be told from
# all else, and what must hold whatever has happened.

package Faults;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

our @EXPORT = qw(
  new_story
  add_to_story
  value_of
  resolve_and_compare
  story_holds
  all_verifies
  nothing_leaked
  postmaster_of
  is_same_server
);

# Every value has this in it, and nothing else does.
my $mark = 'sk-proj-of-a-fault';

sub value_of
{
	my ($name) = @_;
	return "$mark-" . ($name =~ tr{ }{-}r);
}

# A key and a secret of a name, each with its value
sub add_to_story
{
	my ($node, $story, $name) = @_;
	my $secret = uc $name =~ tr/ /_/r;

	$story->{keys}{$name} = add_key($node, $name, value_of($name));
	ask_ok($node, 'service', qq{
		SELECT tarx_keys.act_as('alice');
		SELECT tarx_keys.set_secret('$PROJECT', '$secret', '} . value_of($name) . q{')});
	$story->{secrets}{$secret} = value_of($name);
	return;
}

# The extension in a cluster, with so many keys and secrets, and a token of bob's
sub new_story
{
	my ($node, $count) = @_;
	my $story = {};

	install($node);
	add_to_story($node, $story, "no $_") foreach 1 .. $count || 3;
	$story->{token} = ask_ok($node, 'service', q{
		SELECT tarx_keys.act_as('bob');
		SELECT token FROM tarx_keys.create_platform_key('laptop')});
	return $story;
}

# A statement for pgbench that fails unless each key of the story has its value, which
# its name tells
sub resolve_and_compare
{
	my ($story) = @_;
	my $ids = join ',', sort values %{ $story->{keys} };
	my $count = keys %{ $story->{keys} };

	return "SELECT 1 / (count(*) FILTER (WHERE key_value = '$mark-' || replace(name, ' ', '-')) = $count)::int "
	  . "FROM tarx_keys.resolve_keys('$PROJECT', '{$ids}')";
}

# Everything in the story is as it should be, for whoever connects now.
sub story_holds
{
	my ($node, $story, $test) = @_;
	my @ids = map { $story->{keys}{$_} } sort keys %{ $story->{keys} };
	my $names = join ',', sort keys %{ $story->{secrets} };
	my %found;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$found{keys} = { map { split /\|/ } split /\n/, $node->safe_psql('postgres',
			"SELECT key_id, key_value FROM tarx_keys.resolve_keys('$PROJECT', '{" . join(',', @ids) . "}')", extra_params => [ '-U', 'runner' ]) };
	$found{secrets} = { map { split /\|/ } split /\n/, $node->safe_psql('postgres',
			"SELECT name, value FROM tarx_keys.resolve_secrets('$PROJECT', '{$names}')", extra_params => [ '-U', 'runner' ]) };
	$found{user} = ask_ok($node, 'service', "SELECT user_id FROM tarx_keys.login('$story->{token}')");
	is_deeply(
		\%found,
		{
			keys => { map { $story->{keys}{$_} => value_of($_) } keys %{ $story->{keys} } },
			secrets => $story->{secrets},
			user => 'bob'
		},
		"$test: all values are right");
	return;
}

# No row is damaged, lost or too old, and every audit log is whole.
sub all_verifies
{
	my ($node, $test) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is( $node->safe_psql('postgres', q{
		SELECT 'row', v FROM tarx_keys.verify_keys() v WHERE v.status <> 'ok';
		SELECT 'audit log', p.id, v FROM tarx_keys.projects p, tarx_keys.verify_audit(p.id) v WHERE NOT v.ok;
		SELECT 'personal audit log', u.user_id, v
			FROM (SELECT DISTINCT user_id FROM tarx_keys.platform_api_keys) u, tarx_keys.verify_personal_audit(u.user_id) v WHERE NOT v.ok}),
		'', "$test: everything verifies");
	return;
}

# The server's log has no value of the story, and nothing that says the server crashed.
sub nothing_leaked
{
	my ($node, $story, $test) = @_;
	my $log = slurp_file($node->logfile);
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is(scalar(grep { index($log, $_) >= 0 } $mark, $story->{token}), 0, "$test: no value is in the log");
	return;
}

sub postmaster_of
{
	my ($node) = @_;
	return (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
}

# Nothing has crashed since then: $offset is the log's size at that time.
sub is_same_server
{
	my ($node, $offset, $test) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	unlike(log_since($node, $offset), qr/PANIC|terminated by signal|reinitializing/, "$test: nothing has crashed");
	return;
}

1;
