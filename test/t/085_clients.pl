# The clients of docs/integration.md: node-postgres, Drizzle, psycopg and
# SQLAlchemy. The programs below test/clients do what the document says, and the
# code in it is theirs, word by word. And the modules of examples/client.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run;
use Pooler;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use SealedBoxes;
use TarxKeys;

my $clients = "$FindBin::RealBin/../clients";
my $modules = "$FindBin::RealBin/../../examples/client";
my $value = 'sk-proj-of-clients-0123456789abcdef0123456789';

my $python = python_with('psycopg, psycopg_pool, psycopg2, sqlalchemy, nacl');
need('psycopg 3 with its pool, psycopg2, SQLAlchemy and PyNaCl', defined $python);
npm_packages($_) foreach "$clients/node", $modules;

# A proxy is no way to a server on loopback.
delete @ENV{qw(http_proxy HTTP_PROXY all_proxy ALL_PROXY)};

# The document has all code of the programs that is marked for it, and no other.
# The end of a region is a comment "end".

my %documented = map { $_ => 1 }
  slurp_file("$FindBin::RealBin/../../docs/integration.md") =~ /^```(?:js|python)\n(.*?)^```$/msg;
my $regions = 0;
foreach my $program ('node/node_postgres.mjs', 'node/drizzle.mjs', 'python/with_psycopg.py', 'python/with_sqlalchemy.py')
{
	my $text = slurp_file("$clients/$program");

	while ($text =~ m{^(?://|\#) doc: (.*)\n((?s:.*?))^(?://|\#) end\n}mg)
	{
		ok($documented{$2}, "$program: $1 is in the document as it is here");
		$regions++;
	}
}
is($regions, scalar(keys %documented), 'the document has no other code');

# A server as the document says, and a stand-in for the providers

my $node = new_node(
	'clients',
	keyring => { master_key => hex_key('clients') },
	conf => "tarx_keys.allowed_private_hosts = 'http://127.0.0.1'\n");
$node->start;
install($node);
$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
$ENV{PGDATABASE} = 'postgres';

my ($stdin, $url, $provider_err) = ('', '', '');
my $provider = IPC::Run::start([ 'node', "$clients/node/provider.mjs" ],
	'<', \$stdin, '>', \$url, '2>', \$provider_err, IPC::Run::timeout(60));
END
{
	local $?;
	$provider->kill_kill if $provider;
}
$provider->pump until $url =~ /\n/ || !$provider->pumpable;
die "the stand-in did not start: $provider_err" unless $url =~ s/\n//;

my %path = (
	anthropic => '/anthropic', openai => '/openai/v1', google_ai => '/google',
	mistral => '/mistral/v1', huggingface => '/huggingface/v1',
	azure_ai_foundry => '/azure', openai_compatible => '/compatible/v1');
my $changes = join ', ', '"azure_ai_foundry": {"base_url_host_suffixes": null, "base_url_any_path_suffixes": null}',
  map { qq{"$_": {"default_base_url": "$url$path{$_}"}} } grep { !/^(?:azure_ai_foundry|openai_compatible)$/ } sort keys %path;
# Rows of custom_providers cannot say where keys of built-in providers go, so others are built in.
$node->safe_psql(
	'postgres', qq{
	DO \$\$
	BEGIN
		EXECUTE format('CREATE OR REPLACE VIEW tarx_keys_internal.builtin_providers AS
			SELECT (jsonb_populate_record(NULL::tarx_keys.custom_providers, to_jsonb(b) || coalesce(%L::jsonb -> b.slug, ''{}''))).*
			  FROM (%s) b', '{$changes}', rtrim(pg_get_viewdef('tarx_keys_internal.builtin_providers'::regclass), ';'));
	END
	\$\$});
$node->safe_psql(
	'postgres', q{
	CREATE ROLE app_backend LOGIN IN ROLE tarx_keys_backend;
	CREATE ROLE app_web LOGIN IN ROLE tarx_keys_login;
	CREATE ROLE app_runner LOGIN IN ROLE tarx_keys_agent;
	CREATE ROLE client_backend LOGIN IN ROLE tarx_keys_backend;
	CREATE ROLE client_web LOGIN IN ROLE tarx_keys_login;
	CREATE ROLE client_runner LOGIN IN ROLE tarx_keys_agent;
	CREATE TABLE jobs (id int PRIMARY KEY, project_id uuid, agent_id uuid, status text, error text);
	GRANT SELECT, UPDATE ON jobs TO app_runner, client_runner;});
# The worst that a server can do: the parameters are in the error's context.
$node->safe_psql('postgres', "ALTER ROLE $_ SET log_parameter_max_length_on_error = -1")
  foreach qw(client_backend client_web client_runner);
my %key = map {
	my $base_url = /^(?:azure_ai_foundry|openai_compatible)$/ ? "'$url$path{$_}'" : 'NULL';
	($_ => ask_ok($node, 'service', qq{
		SELECT tarx_keys.act_as('alice');
		SELECT tarx_keys.add_llm_key('$PROJECT', '$_', 'of $_', 'not-a-real-key-0123456789', $base_url)}))
} sort keys %path;
my $agent = ask_ok($node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.create_agent('$PROJECT', 'Helper', '$key{openai}')});

# The programs

sub run_client
{
	my ($name, @command) = @_;

	# a job whose agent has a key, and one whose agent there is none; and two to be marked
	$node->safe_psql(
		'postgres', qq{
		TRUNCATE jobs;
		INSERT INTO jobs VALUES (1, '$PROJECT', '$agent', 'waiting'), (2, '$PROJECT', '$PROJECT', 'waiting');
		INSERT INTO jobs VALUES (3), (4)});
	local $ENV{TARX_KEYS_PROJECT} = $PROJECT;
	local $ENV{TARX_KEYS_VALUE} = $value;
	(local $ENV{TARX_KEYS_BOX} = seal_box($node, $value, 'llm-key', 'openai', 'Sealed')) =~ s/^'\\x|'$//g;
	my ($ok, $out, $err) = run_program(\@command);

	ok(index($out . $err, $value) < 0, "$name: prints no value");
	s/\Q$value\E/(the value)/g foreach $out, $err;
	my @lines = split /\n/, $out;
	ok(/^ok /, "$name: " . s/^(?:not )?ok //r) foreach grep { /^(?:not )?ok / } @lines;
	ok($ok && @lines && $lines[-1] eq 'done', "$name: to the end") or diag($err);
	return;
}

run_client('node-postgres', 'node', "$clients/node/node_postgres.mjs");
run_client('Drizzle', 'node', "$clients/node/drizzle.mjs");
run_client('psycopg', $python, "$clients/python/with_psycopg.py");
run_client('SQLAlchemy', $python, "$clients/python/with_sqlalchemy.py");

# The modules: their types, and what they do behind a pooler

my ($ok, $out, $err) = run_program([ 'node', "$modules/node_modules/typescript/bin/tsc", '--noEmit', '-p', "$clients/node" ]);
ok($ok && $out eq '', 'index.js is as its types say, and so is who calls it') or diag("$out$err");
cmp_ok(slurp_file("$modules/index.js") =~ tr/\n//, '<', 400, 'index.js has fewer than 400 lines');

# What README.md shows of them, beside copies of the files that it names

my $copy = PostgreSQL::Test::Utils::tempdir;
my ($in_js, $in_python) = slurp_file("$modules/README.md") =~ /^```(?:js|python)\n(.*?)^```$/msg;
foreach my $file (qw(index.js sealing.js tarx_keys.py sealing.py package.json))
{
	write_private("$copy/$file", slurp_file("$modules/$file"));
}
symlink "$modules/node_modules", "$copy/node_modules" or die "symlink: $!";
foreach my $first ([ 'first.js', 'node', $in_js ], [ 'first.py', $python, $in_python ])
{
	my ($name, $program, $text) = @$first;

	($ok, $out, $err) = run_program([ $program, write_private("$copy/$name", $text) ]);
	like($out, qr{^openai \Q$url\E/openai/v1 25$}, "README.md: $name gets its key") or diag($err);
}

if (pooler_version())
{
	@ENV{qw(PGHOST PGPORT)} = start_pooler($node, [qw(client_backend client_web client_runner)], 3);
}
run_client('the module for Node.js', 'node', "$clients/node/client.mjs");
run_client('the module for Python', $python, "$clients/python/client.py");

done_testing();
