/*
 * test_envelope.c
 *	  Unit tests of the byte format of stored ciphertext, in TAP.
 *
 * Two envelopes made by another implementation keep the format from changing
 * unnoticed.  What an envelope is bound to is tested pairwise: of a list of
 * bindings that differ in one thing each, one opens only what it sealed.
 *
 * Every input is copied to memory that ends at an inaccessible page, and every
 * result is written to such memory of just the size it needs.  A call that
 * fails must leave the result as it was, or all zero.  Whatever is opened, or
 * fails to open, is also checked without being opened, with the same outcome.
 */
#include "pure/crypto.h"
#include "pure/envelope.h"
#include "pure/keyring_text.h"
#include "guarded.h"
#include "tap.h"
#include "wiped.h"

/* Longest list of bound fields in a test */
#define MAX_FIELDS	9

typedef enum FieldKind
{
	END = 0,					/* no more fields in this list */
	IS_NULL,
	IS_TEXT
} FieldKind;

typedef struct Field
{
	FieldKind	kind;
	const char *text;
	size_t		len;
} Field;

#define TEXT(literal)	{IS_TEXT, literal, sizeof(literal) - 1}
#define NONE			{IS_NULL, NULL, 0}

/* What an envelope is bound to. */
typedef struct Bound
{
	const char *name;
	const char *purpose;
	const char *scope;
	Field		fields[MAX_FIELDS];
} Bound;

#define LLM_KEY		"tarx.llm-key...1"
#define SCOPE		"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
#define ID			"\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"
#define URL			"https://api.openai.com/v1"
#define MASK		"sk-proj-abc...wxyz"

#define KEY_HEX		"3463c2007d54c8e8abec3f6fcad774ddf6fea51aa6b0ad772eba4a84d5ba691e"
#define KEY_FINGERPRINT "\xf3\x36\x7c\xd9\x28\x99\x2d\xcc"
#define OTHER_KEY_HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

/*
 * Fields like those of a key's row, and what differs from them in one thing;
 * and more lists that differ from each other only in where fields end.
 */
