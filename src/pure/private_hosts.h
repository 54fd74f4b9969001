/*
 * private_hosts.h
 *	  The list of hosts in one's own network that base URLs may name.
 *
 * No postgres.h here, so that fuzzers and sanitizers reach it.
 */
#ifndef TARX_KEYS_PRIVATE_HOSTS_H
#define TARX_KEYS_PRIVATE_HOSTS_H

#include <stdbool.h>
#include <stddef.h>

#include "pure/text_rules.h"
#include "pure/url_host.h"

typedef enum TarxKeysPrivateHostsProblem
{
	TARX_KEYS_HOSTS_OK = 0,
	TARX_KEYS_HOSTS_EMPTY_ENTRY,
	TARX_KEYS_HOSTS_CHARACTERS, /* a space inside, a control or non-ASCII
								 * character */
	TARX_KEYS_HOSTS_SCHEME,		/* another one than http and https */
	TARX_KEYS_HOSTS_PATH,		/* a path, query, user or the like */
	TARX_KEYS_HOSTS_SUFFIX,
	TARX_KEYS_HOSTS_HOST,
	TARX_KEYS_HOSTS_BITS,		/* no such length of a prefix */
	TARX_KEYS_HOSTS_HOST_BITS,	/* bits behind the prefix */
	TARX_KEYS_HOSTS_PORT
} TarxKeysPrivateHostsProblem;

extern TarxKeysPrivateHostsProblem tarx_keys_private_hosts_check(TarxKeysSpan list,
																 size_t *entry);
extern const char *tarx_keys_private_hosts_problem(TarxKeysPrivateHostsProblem problem);
extern bool tarx_keys_private_hosts_admit(TarxKeysSpan list, const TarxKeysUrlHost *host,
										  bool https, unsigned int port);

#endif							/* TARX_KEYS_PRIVATE_HOSTS_H */
