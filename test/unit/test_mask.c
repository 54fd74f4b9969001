/*
 * test_mask.c
 *	  Unit tests of masks, in TAP.
 *
 * Masks are tested in the form in which they are stored, and taken apart they
 * give the form that people see.  Every value is copied to memory that ends
 * at an inaccessible page, and so does the room for a mask.
 */
#include "pure/mask.h"
#include "guarded.h"
#include "tap.h"

/* The signs of masks, as stored and as shown. */
#define DOTS			"..."
#define STARS			"********"
#define DOTS_SHOWN		"\xe2\x80\xa6"
#define BULLET			"\xe2\x80\xa2"
#define STARS_SHOWN		BULLET BULLET BULLET BULLET BULLET BULLET BULLET BULLET

/* Characters of two, three and four bytes. */
#define UUML			"\xc3\xbc"
#define EURO			"\xe2\x82\xac"
#define FACE			"\xf0\x9f\x98\x80"

#define THREE(x)		x x x
#define FOUR(x)			x x x x
#define TEN(x)			x x x x x x x x x x

/* Values of a given number of characters behind a prefix. */
#define REST_22			"abcdefghijklmnopqrwxyz"
#define REST_23			"abcdefghijklmnopqrswxyz"
#define REST_40			"abcdefghijklmnopqrstuvwxyz0123456789wxyz"

#define VALUE_MAX		8192

#define MAX_PREFIXES	5

/* A provider's public prefixes, in guarded memory. */
typedef struct Provider
{
	const char *name;
	const char *prefixes[MAX_PREFIXES];
	TarxKeysSpan *spans;
	size_t		nspans;
} Provider;

/* Like the catalogue of providers, and some that are made up. */
static Provider no_prefix = {"no prefix", {NULL}, NULL, 0};
static Provider anthropic = {"anthropic", {"sk-ant-api03-", "sk-ant-admin01-", "sk-ant-"}, NULL, 0};
static Provider openai = {"openai", {"sk-proj-", "sk-svcacct-", "sk-admin-", "sk-"}, NULL, 0};
static Provider google_ai = {"google_ai", {"AIza", "AQ."}, NULL, 0};
static Provider huggingface = {"huggingface", {"hf_"}, NULL, 0};
static Provider compatible = {"openai_compatible", {"gsk_"}, NULL, 0};
static Provider rising = {"shortest first", {"a", "ab", "abc"}, NULL, 0};
static Provider falling = {"longest first", {"abc", "ab", "a"}, NULL, 0};
static Provider repeated = {"repeated", {"", "ab", "ab", ""}, NULL, 0};
static Provider empty = {"empty", {""}, NULL, 0};
static Provider wide = {"multi-byte", {EURO "-"}, NULL, 0};

/* 31 bytes are the most that a prefix may have. */
#define BYTES_31		"0123456789-0123456789-012345678"
static Provider long_31 = {"31 bytes", {BYTES_31}, NULL, 0};
static Provider long_32 = {"32 bytes", {BYTES_31 "9"}, NULL, 0};
static Provider long_40 = {"40 bytes and 4", {BYTES_31 "9-0123456", "0123"}, NULL, 0};

static Provider *const catalogue[] = {
	&no_prefix, &anthropic, &openai, &google_ai, &huggingface, &compatible
};
static Provider *const made_up[] = {
	&rising, &falling, &repeated, &empty, &wide, &long_31, &long_32, &long_40
};

typedef struct MaskCase
{
	const Provider *provider;
	const char *value;
	const char *mask;
} MaskCase;

