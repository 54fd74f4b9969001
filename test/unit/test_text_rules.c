/*
 * test_text_rules.c
 *	  Unit tests of the rules for names and user ids, in TAP.
 *
 * Every text is in memory that ends at an inaccessible page.  Beside single
 * cases, every code point is tried in every rule and place, and the decoder is
 * compared with the Unicode Standard's table of well-formed byte sequences.
 */
#include "pure/text_rules.h"
#include "guarded.h"
#include "tap.h"

/* Short names, for the tables to be readable. */
#define OK			TARX_KEYS_TEXT_OK
#define NOT_UTF8	TARX_KEYS_TEXT_NOT_UTF8
#define EMPTY		TARX_KEYS_TEXT_EMPTY
#define TOO_LONG	TARX_KEYS_TEXT_TOO_LONG
#define CONTROL		TARX_KEYS_TEXT_CONTROL
#define MISLEADING	TARX_KEYS_TEXT_MISLEADING
#define BLANKS		TARX_KEYS_TEXT_BLANKS

/* Characters of two, three and four bytes. */
#define UUML		"\xc3\xbc"
#define EURO		"\xe2\x82\xac"
#define FACE		"\xf0\x9f\x98\x80"

typedef enum RuleName
{
	NAME,
	USER_ID,
	RULES
} RuleName;

typedef struct Rule
{
	const char *name;
	TarxKeysTextProblem (*check) (const char *s, size_t len);
} Rule;

static const Rule rules[RULES] = {
	{"name", tarx_keys_check_name_text},
	{"user id", tarx_keys_check_user_id_text},
};

typedef struct TextCase
{
	const char *text;
	TarxKeysTextProblem expected[RULES];
} TextCase;

static const TextCase text_cases[] = {
	{"main", {OK, OK}},
	{"a b c", {OK, OK}},
	{"B" UUML "ro 5 " EURO, {OK, OK}},
	{"#1 \"x\"; '--", {OK, OK}},
	{"sk-proj-abcdefghijklmnopqrstuvwxyz", {OK, OK}},
	{"auth0|5f7c8ec7c33c6c004bbafe82", {OK, OK}},
	{"alice@example.com", {OK, OK}},
	{UUML UUML, {OK, OK}},
	{EURO, {OK, OK}},
	{FACE, {OK, OK}},
	/* Hebrew and Arabic letters are not control characters */
	{"\xd7\x90\xd7\x91 \xd8\xa7\xd8\xa8", {OK, OK}},
	/* a zero-width joiner within a picture, and where it joins nothing */
	{"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb", {OK, OK}},
	{"\xf0\x9f\x91\xa9\xe2\x80\x8d", {BLANKS, OK}},

	/*
	 * an override, an invisible blank, a byte order mark, a soft hyphen, a
	 * tag
	 */
	{"ma\xe2\x80\xaein", {MISLEADING, OK}},
	{"ma\xe2\x80\x8bin", {MISLEADING, OK}},
	{"\xef\xbb\xbfmain", {MISLEADING, OK}},
	{"main\xc2\xad", {MISLEADING, OK}},
	{"main\xf3\xa0\x81\x81", {MISLEADING, OK}},
	/* blanks */
	{" main", {BLANKS, OK}},
	{"main ", {BLANKS, OK}},
	{" main ", {BLANKS, OK}},
	{"    ", {BLANKS, OK}},
	{" ", {BLANKS, OK}},
	{"ma  in", {OK, OK}},
	/* what would end an HTTP header, or a line of a log */
	{"main\n", {CONTROL, CONTROL}},
	{"\tmain", {CONTROL, CONTROL}},
	{"main\r\nx-api-key: y", {CONTROL, CONTROL}},
	{"main\ny", {CONTROL, CONTROL}},
	{"main\x7f", {CONTROL, CONTROL}},
	{"main\x1b[2J", {CONTROL, CONTROL}},
	{"main\xc2\x9b" "2J", {CONTROL, CONTROL}},
	{"main\xc2\x85", {CONTROL, CONTROL}},
	/* several at once: the one that tells most */
	{"main\xe2\x80\xae\n.", {CONTROL, CONTROL}},
	{" main\n.", {CONTROL, CONTROL}},
	{" main\xe2\x80\xae.", {MISLEADING, OK}},
	{" main\xff\n", {NOT_UTF8, NOT_UTF8}},
	{"\xff", {NOT_UTF8, NOT_UTF8}},
};

