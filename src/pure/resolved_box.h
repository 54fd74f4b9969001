/*
 * resolved_box.h
 *	  The byte format of what resolve calls return sealed.
 *
 * No postgres.h here, so that fuzzers and sanitizers reach it.
 */
#ifndef TARX_KEYS_RESOLVED_BOX_H
#define TARX_KEYS_RESOLVED_BOX_H

#include "pure/crypto.h"
#include "pure/key_payload.h"

#define TARX_KEYS_PURPOSE_BOX_RESOLVED	"tarx.box-out...2"
#define TARX_KEYS_RESOLVED_BOX_FORMAT	2

/* Texts are in UTF-8.  What has no data is NULL: all but asked and value may be. */
typedef struct TarxKeysResolvedBox
{
	const uint8_t *project_id;	/* TARX_KEYS_SCOPE_BYTES */
	TarxKeysSpan asked;			/* what the caller asked for: an id, or a
								 * secret's name */
	TarxKeysSpan provider;
	TarxKeysSpan base_url;
	TarxKeysSpan auth_header;
	TarxKeysSpan auth_scheme;
	TarxKeysSpan value;
	const TarxKeysHeaders *headers; /* NULL or none is NULL */
} TarxKeysResolvedBox;

extern size_t tarx_keys_resolved_box_size(const TarxKeysResolvedBox *box);
extern void tarx_keys_resolved_box_write(uint8_t *out, const TarxKeysResolvedBox *box);

#endif							/* TARX_KEYS_RESOLVED_BOX_H */
