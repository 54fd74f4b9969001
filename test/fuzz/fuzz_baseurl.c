/*
 * fuzz_baseurl.c
 *	  Base URLs: a canonical form stays what it is, and a refused one leaves
 *	  nothing behind.
 *
 * Input: a byte, odd for a list that admits all that a list can; a suffix with
 * its length in front; the URL.
 */
#include "pure/baseurl.h"
#include "pure/private_hosts.h"
#include "fuzz.h"

static const TarxKeysSpan no_list = {"", 0};

/* More than the longest list that a test needs */
static const char wide[] = "http://0.0.0.0/0,http://::/0,http://*.com,http://*.localhost,http://localhost,http://*.internal,http://llm,http://my_litellm";
static const TarxKeysSpan wide_list = {wide, sizeof(wide) - 1};

static bool
is_zero(const TarxKeysBaseUrl *out)
{
	return sodium_is_zero((const unsigned char *) out, sizeof(*out)) == 1;
}

static void
check_canonical(const TarxKeysBaseUrl *once, bool admits)
{
	static const char forbidden[] = " \t\r\n?#\\";
	TarxKeysBaseUrl twice;
	const char *authority;

	must(once->len == strlen(once->url) && once->len <= TARX_KEYS_BASEURL_MAX);
	must(strncmp(once->url, "https://", 8) == 0 ||
		 (admits && strncmp(once->url, "http://", 7) == 0));
	must(strpbrk(once->url, forbidden) == NULL);
	authority = strstr(once->url, "://") + 3;
	must(memchr(authority, '@', strcspn(authority, "/")) == NULL);
	must(once->host[0] != '\0');
	for (const char *c = once->host; *c != '\0'; c++)
		must(*c > ' ' && *c < 0x7f && !(*c >= 'A' && *c <= 'Z'));
	must(once->path_at == strcspn(authority, "/") + (size_t) (authority - once->url));
	must(once->url[once->len - 1] != '/');
	must(tarx_keys_baseurl_canonicalize(once->url, once->len, admits ? wide_list : no_list, &twice) ==
		 TARX_KEYS_BASEURL_OK);
	must(strcmp(twice.url, once->url) == 0 && strcmp(twice.host, once->host) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	in = {data, size};
	bool		admits = fuzz_byte(&in) % 2 == 1;
	FuzzPiece	suffix = fuzz_piece(&in);
	FuzzPiece	url = fuzz_rest(&in);
	TarxKeysBaseUrl out;
	TarxKeysBaseUrl insecure;
	TarxKeysBaseUrlStatus status;
	char	   *text = calloc(1, suffix.len + 1);

	must(text != NULL);
	memcpy(text, suffix.data, suffix.len);
	memset(&out, 0xff, sizeof(out));
	status = tarx_keys_baseurl_canonicalize((const char *) url.data, url.len,
											admits ? wide_list : no_list, &out);
	must(tarx_keys_baseurl_problem(status) != NULL);
	if (status != TARX_KEYS_BASEURL_OK)
		must(is_zero(&out));
	else
	{
		check_canonical(&out, admits);
		if (tarx_keys_host_has_suffix(out.host, text))
			must(text[0] == '.' && strlen(out.host) > strlen(text));
		/* what is allowed then is allowed all the more */
		must(tarx_keys_baseurl_canonicalize(out.url, out.len, wide_list, &insecure) ==
			 TARX_KEYS_BASEURL_OK);
		must(strcmp(insecure.url, out.url) == 0);
	}
	/* a suffix may come from a table, and so may what it is compared with */
	(void) tarx_keys_host_has_suffix(text, ".example.com");
	free(text);
	free(suffix.data);
	free(url.data);
	return 0;
}
