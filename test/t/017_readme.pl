# What README.md shows works as it stands there: its SQL, pasted into psql by a
# superuser, and its JavaScript, for a key of each provider. Nothing is prepared
# but what the README says; the programs' pools and fetch() are stand-ins here.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $readme = slurp_file("$FindBin::RealBin/../../README.md");
my $node = new_node('readme', keyring => { master_key => hex_key('readme') });
$node->start;

sub blocks
{
	my ($language) = @_;
	return $readme =~ /^```$language\n(.*?)^```$/msg;
}

# Paste a block into psql; returns what it printed.
sub paste
{
	my ($block) = @_;
	local $ENV{PGCLIENTENCODING} = 'UTF8';
	my ($status, $out, $err) = $node->psql('postgres', $block);

	is("$status $err", '0 ', 'it runs as it stands there');
	return $out;
}

#
# SQL
#

my @sql = blocks('sql');
is(scalar @sql, 2, 'two blocks of SQL: the story, and the roles');
my ($story, $roles) = @sql;

cmp_ok($story =~ tr/\n//, '<=', 10, 'the story has ten lines');
my ($value) = $story =~ /'(sk-ant-[^']*)'/;
my ($mask) = $readme =~ /`(sk-ant-\S*WXYZ)`/;
my @lines = split /\n/, paste($story);
is($lines[-2], "Production|$mask|alice|1", 'the list has the mask that the README shows');
is($lines[-1], "anthropic|https://api.anthropic.com|$value", 'the runner gets the value back');
# a login that got its role for another database
$node->safe_psql('postgres', $_) foreach 'CREATE DATABASE elsewhere', 'CREATE ROLE stranger LOGIN IN ROLE tarx_keys_agent';
is($node->safe_psql('postgres', 'SELECT current_user', extra_params => [ '-U', 'stranger' ]), 'stranger', 'others can connect');
my $connect = q{SELECT severity FROM tarx_keys.doctor() WHERE check_name = 'connect'};
is($node->safe_psql('postgres', $connect), 'warning', 'doctor() warns of that');
like(paste($roles), qr/^[0-9a-f]{16}\|t\|1\|0\|0\|1\|1\|1\|[^|]+\|done\|$/, 'one active key, which the key and its audit log hang on');

is($node->safe_psql('postgres', $connect), 'ok', 'then doctor() is content');
my ($status, $out, $err) = $node->psql('postgres', 'SELECT current_user', extra_params => [ '-U', 'stranger' ]);
like($err, qr/permission denied for database "postgres"/, 'and others cannot connect');
is($node->safe_psql('postgres', 'SELECT current_user', extra_params => [ '-U', 'app_runner' ]), 'app_runner', 'the services can');

#
# JavaScript
#

my $has_node = eval { run_command([ 'node', '--version' ]); 1 };

# Run the README's programs with stand-ins, and what calls them; returns the
# JSON that it printed.
sub run_javascript
{
	my ($call) = @_;
	my $program = write_private("$dir/program.mjs", <<'JS' . join("\n", blocks('js')) . $call);
import { execFileSync } from 'node:child_process';

const literal = (value) => `'${value.replaceAll("'", "''")}'`;
const bound = (sql, values) => sql.replace(/\$(\d+)/g, (_, n) => literal(values[n - 1]));
const psql = (login, sql) => execFileSync('psql', ['-XAtq', '-v', 'ON_ERROR_STOP=1', '-U', login, '-d', 'postgres'], { input: sql, encoding: 'utf8' });

// statements wait for COMMIT, to be one session's
const statements = [];
const released = [];
const backendPool = { connect: async () => ({
  query: async (sql, values = []) => { statements.push(`${bound(sql, values)};`); return { rows: [{ id: 'the id' }] }; },
  release: (broken) => { released.push(broken ?? 'sound'); },
}) };

const runnerPool = { query: async (sql, values) => ({
  rows: JSON.parse(psql('app_runner', `SELECT json_agg(q) FROM (${bound(sql, values)}) q`)),
}) };

const requests = [];
globalThis.fetch = async (url, options) => {
  requests.push({ url, ...options });
  return { ok: true, status: 200, json: async () => ({}) };
};

JS
	my ($out, $err);
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;

	IPC::Run::run([ 'node', $program ], '>', \$out, '2>', \$err) or die "node: $err";
	return decode_json($out);
}

