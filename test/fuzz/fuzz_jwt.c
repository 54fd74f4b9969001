/*
 * fuzz_jwt.c
 *	  Tokens: what is taken apart is all of the text, and each piece has one text only.
 *
 * Input: what may be a token.
 */
#include "pure/ascii.h"
#include "pure/base64url.h"
#include "pure/jws.h"
#include "pure/jwt.h"
#include "fuzz.h"

/* What a piece decodes to is written as the same piece. */
static void
check_piece(TarxKeysSpan piece)
{
	uint8_t    *bytes = malloc(piece.len);
	char	   *text = malloc(piece.len + 4);
	size_t		len;

	must(bytes != NULL && text != NULL);
	if (tarx_keys_base64url_decode(piece, bytes, piece.len, &len))
	{
		must(len < piece.len && len > 0);
		must(!tarx_keys_base64url_decode(piece, bytes, len - 1, &(size_t) {0}));
		sodium_bin2base64(text, piece.len + 4, bytes, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
		must(tarx_keys_span_equals(tarx_keys_span_of(text), piece));
	}
	free(bytes);
	free(text);
}

static void
check_signature(const TarxKeysJwtParts *parts)
{
	uint8_t		signature[TARX_KEYS_RSA_MAX_BYTES];
	TarxKeysSpan decoded = {(const char *) signature, 0};
	uint8_t		point[TARX_KEYS_ED25519_KEY_BYTES] = {0x58, 0x66};
	TarxKeysJwsKey key = {TARX_KEYS_JWS_ED25519, {(const char *) point, sizeof(point)}, 0};

	if (tarx_keys_base64url_decode(parts->signature, signature, sizeof(signature), &decoded.len))
		must(!tarx_keys_jws_verify(&key, parts->signed_part, decoded));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzPiece	piece = fuzz_copy(data, size);
	TarxKeysSpan token = {(const char *) piece.data, piece.len};
	TarxKeysJwtParts parts;

	fuzz_init();
	if (tarx_keys_jwt_split(token, &parts))
	{
		must(token.len <= TARX_KEYS_JWT_MAX_LEN);
		must(parts.header.len + parts.payload.len + parts.signature.len + 2 == token.len);
		must(parts.signed_part.data == token.data);
		must(parts.signed_part.data + parts.signed_part.len + 1 == parts.signature.data);
		check_piece(parts.header);
		check_piece(parts.payload);
		check_piece(parts.signature);
		check_signature(&parts);
		must(tarx_keys_jwt_typ_is(parts.header, parts.header));
	}
	if (tarx_keys_jwt_is_user_id(token.data, token.len))
		must(token.len > 0 && token.len <= 800);
	free(piece.data);
	return 0;
}
