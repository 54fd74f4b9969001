# Moving in, examples/import: from made tables of the shape, each by its file. All values
# arrive, are compared, are skipped the second time, and are in no log; what cannot be
# imported is named; and the README's wiping wipes.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../t";

use File::Find;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $import = "$FindBin::RealBin/../../examples/import";
my $dir = PostgreSQL::Test::Utils::tempdir;
npm_packages($import);
my $node = new_node('import', keyring => { master_key => hex_key('import') }, conf => q{
tarx_keys.require_login = on
tarx_keys.log_resolves = all
log_statement = all
log_duration = on
log_min_error_statement = debug5
log_parameter_max_length_on_error = -1
work_mem = 64kB
});
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION tarx_keys;
	CREATE EXTENSION pgcrypto;
	CREATE ROLE service LOGIN IN ROLE tarx_keys_backend;
	CREATE ROLE runner LOGIN IN ROLE tarx_keys_agent;
	ALTER ROLE service SET tarx_keys.require_login = off});
$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
$ENV{PGCLIENTENCODING} = 'UTF8';

# Values, all of which have this in them
my $mark = 'mk5u3v9q1z';
my ($alpha, $beta) = ('aaaaaaaa-0000-4000-8000-000000000001', 'aaaaaaaa-0000-4000-8000-000000000002');
my $passphrase = "horse battery $mark";

# The old place, made without a line in the log
sub quietly
{
	my ($sql) = @_;
	return $node->safe_psql('postgres', "SET log_statement = none; SET log_min_error_statement = panic; SET log_duration = off; $sql");
}
quietly(qq{
	CREATE SCHEMA app;
	CREATE TABLE app.projects (id uuid PRIMARY KEY, title text, owner_id integer);
	INSERT INTO app.projects VALUES ('$alpha', 'Alpha', 7), ('$beta', 'Beta', 8);
	CREATE TABLE app.provider_keys (project_id uuid, vendor text, label text, key text);
	INSERT INTO app.provider_keys VALUES
		('$alpha', 'openai', 'Production', 'sk-proj-$mark-0123456789abcdef'),
		('$alpha', 'anthropic', 'Claude', E'sk-ant-api03-$mark-0123456789abcdef\\n'),
		('$beta', 'openai', 'production', 'sk-proj-$mark-of-beta-0123456789');
	INSERT INTO app.provider_keys SELECT '$beta', 'mistral', 'Many ' || n, 'value-$mark-' || md5(n::text) || md5((-n)::text) FROM generate_series(1, 200) n;
	ANALYZE app.provider_keys;
	CREATE TABLE app.project_secrets (project_id uuid, name text, secret_encrypted bytea);
	INSERT INTO app.project_secrets VALUES
		('$alpha', 'Stripe key', pgp_sym_encrypt('whsec-$mark', '$passphrase')),
		('$alpha', 'cert.pem', pgp_sym_encrypt(E'-----BEGIN-----\\n$mark\\n-----END-----\\n', '$passphrase'));
	CREATE SCHEMA vault;
	CREATE TABLE vault.secrets (id uuid DEFAULT gen_random_uuid(), name text, description text, secret text);
	CREATE VIEW vault.decrypted_secrets AS
		SELECT id, name, description, secret, convert_from(decode(secret, 'base64'), 'UTF8') AS decrypted_secret FROM vault.secrets;
	INSERT INTO vault.secrets (id, name, secret) SELECT id, name, encode(convert_to(value, 'UTF8'), 'base64')
	  FROM (VALUES ('00000000-0000-4000-8000-00000000000a'::uuid, 'service role', '$mark service'), ('00000000-0000-4000-8000-00000000000b', NULL, '$mark nameless')) v (id, name, value)});
write_private("$dir/passphrase", "$passphrase\n");
write_private("$dir/vault-query.sql", slurp_file("$import/vault-query.sql") =~ s/00000000-0000-4000-8000-000000000000/$beta/r =~ s/user-id/8/r);
write_private("$dir/.env", <<"END");
# a comment with = in it
OPENAI_API_KEY=sk-proj-$mark-env-0123456789  # production
export DATABASE_URL="postgres://u:$mark\@h/d?a=b"
PLAIN_ONE = $mark plain
QUOTED='$mark "single"'
MANY="$mark line 1\\nline 2
line 3"
EMPTY=
END

