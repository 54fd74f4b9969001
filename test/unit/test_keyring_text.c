/*
 * test_keyring_text.c
 *	  Unit tests of the parser of master keyrings, in TAP.
 *
 * Every text is copied to memory that ends at an inaccessible page, and so
 * does the keyring it is parsed into.  Every refused text must leave the
 * keyring all zero, and every accepted one must leave nothing but its keys and
 * their fingerprints.  Random texts are compared with a second, slower reading
 * of the rules.
 */
#include "pure/crypto.h"
#include "pure/keyring_text.h"
#include <sys/stat.h>

#include "guarded.h"
#include "tap.h"

/* Short names, for the tables to be readable. */
#define OK			TARX_KEYS_KEYRING_OK
#define NO_KEY		TARX_KEYS_KEYRING_EMPTY
#define TOO_MANY	TARX_KEYS_KEYRING_TOO_MANY
#define MALFORMED	TARX_KEYS_KEYRING_MALFORMED
#define WEAK		TARX_KEYS_KEYRING_WEAK
#define DUPLICATE	TARX_KEYS_KEYRING_DUPLICATE

/* Three keys in each of their forms. */
#define A_HEX		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define A_UPPER		"000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F"
#define A_PLAIN		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define A_BASE64	A_PLAIN "="
#define B_HEX		"3463c2007d54c8e8abec3f6fcad774ddf6fea51aa6b0ad772eba4a84d5ba691e"
#define B_UPPER		"3463C2007D54C8E8ABEC3F6FCAD774DDF6FEA51AA6B0AD772EBA4A84D5BA691E"
#define B_MIXED		"3463c2007D54C8e8aBeC3F6fcad774DDF6FEA51AA6B0AD772EBA4A84d5ba691E"
#define B_PLAIN		"NGPCAH1UyOir7D9vytd03fb+pRqmsK13LrpKhNW6aR4"
#define B_BASE64	B_PLAIN "="
#define C_HEX		"fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0efeeedecebeae9e8e7e6e5e4e3e2e1e0"
#define C_UPPER		"FFFEFDFCFBFAF9F8F7F6F5F4F3F2F1F0EFEEEDECEBEAE9E8E7E6E5E4E3E2E1E0"
#define C_PLAIN		"//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA"
#define C_BASE64	C_PLAIN "="

/* Longest text in a test */
#define TEXT_MAX	2048

/* Keys that are one byte repeated. */
#define ZERO_HEX	"0000000000000000000000000000000000000000000000000000000000000000"
#define ZERO_BASE64 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define ONES_HEX	"FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
#define ONES_BASE64 "//////////////////////////////////////////8="

/*
 * blake2b(key=bytes.fromhex(KEY), digest_size=16, salt=bytes(16),
 *         person=b'tarx.fingerprint').digest()[:8].hex(), by Python's hashlib
 */
typedef struct KnownKey
{
	char		letter;
	const char *hex;
	const char *fingerprint;
} KnownKey;

static const KnownKey known_keys[] = {
	{'A', A_HEX, "7950c9352cd5281b"},
	{'B', B_HEX, "f3367cd928992dcc"},
	{'C', C_HEX, "2292def38b680692"},
};

/* Accepted texts, and the letters of their keys in order. */
typedef struct AcceptedCase
{
	const char *text;
	const char *keys;
} AcceptedCase;

static const AcceptedCase accepted_cases[] = {
	/* each form of a key */
	{A_HEX, "A"},
	{A_UPPER, "A"},
	{A_BASE64, "A"},
	{A_PLAIN, "A"},
	{B_HEX, "B"},
	{B_UPPER, "B"},
	{B_MIXED, "B"},
	{B_BASE64, "B"},
	{B_PLAIN, "B"},
	{C_HEX, "C"},
	{C_UPPER, "C"},
	{C_BASE64, "C"},
	{C_PLAIN, "C"},
	/* their order is kept, whatever their forms */
	{A_HEX "," B_HEX, "AB"},
	{B_HEX "," A_HEX, "BA"},
	{A_HEX "\n" B_HEX, "AB"},
	{C_BASE64 "," A_HEX "\n" B_PLAIN, "CAB"},
	{B_UPPER "\n" C_PLAIN "," A_BASE64 "\n", "BCA"},
	/* lines */
	{A_HEX "\n", "A"},
	{"\n" A_HEX, "A"},
	{A_HEX "\r\n", "A"},
	{A_BASE64 "\r\n", "A"},
	{A_PLAIN "\r\n", "A"},
	{A_HEX "\r\n" B_BASE64 "\r\n", "AB"},
	{"\r\n\r\n" A_HEX "\r\n\r\n" B_HEX "\r\n\r\n", "AB"},
	{A_HEX "\r", "A"},
	/* blanks */
	{" " A_HEX, "A"},
	{A_HEX " ", "A"},
	{"\t" A_HEX "\t", "A"},
	{" \t " A_BASE64 " \t ", "A"},
	{A_HEX " , " B_HEX, "AB"},
	{A_HEX "\t,\t" B_HEX, "AB"},
	{A_HEX "   \n   " B_HEX "   \n", "AB"},
	/* empty entries */
	{A_HEX ",", "A"},
	{"," A_HEX, "A"},
	{A_HEX ",\n", "A"},
	{A_HEX ",\n" B_HEX, "AB"},
	{A_HEX "\n," B_HEX, "AB"},
	{",,, ," A_HEX ",,\n\n, ," B_HEX ",,", "AB"},
	/* comments */
	{"# a comment\n" A_HEX, "A"},
	{A_HEX "# a comment", "A"},
	{A_HEX " # a comment", "A"},
	{A_BASE64 "#", "A"},
	{A_PLAIN "#=", "A"},
	{A_HEX "#" B_HEX, "A"},
	{A_HEX "#," B_HEX, "A"},
	{A_HEX " # a comment\n" B_HEX " # another", "AB"},
	{A_HEX ", # a comment, with commas, #\n" B_HEX, "AB"},
	{A_HEX "#\n" B_HEX, "AB"},
	{A_HEX "\n# " C_HEX "\n" B_HEX, "AB"},
	{"#" C_HEX "\r\n" A_HEX "\r\n#" C_HEX "\r\n" B_HEX "\r\n", "AB"},
	{"##\n#\n # \n" A_HEX "\n#", "A"},
	{"# a comment\r" B_HEX "\n" A_HEX, "A"},
	{"# \xc3\xbc\xff\x01\n" A_HEX, "A"},
};

