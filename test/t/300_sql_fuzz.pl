# Odd arguments to every function, in every role, as they come. Whatever they
# are, the answer is a result or one of the SQLSTATEs that docs/reference.md
# lists, the server stays up, and what the audit log says still verifies.
#
# TARX_KEYS_FUZZ_SEED and TARX_KEYS_FUZZ_ROUNDS choose other runs; the same seed
# makes the same calls.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $seed = $ENV{TARX_KEYS_FUZZ_SEED} || 20240229;
my $rounds = $ENV{TARX_KEYS_FUZZ_ROUNDS} || 6;
my $transactions = 50;
srand($seed);
note("TARX_KEYS_FUZZ_SEED=$seed TARX_KEYS_FUZZ_ROUNDS=$rounds");

# Of PostgreSQL's own: a transaction that is read-only, or has failed already.
my %documented = map { $_ => 1 } qw(25006);
my $reference = slurp_file("$FindBin::RealBin/../../docs/reference.md");
$documented{$1} = 1 while $reference =~ /^\| `([0-9A-Z]{5})` \|/mg;
ok($documented{TK001} && $documented{22023}, 'the reference lists SQLSTATEs');

# A call that hangs is none of the documented ends.
my $node = new_node(
	'sql_fuzz',
	keyring => { master_key => hex_key('fuzz') },
	conf => q{
statement_timeout = 20s
tarx_keys.secret_versions_kept = 3
});
$node->start;
install($node);
$node->safe_psql(
	'postgres', q{
	CREATE ROLE web LOGIN IN ROLE tarx_keys_login;
	CREATE ROLE stranger LOGIN;
	GRANT USAGE ON SCHEMA tarx_keys TO stranger;});
# Something to find from the start
my @tokens = ('sk-tarx-' . '0' x 49);
foreach my $user (qw(alice bob))
{
	push @tokens, ask_ok($node, 'service', "SELECT tarx_keys.act_as('$user'); SELECT token FROM tarx_keys.create_platform_key('first')");
}
my $first = add_key($node, 'first', 'sk-proj-0123456789abcdefghijklmnopqrstuv');
ask_ok(
	$node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.create_agent('$PROJECT', 'first', (SELECT id FROM tarx_keys.llm_keys));
	SELECT tarx_keys.set_secret('$PROJECT', 'NAME', 'value'), tarx_keys.set_secret('$PROJECT', 'SHOP_TOKEN', 'value')});
my @tickets;
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');

# Name, argument types, who may execute it, its kind, argument names. Not what the flush worker and
# rotate_master_key() call: they make the arguments themselves, and none but the
# owner and superusers may.
my @functions = map { my @f = split /\|/, $_, -1; \@f } split /\n/, $node->safe_psql(
	'postgres', q{
	SELECT p.proname,
		   (SELECT coalesce(string_agg(replace(format_type(t, NULL), 'timestamp with time zone', 'timestamptz'), ',' ORDER BY n), '')
			  FROM unnest(p.proargtypes) WITH ORDINALITY AS a (t, n)),
		   (SELECT coalesce(string_agg(r, ','), '')
			  FROM unnest(ARRAY['service', 'web', 'runner', 'stranger', 'tarx_keys_owner', current_user]) r
			 WHERE has_function_privilege(r, p.oid, 'EXECUTE')),
		   p.prokind,
		   coalesce(array_to_string(p.proargnames[1:p.pronargs], ','), '')
	  FROM pg_proc p
	 WHERE p.pronamespace = 'tarx_keys'::regnamespace
	   AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
	   AND p.proname NOT IN ('flush_last_used', 'report_rotation', 'rotate_rows')
	 ORDER BY p.oid::regprocedure::text COLLATE "C"});
cmp_ok(scalar @functions, '>', 40, 'there are functions');
my $superuser = $node->safe_psql('postgres', 'SELECT current_user');
my @views = split /\n/, $node->safe_psql(
	'postgres', q{
	SELECT relname FROM pg_class
	 WHERE relnamespace = 'tarx_keys'::regnamespace AND relkind = 'v' ORDER BY relname COLLATE "C"});

sub pick
{
	return $_[ int(rand(@_)) ];
}

# What there is to be found, for arguments that reach beyond the first check
my %pool;

