# ALTER EXTENSION UPDATE from each released version gives what a new installation
# of the newest does, and keeps rows and rights. Also from the present version to
# one that the test makes up, so that this is tested before there are two.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use File::Copy qw(copy);
use File::Path qw(make_path);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $source = "$FindBin::RealBin/../..";
my $dir = PostgreSQL::Test::Utils::tempdir;
my $value = 'sk-proj-update-0123456789abcdef0123456789';
my $control = slurp_file("$source/tarx_keys.control");
my ($current) = $control =~ /^default_version = '(.*)'/m or die 'no version';
my @released = grep { $_ ne $current }
  map { /--(.*)\.sql$/ } sort glob "$source/sql/released/*.sql";
my $next = "$current.test";
my $careless = "$current.careless";

# The version that is made up: something new of each kind, and something changed

my $new_objects = q{
CREATE TABLE tarx_keys.news (project_id uuid PRIMARY KEY REFERENCES tarx_keys.projects (id) ON DELETE CASCADE, what text);
REVOKE ALL ON tarx_keys.news FROM PUBLIC;
ALTER TABLE tarx_keys.news ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_in_project ON tarx_keys.news TO tarx_keys_owner
    USING (project_id = tarx_keys.current_project_id());
COMMENT ON TABLE tarx_keys.news IS 'New';
SELECT pg_catalog.pg_extension_config_dump('tarx_keys.news', '');
CREATE FUNCTION tarx_keys.version_of(project_id uuid) RETURNS text
    LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$SELECT 'new'$$;
REVOKE ALL ON FUNCTION tarx_keys.version_of FROM PUBLIC;
COMMENT ON FUNCTION tarx_keys.version_of IS 'New';
ALTER TABLE tarx_keys.projects ADD COLUMN colour text;
};
# Built-in providers: two that are changed, and two that are new
my ($new_providers) = slurp_file("$source/sql/30_providers.sql") =~ /^(CREATE VIEW tarx_keys_internal\.builtin_providers.*?);$/ms;
$new_providers =~ s/^CREATE/CREATE OR REPLACE/;
$new_providers =~ s/'Mistral', (\d+), 'https:..api.mistral.ai/'Mistral, new', $1, 'https:\/\/new.mistral.example/ or die;
$new_providers =~ s/'OpenAI'/'OpenAI, new'/ or die;
$new_providers .= ",\n    ('$_', '$_, built in', 30, 'https://new.$_.example', false, false, NULL, '', NULL, '{}', '{}',"
  . " 'Authorization', 'Bearer', '{}', '/models', false, NULL, NULL, '', NULL, NULL, '{}')"
  foreach qw(acme nova);
$new_objects .= "$new_providers;\n";
# What doctor() expects is what was expected, and this; not what somebody else made.
my $new_expected = q{
DO $$
BEGIN
    EXECUTE format('CREATE OR REPLACE FUNCTION tarx_keys_internal.doctor_expected() RETURNS TABLE (kind text, table_name text, name text, definition text) '
                   'LANGUAGE sql STABLE PARALLEL RESTRICTED AS %L',
                   (SELECT 'VALUES ' || string_agg(format('(%L, %L, %L, %L)', p.kind, p.table_name, p.name, p.definition), ', ' ORDER BY p.kind, p.table_name, p.name)
                      FROM (SELECT * FROM tarx_keys_internal.doctor_expected()
                            UNION ALL
                            SELECT kind, table_name, name, definition FROM tarx_keys_internal.doctor_present() WHERE table_name = 'tarx_keys.news') p));
END
$$;
};
my $new_grants = q{
GRANT EXECUTE ON FUNCTION tarx_keys.version_of TO tarx_keys_backend;
};
# A new installation does this for all, see sql/80_ownership.sql. The grants are
# what lets the initial privileges, which dumps are compared with, name the owner.
my $new_owners = q{
ALTER TABLE tarx_keys.news OWNER TO tarx_keys_owner;
GRANT ALL ON tarx_keys.news TO tarx_keys_owner;
ALTER FUNCTION tarx_keys.version_of OWNER TO tarx_keys_owner;
GRANT ALL ON FUNCTION tarx_keys.version_of TO tarx_keys_owner;
};

sub script_of_next
{
	my $script = '';

	foreach my $part (sort glob "$source/sql/[0-9]*.sql")
	{
		$script .= $new_objects if $part =~ /78_doctor\.sql/;
		$script .= slurp_file($part);
	}
	return $script . $new_grants;
}

