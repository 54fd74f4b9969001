# Loads the tables of the benchmark, measures, and reports. test/bench/run calls it.
#
# What is compared is measured in turns, in slices of about a second, and the
# ratio is taken within each round: whatever else the machine does meanwhile
# slows both sides. Figures and ratios are medians over the rounds.

use strict;
use warnings FATAL => 'all';
use utf8;

use File::Basename qw(dirname);
use POSIX qw(strftime);
use Time::HiRes qw(time);

use lib dirname(__FILE__), dirname(__FILE__) . '/../lib';
use Cluster;
use Jwt;
use Report;

binmode STDERR, ':encoding(UTF-8)';
$| = 1;

my $here = dirname(__FILE__);
my $work = $ENV{BENCH_WORK};
my $most = $ENV{BENCH_KEYS} || 10_000_000;
my $rounds = $ENV{BENCH_ROUNDS} || 5;
my $calls = $most < 100_000 ? $most : 100_000;
my $sessions = `nproc` + 0;

# Tables of the growth series; the other measurements use a database of their own.
my @sizes = ((grep { $_ < $most } 1000, 100_000, 1_000_000), $most);
my $SPARE = 500;    # projects without keys, for what adds some
my @master_keys = (random_hex());
my $began = time;
my ($load) = Cluster::slurp('/proc/loadavg') =~ /^(\S+)/;
my $report = Report->new;
my $cluster;
my %jwts;    # by algorithm

die "BENCH_KEYS must be a multiple of 10, and at least 1000\n" if $most < 1000 || $most % 10;

sub random_hex
{
	open(my $fh, '<:raw', '/dev/urandom') or die "/dev/urandom: $!\n";
	read($fh, my $bytes, 32);
	return unpack('H*', $bytes);
}

sub progress
{
	my ($what) = @_;
	printf STDERR "%4d s  %s\n", time - $began, $what;
	return;
}

# Write the master keys, the newest first.
sub write_keyring
{
	my $new = Cluster::spew("$work/master.new", join("\n", reverse @master_keys) . "\n");

	chmod 0600, $new;
	rename $new, "$work/master.key" or die "master.key: $!\n";
	return;
}

sub keyring_conf
{
	return "tarx_keys.master_key_file = '$work/master.key'\n";
}

# Run each of some subroutines once a round, in an order that changes with the
# round; returns for each name the list of what it returned.
sub in_turns
{
	my (%code) = @_;
	my @names = sort keys %code;
	my %results;

	foreach my $round (1 .. $rounds)
	{
		push @{ $results{$_} }, $code{$_}->($round) foreach @names;
		push @names, shift @names;
	}
	return %results;
}

