/*
 * test_jwt.c
 *	  The form of JSON Web Tokens, and the rules about what is in them.
 */
#include "pure/base64url.h"
#include "pure/jwt.h"

#include "guarded.h"
#include "pure/ascii.h"
#include "tap.h"

#define SECOND	INT64_C(1000000)

static bool
splits(const char *text)
{
	TarxKeysJwtParts parts;

	return tarx_keys_jwt_split(tarx_keys_span_of(text), &parts);
}

static void
split(void)
{
	TarxKeysJwtParts parts = {0};
	TarxKeysSpan token = tarx_keys_span_of("ab.cde.f_-9");
	static const char *const wrong[] = {
		"", ".", "..", "...", "a", "a.b", "a.b.", "a..c", ".b.c", "a.b.c.d", "a.b.c.", "a.b.c ",
		" a.b.c", "a.b=.c", "a.b+.c", "a.b/.c", "a.b.\xc3\xa9", "a.b.c\n"
	};

	ok(tarx_keys_jwt_split(token, &parts), "three pieces");
	ok(parts.header.data == token.data && parts.header.len == 2, "the header");
	ok(parts.payload.data == token.data + 3 && parts.payload.len == 3, "the payload");
	ok(parts.signature.data == token.data + 7 && parts.signature.len == 4, "the signature");
	ok(parts.signed_part.data == token.data && parts.signed_part.len == 6, "what is signed");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ok(!splits(wrong[i]), "no token: %s", wrong[i]);
}

static void
longest(void)
{
	TarxKeysJwtParts parts;
	char	   *text = guarded(TARX_KEYS_JWT_MAX_LEN + 1);

	memset(text, 'x', TARX_KEYS_JWT_MAX_LEN + 1);
	text[1] = text[3] = '.';
	ok(tarx_keys_jwt_split((TarxKeysSpan) {text, TARX_KEYS_JWT_MAX_LEN}, &parts), "the longest token");
	ok(!tarx_keys_jwt_split((TarxKeysSpan) {text, TARX_KEYS_JWT_MAX_LEN + 1}, &parts), "one that is longer");
	sodium_free(text);
}

/* The bytes as hexadecimal digits, "-" if the text is none, or has more than 8 bytes */
static const char *
decoded(const char *text)
{
	static char hex[17];
	uint8_t    *bytes = guarded(8);
	size_t		len;

	strcpy(hex, "-");
	if (tarx_keys_base64url_decode(tarx_keys_span_of(text), bytes, 8, &len))
		sodium_bin2hex(hex, sizeof(hex), bytes, len);
	sodium_free(bytes);
	return hex;
}

static void
base64url(void)
{
	static const struct
	{
		const char *text;
		const char *hex;
	}			cases[] = {
		{"AA", "00"}, {"AAA", "0000"}, {"AAAA", "000000"}, {"-_8", "fbff"}, {"AAECAwQFBgc", "0001020304050607"},
		{"", "-"}, {"A", "-"}, {"AB", "-"}, {"AAB", "-"}, {"AA==", "-"}, {"AA=", "-"}, {"+/8", "-"},
		{"A A", "-"}, {"AA\n", "-"}, {"AAAAA", "-"}, {"AAECAwQFBgcI", "-"}
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		is_str(decoded(cases[i].text), cases[i].hex, "base64url of %s", cases[i].text);
}

static bool
typ_is(const char *typ, const char *accepted)
{
	return tarx_keys_jwt_typ_is(tarx_keys_span_of(typ), tarx_keys_span_of(accepted));
}

static void
typ(void)
{
	ok(typ_is("JWT", "JWT"), "the same");
	ok(typ_is("jwt", "JWT"), "in other case");
	ok(typ_is("application/at+jwt", "at+jwt"), "with its prefix");
	ok(typ_is("at+jwt", "Application/at+JWT"), "without it");
	ok(typ_is("", ""), "none");
	ok(!typ_is("", "JWT") && !typ_is("JWT", ""), "none is not any");
	ok(!typ_is("logout+jwt", "at+jwt"), "another one");
	ok(!typ_is("application/x/JWT", "x/JWT"), "with a slash more");
	ok(!typ_is("application/", ""), "without a name");
}

static const char *
times(int64_t iat, int64_t exp, int64_t nbf)
{
	TarxKeysJwtTimes times = {iat * SECOND, exp * SECOND, nbf == INT64_MIN ? nbf : nbf * SECOND};
	TarxKeysJwtLimits limits = {30 * SECOND, 3600 * SECOND};

	return tarx_keys_jwt_problem(tarx_keys_jwt_check_times(&times, &limits, 1000 * SECOND));
}

static void
lifetime(void)
{
	is_str(times(900, 1001, INT64_MIN), "ok", "exp is to come");
	is_str(times(900, 1000, INT64_MIN), "expired", "exp is now");
	is_str(times(900, 999, INT64_MIN), "expired", "exp is over: no skew");
	is_str(times(1001, 4601, INT64_MIN), "ok", "the longest lifetime, by a clock that is ahead");
	is_str(times(1000, 4601, INT64_MIN), "claims", "a longer one");
	is_str(times(1002, 1002, INT64_MIN), "claims", "exp is iat");
	is_str(times(1003, 1002, INT64_MIN), "claims", "exp is before iat");
	is_str(times(900, 1001, 1030), "ok", "nbf within the skew");
	is_str(times(900, 1001, 1031), "claims", "nbf to come");
	is_str(times(INT64_C(253402300799), INT64_C(253402300799), 0), "claims", "the last second");
}

static bool
is_user(const char *text)
{
	return tarx_keys_jwt_is_user_id(text, strlen(text));
}

static void
users(void)
{
	char		longest[202];

	memset(longest, 'x', 201);
	longest[201] = '\0';
	ok(!is_user(longest), "201 characters");
	longest[200] = '\0';
	ok(is_user(longest), "200 characters");
	ok(!is_user(""), "none");
	ok(!is_user("sa:x") && !is_user("sa:"), "a service account");
	ok(is_user("sa") && is_user("SA:x") && is_user("xsa:x"), "no service account");
	ok(!is_user("a\tb") && !is_user("\xff"), "control characters, and what is not UTF-8");
}

int
main(void)
{
	if (sodium_init() < 0)
		return 1;
	split();
	longest();
	base64url();
	typ();
	lifetime();
	users();
	return done_testing();
}
