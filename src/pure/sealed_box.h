/*
 * sealed_box.h
 *	  The byte format of values that travel sealed.
 *
 * No postgres.h here, so that fuzzers and sanitizers reach it.
 */
#ifndef TARX_KEYS_SEALED_BOX_H
#define TARX_KEYS_SEALED_BOX_H

#include "pure/envelope.h"

/* 16 characters each, as in envelope.h */
#define TARX_KEYS_PURPOSE_BOX_KEY		"tarx.box-key...1"
#define TARX_KEYS_PURPOSE_BOX_LLM_KEY	"tarx.box-llm...1"
#define TARX_KEYS_PURPOSE_BOX_SECRET	"tarx.box-sec...1"
#define TARX_KEYS_PURPOSE_BOX_LLM_KEY_2	"tarx.box-llm...2"
#define TARX_KEYS_PURPOSE_BOX_REPLACEMENT	"tarx.box-rep...2"
#define TARX_KEYS_PURPOSE_BOX_SEARCH	"tarx.box-find..1"

#define TARX_KEYS_BOX_FORMAT_VALUE		1
#define TARX_KEYS_BOX_FORMAT_OPTIONS	2

#define TARX_KEYS_BOX_EXPIRY_BYTES	8
#define TARX_KEYS_BOX_LIFETIME_MAX	86400	/* seconds */
/* More than the longest value and all options need */
#define TARX_KEYS_BOX_MAX_BYTES		262144
#define TARX_KEYS_BOX_STATED_MAX	2
/* As many digits as a master key's fingerprint has, and a NUL */
#define TARX_KEYS_BOX_KEY_ID_HEX	TARX_KEYS_FINGERPRINT_HEX

/* What is in a box, behind what the call knows; options have no data in format 1 */
typedef struct TarxKeysBoxContent
{
	TarxKeysSpan stated[TARX_KEYS_BOX_STATED_MAX];
	TarxKeysSpan options;
	TarxKeysSpan value;
} TarxKeysBoxContent;

extern void tarx_keys_sealed_box_public_key(uint8_t *public_key,
											const TarxKeysMasterKey *master);
extern void tarx_keys_sealed_box_key_id(const uint8_t *public_key,
										char out[TARX_KEYS_BOX_KEY_ID_HEX]);
extern bool tarx_keys_sealed_box_open(uint8_t *payload, const TarxKeysMasterKey *master,
									  const uint8_t *box, size_t len);
extern int	tarx_keys_sealed_box_format(const uint8_t *payload, size_t len);
extern bool tarx_keys_sealed_box_read(const uint8_t *payload, size_t len,
									  const TarxKeysBinding *header, int stated,
									  uint64_t now, TarxKeysBoxContent *content);

#endif							/* TARX_KEYS_SEALED_BOX_H */
