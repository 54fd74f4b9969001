/*
 * test_sealed_box.c
 *	  Values that travel sealed: key pairs, boxes, and what they are held to.
 */
#include "pure/sealed_box.h"

#include "guarded.h"
#include "tap.h"
#include "wiped.h"

#define NOW			UINT64_C(1700000000)
#define PAYLOAD_MAX	1024

static const uint8_t scope[TARX_KEYS_SCOPE_BYTES] = {0xaa, 1, 2, 3};
static TarxKeysMasterKey master;

/* The master key of these bytes; its fingerprint plays no part here. */
static TarxKeysMasterKey
counting_from(uint8_t first)
{
	TarxKeysMasterKey key = {{0}, {0}, NULL, 0};

	for (int i = 0; i < TARX_KEYS_MASTER_KEY_BYTES; i++)
		key.key[i] = (uint8_t) (first + i);
	return key;
}

/* written by Python's hashlib and another X25519 */
static void
known_answer(void)
{
	uint8_t		public_key[TARX_KEYS_BOX_KEY_BYTES];
	char		hex[2 * TARX_KEYS_BOX_KEY_BYTES + 1];
	char		key_id[TARX_KEYS_BOX_KEY_ID_HEX];

	tarx_keys_sealed_box_public_key(public_key, &master);
	sodium_bin2hex(hex, sizeof(hex), public_key, sizeof(public_key));
	is_str(hex, "2b3444f2bfe3dd3a0ba437d444b513a93944395c0d45446c3a5438b06b066d5b",
		   "the public key of a master key");
	tarx_keys_sealed_box_key_id(public_key, key_id);
	is_str(key_id, "b24b54b7c62dc810", "its key id");
}

static TarxKeysBinding
llm_key_header(const char *provider, const char *name, const char *base_url)
{
	TarxKeysBinding header;

	tarx_keys_binding_start(&header, TARX_KEYS_BOX_FORMAT_VALUE, TARX_KEYS_PURPOSE_BOX_LLM_KEY, scope);
	tarx_keys_binding_add(&header, provider, strlen(provider));
	tarx_keys_binding_add(&header, name, strlen(name));
	tarx_keys_binding_add(&header, base_url, base_url == NULL ? 0 : strlen(base_url));
	return header;
}

/* The header of format 2, up to what the box states itself */
static TarxKeysBinding
header_2(const char *purpose, const char *first)
{
	TarxKeysBinding header;

	tarx_keys_binding_start(&header, TARX_KEYS_BOX_FORMAT_OPTIONS, purpose, scope);
	tarx_keys_binding_add(&header, first, strlen(first));
	return header;
}

/* Append bytes to a payload. */
static void
put(uint8_t *payload, size_t *len, const void *bytes, size_t count)
{
	memcpy(payload + *len, bytes, count);
	*len += count;
}

static void
put_expiry(uint8_t *payload, size_t *len, uint64_t expires_at)
{
	for (int shift = 56; shift >= 0; shift -= 8)
		payload[(*len)++] = (uint8_t) (expires_at >> shift);
}

/* The payload that docs/security.md describes, put together on its own */
static size_t
make_payload(uint8_t *payload, uint64_t expires_at, const char *value)
{
	size_t		len = 0;

	put(payload, &len, "\1tarx.box-llm...1", 17);
	put(payload, &len, scope, sizeof(scope));
	put(payload, &len, "\1\0\0\0\6openai\1\0\0\0\4Prod\0", 5 + 6 + 5 + 4 + 1);
	put_expiry(payload, &len, expires_at);
	put(payload, &len, value, strlen(value));
	return len;
}

/* The same for format 2 of a replacement, with a header of one field */
static size_t
make_payload_2(uint8_t *payload, uint64_t expires_at, const char *stated, size_t stated_len)
{
	size_t		len = 0;

	put(payload, &len, "\2tarx.box-rep...2", 17);
	put(payload, &len, scope, sizeof(scope));
	put(payload, &len, "\1\0\0\0\3old", 5 + 3);
	put(payload, &len, stated, stated_len);
	put_expiry(payload, &len, expires_at);
	put(payload, &len, "\1\0\0\0\2{}value", 5 + 2 + 5);
	return len;
}

