/*
 * fuzz_sealed_box.c
 *	  Sealed boxes: what was sealed to us opens, for its header and before its
 *	  expiry only; nothing that was changed does, and no other bytes.
 *
 * Input: a binding for the header; where and how to change the box, and then
 * the payload (2 bytes, 1 byte); how much the box is cut (1 byte); its expiry
 * and the present (8 bytes each); the value, which is tried as a box and as a
 * payload as well.
 */
#include "fuzz_binding.h"
#include "pure/sealed_box.h"

/* The bytes may be a box or not; no more may be written than is said. */
static bool
opens(const TarxKeysMasterKey *key, const FuzzPiece *box, const FuzzPiece *payload)
{
	size_t		room = box->len > TARX_KEYS_BOX_OVERHEAD ? box->len - TARX_KEYS_BOX_OVERHEAD : 0;
	FuzzPiece	out = {calloc(1, room > 0 ? room : 1), room};
	bool		opened = tarx_keys_sealed_box_open(out.data, key, box->data, box->len);

	must(!opened || (out.len == payload->len && memcmp(out.data, payload->data, out.len) == 0));
	free(out.data);
	return opened;
}

/* Whether a payload is taken for the header; its value has to be the rest. */
static bool
is_taken(const FuzzPiece *payload, const TarxKeysBinding *header, uint64_t now)
{
	size_t		at = SIZE_MAX;

	if (!tarx_keys_sealed_box_check(payload->data, payload->len, header, now, &at))
		return false;
	must(!header->overflow);
	must(at == header->len + TARX_KEYS_BOX_EXPIRY_BYTES && at <= payload->len);
	must(memcmp(payload->data, header->aad, header->len) == 0);
	return true;
}

static uint64_t
number(FuzzInput *in)
{
	uint64_t	result = 0;

	for (size_t i = 0; i < TARX_KEYS_BOX_EXPIRY_BYTES; i++)
		result = result << 8 | fuzz_byte(in);
	return result;
}

static FuzzPiece
make_payload(const TarxKeysBinding *header, uint64_t expires_at, const FuzzPiece *value)
{
	FuzzPiece	payload = fuzz_copy(header->aad, header->len);

	payload.len += TARX_KEYS_BOX_EXPIRY_BYTES + value->len;
	payload.data = realloc(payload.data, payload.len);
	must(payload.data != NULL);
	for (size_t i = 0; i < TARX_KEYS_BOX_EXPIRY_BYTES; i++)
		payload.data[header->len + i] =
			(uint8_t) (expires_at >> 8 * (TARX_KEYS_BOX_EXPIRY_BYTES - 1 - i));
	memcpy(payload.data + header->len + TARX_KEYS_BOX_EXPIRY_BYTES, value->data, value->len);
	return payload;
}

static FuzzPiece
seal(const TarxKeysMasterKey *key, const FuzzPiece *payload)
{
	FuzzPiece	box = {calloc(1, payload->len + TARX_KEYS_BOX_OVERHEAD), payload->len + TARX_KEYS_BOX_OVERHEAD};
	uint8_t		public_key[TARX_KEYS_BOX_KEY_BYTES];

	must(box.data != NULL);
	tarx_keys_sealed_box_public_key(public_key, key);
	must(crypto_box_seal(box.data, payload->data, payload->len, public_key) == 0);
	return box;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	in = {data, size};
	TarxKeysMasterKey key;
	TarxKeysBinding header;
	FuzzFields	fields;
	size_t		where;
	uint8_t		change;
	uint8_t		cut;
	uint64_t	expires_at;
	uint64_t	now;
	FuzzPiece	value;
	FuzzPiece	payload;
	FuzzPiece	box;

	fuzz_init();
	key = fuzz_master_key();
	fuzz_binding(&in, &header, &fields);
	where = fuzz_byte(&in);
	where = where << 8 | fuzz_byte(&in);
	change = fuzz_byte(&in);
	cut = fuzz_byte(&in);
	expires_at = number(&in);
	now = number(&in);
	value = fuzz_rest(&in);
	payload = make_payload(&header, expires_at, &value);
	box = seal(&key, &payload);

	must(!opens(&key, &value, &value));
	(void) is_taken(&value, &header, now);
	must(opens(&key, &box, &payload));
	must(is_taken(&payload, &header, now) == (!header.overflow && expires_at > now));

	box.data[where % box.len] ^= change;
	box.len -= cut < box.len ? cut : box.len;
	must(opens(&key, &box, &payload) == (change == 0 && cut == 0));

	if (change != 0 && header.len > 0)
	{
		payload.data[where % header.len] ^= change;
		must(!is_taken(&payload, &header, now));
	}
	free(box.data);
	free(payload.data);
	free(value.data);
	return 0;
}