static const MaskCase mask_cases[] = {
	/* every known prefix, and values that have none of them */
	{&anthropic, "sk-ant-api03-" REST_40, "sk-ant-api03-abc...wxyz"},
	{&anthropic, "sk-ant-admin01-" REST_40, "sk-ant-admin01-abc...wxyz"},
	{&anthropic, "sk-ant-" REST_40, "sk-ant-abc...wxyz"},
	{&anthropic, "sk-ant-api03" REST_40, "sk-ant-api...wxyz"},
	{&anthropic, "sk-ant-oat01-" REST_40, "sk-ant-oat...wxyz"},
	{&anthropic, "sk-an-" REST_40, "sk...wxyz"},
	{&anthropic, REST_40, "ab...wxyz"},
	{&openai, "sk-proj-" REST_40, "sk-proj-abc...wxyz"},
	{&openai, "sk-svcacct-" REST_40, "sk-svcacct-abc...wxyz"},
	{&openai, "sk-admin-" REST_40, "sk-admin-abc...wxyz"},
	{&openai, "sk-" REST_40, "sk-abc...wxyz"},
	{&openai, "sk-proj" REST_40, "sk-pro...wxyz"},
	{&openai, "sk-None-" REST_40, "sk-Non...wxyz"},
	{&openai, "sess-" REST_40, "se...wxyz"},
	{&google_ai, "AIza" REST_40, "AIzaabc...wxyz"},
	{&google_ai, "AQ." REST_40, "AQ.abc...wxyz"},
	{&google_ai, "AIzX" REST_40, "AI...wxyz"},
	{&google_ai, "AQ" REST_40, "AQ...wxyz"},
	{&huggingface, "hf_" REST_40, "hf_abc...wxyz"},
	{&huggingface, "api_" REST_40, "ap...wxyz"},
	{&compatible, "gsk_" REST_40, "gsk_abc...wxyz"},
	{&compatible, "sk-or-v1-" REST_40, "sk...wxyz"},
	/* Mistral and Azure: 32 characters, 32 and 84 */
	{&no_prefix, "aBcDeFgHiJkLmNoPqRsTuVwXyZ012345", "aB...2345"},
	{&no_prefix, "0123456789abcdef0123456789abcdef", "01...cdef"},
	{&no_prefix, REST_40 REST_40 "WXYZ", "ab...WXYZ"},
	{&no_prefix, "sk-proj-" REST_40, "sk...wxyz"},
	/* a prefix is one only at the start, and exactly as it is */
	{&huggingface, "HF_" REST_40, "HF...wxyz"},
	{&huggingface, "xhf_" REST_40, "xh...wxyz"},
	{&huggingface, "hf-" REST_40, "hf...wxyz"},
	{&huggingface, "hf_hf_" REST_40, "hf_hf_...wxyz"},
	/* the longest prefix wins, in whatever order they are listed */
	{&rising, "abc" REST_40, "abcabc...wxyz"},
	{&falling, "abc" REST_40, "abcabc...wxyz"},
	{&rising, "abX" REST_40, "abXab...wxyz"},
	{&falling, "abX" REST_40, "abXab...wxyz"},
	{&rising, "aXY" REST_40, "aXYa...wxyz"},
	{&falling, "aXY" REST_40, "aXYa...wxyz"},
	{&rising, "Xab" REST_40, "Xa...wxyz"},
	{&repeated, "ab" REST_40, "ababc...wxyz"},
	{&repeated, "X" REST_40, "Xa...wxyz"},
	{&empty, REST_40, "ab...wxyz"},
	{&wide, EURO "-" REST_40, EURO "-abc...wxyz"},
	{&wide, EURO REST_40, EURO "a...wxyz"},
	/* a prefix that is too long is no prefix; a shorter one still is */
	{&long_31, BYTES_31 REST_40, BYTES_31 "abc...wxyz"},
	{&long_31, BYTES_31 TEN(FACE) TEN(FACE) THREE(FACE),
	BYTES_31 THREE(FACE) DOTS FOUR(FACE)},
	{&long_32, BYTES_31 "9" REST_40, "01...wxyz"},
	{&long_32, BYTES_31 "9", "01...6789"},
	{&long_40, BYTES_31 "9-0123456" REST_40, "0123456...wxyz"},
	{&long_40, BYTES_31 "9-0123456", "0123456...3456"},
	/* at the limit, at which 16 characters stay hidden */
	{&no_prefix, "abcdefghijklmnopqwxyz", STARS},
	{&no_prefix, REST_22, "ab...wxyz"},
	{&no_prefix, REST_23, "ab...wxyz"},
	{&openai, "sk-proj-abcdefghijklmnopqwxyz", "sk-proj-" STARS},
	{&openai, "sk-proj-" REST_22, "sk-proj-" STARS},
	{&openai, "sk-proj-" REST_23, "sk-proj-abc...wxyz"},
	{&openai, "se" REST_22, "se...wxyz"},
	/* characters of a prefix do not count */
	{&long_31, BYTES_31 REST_22, BYTES_31 STARS},
	{&long_31, BYTES_31 REST_23, BYTES_31 "abc...wxyz"},
	/* nothing but a prefix, or less */
	{&openai, "sk-proj-", "sk-proj-" STARS},
	{&openai, "sk-proj-a", "sk-proj-" STARS},
	{&openai, "sk-proj", "sk-" STARS},
	{&openai, "sk-p", "sk-" STARS},
	{&openai, "sk-", "sk-" STARS},
	{&openai, "sk", STARS},
	{&openai, "abcd", STARS},
	{&no_prefix, "abcd", STARS},
	{&long_31, BYTES_31, BYTES_31 STARS},
	{&long_31, "0123", STARS},
	/* characters count, not bytes */
	{&no_prefix, TEN(UUML) TEN(UUML) UUML, STARS},
	{&no_prefix, TEN(UUML) TEN(UUML) UUML UUML, UUML UUML DOTS FOUR(UUML)},
	{&no_prefix, TEN(EURO) TEN(EURO) EURO, STARS},
	{&no_prefix, TEN(EURO) TEN(EURO) EURO EURO, EURO EURO DOTS FOUR(EURO)},
	{&no_prefix, TEN(FACE) TEN(FACE) FACE, STARS},
	{&no_prefix, TEN(FACE) TEN(FACE) FACE FACE, FACE FACE DOTS FOUR(FACE)},
	{&openai, "sk-" TEN(FACE) TEN(FACE) FACE FACE, "sk-" STARS},
	{&openai, "sk-" TEN(FACE) TEN(FACE) THREE(FACE), "sk-" THREE(FACE) DOTS FOUR(FACE)},
	{&no_prefix, UUML FACE TEN("-") "-----" "a" UUML EURO FACE, STARS},
	{&no_prefix, UUML FACE TEN("-") "------" "a" UUML EURO FACE, UUML FACE DOTS "a" UUML EURO FACE},
	{&no_prefix, FACE UUML TEN("-") "------" FACE EURO UUML "z", FACE UUML DOTS FACE EURO UUML "z"},
	{&openai, "sk-a" EURO FACE TEN("-") "-----" UUML "xyz", "sk-" STARS},
	{&openai, "sk-a" EURO FACE TEN("-") "------" UUML "xyz", "sk-a" EURO FACE DOTS UUML "xyz"},
	/* values that look a little like masks */
	{&no_prefix, ".........................", "........."},
	{&no_prefix, "*************************", "**...****"},
};

