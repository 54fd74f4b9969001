/*-------------------------------------------------------------------------
 *
 * baseurl.h
 *		Check and canonicalise the base URL of a provider key.
 *
 * The contract is in the function comments below; the rules and the threat
 * assumptions behind them are at the head of baseurl.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TARX_KEYS_BASEURL_H
#define TARX_KEYS_BASEURL_H

#include <stdbool.h>
#include <stddef.h>

/* Longest base URL in bytes, as given and in canonical form. */
#define TARX_KEYS_BASEURL_MAX 2048

typedef enum TarxKeysBaseUrlStatus
{
	TARX_KEYS_BASEURL_OK = 0,
	TARX_KEYS_BASEURL_EMPTY,
	TARX_KEYS_BASEURL_TOO_LONG, /* given or canonical */
	TARX_KEYS_BASEURL_CHARACTERS,	/* space, control or non-ASCII */
	TARX_KEYS_BASEURL_SYNTAX,	/* no "scheme://", or a backslash */
	TARX_KEYS_BASEURL_SCHEME,	/* not one of the schemes admitted */
	TARX_KEYS_BASEURL_USERINFO,
	TARX_KEYS_BASEURL_QUERY,	/* query or fragment, even an empty one */
	TARX_KEYS_BASEURL_HOST,		/* malformed, or an address not in its
								 * canonical spelling */
	TARX_KEYS_BASEURL_PORT,
	TARX_KEYS_BASEURL_PATH,
	TARX_KEYS_BASEURL_PRIVATE	/* loopback, private, link-local, metadata or
								 * otherwise not a public host */
} TarxKeysBaseUrlStatus;

typedef struct TarxKeysBaseUrl
{
	char		url[TARX_KEYS_BASEURL_MAX + 1]; /* canonical, NUL-terminated */
	size_t		len;			/* strlen(url) */
	char		host[256];		/* lower case, without brackets */
} TarxKeysBaseUrl;

/*
 * Check the len bytes at url, which need no terminator, and write the
 * canonical form to *out.  A canonical form is accepted again, unchanged, in
 * the same mode.
 *
 * allow_insecure admits http beside https, and hosts that are not public; it
 * relaxes no other rule.  On any status but TARX_KEYS_BASEURL_OK every byte
 * of *out is zero.  out must not be NULL nor overlap url.
 */
extern TarxKeysBaseUrlStatus tarx_keys_baseurl_canonicalize(const char *url,
															size_t len,
															bool allow_insecure,
															TarxKeysBaseUrl *out);

/*
 * Static text for an error message: lower case, no full stop, never any part
 * of the input, never NULL.
 */
extern const char *tarx_keys_baseurl_problem(TarxKeysBaseUrlStatus status);

/*
 * Is host a name below suffix?  suffix is a dot and a domain name, such as
 * ".openai.azure.com"; any other shape matches nothing.  At least one label
 * must stand before it and none of those labels may be empty.  ASCII case is
 * ignored, as in the DNS.
 */
extern bool tarx_keys_baseurl_host_has_suffix(const char *host,
											  const char *suffix);

#endif							/* TARX_KEYS_BASEURL_H */
