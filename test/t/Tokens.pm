# Tokens (JWT) for tests: key pairs, the issuers' file, and tokens of any content,
# made with the program openssl.

package Tokens;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use File::Basename qw(dirname);
use JSON::PP;
use MIME::Base64 qw(encode_base64url decode_base64url);
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

our @EXPORT = qw(
  $ISSUER
  $AUDIENCE
  key_pair
  jwk
  issuer
  write_issuers
  reload_issuers
  claims
  token
  sign
  raw_token
  json
);

our $ISSUER = 'https://id.example';
our $AUDIENCE = 'platform';

# How openssl makes a key for each algorithm; further ones are no good on purpose
my %generate = (
	Ed25519 => [qw(-algorithm ed25519)],
	ES256 => [qw(-algorithm EC -pkeyopt ec_paramgen_curve:P-256)],
	ES384 => [qw(-algorithm EC -pkeyopt ec_paramgen_curve:P-384)],
	RS256 => [qw(-algorithm RSA -pkeyopt rsa_keygen_bits:2048)],
	RSA1024 => [qw(-algorithm RSA -pkeyopt rsa_keygen_bits:1024)],
	RSA3 => [qw(-algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:3)]);

my $dir = PostgreSQL::Test::Utils::tempdir;
my $count = 0;

need('the program openssl', grep { -x "$_/openssl" } split /:/, $ENV{PATH});

sub json { return JSON::PP->new->utf8->canonical->allow_nonref->encode($_[0]) }

# What openssl prints
sub openssl
{
	my (@args) = @_;

	open(my $pipe, '-|', 'openssl', @args) or die "could not run openssl: $!\n";
	binmode $pipe;
	my $out = do { local $/; <$pipe> };
	close $pipe or die "openssl @args failed\n";
	return $out;
}

# A new key pair for an algorithm: { alg, file }
sub key_pair
{
	my ($alg) = @_;
	my $file = "$dir/key." . ++$count;

	system_log('openssl', 'genpkey', '-out', $file, @{ $generate{$alg} }) == 0
	  or die "openssl genpkey failed\n";
	return { alg => $alg, file => $file };
}

# A number in hexadecimal digits, as openssl prints it, in bytes without zeros in front
sub bytes_of
{
	my ($hex) = @_;

	$hex =~ s/[^0-9a-fA-F]//g;
	$hex = "0$hex" if length($hex) % 2;
	return pack('H*', $hex) =~ s/^\0+//r;
}

# The public key of a pair as a JWK, with further members
sub jwk
{
	my ($pair, %members) = @_;
	my $der = openssl('pkey', '-in', $pair->{file}, '-pubout', '-outform', 'DER');

	if ($pair->{alg} eq 'Ed25519')
	{
		return { kty => 'OKP', crv => 'Ed25519', x => encode_base64url(substr $der, -32), %members };
	}
	if ($pair->{alg} =~ /^ES(256|384)$/)
	{
		my $len = $1 / 8;
		my $point = substr $der, -2 * $len;
		return {
			kty => 'EC', crv => "P-$1",
			x => encode_base64url(substr $point, 0, $len),
			y => encode_base64url(substr $point, $len), %members };
	}
	my $text = openssl('pkey', '-in', $pair->{file}, '-pubout', '-text_pub', '-noout');
	my ($modulus) = $text =~ /Modulus:\n((?:\s+[0-9a-f:]+\n)+)/ or die 'no modulus';
	my ($exponent) = $text =~ /Exponent: \d+ \(0x([0-9a-f]+)\)/ or die 'no exponent';
	return {
		kty => 'RSA', n => encode_base64url(bytes_of($modulus)),
		e => encode_base64url(bytes_of($exponent)), %members };
}

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

# r and s as a token has them, each of so many bytes, from DER
sub raw_signature
{
	my ($der, $len) = @_;
	my ($rlen) = unpack 'x3 C', $der;
	my $r = substr $der, 4, $rlen;
	my $s = substr $der, 6 + $rlen;

	return join '', map { my $n = s/^\0+//r; "\0" x ($len - length $n) . $n } $r, $s;
}

# A pair's signature over a text
sub sign
{
	my ($pair, $text) = @_;
	my $file = "$dir/signed";

	write_private($file, $text);
	return openssl('pkeyutl', '-sign', '-rawin', '-inkey', $pair->{file}, '-in', $file) if $pair->{alg} eq 'Ed25519';
	my $signature = openssl('dgst', '-sha256', '-sign', $pair->{file}, $file);
	return $pair->{alg} =~ /^ES(\d+)/ ? raw_signature($signature, $1 / 8) : $signature;
}

# A token of any texts as header and payload, signed by a pair
sub raw_token
{
	my ($pair, $header, $payload) = @_;
	my $signed = encode_base64url($header) . '.' . encode_base64url($payload);

	return "$signed." . encode_base64url(sign($pair, $signed));
}

# A token of a pair; members of the header that are undef are left out.
sub token
{
	my ($pair, $claims, %header) = @_;
	my %all = (alg => $pair->{alg} =~ /^RS/ ? 'RS256' : $pair->{alg}, typ => 'JWT', %header);

	return raw_token($pair, json({ map { defined $all{$_} ? ($_ => $all{$_}) : () } keys %all }), json($claims));
}

1;
