/*
 * fuzz_sealed_box.c
 *	  Sealed boxes: what was sealed to us opens, for its header and before its
 *	  expiry only; nothing that was changed does, and no other bytes.
 *
 * Input: a binding for the header; where and how to change the box, and then
 * the payload (2 bytes, the last bit of which is the format, and 1 byte); how much
 * the box is cut (1 byte); in format 2 the number of stated fields (1 byte), these,
 * and options; the box's expiry and the present (8 bytes each); the value, which is
 * tried as a box and as a payload as well.
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

/* What the input chooses of a box */
typedef struct Choice
{
	bool		has_options;
	int			stated;
	FuzzPiece	fields[TARX_KEYS_BOX_STATED_MAX];
	FuzzPiece	options;
	uint64_t	expires_at;
	uint64_t	now;
	FuzzPiece	value;
} Choice;

static bool
same(TarxKeysSpan span, const FuzzPiece *piece)
{
	return span.data != NULL && span.len == piece->len && memcmp(span.data, piece->data, span.len) == 0;
}

/*
 * Whether a payload is taken for the header; its parts have to be within it, and the
 * value has to be the rest.
 */
static bool
is_taken(const FuzzPiece *payload, const TarxKeysBinding *header, const Choice *choice,
		 TarxKeysBoxContent *content)
{
	if (!tarx_keys_sealed_box_read(payload->data, payload->len, header, choice->stated, choice->now,
								   content))
		return false;
	must(!header->overflow);
	must(memcmp(payload->data, header->aad, header->len) == 0);
	must(fuzz_within(payload, content->value.data, content->value.len));
	must((const uint8_t *) content->value.data + content->value.len == payload->data + payload->len);
	must((content->options.data != NULL) == (header->aad[0] == TARX_KEYS_BOX_FORMAT_OPTIONS));
	for (int i = 0; i < choice->stated; i++)
		must(fuzz_within(payload, content->stated[i].data, content->stated[i].len));
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

static void
append(FuzzPiece *payload, const void *bytes, size_t len)
{
	payload->data = realloc(payload->data, payload->len + len + 1);
	must(payload->data != NULL);
	if (len > 0)
		memcpy(payload->data + payload->len, bytes, len);
	payload->len += len;
}

/* Pieces have at most 255 bytes. */
static void
append_field(FuzzPiece *payload, const FuzzPiece *field)
{
	const uint8_t prefix[] = {1, 0, 0, 0, (uint8_t) field->len};

	append(payload, prefix, sizeof(prefix));
	append(payload, field->data, field->len);
}

static FuzzPiece
make_payload(const TarxKeysBinding *header, const Choice *choice)
{
	FuzzPiece	payload = fuzz_copy(header->aad, header->len);

	for (int i = 0; i < choice->stated; i++)
		append_field(&payload, &choice->fields[i]);
	for (int shift = 56; shift >= 0; shift -= 8)
	{
		uint8_t		byte = (uint8_t) (choice->expires_at >> shift);

		append(&payload, &byte, 1);
	}
	if (choice->has_options)
		append_field(&payload, &choice->options);
	append(&payload, choice->value.data, choice->value.len);
	return payload;
}

/* A payload that was taken has what was put into it. */
static void
must_be(const TarxKeysBoxContent *content, const Choice *choice)
{
	must(same(content->value, &choice->value));
	must(!choice->has_options || same(content->options, &choice->options));
	for (int i = 0; i < choice->stated; i++)
		must(same(content->stated[i], &choice->fields[i]));
}

static bool
is_alive(const Choice *choice)
{
	return choice->expires_at > choice->now &&
		choice->expires_at - choice->now <= TARX_KEYS_BOX_LIFETIME_MAX;
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

static Choice
choose(FuzzInput *in, bool has_options)
{
	Choice		choice = {.has_options = has_options};

	choice.stated = has_options ? fuzz_byte(in) % (TARX_KEYS_BOX_STATED_MAX + 1) : 0;
	for (int i = 0; i < choice.stated; i++)
		choice.fields[i] = fuzz_piece(in);
	choice.options = has_options ? fuzz_piece(in) : fuzz_copy("", 0);
	choice.expires_at = number(in);
	choice.now = number(in);
	choice.value = fuzz_rest(in);
	return choice;
}

static void
forget(Choice *choice)
{
	for (int i = 0; i < choice->stated; i++)
		free(choice->fields[i].data);
	free(choice->options.data);
	free(choice->value.data);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	in = {data, size};
	TarxKeysMasterKey key;
	TarxKeysBinding header;
	FuzzFields	fields;
	TarxKeysBoxContent content;
	size_t		where;
	uint8_t		change;
	uint8_t		cut;
	Choice		choice;
	FuzzPiece	payload;
	FuzzPiece	box;

	fuzz_init();
	key = fuzz_master_key();
	fuzz_binding(&in, &header, &fields);
	where = fuzz_byte(&in);
	where = where << 8 | fuzz_byte(&in);
	change = fuzz_byte(&in);
	cut = fuzz_byte(&in);
	header.aad[0] = 1 + (where & 1);
	choice = choose(&in, header.aad[0] == TARX_KEYS_BOX_FORMAT_OPTIONS);
	payload = make_payload(&header, &choice);
	box = seal(&key, &payload);

	must(!opens(&key, &choice.value, &choice.value));
	(void) is_taken(&choice.value, &header, &choice, &content);
	must(opens(&key, &box, &payload));
	must(is_taken(&payload, &header, &choice, &content) == (!header.overflow && is_alive(&choice)));
	if (!header.overflow && is_alive(&choice))
		must_be(&content, &choice);

	box.data[where % box.len] ^= change;
	box.len -= cut < box.len ? cut : box.len;
	must(opens(&key, &box, &payload) == (change == 0 && cut == 0));

	if (change != 0 && header.len > 0)
	{
		payload.data[where % header.len] ^= change;
		must(!is_taken(&payload, &header, &choice, &content));
	}
	free(box.data);
	free(payload.data);
	forget(&choice);
	return 0;
}
