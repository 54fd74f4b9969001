# PgBouncer in transaction mode in front of a cluster.

package Pooler;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TarxKeys;

our @EXPORT = qw(
  pooler_version
  start_pooler
);

my @running;

END
{
	local $?;
	$_->kill_kill foreach @running;
}

# Its version, or nothing where there is none
sub pooler_version
{
	$ENV{PATH} .= ':/usr/sbin' unless $ENV{PATH} =~ m{:/usr/sbin$};
	my ($version) = eval { (run_command([ 'pgbouncer', '--version' ]))[0] =~ /(\d+\.\d+)/ };
	return $version;
}

# Start one for these logins, with so many connections to the server for each, and
# further settings; returns the directory of its socket, where it logs to the file "log",
# and its port.
sub start_pooler
{
	my ($node, $logins, $size, $settings) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir_short;
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my $log = "$dir/log";

	write_private("$dir/users", join '', map { qq{"$_" ""\n} } @$logins);
	write_private(
		"$dir/pgbouncer.ini", qq{
[databases]
postgres = host=@{[ $node->host ]} port=@{[ $node->port ]}
[pgbouncer]
listen_addr =
listen_port = $port
unix_socket_dir = $dir
auth_type = trust
auth_file = $dir/users
pool_mode = transaction
default_pool_size = $size
} . ($settings || ''));
	my $pooler = IPC::Run::start([ 'pgbouncer', "$dir/pgbouncer.ini" ], '<', \undef, '>', $log, '2>&1');
	push @running, $pooler;

	my $tries = 100;
	until (-S "$dir/.s.PGSQL.$port")
	{
		die 'PgBouncer did not start: ' . slurp_file($log) if --$tries == 0 || !$pooler->pumpable;
		select(undef, undef, undef, 0.1);
	}
	return ($dir, $port);
}

1;