typedef struct Range
{
	uint32_t	first;
	uint32_t	last;
} Range;

/* General category Cc, and line and paragraph separator */
static const Range control_characters[] = {
	{0x0000, 0x001f}, {0x007f, 0x009f}, {0x2028, 0x2029},
};

/* Bidi_Control (PropList.txt), and others that show as nothing */
static const Range misleading_characters[] = {
	{0x061c, 0x061c}, {0x200e, 0x200f}, {0x202a, 0x202e}, {0x2066, 0x2069},
	{0x00ad, 0x00ad}, {0x034f, 0x034f}, {0x115f, 0x1160}, {0x17b4, 0x17b5},
	{0x180b, 0x180f}, {0x200b, 0x200b}, {0x2060, 0x2065}, {0x206a, 0x206f},
	{0x2800, 0x2800}, {0x3164, 0x3164}, {0xfeff, 0xfeff}, {0xffa0, 0xffa0},
	{0xfff9, 0xfffb}, {0xe0000, 0xe0fff},
};

/* The ends and the neighbours of such ranges, each for a test of its own. */
static const Range neighbours[] = {
	{0x0020, 0x007e}, {0x00a0, 0x00ac}, {0x00ae, 0x00ae}, {0x061b, 0x061b},
	{0x061d, 0x061d}, {0x200c, 0x200d}, {0x2010, 0x2010}, {0x2027, 0x2027},
	{0x202f, 0x202f}, {0x205e, 0x205e}, {0x2070, 0x2070}, {0xfefe, 0xfefe},
	{0xdffff, 0xdffff}, {0xe0000, 0xe0002}, {0xe0ffe, 0xe1000}, {0x10ffff, 0x10ffff},
};

/* White_Space (PropList.txt), and the joiners */
static const Range blank_characters[] = {
	{0x0009, 0x000d}, {0x0020, 0x0020}, {0x0085, 0x0085}, {0x00a0, 0x00a0},
	{0x1680, 0x1680}, {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f},
	{0x205f, 0x205f}, {0x3000, 0x3000},
	{0x200c, 0x200d},
};

typedef struct BrokenCase
{
	const char *name;
	const char *bytes;
} BrokenCase;

/* Bytes that are no UTF-8. */
static const BrokenCase broken_cases[] = {
	{"overlong NUL in 2 bytes", "\xc0\x80"},
	{"overlong NUL in 3 bytes", "\xe0\x80\x80"},
	{"overlong NUL in 4 bytes", "\xf0\x80\x80\x80"},
	{"overlong newline in 2 bytes", "\xc0\x8a"},
	{"overlong slash in 2 bytes", "\xc0\xaf"},
	{"overlong slash in 3 bytes", "\xe0\x80\xaf"},
	{"overlong slash in 4 bytes", "\xf0\x80\x80\xaf"},
	{"overlong U+007F", "\xc1\xbf"},
	{"overlong U+0080 in 3 bytes", "\xe0\x82\x80"},
	{"overlong U+07FF in 3 bytes", "\xe0\x9f\xbf"},
	{"overlong U+0800 in 4 bytes", "\xf0\x80\xa0\x80"},
	{"overlong U+FFFF in 4 bytes", "\xf0\x8f\xbf\xbf"},
	{"first high surrogate", "\xed\xa0\x80"},
	{"last high surrogate", "\xed\xaf\xbf"},
	{"first low surrogate", "\xed\xb0\x80"},
	{"last low surrogate", "\xed\xbf\xbf"},
	{"surrogate pair", "\xed\xa0\xbd\xed\xb8\x80"},
	{"U+110000", "\xf4\x90\x80\x80"},
	{"U+13FFFF", "\xf4\xbf\xbf\xbf"},
	{"U+140000", "\xf5\x80\x80\x80"},
	{"U+1FFFFF", "\xf7\xbf\xbf\xbf"},
	{"5 bytes", "\xf8\x88\x80\x80\x80"},
	{"4 bytes by a lead of 5", "\xf9\x80\x80\x80"},
	{"6 bytes", "\xfc\x84\x80\x80\x80\x80"},
	{"byte FE", "\xfe"},
	{"byte FF", "\xff"},
	{"byte order mark of UTF-16", "\xff\xfe"},
	{"stray continuation 80", "\x80"},
	{"stray continuation BF", "\xbf"},
	{"continuation too many", UUML "\x80"},
	{"1 byte of 2", "\xc3"},
	{"1 byte of 3", "\xe2"},
	{"2 bytes of 3", "\xe2\x82"},
	{"1 byte of 4", "\xf0"},
	{"2 bytes of 4", "\xf0\x9f"},
	{"3 bytes of 4", "\xf0\x9f\x98"},
	{"a lead where a continuation must be", "\xe2\xe2\xac"},
	{"a lead where the last continuation must be", "\xe2\x82\xe2"},
	{"Latin-1", "B\xfcro"},
};

