/*
 * test_token.c
 *	  The form of platform API keys.
 */
#include "pure/token.h"

#include "guarded.h"
#include "tap.h"
#include "wiped.h"

/* written by an independent division of the number in Python */
static void
known_answers(void)
{
	static const struct
	{
		uint8_t		fill;
		uint8_t		last;
		const char *body;
	}			cases[] = {
		{0x00, 0x00, "0000000000000000000000000000000000000000000"},
		{0x00, 0x01, "0000000000000000000000000000000000000000001"},
		{0x00, 0x3d, "000000000000000000000000000000000000000000z"},
		{0x00, 0x3e, "0000000000000000000000000000000000000000010"},
		{0xff, 0xff, "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1"},
		{0xa5, 0x17, "dHMOUNLh0UTx6gmQ9MHQdRUvZdbXMLLlzChlYYN1sff"}
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		uint8_t		random[TARX_KEYS_TOKEN_RANDOM_BYTES];
		char		token[TARX_KEYS_TOKEN_LEN + 1] = {0};
		char		expected[TARX_KEYS_TOKEN_LEN + 1];

		memset(random, cases[i].fill, sizeof(random));
		random[sizeof(random) - 1] = cases[i].last;
		tarx_keys_token_write_body(token, random);
		tarx_keys_token_write_checksum(token, 0xffffffff);
		snprintf(expected, sizeof(expected), "sk-tarx-%s4gfFC3", cases[i].body);
		is_str(token, expected, "token of %02x..%02x", cases[i].fill, cases[i].last);
		ok(tarx_keys_token_has_form(token, TARX_KEYS_TOKEN_LEN), "has the form");
		ok(tarx_keys_token_has_checksum(token, 0xffffffff), "has its checksum");
		ok(!tarx_keys_token_has_checksum(token, 0xfffffffe), "has no other one");
	}
}

static void
form(void)
{
	uint8_t		random[TARX_KEYS_TOKEN_RANDOM_BYTES] = {1, 2, 3};
	char	   *token = guarded(TARX_KEYS_TOKEN_LEN);

	tarx_keys_token_write_body(token, random);
	tarx_keys_token_write_checksum(token, 7);
	ok(tarx_keys_token_has_form(token, TARX_KEYS_TOKEN_LEN), "a token has the form");
	ok(!tarx_keys_token_has_form(token, TARX_KEYS_TOKEN_LEN - 1), "a shorter one has not");
	ok(!tarx_keys_token_has_form(token, 0), "nothing has not");
	for (size_t i = 0; i < TARX_KEYS_TOKEN_LEN; i++)
	{
		static const char wrong[] = {'\0', '-', '_', ' ', '/', ':', '@', '[', '`', '{', '\x7f', '\xff'};
		char		right = token[i];

		for (size_t w = 0; w < sizeof(wrong); w++)
		{
			if (wrong[w] == right)
				continue;
			token[i] = wrong[w];
			ok(!tarx_keys_token_has_form(token, TARX_KEYS_TOKEN_LEN),
			   "byte %zu must not be %02x", i, (unsigned char) wrong[w]);
		}
		token[i] = right;
	}
	sodium_free(token);
}

/*
 * The random number is divided until it is 0, which wipes it. It is wiped all the same,
 * in case somebody divides it less often.
 */
static void
wiping(void)
{
	static const uint8_t divided[TARX_KEYS_TOKEN_RANDOM_BYTES] = {0};
	uint8_t		random[TARX_KEYS_TOKEN_RANDOM_BYTES] = {1, 2, 3};
	char		token[TARX_KEYS_TOKEN_LEN];

	watch(divided, sizeof(divided));
	tarx_keys_token_write_body(token, random);
	is_int(wiped, 1, "the random number is wiped");
	ok(memcmp(random, divided, sizeof(divided)) == 0, "in its own place");
	watch(NULL, 0);
}

int
main(void)
{
	if (sodium_init() < 0)
		return 1;
	known_answers();
	form();
	wiping();
	return done_testing();
}