sub fill_pool
{
	my %source = (
		project => 'SELECT id FROM tarx_keys.projects ORDER BY created_at, id',
		key => 'SELECT id FROM tarx_keys.project_llm_keys ORDER BY created_at, id',
		live => qq(SELECT id FROM tarx_keys.project_llm_keys WHERE project_id = '$PROJECT' AND state <> 'deleted' ORDER BY created_at, id),
		deleted => q(SELECT id FROM tarx_keys.project_llm_keys WHERE state = 'deleted' ORDER BY deleted_at, id),
		agent => 'SELECT id FROM tarx_keys.agents ORDER BY created_at, id',
		own_agent => qq(SELECT id FROM tarx_keys.agents WHERE project_id = '$PROJECT' ORDER BY created_at, id),
		platform => 'SELECT id FROM tarx_keys.platform_api_keys ORDER BY created_at, id',
		secret => 'SELECT DISTINCT name FROM tarx_keys.project_secrets ORDER BY name');
	foreach my $what (sort keys %source)
	{
		$pool{$what} = [ split /\n/, $node->safe_psql('postgres', $source{$what}) ];
	}
	# tickets that count: those of before may have been revoked
	my @agents = @{ $pool{own_agent} };
	splice @agents, 3 if @agents > 3;
	my @for = ((map { "'$_'" } @agents),
		map { "NULL, key_id => '$_'" } @{ $pool{live} } ? ($pool{live}[0], $pool{live}[-1]) : ());
	my ($status, $out) = ask($node, 'service', join "\n",
		q{SELECT tarx_keys.act_as('alice');}, map { "SELECT tarx_keys.issue_run_ticket('$PROJECT', $_);" } @for);
	push @tickets, $out =~ /(tarx-run-[\w-]+)/g;
	splice @tickets, 0, @tickets - 12 if @tickets > 12;
	return;
}

