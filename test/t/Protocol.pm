# A client that sends messages of the protocol as they are: those that psql and
# pgbench do not send, and many of them in one session.

package Protocol;

use strict;
use warnings FATAL => 'all';

# A session of a login in a database, "postgres" unless it is given
sub connect
{
	my ($class, $node, $login, $db) = @_;
	my $self = bless { socket => $node->raw_connect }, $class;
	my $startup = pack('N', 196608)
	  . join("\0", user => $login, database => defined $db ? $db : 'postgres', client_encoding => 'UTF8', '', '');

	$self->write(pack('N', 4 + length $startup) . $startup);
	$self->answer;
	return $self;
}

sub write
{
	my ($self, $bytes) = @_;

	while (length $bytes)
	{
		my $written = syswrite($self->{socket}, $bytes);
		die "could not write: $!" unless defined $written;
		substr($bytes, 0, $written) = '';
	}
	return;
}

sub read
{
	my ($self, $n) = @_;
	my $bytes = '';

	while (length $bytes < $n)
	{
		sysread($self->{socket}, $bytes, $n - length $bytes, length $bytes) or die 'the server has gone';
	}
	return $bytes;
}

sub message
{
	my ($type, $body) = @_;
	return $type . pack('N', 4 + length $body) . $body;
}

# All up to the server being ready: the fields of the last error by their letters,
# and under "rows" the first column of each row
sub answer
{
	my ($self) = @_;
	my %answer = (rows => []);

	while (1)
	{
		my ($type, $length) = unpack('aN', $self->read(5));
		my $body = $self->read($length - 4);

		return \%answer if $type eq 'Z';
		if ($type eq 'E')
		{
			$answer{ substr($_, 0, 1) } = substr($_, 1) foreach split /\0/, $body;
		}
		push @{ $answer{rows} }, unpack('x2N/a', $body) if $type eq 'D' && unpack('x2N', $body) != 0xffffffff;
	}
	return;
}

# One message of the simple protocol; send() does not wait for the answer
sub send
{
	my ($self, $sql) = @_;

	$self->write(message('Q', "$sql\0"));
	return;
}

sub query
{
	my ($self, $sql) = @_;

	$self->send($sql);
	return $self->answer;
}

sub counted
{
	return join '', map { defined $_ ? pack('N/a', $_) : pack('N', 0xffffffff) } @_;
}

# One statement with parameters, as texts
sub send_bound
{
	my ($self, $sql, @values) = @_;

	$self->write(message('P', "\0$sql\0" . pack('n', 0))
		  . message('B', "\0\0" . pack('nn', 0, scalar @values) . counted(@values) . pack('n', 0))
		  . message('E', "\0" . pack('N', 0))
		  . message('S', ''));
	return;
}

sub execute
{
	my ($self, $sql, @values) = @_;

	$self->send_bound($sql, @values);
	return $self->answer;
}

# A function call message
sub call
{
	my ($self, $function, @values) = @_;

	$self->write(message('F', pack('Nnn', $function, 0, scalar @values) . counted(@values) . pack('n', 0)));
	return $self->answer;
}

# How much processor time the session's process has used, in ticks
sub processor_time
{
	my ($self) = @_;
	my $pid = $self->query('SELECT pg_backend_pid()')->{rows}[0];

	open(my $fh, '<', "/proc/$pid/stat") or die "could not open /proc/$pid/stat: $!";
	my @fields = split / /, <$fh> =~ s/.*\) //r;
	return $fields[11] + $fields[12];
}

1;