# A directory of its own for the extension's files, with the library; where no setting
# says where they are, a server of its own

my $setting = shell_output('extension_setting');
my $server = '';
if ($setting eq 'none')
{
	$server = "$dir/server";
	shell_output("copy_server '$server'");
}

sub pg_path
{
	my ($what) = @_;
	my ($path) = run_command([ $server ? "$server/bin/pg_config" : 'pg_config', "--$what" ]);
	return $server ? $path : "$dir$path";
}

my ($share, $lib) = (pg_path('sharedir'), pg_path('pkglibdir'));
make_path("$share/extension", $lib);

sub put
{
	my ($name, $text) = @_;
	append_to_file("$share/extension/$name", $text);
	return;
}

put('tarx_keys.control', $control);
put("tarx_keys--$next.sql", script_of_next());
put("tarx_keys--$current--$next.sql", $new_objects . $new_expected . $new_owners . $new_grants);
put("tarx_keys--$current--$careless.sql", $new_objects);
foreach my $file ("$source/sql/tarx_keys--$current.sql",
	(map { "$source/sql/released/tarx_keys--$_.sql" } @released),
	glob "$source/sql/updates/*.sql")
{
	copy($file, "$share/extension/") or die "could not copy \"$file\": $!";
}
copy("$source/tarx_keys.so", "$lib/") or die "could not copy the library: $!";
chmod 0755, "$lib/tarx_keys.so";

my $node = new_node(
	'update',
	keyring => { master_key => hex_key('update') },
	new => $server ? { install_path => $server } : {});
$node->append_conf('postgresql.conf', {
	extension_destdir => "extension_destdir = '$dir'\n",
	extension_control_path => "extension_control_path = '$share:\$system'\n",
	none => '' }->{$setting} . "dynamic_library_path = '$lib:\$libdir'");
$node->start;
# From the beginning there is another database, of which doctor() speaks.
$node->safe_psql('postgres', 'CREATE DATABASE another');
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION tarx_keys;
	CREATE ROLE service LOGIN IN ROLE tarx_keys_backend;
	CREATE ROLE runner LOGIN IN ROLE tarx_keys_agent;
	CREATE ROLE auditor LOGIN;});

# Rows of providers that are the owner's: one that is edited, and one that is added
my $own_providers = q{
	INSERT INTO tarx_keys.custom_providers
		SELECT (jsonb_populate_record(NULL::tarx_keys.custom_providers, to_jsonb(p) || '{"label": "Mistral (ours)"}')).*
		FROM tarx_keys.providers p WHERE slug = 'mistral';
	INSERT INTO tarx_keys.custom_providers (slug, label, default_base_url, models_path)
		VALUES ('acme', 'Acme (ours)', 'https://acme.example', '/ours');};
my $providers = q{
	SELECT slug, label, default_base_url, models_path, is_builtin FROM tarx_keys.providers
	WHERE slug IN ('mistral', 'acme') ORDER BY slug DESC};
my $own = "mistral|Mistral (ours)|https://api.mistral.ai/v1|/models|f\nacme|Acme (ours)|https://acme.example|/ours|f";

# They stay as they are, but for where keys of a provider go that is built in by then.
sub kept_in
{
	my ($version) = @_;
	return $own if $version eq $current;
	return $own =~ s/api.mistral/new.mistral/r =~ s/mistral.ai/mistral.example/r =~ s/acme.example/new.acme.example/r;
}

