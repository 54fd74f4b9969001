/*
 * issuers.h
 *	  The issuers as they are in memory: one area of bytes, which can be copied to
 *	  wherever it is needed.
 *
 * Include after jwt/jwt.h; only for this folder.
 */
#ifndef TARX_KEYS_ISSUERS_H
#define TARX_KEYS_ISSUERS_H

#include "jwt/jwt.h"

#define TARX_KEYS_ISSUERS_MAX_BYTES		65536

/* A text, or an array of count elements, in the area */
typedef struct TarxKeysRef
{
	uint32		at;
	uint32		count;
} TarxKeysRef;

typedef struct TarxKeysIssuerKey
{
	TarxKeysRef kid;			/* empty if it has none */
	TarxKeysRef material;		/* of TarxKeysJwsKey, as are the next two */
	uint64		exponent;
	TarxKeysJwsAlgorithm algorithm;
} TarxKeysIssuerKey;

typedef struct TarxKeysIssuer
{
	TarxKeysRef issuer;
	TarxKeysRef audience;		/* of texts, as is typ */
	TarxKeysRef typ;			/* an empty one admits tokens without */
	TarxKeysRef user_claim;
	TarxKeysRef user_prefix;
	TarxKeysRef keys;			/* of TarxKeysIssuerKey */
	uint32		ignored_keys;	/* of its set, which nothing can be checked
								 * with */
	uint32		algorithms;		/* bits of TarxKeysJwsAlgorithm */
	TarxKeysJwtLimits limits;
} TarxKeysIssuer;

/* The area begins with this. */
typedef struct TarxKeysIssuers
{
	uint32		size;			/* of the whole area */
	TarxKeysRef issuers;		/* of TarxKeysIssuer */
} TarxKeysIssuers;

/* issuers_area.c: fills an area, and looks into it */
extern TarxKeysIssuers *tarx_keys_area_make(void);
extern TarxKeysRef tarx_keys_area_reserve(TarxKeysIssuers *area, size_t element, int count);
extern TarxKeysRef tarx_keys_area_put(TarxKeysIssuers *area, const void *bytes, size_t len);
extern void *tarx_keys_area_array(const TarxKeysIssuers *area, TarxKeysRef ref);
extern TarxKeysSpan tarx_keys_area_text(const TarxKeysIssuers *area, TarxKeysRef ref);
extern bool tarx_keys_area_has(const TarxKeysIssuers *area, TarxKeysRef texts, TarxKeysSpan text);

/* json_members.c: members of JSON objects */
extern const JsonbValue *tarx_keys_json_member(const JsonbValue *object, const char *name);
extern bool tarx_keys_json_text(const JsonbValue *value, TarxKeysSpan *text);
extern bool tarx_keys_json_text_member(const JsonbValue *object, const char *name, TarxKeysSpan *text);

/* issuers_json.c, jwks.c: from the file's text; their errors are about the file */
extern TarxKeysIssuers *tarx_keys_issuers_parse(const char *text, size_t len);
extern void tarx_keys_jwks_read(TarxKeysIssuers *area, TarxKeysIssuer *issuer, int number,
								const JsonbValue *set);

/* issuers_page.c: what all processes share */
typedef struct TarxKeysIssuersState
{
	TimestampTz loaded_at;		/* the issuers in use; 0 if none were loaded */
	char		problem[300];	/* of the last load; empty if there was none */
} TarxKeysIssuersState;

extern void tarx_keys_issuers_page_init(void);
extern void tarx_keys_issuers_page_publish(const TarxKeysIssuers *issuers);
extern void tarx_keys_issuers_page_end_load(const char *problem);
extern void tarx_keys_issuers_page_state(TarxKeysIssuersState *state);
extern bool tarx_keys_issuers_page_has_any(void);
extern const TarxKeysIssuers *tarx_keys_issuers_in_use(void);

/* issuers_file.c */
extern const char *tarx_keys_issuers_file(void);
extern char *tarx_keys_issuers_file_problem(const char *path);

#endif							/* TARX_KEYS_ISSUERS_H */
