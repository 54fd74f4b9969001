/*
 * test_crypto.c
 *	  Unit tests of key derivation and authenticated encryption, in TAP.
 *
 * Expected bytes come from the XChaCha draft and from implementations that
 * share no code with libsodium.  Every input is copied to memory that ends at
 * an inaccessible page, and every result is written to such memory of just the
 * size it needs, so that one byte too many ends the program.  A decryption
 * that fails must leave the result as it was, or all zero.  Whatever is
 * decrypted, or fails to be, is also authenticated without a result, with the
 * same outcome.
 */
#include "pure/crypto.h"
#include "pure/keyring_text.h"
#include "guarded.h"
#include "tap.h"
#include "wiped.h"

/* Everything that is encrypted or decrypted with. */
typedef struct Message
{
	Bytes		key;
	Bytes		nonce;
	Bytes		aad;
	Bytes		sealed;
} Message;

typedef struct FingerprintCase
{
	const char *key;
	const char *fingerprint;
} FingerprintCase;

typedef struct SubkeyCase
{
	const char *key;
	const char *realm;
	const char *scope;
	const char *purpose;
	const char *subkey;
} SubkeyCase;

typedef struct AeadCase
{
	const char *name;
	const char *key;
	const char *nonce;
	const char *aad;
	const char *plain;
	const char *sealed;
} AeadCase;

/* Master keys: ascending, descending, all ones, and without a pattern. */
#define KEY_UP		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY_DOWN	"fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0efeeedecebeae9e8e7e6e5e4e3e2e1e0"
#define KEY_ONES	"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
#define KEY_RANDOM	"3463c2007d54c8e8abec3f6fcad774ddf6fea51aa6b0ad772eba4a84d5ba691e"

#define SCOPE_ZERO	"00000000000000000000000000000000"
#define SCOPE_UP	"000102030405060708090a0b0c0d0e0f"
#define SCOPE_ONES	"ffffffffffffffffffffffffffffffff"

#define PURPOSE		"tarx.llm-key...1"
#define DIGITS		"0123456789:;<=>?"

/*
 * from hashlib import blake2b
 * blake2b(key=bytes.fromhex(KEY), digest_size=16, salt=bytes(16),
 *         person=b'tarx.fingerprint').digest()[:8].hex()
 */
static const FingerprintCase fingerprint_cases[] = {
	{KEY_UP, "7950c9352cd5281b"},
	{KEY_DOWN, "2292def38b680692"},
	{KEY_ONES, "1eb4807b4f070787"},
	{KEY_RANDOM, "f3367cd928992dcc"},
};

/*
 * blake2b(REALM.encode(), key=bytes.fromhex(KEY), digest_size=32,
 *         salt=bytes.fromhex(SCOPE), person=PURPOSE.encode()).hexdigest()
 */