typedef struct RefusedCase
{
	const char *text;
	TarxKeysKeyringProblem problem;
	unsigned int entry;
} RefusedCase;

static const RefusedCase refused_cases[] = {
	/* no key at all */
	{"", NO_KEY, 0},
	{" ", NO_KEY, 0},
	{"\t", NO_KEY, 0},
	{",", NO_KEY, 0},
	{"\n", NO_KEY, 0},
	{"\r\n", NO_KEY, 0},
	{" ,\t,\r\n,, ", NO_KEY, 0},
	{"#", NO_KEY, 0},
	{"# a comment", NO_KEY, 0},
	{"# a comment\n", NO_KEY, 0},
	{"#" A_HEX, NO_KEY, 0},
	{"# " A_HEX "," B_HEX "\n#" C_HEX "\n", NO_KEY, 0},
	/* hexadecimal digits, but not 64 */
	{"0", MALFORMED, 1},
	/* a hexadecimal key that was cut off, not base64 */
	{"000102030405060708090a0b0c0d0e0f10111213140", MALFORMED, 1},
	{"00", MALFORMED, 1},
	{"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e", MALFORMED, 1},
	{"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1", MALFORMED, 1},
	{A_HEX "2", MALFORMED, 1},
	{A_HEX "20", MALFORMED, 1},
	{A_HEX B_HEX, MALFORMED, 1},
	{"000102030405060708090a0b0c0d0e0f", MALFORMED, 1},
	/* 64 characters, but not hexadecimal digits */
	{"g00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", MALFORMED, 1},
	{"000102030405060708090a0b0c0d0e0fG01112131415161718191a1b1c1d1e1f", MALFORMED, 1},
	{"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1=", MALFORMED, 1},
	{"0x0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", MALFORMED, 1},
	{"0x" A_HEX, MALFORMED, 1},
	{"\\x" A_HEX, MALFORMED, 1},
	{"00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f:10:11:12:13:14:1", MALFORMED, 1},
	{A_PLAIN "AAAAAAAAAAAAAAAAAAAAA", MALFORMED, 1},
	/* base64, but not of 32 bytes */
	{"AA==", MALFORMED, 1},
	{"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==", MALFORMED, 1},
	{"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg", MALFORMED, 1},
	{"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g", MALFORMED, 1},
	{A_PLAIN "AAA", MALFORMED, 1},
	/* not base64 as RFC 4648 has it */
	{A_PLAIN "==", MALFORMED, 1},
	{A_PLAIN "=A", MALFORMED, 1},
	{A_PLAIN "A=", MALFORMED, 1},
	{"=" A_PLAIN, MALFORMED, 1},
	{"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=", MALFORMED, 1},
	{"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9", MALFORMED, 1},
	{"NGPCAH1UyOir7D9vytd03fb-pRqmsK13LrpKhNW6aR4=", MALFORMED, 1},
	{"__79_Pv6-fj39vX08_Lx8O_u7ezr6uno5-bl5OPi4eA", MALFORMED, 1},
	{"AAECAwQFBgcICQoLDA0ODx.REhMUFRYXGBkaGxwdHh8=", MALFORMED, 1},

	/*
	 * bytes from 80 on are no digits, though sodium_base642bin takes them for
	 * some
	 */
	{"AAECAwQFBgcICQoLDA0ODx\x80REhMUFRYXGBkaGxwdHh8=", MALFORMED, 1},
	{"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\xc3\xbcg", MALFORMED, 1},
	{"=", MALFORMED, 1},
	{"====", MALFORMED, 1},
	/* a key with something around it */
	{"\"" A_HEX "\"", MALFORMED, 1},
	{"'" A_BASE64 "'", MALFORMED, 1},
	{"key=" A_HEX, MALFORMED, 1},
	{"key = " A_HEX, MALFORMED, 1},
	{"base64:" A_BASE64, MALFORMED, 1},
	{"\xef\xbb\xbf" A_HEX, MALFORMED, 1},
	{A_HEX "\xc2\xa0", MALFORMED, 1},
	{A_HEX "\v", MALFORMED, 1},
	{A_HEX "\f", MALFORMED, 1},
	{A_HEX ".", MALFORMED, 1},
	/* not a separator */
	{A_HEX ";" B_HEX, MALFORMED, 1},
	{A_HEX "|" B_HEX, MALFORMED, 1},
	{A_HEX " " B_HEX, MALFORMED, 1},
	{A_HEX "\t" B_HEX, MALFORMED, 1},
	{A_HEX "\r" B_HEX, MALFORMED, 1},
	{A_HEX " \t\r " B_HEX, MALFORMED, 1},
	{A_HEX " x", MALFORMED, 1},
	{A_HEX " =", MALFORMED, 1},
	{"x " A_HEX, MALFORMED, 1},
	{A_HEX " " B_HEX "\n" C_HEX, MALFORMED, 1},
	{A_HEX "," B_HEX " " C_HEX, MALFORMED, 2},
	{A_HEX "\n" B_HEX " C # a comment", MALFORMED, 2},
	{"00010203 04050607 08090a0b 0c0d0e0f 10111213 14151617 18191a1b 1c1d1e1f", MALFORMED, 1},
	{"000102030405060708090a0b0c0d0e0f\n101112131415161718191a1b1c1d1e1f", MALFORMED, 1},
	/* which entry it is; empty ones and comments do not count */
	{"x," A_HEX, MALFORMED, 1},
	{A_HEX ",x", MALFORMED, 2},
	{A_HEX "," B_BASE64 "\nx", MALFORMED, 3},
	{A_HEX "," B_BASE64 "\nx," C_HEX, MALFORMED, 3},
	{",,\n# a comment\n" A_HEX ",,x", MALFORMED, 2},
	{"# x\n,# x\n" A_HEX "# x\n \n," B_HEX " # x\n\tx", MALFORMED, 3},
	/* one byte repeated */
	{ZERO_HEX, WEAK, 1},
	{ZERO_BASE64, WEAK, 1},
	{ONES_HEX, WEAK, 1},
	{ONES_BASE64, WEAK, 1},
	{A_HEX "," ZERO_BASE64, WEAK, 2},
	{A_HEX "\n" B_HEX "\n" ONES_HEX "\n" C_HEX, WEAK, 3},
	{ZERO_HEX "," ZERO_HEX, WEAK, 1},
	/* the same key twice */
	{A_HEX "," A_HEX, DUPLICATE, 2},
	{A_HEX "," A_UPPER, DUPLICATE, 2},
	{A_HEX "," A_BASE64, DUPLICATE, 2},
	{A_PLAIN "," A_HEX, DUPLICATE, 2},
	{A_BASE64 "\n" A_PLAIN, DUPLICATE, 2},
	{B_UPPER "\n" B_MIXED, DUPLICATE, 2},
	{A_HEX "," B_HEX "," A_BASE64, DUPLICATE, 3},
	{A_HEX "," B_HEX "," B_BASE64 "," C_HEX, DUPLICATE, 3},
	{A_HEX "," B_HEX "\n" C_HEX ",," B_PLAIN, DUPLICATE, 4},
	/* the first thing that is wrong counts */
	{"x," ZERO_HEX, MALFORMED, 1},
	{ZERO_HEX ",x", WEAK, 1},
	{A_HEX "," A_HEX "," ZERO_HEX ",x", DUPLICATE, 2},
};

