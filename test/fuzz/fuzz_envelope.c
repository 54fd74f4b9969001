/*
 * fuzz_envelope.c
 *	  Envelopes: what is sealed opens, and nothing that was changed does; the
 *	  same is good or bad if it is only checked.
 *
 * Input: a binding; where and how to change the envelope (2 bytes, 1 byte) and
 * its length (1 byte); the plaintext, which is tried as an envelope as well.
 */
#include "fuzz_binding.h"

/* The bytes may be an envelope or not; no more may be written than is said. */
static bool
opens(const TarxKeysMasterKey *key, const TarxKeysBinding *binding,
	  const FuzzPiece *envelope, const FuzzPiece *plain)
{
	FuzzPiece	out = fuzz_copy(envelope->data, tarx_keys_envelope_plain_len(envelope->len));
	const uint8_t *fingerprint = tarx_keys_envelope_fingerprint(envelope->data, envelope->len);
	bool		opened = tarx_keys_envelope_open(out.data, key, binding, envelope->data,
												 envelope->len);

	must(fingerprint == NULL ||
		 fuzz_within(envelope, fingerprint, TARX_KEYS_FINGERPRINT_BYTES));
	must(!opened || fingerprint != NULL);
	/* checked without being opened, it is as good or bad */
	must(tarx_keys_envelope_open(NULL, key, binding, envelope->data, envelope->len) == opened);
	must(!opened || (out.len == plain->len && memcmp(out.data, plain->data, out.len) == 0));
	free(out.data);
	return opened;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	in = {data, size};
	TarxKeysMasterKey key;
	TarxKeysBinding binding;
	FuzzFields	fields;
	size_t		where;
	uint8_t		change;
	uint8_t		cut;
	FuzzPiece	plain;
	FuzzPiece	envelope;

	fuzz_init();
	key = fuzz_master_key();
	fuzz_binding(&in, &binding, &fields);
	where = fuzz_byte(&in);
	where = where << 8 | fuzz_byte(&in);
	change = fuzz_byte(&in);
	cut = fuzz_byte(&in);
	plain = fuzz_rest(&in);

	must(!opens(&key, &binding, &plain, &plain));

	envelope = fuzz_copy(plain.data, plain.len);
	envelope.data = realloc(envelope.data, plain.len + TARX_KEYS_ENVELOPE_OVERHEAD);
	envelope.len = plain.len + TARX_KEYS_ENVELOPE_OVERHEAD;
	must(envelope.data != NULL);
	if (!tarx_keys_envelope_seal(envelope.data, &key, &binding, plain.data, plain.len))
		must(binding.overflow);
	else
	{
		must(opens(&key, &binding, &envelope, &plain));
		envelope.data[where % envelope.len] ^= change;
		envelope.len -= cut < envelope.len ? cut : envelope.len;
		must(opens(&key, &binding, &envelope, &plain) == (change == 0 && cut == 0));
	}
	free(envelope.data);
	free(plain.data);
	return 0;
}
