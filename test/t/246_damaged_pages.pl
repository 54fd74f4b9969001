# A page on the disk is damaged, and data checksums notice: whatever needs it fails with
# PostgreSQL's error, whatever does not returns what it should, and when the page is back
# everything is. Nothing says "there is no such key" because of a page.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;
use Faults;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $file = write_private("$dir/keys", hex_key('a'));
my $node = new_node(
	'damaged_pages',
	init => { extra => [ '--encoding=UTF8', '--locale=C', '--data-checksums' ] },
	keyring => { master_key_file => $file },
	conf => "autovacuum = off\nlog_statement = all\n");
$node->start;
my $story = new_story($node);
my $other = '22222222-2222-4222-8222-222222222222';

# More keys than a page takes; and another project, whose rows come last
$node->safe_psql('postgres', qq{
	SET ROLE tarx_keys_backend;
	BEGIN;
	SELECT tarx_keys.act_as('alice', '$PROJECT');
	SELECT count(tarx_keys.add_llm_key('$PROJECT', 'openai', 'many ' || i, '} . value_of('many') . q{-' || i)) FROM generate_series(1, 60) i;
	COMMIT});
ask_ok($node, 'service', qq{
	SELECT tarx_keys.act_as('carol');
	SELECT tarx_keys.create_project('Other', '$other');
	SELECT tarx_keys.set_secret('$other', 'SAFE', 'safe')});
my $other_key = ask_ok($node, 'service', qq{
	SELECT tarx_keys.act_as('carol');
	SELECT tarx_keys.add_llm_key('$other', 'openai', 'other', '} . value_of('other') . q{')});
my %value = map { split /\|/ } split /\n/, $node->safe_psql('postgres', qq{
	SELECT r.key_id, r.key_value FROM tarx_keys.project_llm_keys k, tarx_keys.resolve_key(k.project_id, k.id) r});
my $start = log_size($node);

# Change a page of a relation on the disk, or give it back as it was; the server does not
# run meanwhile, so that no memory has the page.
sub flip_page
{
	my ($path, $block) = @_;
	my $bytes;

	open(my $fh, '+<:raw', $path) or die "could not open \"$path\": $!";
	seek($fh, $block * 8192 + 4096, 0) or die $!;
	read($fh, $bytes, 4096) == 4096 or die "\"$path\" has no block $block";
	$bytes = ~$bytes;
	seek($fh, $block * 8192 + 4096, 0) or die $!;
	print $fh $bytes;
	close($fh) or die "could not write \"$path\": $!";
	return;
}

# Do something while a page is damaged.
sub with_damage
{
	my ($relation, $block, $look) = @_;
	my $path = $node->data_dir . '/' . $node->safe_psql('postgres', "SELECT pg_relation_filepath('$relation')");

	$node->stop;
	flip_page($path, $block);
	$node->start;
	$look->("$relation is damaged");
	$node->stop;
	# unless $look has had it made again
	flip_page($path, $block) if -e $path;
	$node->start;
	story_holds($node, $story, "$relation is whole again");
	all_verifies($node, "$relation is whole again");
	return;
}

# Those to whom the page does not matter
sub others_go_on
{
	my ($test) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is(ask_ok($node, 'runner', "SELECT key_value FROM tarx_keys.resolve_key('$other', '$other_key')"), $value{$other_key},
		"$test: another project's key resolves");
	is(ask_ok($node, 'runner', "SELECT tarx_keys.resolve_secret('$other', 'SAFE')"), 'safe', "$test: its secret, too");
	return;
}