# Where calls go, for a model m, and the header with the key, by provider; of
# those that need one, a base URL
my $chat = '/chat/completions';
my %calls = (
	anthropic => [ 'https://api.anthropic.com/v1/messages', 'x-api-key', '' ],
	openai => [ "https://api.openai.com/v1$chat", 'Authorization', 'Bearer ' ],
	google_ai => [ 'https://generativelanguage.googleapis.com/v1beta/models/m:generateContent', 'x-goog-api-key', '' ],
	mistral => [ "https://api.mistral.ai/v1$chat", 'Authorization', 'Bearer ' ],
	huggingface => [ "https://router.huggingface.co/v1$chat", 'Authorization', 'Bearer ' ],
	azure_ai_foundry => [ "https://x.openai.azure.com/openai/v1$chat", 'api-key', '', 'https://x.openai.azure.com' ],
	openai_compatible => [ "https://models.example.com/v1$chat", 'Authorization', 'Bearer ', 'https://models.example.com/v1' ],
	xai => [ "https://api.x.ai/v1$chat", 'Authorization', 'Bearer ' ],
	deepseek => [ "https://api.deepseek.com$chat", 'Authorization', 'Bearer ' ],
	groq => [ "https://api.groq.com/openai/v1$chat", 'Authorization', 'Bearer ' ],
	together => [ "https://api.together.ai/v1$chat", 'Authorization', 'Bearer ' ],
	fireworks => [ "https://api.fireworks.ai/inference/v1$chat", 'Authorization', 'Bearer ' ],
	cerebras => [ "https://api.cerebras.ai/v1$chat", 'Authorization', 'Bearer ' ],
	perplexity => [ 'https://api.perplexity.ai/v1/responses', 'Authorization', 'Bearer ' ],
	cohere => [ "https://api.cohere.ai/compatibility/v1$chat", 'Authorization', 'Bearer ' ],
	openrouter => [ "https://openrouter.ai/api/v1$chat", 'Authorization', 'Bearer ' ],
	moonshot => [ "https://api.moonshot.ai/v1$chat", 'Authorization', 'Bearer ' ],
	bedrock => [ "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1$chat", 'Authorization', 'Bearer ', 'https://bedrock-runtime.us-east-1.amazonaws.com' ],
	ollama => [ "https://ollama.example.com/v1$chat", 'Authorization', 'Bearer ', 'https://ollama.example.com' ],
	vllm => [ "https://vllm.example.com/v1$chat", 'Authorization', 'Bearer ', 'https://vllm.example.com' ]);

SKIP:
{
	skip 'needs Node.js', 1 unless $has_node;

	my $project = $node->safe_psql('postgres', 'SELECT id FROM tarx_keys.projects');
	my $backend = run_javascript(qq{
await addKey('alice', '$project', 'sk-ant-api03-from-the-backend-0123456789abcdefgh');
console.log(JSON.stringify({ statements, released }));
});
	is("@{ $backend->{released} }", 'sound', 'the backend gives its connection back');
	$node->safe_psql('postgres', "DELETE FROM tarx_keys.project_llm_keys");
	ask_ok($node, 'app_backend', join("\n", grep { !/^(?:BEGIN|COMMIT);$/ } @{ $backend->{statements} }));
	is($node->safe_psql('postgres', 'SELECT provider, name, added_by FROM tarx_keys.project_llm_keys'),
		'anthropic|Production|alice', 'the backend adds a key');

	is( $node->safe_psql('postgres', 'SELECT string_agg(slug, \' \' ORDER BY slug) FROM tarx_keys.providers'),
		join(' ', sort keys %calls),
		'calls to all providers are known here');
	foreach my $provider (sort keys %calls)
	{
		my ($url, $header, $scheme, $base_url) = @{ $calls{$provider} };
		my $key = "not-a-real-key-of-$provider-0123456789";
		my $agent = ask_ok(
			$node, 'app_backend', qq{
			SELECT tarx_keys.act_as('alice');
			SELECT tarx_keys.create_agent('$project', '$provider', tarx_keys.add_llm_key('$project', '$provider', '$provider', '$key'}
			  . ($base_url ? ", '$base_url'" : '') . '))');
		my ($request) = @{ run_javascript(qq{
await ask('$project', '$agent', 'm', 'ping');
console.log(JSON.stringify(requests));
}) };

		is("$request->{method} $request->{url}", "POST $url", "$provider: where the runner's call goes");
		is($request->{headers}{$header}, "$scheme$key", "$provider: with the key in its header");
		is($request->{redirect}, 'error', "$provider: and not elsewhere");
		like($request->{body}, qr/"ping"/, "$provider: with the text");
	}
}

done_testing();