/* A generator of its own: the same numbers on every run. */
static uint64_t random_state = UINT64_C(0x7461727865733232);

static uint32_t
next_random(uint32_t bound)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t) (random_state >> 32) % bound;
}

static void
key_of_hex(uint8_t *key, const char *hex)
{
	if (sodium_hex2bin(key, TARX_KEYS_MASTER_KEY_BYTES, hex, strlen(hex), NULL, NULL, NULL) != 0)
	{
		fprintf(stderr, "# bad hexadecimal digits in a test: %s\n", hex);
		exit(EXIT_FAILURE);
	}
}

/* The result of a parse; the keyring is in guarded memory, until the next one. */
typedef struct Parsed
{
	TarxKeysKeyringProblem problem;
	unsigned int entry;
	TarxKeysKeyring *ring;
} Parsed;

static Parsed
parse(const char *text, size_t len)
{
	static char *room = NULL;
	static TarxKeysKeyring *ring = NULL;
	Parsed		result = {OK, 0xa5a5, NULL};

	if (room == NULL)
	{
		room = guarded(TEXT_MAX);
		ring = guarded(sizeof(*ring));
	}
	if (len > 0)
		memcpy(room + TEXT_MAX - len, text, len);
	/* Leftovers must neither survive nor matter. */
	memset(ring, 0xa5, sizeof(*ring));
	result.problem = tarx_keys_keyring_parse(room + TEXT_MAX - len, len, ring, &result.entry);
	result.ring = ring;
	return result;
}