typedef struct SplitCase
{
	const char *mask;
	const char *head;			/* NULL: no mask */
	const char *sign;
	const char *tail;
} SplitCase;

static const SplitCase split_cases[] = {
	{"ab...wxyz", "ab", DOTS_SHOWN, "wxyz"},
	{"sk-proj-abc...wxyz", "sk-proj-abc", DOTS_SHOWN, "wxyz"},
	{"AQ.abc...wxyz", "AQ.abc", DOTS_SHOWN, "wxyz"},
	{BYTES_31 "abc...wxyz", BYTES_31 "abc", DOTS_SHOWN, "wxyz"},
	{UUML UUML DOTS FOUR(UUML), UUML UUML, DOTS_SHOWN, FOUR(UUML)},
	{EURO FACE DOTS "a" UUML EURO FACE, EURO FACE, DOTS_SHOWN, "a" UUML EURO FACE},
	{BYTES_31 THREE(FACE) DOTS FOUR(FACE), BYTES_31 THREE(FACE), DOTS_SHOWN, FOUR(FACE)},
	{STARS, "", STARS_SHOWN, ""},
	{"hf_" STARS, "hf_", STARS_SHOWN, ""},
	{"sk-proj-" STARS, "sk-proj-", STARS_SHOWN, ""},
	{BYTES_31 STARS, BYTES_31, STARS_SHOWN, ""},
	{EURO "-" STARS, EURO "-", STARS_SHOWN, ""},
	/* of values and prefixes that have dots and stars themselves */
	{".........", "..", DOTS_SHOWN, "...."},
	{"ab...wx..", "ab", DOTS_SHOWN, "wx.."},
	{"ab......z", "ab", DOTS_SHOWN, "...z"},
	{"a....wxyz", "a.", DOTS_SHOWN, "wxyz"},
	/* what is left of one that was copied in part */
	{"...wxyz", "", DOTS_SHOWN, "wxyz"},
	{"**...****", "**", DOTS_SHOWN, "****"},
	{"*" STARS, "*", STARS_SHOWN, ""},
	{"..." STARS, "...", STARS_SHOWN, ""},
	/* no masks */
	{"", NULL, NULL, NULL},
	{"a", NULL, NULL, NULL},
	{"wxyz", NULL, NULL, NULL},
	{"...", NULL, NULL, NULL},
	{"...xyz", NULL, NULL, NULL},
	{"ab...", NULL, NULL, NULL},
	{"ab..wxyz", NULL, NULL, NULL},
	{"ab...xyz", NULL, NULL, NULL},
	{"ab...vwxyz", NULL, NULL, NULL},
	{"ab.. .wxyz", NULL, NULL, NULL},
	{"ab..-wxyz", NULL, NULL, NULL},
	{"ab-..wxyz", NULL, NULL, NULL},
	{"ab.-.wxyz", NULL, NULL, NULL},
	{UUML UUML DOTS THREE(UUML), NULL, NULL, NULL},
	{UUML UUML DOTS FOUR(UUML) UUML, NULL, NULL, NULL},
	{"*", NULL, NULL, NULL},
	{"*******", NULL, NULL, NULL},
	{"sk-*******", NULL, NULL, NULL},
	{"sk-********a", NULL, NULL, NULL},
	{"sk-****-****", NULL, NULL, NULL},
	{"sk-" REST_40, NULL, NULL, NULL},
	{REST_40, NULL, NULL, NULL},
	/* these are shown, not stored */
	{"ab" DOTS_SHOWN "wxyz", NULL, NULL, NULL},
	{"sk-" STARS_SHOWN, NULL, NULL, NULL},
};

