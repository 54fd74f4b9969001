# Instructions of the server's process, counted by callgrind: they have no noise, whatever
# else the machine does.
package Instructions;

use strict;
use warnings FATAL => 'all';

use Cluster;
use Load;

my $work = $ENV{BENCH_WORK};
my $LIBRARY = 'a SELECT that does not concern the library, parsed each time';

# A server with 1,000 keys that has been stopped
sub new
{
	my ($class) = @_;
	my $self = bless { load => Load::start_cluster('counted', 128) }, $class;

	$self->{load}->database('keys', 1000, 10);
	($self->{major}) = $self->{load}{cluster}->ask('postgres', 'postgres', 'SHOW server_version') =~ /^(\d+)/;
	$self->{load}{cluster}->stop;
	return $self;
}

# What pairs take, by a server that runs under callgrind, with options of its own
sub count
{
	my ($self, $group, $pattern, $options) = @_;
	my $cluster = $self->{load}{cluster};
	my $dumps = "$work/callgrind";
	my $program = Cluster::spew("$work/counted_postgres", qq{#!/bin/sh
case \$1 in -V) exec $ENV{BENCH_BIN}/postgres -V ;; esac
exec valgrind -q --tool=callgrind --dump-before=pg_backend_pid --callgrind-out-file=$dumps.%p $ENV{BENCH_BIN}/postgres "\$@"
});

	chmod 0755, $program;
	$cluster->start('-p', $program, '-o', $options || '');
	my @rows = $self->{load}->pairs('keys', $group, $pattern, $dumps);
	$cluster->stop;
	unlink glob "$dumps.*";
	return map { { name => $_->[0], clear => $_->[2], ours => $_->[3] } } @rows;
}

# What pairs take whose name matches, and what the library costs others
sub table
{
	my ($self, $pattern) = @_;
	my @rows = $self->count('keys', $pattern);
	my ($with) = $self->count('other', '');
	my ($without) = $self->count('other', "^$LIBRARY", "-c shared_preload_libraries=''");

	return @rows, { name => "$LIBRARY: without and with it", clear => $without->{clear}, ours => $with->{clear} };
}

1;
