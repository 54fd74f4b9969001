# A hundred thousand calls in one session, of every kind, refused ones too: its
# memory does not grow.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use SealedBoxes;
use TarxKeys;

my $node = new_node('long', keyring => { master_key => hex_key('long') },
	conf => "tarx_keys.log_resolves = off\n");
$node->start;
install($node);
my $key = add_key($node, 'first', 'sk-proj-long-0123456789abcdef0123456789');
my $agent = ask_ok(
	$node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.set_secret('$PROJECT', 'TOKEN', 'secret');
	SELECT tarx_keys.create_agent('$PROJECT', 'Helper', '$key')});
my $token = ask_ok(
	$node, 'service', q{
	SELECT tarx_keys.act_as('bob');
	SELECT token FROM tarx_keys.create_platform_key('laptop')});

# A box of a secret makes a version each time; one of a key only the first time.
my $soon = time + 80_000;
my $recipient = new_recipient('runner');
my $sealed_secret = seal_box($node, 'secret', 'secret', '-e', $soon, 'SEALED');
my $sealed_key = seal_box($node, 'sk-proj-long-0123456789abcdef0123456789', 'llm-key',
	'-e', $soon, 'openai', 'sealed');

# One round is 98 calls, most of them as frequent as they are in life, each in a
# subtransaction, because some fail.
$node->safe_psql(
	'postgres', qq{
	CREATE FUNCTION call(statement text) RETURNS void LANGUAGE plpgsql AS \$\$
	BEGIN
		EXECUTE statement;
	EXCEPTION WHEN OTHERS THEN
		IF SQLSTATE NOT IN ('TK001', 'TK003', 'TK010', 'TK011', 'TK013', '22023', '42501', '42704') THEN
			RAISE;
		END IF;
	END \$\$;
	CREATE PROCEDURE rounds(count integer) LANGUAGE plpgsql AS \$\$
	DECLARE
		round integer;
		id uuid;
		version integer;
	BEGIN
		FOR round IN 1..count LOOP
			FOR i IN 1..16 LOOP
				PERFORM call('SELECT * FROM tarx_keys.resolve_key(''$PROJECT'', ''$key'')');
				PERFORM call('SELECT * FROM tarx_keys.resolve_agent_key(''$PROJECT'', ''$agent'')');
				PERFORM call('SELECT tarx_keys.resolve_secret(''$PROJECT'', ''TOKEN'')');
				PERFORM call('SELECT tarx_keys.render_template(''$PROJECT'', ''x \${secrets.TOKEN}'')');
			END LOOP;
			PERFORM call('SELECT * FROM tarx_keys.resolve_secrets(''$PROJECT'')');
			PERFORM call('SELECT * FROM tarx_keys.models_request(''$PROJECT'', ''$key'')');
			PERFORM call('SELECT * FROM tarx_keys.probe_request(''$PROJECT'', ''$key'')');
			PERFORM call('SELECT * FROM tarx_keys.chat_request_base(''$PROJECT'', ''$key'')');
			PERFORM tarx_keys.sealing_public_key();
			PERFORM tarx_keys.resolve_key_sealed('$PROJECT', '$key', $recipient);
			PERFORM tarx_keys.resolve_agent_key_sealed('$PROJECT', '$agent', $recipient);
			PERFORM tarx_keys.resolve_secrets_sealed('$PROJECT', NULL, $recipient);
			PERFORM call('SELECT * FROM tarx_keys.resolve_key_sealed(''$PROJECT'', ''$key'', ''\\x00'')');
			PERFORM call('SELECT * FROM tarx_keys.models_request(''$PROJECT'', gen_random_uuid())');
			PERFORM call('SELECT * FROM tarx_keys.resolve_key(''$PROJECT'', gen_random_uuid())');
			PERFORM call('SELECT * FROM tarx_keys.resolve_agent_key(''$PROJECT'', gen_random_uuid())');
			PERFORM call('SELECT tarx_keys.resolve_secret(''$PROJECT'', ''NONE'')');
			PERFORM call('SELECT tarx_keys.render_template(''$PROJECT'', ''\${x}'')');
			PERFORM call('SELECT * FROM tarx_keys.login(''sk-tarx-wrong'')') WHERE round % 100 = 0;
			PERFORM call('SELECT tarx_keys.act_as(''mallory'', ''$PROJECT'')');
			COMMIT;
			PERFORM tarx_keys.act_as('alice', '$PROJECT');
			PERFORM call('SELECT count(*) FROM tarx_keys.llm_keys');
			PERFORM call('SELECT count(*) FROM tarx_keys.secrets');
			PERFORM call('SELECT count(*) FROM tarx_keys.project_audit WHERE seq = 1');
			PERFORM call('SELECT tarx_keys.set_secret(''$PROJECT'', ''TOKEN'', ''secret'')');
			PERFORM call('SELECT tarx_keys.set_secret(''$PROJECT'', ''0'', ''secret'')');
			id := tarx_keys.add_llm_key('$PROJECT', 'openai', 'round', 'sk-proj-long-0123456789abcdef0123456789');
			PERFORM tarx_keys.delete_llm_key('$PROJECT', id);
			id := tarx_keys.add_sealed_llm_key('$PROJECT', 'openai', 'sealed', $sealed_key);
			PERFORM tarx_keys.delete_llm_key('$PROJECT', id);
			version := tarx_keys.set_sealed_secret('$PROJECT', 'SEALED', $sealed_secret);
			PERFORM tarx_keys.restore_secret('$PROJECT', 'SEALED', version);
			PERFORM call(\$call\$SELECT tarx_keys.set_sealed_secret('$PROJECT', 'OTHER', $sealed_secret)\$call\$);
			PERFORM call('SELECT tarx_keys.restore_secret(''$PROJECT'', ''SEALED'', 0)');
			PERFORM call('SELECT tarx_keys.delete_llm_key(''$PROJECT'', gen_random_uuid())');
			SELECT k.id INTO id FROM tarx_keys.create_platform_key('round') k;
			PERFORM tarx_keys.revoke_platform_key(id);
			PERFORM call('SELECT tarx_keys.revoke_platform_key(gen_random_uuid())');
			COMMIT;
			PERFORM call('SELECT * FROM tarx_keys.login(''$token'', ''$PROJECT'')');
			PERFORM call('SELECT count(*) FROM tarx_keys.platform_keys');
			COMMIT;
		END LOOP;
	END \$\$;});