static const SubkeyCase subkey_cases[] = {
	{KEY_UP, "", SCOPE_ZERO, PURPOSE,
	"3f5f8ee3e14c5fb29eda0a039ff022d32e10d647ffac09ef62daa6c79f5e2617"},
	{KEY_UP, "", SCOPE_UP, PURPOSE,
	"acd410c0b4489e457024b6ba05608336d6408e8fe4fa2cb3a86e9b36c595dd64"},
	{KEY_UP, "", SCOPE_ONES, PURPOSE,
	"f187327ba0e882337845736d97a0f23b985da035aa06de54a59e5771aca45e51"},
	{KEY_UP, "", SCOPE_UP, DIGITS,
	"4b62aa8445a930d8c2381d3008b1f0a2398b00b7d0ee066b13cad95e325a4276"},
	{KEY_DOWN, "", SCOPE_ZERO, PURPOSE,
	"c3c29cfe04a3cb37a3fa265965fc8f8adadd37468e758b26b1f80e5ca7747e6a"},
	{KEY_DOWN, "", SCOPE_UP, PURPOSE,
	"3eee2768d19c06942cc2404d72418fc1233077028ffef954b805f36e95e9f8c8"},
	{KEY_ONES, "", SCOPE_UP, PURPOSE,
	"f5cad938e8121c24a394aa2f2365138acd80e62b54ed69679d5e9456ea95a110"},
	{KEY_ONES, "", SCOPE_ONES, DIGITS,
	"c1b2acb1db84d1b7d8d5e5a7bcfdf6eb62b1b59ea68665f2713d1bde9f6007ba"},
	{KEY_RANDOM, "", SCOPE_ZERO, "tarx.fingerprint",
	"95c5163e80ada4f98cee20a1d95c14c6f62f765c4c9266910ea5b1ae5dcaeb90"},
	{KEY_RANDOM, "", SCOPE_UP, PURPOSE,
	"f5e22836abee0448e5cb2e400c730fbfaf6f9431588e38179592ba232a5c9b3d"},
	{KEY_RANDOM, "", SCOPE_UP, DIGITS,
	"a2e31ba062dec248a0196bcc47f14fe05c9e11616271bf3fbd419023c0f7b6d3"},
	{KEY_RANDOM, "staging", SCOPE_UP, PURPOSE,
	"cf2f6529d818557c8d0b5e8a44eff65c61fcdef47f75b1f878af049dfb602aad"},
	{KEY_RANDOM, "production", SCOPE_UP, PURPOSE,
	"43dc843c1890b3335830515479adc240e8e5524123cbbec4fea8d0f2cdd2dfa3"},
	{KEY_RANDOM, "staging ", SCOPE_UP, PURPOSE,
	"9e55201f39ec6ce5556fffb5e403e7b6d53e224dce8f69d4798280b9c6d4f6b3"},
};

#define SUNSCREEN_PLAIN \
	"4c616469657320616e642047656e746c656d656e206f662074686520636c6173" \
	"73206f66202739393a204966204920636f756c64206f6666657220796f75206f" \
	"6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73" \
	"637265656e20776f756c642062652069742e"
#define SUNSCREEN_SEALED \
	"bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb" \
	"731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452" \
	"2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9" \
	"21f9664c97637da9768812f615c68b13b52e" \
	"c0875924c1c7987947deafd8780acf49"

#define NONCE_LETTERS	"6465666768696a6b6c6d6e6f707172737475767778797a7b"

/*
 * The first is from draft-irtf-cfrg-xchacha-03, appendix A.3.1; the others are
 * by PyCryptodome:
 *
 * from Cryptodome.Cipher import ChaCha20_Poly1305
 * cipher = ChaCha20_Poly1305.new(key=bytes.fromhex(KEY), nonce=bytes.fromhex(NONCE))
 * cipher.update(bytes.fromhex(AAD))
 * b''.join(cipher.encrypt_and_digest(bytes.fromhex(PLAIN))).hex()
 */
static const AeadCase aead_cases[] = {
	{"the draft's message",
		"808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
		"404142434445464748494a4b4c4d4e4f5051525354555657",
	"50515253c0c1c2c3c4c5c6c7", SUNSCREEN_PLAIN, SUNSCREEN_SEALED},
	{"nothing", KEY_UP, NONCE_LETTERS, "", "",
	"5203f844ae9b45d52e4e8d1ebc2295a8"},
	{"AAD only", KEY_UP, NONCE_LETTERS, "616164", "",
	"9768cbab7be60ce4a17ec611b31fc1c8"},
	{"one byte without AAD", KEY_UP, NONCE_LETTERS, "", "70",
	"0c85c68c539437784b3fc562e75cf28e5a"},
	{"a full block", KEY_UP, NONCE_LETTERS, SCOPE_UP,
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
		"202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f",
		"7c72fbb3fb2b8f858f399734aa62b3c64baa4062f039dca7944c7ebc3743660f"
		"8b27615d0893d1e0c22f4f37787b267e5ed4e22cab870291f7363173c7b58053"
	"d2edb22e82afdf65dd5569d6a9264b4d"},
	{"a block and a byte of zeros", KEY_UP, NONCE_LETTERS, SCOPE_ZERO "00",
		"0000000000000000000000000000000000000000000000000000000000000000"
		"0000000000000000000000000000000000000000000000000000000000000000"
		"00",
		"7c73f9b0ff2e898287309d3fa66fbdc95bbb5271e42ccab08c5564a72b5e7810"
		"ab06437e2cb6f7c7ea06651c545608516ee5d01f9fb234a6cf0f0b48fb88be6c"
	"568bde5168d35c839025c14c622f58e3c8"},
};