/*
 * Unicode Standard, table 3-7: leads, what may follow them, and the length; all
 * bytes from the third on are 80 to BF.
 */
typedef struct WellFormed
{
	uint8_t		lead_first;
	uint8_t		lead_last;
	uint8_t		second_first;
	uint8_t		second_last;
	size_t		len;
} WellFormed;

static const WellFormed well_formed[] = {
	{0x00, 0x7f, 0x00, 0xff, 1},
	{0xc2, 0xdf, 0x80, 0xbf, 2},
	{0xe0, 0xe0, 0xa0, 0xbf, 3},
	{0xe1, 0xec, 0x80, 0xbf, 3},
	{0xed, 0xed, 0x80, 0x9f, 3},
	{0xee, 0xef, 0x80, 0xbf, 3},
	{0xf0, 0xf0, 0x90, 0xbf, 4},
	{0xf1, 0xf3, 0x80, 0xbf, 4},
	{0xf4, 0xf4, 0x80, 0x8f, 4},
};

#define LAST_CODE_POINT 0x10ffff

/* By its name, for a failure to be readable. */
static const char *
problem_name(TarxKeysTextProblem problem)
{
	return tarx_keys_text_problem(problem);
}

static void
check_bytes(RuleName rule, const char *name, const char *bytes, size_t len,
			TarxKeysTextProblem expected)
{
	char	   *copy = guarded(len);

	if (len > 0)
		memcpy(copy, bytes, len);
	is_str(problem_name(rules[rule].check(copy, len)), problem_name(expected),
		   "%s: %s", rules[rule].name, name);
	sodium_free(copy);
}

static void
check_texts(void)
{
	for (size_t i = 0; i < lengthof(text_cases); i++)
	{
		const TextCase *test = &text_cases[i];

		for (int rule = 0; rule < RULES; rule++)
			check_bytes((RuleName) rule, test->text, test->text, strlen(test->text),
						test->expected[rule]);
	}
}

/* So many characters of one kind, and then so many bytes "x". */
static void
check_filled(RuleName rule, const char *character, size_t count, size_t more,
			 TarxKeysTextProblem expected)
{
	size_t		width = strlen(character);
	size_t		len = count * width + more;
	char	   *text = guarded(len);
	char		name[64];

	for (size_t i = 0; i < count; i++)
		memcpy(text + i * width, character, width);
	memset(text + count * width, 'x', more);
	snprintf(name, sizeof(name), "%zu characters of %zu bytes and %zu of 1", count, width, more);
	check_bytes(rule, name, text, len, expected);
	sodium_free(text);
}