static const Bound distinct[] = {
	{"as it is", LLM_KEY, SCOPE,
	{TEXT(ID), TEXT("openai"), TEXT("main"), NONE, TEXT(URL), TEXT(MASK), TEXT("alice")}},
	{"other purpose, last character", "tarx.llm-key...2", SCOPE,
	{TEXT(ID), TEXT("openai"), TEXT("main"), NONE, TEXT(URL), TEXT(MASK), TEXT("alice")}},
	{"other purpose, first character", "Tarx.llm-key...1", SCOPE,
	{TEXT(ID), TEXT("openai"), TEXT("main"), NONE, TEXT(URL), TEXT(MASK), TEXT("alice")}},
	{"other scope, last byte", LLM_KEY,
		"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0e",
	{TEXT(ID), TEXT("openai"), TEXT("main"), NONE, TEXT(URL), TEXT(MASK), TEXT("alice")}},
	{"other scope, first byte", LLM_KEY,
		"\x80\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f",
	{TEXT(ID), TEXT("openai"), TEXT("main"), NONE, TEXT(URL), TEXT(MASK), TEXT("alice")}},
	{"scope and id swapped", LLM_KEY, ID,
	{TEXT(SCOPE), TEXT("openai"), TEXT("main"), NONE, TEXT(URL), TEXT(MASK), TEXT("alice")}},
	{"other id", LLM_KEY, SCOPE,
	{TEXT(SCOPE), TEXT("openai"), TEXT("main"), NONE, TEXT(URL), TEXT(MASK), TEXT("alice")}},
	{"other provider", LLM_KEY, SCOPE,
	{TEXT(ID), TEXT("mistral"), TEXT("main"), NONE, TEXT(URL), TEXT(MASK), TEXT("alice")}},
	{"other name", LLM_KEY, SCOPE,
	{TEXT(ID), TEXT("openai"), TEXT("Main"), NONE, TEXT(URL), TEXT(MASK), TEXT("alice")}},
	{"base URL '' for NULL", LLM_KEY, SCOPE,
	{TEXT(ID), TEXT("openai"), TEXT("main"), TEXT(""), TEXT(URL), TEXT(MASK), TEXT("alice")}},
	{"base URL a zero byte for NULL", LLM_KEY, SCOPE,
	{TEXT(ID), TEXT("openai"), TEXT("main"), TEXT("\0"), TEXT(URL), TEXT(MASK), TEXT("alice")}},
	{"base URL for NULL", LLM_KEY, SCOPE,
	{TEXT(ID), TEXT("openai"), TEXT("main"), TEXT(URL), TEXT(URL), TEXT(MASK), TEXT("alice")}},
	{"other destination", LLM_KEY, SCOPE,
	{TEXT(ID), TEXT("openai"), TEXT("main"), NONE, TEXT("https://api.openai.com/v2"), TEXT(MASK), TEXT("alice")}},
	{"no destination", LLM_KEY, SCOPE,
	{TEXT(ID), TEXT("openai"), TEXT("main"), NONE, NONE, TEXT(MASK), TEXT("alice")}},
	{"other mask", LLM_KEY, SCOPE,
	{TEXT(ID), TEXT("openai"), TEXT("main"), NONE, TEXT(URL), TEXT("sk-proj-abc...wxyy"), TEXT("alice")}},
	{"other added_by", LLM_KEY, SCOPE,
	{TEXT(ID), TEXT("openai"), TEXT("main"), NONE, TEXT(URL), TEXT(MASK), TEXT("alicf")}},
	{"added_by shorter", LLM_KEY, SCOPE,
	{TEXT(ID), TEXT("openai"), TEXT("main"), NONE, TEXT(URL), TEXT(MASK), TEXT("alic")}},
	{"added_by longer by a zero byte", LLM_KEY, SCOPE,
	{TEXT(ID), TEXT("openai"), TEXT("main"), NONE, TEXT(URL), TEXT(MASK), TEXT("alice\0")}},
	{"without the last field", LLM_KEY, SCOPE,
	{TEXT(ID), TEXT("openai"), TEXT("main"), NONE, TEXT(URL), TEXT(MASK)}},
	{"last field NULL", LLM_KEY, SCOPE,
	{TEXT(ID), TEXT("openai"), TEXT("main"), NONE, TEXT(URL), TEXT(MASK), NONE}},
	{"last field ''", LLM_KEY, SCOPE,
	{TEXT(ID), TEXT("openai"), TEXT("main"), NONE, TEXT(URL), TEXT(MASK), TEXT("")}},
	{"one more field, NULL", LLM_KEY, SCOPE,
	{TEXT(ID), TEXT("openai"), TEXT("main"), NONE, TEXT(URL), TEXT(MASK), TEXT("alice"), NONE}},
	{"one more field, ''", LLM_KEY, SCOPE,
	{TEXT(ID), TEXT("openai"), TEXT("main"), NONE, TEXT(URL), TEXT(MASK), TEXT("alice"), TEXT("")}},
	{"without the first field", LLM_KEY, SCOPE,
	{TEXT("openai"), TEXT("main"), NONE, TEXT(URL), TEXT(MASK), TEXT("alice")}},
	{"without the NULL", LLM_KEY, SCOPE,
	{TEXT(ID), TEXT("openai"), TEXT("main"), TEXT(URL), TEXT(MASK), TEXT("alice")}},
	{"NULL one field later", LLM_KEY, SCOPE,
	{TEXT(ID), TEXT("openai"), TEXT("main"), TEXT(URL), NONE, TEXT(MASK), TEXT("alice")}},
	{"provider and name swapped", LLM_KEY, SCOPE,
	{TEXT(ID), TEXT("main"), TEXT("openai"), NONE, TEXT(URL), TEXT(MASK), TEXT("alice")}},
	{"name and added_by swapped", LLM_KEY, SCOPE,
	{TEXT(ID), TEXT("openai"), TEXT("alice"), NONE, TEXT(URL), TEXT(MASK), TEXT("main")}},
	{"a character from provider to name", LLM_KEY, SCOPE,
	{TEXT(ID), TEXT("opena"), TEXT("imain"), NONE, TEXT(URL), TEXT(MASK), TEXT("alice")}},
	{"a character from name to provider", LLM_KEY, SCOPE,
	{TEXT(ID), TEXT("openaim"), TEXT("ain"), NONE, TEXT(URL), TEXT(MASK), TEXT("alice")}},
	{"name all in provider, and ''", LLM_KEY, SCOPE,
	{TEXT(ID), TEXT("openaimain"), TEXT(""), NONE, TEXT(URL), TEXT(MASK), TEXT("alice")}},
	{"name all in provider", LLM_KEY, SCOPE,
	{TEXT(ID), TEXT("openaimain"), NONE, TEXT(URL), TEXT(MASK), TEXT("alice")}},
	{"no field", LLM_KEY, SCOPE, {{END, NULL, 0}}},
	{"NULL alone", LLM_KEY, SCOPE, {NONE}},
	{"'' alone", LLM_KEY, SCOPE, {TEXT("")}},
	{"NULL, NULL", LLM_KEY, SCOPE, {NONE, NONE}},
	{"NULL, ''", LLM_KEY, SCOPE, {NONE, TEXT("")}},
	{"'', NULL", LLM_KEY, SCOPE, {TEXT(""), NONE}},
	{"'', ''", LLM_KEY, SCOPE, {TEXT(""), TEXT("")}},
	{"a, b", LLM_KEY, SCOPE, {TEXT("a"), TEXT("b")}},
	{"b, a", LLM_KEY, SCOPE, {TEXT("b"), TEXT("a")}},
	{"ab", LLM_KEY, SCOPE, {TEXT("ab")}},
	{"ab, ''", LLM_KEY, SCOPE, {TEXT("ab"), TEXT("")}},
	{"'', ab", LLM_KEY, SCOPE, {TEXT(""), TEXT("ab")}},
	{"a, prefix of b, b in one field", LLM_KEY, SCOPE, {TEXT("a\1\0\0\0\1b")}},
	{"prefix of '' in a field", LLM_KEY, SCOPE, {TEXT("\1\0\0\0\0")}},
	{"prefix of NULL in a field", LLM_KEY, SCOPE, {TEXT("\0")}},
};