# Run psql or Node.js; returns the status and what was printed, errors too.
my %printed;
sub run_import
{
	my ($what, @command) = @_;
	my $out = '';

	local $ENV{BACKEND_URL} = 'postgres://service@/postgres?host=' . $node->host . '&port=' . $node->port;
	local $ENV{RUNNER_URL} = 'postgres://runner@/postgres?host=' . $node->host . '&port=' . $node->port;
	local $ENV{SOURCE_URL} = 'postgres://' . getpwuid($<) . '@/postgres?host=' . $node->host . '&port=' . $node->port;
	IPC::Run::run(\@command, '<', '/dev/null', '>', \$out, '2>', \$out);
	$printed{$what} .= $out;
	return ($? >> 8, $out);
}
sub psql { return ('psql', '-XAtd', 'postgres', @_) }

my $gamma = 'aaaaaaaa-0000-4000-8000-000000000003';
my @imports = (
	[ 'a column in clear', [ psql('-f', "$import/plaintext.sql") ], 203, 'llm_key' ],
	[ 'pgcrypto', [ psql('-v', "passphrase_file=$dir/passphrase", '-f', "$import/pgcrypto.sql") ], 2, 'secret' ],
	[ 'Vault', [ psql('-v', "project_id=$alpha", '-v', 'project_name=Alpha', '-v', 'user_id=7', '-f', "$import/vault.sql") ], 2, 'secret' ],
	[ 'Vault elsewhere', [ 'node', "$import/import.js", 'query', "$dir/vault-query.sql" ], 2, 'secret' ],
	[ '.env', [ 'node', "$import/import.js", 'env', "$dir/.env", '--project', $gamma, '--user', 'carol', '--llm-key', 'OPENAI_API_KEY=openai' ], 5, '' ]);
foreach my $one (@imports)
{
	my ($what, $command, $count, $kind) = @$one;
	foreach my $outcome ('imported', 'there already')
	{
		my ($status, $out) = run_import($what, @$command);

		is($status, 0, "$what: goes well ($outcome)") or diag($out);
		like($out, $command->[0] eq 'psql' ? qr/^$kind\|$outcome\|$count$/m : qr/^$outcome: $count$/m, "$what: $count are $outcome, and no others");
		like($out, qr/wipe the old place: see/, "$what: and it says what comes then");
	}
}

# All are there, as they were
sub resolves
{
	my ($call, $expected, $test) = @_;
	is(quietly("SELECT tarx_keys.$call"), $expected, $test);
	return;
}
my $key_of = sub { $node->safe_psql('postgres', "SELECT id FROM tarx_keys.project_llm_keys WHERE project_id = '$_[0]' AND name = '$_[1]'") };
is(quietly("SELECT key_value FROM tarx_keys.resolve_key('$beta', '@{[ $key_of->($beta, 'production') ]}')"), "sk-proj-$mark-of-beta-0123456789", 'the key of the right project');
is(quietly("SELECT key_value FROM tarx_keys.resolve_key('$alpha', '@{[ $key_of->($alpha, 'Claude') ]}')"), "sk-ant-api03-$mark-0123456789abcdef", 'without a blank behind it');
is(quietly("SELECT key_value FROM tarx_keys.resolve_key('$gamma', '@{[ $key_of->($gamma, 'OPENAI_API_KEY') ]}')"), "sk-proj-$mark-env-0123456789", 'from .env, as an LLM key');
resolves("resolve_secret('$alpha', 'STRIPE_KEY')", "whsec-$mark", 'from pgcrypto');
resolves("resolve_secret('$alpha', 'CERT_PEM') = E'-----BEGIN-----\\n$mark\\n-----END-----\\n'", 't', 'with its lines');
resolves("resolve_secret('$beta', 'SERVICE_ROLE')", "$mark service", 'from Vault');
resolves("resolve_secret('$alpha', 'VAULT_00000000_0000_4000_8000_00000000000B')", "$mark nameless", 'from Vault, without a name');
resolves("resolve_secret('$gamma', 'DATABASE_URL')", "postgres://u:$mark\@h/d?a=b", 'from .env, in double quotes');
resolves("resolve_secret('$gamma', 'PLAIN_ONE')", "$mark plain", 'without quotes');
resolves("resolve_secret('$gamma', 'QUOTED')", "$mark \"single\"", 'in single quotes');
resolves("resolve_secret('$gamma', 'MANY') = E'$mark line 1\\nline 2\\nline 3'", 't', 'of several lines');
is($node->safe_psql('postgres', q{SELECT string_agg(name || ' ' || (SELECT string_agg(user_id || ' ' || role, ',') FROM tarx_keys.project_members m WHERE m.project_id = p.id), ', ' ORDER BY id) FROM tarx_keys.projects p}),
	'Alpha 7 admin, Beta 8 admin, Imported carol admin', 'projects are created for their owners');