static bool
read_2(const uint8_t *payload, size_t len, const TarxKeysBinding *header, int stated,
	   TarxKeysBoxContent *content)
{
	Bytes		copy = guarded_copy(payload, len);
	bool		result = tarx_keys_sealed_box_read(copy.data, copy.len, header, stated, NOW, content);

	sodium_free(copy.data);
	return result;
}

static bool
check(const uint8_t *payload, size_t len, const TarxKeysBinding *header, size_t *value_at)
{
	Bytes		copy = guarded_copy(payload, len);
	TarxKeysBoxContent content;
	bool		result = tarx_keys_sealed_box_read(copy.data, copy.len, header, 0, NOW, &content);

	if (result)
		*value_at = (size_t) (content.value.data - (const char *) copy.data);
	sodium_free(copy.data);
	return result;
}

static void
contexts(void)
{
	TarxKeysBinding header = llm_key_header("openai", "Prod", NULL);
	TarxKeysBinding other;
	uint8_t		payload[PAYLOAD_MAX];
	size_t		len = make_payload(payload, NOW + 1, "value");
	size_t		value_at = 0;

	ok(check(payload, len, &header, &value_at), "a payload for its header");
	is_int((long long) (len - value_at), 5, "the value is the rest");
	ok(memcmp(payload + value_at, "value", 5) == 0, "the value");

	other = llm_key_header("openai2", "Prod", NULL);
	ok(!check(payload, len, &other, &value_at), "another provider");
	other = llm_key_header("openai", "Test", NULL);
	ok(!check(payload, len, &other, &value_at), "another name");
	other = llm_key_header("openaiP", "rod", NULL);
	ok(!check(payload, len, &other, &value_at), "fields do not flow into each other");
	other = llm_key_header("openai", "Prod", "");
	ok(!check(payload, len, &other, &value_at), "an empty base URL is not none");
	other = llm_key_header("openai", "Prod", "https://x.example");
	ok(!check(payload, len, &other, &value_at), "a base URL");

	other = header;
	other.aad[1 + TARX_KEYS_PURPOSE_BYTES] ^= 1;
	ok(!check(payload, len, &other, &value_at), "another project");
	tarx_keys_binding_start(&other, TARX_KEYS_BOX_FORMAT_VALUE, TARX_KEYS_PURPOSE_BOX_SECRET, scope);
	ok(!check(payload, len, &other, &value_at), "a secret");
	other = header;
	other.overflow = true;
	ok(!check(payload, len, &other, &value_at), "a header that is too long");

	for (size_t i = 0; i < header.len; i++)
	{
		payload[i] ^= 0x80;
		ok(!check(payload, len, &header, &value_at), "byte %zu of the header", i);
		payload[i] ^= 0x80;
	}
	for (size_t cut = 0; cut < header.len + TARX_KEYS_BOX_EXPIRY_BYTES; cut++)
		ok(!check(payload, cut, &header, &value_at), "cut to %zu bytes", cut);
	ok(check(payload, header.len + TARX_KEYS_BOX_EXPIRY_BYTES, &header, &value_at),
	   "no value is an empty one");
	is_int((long long) value_at, (long long) header.len + TARX_KEYS_BOX_EXPIRY_BYTES,
		   "which the caller judges");
}

static void
expiry(void)
{
	static const struct
	{
		uint64_t	expires_at;
		bool		good;
	}			cases[] = {
		{0, false}, {1, false}, {NOW - 1, false}, {NOW, false}, {NOW + 1, true},
		{NOW + 86400, true}, {NOW + 86401, false}, {NOW * 1000, false},
		{UINT64_C(0x100000000), false}, {UINT64_C(0x8000000000000000), false}, {UINT64_MAX, false}
	};
	TarxKeysBinding header = llm_key_header("openai", "Prod", NULL);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		uint8_t		payload[PAYLOAD_MAX];
		size_t		len = make_payload(payload, cases[i].expires_at, "value");
		size_t		value_at;

		ok(check(payload, len, &header, &value_at) == cases[i].good,
		   "expires %lld seconds from now", (long long) (cases[i].expires_at - NOW));
	}
}