/* NULL if the keyring is what it has to be after this problem, else what is wrong. */
static const char *
fault_in_ring(TarxKeysKeyringProblem problem, const TarxKeysKeyring *ring)
{
	if (problem != OK)
		return sodium_is_zero((const unsigned char *) ring, sizeof(*ring)) ?
			NULL : "keyring not wiped";
	if (ring->nkeys < 1 || ring->nkeys > TARX_KEYS_KEYRING_MAX_KEYS)
		return "wrong number of keys";
	for (uint32_t i = 0; i < ring->nkeys; i++)
	{
		uint8_t		fingerprint[TARX_KEYS_FINGERPRINT_BYTES];

		tarx_keys_fingerprint(fingerprint, ring->keys[i].key);
		if (memcmp(fingerprint, ring->keys[i].fingerprint, sizeof(fingerprint)) != 0)
			return "wrong fingerprint";
		if (tarx_keys_keyring_find(ring, fingerprint) != &ring->keys[i])
			return "key not found";
	}
	if (!sodium_is_zero((const unsigned char *) &ring->keys[ring->nkeys],
						sizeof(ring->keys) - ring->nkeys * sizeof(ring->keys[0])))
		return "something behind the last key";
	return NULL;
}

/* The letters of a ring's keys, "?" for an unknown one. */
static const char *
letters(const TarxKeysKeyring *ring)
{
	static char text[TARX_KEYS_KEYRING_MAX_KEYS + 1];
	uint32_t	i;

	for (i = 0; i < ring->nkeys && i < TARX_KEYS_KEYRING_MAX_KEYS; i++)
	{
		text[i] = '?';
		for (size_t j = 0; j < lengthof(known_keys); j++)
		{
			uint8_t		key[TARX_KEYS_MASTER_KEY_BYTES];
			char		fingerprint[TARX_KEYS_FINGERPRINT_HEX];

			key_of_hex(key, known_keys[j].hex);
			tarx_keys_fingerprint_hex(ring->keys[i].fingerprint, fingerprint);
			if (memcmp(ring->keys[i].key, key, sizeof(key)) == 0 &&
				strcmp(fingerprint, known_keys[j].fingerprint) == 0)
				text[i] = known_keys[j].letter;
		}
	}
	text[i] = '\0';
	return text;
}

static void
check_refused(const char *name, const char *text, size_t len,
			  TarxKeysKeyringProblem problem, unsigned int entry)
{
	Parsed		got = parse(text, len);

	is_str(tarx_keys_keyring_problem_text(got.problem), tarx_keys_keyring_problem_text(problem),
		   "problem of %s", name);
	is_int(got.entry, entry, "entry of %s", name);
	is_str(fault_in_ring(got.problem, got.ring), NULL, "keyring of %s", name);
}

static void
check_accepted(const char *name, const char *text, size_t len, const char *keys)
{
	Parsed		got = parse(text, len);

	is_str(tarx_keys_keyring_problem_text(got.problem), tarx_keys_keyring_problem_text(OK),
		   "problem of %s", name);
	is_str(letters(got.ring), keys, "keys of %s", name);
	is_str(fault_in_ring(got.problem, got.ring), NULL, "keyring of %s", name);
}

static void
check_cases(void)
{
	for (size_t i = 0; i < lengthof(accepted_cases); i++)
		check_accepted(accepted_cases[i].text, accepted_cases[i].text,
					   strlen(accepted_cases[i].text), accepted_cases[i].keys);
	for (size_t i = 0; i < lengthof(refused_cases); i++)
		check_refused(refused_cases[i].text, refused_cases[i].text,
					  strlen(refused_cases[i].text), refused_cases[i].problem,
					  refused_cases[i].entry);
}

/* A NUL is a character like others, and not the end. */
static void
check_nul(void)
{
	static const char behind[] = A_HEX "\0";
	static const char inside[] = A_HEX "\0" B_HEX;
	static const char later[] = A_HEX "\n\0";
	static const char ahead[] = "\0" A_HEX;
	static const char commented[] = "# \0 \n" A_HEX;
	static const char in_base64[] = A_PLAIN "\0";

	check_refused("NUL alone", "\0", 1, MALFORMED, 1);
	check_refused("NUL behind a key", behind, sizeof(behind) - 1, MALFORMED, 1);
	check_refused("NUL between keys", inside, sizeof(inside) - 1, MALFORMED, 1);
	check_refused("NUL on the second line", later, sizeof(later) - 1, MALFORMED, 2);
	check_refused("NUL before a key", ahead, sizeof(ahead) - 1, MALFORMED, 1);
	check_refused("NUL for padding", in_base64, sizeof(in_base64) - 1, MALFORMED, 1);
	check_accepted("NUL in a comment", commented, sizeof(commented) - 1, "A");
}