my @texts = (
	'', ' ', 'alice', 'bob', 'carol', 'x', 'anthropic', 'openai', 'azure_ai_foundry',
	'openai_compatible', 'nobody', 'admin', 'member', 'NAME', 'SHOP_TOKEN', '1A', '_',
	'llm_key', 'secret', 'platform_key', 'ok', 'rejected', 'rate_limited', 'gpt-5', 'https://models.example.com/v1',
	'https://x.openai.azure.com', 'http://127.0.0.1', 'https://u:p@h.example.com',
	'sk-proj-0123456789abcdefghijklmnopqrstuv', 'sk-ant-...wxyz', 'sk-********',
	'${secrets.NAME}', 'a ${secrets.SHOP_TOKEN} b', '$${', '${', '${secrets.NAME', '${env.X}',
	"\xc3\xbc", "\xf0\x9f\x94\x91 key", "a\xe2\x80\xaeb", "\xef\xbb\xbf", "e\xcc\x81",
	"a\tb", "a\nb", "\x01", "\x7f", q{'; SELECT 1 --}, q{\\}, '%s%n', '{}', '{"a":1}',
	'tarx_keys', 'pg_catalog.now()', '-1', '1e400', 'NULL');

# Boxes that open: for each function that takes one, what they are sealed for.
# Values of every kind are in them.
my $seal = PostgreSQL::Test::Utils::tempdir() . '/seal';
{
	# a sanitizer's library is for the servers
	delete local $ENV{LD_PRELOAD};
	run_program('', 'cc', '-o', $seal, "$FindBin::RealBin/../../examples/sealed/seal.c", '-lsodium');
}
my $server_key = ask_ok($node, 'service', 'SELECT public_key FROM tarx_keys.sealing_public_key()');
my $recipient = run_program('', $seal, 'new-key', "$seal.key");
my %boxes;
foreach my $n (0 .. $#texts)
{
	push @{ $boxes{add_sealed_llm_key} },
	  [ 'openai', "Boxed $n", box($texts[$n], 'llm-key', 'openai', "Boxed $n"), undef ];
	push @{ $boxes{add_sealed_llm_key} },
	  [ 'openai', "Options $n", box('sk-0123456789abcdef', 'llm-key', options($texts[$n]), 'openai', "Options $n"), undef ];
	push @{ $boxes{replace_sealed_llm_key} },
	  [ $first, box($texts[$n], 'replacement', '-d', 'https://api.openai.com/v1', '-e', time + 3600, $first, 'openai') ],
	  [ $first, box('sk-0123456789abcdef', 'replacement', options($texts[$n]), $first, 'openai') ];
	push @{ $boxes{set_sealed_secret} }, [ 'BOXED', box($texts[$n], 'secret', 'BOXED') ];
}
push @{ $boxes{add_sealed_llm_key} }, map {
	[ 'openai_compatible', 'With URL', box('sk-0123456789abcdef', 'llm-key', 'openai_compatible', 'With URL', $_), $_ ]
} 'https://models.example.com/v1', 'http://127.0.0.1', '';

sub run_program
{
	my ($input, @command) = @_;
	my ($out, $err);

	IPC::Run::run(\@command, '<', \$input, '>', \$out, '2>', \$err) or die "@command: $err";
	chomp $out;
	return $out;
}

sub box
{
	my ($value, $what, @for) = @_;
	my @switches = $for[0] =~ /^-/ ? splice(@for, 0, 4) : ();

	return '\x' . run_program($value, $seal, $what, @switches, $server_key, $PROJECT, @for);
}

# Switches for a box with options: a text as JSON, or in the place of one
sub options
{
	my ($text) = @_;
	my $file = write_private("$seal.options",
		$text =~ /^[{"0-9-]/ ? $text : qq({"expires_at": "$text", "headers": {"x-a": "$text"}}));

	return ('-d', 'https://api.openai.com/v1', '-o', $file);
}

# A literal on one line, so that psql's line numbers tell the statement
sub quote
{
	my ($text) = @_;
	$text =~ s/([\\'])/\\$1/g;
	$text =~ s/([\x00-\x1f\x7f])/sprintf('\\x%02x', ord($1))/ge;
	return "E'$text'";
}

sub text_value
{
	my $chance = rand;
	return pick(map { quote($_) } @{ $pool{secret} }, 'NAME') if $chance < 0.15;
	return quote(pick(@tokens)) if $chance < 0.18;
	return quote(pick(@tickets)) if $chance < 0.2;
	return quote(join '', map { chr(1 + int(rand 126)) } 1 .. int(rand 40)) if $chance < 0.3;
	return 'repeat(' . quote(pick(@texts)) . ', ' . pick(2, 60, 200, 9000, 70000) . ')' if $chance < 0.36;
	return quote(pick(@texts));
}

sub uuid_value
{
	return quote($PROJECT) . '::uuid' if rand() < 0.3;
	my @ids = map { @{ $pool{$_} } } qw(project key deleted agent platform);
	return pick(
		(map { quote($_) . '::uuid' } @ids ? pick(@ids) : $PROJECT),
		"'00000000-0000-0000-0000-000000000000'::uuid",
		'gen_random_uuid()') if rand() < 0.4;
	return quote(pick(@ids ? @ids : $PROJECT)) . '::uuid';
}

my %values = (
	uuid => \&uuid_value,
	text => \&text_value,
	name => sub { return pick("'runner'", "'service'", "'nobody'", "''", text_value() . '::text') . '::name' },
	boolean => sub { return pick('true', 'false') },
	integer => sub { return pick(0, 1, 2, 3, '(-1)', 1000, 2147483647, '(-2147483648)') },
	bigint => sub { return pick(0, 1, '(-1)', 9223372036854775807) },
	# half of them a public key, of those that resolve sealed; one of low order
	bytea => sub {
		return quote("\\x$recipient") . '::bytea' if rand() < 0.5;
		return pick(q{'\x'}, q{'\x01'}, map { "decode(repeat('01', $_), 'hex')" } 32, 41, 60) . '::bytea' if rand() < 0.8;
		return q{decode(repeat('00', 32), 'hex')};
	},
	timestamptz => sub {
		return '(' . pick("'infinity'", "'-infinity'", 'now()', "now() + interval '1 day'", "'4713-01-01 BC'",
			"'294276-12-31'", "'epoch'") . ')::timestamptz';
	},
	interval => sub {
		return pick("'0'", "'20 s'", "'-1 s'", "'1 year'", "'-1 month 31 days'", "'2147483647 months'", "'178000000 years'", "'-178000000 years'") . '::interval';
	},
	# options of LLM keys, and what is none
	jsonb => sub {
		return 'jsonb_build_object(' . quote(pick(qw(name priority enabled expires_at allowed_models headers refresh_requests colour)))
		  . ', ' . pick('5', 'true', 'NULL', text_value() . '::text', "ARRAY['gpt-5']", "'{}'::jsonb") . ')' if rand() < 0.5;
		return "jsonb_build_object('headers', jsonb_build_object('x-a', " . text_value() . '::text))' if rand() < 0.4;
		return quote(pick('{}', '[]', '5', '"x"', 'null', '{"headers": {"Host": "x"}}', '{"priority": 1e400}')) . '::jsonb';
	},
	date => sub { return pick("'infinity'", "'-infinity'", "'4713-01-01 BC'", 'current_date') . '::date' },
	anyelement => sub { return pick('1', text_value() . '::text', uuid_value()) });

# Some options, each with a value of its type; sometimes one of them is wrong.
my %options = (
	name => sub { return quote('Renamed ' . int(rand 1000)) . '::text' },
	enabled => $values{boolean},
	priority => sub { return pick(0, 1, 100, 2147483647) },
	expires_at => sub { return pick("'2100-01-01T00:00:00Z'", "'2020-01-01T00:00:00+02:00'") . '::text' },
	rotate_after => sub { return pick("'2100-01-01T00:00:00Z'", "'2020-01-01T00:00:00+02:00'") . '::text' },
	allowed_models => sub { return pick("ARRAY['gpt-5']", "ARRAY['gpt-5', 'gpt-5-mini']") },
	headers => sub { return q{jsonb_build_object('x-gateway', } . quote(pick('a', 'secret')) . '::text)' },
	refresh_requests => $values{boolean});
my @no_options = ('2147483648', '0.5', '(-1)', "'infinity'::text", "'now'::text", "'2100-01-01'::text", 'ARRAY[]::text[]',
	'ARRAY[NULL]::text[]', "'{}'::jsonb", "'{\"Host\": \"x\"}'::jsonb");

sub key_options
{
	my ($function) = @_;
	my @names = grep { rand() < 0.25 } grep { $_ ne ($function eq 'update_llm_key' ? 'headers' : 'refresh_requests') } sort keys %options;
	my $wrong = rand() < 0.2 ? int(rand 5) : -1;
	return 'jsonb_build_object('
	  . join(', ', map { "'$names[$_]', " . ($_ == $wrong ? pick('NULL', @no_options, text_value() . '::text') : $options{ $names[$_] }->()) } 0 .. $#names) . ')';
}

sub value
{
	my ($type) = @_;
	return "NULL::$type" =~ s/anyelement/text/r if rand() < 0.07;
	if ($type =~ /^(.*)\[\]$/)
	{
		my $element = $1;
		my $list = join(', ', map { value($element) } 1 .. 1 + int(rand 4));
		return pick("'{}'::$type", "ARRAY[NULL]::$type", "ARRAY[ARRAY[$list]]::$type") if rand() < 0.2;
		return "ARRAY[$list]::$type";
	}
	die "no values of type $type: add some" unless $values{$type};
	my $value = $values{$type}->();
	return $type eq 'text' ? "$value\::text" : $value;
}

sub call
{
	my ($role) = @_;
	my @own = grep { $_->[2] =~ /\b$role\b/ } @functions;
	# mostly what the role may execute, and for a project that there is
	my $f = @own && rand() < 0.8 ? pick(@own) : pick(@functions);
	my @types = split /,/, $f->[1];
	my @args = map { value($_) } @types;
	my @names = split /,/, $f->[4];

	foreach my $n (0 .. $#args)
	{
		next unless $types[$n] eq 'uuid' && $names[$n] =~ /^(agent|key|project)_id$/ && rand() < 0.6;
		$args[$n] = quote($1 eq 'project' ? $PROJECT : pick(@{ $pool{$1} }, $PROJECT)) . '::uuid';
	}
	# what is right, where most is wrong
	if ($f->[0] =~ /^(add|update|replace)_llm_key$/ && rand() < 0.8)
	{
		$args[0] = quote($PROJECT) . '::uuid';
		$args[1] = quote(pick(@{ $pool{live} }, $first)) . '::uuid' if $1 ne 'add';
		$args[4] = 'NULL' if $1 eq 'add';
		$args[2] = quote('Added ' . int(rand 1000000)) . '::text' if $1 eq 'add' && rand() < 0.5;
		$args[-1] = key_options($f->[0]);
	}
	my %words = (provider => ['openai'], outcome => [qw(ok rejected quota rate_limited server timeout)], model => ['gpt-5'], key_value => ['sk-proj-0123456789abcdefghijklmnopqrst']);
	foreach my $n (grep { $words{ $names[$_] } } 0 .. $#args)
	{
		$args[$n] = quote(pick(@{ $words{ $names[$n] } })) . '::text' if rand() < 0.6;
	}
	if ($f->[0] eq 'issue_run_ticket' && rand() < 0.8)
	{
		@args = (
			quote($PROJECT) . '::uuid', quote(pick(@{ $pool{own_agent} }, $PROJECT)) . '::uuid',
			map({ "'" . pick(@$_) . "'::interval" } [ '1 s', '20 s', '1 hour' ], [ '0', '20 s', '7 days' ]),
			pick('NULL', "'runner'::name"), pick('NULL', quote("\\x$recipient") . '::bytea'),
			pick("'{}'::text[]", "'{NAME,SHOP_TOKEN}'::text[]"), 'NULL');
		@args[ 1, 6, 7 ] = ('NULL', "'{}'::text[]", quote(pick(@{ $pool{live} }, $PROJECT)) . '::uuid') if rand() < 0.3;
		my $n = int(rand @args);
		$args[$n] = value($types[$n]) if rand() < 0.3;
	}
	$args[0] = quote(pick(@tickets)) . '::text' if $f->[0] =~ /^(enter_run|renew_run_ticket)$/ && rand() < 0.8;
	$args[1] = pick(map { "'$_'::interval" } '1 s', '20 s', '1 hour') if $f->[0] eq 'renew_run_ticket' && rand() < 0.7;
	if ($boxes{ $f->[0] } && rand() < 0.7)
	{
		my @for = map { defined $_ ? quote($_) : 'NULL' } @{ pick(@{ $boxes{ $f->[0] } }) };
		@args[ 0 .. @for ] = (quote($PROJECT), @for);
		# options are in the box
		$args[5] = 'NULL' if $f->[0] eq 'add_sealed_llm_key';
		my $n = int(rand @args);
		$args[$n] = value($types[$n]) if rand() < 0.3;
	}
	# the project and its admin are needed to the end
	$args[0] = pick('gen_random_uuid()', map { quote($_) . '::uuid' } grep { $_ ne $PROJECT } @{ $pool{project} })
	  if $f->[0] eq 'delete_project' && $args[0] =~ /$PROJECT/;
	$args[0] = "'carol'::text" if $f->[0] eq 'end_user' && $args[0] =~ /alice|bob/;
	my $verb = $f->[3] eq 'p' ? 'CALL ' : rand() < 0.5 ? 'SELECT * FROM ' : 'SELECT ';
	return [ $f, $verb . "tarx_keys.$f->[0](" . join(', ', @args) . ');' ];
}

# Lines for psql, and for each line the call on it, if it is one
sub script
{
	my ($role) = @_;
	my @lines = ("SET SESSION AUTHORIZATION $role;");
	my %calls;

	foreach (1 .. $transactions)
	{
		push @lines, 'BEGIN' . pick('', '', '', ' ISOLATION LEVEL REPEATABLE READ', ' ISOLATION LEVEL SERIALIZABLE', ' READ ONLY') . ';';
		if ($role eq 'runner' && rand() < 0.5)
		{
			push @lines, 'SELECT * FROM tarx_keys.enter_run(' . quote(pick(@tickets)) . ');';
		}
		elsif (rand() < 0.8)
		{
			push @lines, 'SELECT tarx_keys.act_as(' . pick("'alice'", "'alice'", "'bob'", "'carol'") . pick('', ", '$PROJECT'") . ');' if $role ne 'web';
			push @lines, 'SELECT tarx_keys.login(' . quote(pick(@tokens)) . ');' if $role eq 'web';
		}
		foreach (1 .. 1 + int(rand 5))
		{
			my $call = call($role);
			push @lines, $call->[1];
			$calls{ scalar @lines } = $call;
			push @lines, 'SELECT count(*) FROM tarx_keys.' . pick(@views) . ';' if rand() < 0.2;
		}
		push @lines, pick('COMMIT', 'COMMIT', 'ROLLBACK') . ';';
	}
	return (\@lines, \%calls);
}

my ($made, %seen, %succeeded) = (0);

# Run a script; says which calls ended as none should.
sub run
{
	my ($role) = @_;
	my ($lines, $calls) = script($role);
	my ($out, $err);
	local $ENV{PGCLIENTENCODING} = 'UTF8';

	$node->psql(
		'postgres',
		join("\n", @$lines),
		stdout => \$out,
		stderr => \$err,
		on_error_stop => 0,
		extra_params => [ '-v', 'VERBOSITY=sqlstate', '-v', 'ON_ERROR_ROLLBACK=on' ]);
	push @tokens, $1 while $out =~ /(sk-tarx-[0-9A-Za-z]{49})/g;
	splice @tokens, 3, @tokens - 23 if @tokens > 23;
	push @tickets, $out =~ /(tarx-run-[\w-]+)/g;
	splice @tickets, 0, @tickets - 12 if @tickets > 12;

	my (@wrong, %failed);
	foreach my $line (split /\n/, $err)
	{
		if ($line =~ /^psql:<stdin>:(\d+): (?:ERROR|FATAL|PANIC):  ([0-9A-Z]{5})$/)
		{
			$failed{$1} = $2;
			$seen{$2}++;
			push @wrong, "$2: $lines->[$1 - 1]" unless $documented{$2};
		}
		elsif ($line !~ /^psql:<stdin>:\d+: (?:WARNING|NOTICE):/)
		{
			push @wrong, $line;
		}
	}
	foreach my $line (sort { $a <=> $b } keys %$calls)
	{
		my ($f, $sql) = @{ $calls->{$line} };
		$succeeded{ $f->[0] }++ unless $failed{$line};
		next if $f->[2] =~ /\b$role\b/;
		push @wrong, ($failed{$line} || 'executed') . " without a right: $sql"
		  unless ($failed{$line} || '') eq '42501';
	}
	$made += keys %$calls;
	ok(!@wrong, "$role: documented ends only") or diag(map { "$_\n" } @wrong);
	return;
}

foreach my $round (1 .. $rounds)
{
	fill_pool();
	run($_) foreach (qw(service web runner stranger tarx_keys_owner), $superuser);
}
note(join(', ', map { "$_ $succeeded{$_}" } grep {/seal|llm_key|provider_key|report|run/} sort keys %succeeded));
note("$made calls; " . join(', ', map { "$_ $seen{$_}" } sort keys %seen));

ok($succeeded{add_sealed_llm_key} || $succeeded{replace_sealed_llm_key} || $succeeded{set_sealed_secret}, 'boxes have been opened');
ok($succeeded{resolve_key_sealed} || $succeeded{resolve_agent_key_sealed} || $succeeded{resolve_provider_key_sealed} || $succeeded{resolve_secrets_sealed},
	'and made');
ok($succeeded{$_}, "$_() has succeeded") foreach qw(update_llm_key replace_llm_key add_llm_key report_key issue_run_ticket enter_run renew_run_ticket);
ok($seen{TK016}, 'tickets have been refused');
is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'),
	$started, 'the server has not restarted');
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal|TRAP:|XX000/, 'nothing crashed');
is( $node->safe_psql(
		'postgres',
		'SELECT p.id, v.* FROM tarx_keys.projects p, tarx_keys.verify_audit(p.id) v WHERE NOT v.ok'),
	'',
	'the audit log verifies');
is( $node->safe_psql(
		'postgres', q{
		SELECT id FROM tarx_keys.projects p
		 WHERE p.ended_at IS NULL
		   AND NOT EXISTS (SELECT FROM tarx_keys.project_members m
							WHERE m.project_id = p.id AND m.role = 'admin')}),
	'',
	'every project has an admin');

done_testing();
