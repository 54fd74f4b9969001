# Tokens (JWT) for tests: the issuers' file, and what test/lib/Jwt.pm makes.

package Tokens;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use FindBin;
use lib "$FindBin::RealBin/../lib";

use Jwt;
use TarxKeys;

our @EXPORT = (
	@Jwt::EXPORT, qw(
	  $ISSUER
	  $AUDIENCE
	  issuer
	  write_issuers
	  reload_issuers
	  claims
	));

our $ISSUER = 'https://id.example';
our $AUDIENCE = 'platform';

need('the program openssl', grep { -x "$_/openssl" } split /:/, $ENV{PATH});

# An entry of the issuers' file, for these keys; members that are undef are left out
sub issuer
{
	my ($keys, %members) = @_;
	my %all = (
		issuer => $ISSUER,
		audience => [$AUDIENCE],
		algorithms => [ 'Ed25519', 'ES256', 'RS256' ],
		jwks => { keys => $keys },
		%members);

	return { map { defined $all{$_} ? ($_ => $all{$_}) : () } keys %all };
}

# Write the file, whole at once; takes a reload. What is no reference is the text itself.
sub write_issuers
{
	my ($file, $issuers) = @_;

	return write_private($file, ref $issuers ? json($issuers) : $issuers, 0644);
}

# Reload, and wait until the issuers have been loaded or refused; returns what the log said.
sub reload_issuers
{
	my ($node) = @_;

	return reload_until($node,
		qr/tarx_keys: JWT issuers loaded.*\n|tarx_keys: (?:no usable JWT issuers|JWT issuers not reloaded).*\n.*DETAIL:.*\n/);
}

# Claims that are right, or as given; those that are undef are left out
sub claims
{
	my (%claims) = @_;
	my $now = time();
	my %all = (iss => $ISSUER, aud => $AUDIENCE, sub => 'alice', iat => $now, exp => $now + 300, %claims);

	return { map { defined $all{$_} ? ($_ => $all{$_}) : () } keys %all };
}

1;