/* Every byte between two keys: which separate, and which make it one word. */
static void
check_every_byte(void)
{
	static const char template[] = A_HEX "?" B_HEX;

	for (int byte = 0; byte < 256; byte++)
	{
		char		text[sizeof(template)];
		char		name[64];

		memcpy(text, template, sizeof(template));
		text[sizeof(A_HEX) - 1] = (char) byte;
		snprintf(name, sizeof(name), "byte %d between two keys", byte);
		if (byte == ',' || byte == '\n')
			check_accepted(name, text, sizeof(text) - 1, "AB");
		else if (byte == '#')
			check_accepted(name, text, sizeof(text) - 1, "A");
		else
			check_refused(name, text, sizeof(text) - 1, MALFORMED, 1);
	}
}

/* Every byte for a digit of a key, in either form. */
static void
check_every_digit(void)
{
	static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static const char hex_digits[] = "0123456789abcdefABCDEF";

	/* At these an entry ends, and what is left of it is no key. */
	static const char ends[] = ",\n #\t\r";
	int			wrong = 0;

	for (int byte = 0; byte < 256; byte++)
	{
		for (size_t place = 0; place < sizeof(A_HEX) - 1; place++)
		{
			char		text[] = B_HEX;
			bool		digit = byte != 0 && strchr(hex_digits, byte) != NULL;
			bool		empty = byte != 0 && strchr(ends, byte) != NULL && place == 0;
			Parsed		got;

			text[place] = (char) byte;
			got = parse(text, sizeof(text) - 1);
			if (byte == '#' && empty)
				wrong += got.problem != NO_KEY;
			else
				wrong += got.problem != (digit ? OK : MALFORMED);
			wrong += fault_in_ring(got.problem, got.ring) != NULL;
		}
	}
	is_int(wrong, 0, "every byte for every hexadecimal digit");

	wrong = 0;
	for (int byte = 0; byte < 256; byte++)
	{
		/* The last character has bits that must be zero; it is tested above. */
		for (size_t place = 0; place < sizeof(B_PLAIN) - 2; place++)
		{
			char		text[] = B_BASE64;
			bool		digit = byte != 0 && strchr(base64_digits, byte) != NULL;
			Parsed		got;

			text[place] = (char) byte;
			got = parse(text, sizeof(text) - 1);
			if (byte == '#' && place == 0)
				wrong += got.problem != NO_KEY;
			else
				wrong += got.problem != (digit ? OK : MALFORMED);
			wrong += fault_in_ring(got.problem, got.ring) != NULL;
		}
	}
	is_int(wrong, 0, "every byte for every digit of base64");
}

/* Write so many different keys, one a line; returns the length. */
static size_t
many_keys(char *text, int count)
{
	size_t		len = 0;

	for (int i = 0; i < count; i++)
	{
		uint8_t		key[TARX_KEYS_MASTER_KEY_BYTES];

		memset(key, 0x5a, sizeof(key));
		key[i % TARX_KEYS_MASTER_KEY_BYTES] = (uint8_t) i;
		sodium_bin2hex(text + len, 2 * sizeof(key) + 1, key, sizeof(key));
		len += 2 * sizeof(key);
		text[len++] = '\n';
	}
	return len;
}

static void
check_many(void)
{
	static char text[20 * 65 + 256];
	int			wrong = 0;
	size_t		len;
	Parsed		got;

	/* These tests are about this very limit. */
	is_int(TARX_KEYS_KEYRING_MAX_KEYS, 16, "the limit");
	for (int count = 1; count <= 16; count++)
	{
		got = parse(text, many_keys(text, count));
		is_int(got.problem, OK, "%d keys", count);
		is_int(got.ring->nkeys, count, "%d keys are that many", count);
		is_str(fault_in_ring(got.problem, got.ring), NULL, "keyring of %d keys", count);
		for (int i = 0; i < count; i++)
			wrong += got.ring->keys[i].key[i] != i;
	}
	is_int(wrong, 0, "many keys are in order");

	check_refused("17 keys", text, many_keys(text, 17), TOO_MANY, 17);
	check_refused("18 keys", text, many_keys(text, 18), TOO_MANY, 17);
	/* One that repeats an earlier key, and one that is none */
	len = many_keys(text, 16);
	memcpy(text + len, text, 65);
	check_refused("16 keys and one of them again", text, len + 65, TOO_MANY, 17);
	check_refused("16 keys and a word", text, len + 5, TOO_MANY, 17);
	memcpy(text + len, ",,\n# 1\n#2\n", 10);
	got = parse(text, len + 10);
	is_int(got.problem, OK, "16 keys and comments");
	check_refused("16 keys, 15 of them once", text,
				  (memcpy(text + 15 * 65, text, 65), many_keys(text + 65 * 16, 1), 16 * 65),
				  DUPLICATE, 16);
}

