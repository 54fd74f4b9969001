/*
 * fuzz_keyring_text.c
 *	  Keyring files: a keyring that is read can be written and read again, and
 *	  one that is refused leaves no key behind.
 *
 * Input: the file.
 */
#include "pure/keyring_text.h"
#include "fuzz.h"

static void
check_again(const TarxKeysKeyring *ring)
{
	char		text[TARX_KEYS_KEYRING_MAX_KEYS * (2 * TARX_KEYS_MASTER_KEY_BYTES + 1) + 1];
	size_t		len = 0;
	TarxKeysKeyring again;
	unsigned int entry;

	for (uint32_t i = 0; i < ring->nkeys; i++)
	{
		sodium_bin2hex(text + len, sizeof(text) - len, ring->keys[i].key,
					   TARX_KEYS_MASTER_KEY_BYTES);
		len += (size_t) 2 * TARX_KEYS_MASTER_KEY_BYTES;
		text[len++] = ',';
	}
	must(tarx_keys_keyring_parse(text, len, &again, &entry) == TARX_KEYS_KEYRING_OK);
	must(entry == ring->nkeys);
	must(memcmp(&again, ring, sizeof(again)) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	in = {data, size};
	FuzzPiece	text = fuzz_rest(&in);
	TarxKeysKeyring ring;
	unsigned int entry;
	TarxKeysKeyringProblem problem;

	fuzz_init();
	memset(&ring, 0xff, sizeof(ring));
	problem = tarx_keys_keyring_parse((const char *) text.data, text.len, &ring, &entry);
	must(tarx_keys_keyring_problem_text(problem) != NULL);
	if (problem != TARX_KEYS_KEYRING_OK)
		must(sodium_is_zero((const unsigned char *) &ring, sizeof(ring)) == 1);
	else
	{
		must(ring.nkeys >= 1 && ring.nkeys <= TARX_KEYS_KEYRING_MAX_KEYS);
		for (uint32_t i = 0; i < ring.nkeys; i++)
		{
			char		hex[TARX_KEYS_FINGERPRINT_HEX];

			must(tarx_keys_keyring_find(&ring, ring.keys[i].fingerprint) != NULL);
			tarx_keys_fingerprint_hex(ring.keys[i].fingerprint, hex);
			must(strlen(hex) == sizeof(hex) - 1);
		}
		check_again(&ring);
	}
	free(text.data);
	return 0;
}