static void
is_hex(const uint8_t *data, size_t len, const char *expected, const char *name)
{
	char		hex[1024];

	is_str(sodium_bin2hex(hex, sizeof(hex), data, len), expected, "%s", name);
}

static void
check_fingerprints(void)
{
	for (size_t i = 0; i < lengthof(fingerprint_cases); i++)
	{
		const FingerprintCase *test = &fingerprint_cases[i];
		Bytes		key = from_hex(test->key);
		Bytes		fingerprint = guarded_bytes(TARX_KEYS_FINGERPRINT_BYTES);
		char		name[128];

		tarx_keys_fingerprint(fingerprint.data, key.data);
		snprintf(name, sizeof(name), "fingerprint of %s", test->key);
		is_hex(fingerprint.data, fingerprint.len, test->fingerprint, name);
		sodium_free(fingerprint.data);
		sodium_free(key.data);
	}
}

/* A purpose is no C string: exactly 16 characters are looked at. */
static void
subkey_of(uint8_t *out, const Bytes *key, const Bytes *realm, const Bytes *scope,
		  const Bytes *purpose)
{
	Bytes		subkey = guarded_bytes(TARX_KEYS_SUBKEY_BYTES);
	TarxKeysMasterKey master = {.realm = (const char *) realm->data, .realm_len = realm->len};

	memcpy(master.key, key->data, sizeof(master.key));
	tarx_keys_subkey(subkey.data, &master, scope->data, (const char *) purpose->data);
	memcpy(out, subkey.data, subkey.len);
	sodium_free(subkey.data);
}

static void
check_subkeys(void)
{
	for (size_t i = 0; i < lengthof(subkey_cases); i++)
	{
		const SubkeyCase *test = &subkey_cases[i];
		Bytes		key = from_hex(test->key);
		Bytes		scope = from_hex(test->scope);
		Bytes		purpose = guarded_copy(test->purpose, strlen(test->purpose));
		Bytes		realm = guarded_copy(test->realm, strlen(test->realm));
		uint8_t		subkey[TARX_KEYS_SUBKEY_BYTES];
		char		name[256];

		subkey_of(subkey, &key, &realm, &scope, &purpose);
		snprintf(name, sizeof(name), "subkey of %s, realm '%s', scope %s, purpose %s",
				 test->key, test->realm, test->scope, test->purpose);
		is_hex(subkey, sizeof(subkey), test->subkey, name);
		sodium_free(realm.data);
		sodium_free(purpose.data);
		sodium_free(scope.data);
		sodium_free(key.data);
	}
}

