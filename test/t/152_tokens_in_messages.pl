# No message to the client has a platform key or a run ticket in it: one goes into every
# argument of every function in which a text can stand, right and wrong, alone and
# within what people paste, in every role, and whatever the server then says, to the
# most talkative client, is searched for it. What PostgreSQL says itself is named here.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $node = new_node('messages', keyring => { master_key => hex_key('a') });
$node->start;
install($node);
$node->safe_psql('postgres', 'CREATE ROLE web LOGIN IN ROLE tarx_keys_login');
my $key = add_key($node, 'key', 'sk-proj-0123456789abcdefghijklmnopqrstuv');
my ($id, $token) = split /\|/, ask_ok($node, 'service', q{
	SELECT tarx_keys.act_as('alice');
	SELECT * FROM tarx_keys.create_platform_key('laptop')});
my ($agent, $superuser) = (
	ask_ok($node, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.create_agent('$PROJECT', 'agent', '$key')"),
	$node->safe_psql('postgres', 'SELECT current_user'));
ask_ok($node, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.set_secret('$PROJECT', 'NAME', 'value')");

# What could be another key; what differs in its last character only is no token at all
my $unknown = 'sk-tarx-ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopq13R1ia';
my @tokens = ($token, $unknown, substr($token, 0, -1) . (substr($token, -1) eq 'a' ? 'b' : 'a'));

# A ticket, one that is none any more, and what is as short as a name
my $ticket = ask_ok($node, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.issue_run_ticket('$PROJECT', '$agent', secret_names => '{NAME}')");
my @tickets = ($ticket, substr($ticket, 0, -4), 'tarx-run-ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_0123456789');

# Nobody needs more of them than this to know them. A ticket begins with the master key's fingerprint.
my $secret = join '|', (map { quotemeta substr($_, 14, 20) } @tokens), map { quotemeta substr($_, 30, 20) } @tickets;

my @forms = (
	'%s', ' %s', "%s\n", 'Bearer %s', 'Authorization: Bearer %s', 'TARX_KEY=%s', '"%s"', '{"key": "%s"}',
	'${secrets.%s}', '${%s', 'https://%s', 'https://%s.example.com', 'https://x.example.com/%s',
	'https://%s:x@example.com', 'http://%s', '%s%%00', 'pg_catalog.%s', "%s\x{1}");

# Arguments that reach beyond the first check
my %by_name = (
	project_id => "'$PROJECT'::uuid", key_id => "'$key'::uuid", id => "'$id'::uuid",
	agent_id => "'$agent'::uuid", from_key_id => "'$key'::uuid", to_key_id => "'$key'::uuid",
	provider => "'openai_compatible'::text", base_url => "'https://x.example.com/v1'::text", role => "'member'::text", kind => "'llm_key'::text",
	key_value => "'sk-proj-0123456789abcdefghijklmnopqrstuv'::text", ticket => "'$ticket'::text");
my %by_type = (
	uuid => "'$PROJECT'::uuid", text => "'NAME'::text", name => "'runner'::name", integer => '1', bigint => '1', boolean => 'true',
	bytea => q{'\\x01'::bytea}, jsonb => "'{}'::jsonb", interval => "interval '1 s'", timestamptz => "(now() + interval '1 day')", date => 'current_date',
	'text[]' => "'{NAME}'::text[]", 'uuid[]' => "'{$PROJECT}'::uuid[]");
my %as_type = (
	text => ['%s::text'],
	name => ['%s::name'],
	'text[]' => ['ARRAY[%s]::text[]'],
	bytea => ['convert_to(%s, \'UTF8\')'],
	jsonb => [
		'to_jsonb(%s::text)', 'jsonb_build_object(%s::text, 1)',
		(map { "jsonb_build_object('$_', %s::text)" } qw(name priority expires_at provider base_url headers)),
		"jsonb_build_object('allowed_models', ARRAY[%s])",
		"jsonb_build_object('headers', jsonb_build_object('x-a', %s::text))",
		"jsonb_build_object('headers', jsonb_build_object(%s::text, 'x'))",
		"jsonb_build_object('headers', jsonb_build_object(%s::text, 1))" ]);

# Name, argument types and names, kind
my @functions = map { my @f = split /\|/, $_, -1; \@f } split /\n/, $node->safe_psql(
	'postgres', q{
	SELECT p.proname,
		   (SELECT coalesce(string_agg(replace(format_type(t, NULL), 'timestamp with time zone', 'timestamptz'), ',' ORDER BY n), '')
			  FROM unnest(p.proargtypes) WITH ORDINALITY AS a (t, n)),
		   coalesce(array_to_string(p.proargnames[1:p.pronargs], ','), ''), p.prokind
	  FROM pg_proc p
	 WHERE p.pronamespace = 'tarx_keys'::regnamespace AND p.pronargs > 0
	 ORDER BY p.oid::regprocedure::text COLLATE "C"});
my @takers = grep { $_->[1] =~ /text|bytea|jsonb/ } @functions;
cmp_ok(scalar @takers, '>', 25, 'there are functions that take a text');

sub quote
{
	my ($text) = @_;
	$text =~ s/([\\'])/\\$1/g;
	$text =~ s/([\x00-\x1f])/sprintf('\\x%02x', ord($1))/ge;
	return "E'$text'";
}

sub call
{
	my ($f, @args) = @_;
	return ($f->[3] eq 'p' ? 'CALL ' : 'SELECT * FROM ') . "tarx_keys.$f->[0](" . join(', ', @args) . ');';
}

# All calls of a function with this text: in each place, and in all at once; twice, so
# that there is something of the same name
sub calls
{
	my ($f, $text) = @_;
	my @types = split /,/, $f->[1];
	my @names = split /,/, $f->[2];
	my @usual = map { $by_name{ $names[$_] } || $by_type{ $types[$_] } || die "no value of type $types[$_]" } 0 .. $#types;
	# a ticket is for an agent or for a key
	$usual[-1] = 'NULL' if $f->[0] eq 'issue_run_ticket';
	my @places = grep { $as_type{ $types[$_] } } 0 .. $#types;
	my @calls;

	foreach my $place (@places)
	{
		foreach my $way (@{ $as_type{ $types[$place] } })
		{
			my @args = @usual;
			$args[$place] = sprintf($way, quote($text));
			push @calls, (call($f, @args)) x 2;
		}
	}
	if (@places > 1)
	{
		my @args = @usual;
		$args[$_] = sprintf($as_type{ $types[$_] }[0], quote($text)) foreach @places;
		push @calls, (call($f, @args)) x 2;
	}
	return @calls;
}

# All that the server says to a client of a role about some statements, in a
# transaction that is rolled back. LINE is psql's own, of what it has sent.
sub messages_of
{
	my ($role, @calls) = @_;
	my @begin = $role eq 'web' ? ("SELECT tarx_keys.login('$token');")
	  : $role eq 'runner' ? ()
	  : $role eq 'runner in a run' ? ("SELECT tarx_keys.enter_run('$ticket');")
	  : ("SELECT tarx_keys.act_as('alice');");
	my ($out, $err);
	local $ENV{PGCLIENTENCODING} = 'UTF8';

	$node->psql(
		'postgres',
		join("\n", 'SET SESSION AUTHORIZATION ' . $role =~ s/ .*//r . ';', 'SET client_min_messages = debug5;', 'BEGIN;', @begin, @calls, 'ROLLBACK;'),
		stdout => \$out,
		stderr => \$err,
		on_error_stop => 0,
		extra_params => [ '-v', 'VERBOSITY=verbose', '-v', 'SHOW_CONTEXT=always', '-v', 'ON_ERROR_ROLLBACK=on' ]);
	return $err =~ s/^LINE \d+: .*\n.*\n//mgr;
}

# A hundred in a transaction: each message about it names all of them that are over.
sub messages
{
	my ($role, @calls) = @_;
	my $messages = '';

	$messages .= messages_of($role, splice(@calls, 0, 100)) while @calls;
	return $messages;
}

my %seen;

# A superuser may call all of them; to others most say what they say to all
my @short = (@tokens, @tickets);
my @texts = (@short, map { my $form = $_; map { sprintf($form, $_) } $token, $tickets[2] } @forms);
foreach my $role ($superuser, 'service', 'web', 'runner', 'runner in a run')
{
	my @leaks;

	foreach my $f (@takers)
	{
		my $messages = messages($role, map { calls($f, $_) } $role eq $superuser ? @texts : @short);

		$seen{$1}++ while $messages =~ /ERROR:  ([0-9A-Z]{5}):/g;
		push @leaks, map { "$f->[0]: $_" } grep { /$secret/i } split /\n/, $messages;
	}
	is(join("\n", @leaks[ 0 .. ($#leaks < 20 ? $#leaks : 20) ]), '', "$role: no message has a token or a ticket");
}
note(join ', ', map { "$_ $seen{$_}" } sort keys %seen);
ok($seen{22023} && $seen{TK010} && $seen{TK013} && $seen{TK016} && $seen{42501}, 'there were messages of many kinds');

# In place of an id the server's own type has the first word, and says what it was
# given. Our functions are not called then.
foreach my $f (grep { $_->[1] =~ /uuid/ } @functions)
{
	my @types = split /,/, $f->[1];
	my ($place) = grep { $types[$_] eq 'uuid' } 0 .. $#types;
	next unless defined $place;
	my @args = map { 'NULL' } @types;
	my @said;
	foreach my $given ($token, $ticket)
	{
		$args[$place] = quote($given);
		push @said, grep { /$secret/i } split /\n/, messages('service', call($f, @args));
	}

	is(scalar(grep { !/^psql:\S+ ERROR:  22P02: invalid input syntax for type uuid: "(?:\Q$token\E|\Q$ticket\E)"$/ } @said), 0,
		"$f->[0]: PostgreSQL's own error has it, and no other");
}

$node->stop;
done_testing();
