# Key pairs, public keys as JSON Web Keys, and tokens of any content, made with the
# program openssl. For the tests and the benchmark.

package Jwt;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use File::Temp;
use JSON::PP;
use MIME::Base64 qw(encode_base64url);

our @EXPORT = qw(
  key_pair
  jwk
  token
  sign
  raw_token
  json
);

# How openssl makes a key for each algorithm; further ones are no good on purpose
my %generate = (
	Ed25519 => [qw(-algorithm ed25519)],
	ES256 => [qw(-algorithm EC -pkeyopt ec_paramgen_curve:P-256)],
	ES384 => [qw(-algorithm EC -pkeyopt ec_paramgen_curve:P-384)],
	RS256 => [qw(-algorithm RSA -pkeyopt rsa_keygen_bits:2048)],
	RSA1024 => [qw(-algorithm RSA -pkeyopt rsa_keygen_bits:1024)],
	RSA3 => [qw(-algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:3)]);

my $dir = File::Temp->newdir;
my $count = 0;

sub json { return JSON::PP->new->utf8->canonical->allow_nonref->encode($_[0]) }

# What openssl prints
sub openssl
{
	my (@args) = @_;

	# it says on its standard error how it goes on
	my $pid = open(my $pipe, '-|');
	die "could not fork: $!\n" if !defined $pid;
	if ($pid == 0)
	{
		open(STDERR, '>', '/dev/null');
		exec('openssl', @args) or exit 127;
	}
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

	openssl('genpkey', '-out', $file, @{ $generate{$alg} });
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

	open(my $fh, '>:raw', $file) or die "could not create \"$file\": $!\n";
	print $fh $text;
	close($fh) or die "could not write \"$file\": $!\n";
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
