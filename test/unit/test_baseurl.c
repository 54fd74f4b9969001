/*
 * test_baseurl.c
 *	  Unit tests of the base URL check, but for hosts, in TAP.
 */
#include "pure/url_host.h"
#include "baseurl_cases.h"

static const TestCase scheme_cases[] = {
	{"https://api.openai.com", OK, OK, NULL, "api.openai.com"},
	{"https://api.openai.com/v1", OK, OK, NULL, "api.openai.com"},
	{"HTTPS://api.openai.com/v1", OK, OK, "https://api.openai.com/v1", NULL},
	{"hTtPs://api.openai.com/v1", OK, OK, "https://api.openai.com/v1", NULL},
	{"http://api.openai.com/v1", SCHEME, OK, NULL, "api.openai.com"},
	{"HTTP://api.openai.com/v1", SCHEME, OK, "http://api.openai.com/v1", NULL},
	{"ftp://api.openai.com", SCHEME, SCHEME, NULL, NULL},
	{"file:///etc/passwd", SCHEME, SCHEME, NULL, NULL},
	{"gopher://api.openai.com", SCHEME, SCHEME, NULL, NULL},
	{"httpss://api.openai.com", SCHEME, SCHEME, NULL, NULL},
	{"https+unix://api.openai.com", SCHEME, SCHEME, NULL, NULL},
	{"https-x.y://api.openai.com", SCHEME, SCHEME, NULL, NULL},
	{"h://api.openai.com", SCHEME, SCHEME, NULL, NULL},
	{"xttps://api.openai.com", SCHEME, SCHEME, NULL, NULL},
	{"xttp://api.openai.com", SCHEME, SCHEME, NULL, NULL},
	{"httpt://api.openai.com", SCHEME, SCHEME, NULL, NULL},
	{"httpq://api.openai.com", SCHEME, SCHEME, NULL, NULL},
	{"https", SYNTAX, SYNTAX, NULL, NULL},
	{"https:", SYNTAX, SYNTAX, NULL, NULL},
	{"https:/", SYNTAX, SYNTAX, NULL, NULL},
	{"https:/api.openai.com", SYNTAX, SYNTAX, NULL, NULL},
	{"https:api.openai.com", SYNTAX, SYNTAX, NULL, NULL},
	{"https//api.openai.com", SYNTAX, SYNTAX, NULL, NULL},
	{"https;//api.openai.com", SYNTAX, SYNTAX, NULL, NULL},
	{"://api.openai.com", SYNTAX, SYNTAX, NULL, NULL},
	{"//api.openai.com", SYNTAX, SYNTAX, NULL, NULL},
	{"/v1", SYNTAX, SYNTAX, NULL, NULL},
	{"api.openai.com", SYNTAX, SYNTAX, NULL, NULL},
	{"api.openai.com:443/v1", SYNTAX, SYNTAX, NULL, NULL},
	{"https%3a//api.openai.com", SYNTAX, SYNTAX, NULL, NULL},
	{"https_://api.openai.com", SYNTAX, SYNTAX, NULL, NULL},
	{"<https://api.openai.com>", SYNTAX, SYNTAX, NULL, NULL},
	{"x", SYNTAX, SYNTAX, NULL, NULL},
};

static const TestCase character_cases[] = {
	{" https://api.openai.com", CHARACTERS, CHARACTERS, NULL, NULL},
	{"https://api.openai.com ", CHARACTERS, CHARACTERS, NULL, NULL},
	{"https://api.openai.com/a b", CHARACTERS, CHARACTERS, NULL, NULL},
	{"https://api.openai.com/\n", CHARACTERS, CHARACTERS, NULL, NULL},
	{"https://api.open\tai.com/", CHARACTERS, CHARACTERS, NULL, NULL},
	{"ht\ntps://api.openai.com/", CHARACTERS, CHARACTERS, NULL, NULL},
	{"https://api.openai.com/\x7f", CHARACTERS, CHARACTERS, NULL, NULL},
	{"https://api.openai.com/\x1f", CHARACTERS, CHARACTERS, NULL, NULL},
	{"https://api.openai.com/\x80", CHARACTERS, CHARACTERS, NULL, NULL},
	{"https://api.openai.com/\xff", CHARACTERS, CHARACTERS, NULL, NULL},
	{"https://b\xc3\xbc" "cher.example.com", CHARACTERS, CHARACTERS, NULL, NULL},
	/* a dot to IDNA, were it let through */
	{"https://127\xe3\x80\x82" "0.0.1", CHARACTERS, CHARACTERS, NULL, NULL},
	{"https:\\\\api.openai.com", SYNTAX, SYNTAX, NULL, NULL},
	{"https://api.openai.com\\v1", SYNTAX, SYNTAX, NULL, NULL},
	{"https://api.openai.com\\@evil.com", SYNTAX, SYNTAX, NULL, NULL},
	{"https://evil.com\\.openai.azure.com", SYNTAX, SYNTAX, NULL, NULL},
	{"https://api.openai.com/v1\\", SYNTAX, SYNTAX, NULL, NULL},
};