# What is not as it should be is named, and the end is an error
quietly(qq{
	UPDATE app.provider_keys SET key = 'sk-proj-$mark-changed-0123456789' WHERE label = 'Production';
	INSERT INTO app.provider_keys VALUES ('$alpha', 'openai', 'Masked', 'sk-proj-…$mark'), ('$alpha', 'none', 'No provider', '$mark-0123456789abcdef'),
		('$alpha', 'openai', '', 'sk-proj-$mark-without-a-name')});
my ($status, $out) = run_import('what is wrong', psql('-f', "$import/plaintext.sql"));
isnt($status, 0, 'psql: an error at the end');
like($out, qr/llm_key\|differs\|1\nllm_key\|refused\|3\nllm_key\|there already\|202$/m, 'psql: it counts them');
like($out, qr/^$alpha\|llm_key\|Production\|differs\|$/m, 'psql: and names what differs');
like($out, qr/^$alpha\|llm_key\|Masked\|refused\|22023 \S.*$/m, 'psql: and what is refused, with the reason');
like($out, qr/do not wipe the old place yet/, 'psql: and advises against wiping');
write_private("$dir/.env", "QUOTED=$mark other\nGOOD=$mark good\nOPENAI_API_KEY=[masked]\n");
($status, $out) = run_import('what is wrong', 'node', "$import/import.js", 'env', "$dir/.env", '--project', $gamma, '--user', 'carol');
is($status, 1, 'Node.js: status 1');
like($out, qr/QUOTED: differs\n.* GOOD: imported\n.* OPENAI_API_KEY: imported$/m, 'Node.js: it names what differs');
($status, $out) = run_import('what is wrong', 'node', "$import/import.js", 'env', "$dir/.env", '--project', $gamma, '--user', 'mallory');
is($status, 1, 'Node.js: a user who is no member');
like($out, qr/^refused: 3$/m, 'is refused');
($status, $out) = run_import('wrong passphrase', psql('-v', 'passphrase_file=/dev/null', '-f', "$import/pgcrypto.sql"));
isnt($status, 0, 'a wrong passphrase is an error') or diag($out);

# Nothing was printed or logged
unlike($printed{$_}, qr/$mark/, "$_: no value is printed") foreach sort keys %printed;
my $log = slurp_file($node->logfile);
like($log, qr/statement: CREATE TEMP VIEW import_source/, 'every statement is logged');
ok($log !~ /$mark/, 'and none has a value') or diag(join "\n", grep { /$mark/ } split /\n/, $log);

# Wiping: as the README has it
my ($wipe) = slurp_file("$import/README.md") =~ /^```sql\n(.*?)^```/ms;
sub files_with_mark
{
	my @found;
	find({ no_chdir => 1, wanted => sub { push @found, $_ if -f && index(slurp_file($_), $mark) >= 0 } }, $node->data_dir . '/base');
	return @found;
}
$node->safe_psql('postgres', 'DROP TABLE app.project_secrets, vault.secrets CASCADE; CHECKPOINT');
cmp_ok(scalar(@{ [ files_with_mark() ] }), '>', 1, 'before it, files of the database have values');
$node->safe_psql('postgres', $_) foreach grep { /\S/ } split /;/, $wipe =~ s/--.*//gr;
is(join(' ', files_with_mark()), '', 'after it, none has');

done_testing();
