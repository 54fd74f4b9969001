/*
 * baseurl_cases.h
 *	  What the unit tests of the base URL check have in common.
 *
 * Every input is copied to memory that ends at an inaccessible page, so a read
 * of one byte too many ends the program.  Every URL that is accepted is given
 * back and must come out unchanged; every one that is refused must leave the
 * result all zero.
 */
#ifndef TARX_KEYS_BASEURL_CASES_H
#define TARX_KEYS_BASEURL_CASES_H

#include <sodium.h>

#include "pure/baseurl.h"
#include "tap.h"

/* Short names, for the tables to be readable. */
#define OK			TARX_KEYS_BASEURL_OK
#define EMPTY		TARX_KEYS_BASEURL_EMPTY
#define TOO_LONG	TARX_KEYS_BASEURL_TOO_LONG
#define CHARACTERS	TARX_KEYS_BASEURL_CHARACTERS
#define SYNTAX		TARX_KEYS_BASEURL_SYNTAX
#define SCHEME		TARX_KEYS_BASEURL_SCHEME
#define USERINFO	TARX_KEYS_BASEURL_USERINFO
#define QUERY		TARX_KEYS_BASEURL_QUERY
#define HOST		TARX_KEYS_BASEURL_HOST
#define PORT		TARX_KEYS_BASEURL_PORT
#define PATH		TARX_KEYS_BASEURL_PATH
#define PRIVATE		TARX_KEYS_BASEURL_PRIVATE
#define METADATA	TARX_KEYS_BASEURL_METADATA

/* Labels of a given length. */
#define TEN			"abcdefghij"
#define LABEL_63	TEN TEN TEN TEN TEN TEN "abc"

/* A list that admits every address, and the names that the tests have; http as well */
#define WIDE_LIST	"http://0.0.0.0/0, http://[::]/0, http://api.openai.com, http://localhost, " \
	"http://" "*.localhost, ollama, http://my_litellm, " LABEL_63

typedef struct TestCase
{
	const char *url;
	TarxKeysBaseUrlStatus strict;
	TarxKeysBaseUrlStatus wide; /* with that list */
	const char *canonical;		/* NULL: unchanged but for a slash at the end,
								 * where accepted */
	const char *host;			/* NULL: not looked at */
} TestCase;

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

static inline const char *
mode_name(bool wide)
{
	return wide ? "wide" : "strict";
}

static inline TarxKeysSpan
list_of(bool wide)
{
	TarxKeysSpan list = {WIDE_LIST, wide ? strlen(WIDE_LIST) : 0};

	return list;
}

/* Guarded memory that holds just these bytes. */
static inline char *
guarded_copy(const char *bytes, size_t len)
{
	char	   *copy = sodium_malloc(len);

	if (copy == NULL)
	{
		fprintf(stderr, "# out of guarded memory\n");
		exit(EXIT_FAILURE);
	}
	if (len > 0)
		memcpy(copy, bytes, len);
	return copy;
}

static inline TarxKeysBaseUrlStatus
run(const char *bytes, size_t len, bool wide, TarxKeysBaseUrl *out)
{
	char	   *copy = guarded_copy(bytes, len);
	TarxKeysBaseUrlStatus status;

	/* Leftovers must neither survive nor matter. */
	memset(out, 0xa5, sizeof(*out));
	status = tarx_keys_baseurl_canonicalize(copy, len, list_of(wide), out);
	sodium_free(copy);
	return status;
}

/* NULL if *out is what it has to be after this status, else what is wrong. */
static inline const char *
fault_in_result(TarxKeysBaseUrlStatus status, bool wide,
				const TarxKeysBaseUrl *out)
{
	TarxKeysBaseUrl again;

	if (status != OK)
		return sodium_is_zero((const unsigned char *) out, sizeof(*out)) ?
			NULL : "result not zero after failure";
	if (out->len > TARX_KEYS_BASEURL_MAX ||
		memchr(out->url, '\0', sizeof(out->url)) != out->url + out->len)
		return "wrong length";
	if (memchr(out->host, '\0', sizeof(out->host)) == NULL ||
		strstr(out->url, out->host) == NULL || out->host[0] == '\0')
		return "host not in URL";
	if (out->path_at != strcspn(out->url + strlen("https://"), "/") + strlen("https://"))
		return "wrong place of the path";
	if (out->url[out->len - 1] == '/')
		return "slash at the end";
	if (run(out->url, out->len, wide, &again) != OK)
		return "canonical form refused";
	if (memcmp(&again, out, sizeof(again)) != 0)
		return "canonical form not stable";
	return NULL;
}

static inline void
check_bytes(const char *name, const char *bytes, size_t len,
			bool wide, TarxKeysBaseUrlStatus expected,
			const char *canonical, const char *host)
{
	const char *mode = mode_name(wide);
	TarxKeysBaseUrl out;
	TarxKeysBaseUrlStatus status = run(bytes, len, wide, &out);

	is_int(status, expected, "%s: status of %s", mode, name);
	is_str(fault_in_result(status, wide, &out), NULL,
		   "%s: result of %s", mode, name);
	if (expected == OK)
	{
		is_str(out.url, canonical, "%s: canonical form of %s", mode, name);
		if (host != NULL)
			is_str(out.host, host, "%s: host of %s", mode, name);
	}
}

static inline void
check_case(const TestCase *test)
{
	char		unchanged[TARX_KEYS_BASEURL_MAX + 1];
	const char *canonical = test->canonical;
	size_t		len = strlen(test->url);

	if (canonical == NULL)
	{
		snprintf(unchanged, sizeof(unchanged), "%.*s",
				 (int) (test->url[len - 1] == '/' ? len - 1 : len), test->url);
		canonical = unchanged;
	}
	check_bytes(test->url, test->url, len, false, test->strict, canonical,
				test->host);
	check_bytes(test->url, test->url, len, true, test->wide, canonical,
				test->host);
}

static inline void
check_cases(const TestCase *tests, size_t count)
{
	for (size_t i = 0; i < count; i++)
		check_case(&tests[i]);
}

static inline void
init_guarded_memory(void)
{
	if (sodium_init() < 0)
	{
		fprintf(stderr, "# cannot initialise libsodium\n");
		exit(EXIT_FAILURE);
	}
}

#endif							/* TARX_KEYS_BASEURL_CASES_H */