/* Two subkeys from inputs that differ in one bit have nothing in common. */
static void
check_subkey_depends_on_every_bit(void)
{
	Bytes		key = from_hex(KEY_RANDOM);
	Bytes		scope = from_hex(SCOPE_UP);
	Bytes		purpose = guarded_copy(PURPOSE, TARX_KEYS_PURPOSE_BYTES);
	Bytes		realm = guarded_copy("staging", strlen("staging"));
	const Bytes *const inputs[] = {&key, &realm, &scope, &purpose};
	static const char *const names[] = {"master key", "realm", "scope", "purpose"};
	uint8_t		before[TARX_KEYS_SUBKEY_BYTES];

	subkey_of(before, &key, &realm, &scope, &purpose);
	for (size_t i = 0; i < lengthof(inputs); i++)
	{
		int			same = 0;

		for (size_t bit = 0; bit < 8 * inputs[i]->len; bit++)
		{
			uint8_t		after[TARX_KEYS_SUBKEY_BYTES];

			inputs[i]->data[bit / 8] ^= (uint8_t) (1 << bit % 8);
			subkey_of(after, &key, &realm, &scope, &purpose);
			inputs[i]->data[bit / 8] ^= (uint8_t) (1 << bit % 8);
			if (memcmp(before, after, sizeof(after) / 2) == 0 ||
				memcmp(before + sizeof(after) / 2, after + sizeof(after) / 2,
					   sizeof(after) / 2) == 0)
				same++;
		}
		is_int(same, 0, "the subkey depends on every bit of the %s", names[i]);
	}
	sodium_free(realm.data);
	sodium_free(purpose.data);
	sodium_free(scope.data);
	sodium_free(key.data);
}

static Bytes
encrypt(const Bytes *plain, const Message *with)
{
	Bytes		out = guarded_bytes(plain->len + TARX_KEYS_TAG_BYTES);

	tarx_keys_encrypt(out.data, plain->data, plain->len, with->aad.data,
					  with->aad.len, with->nonce.data, with->key.data);
	return out;
}

/* Is the message what was sealed?  Nothing is decrypted. */
static bool
is_authentic(const Message *message)
{
	return tarx_keys_decrypt(NULL, message->sealed.data, message->sealed.len, message->aad.data,
							 message->aad.len, message->nonce.data, message->key.data);
}

/*
 * NULL if the message opens to just this plaintext, and is authentic without
 * being opened, else what is wrong.
 */
static const char *
fault_in_opening(const Message *message, const Bytes *plain)
{
	Bytes		out = guarded_bytes(plain->len);
	const char *fault = NULL;

	if (!tarx_keys_decrypt(out.data, message->sealed.data, message->sealed.len,
						   message->aad.data, message->aad.len,
						   message->nonce.data, message->key.data))
		fault = "not decrypted";
	else if (memcmp(out.data, plain->data, plain->len) != 0)
		fault = "decrypted to something else";
	else if (!is_authentic(message))
		fault = "not authentic without being decrypted";
	sodium_free(out.data);
	return fault;
}

/*
 * NULL if the message does not open and leaves nothing, and is not authentic
 * without being opened either, else what is wrong.
 */
static const char *
fault_in_refusal(const Message *message)
{
	size_t		len = message->sealed.len;
	Bytes		out = guarded_bytes(len < TARX_KEYS_TAG_BYTES ? 0 : len - TARX_KEYS_TAG_BYTES);
	const char *fault = NULL;

	if (tarx_keys_decrypt(out.data, message->sealed.data, len,
						  message->aad.data, message->aad.len,
						  message->nonce.data, message->key.data))
		fault = "decrypted";
	else if (!is_all(&out, LEFTOVER) && !is_all(&out, 0))
		fault = "left something in the result";
	else if (is_authentic(message))
		fault = "authentic without being decrypted";
	sodium_free(out.data);
	return fault;
}

static Message
message_of(const AeadCase *test)
{
	Message		message = {
		.key = from_hex(test->key),
		.nonce = from_hex(test->nonce),
		.aad = from_hex(test->aad),
		.sealed = from_hex(test->sealed),
	};

	return message;
}

static void
free_message(Message *message)
{
	sodium_free(message->key.data);
	sodium_free(message->nonce.data);
	sodium_free(message->aad.data);
	sodium_free(message->sealed.data);
}