static void
check_lengths(void)
{
	static const char *const characters[] = {"a", UUML, EURO, FACE};

	for (size_t i = 0; i < lengthof(characters); i++)
	{
		const char *character = characters[i];

		/* Names and user ids are measured in characters. */
		check_filled(NAME, character, 0, 0, EMPTY);
		check_filled(NAME, character, 1, 0, OK);
		check_filled(NAME, character, 2, 0, OK);
		check_filled(NAME, character, 99, 0, OK);
		check_filled(NAME, character, 100, 0, OK);
		check_filled(NAME, character, 101, 0, TOO_LONG);
		check_filled(NAME, character, 99, 1, OK);
		check_filled(NAME, character, 100, 1, TOO_LONG);
		check_filled(NAME, character, 10000, 0, TOO_LONG);
		check_filled(USER_ID, character, 0, 0, EMPTY);
		check_filled(USER_ID, character, 1, 0, OK);
		check_filled(USER_ID, character, 101, 0, OK);
		check_filled(USER_ID, character, 199, 0, OK);
		check_filled(USER_ID, character, 200, 0, OK);
		check_filled(USER_ID, character, 201, 0, TOO_LONG);
		check_filled(USER_ID, character, 200, 1, TOO_LONG);
		check_filled(USER_ID, character, 10000, 0, TOO_LONG);

	}
}

/* Encode, as RFC 3629 says but without its limits; returns the length. */
static size_t
encode(char *out, uint32_t c)
{
	if (c < 0x80)
	{
		out[0] = (char) c;
		return 1;
	}
	if (c < 0x800)
	{
		out[0] = (char) (0xc0 + (c >> 6));
		out[1] = (char) (0x80 + c % 64);
		return 2;
	}
	if (c < 0x10000)
	{
		out[0] = (char) (0xe0 + (c >> 12));
		out[1] = (char) (0x80 + (c >> 6) % 64);
		out[2] = (char) (0x80 + c % 64);
		return 3;
	}
	out[0] = (char) (0xf0 + (c >> 18));
	out[1] = (char) (0x80 + (c >> 12) % 64);
	out[2] = (char) (0x80 + (c >> 6) % 64);
	out[3] = (char) (0x80 + c % 64);
	return 4;
}

/* What each code point is, of the lists above. */
#define IS_CONTROL		1
#define IS_MISLEADING	2
#define IS_BLANK		4

static uint8_t kinds[LAST_CODE_POINT + 1];

static void
mark(const Range *ranges, size_t count, uint8_t kind)
{
	for (size_t i = 0; i < count; i++)
	{
		for (uint32_t c = ranges[i].first; c <= ranges[i].last; c++)
			kinds[c] |= kind;
	}
}

/* What a rule has to say of a character, at an end of a text or inside it. */
static TarxKeysTextProblem
expected_problem(RuleName rule, uint32_t c, bool at_end)
{
	bool		control = (kinds[c] & IS_CONTROL) != 0;
	bool		misleading = (kinds[c] & IS_MISLEADING) != 0;
	bool		blank = at_end && (kinds[c] & IS_BLANK) != 0;

	if (c >= 0xd800 && c <= 0xdfff)
		return NOT_UTF8;
	switch (rule)
	{
		case NAME:
			return control ? CONTROL : misleading ? MISLEADING : blank ? BLANKS : OK;
		case USER_ID:
			return control ? CONTROL : OK;
		case RULES:
			break;
	}
	return OK;
}

typedef struct Place
{
	const char *name;
	const char *before;
	const char *behind;
	bool		at_end;
} Place;

static const Place places[] = {
	{"first", "", "abcd", true},
	{"inside", "ab", "cd", false},
	{"inside, by a blank", "ab ", " cd", false},
	{"last", "abcd", "", true},
};

/* NULL if a rule says what it has to of a character there, else what is wrong. */
static const char *
fault_at(RuleName rule, const Place *place, uint32_t c, char *memory, size_t room)
{
	static char fault[128];
	char		text[32];
	size_t		before = strlen(place->before);
	size_t		behind = strlen(place->behind);
	size_t		len = before;
	TarxKeysTextProblem got;
	TarxKeysTextProblem expected = expected_problem(rule, c, place->at_end);

	memcpy(text, place->before, before);
	len += encode(text + len, c);
	memcpy(text + len, place->behind, behind);
	len += behind;
	memcpy(memory + room - len, text, len);
	got = rules[rule].check(memory + room - len, len);
	if (got == expected)
		return NULL;
	snprintf(fault, sizeof(fault), "U+%04X %s, expected: %s", (unsigned int) c,
			 problem_name(got), problem_name(expected));
	return fault;
}