/* Values with a sign that only masks have, as they are shown. */
static const char *const shown_values[] = {
	DOTS_SHOWN,
	"ab" DOTS_SHOWN "wxyz",
	"sk-proj-abc" DOTS_SHOWN "wxyz",
	"sk-proj-abc" DOTS_SHOWN,
	DOTS_SHOWN "wxyz",
	REST_40 DOTS_SHOWN REST_40,
	BULLET,
	STARS_SHOWN,
	"sk-proj-" STARS_SHOWN,
	STARS_SHOWN "wxyz",
	REST_40 BULLET REST_40,
	/* as others mask */
	"***",
	"****",
	"*******",
	"sk****YZ",
	"sk-***YZ",
	"sk-proj-***",
	"***wxyz",
	"********-not-at-the-end",
	"....",
	"sk-...wxyz",
	"sk-proj-abc...",
	"...wxyz",
	"three ... dots inside of it",
	"sk-####YZ",
	"sk-\xe2\x8b\xafwxyz",
	"sk-\xe2\x97\x8f\xe2\x97\x8f\xe2\x97\x8fwxyz",
	"sk-\xe2\x88\x97\xe2\x88\x97wxyz",
	"sk-\xef\xbc\x8a\xef\xbc\x8awxyz",
	"sk-\xe2\x96\x88\xe2\x96\x88wxyz",
	"sk-\xe2\x96\xa0\xe2\x96\xa0wxyz",
	"sk-\xe2\xac\xa4\xe2\xac\xa4wxyz",
	"sk-\xe2\x88\x99\xe2\x88\x99wxyz",
};

/* Keys that their providers might well have issued. */
static const char *const ordinary_values[] = {
	"abcd",
	"a**b",
	"**",
	"a*b*c*d",
	"a##b###c",
	"sk-proj-" REST_40,
	"sk-proj-" REST_22,
	"sk-proj-",
	"sk-ant-api03-" REST_40 "-AA",
	"AIza" REST_40,
	"AQ.Ab8RN6" REST_40,
	"AQ.Ab8RN6.Kj9_-" REST_40,
	"hf_" REST_40,
	"gsk_" REST_40,
	"0123456789abcdef0123456789abcdef",
	"aBcDeFgHiJkLmNoPqRsTuVwXyZ012345",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9Pl",
	"a.b.c.d.e.f.g.h",
	"ab..wxyz",
	"sk-proj-abc..wxyz",
	"password with spaces",
	"p*a*s*s*w*o*r*d",
	UUML UUML UUML UUML,
	FACE,
	/* neighbours of the signs that are shown */
	"ab\xe2\x80\xa5wxyz",
	"ab\xe2\x80\xa7wxyz",
	"ab\xe2\x80\xa1wxyz",
	"ab\xe2\x80\xa3wxyz",
	"ab\xe2\x81\xa6wxyz",
	"ab\xc2\xb7wxyz",
};