# All that the catalogs say of the extension's objects, and what doctor() says,
# one a line; columns by name, for an update can only put a new one at the end.
sub catalogs
{
	my ($db) = @_;

	return split /\n/, $node->safe_psql(
		$db, q{
		SET search_path = pg_catalog;
		CREATE TEMP VIEW members AS
			SELECT classid, objid FROM pg_depend
			WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
				AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'tarx_keys');
		CREATE TEMP VIEW member_tables AS
			SELECT c.* FROM pg_class c JOIN members ON classid = 'pg_class'::regclass AND objid = c.oid;
		SELECT 'member', pg_describe_object(classid, objid, 0),
			obj_description(objid, classid::regclass::name) FROM members ORDER BY 2;
		SELECT 'init privileges', pg_describe_object(m.classid, m.objid, i.objsubid), i.initprivs
			FROM members m JOIN pg_init_privs i ON i.classoid = m.classid AND i.objoid = m.objid ORDER BY 2;
		SELECT 'function', p.oid::regprocedure, pg_get_functiondef(p.oid), p.proowner::regrole, p.proacl, p.probin
			FROM pg_proc p JOIN members ON classid = 'pg_proc'::regclass AND objid = p.oid ORDER BY 2;
		SELECT 'relation', oid::regclass, relkind, relowner::regrole, relacl, reloptions, relrowsecurity,
			relforcerowsecurity, pg_get_viewdef(oid) FROM member_tables ORDER BY 2;
		SELECT 'column', attrelid::regclass, attname, format_type(atttypid, atttypmod), attcollation::regcollation,
			attnotnull, attstattarget, attstorage, attacl, pg_get_expr(adbin, adrelid), col_description(attrelid, attnum)
			FROM pg_attribute JOIN member_tables c ON attrelid = c.oid
			LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
			WHERE attnum > 0 AND NOT attisdropped ORDER BY 2, 3;
		SELECT 'constraint', conrelid::regclass, conname, pg_get_constraintdef(n.oid)
			FROM pg_constraint n JOIN member_tables c ON conrelid = c.oid ORDER BY 2, 3;
		SELECT 'index', indexrelid::regclass, pg_get_indexdef(indexrelid)
			FROM pg_index JOIN member_tables c ON indrelid = c.oid ORDER BY 2;
		SELECT 'policy', schemaname, tablename, policyname, permissive, roles, cmd, qual, with_check
			FROM pg_policies WHERE schemaname = 'tarx_keys' ORDER BY 3, 4;
		SELECT 'trigger', tgrelid::regclass, pg_get_triggerdef(t.oid)
			FROM pg_trigger t JOIN member_tables c ON tgrelid = c.oid WHERE NOT tgisinternal ORDER BY 2, 3;
		SELECT 'schema', nspowner::regrole, nspacl FROM pg_namespace WHERE nspname = 'tarx_keys';
		SELECT 'dumped', r::oid::regclass, c FROM pg_extension, unnest(extconfig, extcondition) AS u (r, c)
			WHERE extname = 'tarx_keys' ORDER BY 2;
		SELECT 'extension', extversion, extrelocatable FROM pg_extension WHERE extname = 'tarx_keys';
		SELECT 'provider', * FROM tarx_keys.providers
			WHERE is_builtin AND slug NOT IN ('mistral', 'acme') ORDER BY slug;
		SELECT 'doctor', check_name, severity, finding FROM tarx_keys.doctor()
			WHERE check_name <> 'providers';});
}

# Users' own rights, which no catalogs of a new installation have
my $grants = q{
	GRANT USAGE ON SCHEMA tarx_keys TO auditor;
	GRANT SELECT ON tarx_keys.audit_log TO auditor;
	GRANT EXECUTE ON FUNCTION tarx_keys.keyring_status() TO auditor;
	REVOKE SELECT ON tarx_keys.llm_keys FROM tarx_keys_login;};
my $no_grants = q{
	REVOKE USAGE ON SCHEMA tarx_keys FROM auditor;
	REVOKE SELECT ON tarx_keys.audit_log FROM auditor;
	REVOKE EXECUTE ON FUNCTION tarx_keys.keyring_status() FROM auditor;
	GRANT SELECT ON tarx_keys.llm_keys TO tarx_keys_login;};
my $has_grants = q{
	SELECT has_schema_privilege('auditor', 'tarx_keys', 'USAGE'),
		has_table_privilege('auditor', 'tarx_keys.audit_log', 'SELECT'),
		has_function_privilege('auditor', 'tarx_keys.keyring_status()', 'EXECUTE'),
		has_table_privilege('tarx_keys_login', 'tarx_keys.llm_keys', 'SELECT')};

sub fresh
{
	my ($version) = @_;
	my $db = "fresh $version";

	$node->safe_psql('postgres', qq{CREATE DATABASE "$db"});
	$node->safe_psql($db, "CREATE EXTENSION tarx_keys VERSION '$version'; $grants $no_grants");
	return catalogs($db);
}