/* Each character that a rule is about, with a test of its own. */
static void
check_listed(const char *kind, const Range *ranges, size_t count)
{
	enum
	{
		ROOM = 32
	};
	char	   *memory = guarded(ROOM);

	for (size_t i = 0; i < count; i++)
	{
		for (uint32_t c = ranges[i].first; c <= ranges[i].last; c++)
		{
			for (int rule = 0; rule < RULES; rule++)
			{
				for (size_t j = 0; j < lengthof(places); j++)
					is_str(fault_at((RuleName) rule, &places[j], c, memory, ROOM), NULL,
						   "%s: %s character U+%04X %s", rules[rule].name, kind,
						   (unsigned int) c, places[j].name);
			}
		}
	}
	sodium_free(memory);
}

/* No other character is refused anywhere. */
static void
check_all_characters(void)
{
	enum
	{
		ROOM = 32
	};
	char	   *memory = guarded(ROOM);

	for (int rule = 0; rule < RULES; rule++)
	{
		for (size_t j = 0; j < lengthof(places); j++)
		{
			const char *fault = NULL;

			for (uint32_t c = 0; c <= LAST_CODE_POINT && fault == NULL; c++)
				fault = fault_at((RuleName) rule, &places[j], c, memory, ROOM);
			is_str(fault, NULL, "%s: every character %s", rules[rule].name, places[j].name);
		}
	}
	sodium_free(memory);
}

/* A name or user id may be one character alone, which is at both ends. */
static void
check_lonely_characters(void)
{
	static const Place alone = {"alone", "", "", true};
	char	   *memory = guarded(4);
	const char *fault = NULL;

	for (uint32_t c = 0; c <= LAST_CODE_POINT && fault == NULL; c++)
	{
		fault = fault_at(NAME, &alone, c, memory, 4);
		if (fault == NULL)
			fault = fault_at(USER_ID, &alone, c, memory, 4);
	}
	is_str(fault, NULL, "every character alone");
	sodium_free(memory);
}

/* Broken bytes are refused by every rule, wherever they stand. */
static void
check_broken(void)
{
	for (size_t i = 0; i < lengthof(broken_cases); i++)
	{
		const BrokenCase *test = &broken_cases[i];

		for (size_t j = 0; j < lengthof(places); j++)
		{
			char		text[64];
			char		name[128];

			snprintf(text, sizeof(text), "%s%s%s", places[j].before, test->bytes,
					 places[j].behind);
			snprintf(name, sizeof(name), "%s %s", test->name, places[j].name);
			for (int rule = 0; rule < RULES; rule++)
				check_bytes((RuleName) rule, name, text, strlen(text), NOT_UTF8);
		}
	}
}

/* A NUL is a control character, not the end. */
static void
check_nul(void)
{
	check_bytes(NAME, "NUL inside", "main\0main", 9, CONTROL);
	check_bytes(USER_ID, "NUL inside", "main\0main", 9, CONTROL);
	check_bytes(NAME, "NUL alone", "\0", 1, CONTROL);
	check_bytes(USER_ID, "NUL alone", "\0", 1, CONTROL);
}

/* Every character comes back from its bytes, and from no fewer. */
static void
check_round_trip(void)
{
	enum
	{
		ROOM = 4
	};
	char	   *memory = guarded(ROOM);
	uint32_t	failed = 0;
	uint32_t	count = 0;

	for (uint32_t c = 0; c <= 0x1fffff; c++)
	{
		char		bytes[4];
		size_t		len = encode(bytes, c);
		size_t		expected = c > LAST_CODE_POINT || (c >= 0xd800 && c <= 0xdfff) ? 0 : len;

		count += expected > 0;
		for (size_t cut = 0; cut <= len; cut++)
		{
			uint32_t	got = ~c;
			size_t		step;

			memcpy(memory + ROOM - cut, bytes, cut);
			step = tarx_keys_utf8_next(memory + ROOM - cut, cut, &got);
			if (step != (cut < len ? 0 : expected) || (step > 0 && got != c))
				failed++;
		}
	}
	is_int(count, 0x110000 - 0x800, "code points that are characters");
	is_int(failed, 0, "every character from its bytes, and from no fewer");
	sodium_free(memory);
}