/*
 * from hashlib import blake2b
 * from Cryptodome.Cipher import ChaCha20_Poly1305
 *
 * def field(b):
 *     return b'\0' if b is None else b'\1' + len(b).to_bytes(4, 'big') + b
 *
 * def envelope(key, purpose, scope, fields, nonce, plain):
 *     fingerprint = blake2b(key=key, digest_size=16, salt=bytes(16),
 *                           person=b'tarx.fingerprint').digest()[:8]
 *     subkey = blake2b(key=key, digest_size=32, salt=scope, person=purpose).digest()
 *     cipher = ChaCha20_Poly1305.new(key=subkey, nonce=nonce)
 *     cipher.update(b'\1' + purpose + scope + b''.join(map(field, fields)))
 *     return b'\1' + fingerprint + nonce + b''.join(cipher.encrypt_and_digest(plain))
 *
 * The first has the nonce bytes(range(100, 124)), the second bytes(range(24)).
 */
typedef struct FixedCase
{
	Bound		bound;
	const char *plain;
	const char *envelope;
} FixedCase;

static const FixedCase fixed_cases[] = {
	{{"the fixed key", LLM_KEY, SCOPE,
	{TEXT(ID), TEXT("openai"), TEXT("B\xc3\xbcro"), NONE, TEXT(URL), TEXT(MASK), TEXT("")}},
	"sk-proj-abcdefghijklmnopqrstuvwxyz",
	"01" "f3367cd928992dcc"
	"6465666768696a6b6c6d6e6f707172737475767778797a7b"
	"738c1dba9762a03d378c67482a28bcbfdfde41dbbffc0c70ee39650d10cbba76e257"
	"87cbc8127a5426d6edb064d809d45609"},
	{{"the fixed empty value", "0123456789abcdef", SCOPE, {{END, NULL, 0}}},
	"",
	"01" "f3367cd928992dcc"
	"000102030405060708090a0b0c0d0e0f1011121314151617"
	"81d615933ee0549274eedef7aefd856e"},
};

static TarxKeysMasterKey
key_of(const char *hex)
{
	TarxKeysMasterKey key = {.realm = NULL};
	Bytes		bytes = from_hex(hex);

	memcpy(key.key, bytes.data, sizeof(key.key));
	tarx_keys_fingerprint(key.fingerprint, key.key);
	sodium_free(bytes.data);
	return key;
}

static void
add_field(TarxKeysBinding *binding, const char *text, size_t len)
{
	Bytes		copy = guarded_copy(text, len);

	tarx_keys_binding_add(binding, copy.data, len);
	sodium_free(copy.data);
}

/* Start a binding in guarded memory that shows what was there before. */
static TarxKeysBinding *
new_binding(const char *purpose, const char *scope)
{
	TarxKeysBinding *binding = guarded(sizeof(TarxKeysBinding));
	Bytes		scope_copy = guarded_copy(scope, TARX_KEYS_SCOPE_BYTES);

	/* The purpose must outlive the binding; the scope need not. */
	tarx_keys_binding_init(binding, purpose, scope_copy.data);
	sodium_free(scope_copy.data);
	return binding;
}

static TarxKeysBinding *
binding_of(const Bound *bound)
{
	TarxKeysBinding *binding = new_binding(bound->purpose, bound->scope);

	for (const Field *field = bound->fields; field->kind != END; field++)
	{
		if (field->kind == IS_NULL)
			tarx_keys_binding_add(binding, NULL, 0);
		else
			add_field(binding, field->text, field->len);
	}
	return binding;
}

/* Seal; the result is empty if that was refused. */
static Bytes
seal(const TarxKeysMasterKey *key, const TarxKeysBinding *binding, const void *plain, size_t len)
{
	Bytes		copy = guarded_copy(plain, len);
	Bytes		out = guarded_bytes(len + TARX_KEYS_ENVELOPE_OVERHEAD);

	if (!tarx_keys_envelope_seal(out.data, key, binding, copy.data, len))
	{
		if (!is_all(&out, LEFTOVER))
			ok(false, "a refused sealing writes nothing");
		sodium_free(out.data);
		out = guarded_bytes(0);
	}
	sodium_free(copy.data);
	return out;
}

/* Is the envelope what was sealed?  It stays closed. */
static bool
is_authentic(const TarxKeysMasterKey *key, const TarxKeysBinding *binding, const Bytes *envelope)
{
	return tarx_keys_envelope_open(NULL, key, binding, envelope->data, envelope->len);
}

