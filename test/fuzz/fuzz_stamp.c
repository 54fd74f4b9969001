/*
 * fuzz_stamp.c
 *	  Stamps: good for the fields that they were made of, and for no others.
 *
 * Input: two bindings; the rest is tried as a stamp.
 */
#include "fuzz_binding.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	in = {data, size};
	TarxKeysMasterKey key;
	TarxKeysBinding binding;
	FuzzFields	fields;
	TarxKeysBinding other;
	FuzzFields	other_fields;
	uint8_t		stamp[TARX_KEYS_STAMP_BYTES];
	FuzzPiece	given;
	const uint8_t *fingerprint;
	bool		made;

	fuzz_init();
	key = fuzz_master_key();
	fuzz_binding(&in, &binding, &fields);
	fuzz_binding(&in, &other, &other_fields);
	given = fuzz_rest(&in);

	fingerprint = tarx_keys_stamp_fingerprint(given.data, given.len);
	must(fingerprint == NULL ||
		 fuzz_within(&given, fingerprint, TARX_KEYS_FINGERPRINT_BYTES));
	must(!tarx_keys_stamp_check(given.data, given.len, &key, &binding));

	made = tarx_keys_stamp_make(stamp, &key, &binding);
	must(made == !binding.overflow);
	if (made)
	{
		bool		same = !other.overflow && other_fields.len == fields.len &&
		memcmp(other_fields.bytes, fields.bytes, fields.len) == 0;

		must(tarx_keys_stamp_check(stamp, sizeof(stamp), &key, &binding));
		must(tarx_keys_stamp_check(stamp, sizeof(stamp), &key, &other) == same);
		must(!tarx_keys_stamp_check(stamp, sizeof(stamp) - 1, &key, &binding));
	}
	free(given.data);
	return 0;
}