static size_t
well_formed_len(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < lengthof(well_formed); i++)
	{
		const WellFormed *row = &well_formed[i];

		if (bytes[0] < row->lead_first || bytes[0] > row->lead_last)
			continue;
		if (len < row->len)
			return 0;
		if (row->len > 1 && (bytes[1] < row->second_first || bytes[1] > row->second_last))
			return 0;
		for (size_t j = 2; j < row->len; j++)
		{
			if (bytes[j] < 0x80 || bytes[j] > 0xbf)
				return 0;
		}
		return row->len;
	}
	return 0;
}

/* All pairs of bytes, with the bytes behind them that matter. */
static void
check_well_formed(void)
{
	static const uint8_t behind[] = {0x00, 0x41, 0x7f, 0x80, 0xbf, 0xc0, 0xff};
	uint32_t	failed = 0;

	for (uint32_t pair = 0; pair < 0x10000; pair++)
	{
		for (size_t i = 0; i < lengthof(behind) * lengthof(behind); i++)
		{
			uint8_t		bytes[] = {
				(uint8_t) (pair >> 8), (uint8_t) pair,
				behind[i / lengthof(behind)], behind[i % lengthof(behind)]
			};
			uint32_t	c;

			for (size_t len = 1; len <= sizeof(bytes); len++)
				failed += tarx_keys_utf8_next((const char *) bytes, len, &c) !=
					well_formed_len(bytes, len);
		}
	}
	is_int(failed, 0, "byte sequences are well-formed or not as by the standard");
}

static void
check_nothing(void)
{
	uint32_t	c = 'x';
	char	   *memory = guarded(0);

	is_int((long long) tarx_keys_utf8_next(memory, 0, &c), 0, "no character at the end");
	is_int((long long) tarx_keys_utf8_next(NULL, 0, &c), 0, "no character in nothing");
	is_int(tarx_keys_check_name_text(NULL, 0), EMPTY, "name: nothing");
	is_int(tarx_keys_check_user_id_text(NULL, 0), EMPTY, "user id: nothing");
	sodium_free(memory);
}

static void
check_problems(void)
{
	for (int problem = OK; problem <= BLANKS; problem++)
	{
		const char *text = tarx_keys_text_problem((TarxKeysTextProblem) problem);

		ok(text[0] >= 'a' && text[0] <= 'z' && text[strlen(text) - 1] != '.',
		   "form of text of problem %d", problem);
		ok(strcmp(text, "is not valid") != 0, "text of problem %d is its own", problem);
		for (int other = OK; other < problem; other++)
			ok(strcmp(text, tarx_keys_text_problem((TarxKeysTextProblem) other)) != 0,
			   "texts of problems %d and %d differ", problem, other);
	}
	is_str(tarx_keys_text_problem(OK), "is valid", "text of no problem");
	is_str(tarx_keys_text_problem(TOO_LONG), "is too long", "text of what is too long");
	/* One that has no name. */
	is_str(tarx_keys_text_problem((TarxKeysTextProblem) (TARX_KEYS_TEXT_NOT_IDENTIFIER + 1)), "is not valid",
		   "text of an unknown problem");
}

int
main(void)
{
	if (sodium_init() < 0)
	{
		fprintf(stderr, "# cannot initialise libsodium\n");
		return EXIT_FAILURE;
	}

	/* These tests are about these very limits. */
	is_int(TARX_KEYS_NAME_MAX_CHARS, 100, "the limit of names");
	is_int(TARX_KEYS_USER_ID_MAX_CHARS, 200, "the limit of user ids");

	mark(control_characters, lengthof(control_characters), IS_CONTROL);
	mark(misleading_characters, lengthof(misleading_characters), IS_MISLEADING);
	mark(blank_characters, lengthof(blank_characters), IS_BLANK);

	check_texts();
	check_lengths();
	check_nul();
	check_broken();
	check_listed("control", control_characters, lengthof(control_characters));
	/* The last range, of tags, is long; all of it is tried below. */
	check_listed("misleading", misleading_characters, lengthof(misleading_characters) - 1);
	check_listed("neighbouring", neighbours, lengthof(neighbours));
	check_listed("blank", blank_characters, lengthof(blank_characters));
	check_all_characters();
	check_lonely_characters();
	check_round_trip();
	check_well_formed();
	check_nothing();
	check_problems();

	return done_testing();
}