/* Each byte sequence that is no UTF-8 counts as so many characters. */
typedef struct BrokenCase
{
	const char *value;
	const char *mask;
} BrokenCase;

static const BrokenCase broken_cases[] = {
	{"\xff\xfe" "bcdefghijklmnopq\x80\x81\x82\x83", "\xff\xfe" DOTS "\x80\x81\x82\x83"},
	{"\xff\xfe" "bcdefghijklmnop\x80\x81\x82\x83", STARS},
	{"ab\xc3" "cdefghijklmnopqwxy\xc3", "ab" DOTS "wxy\xc3"},
	{"ab\xf0\x9f" "defghijklmnopqwx\xf0\x9f", "ab" DOTS "wx\xf0\x9f"},
};

/* A generator of its own: the same numbers on every run. */
static uint64_t random_state = UINT64_C(0x7461727865733121);

static uint32_t
next_random(uint32_t bound)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t) (random_state >> 32) % bound;
}

static TarxKeysSpan
guarded_span(const char *data, size_t len)
{
	return (TarxKeysSpan) {(const char *) guarded_copy(data, len).data, len};
}

static void
free_span(TarxKeysSpan span)
{
	sodium_free((char *) span.data);
}

static void
prepare(Provider *provider)
{
	while (provider->nspans < MAX_PREFIXES && provider->prefixes[provider->nspans] != NULL)
		provider->nspans++;
	provider->spans = guarded(provider->nspans * sizeof(TarxKeysSpan));
	for (size_t i = 0; i < provider->nspans; i++)
		provider->spans[i] = guarded_span(provider->prefixes[i], strlen(provider->prefixes[i]));
}

/* The mask of a value that is in guarded memory, as a string. */
static const char *
mask_of_span(const Provider *provider, TarxKeysSpan value)
{
	static char mask[TARX_KEYS_MASK_MAX + 1];
	char	   *out = guarded(TARX_KEYS_MASK_MAX);
	size_t		len;

	/* What was there before must neither survive nor matter. */
	memset(out, 'X', TARX_KEYS_MASK_MAX);
	len = tarx_keys_mask(out, value, provider->spans, provider->nspans);
	if (len > TARX_KEYS_MASK_MAX)
		len = 0;
	memcpy(mask, out, len);
	mask[len] = '\0';
	sodium_free(out);
	return mask;
}

static const char *
mask_of(const Provider *provider, const char *value)
{
	TarxKeysSpan copy = guarded_span(value, strlen(value));
	const char *mask = mask_of_span(provider, copy);

	free_span(copy);
	return mask;
}

static bool
looks_masked(const char *value)
{
	TarxKeysSpan copy = guarded_span(value, strlen(value));
	bool		result = tarx_keys_looks_masked(copy);

	free_span(copy);
	return result;
}

static bool
span_is(TarxKeysSpan span, const char *text)
{
	return span.len == strlen(text) && memcmp(span.data, text, span.len) == 0;
}

/* A stored mask as people see it; NULL if it is none. */
static const char *
shown(const char *stored)
{
	static char text[4 * TARX_KEYS_MASK_MAX];
	TarxKeysSpan copy = guarded_span(stored, strlen(stored));
	TarxKeysSpan head;
	TarxKeysSpan tail;
	const char *sign;
	bool		split = tarx_keys_mask_split(copy, &head, &sign, &tail);

	if (split)
		snprintf(text, sizeof(text), "%.*s%s%.*s", (int) head.len, head.data, sign,
				 (int) tail.len, tail.data);
	free_span(copy);
	return split ? text : NULL;
}

