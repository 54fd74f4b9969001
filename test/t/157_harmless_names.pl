# Statements that name anything of ours but a function that carries a value are
# logged as they are: the list of names that src/sensitive_text.c knows has them
# all. A name that it does not know is taken for a misspelt one.

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

my %carries_value = map { $_ => 1 } qw(add_llm_key create_platform_key login render_template
  resolve_agent_key resolve_key resolve_secret resolve_secrets set_secret
  models_request chat_request_base);
my @names = split /\n/, $node->safe_psql('postgres', q{
	SELECT proname FROM pg_proc WHERE pronamespace = 'tarx_keys'::regnamespace
	UNION SELECT relname FROM pg_class WHERE relnamespace = 'tarx_keys'::regnamespace AND relkind IN ('r', 'v')
	UNION SELECT split_part(name, '.', 2) FROM pg_settings WHERE name ~ '^tarx_keys\\.'});
my $start = log_size($node);
$node->safe_psql('postgres', join '', map { "SELECT 'tarx_keys.$_;';\n" } @names, 'misspelt');
my $log = log_since($node, $start);
my @redacted = grep { index($log, "statement: SELECT 'tarx_keys.$_;'") < 0 } @names, 'misspelt';

cmp_ok(scalar @names, '>', 80, 'there are names to look for');
is_deeply(
	\@redacted,
	[ (grep { $carries_value{$_} } @names), 'misspelt' ],
	'only names of functions that carry a value are redacted, and unknown ones');

$node->stop;
done_testing();
