/*
 * public_host.h
 *	  Which addresses and host names are public, and which hand out rights.
 *
 * No postgres.h here, so that fuzzers and sanitizers reach it.
 */
#ifndef TARX_KEYS_PUBLIC_HOST_H
#define TARX_KEYS_PUBLIC_HOST_H

#include <stdbool.h>
#include <stdint.h>

#define TARX_KEYS_IPV4_BYTES	4
#define TARX_KEYS_IPV6_BYTES	16

/* Addresses are in network byte order. */
extern bool tarx_keys_ipv4_is_public(const uint8_t *address);
extern bool tarx_keys_ipv6_is_public(const uint8_t *address);
extern bool tarx_keys_host_name_is_public(const char *host);
extern bool tarx_keys_ipv4_is_metadata(const uint8_t *address);
extern bool tarx_keys_ipv6_is_metadata(const uint8_t *address);
extern bool tarx_keys_host_name_is_metadata(const char *host);

#endif							/* TARX_KEYS_PUBLIC_HOST_H */
