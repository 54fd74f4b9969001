/*
 * base64url.h
 *	  base64url without padding (RFC 4648, section 5).
 *
 * No postgres.h here, so that fuzzers and sanitizers reach it.
 */
#ifndef TARX_KEYS_BASE64URL_H
#define TARX_KEYS_BASE64URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pure/text_rules.h"

extern bool tarx_keys_base64url_has_form(TarxKeysSpan text);
extern bool tarx_keys_base64url_decode(TarxKeysSpan text, uint8_t *bytes, size_t size, size_t *len);

#endif							/* TARX_KEYS_BASE64URL_H */
