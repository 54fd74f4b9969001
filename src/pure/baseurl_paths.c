/*
 * baseurl_paths.c
 *	  What a provider knows of the paths of base URLs.
 *
 * People paste what a portal or a documentation shows: the address of one call,
 * of a deployment, of a project.  Tails that are known go, and so do whole paths
 * that are known, until what paths of calls are appended to remains.
 *
 * Invariants:
 *
 * - Scheme, host and port stay.
 * - What remains is settled: the same again changes nothing.
 * - The case of what remains stays; what is cut off may have any.
 */
#include "pure/baseurl_paths.h"

#include <string.h>

#include "pure/ascii.h"

/* The last segment of a path, with its slash; empty if there is none */
static TarxKeysSpan
last_segment(TarxKeysSpan path)
{
	size_t		at = path.len;

	while (at > 0 && path.data[at - 1] != '/')
		at--;
	return at > 0 ? tarx_keys_span_from(path, at - 1) : tarx_keys_span_from(path, path.len);
}

/* How much of path is left when the pattern is cut off its end; all if it is not there */
static size_t
without_tail(TarxKeysSpan path, TarxKeysSpan pattern)
{
	TarxKeysSpan rest = path;

	while (pattern.len > 0)
	{
		TarxKeysSpan expected = last_segment(pattern);
		TarxKeysSpan segment = last_segment(rest);

		if (expected.len == 0 || segment.len == 0 ||
			(!tarx_keys_span_is(expected, "/*") && !tarx_keys_span_same(expected, segment)))
			return path.len;
		pattern.len -= expected.len;
		rest.len -= segment.len;
	}
	return rest.len;
}

/* The least that one of the patterns leaves of path */
static size_t
without_longest(TarxKeysSpan path, const TarxKeysSpan *patterns, size_t count)
{
	size_t		least = path.len;

	for (size_t i = 0; i < count; i++)
	{
		size_t		left = without_tail(path, patterns[i]);

		if (left < least)
			least = left;
	}
	return least;
}

static bool
is_known(TarxKeysSpan path, const TarxKeysBaseUrlPaths *paths)
{
	return path.len > 0 && without_longest(path, paths->known, paths->nknown) == 0;
}

/* Cut the path of url to its first len bytes. */
static void
cut_path(TarxKeysBaseUrl *url, size_t len)
{
	url->len = url->path_at + len;
	memset(url->url + url->len, 0, sizeof(url->url) - url->len);
}

/* The work of tarx_keys_baseurl_settle_path() */
static TarxKeysBaseUrlStatus
settle(TarxKeysBaseUrl *url, const TarxKeysBaseUrlPaths *paths)
{
	TarxKeysSpan path = {url->url + url->path_at, url->len - url->path_at};
	TarxKeysSpan standard = paths->standard;
	size_t		left = path.len;

	do
	{
		path.len = left;
		if (tarx_keys_span_same(path, standard))
			path.len = 0;
		left = without_longest(path, paths->tails, paths->ntails);
	} while (left < path.len);
	if (!paths->any && is_known(path, paths))
		path.len = 0;
	if (!paths->any && path.len > 0)
		return TARX_KEYS_BASEURL_UNKNOWN_PATH;

	cut_path(url, path.len);
	if (path.len > 0 || standard.len == 0)
		return TARX_KEYS_BASEURL_OK;
	if (standard.len > TARX_KEYS_BASEURL_MAX - url->len)
		return TARX_KEYS_BASEURL_TOO_LONG;
	memcpy(url->url + url->len, standard.data, standard.len);
	url->len += standard.len;
	return TARX_KEYS_BASEURL_OK;
}

/*
 * Cut off what is known of the path of a canonical URL, and see to it that what
 * remains is a path that the provider has.  On any status but
 * TARX_KEYS_BASEURL_OK every byte of *url is zero.
 */
TarxKeysBaseUrlStatus
tarx_keys_baseurl_settle_path(TarxKeysBaseUrl *url, const TarxKeysBaseUrlPaths *paths)
{
	TarxKeysBaseUrlStatus status = settle(url, paths);

	if (status != TARX_KEYS_BASEURL_OK)
		memset(url, 0, sizeof(*url));
	return status;
}
