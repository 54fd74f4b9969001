/*
 * fuzz_baseurl_paths.c
 *	  What is cut off base URLs: never the host, and never anything the second
 *	  time.
 *
 * Input: a byte, odd where any path stays; the standard path, three tails and two
 * known paths, each with its length in front; the URL.
 */
#include "pure/baseurl_paths.h"
#include "fuzz.h"

#define TAILS	3
#define KNOWN	2

static TarxKeysSpan
span_of(const FuzzPiece *piece)
{
	return (TarxKeysSpan) {(const char *) piece->data, piece->len};
}

/* Would the constraint of the table let this standard path in? */
static bool
is_admitted(TarxKeysSpan path)
{
	char		url[64 + 256] = "https://a.example";
	TarxKeysBaseUrl out;

	if (path.len > 200 || memchr(path.data, '\0', path.len) != NULL ||
		memchr(path.data, '%', path.len) != NULL || (path.len > 0 && path.data[0] != '/'))
		return false;
	memcpy(url + strlen(url), path.data, path.len);
	return tarx_keys_baseurl_canonicalize(url, strlen(url), (TarxKeysSpan) {"", 0}, &out) ==
		TARX_KEYS_BASEURL_OK && strcmp(out.url, url) == 0;
}

static void
check(const TarxKeysBaseUrl *given, const TarxKeysBaseUrlPaths *paths)
{
	TarxKeysBaseUrl once = *given;
	TarxKeysBaseUrl twice;
	TarxKeysBaseUrlStatus status = tarx_keys_baseurl_settle_path(&once, paths);

	must(status == TARX_KEYS_BASEURL_OK || status == TARX_KEYS_BASEURL_UNKNOWN_PATH ||
		 status == TARX_KEYS_BASEURL_TOO_LONG);
	if (status != TARX_KEYS_BASEURL_OK)
	{
		must(sodium_is_zero((const unsigned char *) &once, sizeof(once)) == 1);
		return;
	}
	must(once.path_at == given->path_at && once.len >= once.path_at && strlen(once.url) == once.len);
	must(memcmp(once.url, given->url, given->path_at) == 0 && strcmp(once.host, given->host) == 0);
	/* what remains is a beginning of what was given, or the standard */
	must(strncmp(once.url, given->url, once.len) == 0 ||
		 (once.len - once.path_at == paths->standard.len &&
		  memcmp(once.url + once.path_at, paths->standard.data, paths->standard.len) == 0));
	/* that is a base URL still, and the same when it comes back */
	must(tarx_keys_baseurl_canonicalize(once.url, once.len, (TarxKeysSpan) {"", 0}, &twice) ==
		 TARX_KEYS_BASEURL_OK);
	must(memcmp(&twice, &once, sizeof(twice)) == 0);
	must(tarx_keys_baseurl_settle_path(&twice, paths) == TARX_KEYS_BASEURL_OK);
	must(memcmp(&twice, &once, sizeof(twice)) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	in = {data, size};
	bool		any = fuzz_byte(&in) % 2 == 1;
	FuzzPiece	pieces[1 + TAILS + KNOWN];
	TarxKeysSpan spans[1 + TAILS + KNOWN];
	FuzzPiece	url;
	TarxKeysBaseUrl given;

	for (size_t i = 0; i < 1 + TAILS + KNOWN; i++)
	{
		pieces[i] = fuzz_piece(&in);
		spans[i] = span_of(&pieces[i]);
	}
	url = fuzz_rest(&in);
	if (is_admitted(spans[0]) &&
		tarx_keys_baseurl_canonicalize((const char *) url.data, url.len, (TarxKeysSpan) {"", 0}, &given) ==
		TARX_KEYS_BASEURL_OK)
	{
		TarxKeysBaseUrlPaths paths = {spans + 1, TAILS, spans + 1 + TAILS, KNOWN, any, spans[0]};

		check(&given, &paths);
	}
	for (size_t i = 0; i < 1 + TAILS + KNOWN; i++)
		free(pieces[i].data);
	free(url.data);
	return 0;
}
