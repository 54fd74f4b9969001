# While keys are rotated, in one transaction each, an agent always has a key:
# no resolve call falls between the repointing and the deletion.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $node = new_node('rotation',
	keyring => { master_key_file => write_private("$dir/keys", hex_key('a')) });
$node->start;
install($node);
my $key = add_key($node, 'first', 'sk-proj-rotation-0123456789abcdef01234567');
my $agent = ask_ok(
	$node, 'service', qq{
	SELECT tarx_keys.act_as('bob');
	SELECT tarx_keys.create_agent('$PROJECT', 'Helper', '$key')});

# The resolving side goes on until it sees the last key, or for a minute.
my $rotate = qq{
DO \$\$
DECLARE
	old uuid := '$key';
	new uuid;
BEGIN
	FOR i IN 1..1000 LOOP
		PERFORM tarx_keys.act_as('alice', '$PROJECT');
		new := tarx_keys.add_llm_key('$PROJECT', 'openai', 'round ' || i, 'sk-proj-rotation-0123456789abcdef01234567');
		PERFORM tarx_keys.repoint_agents('$PROJECT', old, new);
		PERFORM tarx_keys.delete_llm_key('$PROJECT', old);
		COMMIT;
		old := new;
	END LOOP;
END \$\$;
};
my $resolve = qq{
DO \$\$
DECLARE
	resolved integer := 0;
	failed integer := 0;
	keys integer := 0;
	last_key uuid;
	this_key uuid;
	this_name text;
	give_up timestamptz := clock_timestamp() + interval '60 s';
BEGIN
	LOOP
		BEGIN
			SELECT key_id, name INTO this_key, this_name FROM tarx_keys.resolve_agent_key('$PROJECT', '$agent');
			resolved := resolved + 1;
			IF this_key IS DISTINCT FROM last_key THEN
				keys := keys + 1;
				last_key := this_key;
			END IF;
		EXCEPTION WHEN SQLSTATE 'TK002' THEN
			failed := failed + 1;
		END;
		EXIT WHEN this_name = 'round 1000' OR clock_timestamp() > give_up;
	END LOOP;
	RAISE NOTICE 'failed %, keys %', failed, keys;
END \$\$;
};

my ($out, $err) = ('', '');
my $psql = IPC::Run::start(
	[ 'psql', '-XAtq', '-d', $node->connstr('postgres') . ' user=service', '-c', 'SET client_min_messages = error', '-c', $rotate ],
	'<', \undef, '>', \$out, '2>', \$err);
my ($status, $resolved, $notices) = ask($node, 'runner', $resolve);
$psql->finish;

is($err, '', 'the rotations went through');
like($notices, qr/failed 0,/, 'no resolve call failed');
my ($keys) = $notices =~ /keys (\d+)/;
cmp_ok($keys, '>', 3, 'resolve calls came in between the rotations');

$node->stop;
done_testing();