static void
check_masks(void)
{
	for (size_t i = 0; i < lengthof(mask_cases); i++)
	{
		const MaskCase *test = &mask_cases[i];

		is_str(mask_of(test->provider, test->value), test->mask, "%s: mask of %s",
			   test->provider->name, test->value);
	}
}

/* Without any prefixes there need be no list of them. */
static void
check_no_list(void)
{
	const Provider none = {"no list", {NULL}, NULL, 0};

	is_str(mask_of(&none, "sk-proj-" REST_40), "sk...wxyz", "mask without a list");
}

/* Two lengths show only in whether anything is shown. */
static void
check_length_is_hidden(const Provider *provider, const char *prefix, const char *head,
					   size_t limit)
{
	static const size_t lengths[] = {400, 1000, 4095, 4096, 8000};
	char		value[VALUE_MAX + 1];
	char		expected[TARX_KEYS_MASK_MAX];
	const char *fault = NULL;
	size_t		chars;

	for (size_t i = 0; i < 300 + lengthof(lengths) && fault == NULL; i++)
	{
		size_t		prefix_len = strlen(prefix);

		chars = i < 300 ? i : lengths[i - 300];
		memset(value, 'm', sizeof(value));
		memcpy(value, prefix, prefix_len);
		if (chars >= 8)
		{
			memcpy(value + prefix_len, head, strlen(head));
			memcpy(value + prefix_len + chars - 4, "wxyz", 4);
		}
		value[prefix_len + chars] = '\0';
		snprintf(expected, sizeof(expected), "%s%s", prefix, STARS);
		if (chars >= limit)
			snprintf(expected, sizeof(expected), "%s%s" DOTS "wxyz", prefix, head);
		if (strcmp(mask_of(provider, value), expected) != 0)
			fault = "another mask";
	}
	is_str(fault, NULL, "%s: lengths show only as below %zu or not, up to %zu",
		   provider->name, limit, chars);
}

/* One random character. */
static size_t
random_character(char *out, bool ascii)
{
	static const char *const wide_characters[] = {UUML, "\xc2\xa1", EURO, "\xef\xbf\xbd", FACE};

	if (ascii || next_random(2) == 0)
	{
		/* Dots and stars more often than by chance. */
		static const char marks[] = "..**--__";

		*out = next_random(4) == 0 ? marks[next_random(8)] : (char) (0x21 + next_random(94));
		return 1;
	}
	else
	{
		const char *character = wide_characters[next_random(lengthof(wide_characters))];

		memcpy(out, character, strlen(character));
		return strlen(character);
	}
}

/* A value of at most max bytes, that may start with a prefix or almost so. */
static size_t
random_value(char *out, const Provider *provider, size_t max)
{
	bool		ascii = next_random(2) == 0;
	size_t		len = 0;

	if (provider->nspans > 0 && next_random(4) > 0)
	{
		TarxKeysSpan prefix = provider->spans[next_random((uint32_t) provider->nspans)];

		if (prefix.len <= max)
		{
			memcpy(out, prefix.data, prefix.len);
			len = prefix.len;
			if (len > 0 && next_random(4) == 0)
				len--;
		}
	}
	while (len + 4 <= max)
		len += random_character(out + len, ascii);
	while (len < 4)
		len += random_character(out + len, true);
	return len;
}

/* How many characters valid UTF-8 has, counted in another way. */
static size_t
characters(const char *text, size_t len)
{
	size_t		count = 0;

	for (size_t i = 0; i < len; i++)
		count += ((unsigned char) text[i] & 0xc0) != 0x80;
	return count;
}

static size_t
public_prefix(const Provider *provider, const char *value, size_t len)
{
	size_t		longest = 0;

	for (size_t i = 0; i < provider->nspans; i++)
	{
		size_t		prefix_len = strlen(provider->prefixes[i]);

		if (prefix_len <= 31 && prefix_len <= len && prefix_len > longest &&
			strncmp(provider->prefixes[i], value, prefix_len) == 0)
			longest = prefix_len;
	}
	return longest;
}

/*
 * NULL if a mask keeps to the rule, else what is wrong: the public prefix, and
 * then either nothing, or at most 3 (2) and 4 characters of a value of which 16
 * others stay hidden and two thirds do.
 */
