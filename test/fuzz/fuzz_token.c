/*
 * fuzz_token.c
 *	  Platform API keys: only what has the form is looked at any further.
 *
 * Input: 32 random bytes, 4 of a checksum, and what may be a token.
 */
#include "pure/token.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	in = {data, size};
	FuzzPiece	given = fuzz_bytes(&in, TARX_KEYS_TOKEN_RANDOM_BYTES);
	uint8_t		random[TARX_KEYS_TOKEN_RANDOM_BYTES] = {0};
	uint32_t	checksum = 0;
	char		token[TARX_KEYS_TOKEN_LEN];
	FuzzPiece	candidate;

	fuzz_init();
	memcpy(random, given.data, given.len);
	for (int i = 0; i < 4; i++)
		checksum = checksum << 8 | fuzz_byte(&in);
	candidate = fuzz_rest(&in);

	tarx_keys_token_write_body(token, random);
	tarx_keys_token_write_checksum(token, checksum);
	must(tarx_keys_token_has_form(token, sizeof(token)));
	must(tarx_keys_token_has_checksum(token, checksum));
	must(!tarx_keys_token_has_checksum(token, checksum ^ 1));

	if (tarx_keys_token_has_form((const char *) candidate.data, candidate.len))
	{
		must(candidate.len == TARX_KEYS_TOKEN_LEN);
		must(memchr(candidate.data, '\0', candidate.len) == NULL);
		(void) tarx_keys_token_has_checksum((const char *) candidate.data, checksum);
	}
	free(candidate.data);
	free(given.data);
	return 0;
}
