/*
 * url_host.h
 *	  The host and port of a URL: what they may look like, and what they name.
 *
 * No postgres.h here, so that fuzzers and sanitizers reach it.
 */
#ifndef TARX_KEYS_URL_HOST_H
#define TARX_KEYS_URL_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "pure/public_host.h"
#include "pure/text_rules.h"

#define TARX_KEYS_HOST_NAME_MAX	253

typedef enum TarxKeysHostKind
{
	TARX_KEYS_HOST_NAME,
	TARX_KEYS_HOST_IPV4,
	TARX_KEYS_HOST_IPV6
} TarxKeysHostKind;

typedef struct TarxKeysUrlHost
{
	TarxKeysHostKind kind;
	bool		canonical;		/* false for an IPv4 address in another
								 * spelling than its own, which may be judged
								 * but not used */
	bool		underscores;	/* a name that no public host has */
	uint8_t		address[TARX_KEYS_IPV6_BYTES];	/* the first 4 for IPv4 */
	char		text[TARX_KEYS_HOST_NAME_MAX + 3];	/* lower case, no brackets */
} TarxKeysUrlHost;

extern bool tarx_keys_url_host_read(TarxKeysSpan text, bool bracketed, TarxKeysUrlHost *host);
extern bool tarx_keys_url_port_read(TarxKeysSpan text, unsigned int *port);
extern bool tarx_keys_url_host_is_public(const TarxKeysUrlHost *host);
extern bool tarx_keys_url_host_is_metadata(const TarxKeysUrlHost *host);
extern bool tarx_keys_host_has_suffix(const char *host, const char *suffix);
extern bool tarx_keys_host_matches(const char *host, const char *pattern);

#endif							/* TARX_KEYS_URL_HOST_H */