static const char *
fault_in_mask(const Provider *provider, const char *value, size_t len, const char *mask)
{
	size_t		prefix = public_prefix(provider, value, len);
	size_t		total = characters(value, len);
	size_t		secret = characters(value + prefix, len - prefix);
	const char *rest = mask + prefix;
	const char *tail;
	size_t		head_chars;
	size_t		tail_chars;

	if (strncmp(mask, value, prefix) != 0)
		return "does not start with the public prefix";
	if (strcmp(rest, STARS) == 0)
		return secret < 16 + (prefix > 0 ? 7 : 6) ? NULL : "hides everything";
	if (strlen(rest) < strlen(DOTS) + 6)
		return "too short";
	tail = rest;
	for (head_chars = 0; head_chars < (prefix > 0 ? 3 : 2); head_chars++)
	{
		tail++;
		while (((unsigned char) *tail & 0xc0) == 0x80)
			tail++;
	}
	if (strncmp(rest, value + prefix, (size_t) (tail - rest)) != 0)
		return "shows another start";
	if (strncmp(tail, DOTS, strlen(DOTS)) != 0)
		return "has no sign";
	tail += strlen(DOTS);
	tail_chars = characters(tail, strlen(tail));
	if (tail_chars != 4)
		return "does not show 4 characters of the end";
	if (strlen(tail) > len || memcmp(value + len - strlen(tail), tail, strlen(tail)) != 0)
		return "shows another end";
	if (secret - head_chars - tail_chars < 16)
		return "hides fewer than 16 characters";
	if (3 * (head_chars + tail_chars) > total)
		return "shows more than a third";
	return NULL;
}

/* NULL if a mask can be taken apart and is known again, else what is wrong. */
static const char *
fault_in_recognition(const char *mask)
{
	const char *seen = shown(mask);

	if (seen == NULL)
		return "cannot be taken apart";
	if (strstr(seen, DOTS_SHOWN) == NULL && strstr(seen, STARS_SHOWN) == NULL)
		return "has no sign when shown";
	if (!looks_masked(seen))
		return "does not look masked when shown";
	if (!looks_masked(mask))
		return "does not look masked";
	return NULL;
}

static void
check_random_values(const Provider *provider)
{
	enum
	{
		RUNS = 500
	};
	char	   *memory = guarded(VALUE_MAX);
	char		value[VALUE_MAX + 4];
	const char *fault = NULL;

	for (int i = 0; i < RUNS && fault == NULL; i++)
	{
		size_t		max = i % 8 == 0 ? VALUE_MAX : i % 2 == 0 ? 200 : 60;
		size_t		len = random_value(value, provider, 4 + next_random((uint32_t) max - 3));
		TarxKeysSpan span = {memory + VALUE_MAX - len, len};
		char		mask[TARX_KEYS_MASK_MAX + 1];

		memcpy(memory + VALUE_MAX - len, value, len);
		snprintf(mask, sizeof(mask), "%s", mask_of_span(provider, span));
		fault = fault_in_mask(provider, value, len, mask);
		if (fault == NULL)
			fault = fault_in_recognition(mask);
		if (fault != NULL)
			tap_diag("mask", mask);
	}
	is_str(fault, NULL, "%s: masks of %d random values", provider->name, RUNS);
	sodium_free(memory);
}

/* Whoever has a mask in hand, stored or shown, is told so. */
static void
check_masks_are_known(void)
{
	for (size_t i = 0; i < lengthof(mask_cases); i++)
		is_str(fault_in_recognition(mask_cases[i].mask), NULL, "%s is known as a mask",
			   mask_cases[i].mask);
	for (size_t i = 0; i < lengthof(split_cases); i++)
	{
		if (split_cases[i].head != NULL)
			is_str(fault_in_recognition(split_cases[i].mask), NULL, "%s is known as a mask",
				   split_cases[i].mask);
	}
}

static void
check_looks(void)
{
	for (size_t i = 0; i < lengthof(shown_values); i++)
		ok(looks_masked(shown_values[i]), "%s looks masked", shown_values[i]);
	for (size_t i = 0; i < lengthof(ordinary_values); i++)
		ok(!looks_masked(ordinary_values[i]), "%s does not look masked", ordinary_values[i]);
}