# The median of the rounds' ratios
sub ratio
{
	my ($above, $below) = @_;
	return Report::median(map { $above->[$_] / $below->[$_] } 0 .. $#$above);
}

sub fig
{
	my ($values, $factor) = @_;
	return Report::figure(Report::median(@$values) * ($factor || 1));
}

#
# What is measured
#

# Look-ups of one key: columns, the one with the value, and where from. P and K
# stand for the ids of the project and the key, V for the id in Vault.
my %lookups = (
	resolve => {
		label => 'resolve_key',
		columns => '*',
		value => 'r.key_value',
		from => 'tarx_keys.resolve_key(P, K) r',
	},
	plain => {
		label => 'plaintext SELECT',
		columns => 't.id, t.provider, t.name, t.destination, t.key_value',
		value => 't.key_value',
		from => 'bench.plain_keys t WHERE t.project_id = P AND t.id = K',
	},
	pgcrypto => {
		label => 'pgp_sym_decrypt',
		columns => q{t.id, t.provider, t.name, t.destination, pgp_sym_decrypt(t.key_value, 'a passphrase')},
		value => q{pgp_sym_decrypt(t.key_value, 'a passphrase')},
		from => 'bench.pgcrypto_keys t WHERE t.project_id = P AND t.id = K',
	},
	vault => {
		label => 'Vault',
		columns => 's.id, s.name, s.description, s.decrypted_secret',
		value => 's.decrypted_secret',
		from => 'vault.decrypted_secrets s WHERE s.id = V',
	},
	one => { label => 'SELECT 1', columns => '1', value => q{'1'::text}, from => undef },
);

# A look-up as SQL, with expressions for the ids
sub lookup_sql
{
	my ($name, $columns, %ids) = @_;
	my $sql = "SELECT $lookups{$name}{$columns}";

	$sql .= " FROM $lookups{$name}{from}" if defined $lookups{$name}{from};
	$sql =~ s/\b([PKV])\b/$ids{$1}/g;
	return $sql;
}

# Scripts of pgbench. n is a key's number, p a project's.
my %scripts = (
	resolve_agent => 'SELECT * FROM tarx_keys.resolve_agent_key(PROJECT, bench.uuid_of(2, :n));',
	plain_agent => 'SELECT t.id, t.provider, t.name, t.destination, t.key_value FROM bench.plain_agents a'
	  . ' JOIN bench.plain_keys t ON t.project_id = a.project_id AND t.id = a.user_api_key_id'
	  . ' WHERE a.project_id = PROJECT AND a.id = bench.uuid_of(2, :n);',
	resolve_secrets => 'SELECT * FROM tarx_keys.resolve_secrets(PROJECT, NAMES);',
	plain_secrets => 'SELECT t.name, t.value FROM bench.plain_secrets t WHERE t.project_id = PROJECT AND t.name = ANY (NAMES);',
	render => 'SELECT tarx_keys.render_template(PROJECT, TEMPLATE);',
	plain_render => 'SELECT t.value FROM bench.plain_secrets t WHERE t.project_id = PROJECT AND t.name = ANY (TEN);',
	login => "BEGIN;\nSELECT * FROM tarx_keys.login(:token, bench.uuid_of(0, 0));\nCOMMIT;",
	login_jwt_ed25519 => "BEGIN;\nSELECT * FROM tarx_keys.login_jwt(:ed25519, bench.uuid_of(0, 0));\nCOMMIT;",
	login_jwt_es256 => "BEGIN;\nSELECT * FROM tarx_keys.login_jwt(:es256, bench.uuid_of(0, 0));\nCOMMIT;",
	login_jwt_rs256 => "BEGIN;\nSELECT * FROM tarx_keys.login_jwt(:rs256, bench.uuid_of(0, 0));\nCOMMIT;",
	plain_login => "BEGIN;\nSELECT t.user_id FROM bench.plain_tokens t WHERE t.token_hash = sha256(:token::text::bytea);\nCOMMIT;",
	enter => "BEGIN;\nSELECT * FROM tarx_keys.enter_run(:ticket);\nCOMMIT;",
	run_agent => "BEGIN;\nSELECT * FROM tarx_keys.enter_run(:ticket);\nSELECT * FROM tarx_keys.resolve_agent_key(bench.uuid_of(0, 0), bench.uuid_of(2, 0));\nCOMMIT;",
	bare_agent => "BEGIN;\nSELECT 1;\nSELECT * FROM tarx_keys.resolve_agent_key(bench.uuid_of(0, 0), bench.uuid_of(2, 0));\nCOMMIT;",
	list => "BEGIN;\nSELECT tarx_keys.act_as('member-' || :p::text, PROJECT);\nSELECT * FROM tarx_keys.llm_keys;\nCOMMIT;",
	plain_list => "BEGIN;\nSELECT 1;\nSELECT t.id, t.project_id, t.name, t.provider, t.masked_key, t.base_url, t.added_by, t.created_at"
	  . " FROM bench.plain_keys t WHERE t.project_id = PROJECT;\nCOMMIT;",
	add => "BEGIN;\nSELECT tarx_keys.act_as('user-' || :p::text, PROJECT);\n"
	  . "SELECT tarx_keys.add_llm_key(PROJECT, 'openai', 'added ' || :added::text, bench.key_value(:added));\nCOMMIT;",
	plain_add => "BEGIN;\nSELECT 1;\n"
	  . 'INSERT INTO bench.plain_keys (project_id, id, provider, name, destination, masked_key, added_by, key_value)'
	  . " VALUES (PROJECT, gen_random_uuid(), 'openai', 'added ' || :added::text, 'https://api.openai.com/v1',"
	  . " 'sk-proj-abc...wxyz', 'user-' || :p::text, bench.key_value(:added));\nCOMMIT;",
	delete => "BEGIN;\nSELECT tarx_keys.act_as('user-' || :p::text, PROJECT);\n"
	  . "SELECT tarx_keys.delete_llm_key(PROJECT, bench.uuid_of(1, :n));\nCOMMIT;",
	plain_delete => "BEGIN;\nSELECT 1;\nDELETE FROM bench.plain_keys t WHERE t.project_id = PROJECT AND t.id = bench.uuid_of(1, :n);\nCOMMIT;",
);

# How a script chooses its rows, unless at random among all keys
my %choices = (
	resolve_secrets => "\\set p random(0, :secret_projects - 1)\n",
	plain_secrets => "\\set p random(0, :secret_projects - 1)\n",
	render => "\\set p random(0, :secret_projects - 1)\n",
	plain_render => "\\set p random(0, :secret_projects - 1)\n",
	login => '',
	login_jwt_ed25519 => '',
	login_jwt_es256 => '',
	login_jwt_rs256 => '',
	plain_login => '',
	enter => '',
	run_agent => '',
	bare_agent => '',
	add => "\\set p random(:keys / 10, :keys / 10 + $SPARE - 1)\n\\set added random(1, 9000000000000000000)\n",
	plain_add => "\\set p random(:keys / 10, :keys / 10 + $SPARE - 1)\n\\set added random(1, 9000000000000000000)\n",
	delete => "\\set n :n + 1\n\\set p :n / 10\n",
	plain_delete => "\\set n :n + 1\n\\set p :n / 10\n",
);

sub write_scripts
{
	my %words = (
		PROJECT => 'bench.uuid_of(0, :p)',
		NAMES => "ARRAY[" . join(', ', map { "'SECRET_$_'" } 1 .. 20) . "]",
		TEN => "ARRAY[" . join(', ', map { "'SECRET_$_'" } 1 .. 10) . "]",
		TEMPLATE => "'" . join(' ', map { "name$_: \${secrets.SECRET_$_}" } 1 .. 10) . "'");

	foreach my $name (keys %lookups)
	{
		$scripts{$name} = lookup_sql($name, 'columns', P => 'PROJECT', K => 'bench.uuid_of(1, :n)', V => ':vault_id::uuid') . ';';
	}
	foreach my $name (keys %scripts)
	{
		my $sql = $scripts{$name};
		my $choice = exists $choices{$name} ? $choices{$name} : "\\set n random(0, :keys - 1)\n\\set p :n / 10\n";

		$sql =~ s/\b([A-Z]+)\b/exists $words{$1} ? $words{$1} : $1/ge;
		Cluster::spew("$work/$name.sql", "$choice$sql\n");
	}
	return;
}

sub tps
{
	my ($name, %how) = @_;
	my $db = $how{db} || 'main';
	my $user = $name =~ /login|list|add|delete/ ? 'bench_service' : 'bench_runner';

	$how{vars} = { keys => keys_in($db), secret_projects => secret_projects(), token => '-', ticket => '-', vault_id => '-', (map { $_ => '-' } keys %jwts), %{ $how{vars} || {} } };
	return $cluster->tps($db, $user, "$work/$name.sql", %how);
}

sub keys_in
{
	my ($db) = @_;
	return $db eq 'main' ? $calls : substr($db, length('keys_'));
}

sub secret_projects
{
	return $calls / 10 < 50 ? $calls / 10 : 50;
}

#
# Loading
#

# Supabase Vault, unless it is an old one that needs pgsodium as well
sub has_vault
{
	my $control = "$ENV{BENCH_SHARE}/extension/supabase_vault.control";

	return -e $control && Cluster::slurp($control) !~ /^requires\s*=/m;
}

# An issuer with a key for each algorithm; returns a token of each, for the user of the
# first project.
sub write_issuers
{
	my %pairs = map { lc $_ => key_pair($_) } qw(Ed25519 ES256 RS256);
	my %issuer = (
		issuer => 'https://id.example', audience => ['bench'], algorithms => [ 'Ed25519', 'ES256', 'RS256' ],
		max_lifetime => '2 days', jwks => { keys => [ map { jwk($pairs{$_}, kid => $_) } sort keys %pairs ] });
	my $now = int time;
	my %claims = (iss => 'https://id.example', aud => 'bench', sub => 'user-0', iat => $now, exp => $now + 86400);

	Cluster::spew("$work/issuers.json", json([ \%issuer ]));
	chmod 0644, "$work/issuers.json";
	return map { $_ => token($pairs{$_}, \%claims, kid => $_) } keys %pairs;
}

sub start_cluster
{
	my $memory = `grep MemTotal /proc/meminfo` =~ /(\d+)/ ? $1 / 1024 : 4096;
	my $needed = $most * 0.0008 + 128;
	my $buffers = $needed < $memory * 0.35 ? $needed : $memory * 0.35;
	my $vault = has_vault();
	my $preload = $vault ? 'tarx_keys,supabase_vault' : 'tarx_keys';

	write_keyring();
	if ($vault)
	{
		Cluster::spew("$work/vault_key", "#!/bin/sh\necho " . random_hex() . "\n");
		chmod 0700, "$work/vault_key";
	}
	$cluster = Cluster->new('main', conf => Cluster::slurp("$work/stage/server.conf")
		  . keyring_conf()
		  . "tarx_keys.jwt_issuers_file = '$work/issuers.json'\n"
		  . "shared_preload_libraries = '$preload'\n"
		  . ($vault ? "vault.getkey_script = '$work/vault_key'\n" : '')
		  . sprintf("shared_buffers = %dMB\n", $buffers)
		  . "maintenance_work_mem = 1GB\nmax_wal_size = 8GB\ncheckpoint_timeout = 1h\n"
		  . "full_page_writes = off\nwal_level = minimal\nmax_wal_senders = 0\n");
	$cluster->start;
	$cluster->ask('postgres', 'postgres', 'CREATE ROLE bench_runner LOGIN; CREATE ROLE bench_service LOGIN');
	return sprintf('%d MB', $buffers);
}

# Split the numbers 0 .. n - 1 into as many ranges as there are sessions.
sub ranges
{
	my ($n) = @_;
	my $part = int($n / $sessions / 10) * 10;
	return map { [ $_ * $part, $_ < $sessions - 1 ? ($_ + 1) * $part - 1 : $n - 1 ] } 0 .. $sessions - 1;
}

sub load_task
{
	my ($file, $range, $copies) = @_;
	return [ '-v', "copies=$copies", '-v', "master_key=$master_keys[0]", '-v', "first=$range->[0]", '-v', "last=$range->[1]", '-f', "$here/$file" ];
}

# A database with so many keys, in projects of 10, and some projects to spare.
# Only projects from "changed" on have an audit log that can be written.
sub load_database
{
	my ($db, $keys, $changed) = @_;
	my $projects = $keys / 10 + $SPARE;

	$cluster->ask('postgres', 'postgres', "CREATE DATABASE $db");
	$cluster->script($db, 'postgres', "$here/schema.sql", helper => "$work/helper.so");
	$cluster->script($db, 'postgres', "$here/indexes.sql");
	$cluster->ask($db, 'postgres', 'CALL bench.drop_indexes()');
	$cluster->in_parallel($sessions, $db,
		(map { load_task('load_projects.sql', $_, $changed) } ranges($projects)),
		(map { load_task('load_keys.sql', $_, $changed) } ranges($keys)));
	progress("$db: rows are loaded");
	$cluster->in_parallel($sessions, $db, map { [ '-c', $_ ] } split /\n/, $cluster->ask($db, 'postgres', index_commands_sql($db)));
	progress("$db: indexes are made");
	begin_audits($db, $changed, $projects - 1);
	$cluster->ask($db, 'postgres', $_) foreach 'ANALYZE', picks_sql($keys),
	  q{SELECT sum(pg_prewarm(i.indexrelid)), sum(pg_prewarm(r)) FROM unnest(ARRAY['tarx_keys.project_llm_keys'::regclass, 'bench.plain_keys']) r
	    JOIN pg_index i ON i.indrelid = r AND i.indisprimary};
	check_loaded($db, $keys);
	return;
}

# In several sessions: one that began when there were few keeps looking them up
# as one does among few.
sub begin_audits
{
	my ($db, $first, $last) = @_;
	my @tasks;

	for (my $n = $first; $n <= $last; $n += 250)
	{
		my $end = $n + 249 < $last ? $n + 249 : $last;
		push @tasks, [ '-c', "SELECT count(tarx_keys.begin_audit(bench.uuid_of(0, n))) FROM generate_series($n, $end) n" ];
	}
	$cluster->in_parallel($sessions, $db, @tasks);
	return;
}

# Large ones first. The series of sizes does not need that names are unique in clear.
sub index_commands_sql
{
	my ($db) = @_;
	my $all = $db eq 'main' ? 'true' : q{NOT (relation = 'bench.plain_keys'::regclass AND definition ~ 'name')};

	return "SELECT bench.index_command(d) FROM bench.dropped_indexes d WHERE $all ORDER BY pg_relation_size(relation) DESC";
}

# The keys that calls inside the server go through: any, and a thousand again and again
sub picks_sql
{
	my ($keys) = @_;
	return qq{
		INSERT INTO bench.picks (project_id, id)
		SELECT bench.uuid_of(0, n / 10), bench.uuid_of(1, n)
		  FROM (SELECT floor(random() * $keys)::bigint AS n FROM generate_series(1, $calls) OFFSET 0) s;
		INSERT INTO bench.hot_picks
		SELECT p.n, h.project_id, h.id, NULL FROM bench.picks p JOIN bench.picks h ON h.n = p.n * 7919 % 1000 + 1;
		ANALYZE bench.picks, bench.hot_picks;};
}

# What has been loaded resolves, to what it should.
sub check_loaded
{
	my ($db, $keys) = @_;
	my $wrong = $cluster->ask($db, 'bench_runner', qq{
		SELECT count(*) FROM (SELECT floor(random() * $keys)::bigint AS n FROM generate_series(1, 1000) OFFSET 0) s,
		LATERAL (SELECT r.key_value FROM tarx_keys.resolve_key(bench.uuid_of(0, s.n / 10), bench.uuid_of(1, s.n)) r) v
		WHERE v.key_value IS DISTINCT FROM bench.key_value(s.n)});

	die "$wrong of 1000 keys did not resolve to what was loaded\n" if $wrong;
	return;
}

# What only the main database has
sub load_extras
{
	my $projects = secret_projects();
	my $vault = 'supabase_vault, without pgsodium, is not installed';

	$cluster->ask('main', 'postgres', qq{
		INSERT INTO tarx_keys.agents (project_id, id, name, user_api_key_id, run_epoch, revision, stamp, created_by)
		SELECT bench.uuid_of(0, n / 10), bench.uuid_of(2, n), 'Agent ' || n, bench.uuid_of(1, n), bench.uuid_of(3, n), 1,
		       tarx_keys_internal.agent_stamp(bench.uuid_of(0, n / 10), bench.uuid_of(2, n), 'Agent ' || n, bench.uuid_of(1, n), NULL, bench.uuid_of(3, n), 1),
		       'user-' || n / 10
		  FROM generate_series(0, $calls - 1) n;
		INSERT INTO bench.plain_agents SELECT a.project_id, a.id, a.user_api_key_id FROM tarx_keys.agents a;
		GRANT INSERT ON bench.tokens, bench.plain_secrets TO bench_service;});
	progress("main: agents");
	$cluster->ask('main', 'bench_service', qq{
		DO \$\$
		BEGIN
			FOR p IN 0 .. $projects - 1 LOOP
				PERFORM tarx_keys.act_as('user-' || p, bench.uuid_of(0, p));
				FOR s IN 1 .. 20 LOOP
					PERFORM tarx_keys.set_secret(bench.uuid_of(0, p), 'SECRET_' || s, bench.key_value(s));
					INSERT INTO bench.plain_secrets VALUES (bench.uuid_of(0, p), 'SECRET_' || s, bench.key_value(s));
				END LOOP;
			END LOOP;
			FOR p IN 0 .. 99 LOOP
				PERFORM tarx_keys.act_as('user-' || p);
				INSERT INTO bench.tokens SELECT token FROM tarx_keys.create_platform_key('token');
			END LOOP;
		END
		\$\$;});
	progress("main: secrets and tokens");
	$cluster->ask('main', 'postgres', q{
		INSERT INTO bench.plain_tokens
		SELECT sha256(t.token::bytea), 'user' FROM (SELECT token FROM bench.tokens UNION ALL SELECT bench.key_value(n) FROM generate_series(1, 10000) n) t;
		CREATE EXTENSION pgcrypto;
		INSERT INTO bench.pgcrypto_keys
		SELECT t.project_id, t.id, t.provider, t.name, t.destination, c.sealed
		  FROM (SELECT *, row_number() OVER () % 100 AS n FROM bench.plain_keys) t
		  JOIN (SELECT n, pgp_sym_encrypt(bench.key_value(n), 'a passphrase') AS sealed FROM generate_series(0, 99) n OFFSET 0) c USING (n);});
	$vault = load_vault() if has_vault();
	$cluster->ask('main', 'postgres', 'VACUUM ANALYZE');
	return $vault;
}

# As many secrets in Vault as there are keys; '' or why not
sub load_vault
{
	eval {
		$cluster->ask('main', 'postgres', $_) foreach
		  'CREATE EXTENSION supabase_vault',
		  'GRANT USAGE ON SCHEMA vault TO bench_runner',
		  'GRANT SELECT ON vault.decrypted_secrets TO bench_runner',
		  'GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA vault TO bench_runner',
		  "INSERT INTO bench.vault_keys (id) SELECT vault.create_secret(bench.key_value(n), 'key ' || n) FROM generate_series(1, $calls) n",
		  'VACUUM FULL vault.secrets',
		  "UPDATE bench.picks p SET vault_id = v.id FROM bench.vault_keys v WHERE v.n = p.n::bigint * 7919 % $calls + 1",
		  'VACUUM FULL bench.picks';
		1;
	} or return $@ =~ /(ERROR:.*)/ ? $1 : $@;
	return '';
}

#
# Measuring
#

sub measure_round_trips
{
	my ($names, $vars) = @_;

	$report->section('Round trips: one look-up per transaction, prepared, over a Unix socket', 'resolve_key', 'Against');
	foreach my $clients (1, 8)
	{
		my %tps = in_turns(map { my $name = $_; ($name => sub { tps($name, clients => $clients, vars => $vars) }) } @$names);
		my %bar = (plain => '>= 0.95', pgcrypto => '>= 5', vault => '>= 1.2', one => '');

		foreach my $other (grep { $_ ne 'resolve' } qw(plain vault pgcrypto one))
		{
			next if !$tps{$other};
			$report->row("round trip, $clients client" . ($clients > 1 ? 's' : '') . ": resolve_key by $lookups{$other}{label}",
				ratio($tps{resolve}, $tps{$other}), $bar{$other}, fig($tps{resolve}) . '/s', fig($tps{$other}) . '/s');
		}
		$report->plot("trip $clients", map { [ $lookups{$_}{label}, Report::median(@{ $tps{$_} }), $_ eq 'resolve' ? 'b' : 'a' ] }
			  grep { $tps{$_} } qw(one plain resolve vault pgcrypto));
	}
	$report->note('The ratio is the throughput of resolve_key by that of the other.');
	return;
}

# The statement that makes a look-up for each row of a list, and a loop that does
sub inner_select
{
	my ($name, $list, $limit) = @_;
	my $lookup = $name eq 'field' ? 'SELECT (tarx_keys.resolve_key(i.project_id, i.id)).key_value'
	  : lookup_sql($name, 'value', P => 'i.project_id', K => 'i.id', V => 'i.vault_id');

	# without i in it, it would be looked up once only
	$lookup = q{SELECT '1'::text WHERE i.n > 0} if $name eq 'one';
	return "SELECT count(s.value) FROM (SELECT ($lookup) AS value FROM bench.$list i WHERE i.n <= $limit OFFSET 0) s";
}

sub make_loop
{
	my ($db, $name) = @_;
	my $lookup = lookup_sql($name, 'value INTO result', P => 'i.project_id', K => 'i.id', V => 'i.vault_id');

	$cluster->ask($db, 'postgres', qq{
		CREATE FUNCTION bench.loop_$name(calls integer) RETURNS void LANGUAGE plpgsql AS \$\$
		DECLARE
			i record;
			result text;
		BEGIN
			FOR i IN SELECT p.project_id, p.id, p.vault_id FROM bench.picks p WHERE p.n <= calls LOOP
				$lookup;
			END LOOP;
		END
		\$\$});
	return;
}

# Microseconds of CPU time per call of a statement that makes so many, after others to warm up
sub inside
{
	my ($db, $statement, $count, $warm_count) = @_;
	my (undef, $seconds) = split /\n/, $cluster->ask($db, 'bench_runner',
		'SELECT bench.cpu_seconds($q$' . $statement->($warm_count || 1000) . '$q$); SELECT bench.cpu_seconds($q$' . $statement->($count) . '$q$)');

	return $seconds / $count * 1e6;
}

sub check_plan
{
	my ($db, $name) = @_;
	my $rows = $name eq 'pgcrypto' ? 100 : 1000;

	die "the look-ups of \"$name\" are not made once a row\n"
	  if $cluster->ask($db, 'bench_runner', 'SELECT bench.is_called_per_row($q$' . inner_select($name, 'picks', $rows) . '$q$, ' . "$rows)") ne 't';
	return;
}

sub count_of
{
	my ($name) = @_;
	return $name eq 'pgcrypto' ? 500 : $calls;
}

sub measure_inside
{
	my ($names) = @_;
	my %forms = (
		'sub-select a row' => sub { my ($name) = @_; sub { inner_select($name, 'picks', $_[0]) } },
		'SELECT INTO in a loop' => sub { my ($name) = @_; sub { "SELECT bench.loop_$name($_[0])" } });

	$report->section('Inside the server: CPU time a call, of ' . Report::figure($calls) . ' calls in one statement', 'resolve_key', 'Against');
	foreach my $name (@$names)
	{
		check_plan('main', $name);
		make_loop('main', $name);
	}
	check_plan('main', 'field');
	foreach my $form (reverse sort keys %forms)
	{
		my @names = ($form =~ /sub-select/ ? 'field' : (), @$names);
		my %us = in_turns(map { my $name = $_; ($name => sub { inside('main', $forms{$form}->($name), count_of($name)) }) } @names);
		my %bar = (plain => '<= 1.5', vault => '<= 0.6', pgcrypto => '', one => '');

		foreach my $other (grep { $us{$_} } qw(plain vault pgcrypto one))
		{
			$report->row("inside, $form: resolve_key by $lookups{$other}{label}", ratio($us{resolve}, $us{$other}), $bar{$other},
				fig($us{resolve}) . ' µs', fig($us{$other}) . ' µs');
		}
		next if !$us{field};
		$report->row('inside, as an expression, (resolve_key(…)).key_value: by plaintext SELECT', ratio($us{field}, $us{plain}), '', fig($us{field}) . ' µs', fig($us{plain}) . ' µs');
		$report->plot('inside', map { [ $lookups{$_}{label}, Report::median(@{ $us{$_} }), $_ eq 'resolve' ? 'b' : 'a' ] }
			  grep { $us{$_} } qw(plain resolve vault pgcrypto));
	}
	$report->note('The ratio is the time of resolve_key by that of the other.');
	return;
}

sub measure_other_calls
{
	my ($vars) = @_;
	my @calls = (
		[ 'resolve_agent_key', 'resolve_agent', 'plain_agent', 'a join of two plaintext tables' ],
		[ 'resolve_secrets of 20 names', 'resolve_secrets', 'plain_secrets', 'SELECT of 20 plaintext rows' ],
		[ 'render_template with 10 references', 'render', 'plain_render', 'SELECT of 10 plaintext rows' ],
		[ 'login', 'login', 'plain_login', 'SELECT by a hash' ],
		[ 'login_jwt, Ed25519', 'login_jwt_ed25519', 'login', 'login' ],
		[ 'login_jwt, ES256', 'login_jwt_es256', 'login', 'login' ],
		[ 'login_jwt, RS256 of 2048 bits', 'login_jwt_rs256', 'login', 'login' ],
		[ 'enter_run', 'enter', 'login', 'login' ],
		[ 'enter_run and resolve_agent_key', 'run_agent', 'bare_agent', 'resolve_agent_key without a ticket' ],
		[ 'list of a 10-key project', 'list', 'plain_list', 'SELECT of 10 plaintext rows' ]);

	# as long as it may be, which is longer than this takes
	($vars->{ticket}) = $cluster->ask('main', 'bench_service',
		q{BEGIN; SELECT tarx_keys.act_as('user-0'); SELECT tarx_keys.issue_run_ticket(bench.uuid_of(0, 0), bench.uuid_of(2, 0), '1 hour'); COMMIT}) =~ /(tarx-run-\S+)/
	  or die "no ticket\n";
	$report->section('Other calls: round trips of 1 client; login, enter_run and list in a transaction block', 'Figure', 'Against');
	foreach my $call (@calls)
	{
		my ($what, $name, $plain, $floor) = @$call;
		my %tps = in_turns($name => sub { tps($name, vars => $vars) }, $plain => sub { tps($plain, vars => $vars) });

		$report->row("$what, by $floor", ratio($tps{$name}, $tps{$plain}), '', fig($tps{$name}) . '/s', fig($tps{$plain}) . '/s');
	}
	return;
}

sub measure_growth
{
	my $largest = $sizes[-1];
	my @series = (
		[ 'growth, resolve_key, round trip, any key', '<= 1.3', 'b', 'µs', sub { 1e6 / tps('resolve', db => $_[0]) } ],
		[ 'growth, resolve_key inside the server, any key', '<= 1.3', 'b', 'µs', sub { inside($_[0], sub { inner_select('resolve', 'picks', $_[0]) }, $calls, $calls) } ],
		[ 'growth, resolve_key inside the server, 1,000 keys in use', '<= 1.3', undef, 'µs', sub { inside($_[0], sub { inner_select('resolve', 'hot_picks', $_[0]) }, $calls, $calls) } ],
		[ 'growth, plaintext SELECT inside the server, any key', '', 'a', 'µs', sub { inside($_[0], sub { inner_select('plain', 'picks', $_[0]) }, $calls, $calls) } ],
		[ 'growth, list of a 10-key project', '<= 1.3', 'd', 'µs', sub { 1e6 / tps('list', db => $_[0]) } ],
		[ 'growth, add_llm_key', '', 'c', 'µs', sub { 1e6 / tps('add', db => $_[0]) } ]);
	my @columns = map { Report::figure($_) . ' keys' } @sizes;

	$report->section("Growth: cost with $columns[-1] in the table by that with $columns[0]", @columns);
	check_plan("keys_$_", 'resolve') foreach @sizes;
	foreach my $series (@series)
	{
		my ($what, $bar, $class, $unit, $code) = @$series;
		my %cost = in_turns(map { my $size = $_; ($size => sub { $code->("keys_$size") }) } @sizes);

		$report->row($what, ratio($cost{$largest}, $cost{ $sizes[0] }), $bar, map { fig($cost{$_}) . " $unit" } @sizes);
		next if !$class || $what =~ /round trip/;
		$what =~ s/^growth, | inside the server, any key| of a 10-key project//g;
		$report->plot('growth', [ $what, $class, map { [ $_, ratio($cost{$_}, $cost{ $sizes[0] }) ] } @sizes ]);
	}
	return;
}

sub report_sizes
{
	my $per_key = sub {
		my ($db, $table) = @_;
		my $keys = keys_in($db);
		return split /\|/, $cluster->ask($db, 'postgres', "SELECT pg_relation_size('$table') / $keys, pg_indexes_size('$table') / $keys");
	};
	my $envelope = $cluster->ask('main', 'postgres', 'SELECT octet_length(ciphertext) FROM tarx_keys.project_llm_keys LIMIT 1');

	$report->note(sprintf('Size per key of 56 bytes, with %s in the table: %d bytes, of which the envelope is %d, and %d of indexes; in clear %d and %d.',
		Report::figure($sizes[-1]), ($per_key->("keys_$sizes[-1]", 'tarx_keys.project_llm_keys'))[0], $envelope,
		($per_key->("keys_$sizes[-1]", 'tarx_keys.project_llm_keys'))[1], $per_key->('main', 'bench.plain_keys')));
	return;
}

sub measure_changes
{
	my $count = int($calls / 10 / $rounds / 10) * 10;
	$count = 3000 if $count > 3000;

	$report->section('Changes, 1 client, fsync off', 'Figure', 'Against');
	my %tps = in_turns(map { my $name = $_; ($name => sub { tps($name) }) } qw(add plain_add));
	$report->row('add_llm_key, by INSERT', ratio($tps{add}, $tps{plain_add}), '', fig($tps{add}) . '/s', fig($tps{plain_add}) . '/s');

	# each round deletes keys of its own, which nothing else needs any more
	%tps = in_turns(map { my $name = $_; ($name => sub { my ($round) = @_;
		tps($name, transactions => $count, vars => { n => ($round - 1) * $count - 1 }) }) } qw(delete plain_delete));
	$report->row('delete_llm_key, by DELETE', ratio($tps{delete}, $tps{plain_delete}), '', fig($tps{delete}) . '/s', fig($tps{plain_delete}) . '/s');
	return;
}

# Make a new master key the active one.
sub rotate_keyring
{
	# the first one is that of the other databases, the last one has just been replaced
	@master_keys = ($master_keys[0], (@master_keys > 1 ? $master_keys[-1] : ()), random_hex());
	write_keyring();
	my $before = active_key();

	$cluster->ask('postgres', 'postgres', 'SELECT pg_reload_conf()');
	foreach (1 .. 100)
	{
		return if active_key() ne $before;
		select undef, undef, undef, 0.1;
	}
	die "the new master key is not in use after 10 s\n";
}

sub active_key
{
	return $cluster->ask('main', 'postgres', 'SELECT fingerprint FROM tarx_keys.keyring_status() WHERE is_active');
}

sub exists_routine
{
	my ($name) = @_;
	return $cluster->ask('main', 'postgres', qq{SELECT count(*) FROM pg_proc p
		WHERE p.pronamespace = 'tarx_keys'::regnamespace AND p.proname = '$name'}) > 0;
}

sub measure_maintenance
{
	my $largest = (grep { $_ <= 1_000_000 } @sizes)[-1];
	my $cpu_seconds = sub {
		my ($db, $sql) = @_;
		return $cluster->ask($db, 'postgres', "SET max_parallel_workers_per_gather = 0; SELECT bench.cpu_seconds(\$q\$$sql\$q\$)");
	};

	$report->section('Maintenance, one session', 'Figure', 'Against');
	if (exists_routine('rotate_master_key'))
	{
		my $rows = $cluster->ask('main', 'postgres', 'SELECT (SELECT count(*) FROM tarx_keys.project_llm_keys) + (SELECT count(*) FROM tarx_keys_internal.audit_ends)');
		my %rate = in_turns(
			rotate => sub {
				rotate_keyring();
				$cluster->ask('main', 'postgres', $_) foreach 'VACUUM', 'CHECKPOINT';
				my $started = time;
				$cluster->ask('main', 'postgres', 'CALL tarx_keys.rotate_master_key(1000)');
				return $rows / (time - $started);
			},
			update => sub {
				$cluster->ask('main', 'postgres', $_) foreach 'VACUUM', 'CHECKPOINT';
				my $started = time;
				$cluster->ask('main', 'postgres', $_) foreach 'UPDATE tarx_keys.project_llm_keys SET ciphertext = ciphertext', 'UPDATE tarx_keys_internal.audit_ends SET sealed_key = sealed_key';
				return $rows / (time - $started);
			});
		$report->row('rotate_master_key, by UPDATE of the same rows', ratio($rate{rotate}, $rate{update}), '>= 0.5', fig($rate{rotate}) . ' rows/s', fig($rate{update}) . ' rows/s');
	}
	else
	{
		$report->note('Not measured: rotate_master_key, which this version does not have.');
	}
	if (exists_routine('verify_keys'))
	{
		my %rate = in_turns(
			verify => sub { $largest / $cpu_seconds->("keys_$largest", 'SELECT count(*) FROM tarx_keys.verify_keys()') },
			scan => sub { $largest / $cpu_seconds->("keys_$largest", 'SELECT sum(length(k.ciphertext)) FROM tarx_keys.project_llm_keys k') });
		$report->row('verify_keys, by a sequential scan, in CPU time', ratio($rate{verify}, $rate{scan}), '', fig($rate{verify}) . ' rows/s', fig($rate{scan}) . ' rows/s');
		$report->row('verify_keys, rows per second and core', Report::median(@{ $rate{verify} }), '>= 300000', fig($rate{verify}) . ' rows/s', '');
	}
	else
	{
		$report->note('Not measured: verify_keys, which this version does not have.');
	}
	return;
}

sub measure_memory
{
	my ($contexts, $rss) = split /\|/, $cluster->ask('main', 'bench_runner', 'SELECT * FROM bench.memory_growth(100000)');
	my $statements = Cluster::spew("$work/memory.sql",
		"PREPARE q(bigint) AS SELECT r.key_value FROM tarx_keys.resolve_key(bench.uuid_of(0, \$1 / 10), bench.uuid_of(1, \$1)) r;\n"
		  . join('', map { "EXECUTE q($_);\n" } 0 .. 999)
		  . "SELECT 'memory', * FROM bench.memory();\nSELECT 'memory', * FROM bench.memory();\n"
		  . join('', map { 'EXECUTE q(' . $_ % $calls . ");\n" } 1 .. 100_000)
		  . "SELECT 'memory', * FROM bench.memory();\n");
	my @memory = map { [ (split /\|/)[ 1, 2 ] ] } grep { /^memory/ } split /\n/, $cluster->script('main', 'bench_runner', $statements);

	$report->section('Memory of a session after 100,000 calls of resolve_key, in bytes', 'Memory contexts', 'Private memory of the process');
	$report->row('memory, calls in one statement', $contexts, '<= 0', "$contexts bytes", "$rss kB");
	$contexts = $memory[2][0] - $memory[1][0];
	$rss = $memory[2][1] - $memory[1][1];
	$report->row('memory, calls in 100,000 statements', $contexts, '<= 0', "$contexts bytes", "$rss kB");
	return;
}

# Two more clusters, which differ in the library only
sub measure_library
{
	my $without = Cluster->new('without', conf => "shared_buffers = 256MB\n");
	my $script = Cluster::spew("$work/connect.sql", "SELECT 1;\n");

	$without->start;
	Cluster::run("$ENV{BENCH_BIN}/pgbench", '-i', '-q', '-s', '5', '-h', $without->{socket}, '-U', 'postgres', 'postgres');
	$without->ask('postgres', 'postgres', 'CHECKPOINT');
	$without->stop;
	my $with = Cluster->new('with', copy_of => $without,
		conf => Cluster::slurp("$work/stage/server.conf") . keyring_conf() . "shared_preload_libraries = 'tarx_keys'\n");
	my %clusters = (with => $with, without => $without);

	$report->section('The preloaded library, with it by without it', 'With', 'Without');
	my %start = in_turns(map { my $c = $clusters{$_}; ($_ => sub { my $s = $c->start; $c->stop; $s }) } keys %clusters);
	$report->row('start of the server', ratio($start{with}, $start{without}), '', fig($start{with}, 1000) . ' ms', fig($start{without}, 1000) . ' ms');
	$_->start foreach values %clusters;
	my %connect = in_turns(map { my $c = $clusters{$_}; ($_ => sub { 1000 / $c->tps('postgres', 'postgres', $script, args => ['-C']) }) } keys %clusters);
	$report->row('connection and SELECT 1', ratio($connect{with}, $connect{without}), '', fig($connect{with}) . ' ms', fig($connect{without}) . ' ms');
	foreach my $clients (1, 8)
	{
		my %tps = in_turns(map { my $c = $clusters{$_}; ($_ => sub { $c->tps('postgres', 'postgres', undef, args => ['-S'], clients => $clients) }) } keys %clusters);
		$report->row("pgbench -S, $clients client" . ($clients > 1 ? 's' : ''), ratio($tps{with}, $tps{without}), '>= 0.99', fig($tps{with}) . '/s', fig($tps{without}) . '/s');
	}
	$_->stop foreach values %clusters;
	return;
}

sub machine
{
	my ($cpu) = `grep -m1 'model name' /proc/cpuinfo` =~ /:\s*(.*)/;
	my ($memory) = `grep MemTotal /proc/meminfo` =~ /(\d+)/;

	return sprintf('%d CPUs (%s), %.0f GB', $sessions, $cpu || 'unknown', $memory / 1048576);
}

sub versions
{
	my $server = $cluster->ask('main', 'postgres', q{SELECT 'PostgreSQL ' || current_setting('server_version')});
	my $extension = $cluster->ask('main', 'postgres', q{SELECT extversion FROM pg_extension WHERE extname = 'tarx_keys'});

	$server =~ s/ \(.*//;
	return "$server, tarx_keys $extension";
}

$lookups{$_}{'value INTO result'} = "$lookups{$_}{value} INTO result" foreach keys %lookups;

progress('starting');
%jwts = write_issuers();
my $buffers = start_cluster();
write_scripts();
foreach my $size (@sizes)
{
	load_database("keys_$size", $size, $size / 10);
}
load_database('main', $calls, 0);
my $no_vault = load_extras();
my $loaded = time - $began;
progress('all is loaded');

my @names = ('resolve', 'plain', 'pgcrypto', 'one', $no_vault ? () : 'vault');
my %vars = (%jwts, token => $cluster->ask('main', 'postgres', 'SELECT token FROM bench.tokens LIMIT 1'));
$vars{vault_id} = $cluster->ask('main', 'postgres', 'SELECT id FROM bench.vault_keys LIMIT 1') if !$no_vault;

measure_round_trips(\@names, \%vars);
$report->note("Not measured: Vault, because $no_vault.") if $no_vault;
measure_inside(\@names);
measure_other_calls(\%vars);
measure_growth();
report_sizes();
measure_memory();
measure_maintenance();
measure_changes();
$cluster->stop;
$cluster->start;
my $versions = versions();
$cluster->stop;
measure_library();
progress('done');

my $heading = sprintf("%s, %s, %s. Tables of up to %s keys, shared buffers of %s; medians of %d rounds; %d minutes, of which loading took %.1f; the load average before was %s.\n",
	strftime('%Y-%m-%d', gmtime), machine(), $versions, Report::figure($most), $buffers, $rounds, (time - $began) / 60 + 0.5, $loaded / 60, $load);
my $text = $report->text($heading);
binmode STDOUT, ':encoding(UTF-8)';
print $text;
foreach my $file ([ 'results.md', $text ], [ 'summary.md', $report->summary($heading) ], [ 'speed.svg', $report->svg(strftime('%Y-%m-%d', gmtime) . ', ' . machine() . ", $versions") ])
{
	my ($name, $content) = @$file;
	utf8::encode($content);
	Cluster::spew("$ENV{BENCH_OUT}/$name", $content);
}
