# Upgrades to the last major without a pause, as docs/operations.md has them: by a
# subscription of all tables from the first major, and by a standby that
# pg_createsubscriber makes a subscriber, from the first major that has it. Each gets what
# was written meanwhile, and takes over. See pg_upgrade.pl for what they need.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../t";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my @installed = split / /, $ENV{TARX_KEYS_UPGRADE} || '';
plan skip_all => 'needs several majors; see test/matrix' if @installed < 2;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $keyring = write_private("$dir/keys", hex_key('blue and green'));
my $value = 'sk-proj-bluegreen-0123456789abcdef0123456789';
my $last = $installed[-1];
my ($first_to_create) = grep { -x "$_/bin/pg_createsubscriber" } @installed[0 .. $#installed - 1];

# what pg_upgrade leaves where it stands
chdir $dir or die "could not change to \"$dir\": $!";

sub cluster
{
	my ($path, $name, $conf) = @_;

	return new_node(
		$name,
		new => { install_path => $path },
		init => { extra => [ '--encoding=UTF8', '--locale=C', '--data-checksums' ] },
		keyring => { master_key_file => $keyring },
		conf => $conf);
}

# Not by allows_streaming of init(), which sets what the newest major has.
sub publisher
{
	my ($path, $name) = @_;
	my $node = cluster($path, $name, "wal_level = logical\nmax_wal_senders = 10\nmax_replication_slots = 10\n");

	$node->start;
	$node->safe_psql('postgres', 'CREATE DATABASE app');
	install($node, 'app');
	return $node;
}

# What is written before, meanwhile and at the end
my %key;

sub write_on
{
	my ($node, $name) = @_;
	$key{$name} = add_key($node, $name, "$value-$name", 'app');
	return;
}

sub caught_up
{
	my ($publisher, $subscriber) = @_;
	my $lsn = $publisher->safe_psql('app', 'SELECT pg_current_wal_lsn()');

	return $subscriber->poll_query_until('app',
		"SELECT latest_end_lsn >= '$lsn' FROM pg_stat_subscription WHERE subname = 'green' AND relid IS NULL");
}

sub takes_over
{
	my ($blue, $green, $test) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	write_on($blue, 'late');
	ask_ok($blue, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.delete_llm_key('$PROJECT', '$key{deleted}')", 'app');
	ok(caught_up($blue, $green), "$test: the subscriber catches up");
	is(differences([ grep { !/last_used/ } rows_of($blue, 'app') ], [ grep { !/last_used/ } rows_of($green, 'app') ]), '', "$test: it has all rows");
	$green->safe_psql('app', 'DROP SUBSCRIPTION green');
	$blue->stop;
	write_on($green, 'new');
	is(ask_ok($green, 'runner', resolve_sql($key{$_}), 'app'), "$value-$_", "$test: $_ resolves") foreach sort grep { $_ ne 'deleted' } keys %key;
	state_is($green, 'runner', resolve_sql($key{deleted}), 'TK002', "$test: a deleted key does not", 'app');
	is($green->safe_psql('app', "SELECT ok FROM tarx_keys.verify_audit('$PROJECT')"), 't', "$test: the audit log goes on");
	is($green->safe_psql('app', q{SELECT DISTINCT status FROM tarx_keys.verify_keys()}), 'ok', "$test: all rows authenticate");
	is($green->safe_psql('app', q{SELECT check_name, finding FROM tarx_keys.doctor(true) WHERE severity = 'critical'}), '', "$test: doctor() finds nothing critical");
	$green->stop;
	%key = ();
	return;
}

# Does a new cluster read what pg_upgrade writes of the old one, which runs? Minor releases
# of a time have an option of columns that older ones do not know. Stops the old one.
sub is_as_new
{
	my ($old, $new) = @_;
	my $options = q{SELECT count(*) FROM pg_attribute WHERE attoptions::text ~ 'pg_attver'};
	my $in_old = $old->safe_psql('postgres', $options);

	$old->stop;
	$new->start;
	my $in_new = $new->safe_psql('postgres', $options);
	$new->stop;
	return $in_old == 0 || $in_new > 0;
}

# For majors from 16 on: apply as the owner of the subscription, who is a superuser
my $run_as_owner = $last =~ m!/15$! ? '' : 'WITH (run_as_owner = true)';

# From the first major, by a subscription

my $test = "subscription, $installed[0] to $last" =~ s!/\S*/!!gr;
my ($blue, $green) = (publisher($installed[0], 'blue'), cluster($last, 'green'));
$green->start;
write_on($blue, $_) foreach qw(before deleted);
$blue->command_ok([ "$last/bin/pg_dumpall", '--globals-only', '-f', "$dir/globals.sql", '-d', $blue->connstr('postgres') ], "$test: roles");
$blue->command_ok([ "$last/bin/pg_dump", '--schema-only', '--create', '-f', "$dir/app.sql", $blue->connstr('app') ], "$test: the database without rows");
$green->command_ok([ 'psql', '-Xq', '-f', "$dir/$_.sql", $green->connstr('postgres') ], "$test: $_ restored") foreach qw(globals app);
$blue->safe_psql('app', 'CREATE PUBLICATION blue FOR ALL TABLES');
my $connection = $blue->connstr('app') =~ s/'/''/gr;
$green->safe_psql('app', "CREATE SUBSCRIPTION green CONNECTION '$connection' PUBLICATION blue $run_as_owner");
$green->wait_for_subscription_sync($blue, 'green', 'app');
takes_over($blue, $green, $test);

# By a standby, which is upgraded as a subscriber

SKIP: {
	skip 'no major has pg_createsubscriber', 1 unless $first_to_create;
	$test = "pg_createsubscriber, $first_to_create to $last" =~ s!/\S*/!!gr;
	$blue = publisher($first_to_create, 'standing');
	write_on($blue, $_) foreach qw(before deleted);
	$blue->backup('backup');
	my $standby = PostgreSQL::Test::Cluster->new('standby', install_path => $first_to_create);
	$standby->init_from_backup($blue, 'backup', has_streaming => 1);
	$standby->start;
	$blue->wait_for_catchup($standby);
	$standby->stop;
	command_ok(
		[   "$first_to_create/bin/pg_createsubscriber", '-D', $standby->data_dir, '-P', $blue->connstr('app'), '-d', 'app',
			'-s', $standby->host, '-p', $standby->port, '--publication', 'blue', '--subscription', 'green' ],
		"$test: a standby becomes a subscriber");
	write_on($blue, 'meanwhile');
	$standby->start;
	$standby->safe_psql('app', 'ALTER SUBSCRIPTION green SET (run_as_owner = true)');
	ok(caught_up($blue, $standby), "$test: with row security out of its way it gets what is written");

	$green = cluster($last, 'upgraded');
	if (is_as_new($standby, $green))
	{
		command_ok(
			[   "$last/bin/pg_upgrade", '-b', "$first_to_create/bin", '-B', "$last/bin", '-d', $standby->data_dir, '-D', $green->data_dir,
				'-p', $standby->port, '-P', $green->port, '-s', $green->host ],
			"$test: which is upgraded");
	}
	else
	{
		note 'no pg_upgrade: the minor release of the last major is older';
		$green = $standby;
	}
	write_on($blue, 'during');
	$green->start;
	takes_over($blue, $green, $test);
}

done_testing();