/* Random keys of the alphabets that providers use. */
static void
check_random_keys(const Provider *provider)
{
	static const char alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+/";
	int			masked = 0;

	for (int i = 0; i < 500; i++)
	{
		char		value[256];
		size_t		len = 20 + next_random(180);
		size_t		at = 0;

		if (provider->nspans > 0)
		{
			TarxKeysSpan prefix = provider->spans[next_random((uint32_t) provider->nspans)];

			memcpy(value, prefix.data, prefix.len);
			at = prefix.len;
		}
		while (at < len)
			value[at++] = alphabet[next_random(sizeof(alphabet) - 1)];
		value[at] = '\0';
		masked += looks_masked(value);
	}
	is_int(masked, 0, "%s: no random key looks masked", provider->name);
}

static void
check_splits(void)
{
	for (size_t i = 0; i < lengthof(split_cases); i++)
	{
		const SplitCase *test = &split_cases[i];
		TarxKeysSpan copy = guarded_span(test->mask, strlen(test->mask));
		TarxKeysSpan head = {"left over", 9};
		TarxKeysSpan tail = {"left over", 9};
		const char *sign = "left over";

		if (ok(tarx_keys_mask_split(copy, &head, &sign, &tail) == (test->head != NULL),
			   "%s: %s", test->mask, test->head != NULL ? "a mask" : "no mask") &&
			test->head != NULL)
		{
			ok(span_is(head, test->head), "%s: head", test->mask);
			is_str(sign, test->sign, "%s: sign", test->mask);
			ok(span_is(tail, test->tail), "%s: tail", test->mask);
		}
		free_span(copy);
	}
}

/* Bytes that are no UTF-8 are characters of one byte each. */
static void
check_broken_values(void)
{
	for (size_t i = 0; i < lengthof(broken_cases); i++)
		is_str(mask_of(&no_prefix, broken_cases[i].value), broken_cases[i].mask,
			   "mask of broken value %zu", i);
}

/* Any bytes: nothing may be read or written beyond them. */
static void
check_garbage(void)
{
	enum
	{
		ROOM = 64
	};
	static const char likely[] = "...***\xe2\x80\xa6\xa2\xf0\x9f\xc3\xff-sk";
	char	   *memory = guarded(ROOM);
	int			outside = 0;

	for (int i = 0; i < 20000; i++)
	{
		const Provider *provider = catalogue[next_random(lengthof(catalogue))];
		size_t		len = next_random(ROOM + 1);
		TarxKeysSpan span = {memory + ROOM - len, len};
		TarxKeysSpan head;
		TarxKeysSpan tail;
		const char *sign;
		char		mask[TARX_KEYS_MASK_MAX];

		for (size_t at = ROOM - len; at < ROOM; at++)
			memory[at] = next_random(4) == 0 ? (char) next_random(256) :
				likely[next_random(sizeof(likely) - 1)];
		if (tarx_keys_mask(mask, span, provider->spans, provider->nspans) > sizeof(mask))
			outside++;
		(void) tarx_keys_looks_masked(span);
		if (tarx_keys_mask_split(span, &head, &sign, &tail) &&
			(head.data != span.data || head.len > span.len || tail.len > span.len ||
			 tail.data + tail.len != span.data + span.len))
			outside++;
	}
	is_int(outside, 0, "nothing beyond random bytes");
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

	for (size_t i = 0; i < lengthof(catalogue); i++)
		prepare(catalogue[i]);
	for (size_t i = 0; i < lengthof(made_up); i++)
		prepare(made_up[i]);

	check_masks();
	check_no_list();
	check_length_is_hidden(&no_prefix, "", "ab", 22);
	check_length_is_hidden(&openai, "sk-proj-", "abc", 23);
	check_length_is_hidden(&long_31, BYTES_31, "abc", 23);
	for (size_t i = 0; i < lengthof(catalogue); i++)
		check_random_values(catalogue[i]);
	for (size_t i = 0; i < lengthof(made_up); i++)
		check_random_values(made_up[i]);
	check_masks_are_known();
	check_looks();
	for (size_t i = 0; i < lengthof(catalogue); i++)
		check_random_keys(catalogue[i]);
	check_splits();
	check_broken_values();
	check_garbage();

	return done_testing();
}
