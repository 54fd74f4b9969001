/*
 * token.c
 *	  The form of platform API keys.
 *
 * A token is "sk-tarx-", then 256 random bits in 43 base62 digits, then the
 * CRC-32 of all this in 6 base62 digits.  The checksum finds typing errors and
 * helps secret scanners; it adds no security.  The caller computes it.
 *
 * The digits of base62 are 0-9, A-Z and a-z in this order.  Numbers start with the
 * most significant digit and have leading zeros: 62^43 > 2^256 and 62^6 > 2^32.
 */
#include "pure/token.h"

#include <sodium.h>
#include <string.h>

static const char base62[] =
"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* Divide the big-endian number by 62 in place; returns the remainder. */
static unsigned int
divide(uint8_t *number, size_t len)
{
	unsigned int remainder = 0;

	for (size_t i = 0; i < len; i++)
	{
		unsigned int part = remainder << 8 | number[i];

		number[i] = (uint8_t) (part / 62);
		remainder = part % 62;
	}
	return remainder;
}

/*
 * Write the prefix and the body, TARX_KEYS_TOKEN_CHECKED_LEN characters, of a
 * token from TARX_KEYS_TOKEN_RANDOM_BYTES random bytes, which are used up and wiped.
 */
void
tarx_keys_token_write_body(char *token, uint8_t *random)
{
	memcpy(token, TARX_KEYS_TOKEN_PREFIX, sizeof(TARX_KEYS_TOKEN_PREFIX) - 1);
	for (size_t i = TARX_KEYS_TOKEN_CHECKED_LEN; i > sizeof(TARX_KEYS_TOKEN_PREFIX) - 1; i--)
		token[i - 1] = base62[divide(random, TARX_KEYS_TOKEN_RANDOM_BYTES)];
	sodium_memzero(random, TARX_KEYS_TOKEN_RANDOM_BYTES);
}

/* Write the checksum of a token behind its body. */
void
tarx_keys_token_write_checksum(char *token, uint32_t checksum)
{
	for (size_t i = TARX_KEYS_TOKEN_LEN; i > TARX_KEYS_TOKEN_CHECKED_LEN; i--)
	{
		token[i - 1] = base62[checksum % 62];
		checksum /= 62;
	}
}

/* Does this have the form of a token?  The checksum may be wrong. */
bool
tarx_keys_token_has_form(const char *token, size_t len)
{
	if (len != TARX_KEYS_TOKEN_LEN ||
		memcmp(token, TARX_KEYS_TOKEN_PREFIX, sizeof(TARX_KEYS_TOKEN_PREFIX) - 1) != 0)
		return false;
	for (size_t i = sizeof(TARX_KEYS_TOKEN_PREFIX) - 1; i < len; i++)
	{
		if (token[i] == '\0' || strchr(base62, token[i]) == NULL)
			return false;
	}
	return true;
}

/* Is there something of this form anywhere in the text? */
bool
tarx_keys_token_is_within(const char *text, size_t len)
{
	for (size_t at = 0; at + TARX_KEYS_TOKEN_LEN <= len; at++)
	{
		if (tarx_keys_token_has_form(text + at, TARX_KEYS_TOKEN_LEN))
			return true;
	}
	return false;
}

/* Does a token, which has the form of one, end with this checksum? */
bool
tarx_keys_token_has_checksum(const char *token, uint32_t checksum)
{
	char		right[TARX_KEYS_TOKEN_LEN];

	tarx_keys_token_write_checksum(right, checksum);
	return memcmp(token + TARX_KEYS_TOKEN_CHECKED_LEN,
				  right + TARX_KEYS_TOKEN_CHECKED_LEN, TARX_KEYS_TOKEN_CHECKSUM) == 0;
}
