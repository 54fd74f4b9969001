/*
 * fuzz_binding.h
 *	  Bindings, and a master key, for the targets of what is bound.
 *
 * A binding is a byte for purpose and number of fields, 16 bytes of scope, and
 * the fields, whose length 255 stands for NULL.
 */
#ifndef TARX_KEYS_FUZZ_BINDING_H
#define TARX_KEYS_FUZZ_BINDING_H

#include "pure/envelope.h"
#include "fuzz.h"

static inline TarxKeysMasterKey
fuzz_master_key(void)
{
	TarxKeysMasterKey key = {.realm = NULL};

	for (size_t i = 0; i < sizeof(key.key); i++)
		key.key[i] = (uint8_t) (7 * i + 1);
	tarx_keys_fingerprint(key.fingerprint, key.key);
	return key;
}

/* What a binding is made of, put down in a way of our own */
typedef struct FuzzFields
{
	size_t		len;
	uint8_t		bytes[16384];
} FuzzFields;

static inline void
fuzz_note(FuzzFields *fields, int kind, const FuzzPiece *piece)
{
	must(fields->len + 2 + piece->len <= sizeof(fields->bytes));
	fields->bytes[fields->len++] = (uint8_t) kind;
	fields->bytes[fields->len++] = (uint8_t) piece->len;
	memcpy(fields->bytes + fields->len, piece->data, piece->len);
	fields->len += piece->len;
}

static inline void
fuzz_binding(FuzzInput *in, TarxKeysBinding *binding, FuzzFields *noted)
{
	static const char *const purposes[] = {
		"tarx.llm-key...1", "tarx.secret....1", "tarx.platform..1", "tarx.audit-row.1",
		"tarx.audit-ends1"
	};
	const size_t npurposes = sizeof(purposes) / sizeof(purposes[0]);
	uint8_t		choice = fuzz_byte(in);
	FuzzPiece	given = fuzz_bytes(in, TARX_KEYS_SCOPE_BYTES);
	static const uint8_t zeros[TARX_KEYS_SCOPE_BYTES] = {0};
	FuzzPiece	scope = fuzz_copy(zeros, sizeof(zeros));

	memcpy(scope.data, given.data, given.len);
	free(given.data);
	noted->len = 0;
	fuzz_note(noted, choice % npurposes, &scope);
	tarx_keys_binding_init(binding, purposes[choice % npurposes], scope.data);
	free(scope.data);
	for (size_t fields = choice / npurposes; fields > 0; fields--)
	{
		uint8_t		len = fuzz_byte(in);

		bool		isnull = len == UINT8_MAX;
		FuzzPiece	field = fuzz_bytes(in, isnull ? 0 : len);

		fuzz_note(noted, isnull, &field);
		tarx_keys_binding_add(binding, isnull ? NULL : field.data, field.len);
		free(field.data);
	}
	must(binding->len <= sizeof(binding->aad));
}

#endif							/* TARX_KEYS_FUZZ_BINDING_H */