my $session = $node->background_psql('postgres');
my $pid = $session->query_safe('SELECT pg_backend_pid()');

# What the session has by PostgreSQL's own account, and by the kernel's
sub memory
{
	my $contexts = $session->query_safe('SELECT sum(used_bytes) FROM pg_backend_memory_contexts');
	my ($anonymous) = slurp_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+) kB/m;

	return ($contexts, 1024 * $anonymous);
}

$session->query_safe('SET client_min_messages = error; CALL rounds(100)');
my ($contexts, $process) = memory();
$session->query_safe('CALL rounds(1250)');
my ($contexts_now, $process_now) = memory();

# less than a byte a call by the first, where nothing may be left; a little more
# by the second, where the allocator plays a part
cmp_ok($contexts_now - $contexts, '<', 100_000, 'no memory context grows');
cmp_ok($process_now - $process, '<', 2_000_000, 'nor does the process');
note("contexts $contexts to $contexts_now, process $process to $process_now");

is($session->query_safe(resolve_sql($key)), 'sk-proj-long-0123456789abcdef0123456789',
	'and a key resolves');
is($node->safe_psql('postgres', "SELECT ok FROM tarx_keys.verify_audit('$PROJECT')"),
	't', 'the audit log verifies');
$session->quit;
$node->stop;
done_testing();