static const TestCase userinfo_query_cases[] = {
	{"https://user@api.openai.com", USERINFO, USERINFO, NULL, NULL},
	{"https://user:pass@api.openai.com/v1", USERINFO, USERINFO, NULL, NULL},
	{"https://@api.openai.com", USERINFO, USERINFO, NULL, NULL},
	{"https://:@api.openai.com", USERINFO, USERINFO, NULL, NULL},
	{"https://api.openai.com@", USERINFO, USERINFO, NULL, NULL},
	{"https://api.openai.com:443@127.0.0.1/", USERINFO, USERINFO, NULL, NULL},
	{"https://a@b@api.openai.com", USERINFO, USERINFO, NULL, NULL},
	{"https://[::1]@api.openai.com", USERINFO, USERINFO, NULL, NULL},
	{"https://api.openai.com/v1@beta", OK, OK, NULL, "api.openai.com"},
	{"https://api.openai.com?", QUERY, QUERY, NULL, NULL},
	{"https://api.openai.com?a=b", QUERY, QUERY, NULL, NULL},
	{"https://api.openai.com/?", QUERY, QUERY, NULL, NULL},
	{"https://api.openai.com/v1?api-version=1", QUERY, QUERY, NULL, NULL},
	{"https://api.openai.com#", QUERY, QUERY, NULL, NULL},
	{"https://api.openai.com/v1#x", QUERY, QUERY, NULL, NULL},
	{"https://api.openai.com/v1#", QUERY, QUERY, NULL, NULL},
	{"https://api.openai.com#@evil.com", QUERY, QUERY, NULL, NULL},
	{"https://api.openai.com?@evil.com", QUERY, QUERY, NULL, NULL},
	{"https://api.openai.com/#?", QUERY, QUERY, NULL, NULL},
	{"https://?", QUERY, QUERY, NULL, NULL},
};