/*
 * NULL if the envelope opens to just this plaintext, and is authentic without
 * being opened, else what is wrong.
 */
static const char *
fault_in_opening(const TarxKeysMasterKey *key, const TarxKeysBinding *binding,
				 const Bytes *envelope, const void *plain, size_t len)
{
	Bytes		out = guarded_bytes(len);
	const char *fault = NULL;

	if (tarx_keys_envelope_plain_len(envelope->len) != len)
		fault = "other length";
	else if (!tarx_keys_envelope_open(out.data, key, binding, envelope->data, envelope->len))
		fault = "not opened";
	else if (memcmp(out.data, plain, len) != 0)
		fault = "opened to something else";
	else if (!is_authentic(key, binding, envelope))
		fault = "not authentic without being opened";
	sodium_free(out.data);
	return fault;
}

/*
 * NULL if the envelope does not open and leaves nothing, and is not authentic
 * without being opened either, else what is wrong.
 */
static const char *
fault_in_refusal(const TarxKeysMasterKey *key, const TarxKeysBinding *binding,
				 const Bytes *envelope)
{
	Bytes		out = guarded_bytes(tarx_keys_envelope_plain_len(envelope->len));
	const char *fault = NULL;

	if (tarx_keys_envelope_open(out.data, key, binding, envelope->data, envelope->len))
		fault = "opened";
	else if (!is_all(&out, LEFTOVER) && !is_all(&out, 0))
		fault = "left something in the result";
	else if (is_authentic(key, binding, envelope))
		fault = "authentic without being opened";
	sodium_free(out.data);
	return fault;
}

static void
check_constants(void)
{
	is_int(TARX_KEYS_ENVELOPE_VERSION, 1, "format version");
	is_int(TARX_KEYS_ENVELOPE_HEADER, 1 + 8 + 24, "header's length");
	is_int(TARX_KEYS_ENVELOPE_OVERHEAD, 1 + 8 + 24 + 16, "overhead");
	is_int(sizeof(LLM_KEY) - 1, TARX_KEYS_PURPOSE_BYTES, "length of a purpose");
}

/* What is authenticated, to the byte. */
static void
check_aad(void)
{
	static const char head[] = "\x01" LLM_KEY SCOPE;
	static const char fields[] = "\x00"
	"\x01\x00\x00\x00\x00"
	"\x01\x00\x00\x00\x03" "abc"
	"\x00"
	"\x01\x00\x00\x00\x02" "\xc3\xbc"
	"\x01\x00\x00\x12\x34";
	const size_t head_len = sizeof(head) - 1;
	const size_t fields_len = sizeof(fields) - 1;
	Bytes		longest = guarded_bytes(0x1234);
	TarxKeysBinding *binding = new_binding(LLM_KEY, SCOPE);

	ok(!binding->overflow, "a new binding has no overflow");
	ok(binding->len == head_len && memcmp(binding->aad, head, head_len) == 0,
	   "AAD without fields: version, purpose, scope");
	tarx_keys_binding_add(binding, NULL, 0);
	/* No field has a length without bytes. */
	add_field(binding, "", 0);
	add_field(binding, "abc", 3);
	tarx_keys_binding_add(binding, NULL, 5);
	add_field(binding, "\xc3\xbc", 2);
	tarx_keys_binding_add(binding, longest.data, longest.len);
	ok(!binding->overflow, "these fields fit");
	is_int((long long) binding->len, (long long) (head_len + fields_len + longest.len),
		   "AAD's length");
	ok(memcmp(binding->aad + head_len, fields, fields_len) == 0,
	   "AAD of fields: 0, or 1, length, bytes");
	ok(memcmp(binding->aad + head_len + fields_len, longest.data, longest.len) == 0,
	   "AAD of a long field");
	sodium_free(binding);
	sodium_free(longest.data);
}

/* What is stored, to the byte. */
static void
check_format(size_t len)
{
	static const uint8_t zeros[1 + TARX_KEYS_NONCE_BYTES] = {0};
	TarxKeysMasterKey key = key_of(KEY_HEX);
	TarxKeysBinding *binding = binding_of(&distinct[0]);
	Bytes		plain = guarded_bytes(len);
	Bytes		envelope;
	Bytes		expected = guarded_bytes(len + TARX_KEYS_TAG_BYTES);
	uint8_t		subkey[TARX_KEYS_SUBKEY_BYTES];

	randombytes_buf(plain.data, plain.len);
	envelope = seal(&key, binding, plain.data, plain.len);
	is_int((long long) envelope.len, (long long) (1 + 8 + 24 + len + 16),
		   "%zu bytes: length", len);
	is_int(envelope.data[0], 1, "%zu bytes: version", len);
	ok(memcmp(envelope.data + 1, KEY_FINGERPRINT, 8) == 0, "%zu bytes: fingerprint", len);
	ok(memcmp(envelope.data + 9, zeros, 24) != 0, "%zu bytes: a nonce", len);
	tarx_keys_subkey(subkey, &key, (const uint8_t *) SCOPE, LLM_KEY);
	tarx_keys_encrypt(expected.data, plain.data, len, binding->aad, binding->len,
					  envelope.data + 9, subkey);
	ok(memcmp(envelope.data + 33, expected.data, expected.len) == 0,
	   "%zu bytes: ciphertext and tag", len);
	is_str(fault_in_opening(&key, binding, &envelope, plain.data, len), NULL,
		   "%zu bytes: opened", len);
	sodium_free(expected.data);
	sodium_free(envelope.data);
	sodium_free(plain.data);
	sodium_free(binding);
}

