# For TAP tests that others wrote: each server that they start has tarx_keys preloaded, behind
# the libraries of their own, and in template1 and postgres.

package InTemplate1;

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

my %has;
my $start = PostgreSQL::Test::Cluster->can('start');

sub preload
{
	my ($node) = @_;
	my $conf = slurp_file($node->data_dir . '/postgresql.conf');
	my ($libraries) = $conf =~ /.*^shared_preload_libraries\s*=\s*'([^']*)'/ms;

	$node->append_conf('postgresql.conf',
		sprintf("shared_preload_libraries = '%s'", join ',', grep { $_ } $libraries, 'tarx_keys'));
	return;
}

{
	no warnings 'redefine';
	*PostgreSQL::Test::Cluster::start = sub {
		my ($node, @args) = @_;
		my $new = !$has{ $node->name }++;

		preload($node) if $new;
		my $result = $start->($node, @args);
		if ($new && $result)
		{
			# a test may look at all statements that were counted
			local $ENV{PGOPTIONS} = '-c pg_stat_statements.track=none';

			$node->safe_psql($_, 'CREATE EXTENSION tarx_keys') foreach qw(template1 postgres);
		}
		return $result;
	};
}

1;
