/*
 * key_payload.h
 *	  What is inside the envelope of an LLM key.
 *
 * No postgres.h here, so that fuzzers and sanitizers reach it.
 */
#ifndef TARX_KEYS_KEY_PAYLOAD_H
#define TARX_KEYS_KEY_PAYLOAD_H

#include "pure/fields.h"

#define TARX_KEYS_PAYLOAD_VERSION		1

/* Headers that a key brings, and those of its provider */
#define TARX_KEYS_HEADERS_MAX			16

typedef struct TarxKeysHeader
{
	TarxKeysSpan name;
	TarxKeysSpan value;
} TarxKeysHeader;

typedef struct TarxKeysHeaders
{
	uint8_t		count;
	TarxKeysHeader items[TARX_KEYS_HEADERS_MAX];
} TarxKeysHeaders;

/*
 * How a provider is called, from its row in the catalogue.  What may be NULL has
 * no data then.
 */
typedef struct TarxKeysRequests
{
	TarxKeysSpan auth_header;
	TarxKeysSpan auth_scheme;	/* may be NULL */
	TarxKeysSpan models_path;	/* may be NULL */
	TarxKeysSpan deployments_path;	/* may be NULL */
	TarxKeysSpan chat_base_path;
	TarxKeysSpan model_path;	/* may be NULL */
	TarxKeysSpan probe_method;	/* may be NULL */
	TarxKeysSpan probe_path;	/* may be NULL */
	TarxKeysHeaders headers;
} TarxKeysRequests;

typedef struct TarxKeysPayload
{
	TarxKeysSpan value;
	TarxKeysHeaders headers;	/* the key's own */
	TarxKeysRequests requests;
} TarxKeysPayload;

extern size_t tarx_keys_payload_size(const TarxKeysPayload *payload);
extern void tarx_keys_payload_write(uint8_t *out, const TarxKeysPayload *payload);
extern bool tarx_keys_payload_read(const char *bytes, size_t len, TarxKeysPayload *payload);

#endif							/* TARX_KEYS_KEY_PAYLOAD_H */