static void
check_fixed(void)
{
	TarxKeysMasterKey key = key_of(KEY_HEX);

	for (size_t i = 0; i < lengthof(fixed_cases); i++)
	{
		const FixedCase *test = &fixed_cases[i];
		TarxKeysBinding *binding = binding_of(&test->bound);
		Bytes		envelope = from_hex(test->envelope);
		const uint8_t *fingerprint = tarx_keys_envelope_fingerprint(envelope.data, envelope.len);

		ok(fingerprint == envelope.data + 1 && memcmp(fingerprint, KEY_FINGERPRINT, 8) == 0,
		   "%s: fingerprint", test->bound.name);
		is_str(fault_in_opening(&key, binding, &envelope, test->plain, strlen(test->plain)),
			   NULL, "%s: opened", test->bound.name);
		sodium_free(envelope.data);
		sodium_free(binding);
	}
}

/* Nothing may be the same twice, in any place of the nonce. */
static void
check_nonces(void)
{
	enum
	{
		SEALS = 64
	};
	TarxKeysMasterKey key = key_of(KEY_HEX);
	TarxKeysBinding *binding = binding_of(&distinct[0]);
	Bytes		envelopes[SEALS];
	int			same_nonces = 0;
	int			same_texts = 0;
	int			constant_places = 0;

	for (int i = 0; i < SEALS; i++)
	{
		envelopes[i] = seal(&key, binding, "value", 5);
		for (int j = 0; j < i; j++)
		{
			same_nonces += memcmp(envelopes[i].data + 9, envelopes[j].data + 9, 24) == 0;
			same_texts += memcmp(envelopes[i].data + 33, envelopes[j].data + 33, 5 + 16) == 0;
		}
	}
	is_int(same_nonces, 0, "no two of %d nonces are the same", SEALS);
	is_int(same_texts, 0, "no two of %d ciphertexts are the same", SEALS);
	for (int place = 9; place < 33; place++)
	{
		bool		constant = true;

		for (int i = 1; i < SEALS; i++)
			constant &= envelopes[i].data[place] == envelopes[0].data[place];
		constant_places += constant;
	}
	is_int(constant_places, 0, "all 24 bytes of a nonce are drawn");
	for (int i = 0; i < SEALS; i++)
		sodium_free(envelopes[i].data);
	sodium_free(binding);
}

/* Of all these bindings, each opens what it sealed and nothing else. */
static void
check_bindings(void)
{
	static const char value[] = "sk-proj-abcdefghijklmnopqrstuvwxyz";
	TarxKeysMasterKey key = key_of(KEY_HEX);
	TarxKeysBinding *bindings[lengthof(distinct)];

	for (size_t i = 0; i < lengthof(distinct); i++)
		bindings[i] = binding_of(&distinct[i]);
	for (size_t i = 0; i < lengthof(distinct); i++)
	{
		Bytes		envelope = seal(&key, bindings[i], value, sizeof(value));

		is_str(fault_in_opening(&key, bindings[i], &envelope, value, sizeof(value)),
			   NULL, "%s: opened", distinct[i].name);
		for (size_t j = 0; j < lengthof(distinct); j++)
		{
			if (j != i)
				is_str(fault_in_refusal(&key, bindings[j], &envelope), NULL,
					   "%s: refused by %s", distinct[i].name, distinct[j].name);
		}
		sodium_free(envelope.data);
	}
	for (size_t i = 0; i < lengthof(distinct); i++)
		sodium_free(bindings[i]);
}