#define STATED	"\1\0\0\0\6openai\1\0\0\0\11https://x"

static bool
is_span(TarxKeysSpan span, const char *expected)
{
	return span.len == strlen(expected) && memcmp(span.data, expected, span.len) == 0;
}

static void
format_2(void)
{
	TarxKeysBinding header = header_2(TARX_KEYS_PURPOSE_BOX_REPLACEMENT, "old");
	TarxKeysBinding other;
	TarxKeysBoxContent content;
	uint8_t		payload[PAYLOAD_MAX];
	size_t		len = make_payload_2(payload, NOW + 1, STATED, sizeof(STATED) - 1);

	is_int(tarx_keys_sealed_box_format(payload, len), 2, "the format of a payload");
	is_int(tarx_keys_sealed_box_format(payload, 0), 0, "and of none");
	ok(tarx_keys_sealed_box_read(payload, len, &header, 2, NOW, &content), "a payload with options");
	ok(is_span(content.stated[0], "openai"), "the first field that it states");
	ok(is_span(content.stated[1], "https://x"), "the second");
	ok(is_span(content.options, "{}"), "its options");
	ok(is_span(content.value, "value"), "its value");

	ok(!read_2(payload, len, &header, 1, &content), "a field too many");
	other = header_2(TARX_KEYS_PURPOSE_BOX_REPLACEMENT, "new");
	ok(!read_2(payload, len, &other, 2, &content), "another old key");
	other = header_2(TARX_KEYS_PURPOSE_BOX_LLM_KEY_2, "old");
	ok(!read_2(payload, len, &other, 2, &content), "another purpose");
	tarx_keys_binding_start(&other, TARX_KEYS_BOX_FORMAT_VALUE, TARX_KEYS_PURPOSE_BOX_REPLACEMENT, scope);
	tarx_keys_binding_add(&other, "old", 3);
	ok(!read_2(payload, len, &other, 2, &content), "another format");
	for (size_t i = 0; i < header.len; i++)
	{
		payload[i] ^= 0x80;
		ok(!read_2(payload, len, &header, 2, &content), "byte %zu of the header", i);
		payload[i] ^= 0x80;
	}
	for (size_t cut = 0; cut < len - strlen("value"); cut++)
		ok(!read_2(payload, cut, &header, 2, &content), "cut to %zu bytes", cut);
	ok(read_2(payload, len - strlen("value"), &header, 2, &content), "no value is an empty one");

	len = make_payload_2(payload, NOW + 1, "\1\0\0\0\6openai\0", 5 + 6 + 1);
	ok(!read_2(payload, len, &header, 2, &content), "no destination");
	len = make_payload_2(payload, NOW + 1, "\0" STATED, sizeof(STATED));
	ok(!read_2(payload, len, &header, 2, &content), "no provider");
	len = make_payload_2(payload, NOW, STATED, sizeof(STATED) - 1);
	ok(!read_2(payload, len, &header, 2, &content), "an expiry that has come");
	len = make_payload_2(payload, NOW + 86401, STATED, sizeof(STATED) - 1);
	ok(!read_2(payload, len, &header, 2, &content), "one that is too far ahead");
	len = make_payload_2(payload, NOW + 1, STATED, sizeof(STATED) - 1);
	payload[len - 5 - 2 - 5] = 0;
	ok(!read_2(payload, len, &header, 2, &content), "NULL as options");
}

static void
sizes(void)
{
	TarxKeysBinding header = llm_key_header("openai", "Prod", NULL);
	uint8_t    *payload = calloc(1, PAYLOAD_MAX + TARX_KEYS_SECRET_MAX_BYTES + 1);
	size_t		len = make_payload(payload, NOW + 1, "");
	size_t		value_at;

	ok(check(payload, len + TARX_KEYS_SECRET_MAX_BYTES, &header, &value_at), "the longest value");
	ok(!check(payload, len + TARX_KEYS_SECRET_MAX_BYTES + 1, &header, &value_at), "a longer one");
	free(payload);
}

