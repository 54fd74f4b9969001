/*
 * baseurl.h
 *	  Checks the base URL of a provider key and puts it into canonical form.
 *
 * No postgres.h here, so that fuzzers and sanitizers reach it.
 */
#ifndef TARX_KEYS_BASEURL_H
#define TARX_KEYS_BASEURL_H

#include <stdbool.h>
#include <stddef.h>

#include "pure/text_rules.h"

/* Bytes of the longest base URL, as given and in canonical form */
#define TARX_KEYS_BASEURL_MAX	2048

typedef enum TarxKeysBaseUrlStatus
{
	TARX_KEYS_BASEURL_OK = 0,
	TARX_KEYS_BASEURL_EMPTY,
	TARX_KEYS_BASEURL_TOO_LONG, /* the given one or its canonical form */
	TARX_KEYS_BASEURL_CHARACTERS,	/* space, control or non-ASCII */
	TARX_KEYS_BASEURL_SYNTAX,	/* no "scheme://", or a backslash */
	TARX_KEYS_BASEURL_SCHEME,	/* not https, nor http where that is admitted */
	TARX_KEYS_BASEURL_USERINFO,
	TARX_KEYS_BASEURL_QUERY,	/* query or fragment, even an empty one */
	TARX_KEYS_BASEURL_HOST,		/* malformed, or an address in a spelling that
								 * is not canonical */
	TARX_KEYS_BASEURL_PORT,
	TARX_KEYS_BASEURL_PATH,
	TARX_KEYS_BASEURL_PRIVATE,	/* loopback, private, link-local or otherwise
								 * not a public host, and not in the list */
	TARX_KEYS_BASEURL_METADATA, /* the metadata service of a cloud */
	TARX_KEYS_BASEURL_UNKNOWN_PATH	/* see baseurl_paths.h */
} TarxKeysBaseUrlStatus;

typedef struct TarxKeysBaseUrl
{
	char		url[TARX_KEYS_BASEURL_MAX + 1]; /* canonical, NUL-terminated */
	size_t		len;			/* strlen(url) */
	size_t		path_at;		/* where the path begins; len if there is none */
	char		host[256];		/* lower case, without brackets */
} TarxKeysBaseUrl;

extern TarxKeysBaseUrlStatus tarx_keys_baseurl_canonicalize(const char *url,
															size_t len,
															TarxKeysSpan private_hosts,
															TarxKeysBaseUrl *out);
extern const char *tarx_keys_baseurl_problem(TarxKeysBaseUrlStatus status);

#endif							/* TARX_KEYS_BASEURL_H */
