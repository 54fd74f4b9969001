/*
 * token.h
 *	  The form of platform API keys, without their cryptography.
 *
 * No postgres.h here, so that fuzzers and sanitizers reach it.
 */
#ifndef TARX_KEYS_TOKEN_H
#define TARX_KEYS_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TARX_KEYS_TOKEN_PREFIX			"sk-tarx-"
#define TARX_KEYS_TOKEN_RANDOM_BYTES	32
#define TARX_KEYS_TOKEN_BODY			43
#define TARX_KEYS_TOKEN_CHECKSUM		6
/* the part that the checksum covers */
#define TARX_KEYS_TOKEN_CHECKED_LEN		(sizeof(TARX_KEYS_TOKEN_PREFIX) - 1 + TARX_KEYS_TOKEN_BODY)
#define TARX_KEYS_TOKEN_LEN				(TARX_KEYS_TOKEN_CHECKED_LEN + TARX_KEYS_TOKEN_CHECKSUM)

extern void tarx_keys_token_write_body(char *token, uint8_t *random);
extern void tarx_keys_token_write_checksum(char *token, uint32_t checksum);
extern bool tarx_keys_token_has_form(const char *token, size_t len);
extern bool tarx_keys_token_is_within(const char *text, size_t len);
extern bool tarx_keys_token_has_checksum(const char *token, uint32_t checksum);

#endif							/* TARX_KEYS_TOKEN_H */