/* One byte repeated is weak; one bit changed anywhere in it is not. */
static void
check_weak(void)
{
	int			wrong = 0;

	for (int byte = 0; byte < 256; byte++)
	{
		uint8_t		key[TARX_KEYS_MASTER_KEY_BYTES];
		char		hex[2 * sizeof(key) + 1];
		char		base64[64];
		char		name[64];

		memset(key, byte, sizeof(key));
		sodium_bin2hex(hex, sizeof(hex), key, sizeof(key));
		sodium_bin2base64(base64, sizeof(base64), key, sizeof(key),
						  sodium_base64_VARIANT_ORIGINAL);
		snprintf(name, sizeof(name), "byte %d repeated", byte);
		check_refused(name, hex, strlen(hex), WEAK, 1);
		check_refused(name, base64, strlen(base64), WEAK, 1);
		for (size_t bit = 0; bit < 8 * sizeof(key); bit++)
		{
			Parsed		got;

			key[bit / 8] ^= (uint8_t) (1 << bit % 8);
			sodium_bin2hex(hex, sizeof(hex), key, sizeof(key));
			key[bit / 8] ^= (uint8_t) (1 << bit % 8);
			/* All of them for two bytes, and some for the others */
			if (byte % 255 != 0 && bit % 37 != 0)
				continue;
			got = parse(hex, strlen(hex));
			wrong += got.problem != OK;
		}
	}
	is_int(wrong, 0, "no key but a repeated byte is weak");
}

/* Two keys that differ in one bit are two keys. */
static void
check_almost_duplicates(void)
{
	uint8_t		key[TARX_KEYS_MASTER_KEY_BYTES];
	int			wrong = 0;

	key_of_hex(key, B_HEX);
	for (size_t bit = 0; bit < 8 * sizeof(key); bit++)
	{
		char		text[] = B_HEX "," B_HEX;
		Parsed		got;

		key[bit / 8] ^= (uint8_t) (1 << bit % 8);
		sodium_bin2hex(text + sizeof(B_HEX), sizeof(B_HEX), key, sizeof(key));
		key[bit / 8] ^= (uint8_t) (1 << bit % 8);
		got = parse(text, sizeof(text) - 1);
		wrong += got.problem != OK || got.ring->nkeys != 2;
	}
	is_int(wrong, 0, "keys that differ in one bit are no duplicates");
}

/* Cut at any place, a keyring is read no further than that. */
static void
check_truncation(void)
{
	static const char text[] = " " A_HEX " # a comment\r\n" B_BASE64 "," C_HEX "\n";
	const size_t a_end = 1 + sizeof(A_HEX) - 1;
	const size_t b_start = a_end + sizeof(" # a comment\r\n") - 1;
	const size_t b_end = b_start + sizeof(B_BASE64) - 1;
	const size_t c_start = b_end + 1;
	const size_t c_end = c_start + sizeof(C_HEX) - 1;

	for (size_t len = 0; len < sizeof(text); len++)
	{
		char		name[64];

		snprintf(name, sizeof(name), "a keyring cut to %zu bytes", len);
		if (len <= 1)
			check_refused(name, text, len, NO_KEY, 0);
		else if (len < a_end)
			check_refused(name, text, len, MALFORMED, 1);
		else if (len <= b_start)
			check_accepted(name, text, len, "A");
		/* Without its padding it is the same key. */
		else if (len < b_end - 1)
			check_refused(name, text, len, MALFORMED, 2);
		else if (len <= c_start)
			check_accepted(name, text, len, "AB");
		else if (len < c_end)
			check_refused(name, text, len, MALFORMED, 3);
		else
			check_accepted(name, text, len, "ABC");
	}
}

static void
check_find(void)
{
	static const char text[] = A_HEX "\n" B_HEX "\n" C_HEX;
	Parsed		got = parse(text, sizeof(text) - 1);
	TarxKeysKeyring *empty = guarded(sizeof(TarxKeysKeyring));
	uint8_t    *fingerprint = guarded(TARX_KEYS_FINGERPRINT_BYTES);
	int			found = 0;

	for (size_t i = 0; i < lengthof(known_keys); i++)
	{
		const TarxKeysMasterKey *key;

		sodium_hex2bin(fingerprint, TARX_KEYS_FINGERPRINT_BYTES, known_keys[i].fingerprint,
					   strlen(known_keys[i].fingerprint), NULL, NULL, NULL);
		key = tarx_keys_keyring_find(got.ring, fingerprint);
		ok(key == &got.ring->keys[i], "key %c is found", known_keys[i].letter);
		for (size_t bit = 0; bit < 8 * TARX_KEYS_FINGERPRINT_BYTES; bit++)
		{
			fingerprint[bit / 8] ^= (uint8_t) (1 << bit % 8);
			found += tarx_keys_keyring_find(got.ring, fingerprint) != NULL;
			fingerprint[bit / 8] ^= (uint8_t) (1 << bit % 8);
		}
	}
	is_int(found, 0, "no key is found by a fingerprint that differs in one bit");

	memset(empty, 0, sizeof(*empty));
	ok(tarx_keys_keyring_find(empty, got.ring->keys[0].fingerprint) == NULL,
	   "no key in an empty keyring");
	memset(fingerprint, 0, TARX_KEYS_FINGERPRINT_BYTES);
	ok(tarx_keys_keyring_find(empty, fingerprint) == NULL,
	   "no key of zeros in an empty keyring");
	ok(tarx_keys_keyring_find(got.ring, fingerprint) == NULL,
	   "no key of zeros behind the last one");
	/* Wiped while somebody has the count of before, or simply broken. */
	memset(empty, 0xa5, sizeof(*empty));
	ok(tarx_keys_keyring_find(empty, fingerprint) == NULL,
	   "no key beyond a keyring with a wrong count");
	sodium_free(fingerprint);
	sodium_free(empty);
}