/* Key and fingerprint have to be the right ones, both. */
static void
check_keys(void)
{
	TarxKeysMasterKey key = key_of(KEY_HEX);
	TarxKeysMasterKey other = key_of(OTHER_KEY_HEX);
	TarxKeysMasterKey changed;
	TarxKeysBinding *binding = binding_of(&distinct[0]);
	Bytes		envelope = seal(&key, binding, "value", 5);
	const char *fault = NULL;

	is_str(fault_in_refusal(&other, binding, &envelope), NULL, "another master key");
	changed = other;
	memcpy(changed.fingerprint, key.fingerprint, sizeof(key.fingerprint));
	is_str(fault_in_refusal(&changed, binding, &envelope), NULL,
		   "another master key that passes for this one");
	changed = key;
	memcpy(changed.fingerprint, other.fingerprint, sizeof(key.fingerprint));
	is_str(fault_in_refusal(&changed, binding, &envelope), NULL,
		   "the right master key, another fingerprint");
	for (size_t bit = 0; bit < 8 * sizeof(key.fingerprint) && fault == NULL; bit++)
	{
		changed = key;
		changed.fingerprint[bit / 8] ^= (uint8_t) (1 << bit % 8);
		fault = fault_in_refusal(&changed, binding, &envelope);
	}
	is_str(fault, NULL, "each bit of the key's fingerprint flipped");
	fault = NULL;
	for (size_t bit = 0; bit < 8 * sizeof(key.key) && fault == NULL; bit++)
	{
		changed = key;
		changed.key[bit / 8] ^= (uint8_t) (1 << bit % 8);
		fault = fault_in_refusal(&changed, binding, &envelope);
	}
	is_str(fault, NULL, "each bit of the key flipped");
	sodium_free(envelope.data);
	sodium_free(binding);
}

/* No call leaves its copy of the subkey in memory. */
static void
check_wiping(void)
{
	TarxKeysMasterKey key = key_of(KEY_HEX);
	TarxKeysBinding *binding = binding_of(&distinct[0]);
	uint8_t		subkey[TARX_KEYS_SUBKEY_BYTES];
	uint8_t		stamp[TARX_KEYS_STAMP_BYTES];
	Bytes		out = guarded_bytes(5);
	Bytes		envelope;

	tarx_keys_subkey(subkey, &key, (const uint8_t *) SCOPE, LLM_KEY);
	watch(subkey, sizeof(subkey));
	envelope = seal(&key, binding, "value", 5);
	is_int(wiped, 1, "sealing wipes its subkey");
	ok(tarx_keys_envelope_open(out.data, &key, binding, envelope.data, envelope.len), "opened");
	is_int(wiped, 2, "opening wipes its subkey");
	ok(is_authentic(&key, binding, &envelope), "authentic");
	is_int(wiped, 3, "a check wipes its subkey");
	envelope.data[envelope.len - 1] ^= 1;
	ok(!tarx_keys_envelope_open(out.data, &key, binding, envelope.data, envelope.len), "not opened");
	is_int(wiped, 4, "a refusal wipes its subkey");
	ok(!is_authentic(&key, binding, &envelope), "not authentic");
	is_int(wiped, 5, "a check that fails wipes its subkey");

	ok(tarx_keys_stamp_make(stamp, &key, binding), "stamped");
	is_int(wiped, 6, "a stamp wipes its subkey");
	ok(tarx_keys_stamp_check(stamp, sizeof(stamp), &key, binding), "the right stamp");
	is_int(wiped, 7, "a check of a stamp wipes its subkey");
	watch(stamp, sizeof(stamp));
	ok(tarx_keys_stamp_check(stamp, sizeof(stamp), &key, binding), "the right stamp again");
	is_int(wiped, 1, "and the right stamp, which a changed row would need");
	watch(NULL, 0);
	sodium_free(out.data);
	sodium_free(envelope.data);
	sodium_free(binding);
}

/* A stamp is exact: its length, its version, the master key that it names, each byte. */
static void
check_stamps(void)
{
	TarxKeysMasterKey key = key_of(KEY_HEX);
	TarxKeysMasterKey other = key;
	TarxKeysBinding *binding = binding_of(&distinct[0]);
	uint8_t		stamp[TARX_KEYS_STAMP_BYTES + 1] = {0};
	uint8_t		envelope[TARX_KEYS_ENVELOPE_OVERHEAD];
	uint8_t		nonce[TARX_KEYS_NONCE_BYTES] = {0};
	uint8_t		subkey[TARX_KEYS_SUBKEY_BYTES];

	ok(tarx_keys_stamp_make(stamp, &key, binding), "stamped");
	ok(tarx_keys_stamp_check(stamp, TARX_KEYS_STAMP_BYTES, &key, binding), "it is the right one");
	ok(!tarx_keys_stamp_check(stamp, TARX_KEYS_STAMP_BYTES + 1, &key, binding), "not with a byte more");
	ok(!tarx_keys_stamp_check(stamp, TARX_KEYS_STAMP_BYTES - 1, &key, binding), "not with a byte less");
	for (size_t i = 0; i < TARX_KEYS_STAMP_BYTES; i++)
	{
		stamp[i] ^= 1;
		ok(!tarx_keys_stamp_check(stamp, TARX_KEYS_STAMP_BYTES, &key, binding), "not with another byte %zu", i);
		stamp[i] ^= 1;
	}
	stamp[0]++;
	ok(tarx_keys_stamp_fingerprint(stamp, TARX_KEYS_STAMP_BYTES) == NULL, "another version is no stamp");
	stamp[0]--;
	other.fingerprint[0] ^= 1;
	ok(!tarx_keys_stamp_check(stamp, TARX_KEYS_STAMP_BYTES, &other, binding), "it names its master key");

	tarx_keys_subkey(subkey, &key, binding->scope, binding->purpose);
	binding->overflow = true;
	ok(!tarx_keys_stamp_make_by(stamp, key.fingerprint, subkey, binding), "fields that do not fit have no stamp");
	ok(!tarx_keys_envelope_seal_by(envelope, key.fingerprint, subkey, nonce, binding, (const uint8_t *) "", 0),
	   "and no envelope");
	sodium_free(binding);
}

