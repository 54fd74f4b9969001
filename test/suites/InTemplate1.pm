# For TAP tests that others wrote: makes each server that they start one with tarx_keys in
# template1 and postgres. The library itself is preloaded by TEMP_CONFIG.

package InTemplate1;

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;

my %has;
my $start = PostgreSQL::Test::Cluster->can('start');

{
	no warnings 'redefine';
	*PostgreSQL::Test::Cluster::start = sub {
		my ($self, @args) = @_;
		my $result = $start->($self, @args);

		if ($result && !$has{ $self->name }++)
		{
			$self->safe_psql($_, 'CREATE EXTENSION tarx_keys') foreach qw(template1 postgres);
		}
		return $result;
	};
}

1;