/* The modes that are accepted of a regular file, in octal digits */
static const char *
accepted_modes(uid_t owner, uid_t self)
{
	static char modes[1000];
	size_t		len = 0;

	modes[0] = '\0';
	for (mode_t mode = 0; mode <= 07777; mode++)
	{
		/* what the user may do, and the bits in front, make no difference */
		if (tarx_keys_keyring_check_file(S_IFREG | mode, owner, self) == OK && (mode & 07700) == 0600)
			len += (size_t) snprintf(modes + len, sizeof(modes) - len, " %04o", (unsigned int) mode);
	}
	return modes;
}

static void
check_files(void)
{
	static const mode_t others[] = {S_IFDIR, S_IFIFO, S_IFLNK, S_IFCHR, S_IFBLK, S_IFSOCK};

	is_str(accepted_modes(5, 5), " 0600", "of the server's user, nobody else may do anything");
	is_str(accepted_modes(0, 5), " 0600 0640", "of root, a group may read");
	is_str(accepted_modes(6, 5), "", "of anybody else, nothing will do");
	is_int(tarx_keys_keyring_check_file(S_IFREG | 0400, 5, 5), OK, "it may be read-only");
	is_int(tarx_keys_keyring_check_file(S_IFREG | 0660, 0, 5), TARX_KEYS_KEYRING_FILE_MODE, "a group may not write");
	is_int(tarx_keys_keyring_check_file(S_IFREG | 0600, 6, 5), TARX_KEYS_KEYRING_FILE_OWNER, "another owner");
	for (size_t i = 0; i < lengthof(others); i++)
		is_int(tarx_keys_keyring_check_file(others[i] | 0600, 5, 5), TARX_KEYS_KEYRING_FILE_NOT_REGULAR,
			   "no regular file: %zu", i);
}

static void
check_fingerprint_hex(void)
{
	uint8_t		fingerprint[TARX_KEYS_FINGERPRINT_BYTES] = {0x00, 0x01, 0x0f, 0xf0, 0xab, 0xcd, 0xef, 0xff};
	char	   *out = guarded(TARX_KEYS_FINGERPRINT_HEX);

	is_int(TARX_KEYS_FINGERPRINT_HEX, 17, "room for a fingerprint's digits");
	memset(out, 0xa5, TARX_KEYS_FINGERPRINT_HEX);
	tarx_keys_fingerprint_hex(fingerprint, out);
	is_str(out, "00010ff0abcdefff", "a fingerprint's digits");
	sodium_free(out);
}

static void
check_problems(void)
{
	for (int problem = OK; problem <= DUPLICATE; problem++)
	{
		const char *text = tarx_keys_keyring_problem_text((TarxKeysKeyringProblem) problem);
		const char *hint = tarx_keys_keyring_problem_hint((TarxKeysKeyringProblem) problem);

		ok(strlen(hint) > 10 && hint[strlen(hint) - 1] == '.',
		   "hint for problem %d is a sentence", problem);
		ok(strlen(text) > 10 && text[strlen(text) - 1] == '.',
		   "text of problem %d is a sentence", problem);
		ok(strcmp(text, "The keyring is not usable.") != 0,
		   "text of problem %d is its own", problem);
		for (int other = OK; other < problem; other++)
		{
			ok(strcmp(text, tarx_keys_keyring_problem_text((TarxKeysKeyringProblem) other)) != 0,
			   "texts of problems %d and %d differ", problem, other);
			ok(strcmp(hint, tarx_keys_keyring_problem_hint((TarxKeysKeyringProblem) other)) != 0,
			   "hints for problems %d and %d differ", problem, other);
		}
	}
	is_str(tarx_keys_keyring_problem_text(OK), "The keyring is usable.", "text of no problem");
	is_str(tarx_keys_keyring_problem_text(NO_KEY), "The keyring has no key.",
		   "text of an empty keyring");
	/* One that has no name. */
	is_str(tarx_keys_keyring_problem_text((TarxKeysKeyringProblem) (DUPLICATE + 1)),
		   "The keyring is not usable.", "text of an unknown problem");
	is_str(tarx_keys_keyring_problem_hint((TarxKeysKeyringProblem) (DUPLICATE + 1)),
		   "Look into the server log.", "hint for an unknown problem");
	/* A page that is not locked stays so until the server starts anew. */
	ok(strstr(tarx_keys_keyring_problem_hint(TARX_KEYS_KEYRING_NOT_LOCKED),
			  "restart the server; a reload does not help") != NULL,
	   "hint for a page that cannot be locked");
}

/* Words that random texts are made of, and what they are: a key, or else. */
typedef struct Word
{
	const char *text;
	char		kind;			/* a key's letter, "0" if weak, "x" if no key */
} Word;

