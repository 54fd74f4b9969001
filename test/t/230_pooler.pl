# PgBouncer in transaction mode with one server connection: two clients that take
# turns on it, as different users and in different projects, never see each other.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run;
use Pooler;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $version = pooler_version();
need('PgBouncer', $version);
# since 1.21 it knows the prepared statements of its clients
my $prepares = (split /\./, $version)[1] >= 21;

my $dir = PostgreSQL::Test::Utils::tempdir_short;
my $rounds = 500;
# its two clients make thousands of agents
my $node = new_node('pooler', keyring => { master_key => hex_key('pooler') }, conf => "tarx_keys.max_per_project = 100000\n");
$node->start;
install($node);

# One login that may do everything, so that there is one pool: that is worse than
# what docs/operations.md says. What each client is given is written down by the superuser.
$node->safe_psql(
	'postgres', q{
	CREATE ROLE pooled LOGIN IN ROLE tarx_keys_backend, tarx_keys_agent;
	CREATE TABLE seen (n bigserial, pid integer DEFAULT pg_backend_pid(), who text, what text, got text);
	GRANT INSERT ON seen TO pooled;
	GRANT USAGE ON SEQUENCE seen_n_seq TO pooled;
	-- the list, or why there is none
	CREATE FUNCTION names() RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		RETURN (SELECT string_agg(name || ' ' || project_id, ',') FROM tarx_keys.llm_keys);
	EXCEPTION WHEN OTHERS THEN
		RETURN SQLSTATE;
	END $$;});

my %client;
foreach my $user (qw(ann ben))
{
	my %c = (user => $user, project => ask_ok(
			$node, 'service', qq{
			SELECT tarx_keys.act_as('$user');
			SELECT tarx_keys.create_project('of $user')}));
	$c{value} = "sk-proj-$user-0123456789abcdef0123456789";
	$c{key} = ask_ok(
		$node, 'service', qq{
		SELECT tarx_keys.act_as('$user');
		SELECT tarx_keys.set_secret('$c{project}', 'TOKEN', 'secret of $user');
		SELECT tarx_keys.add_llm_key('$c{project}', 'openai', 'key of $user', '$c{value}')});
	$c{token} = ask_ok(
		$node, 'service', qq{
		SELECT tarx_keys.act_as('$user');
		SELECT token FROM tarx_keys.create_platform_key('laptop')});
	$client{$user} = \%c;
}

# A transaction by act_as, one by login, and one by nobody. A savepoint that is
# rolled back takes the identity along.
my $script = write_private("$dir/script.sql", q{
BEGIN;
INSERT INTO seen (who, what, got) SELECT :user, 'before', concat(tarx_keys.current_user_id(), tarx_keys.current_project_id(), names());
SAVEPOINT s;
SELECT tarx_keys.act_as(:user, :project);
INSERT INTO seen (who, what, got) SELECT :user, 'identity', concat(tarx_keys.current_user_id(), ' ', tarx_keys.current_project_id());
INSERT INTO seen (who, what, got) SELECT :user, 'list', names();
INSERT INTO seen (who, what, got) SELECT :user, 'members', string_agg(user_id, ',') FROM tarx_keys.project_members;
INSERT INTO seen (who, what, got) SELECT :user, 'value', key_value FROM tarx_keys.resolve_key(:project, :key);
INSERT INTO seen (who, what, got) SELECT :user, 'secret', tarx_keys.resolve_secret(:project, 'TOKEN');
COMMIT;
BEGIN;
INSERT INTO seen (who, what, got) SELECT :user, 'login', user_id FROM tarx_keys.login(:token, :project);
INSERT INTO seen (who, what, got) SELECT :user, 'list', names();
SELECT tarx_keys.create_agent(:project, 'of ' || :user);
COMMIT;
INSERT INTO seen (who, what, got) SELECT :user, 'before', concat(tarx_keys.current_user_id(), tarx_keys.current_project_id(), names());
});

# PgBouncer

my ($socket, $port) = start_pooler($node, ['pooled'], 1, $prepares ? "max_prepared_statements = 100\n" : '');

sub client
{
	my ($mode, %c) = @_;
	my $quote = $mode eq 'simple' ? "'" : '';	# it puts variables into the text
	my $output = '';
	my $run = IPC::Run::start(
		[
			'pgbench', '-n', '-M', $mode, '-t', $rounds, '-f', $script,
			(map { ('-D', "$_=$quote$c{$_}$quote") } sort keys %c),
			'-h', $socket, '-p', $port, '-U', 'pooled', 'postgres'
		],
		'<', \undef, '>&', \$output);

	return sub { return $run->finish ? '' : $output };
}

# What a client is given, and nothing else
my $expected = join "\n", sort map {
	my $c = $_;
	my $list = "key of $c->{user} $c->{project}";
	map { "$c->{user}|$_" } "before|TK007", "identity|$c->{user} $c->{project}", "list|$list",
	  "members|$c->{user}", "value|$c->{value}", "secret|secret of $c->{user}", "login|$c->{user}"
} values %client;

foreach my $mode (qw(simple extended prepared))
{
  SKIP:
	{
		skip "PgBouncer $version does not know prepared statements", 5
		  if $mode eq 'prepared' && !$prepares;

		$node->safe_psql('postgres', 'TRUNCATE seen');
		my @ends = map { client($mode, %$_) } values %client;
		is(join('', map { $_->() } @ends), '', "$mode: both clients end well");
		is(join("\n", sort split /\n/, $node->safe_psql('postgres', 'SELECT DISTINCT who, what, got FROM seen')),
			$expected, "$mode: each sees its own, and nothing outside its transactions");
		is($node->safe_psql('postgres', 'SELECT count(*) FROM seen'),
			2 * $rounds * 9, "$mode: all the time");
		is($node->safe_psql('postgres', 'SELECT count(DISTINCT pid) FROM seen'),
			'1', "$mode: in the same session of the server");
		cmp_ok(
			$node->safe_psql('postgres',
				'SELECT count(*) FROM (SELECT who, lag(who) OVER (ORDER BY n) AS other FROM seen) s WHERE who <> other'),
			'>', $rounds, "$mode: by turns");
	}
}
is( $node->safe_psql('postgres', qq{
		SELECT DISTINCT p.created_by = a.created_by AND a.name = 'of ' || p.created_by
		FROM tarx_keys.agents a JOIN tarx_keys.projects p ON p.id = a.project_id}),
	't', 'each has written to its own project');
is( $node->safe_psql('postgres',
		'SELECT DISTINCT ok FROM tarx_keys.projects p, tarx_keys.verify_audit(p.id)'),
	't', 'and the audit logs verify');

$node->stop;
done_testing();