static void
boxes(void)
{
	TarxKeysMasterKey other = counting_from(1);
	uint8_t		public_key[TARX_KEYS_BOX_KEY_BYTES];
	uint8_t		payload[PAYLOAD_MAX];
	size_t		len = make_payload(payload, NOW + 1, "value");
	size_t		size = len + TARX_KEYS_BOX_OVERHEAD;
	uint8_t    *box = guarded(size);
	uint8_t    *opened = guarded(len);

	tarx_keys_sealed_box_public_key(public_key, &master);
	ok(tarx_keys_box_seal(box, payload, len, public_key), "a box is sealed");
	ok(tarx_keys_sealed_box_open(opened, &master, box, size), "and opens");
	ok(memcmp(opened, payload, len) == 0, "to what was sealed");
	sodium_memzero(opened, len);
	ok(!tarx_keys_sealed_box_open(opened, &other, box, size), "not by another master key");
	for (size_t i = 0; i < size; i++)
	{
		box[i] ^= 1;
		ok(!tarx_keys_sealed_box_open(opened, &master, box, size), "nor with byte %zu changed", i);
		box[i] ^= 1;
	}
	for (size_t cut = 0; cut < size; cut++)
	{
		Bytes		copy = guarded_copy(box, cut);

		ok(!tarx_keys_sealed_box_open(opened, &master, copy.data, copy.len), "nor cut to %zu bytes", cut);
		sodium_free(copy.data);
	}
	ok(sodium_is_zero(opened, len), "what does not open leaves nothing");
	sodium_free(opened);
	sodium_free(box);
}

/* Public keys of low order: anybody could open what is sealed to them. */
static void
recipients(void)
{
	uint8_t		box[TARX_KEYS_BOX_OVERHEAD];
	uint8_t		public_key[TARX_KEYS_BOX_KEY_BYTES] = {0};

	ok(!tarx_keys_box_seal(box, NULL, 0, public_key), "0 is no public key");
	public_key[0] = 1;
	ok(!tarx_keys_box_seal(box, NULL, 0, public_key), "nor 1");
	sodium_memzero(box, sizeof(box));
	tarx_keys_sealed_box_public_key(public_key, &master);
	ok(tarx_keys_box_seal(box, NULL, 0, public_key), "a public key is one");
}

/* What the secret key comes from, and the key itself, do not stay in memory. */
static void
wiping(void)
{
	static const uint8_t no_scope[TARX_KEYS_SCOPE_BYTES] = {0};
	uint8_t		seed[TARX_KEYS_SUBKEY_BYTES];
	uint8_t		public_key[TARX_KEYS_BOX_KEY_BYTES];
	uint8_t		secret_key[TARX_KEYS_BOX_KEY_BYTES];
	uint8_t		box[TARX_KEYS_BOX_OVERHEAD] = {0};

	tarx_keys_subkey(seed, &master, no_scope, TARX_KEYS_PURPOSE_BOX_KEY);
	tarx_keys_box_key_pair(public_key, secret_key, seed);
	watch(seed, sizeof(seed));
	tarx_keys_sealed_box_public_key(public_key, &master);
	is_int(wiped, 1, "a public key wipes its seed");
	watch(secret_key, sizeof(secret_key));
	tarx_keys_sealed_box_public_key(public_key, &master);
	is_int(wiped, 1, "and the secret key");
	ok(!tarx_keys_sealed_box_open(box, &master, box, sizeof(box)), "no box");
	is_int(wiped, 2, "a box that does not open wipes the secret key");
	ok(tarx_keys_box_seal(box, NULL, 0, public_key), "a box");
	ok(tarx_keys_sealed_box_open(box, &master, box, sizeof(box)), "opens");
	is_int(wiped, 3, "and wipes the secret key");
	watch(NULL, 0);
}

int
main(void)
{
	if (sodium_init() < 0)
		return 1;
	master = counting_from(0);
	known_answer();
	contexts();
	expiry();
	format_2();
	sizes();
	boxes();
	recipients();
	wiping();
	return done_testing();
}
