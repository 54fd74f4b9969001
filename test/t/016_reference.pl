# What docs/reference.md lists is what there is, both ways: functions with their
# signatures, views and tables with their columns, settings, roles, SQLSTATEs,
# audit actions, kinds of sealed rows, events in log lines. And the checks of
# doctor() that docs/operations.md lists, what docs/security.md says is bound, and
# which functions carry a value.
#
# How the reference is read: a function is a row that begins with its signature,
# a view or table likewise, below a heading that says so. The other lists are
# the first columns of tables, found by the heading of the section and of that
# column.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use File::Find;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $checkout = "$FindBin::RealBin/../..";
# an arrow in ASCII, so that this file is
my $reference = slurp_file("$checkout/docs/reference.md") =~ s/\xe2\x86\x92/->/gr;
my $operations = slurp_file("$checkout/docs/operations.md");
my $security = slurp_file("$checkout/docs/security.md") =~ s/\xe2\x80\x93/none/gr;

# Rows that begin with name(...): signatures of functions, and of relations
sub signatures
{
	my $heading = '';
	my %found = (function => [], relation => []);

	foreach my $line (split /\n/, $reference)
	{
		$heading = $1 if $line =~ /^#+ (.*)/;
		next unless $line =~ /^\| `([a-z_]+\([^`]*)` \|/;
		push @{ $found{ $heading =~ /\b(?:views?|tables?)\b/i ? 'relation' : 'function' } }, $1;
	}
	return %found;
}

# What is in one list only is told; nothing may be in the reference twice.
sub same
{
	my ($in_reference, $there, $what) = @_;
	my %times;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	ok(@$there > 0, "$what: there are some");
	is(differences($there, $in_reference), '', "$what: the reference has these and no others (lost: it lacks; new: there is none)");
	$times{ s/\(.*//r }++ foreach @$in_reference;
	is(join(' ', grep { $times{$_} > 1 } sort keys %times), '', "$what: each once");
	return;
}

# All strings that a pattern finds in the files below src with this name
sub in_sources
{
	my ($name, $pattern) = @_;
	my %found;

	find(
		sub {
			return unless /$name/ && -f;
			# the text of comments is for people
			my $text = slurp_file($_) =~ s{/\*.*?\*/}{}gsr;
			$found{$1} = 1 while $text =~ /$pattern/g;
		},
		"$checkout/src");
	return sort keys %found;
}

my $node = new_node('reference', keyring => { master_key => hex_key('reference') });
$node->start;
install($node);

my %documented = signatures();

my @functions = split /\n/, $node->safe_psql(
	'postgres', q{
	SELECT p.proname || '(' || coalesce(i.list, '') || ')' ||
		   CASE WHEN p.prokind = 'p' THEN ''
		   ELSE ' -> ' || CASE WHEN p.proretset THEN 'setof ' ELSE '' END ||
				coalesce('(' || o.list || ')', '(' || t.list || ')', pg_temp.type(p.prorettype)) END
	  FROM pg_proc p,
		   LATERAL (SELECT string_agg(concat_ws(' ', p.proargnames[n], pg_temp.type(t),
												'DEFAULT ' || regexp_replace(pg_get_function_arg_default(p.oid, n::integer), '::[a-z ]+(\[\])?$', '')), ', ' ORDER BY n)
					  FROM unnest(p.proargtypes) WITH ORDINALITY AS a (t, n)) AS i (list),
		   LATERAL (SELECT string_agg(name || ' ' || pg_temp.type(t), ', ' ORDER BY n)
					  FROM unnest(p.proallargtypes, p.proargmodes, p.proargnames) WITH ORDINALITY AS a (t, mode, name, n)
					 WHERE mode IN ('o', 't')) AS o (list),
		   LATERAL (SELECT string_agg(a.attname || ' ' || pg_temp.type(a.atttypid), ', ' ORDER BY a.attnum)
					  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
					 WHERE c.reltype = p.prorettype AND c.relkind = 'c') AS t (list)
	 WHERE p.pronamespace = 'tarx_keys'::regnamespace
	 ORDER BY p.proname}
	  =~ s/^/CREATE FUNCTION pg_temp.type(oid) RETURNS text LANGUAGE sql AS 'SELECT replace(format_type(\$1, NULL), ''timestamp with time zone'', ''timestamptz'')';/r);
same($documented{function}, \@functions, 'functions and procedures');

my @relations = split /\n/, $node->safe_psql(
	'postgres', q{
	SELECT c.relname || '(' || string_agg(a.attname, ', ' ORDER BY a.attnum) || ')'
	  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
	 WHERE c.relnamespace = 'tarx_keys'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
	 GROUP BY c.oid, c.relname ORDER BY c.relname});
same($documented{relation}, \@relations, 'views and tables');

my @settings = split /\n/, $node->safe_psql(
	'postgres', q{SELECT name FROM pg_settings WHERE name LIKE 'tarx\_keys.%' ORDER BY name});
same([ first_cells($reference, 'Settings', 'Setting') ], \@settings, 'settings');

my @defaults = split /\n/, $node->safe_psql(
	'postgres', q{
	SELECT name || ' ' || CASE boot_val WHEN '' THEN 'none' ELSE boot_val END
	  FROM pg_settings WHERE name LIKE 'tarx\_keys.%' AND context <> 'internal' ORDER BY name});
same([ map { "$_->[0] $_->[1]" } grep { @$_ > 2 } rows_below($reference, 'Settings', 'Setting') ], \@defaults, 'their defaults');

my @roles = split /\n/, $node->safe_psql(
	'postgres', q{SELECT rolname FROM pg_roles WHERE rolname LIKE 'tarx\_keys\_%' ORDER BY rolname});
same([ first_cells($reference, 'Roles', 'Role') ], \@roles, 'roles');

my @states = grep { $_ ne 'TK000' } map { tr/', //dr } in_sources(qr/^errcodes\.h$/, qr/MAKE_SQLSTATE\(('T', *'K'[^)]*)\)/);
same([ grep { /^TK/ } first_cells($reference, 'Errors', 'SQLSTATE') ], \@states, 'SQLSTATEs');

my @events = in_sources(qr/\.c$/, qr/\.event = "([a-z_]+)"/);
same([ first_cells($reference, 'Log lines', 'Event') ], \@events, 'events');

my @actions = in_sources(qr/^audit_actions\.c$/, qr/^\t"([a-z_]+\.[a-z_]+)"/m);
same([ first_cells($reference, 'Audit actions', 'Action') ], \@actions, 'audit actions');

my @checks = split /\n/, $node->safe_psql(
	'postgres', 'SELECT DISTINCT check_name FROM tarx_keys.doctor() ORDER BY check_name');
same([ first_cells($operations, 'Doctor', 'Check') ], \@checks, 'checks of doctor()');

my @bound = split /\n/, $node->safe_psql(
	'postgres', q{
	SELECT table_name || ' ' || min(purpose) || ' ' ||
		   coalesce(string_agg(column_name, ', ' ORDER BY column_position) FILTER (WHERE use = 'unbound'), 'none')
	  FROM tarx_keys_internal.sealed_columns() GROUP BY table_name ORDER BY table_name});
same([ map { "@$_" } rows_below($security, 'How values are stored', 'Table') ], \@bound, 'what is not bound');

my ($verify_keys) = $reference =~ /^(\| `verify_keys\(.*)/m;
my @kinds = split /\n/, $node->safe_psql(
	'postgres', 'SELECT DISTINCT kind FROM tarx_keys_internal.sealed_columns() WHERE kind IS NOT NULL ORDER BY kind');
is(join(' ', grep { index($verify_keys, "`$_`") < 0 } @kinds), '', 'kinds of verify_keys()');

my ($carriers) = $security =~ /^(These functions take or return values.*?)\. /ms;
my @carriers = map { slurp_file($_) =~ /^-- carries a value\nCREATE FUNCTION tarx_keys\.(\w+)/mg } glob "$checkout/sql/[0-9]*.sql";
same([ $carriers =~ /`(\w+)`/g ], \@carriers, 'functions that carry a value');

done_testing();