static void
check_vectors(void)
{
	for (size_t i = 0; i < lengthof(aead_cases); i++)
	{
		const AeadCase *test = &aead_cases[i];
		Message		message = message_of(test);
		Bytes		plain = from_hex(test->plain);
		Bytes		sealed = encrypt(&plain, &message);
		char		name[128];

		snprintf(name, sizeof(name), "%s: encrypted", test->name);
		is_hex(sealed.data, sealed.len, test->sealed, name);
		is_str(fault_in_opening(&message, &plain), NULL, "%s: decrypted", test->name);
		sodium_free(sealed.data);
		sodium_free(plain.data);
		free_message(&message);
	}
}

/* Flip every bit of one part of the message in turn; nothing may open. */
static void
check_flips(const char *name, const char *part, const Message *message, const Bytes *bytes)
{
	const char *fault = NULL;
	size_t		bit;

	for (bit = 0; bit < 8 * bytes->len && fault == NULL; bit++)
	{
		bytes->data[bit / 8] ^= (uint8_t) (1 << bit % 8);
		fault = fault_in_refusal(message);
		bytes->data[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	is_str(fault, NULL, "%s: each of %zu bits of %s flipped", name, bit, part);
}

static void
check_tampering(void)
{
	for (size_t i = 0; i < lengthof(aead_cases); i++)
	{
		const AeadCase *test = &aead_cases[i];
		Message		message = message_of(test);
		Bytes		text = {message.sealed.data, message.sealed.len - TARX_KEYS_TAG_BYTES};
		Bytes		tag = {text.data + text.len, TARX_KEYS_TAG_BYTES};

		check_flips(test->name, "the ciphertext", &message, &text);
		check_flips(test->name, "the tag", &message, &tag);
		check_flips(test->name, "the nonce", &message, &message.nonce);
		check_flips(test->name, "the AAD", &message, &message.aad);
		check_flips(test->name, "the key", &message, &message.key);
		free_message(&message);
	}
}

/* With other AAD, of any other length, nothing opens. */
static void
check_other_aad(void)
{
	Message		message = message_of(&aead_cases[0]);
	Bytes		aad = message.aad;
	Bytes		longer = guarded_bytes(aad.len + 1);
	const char *fault = NULL;

	for (size_t len = 0; len < aad.len && fault == NULL; len++)
	{
		message.aad = guarded_copy(aad.data, len);
		fault = fault_in_refusal(&message);
		sodium_free(message.aad.data);
	}
	is_str(fault, NULL, "AAD cut to any length");

	memcpy(longer.data, aad.data, aad.len);
	longer.data[aad.len] = 0;
	message.aad = longer;
	is_str(fault_in_refusal(&message), NULL, "AAD with a zero byte more");

	message.aad = (Bytes) {NULL, 0};
	is_str(fault_in_refusal(&message), NULL, "no AAD");

	message.aad = aad;
	sodium_free(longer.data);
	free_message(&message);
}

/* Cut short or made longer, a message does not open; nor is it read beyond. */
static void
check_other_lengths(void)
{
	for (size_t i = 0; i < lengthof(aead_cases); i++)
	{
		const AeadCase *test = &aead_cases[i];
		Message		message = message_of(test);
		Bytes		sealed = message.sealed;
		Bytes		longer = guarded_bytes(sealed.len + 1);
		const char *fault = NULL;
		size_t		len;

		for (len = 0; len < sealed.len && fault == NULL; len++)
		{
			message.sealed = guarded_copy(sealed.data, len);
			fault = fault_in_refusal(&message);
			sodium_free(message.sealed.data);
		}
		is_str(fault, NULL, "%s: cut to any of %zu lengths", test->name, len);

		fault = NULL;
		memcpy(longer.data, sealed.data, sealed.len);
		message.sealed = longer;
		for (int byte = 0; byte < 256 && fault == NULL; byte++)
		{
			longer.data[sealed.len] = (uint8_t) byte;
			fault = fault_in_refusal(&message);
		}
		is_str(fault, NULL, "%s: with any byte more", test->name);

		message.sealed = sealed;
		sodium_free(longer.data);
		free_message(&message);
	}
}

/* Too short for a tag: refused, whatever the bytes and without a result. */
static void
check_too_short(void)
{
	Message		message = message_of(&aead_cases[0]);
	Bytes		sealed = message.sealed;

	for (size_t len = 0; len < TARX_KEYS_TAG_BYTES; len++)
	{
		message.sealed = guarded_copy(sealed.data + sealed.len - len, len);
		is_str(fault_in_refusal(&message), NULL, "%zu bytes", len);
		sodium_free(message.sealed.data);
	}
	ok(!tarx_keys_decrypt(NULL, NULL, 0, NULL, 0, message.nonce.data,
						  message.key.data), "nothing at all");
	message.sealed = sealed;
	free_message(&message);
}

static void
check_round_trip(size_t len)
{
	Message		message = message_of(&aead_cases[0]);
	Bytes		plain = guarded_bytes(len);

	sodium_free(message.sealed.data);
	randombytes_buf(plain.data, plain.len);
	message.sealed = encrypt(&plain, &message);
	is_str(fault_in_opening(&message, &plain), NULL, "%zu bytes and back", len);
	sodium_free(plain.data);
	free_message(&message);
}

static void
stack_is_wiped(int times, const char *what)
{
	is_int(wiped_stacks, times, "%s wipes the stack", what);
	ok(wiped_stack_bytes >= 4096, "enough of it");
}

/* Whatever computes with a key leaves copies on the stack, which must not stay there. */
static void
check_wiping(void)
{
	TarxKeysMasterKey master = {.key = {1, 2, 3}};
	uint8_t		public_key[TARX_KEYS_BOX_KEY_BYTES];
	uint8_t		secret_key[TARX_KEYS_BOX_KEY_BYTES];
	uint8_t		result[TARX_KEYS_BOX_OVERHEAD + 1];
	uint8_t		hash[crypto_generichash_blake2b_BYTES_MIN];
	uint8_t		no_salt[TARX_KEYS_SCOPE_BYTES] = {0};
	uint8_t		plain[1] = {7};

	wiped_stacks = 0;
	tarx_keys_fingerprint(master.fingerprint, master.key);
	stack_is_wiped(1, "a fingerprint");
	(void) crypto_generichash_blake2b_salt_personal(hash, sizeof(hash), NULL, 0, master.key, sizeof(master.key),
													no_salt, (const uint8_t *) "tarx.fingerprint");
	watch(hash, sizeof(hash));
	tarx_keys_fingerprint(result, master.key);
	is_int(wiped, 1, "and the hash that it is the start of");
	watch(NULL, 0);
	wiped_stacks = 0;
	tarx_keys_subkey(result, &master, (const uint8_t *) "scope, 16 bytes.", "purpose, 16 byte");
	stack_is_wiped(1, "a subkey");
	tarx_keys_mac(result, master.key, plain, sizeof(plain));
	stack_is_wiped(2, "a MAC");
	tarx_keys_hash(result, plain, sizeof(plain));
	stack_is_wiped(3, "a hash");
	tarx_keys_box_key_pair(public_key, secret_key, master.key);
	stack_is_wiped(4, "a key pair");
	ok(tarx_keys_box_seal(result, plain, sizeof(plain), public_key), "a box is sealed");
	stack_is_wiped(5, "a box that is sealed");
	ok(tarx_keys_box_open(plain, result, sizeof(result), public_key, secret_key), "a box is opened");
	stack_is_wiped(6, "a box that is opened");
}

int
main(void)
{
	if (sodium_init() < 0)
	{
		fprintf(stderr, "# cannot initialise libsodium\n");
		return EXIT_FAILURE;
	}

	check_fingerprints();
	check_subkeys();
	check_subkey_depends_on_every_bit();
	check_vectors();
	check_tampering();
	check_other_aad();
	check_other_lengths();
	check_too_short();
	for (size_t len = 0; len <= 65; len++)
		check_round_trip(len);
	check_round_trip(8192);
	check_wiping();

	return done_testing();
}