# A CALL that commits cannot be in a transaction.
sub state_is_outside
{
	my ($cluster, $sql, $state, $test) = @_;
	my ($status, $out, $err) = $cluster->psql('postgres', $sql, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is(state_of($err), $state, $test) or diag($err);
	return;
}

# Keys

my %on_page = map { split /\|/ } split /\n/, $node->safe_psql('postgres',
	q{SELECT id, (ctid::text::point)[0]::int FROM tarx_keys.project_llm_keys});
my @hit = grep { $on_page{$_} == 0 } sort keys %on_page;
my @safe = grep { $on_page{$_} != 0 } sort keys %on_page;
cmp_ok(scalar(@hit), '>', 5, 'the first page has keys');
cmp_ok(scalar(@safe), '>', 20, 'so have others');
isnt($on_page{$other_key}, 0, 'that of the other project is not on it');

with_damage('tarx_keys.project_llm_keys', 0, sub {
	my ($test) = @_;
	my $not_safe = '';

	# each by itself: PostgreSQL's error, or the right value
	foreach my $id (@hit[ 0 .. 4 ])
	{
		my ($status, $out, $err) = ask($node, 'runner', resolve_sql($id));
		$not_safe .= "$id: $out$err\n" unless state_of($err) eq 'XX001' && $out eq '' && $err =~ /invalid page in block 0/;
	}
	is($not_safe, '', "$test: a key on the page is XX001");
	is( $node->safe_psql('postgres', join ';', map { resolve_sql($_) } grep { $_ ne $other_key } @safe),
		join("\n", map { $value{$_} } grep { $_ ne $other_key } @safe),
		"$test: keys on other pages resolve");
	state_is($node, 'runner', "SELECT count(*) FROM tarx_keys.resolve_keys('$PROJECT', '{$hit[0],$safe[0]}')", 'XX001', "$test: both together are XX001");
	state_is($node, 'service', "SELECT tarx_keys.act_as('alice', '$PROJECT'); SELECT count(*) FROM tarx_keys.llm_keys", 'XX001', "$test: so is the list");
	state_is($node, undef, 'SELECT count(*) FROM tarx_keys.verify_keys()', 'XX001', "$test: and verify_keys()");
	like($node->safe_psql('postgres', q{SELECT severity, finding FROM tarx_keys.doctor(true) WHERE check_name = 'rows'}),
		qr/^warning\|could not be checked: invalid page in block 0 .* \(XX001\)$/, "$test: doctor() says so, and goes on");
	others_go_on($test);

	# a rotation ends there, and what it has done is good
	write_private($file, hex_key('b') . "\n" . hex_key('a'));
	reload_keyring($node);
	state_is_outside($node, 'CALL tarx_keys.rotate_master_key(1)', 'XX001', "$test: a rotation is XX001");
	others_go_on("$test, rotated by half");
});
$node->safe_psql('postgres', 'CALL tarx_keys.rotate_master_key()');
is($node->safe_psql('postgres', 'SELECT sum(remaining) FROM tarx_keys.rotation_progress'), 0, 'the rotation comes to its end');
story_holds($node, $story, 'rotated');
all_verifies($node, 'rotated');

# Who is a member, whose token it is, what was done: nobody is taken for another, and
# nothing is changed that cannot be logged.

with_damage('tarx_keys.project_members', 0, sub {
	my ($test) = @_;

	state_is($node, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.set_secret('$PROJECT', 'NEW', 'x')", 'XX001', "$test: an admin");
	state_is($node, 'service', "SELECT tarx_keys.act_as('mallory'); SELECT tarx_keys.set_secret('$PROJECT', 'NEW', 'x')", '42501', "$test: a stranger");
	is(ask_ok($node, 'runner', resolve_sql($hit[0])), $value{ $hit[0] }, "$test: a key resolves");
});
with_damage('tarx_keys.platform_api_keys', 0, sub {
	my ($test) = @_;

	state_is($node, 'service', "SELECT tarx_keys.login('$story->{token}')", 'XX001', "$test: a token");
	is(ask_ok($node, 'runner', resolve_sql($hit[0])), $value{ $hit[0] }, "$test: a key resolves");
	others_go_on($test);
});
# all of its rows on one page
$node->safe_psql('postgres', 'VACUUM FULL tarx_keys_internal.audit_ends');
with_damage('tarx_keys_internal.audit_ends', 0, sub {
	my ($test) = @_;

	state_is($node, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.set_secret('$PROJECT', 'NEW', 'x')", 'XX001', "$test: a change");
	state_is($node, 'runner', "SELECT tarx_keys.resolve_secret('$PROJECT', 'NEW')", 'TK011', "$test: it is not there by half");
	others_go_on($test);
});

# An index: whoever looks into it is told, and what makes it again is PostgreSQL's.

with_damage('tarx_keys.project_llm_keys_pkey', 1, sub {
	my ($test) = @_;

	state_is($node, 'runner', resolve_sql($_), 'XX001', "$test: a key") foreach $hit[0], $safe[0];
	is(ask_ok($node, 'runner', "SELECT tarx_keys.resolve_secret('$other', 'SAFE')"), 'safe', "$test: a secret resolves");
	$node->safe_psql('postgres', 'REINDEX INDEX tarx_keys.project_llm_keys_pkey');
	story_holds($node, $story, 'the index is made again');
	all_verifies($node, 'the index is made again');
});

is_same_server($node, $start, 'all the time');
nothing_leaked($node, $story, 'all the time');
$node->stop;
done_testing();
