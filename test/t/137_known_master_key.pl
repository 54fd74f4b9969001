# A master key that somebody else knows: the steps of docs/operations.md, with its
# SQL as it stands there, against somebody who has that key, old boxes and old
# rows, and could write the tables until now.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealedBoxes;
use Test::More;
use TarxKeys;

my ($section) = slurp_file("$FindBin::RealBin/../../docs/operations.md") =~
  /^## A master key that somebody else knows\n(.*?)^## /ms or die 'the section is gone';
my @steps = $section =~ /^(\d\. .*?)(?=^\d\. |\z)/msg;
my $dir = PostgreSQL::Test::Utils::tempdir;
my $file = write_private("$dir/keys", hex_key('known'));
my $node = new_node('known', keyring => { master_key_file => $file });

$node->start;
install($node);

# Run the SQL of a step; returns what it printed.
sub sql_of_step
{
	my ($step) = @_;
	my @blocks = $steps[$step - 1] =~ /^   ```sql\n(.*?)^   ```$/msg;

	die "step $step has no SQL" unless @blocks;
	return $node->safe_psql('postgres', join "\n", @blocks);
}

# Make these the master keys, the active one first.
sub use_master_keys
{
	write_private($file, join("\n", map { hex_key($_) } @_));
	like(reload_keyring($node), qr/loaded: \d+ key/, "keyring @_");
	return;
}

sub as_alice
{
	my ($sql, $db) = @_;
	return ask_ok($node, 'service', "SELECT tarx_keys.act_as('alice'); SELECT $sql", $db);
}

# Copy the rows of a table into the database with the keys, as one who writes tables.
sub plant
{
	my ($table, $where) = @_;
	my $rows = $node->safe_psql('elsewhere', "SELECT json_agg(t) FROM $table t WHERE $where");

	$node->safe_psql('postgres', "INSERT INTO $table SELECT * FROM json_populate_recordset(NULL::$table, \$rows\$$rows\$rows\$)");
	return;
}

my $key = add_key($node, 'Production', 'sk-proj-known-0123456789abcdef0123456789ab');
as_alice("tarx_keys.set_secret('$PROJECT', 'TOKEN', 'a value')");
my $token = as_alice("token FROM tarx_keys.create_platform_key('laptop')");
my ($sealed, $late) = map { seal_box($node, "$_-0123456789abcdef", 'secret', $_) } 'SEALED', 'LATE';
my $old_rows = $node->safe_psql('postgres', 'SELECT json_agg(k) FROM tarx_keys.project_llm_keys k');

# Whoever has the key makes rows with it on a server of their own, here another database.
$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
$node->safe_psql('elsewhere', 'CREATE EXTENSION tarx_keys');
ask_ok($node, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.create_project('x', '$PROJECT')", 'elsewhere');
my $forged = add_key($node, 'Forged', 'sk-proj-forged-0123456789abcdef0123456789', 'elsewhere');
my $minted = as_alice("token FROM tarx_keys.create_platform_key('minted')", 'elsewhere');
plant('tarx_keys.project_llm_keys', 'true');
plant('tarx_keys.platform_api_keys', 'true');
is(ask_ok($node, 'runner', resolve_sql($forged)), 'sk-proj-forged-0123456789abcdef0123456789', 'a forged key opens');
is(ask_ok($node, 'service', "SELECT user_id FROM tarx_keys.login('$minted')"), 'alice', 'and a minted one logs in');

# 1: a new key first
use_master_keys('new', 'known');
is(as_alice("tarx_keys.set_sealed_secret('$PROJECT', 'SEALED', $sealed)"), '1', 'a box to the old key still opens');

# 2: verify. What was made with the key passes; a row that somebody has edited does not.
is(sql_of_step(2), '', 'nothing is found');
$node->safe_psql('postgres', qq{UPDATE tarx_keys.project_llm_keys SET name = 'Another' WHERE id = '$key'});
like(sql_of_step(2), qr/^$PROJECT\|llm_key\|$key\|Another\|tampered$/, 'an edited row is');
$node->safe_psql('postgres', qq{UPDATE tarx_keys.project_llm_keys SET name = 'Production' WHERE id = '$key'});
$node->safe_psql('postgres', q{UPDATE tarx_keys.audit_log SET action = 'nothing' WHERE action = 'secret.set' AND object_name = 'TOKEN'});
like(sql_of_step(2), qr/^$PROJECT\|f\|\d+\|[^\n]*$/, 'an edited row of the log, too');
$node->safe_psql('postgres', q{UPDATE tarx_keys.audit_log SET action = 'secret.set' WHERE action = 'nothing'});
is(sql_of_step(2), '', 'and nothing when they are put right');

# 3: rotate
like(sql_of_step(3), qr/^[0-9a-f]{16}\|f(?:\|0){6}\|[^|]+\|done\|$/m, 'nothing hangs on the old key');

# 4: drop it
use_master_keys('new');
state_is($node, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.set_sealed_secret('$PROJECT', 'LATE', $late)",
	'TK013', 'a box to the old key is refused');
is(as_alice("tarx_keys.set_sealed_secret('$PROJECT', 'LATE', " . seal_box($node, 'LATE-0123456789abcdef', 'secret', 'LATE') . ')'),
	'1', 'one to the new key opens');
is(ask_ok($node, 'runner', resolve_sql($key)), 'sk-proj-known-0123456789abcdef0123456789ab', 'keys resolve');
$node->safe_psql('postgres', qq{
	BEGIN;
	UPDATE tarx_keys.project_llm_keys SET ciphertext = r.ciphertext FROM json_populate_recordset(NULL::tarx_keys.project_llm_keys, \$rows\$$old_rows\$rows\$) r
	 WHERE r.id = project_llm_keys.id;
	COMMIT});
state_is($node, 'runner', resolve_sql($key), 'TK006', 'a row from before does not open');

# 5: what to replace
is(join(' ', sort map { (split /\|/)[2] =~ /^(?:Production|Forged)$/ ? (split /\|/)[2] : (split /\|/)[1] } split /\n/, sql_of_step(5)),
	'Forged LATE Production SEALED TOKEN', 'all that is to be replaced');

# 6: platform keys
is(ask_ok($node, 'service', "SELECT user_id FROM tarx_keys.login('$minted')"), 'alice', 'the rotation has not ended what was minted');
sql_of_step(6);
state_is($node, 'service', "SELECT tarx_keys.login('$_')", 'TK010', 'a platform key is revoked') foreach $token, $minted;
$token = as_alice("token FROM tarx_keys.create_platform_key('laptop')");
is(ask_ok($node, 'service', "SELECT user_id FROM tarx_keys.login('$token')"), 'alice', 'a new one logs in');

is(scalar @steps, 7, 'there are seven steps');
$node->stop;
done_testing();
