/*
 * credentials.h
 *	  LLM keys, project secrets and platform keys.
 *
 * Include after postgres.h.
 */
#ifndef TARX_KEYS_CREDENTIALS_H
#define TARX_KEYS_CREDENTIALS_H

#include "records/records.h"
#include "redaction/redaction.h"

/* sealed_calls.c: values that travel sealed */
extern TarxKeysText tarx_keys_arg_sealed(FunctionCallInfo fcinfo, int n,
										 const TarxKeysBinding *header);
extern const uint8 *tarx_keys_arg_recipient(FunctionCallInfo fcinfo, int n);
extern Datum tarx_keys_value_result(const uint8 *recipient, const TarxKeysText *value,
									TarxKeysSecret **copy);

/*
 * What the rows of the tables are bound to: binds a row whose fields are the
 * arguments of a function, in the order that the SQL file gives them.  False
 * if nothing can have been sealed with such fields.
 */
typedef bool (*TarxKeysBindRow) (TarxKeysBinding *binding, const NullableDatum *fields);

extern bool tarx_keys_bind_llm_key(TarxKeysBinding *binding, const NullableDatum *fields);
extern bool tarx_keys_bind_secret(TarxKeysBinding *binding, const NullableDatum *fields);
extern bool tarx_keys_bind_platform_key(TarxKeysBinding *binding, const NullableDatum *fields);

/* llm_keys.c: a key that a resolve call has opened, for what is made of it */
typedef struct TarxKeysOpenKey
{
	TarxKeysText provider;
	TarxKeysText destination;
	TarxKeysText value;			/* in the database's encoding; wiped behind
								 * the call */
}			TarxKeysOpenKey;

typedef void (*TarxKeysKeyUse) (const TarxKeysOpenKey * key, void *arg);
extern void tarx_keys_use_key(FunctionCallInfo fcinfo, TarxKeysKeyUse use, void *arg);

#endif							/* TARX_KEYS_CREDENTIALS_H */