static const TestCase port_cases[] = {
	{"https://api.openai.com:443", OK, OK, "https://api.openai.com", "api.openai.com"},
	{"https://api.openai.com:443/", OK, OK, "https://api.openai.com", NULL},
	{"https://api.openai.com:80/", OK, OK, NULL, NULL},
	{"http://api.openai.com:80/", SCHEME, OK, "http://api.openai.com", NULL},
	{"http://api.openai.com:443/", SCHEME, OK, NULL, NULL},
	{"https://api.openai.com:1", OK, OK, NULL, NULL},
	{"https://api.openai.com:9", OK, OK, NULL, NULL},
	{"https://api.openai.com:4430", OK, OK, NULL, NULL},
	{"https://api.openai.com:143", OK, OK, NULL, NULL},
	{"https://api.openai.com:444", OK, OK, NULL, NULL},
	{"https://api.openai.com:44", OK, OK, NULL, NULL},
	{"https://api.openai.com:8443/v1", OK, OK, NULL, "api.openai.com"},
	{"https://api.openai.com:65535", OK, OK, NULL, NULL},
	{"https://api.openai.com:65536", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:99999", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:100000", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:4294967739", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:18446744073709552059", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:0", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:00", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:0443", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:/v1", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:+443", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:-1", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:443x", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:4/3", OK, OK, NULL, NULL},
	{"https://api.openai.com:4:3", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:443:443", PORT, PORT, NULL, NULL},
	{"https://api.openai.com::443", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:0x1bb", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:x", PORT, PORT, NULL, NULL},
	{"https://api.openai.com:%34", PORT, PORT, NULL, NULL},
	{"https://8.8.8.8:443", OK, OK, "https://8.8.8.8", "8.8.8.8"},
	{"https://[2606:4700::1111]:443/v1", OK, OK,
	"https://[2606:4700::1111]/v1", "2606:4700::1111"},
	{"https://[2606:4700::1111]:8443", OK, OK, NULL, "2606:4700::1111"},
	{"https://[2606:4700::1111]:", PORT, PORT, NULL, NULL},
	{"https://[2606:4700::1111]:0", PORT, PORT, NULL, NULL},
	{"https://[2606:4700::1111]443", HOST, HOST, NULL, NULL},
};

static const TestCase path_cases[] = {
	{"https://api.openai.com/", OK, OK, NULL, NULL},
	{"https://api.openai.com/v1/", OK, OK, NULL, NULL},
	{"https://api.openai.com/a/B/c", OK, OK, NULL, NULL},
	{"https://api.openai.com/-._~!$&'()*+,;=:@09azAZ", OK, OK, NULL, NULL},
	{"https://api.openai.com/v1beta/models/x:y", OK, OK, NULL, NULL},
	{"https://api.openai.com//", PATH, PATH, NULL, NULL},
	{"https://api.openai.com//v1", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/v1//", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/v1//chat", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/.", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/..", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/./v1", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/../v1", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/v1/.", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/v1/..", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/v1/../", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%2e", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%2E%2e/v1", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/.%2e", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%2e./", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/..;/v1", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/v1/..;x=1;y", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/.;/v1", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%2e.%3B/v1", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/;x/v1", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%3bx", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/...;x", OK, OK, NULL, NULL},
	{"https://api.openai.com/v1;../chat", OK, OK, NULL, NULL},
	{"https://api.openai.com/...", OK, OK, NULL, NULL},
	{"https://api.openai.com/.v1", OK, OK, NULL, NULL},
	{"https://api.openai.com/v1.", OK, OK, NULL, NULL},
	{"https://api.openai.com/..v1", OK, OK, NULL, NULL},
	{"https://api.openai.com/a.b", OK, OK, NULL, NULL},
	{"https://api.openai.com/v1%2e1", OK, OK, NULL, NULL},
	{"https://api.openai.com/%41%7E%c3%bc%C3%BC", OK, OK, NULL, NULL},
	{"https://api.openai.com/%20", OK, OK, NULL, NULL},
	{"https://api.openai.com/%3f%23%40", OK, OK, NULL, NULL},
	{"https://api.openai.com/%80%ff", OK, OK, NULL, NULL},
	{"https://api.openai.com/%00", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%0a", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%0D%0A", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%1f", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%7f", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%2f", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/a%2Fb", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/a%5cb", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/a%5Cb", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%25", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%252e%252e", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%4", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%/41", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%4/1", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%4g", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%g4", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%4:", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%:4", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%4@", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%@4", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%4`", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%`4", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%4G", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%u0041", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%%41", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/%+1", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/a\"b", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/<a>", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/{a}", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/a|b", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/a^b", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/a`b", PATH, PATH, NULL, NULL},
	{"https://api.openai.com/[a]", PATH, PATH, NULL, NULL},
	{"https://localhost/..", PRIVATE, PATH, NULL, NULL},
};

typedef struct SuffixCase
{
	const char *host;
	const char *suffix;
	bool		expected;
} SuffixCase;

static const SuffixCase suffix_cases[] = {
	{"x.openai.azure.com", ".openai.azure.com", true},
	{"a.b.openai.azure.com", ".openai.azure.com", true},
	{"X.OpenAI.Azure.com", ".openai.azure.com", true},
	{"x.openai.azure.com", ".OPENAI.azure.COM", true},
	{"x.y", ".y", true},
	{"openai.azure.com", ".openai.azure.com", false},
	{".openai.azure.com", ".openai.azure.com", false},
	{"..openai.azure.com", ".openai.azure.com", false},
	{"x..openai.azure.com", ".openai.azure.com", false},
	{".x.openai.azure.com", ".openai.azure.com", false},
	{"a..x.openai.azure.com", ".openai.azure.com", false},
	{"xopenai.azure.com", ".openai.azure.com", false},
	{"x-openai.azure.com", ".openai.azure.com", false},
	{"x.openai.azure.com.evil.com", ".openai.azure.com", false},
	{"x.openai.azure.com.", ".openai.azure.com", false},
	{"x.openai.azure.co", ".openai.azure.com", false},
	{"x.openai-azure.com", ".openai.azure.com", false},
	{"x.openai.azure.con", ".openai.azure.com", false},
	{"com", ".openai.azure.com", false},
	{"", ".openai.azure.com", false},
	{"x.openai.azure.com", "openai.azure.com", false},
	{"x.openai.azure.com", "com", false},
	{"x.openai.azure.com", ".", false},
	{"x.", ".", false},
	{"x.openai.azure.com", "", false},
	{"x", "", false},
	{"", "", false},
	/* letters and other characters that differ in the same bit */
	{"x.a@b", ".a`b", false},
	{"x.a[b", ".a{b", false},
	{NULL, ".openai.azure.com", false},
	{"x.openai.azure.com", NULL, false},
	{NULL, NULL, false},
};

/* Every byte value in every part of a URL: none may do anything unexpected. */
static void
check_every_byte(void)
{
	static const char path_marks[] = "-._~!$&'()*+,;=:@/";
	static const char template[] = "https://a?b.example.com/c?d";
	const size_t host_at = 9;
	const size_t path_at = 25;

	for (int c = 0; c < 256; c++)
	{
		bool		alnum = (c >= '0' && c <= '9') ||
		(c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
		bool		mark = c != 0 && strchr(path_marks, c) != NULL;
		char		url[sizeof(template)];
		TarxKeysBaseUrl out;

		memcpy(url, template, sizeof(template));
		url[host_at] = (char) c;
		url[path_at] = 'x';
		/* A slash ends the host early, at "a", which is not public. */
		ok((run(url, sizeof(url) - 1, false, &out) == OK) ==
		   (alnum || c == '-' || c == '.'), "byte %d in host", c);

		url[host_at] = 'x';
		url[path_at] = (char) c;
		ok((run(url, sizeof(url) - 1, false, &out) == OK) ==
		   (alnum || mark), "byte %d in path", c);
	}
}

static void
check_embedded_nul(void)
{
	static const char *const names[] = {"first", "in scheme", "in host", "in path", "last"};
	static const size_t offsets[] = {0, 2, 12, 24, 25};
	static const char valid[] = "https://api.openai.com/v1x";

	for (size_t i = 0; i < lengthof(offsets); i++)
	{
		char		url[sizeof(valid)];

		memcpy(url, valid, sizeof(valid));
		url[offsets[i]] = '\0';
		check_bytes(names[i], url, sizeof(url) - 1, false, CHARACTERS, NULL, NULL);
		check_bytes(names[i], url, sizeof(url) - 1, true, CHARACTERS, NULL, NULL);
	}
}

static void
check_empty(void)
{
	TarxKeysBaseUrl out;

	check_bytes("no bytes", "", 0, false, EMPTY, NULL, NULL);
	check_bytes("no bytes", "", 0, true, EMPTY, NULL, NULL);
	memset(&out, 0xa5, sizeof(out));
	is_int(tarx_keys_baseurl_canonicalize(NULL, 0, list_of(false), &out), EMPTY,
		   "NULL without length");
	ok(sodium_is_zero((const unsigned char *) &out, sizeof(out)),
	   "result of NULL without length is zero");
	is_int(tarx_keys_baseurl_canonicalize(NULL, 5, list_of(false), &out), EMPTY,
		   "NULL with length");
}

/* prefix, filled up with path characters to the length wanted. */
static void
check_filled(const char *prefix, size_t len, bool wide,
			 TarxKeysBaseUrlStatus expected, const char *canonical_prefix)
{
	char		url[TARX_KEYS_BASEURL_MAX + 16];
	char		canonical[TARX_KEYS_BASEURL_MAX + 32];
	char		name[64];
	size_t		prefix_len = strlen(prefix);

	memset(url, 'p', sizeof(url));
	memcpy(url, prefix, prefix_len);
	snprintf(canonical, sizeof(canonical), "%s%.*s", canonical_prefix,
			 (int) (len - prefix_len), url + prefix_len);
	snprintf(name, sizeof(name), "%s... of %zu bytes", prefix, len);
	check_bytes(name, url, len, wide, expected, canonical, NULL);
}

static void
check_lengths(void)
{
	const char *plain = "https://api.openai.com/";
	const char *with_port = "https://api.openai.com:443/";
	const char *mapped = "https://[::ffff:7f00:1]/";
	const char *mapped_canonical = "https://[::ffff:127.0.0.1]/";
	const char *one_zero = "https://[2606::1:2:3:4:5:6]/";
	const char *one_zero_canonical = "https://[2606:0:1:2:3:4:5:6]/";

	/* These tests are about this very limit. */
	is_int(TARX_KEYS_BASEURL_MAX, 2048, "the limit");
	check_filled(plain, 2047, false, OK, plain);
	check_filled(plain, 2048, false, OK, plain);
	check_filled(plain, 2048, true, OK, plain);
	check_filled(plain, 2049, false, TOO_LONG, plain);
	check_filled(plain, 2049, true, TOO_LONG, plain);
	/* What is given counts, even if the canonical form would be short enough. */
	check_filled(with_port, 2048, false, OK, plain);
	check_filled(with_port, 2049, false, TOO_LONG, plain);
	/* So does the canonical form, which can be the longer one. */
	check_filled(mapped, 2048 - 3, true, OK, mapped_canonical);
	check_filled(mapped, 2048 - 2, true, TOO_LONG, mapped_canonical);
	check_filled(mapped, 2048, true, TOO_LONG, mapped_canonical);
	check_filled(one_zero, 2048 - 1, false, OK, one_zero_canonical);
	check_filled(one_zero, 2048, false, TOO_LONG, one_zero_canonical);
}

/* Cut at any place, a URL is read no further than that. */
static void
check_truncation(void)
{
	static const char *const urls[] = {
		"https://api.openai.com:8443/v1/%41",
		"https://[2606:4700:4700::1111]:8443/v1/%41",
	};

	for (size_t i = 0; i < lengthof(urls); i++)
	{
		for (size_t len = 0; len <= strlen(urls[i]); len++)
		{
			TarxKeysBaseUrl out;
			TarxKeysBaseUrlStatus status = run(urls[i], len, false, &out);

			is_str(fault_in_result(status, false, &out), NULL,
				   "%s cut to %zu bytes", urls[i], len);
		}
	}
}

static void
check_problems(void)
{
	for (int status = OK; status <= TARX_KEYS_BASEURL_UNKNOWN_PATH; status++)
	{
		const char *text = tarx_keys_baseurl_problem((TarxKeysBaseUrlStatus) status);

		ok(strncmp(text, "base URL ", 9) == 0 &&
		   text[strlen(text) - 1] != '.', "form of text of status %d", status);
		for (int other = OK; other < status; other++)
			ok(strcmp(text, tarx_keys_baseurl_problem((TarxKeysBaseUrlStatus) other)) != 0,
			   "texts of status %d and %d differ", status, other);
	}
	is_str(tarx_keys_baseurl_problem(SCHEME), "base URL must use https",
		   "text of a wrong scheme");
}

static void
check_unknown_problem(void)
{
	/* Within the range of the enum's type, but without a name. */
	is_str(tarx_keys_baseurl_problem((TarxKeysBaseUrlStatus) (TARX_KEYS_BASEURL_UNKNOWN_PATH + 1)),
		   "base URL is not valid", "text of an unknown status");
}

static void
check_suffixes(void)
{
	for (size_t i = 0; i < lengthof(suffix_cases); i++)
	{
		const SuffixCase *test = &suffix_cases[i];

		ok(tarx_keys_host_has_suffix(test->host, test->suffix) ==
		   test->expected, "%s below %s: %s",
		   test->host != NULL ? test->host : "(null)",
		   test->suffix != NULL ? test->suffix : "(null)",
		   test->expected ? "yes" : "no");
	}
}

int
main(void)
{
	init_guarded_memory();
	check_cases(scheme_cases, lengthof(scheme_cases));
	check_cases(character_cases, lengthof(character_cases));
	check_cases(userinfo_query_cases, lengthof(userinfo_query_cases));
	check_cases(port_cases, lengthof(port_cases));
	check_cases(path_cases, lengthof(path_cases));
	check_every_byte();
	check_embedded_nul();
	check_empty();
	check_lengths();
	check_truncation();
	check_problems();
	check_unknown_problem();
	check_suffixes();

	return done_testing();
}