# Update a database with the story in it; returns its catalogs.
sub update
{
	my ($from, $to) = @_;
	my ($test, $db) = ("$from to $to", "$from $to");

	$node->safe_psql('postgres', qq{CREATE DATABASE "$db"});
	$node->safe_psql($db, "CREATE EXTENSION tarx_keys VERSION '$from'; $grants");
	ask_ok(
		$node, 'service', qq{
		SELECT tarx_keys.act_as('alice');
		SELECT tarx_keys.create_project('Story', '$PROJECT')}, $db);
	my $key = add_key($node, 'old', $value, $db);
	$node->safe_psql($db, $own_providers);
	# a session that stays connected has plans of the old version
	my $session = $node->background_psql($db, on_error_stop => 0, extra_params => [ '-U', 'runner' ]);
	is($session->query(resolve_sql($key)), $value, "$test: a key of $from resolves before");

	# A dump does not say of which version it is.
	$node->safe_psql('postgres', qq{CREATE DATABASE "$db restored"});
	$node->safe_psql("$db restored", "CREATE EXTENSION tarx_keys VERSION '$to'");
	$node->command_ok([ 'pg_dump', '-f', "$dir/dump.sql", '-d', $node->connstr($db) ],
		"$test: a dump of $from");
	is($node->psql("$db restored", slurp_file("$dir/dump.sql"), on_error_stop => 1),
		0, "$test: restores into $to");
	is(ask_ok($node, 'runner', resolve_sql($key), "$db restored"), $value,
		"$test: where its key resolves");
	is($node->safe_psql("$db restored", $providers), kept_in($to), "$test: and the owner's providers are");

	$node->safe_psql($db, "ALTER EXTENSION tarx_keys UPDATE TO '$to'");
	is($session->query(resolve_sql($key)), $value, "$test: and after the update, in the same session");
	is($node->safe_psql($db, $providers), kept_in($to), "$test: the owner's providers are kept");
	is( $node->safe_psql($db, q{
			SELECT slug, (SELECT severity FROM tarx_keys.doctor() WHERE check_name = 'providers' AND finding ~ slug)
			FROM unnest(ARRAY['mistral', 'acme']) slug}),
		$to eq $current ? "mistral|info\nacme|" : "mistral|warning\nacme|warning",
		"$test: doctor() names those that are built in by then");
	$session->quit;
	is(ask_ok($node, undef, "SELECT ok FROM tarx_keys.verify_audit('$PROJECT')", $db),
		't', "$test: the audit log verifies");
	like(add_key($node, 'new', $value, $db), qr/^[0-9a-f-]{36}$/, "$test: adding works");
	is($node->safe_psql($db, $has_grants), 't|t|t|f', "$test: users' rights are kept");
	$node->safe_psql($db, $no_grants);
	return catalogs($db);
}

my @fresh = fresh($current);
foreach my $version (@released)
{
	is(differences(\@fresh, [ update($version, $current) ]),
		'', "$version to $current: the same as a new installation");
}

my @fresh_next = fresh($next);
isnt(differences(\@fresh, \@fresh_next), '', 'the version that is made up is another one');
is(join("\n", grep { /^doctor\|[a-z_]+\|critical/ } @fresh_next), '', 'where nothing is critical');
is(differences(\@fresh_next, [ update($current, $next) ]),
	'', "$current to $next: the same as a new installation");
my $forgotten = differences(\@fresh_next,
	[ map { s/\Q$careless\E/$next/r } update($current, $careless) ]);
like($forgotten, qr/^lost: relation\|tarx_keys.news/m, 'an update that forgets owner and grants is found out');
like(
	$forgotten,
	qr/^new: doctor\|policies\|critical\|policy owner_in_project on table tarx_keys.news is not/m,
	'and one that does not tell doctor() of a policy');
$node->stop;

# Whoever changes a script that is released is told so.

my $copy = "$dir/copy";
make_path("$copy/sql/released");
copy("$source/$_", "$copy/") foreach qw(Makefile tarx_keys.control);
copy($_, "$copy/sql/") foreach glob "$source/sql/[0-9]*.sql";
delete local @ENV{qw(MAKEFLAGS MAKELEVEL MFLAGS)};
my @make = ('make', '-s', '-C', $copy);
command_ok([ @make, 'freeze' ], 'a version is frozen');
is( slurp_file("$copy/sql/released/tarx_keys--$current.sql"),
	slurp_file("$source/sql/tarx_keys--$current.sql"),
	'as it is');
unlink "$copy/sql/tarx_keys--$current.sql";
append_to_file("$copy/sql/90_grants.sql", "-- changed\n");
command_fails_like([ @make, "sql/tarx_keys--$current.sql" ],
	qr/is released: raise default_version/, 'and changes no more');

done_testing();