static const Word words[] = {
	{A_HEX, 'A'}, {A_UPPER, 'A'}, {A_BASE64, 'A'}, {A_PLAIN, 'A'},
	{B_HEX, 'B'}, {B_MIXED, 'B'}, {B_BASE64, 'B'}, {B_PLAIN, 'B'},
	{C_HEX, 'C'}, {C_UPPER, 'C'}, {C_BASE64, 'C'}, {C_PLAIN, 'C'},
	{ZERO_HEX, '0'}, {ONES_BASE64, '0'}, {"x", 'x'}, {"\xff", 'x'},
};

static char
kind_of(const char *word)
{
	for (size_t i = 0; i < lengthof(words); i++)
	{
		if (strcmp(words[i].text, word) == 0)
			return words[i].kind;
	}
	return 'x';
}

/*
 * The rules once more, on a copy that is cut to pieces: lines, without their
 * comments; entries between commas; words between blanks.  Writes the letters
 * of the keys.
 */
static TarxKeysKeyringProblem
read_slowly(const char *text, char *keys, unsigned int *entry)
{
	char		copy[TEXT_MAX];
	char	   *line_state;
	size_t		nkeys = 0;

	*entry = 0;
	keys[0] = '\0';
	snprintf(copy, sizeof(copy), "%s", text);
	for (char *line = strtok_r(copy, "\n", &line_state); line != NULL;
		 line = strtok_r(NULL, "\n", &line_state))
	{
		char	   *entry_state;

		line[strcspn(line, "#")] = '\0';
		for (char *part = strtok_r(line, ",", &entry_state); part != NULL;
			 part = strtok_r(NULL, ",", &entry_state))
		{
			char	   *word_state;
			const char *word = strtok_r(part, " \t\r", &word_state);
			char		kind;

			if (word == NULL)
				continue;
			(*entry)++;
			kind = kind_of(word);
			if (kind == 'x')
				return MALFORMED;
			if (kind == '0')
				return WEAK;
			if (strchr(keys, kind) != NULL)
				return DUPLICATE;
			if (strtok_r(NULL, " \t\r", &word_state) != NULL)
				return MALFORMED;
			keys[nkeys++] = kind;
			keys[nkeys] = '\0';
		}
	}
	return nkeys == 0 ? NO_KEY : OK;
}

static void
check_random_texts(void)
{
	enum
	{
		RUNS = 20000
	};
	static const char *const between[] = {",", "\n", " ", "\t", "\r\n", "\r", "#", "# a, comment\n", ", ", "\n,"};
	int			accepted = 0;
	const char *fault = NULL;

	for (int i = 0; i < RUNS && fault == NULL; i++)
	{
		char		text[TEXT_MAX] = "";
		char		keys[16];
		unsigned int entry;
		TarxKeysKeyringProblem problem;
		Parsed		got;

		for (uint32_t pieces = next_random(12); pieces > 0; pieces--)
		{
			/* Mostly keys, for some of the texts to be right. */
			size_t		word = next_random(next_random(8) == 0 ? lengthof(words) : 12);

			if (next_random(3) == 0)
				strcat(text, words[word].text);
			else
				strcat(text, between[next_random(lengthof(between))]);
		}
		problem = read_slowly(text, keys, &entry);
		got = parse(text, strlen(text));
		if (got.problem != problem)
			fault = "another problem";
		else if (problem != OK && got.entry != entry)
			fault = "another entry";
		else if (problem == OK && strcmp(letters(got.ring), keys) != 0)
			fault = "other keys";
		else
			fault = fault_in_ring(got.problem, got.ring);
		accepted += problem == OK;
		if (fault != NULL)
			tap_diag("text", text);
	}
	is_str(fault, NULL, "random texts are read alike");
	ok(accepted > RUNS / 10, "many random texts are keyrings");
}

/* Any bytes: nothing is read beyond them, and nothing is left of them. */
static void
check_garbage(void)
{
	enum
	{
		ROOM = 256
	};
	static const char likely[] = "0123456789abcdefABCDEF+/=,,\n\n\r\t ##AAAAAAAA";
	char	   *memory = guarded(ROOM);
	TarxKeysKeyring *ring = guarded(sizeof(TarxKeysKeyring));
	const char *fault = NULL;

	for (int i = 0; i < 20000 && fault == NULL; i++)
	{
		size_t		len = next_random(ROOM + 1);
		uint32_t	wild = 1 + next_random(64);
		unsigned int entry;

		for (size_t at = ROOM - len; at < ROOM; at++)
			memory[at] = next_random(wild) == 0 ? (char) next_random(256) :
				likely[next_random(sizeof(likely) - 1)];
		memset(ring, 0xa5, sizeof(*ring));
		fault = fault_in_ring(tarx_keys_keyring_parse(memory + ROOM - len, len, ring, &entry), ring);
	}
	is_str(fault, NULL, "random bytes");
	sodium_free(ring);
	sodium_free(memory);
}

int
main(void)
{
	if (sodium_init() < 0)
	{
		fprintf(stderr, "# cannot initialise libsodium\n");
		return EXIT_FAILURE;
	}

	check_cases();
	check_nul();
	check_every_byte();
	check_every_digit();
	check_many();
	check_weak();
	check_almost_duplicates();
	check_truncation();
	check_find();
	check_files();
	check_fingerprint_hex();
	check_problems();
	check_random_texts();
	check_garbage();

	return done_testing();
}