/* The fixed envelopes, and changes to them that must not open. */
static void
check_tampering(const FixedCase *test)
{
	const char *name = test->bound.name;
	TarxKeysMasterKey key = key_of(KEY_HEX);
	TarxKeysBinding *binding = binding_of(&test->bound);
	Bytes		envelope = from_hex(test->envelope);
	Bytes		longer = guarded_bytes(envelope.len + 1);
	const char *fault = NULL;

	for (size_t bit = 0; bit < 8 * envelope.len && fault == NULL; bit++)
	{
		envelope.data[bit / 8] ^= (uint8_t) (1 << bit % 8);
		fault = fault_in_refusal(&key, binding, &envelope);
		envelope.data[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	is_str(fault, NULL, "%s: each bit flipped", name);

	for (size_t len = 0; len < envelope.len; len++)
	{
		Bytes		start = guarded_copy(envelope.data, len);
		Bytes		end = guarded_copy(envelope.data + envelope.len - len, len);

		is_str(fault_in_refusal(&key, binding, &start), NULL,
			   "%s: cut to the first %zu bytes", name, len);
		is_str(fault_in_refusal(&key, binding, &end), NULL,
			   "%s: cut to the last %zu bytes", name, len);
		sodium_free(start.data);
		sodium_free(end.data);
	}

	fault = NULL;
	for (int byte = 0; byte < 256 && fault == NULL; byte++)
	{
		memcpy(longer.data, envelope.data, envelope.len);
		longer.data[envelope.len] = (uint8_t) byte;
		fault = fault_in_refusal(&key, binding, &longer);
	}
	is_str(fault, NULL, "%s: any byte more at its end", name);
	fault = NULL;
	for (int byte = 0; byte < 256 && fault == NULL; byte++)
	{
		longer.data[0] = (uint8_t) byte;
		memcpy(longer.data + 1, envelope.data, envelope.len);
		fault = fault_in_refusal(&key, binding, &longer);
	}
	is_str(fault, NULL, "%s: any byte more at its start", name);

	sodium_free(longer.data);
	sodium_free(envelope.data);
	sodium_free(binding);
}

/* Only one version is known. */
static void
check_versions(void)
{
	TarxKeysMasterKey key = key_of(KEY_HEX);
	TarxKeysBinding *binding = binding_of(&fixed_cases[0].bound);
	Bytes		envelope = from_hex(fixed_cases[0].envelope);

	for (int version = 0; version < 256; version++)
	{
		envelope.data[0] = (uint8_t) version;
		if (version == 1)
			continue;
		ok(tarx_keys_envelope_fingerprint(envelope.data, envelope.len) == NULL,
		   "version %d has no fingerprint", version);
		is_str(fault_in_refusal(&key, binding, &envelope), NULL,
			   "version %d does not open", version);
	}
	sodium_free(envelope.data);
	sodium_free(binding);
}

/* Whatever the bytes: below a certain length they are no envelope. */
static void
check_lengths(void)
{
	for (size_t len = 0; len <= 60; len++)
	{
		Bytes		bytes = guarded_bytes(len);
		const uint8_t *expected = len < 49 ? NULL : bytes.data + 1;

		memset(bytes.data, 1, bytes.len);
		ok(tarx_keys_envelope_fingerprint(bytes.data, bytes.len) == expected,
		   "fingerprint in %zu bytes", len);
		is_int((long long) tarx_keys_envelope_plain_len(len),
			   len < 49 ? 0 : (long long) len - 49, "plaintext's length in %zu bytes", len);
		sodium_free(bytes.data);
	}
	is_int((long long) tarx_keys_envelope_plain_len(49 + 8192), 8192,
		   "length of the longest value");
}

/* Lengths of fields to bind, and whether they fit; ABSENT is a NULL. */
#define ABSENT		((size_t) -2)
#define NO_MORE		((size_t) -3)

typedef struct RoomCase
{
	const char *name;
	bool		fits;
	size_t		lengths[3];
} RoomCase;

/* 33 bytes are taken before any field, and 5 by each field that is not NULL. */
static const RoomCase room_cases[] = {
	{"20442", true, {20442, NO_MORE}},
	{"20443", false, {20443, NO_MORE}},
	{"20446", false, {20446, NO_MORE}},
	{"20447", false, {20447, NO_MORE}},
	{"20448", false, {20448, NO_MORE}},
	{"20474", false, {20474, NO_MORE}},
	{"20475", false, {20475, NO_MORE}},
	{"20476", false, {20476, NO_MORE}},
	{"20479", false, {20479, NO_MORE}},
	{"20 KiB", false, {20480, NO_MORE}},
	{"20 KiB and 1", false, {20481, NO_MORE}},
	{"32 KiB", false, {32768, NO_MORE}},
	{"20441, NULL", true, {20441, ABSENT, NO_MORE}},
	{"20442, NULL", false, {20442, ABSENT, NO_MORE}},
	{"20437, ''", true, {20437, 0, NO_MORE}},
	{"20438, ''", false, {20438, 0, NO_MORE}},
	{"20441, ''", false, {20441, 0, NO_MORE}},
	{"20442, ''", false, {20442, 0, NO_MORE}},
	{"10216, 10221", true, {10216, 10221, NO_MORE}},
	{"10216, 10222", false, {10216, 10222, NO_MORE}},
	{"10, 20 KiB", false, {10, 20480, NO_MORE}},
	{"20 KiB and 1, NULL", false, {20481, ABSENT, NO_MORE}},
	{"20 KiB and 1, 1", false, {20481, 1, NO_MORE}},
	{"20448, NULL", false, {20448, ABSENT, NO_MORE}},
	{"20443, NULL, 1", false, {20443, ABSENT, 1}},
	{"1, 20443, ''", false, {1, 20443, 0}},
	/* lengths that a 32-bit number, or a sum, would not hold */
	{"4 GiB and 1", false, {(size_t) 1 << 32 | 1, NO_MORE}},
	{"4 GiB", false, {(size_t) 1 << 32, NO_MORE}},
	{"half of all memory", false, {SIZE_MAX / 2 + 1, NO_MORE}},
	{"almost all memory", false, {SIZE_MAX - 37, NO_MORE}},
	{"all memory", false, {SIZE_MAX, NO_MORE}},
};

static void
check_room(void)
{
	TarxKeysMasterKey key = key_of(KEY_HEX);

	for (size_t i = 0; i < lengthof(room_cases); i++)
	{
		const RoomCase *test = &room_cases[i];
		TarxKeysBinding *binding = new_binding(LLM_KEY, SCOPE);
		TarxKeysBinding *lenient = new_binding(LLM_KEY, SCOPE);
		Bytes		envelope;

		for (size_t j = 0; j < lengthof(test->lengths) && test->lengths[j] != NO_MORE; j++)
		{
			size_t		len = test->lengths[j];
			Bytes		field = guarded_bytes(len <= 65536 ? len : 1);

			if (len == ABSENT)
				tarx_keys_binding_add(binding, NULL, 0);
			else
				tarx_keys_binding_add(binding, field.data, len);
			sodium_free(field.data);
		}
		ok(binding->overflow == !test->fits, "%s: %s", test->name,
		   test->fits ? "fits" : "too long");
		ok(binding->len <= sizeof(binding->aad), "%s: stays in its room", test->name);
		envelope = seal(&key, binding, "value", 5);
		is_int((long long) envelope.len, test->fits ? 5 + TARX_KEYS_ENVELOPE_OVERHEAD : 0,
			   "%s: %s", test->name, test->fits ? "sealed" : "not sealed");
		if (test->fits)
			is_str(fault_in_opening(&key, binding, &envelope, "value", 5), NULL,
				   "%s: opened", test->name);
		sodium_free(envelope.data);
		if (!test->fits)
		{
			/* An envelope that is bound to just what did fit. */
			memcpy(lenient, binding, sizeof(*binding));
			lenient->overflow = false;
			envelope = seal(&key, lenient, "value", 5);
			is_str(fault_in_opening(&key, lenient, &envelope, "value", 5), NULL,
				   "%s: what fits, opened", test->name);
			is_str(fault_in_refusal(&key, binding, &envelope), NULL,
				   "%s: not opened", test->name);
			sodium_free(envelope.data);
			tarx_keys_binding_init(binding, LLM_KEY, (const uint8_t *) SCOPE);
			ok(!binding->overflow, "%s: a new start", test->name);
		}
		sodium_free(lenient);
		sodium_free(binding);
	}
}

int
main(void)
{
	static const size_t lengths[] = {0, 1, 4, 63, 64, 65, 8192};

	if (sodium_init() < 0)
	{
		fprintf(stderr, "# cannot initialise libsodium\n");
		return EXIT_FAILURE;
	}

	check_constants();
	check_aad();
	for (size_t i = 0; i < lengthof(lengths); i++)
		check_format(lengths[i]);
	check_fixed();
	check_nonces();
	check_bindings();
	check_keys();
	check_wiping();
	check_stamps();
	for (size_t i = 0; i < lengthof(fixed_cases); i++)
		check_tampering(&fixed_cases[i]);
	check_versions();
	check_lengths();
	check_room();

	return done_testing();
}
