# Which names redaction knows: statements that name anything of ours but what may
# carry a value are logged as they are, and a name that is not known is taken for a
# misspelt one. "-- carries a value" in the SQL parts says which functions take or
# return one; each of them marks the statement that runs it. Other functions that
# change or resolve something may get one by mistake. The setting that is the master
# key is one.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $node = new_node('names',
	keyring => { master_key => hex_key('a') },
	conf => "log_statement = all\n");
$node->start;
install($node);

my $parts = join '', map { slurp_file($_) } glob("$FindBin::RealBin/../../sql/[0-9]*.sql");
my @carriers = sort($parts =~ /^-- carries a value\nCREATE FUNCTION tarx_keys\.(\w+)/mg);
my %carries_value = map { $_ => 1 } @carriers;
my $marked_lines = () = $parts =~ /carries a value/g;

cmp_ok(scalar @carriers, '>=', 11, 'there are functions that carry a value');
is(scalar @carriers, $marked_lines, 'each such line stands before a function');

# Who adds a function with such an argument or result may forget the line
my @values = split /\n/, $node->safe_psql('postgres', q{
	SELECT proname FROM pg_proc
	WHERE pronamespace = 'tarx_keys'::regnamespace
		AND proargnames && ARRAY['key_value', 'value', 'token', 'headers']});
is_deeply([ grep { !$carries_value{$_} } @values ],
	[], 'every function whose arguments or results are named like values carries one');

my @takers = grep { !$carries_value{$_} } split /\n/, $node->safe_psql('postgres', q{
	SELECT DISTINCT proname FROM pg_proc
	WHERE pronamespace = 'tarx_keys'::regnamespace AND provolatile = 'v' AND pronargs > 0 AND proname <> 'act_as'});
my %is_sensitive = map { $_ => 1 } @carriers, @takers, 'master_key';

cmp_ok(scalar @takers, '>=', 28, 'there are others that may get one by mistake');

# Texts
my @names = split /\n/, $node->safe_psql('postgres', q{
	SELECT proname FROM pg_proc WHERE pronamespace = 'tarx_keys'::regnamespace
	UNION SELECT relname FROM pg_class WHERE relnamespace = 'tarx_keys'::regnamespace AND relkind IN ('r', 'v')
	UNION SELECT split_part(name, '.', 2) FROM pg_settings WHERE name ~ '^tarx_keys\\.'});
my $start = log_size($node);
$node->safe_psql('postgres', join '', map { "SELECT 'tarx_keys.$_;';\n" } @names, 'misspelt');
my $log = log_since($node, $start);
my @redacted = grep { index($log, "statement: SELECT 'tarx_keys.$_;'") < 0 } @names, 'misspelt';

cmp_ok(scalar @names, '>', 70, 'there are names to look for');
is_deeply(
	\@redacted,
	[ (grep { $is_sensitive{$_} } @names), 'misspelt' ],
	'only names of what may carry a value are redacted, and unknown ones');

# Calls that neither the statement's text nor a plan names. PL/pgSQL evaluates
# the expression itself; it has parsed it in the call before.
my %nargs = map { split /\|/ } split /\n/, $node->safe_psql('postgres',
	q{SELECT proname, pronargs FROM pg_proc WHERE pronamespace = 'tarx_keys'::regnamespace});
my ($create, $call) = ('', '');

for my $n (0 .. $#carriers)
{
	my $args = join ', ', ('NULL') x $nargs{ $carriers[$n] };

	$create .= qq{
		CREATE FUNCTION public.wrapper_$n() RETURNS void LANGUAGE plpgsql AS \$\$
		DECLARE
			result text;
		BEGIN
			result := tarx_keys.$carriers[$n]($args);
		EXCEPTION WHEN OTHERS THEN
		END \$\$;};
	$call .= "SELECT public.wrapper_$n();\n";
}
$start = log_size($node);
$node->safe_psql('postgres', "$create\n${call}SET log_min_duration_statement = 0;\n$call");
my @said = log_since($node, $start) =~ /duration: .* ms +<redacted: tarx_keys\.(\w+)>/g;

is_deeply(\@said, \@carriers, 'each of them marks the statement when it runs');

$node->stop;
done_testing();
