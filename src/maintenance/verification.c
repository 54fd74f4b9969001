/*
 * verification.c
 *	  Whether stored rows are what was written, without telling their values.
 *
 * Called once a row by set-based queries, so each function reads its row's
 * fields from its arguments and asks nothing but the keyring.  What it opens
 * it wipes before it returns.
 *
 * The first argument is the sealed column, which may be NULL no more than what
 * it is bound to; the others are the fields, in the order of tarx_keys.h.
 */
#include "postgres.h"
#include "base/compat.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_llm_key_state);
PG_FUNCTION_INFO_V1(tarx_keys_secret_state);
PG_FUNCTION_INFO_V1(tarx_keys_platform_key_state);

static Datum
envelope_state(FunctionCallInfo fcinfo, TarxKeysBindRow bind)
{
	TarxKeysBinding binding;
	TarxKeysText value;
	TarxKeysRowState state;

	if (PG_ARGISNULL(0) || !bind(&binding, &fcinfo->args[1]))
		PG_RETURN_INT32(TARX_KEYS_ROW_TAMPERED);
	state = tarx_keys_try_open(&binding, PG_GETARG_BYTEA_PP(0), &value);
	tarx_keys_secret_wipe(value.secret);
	PG_RETURN_INT32(state);
}

/* llm_key_state(ciphertext bytea, ...) returns integer: see sql/50_llm_keys.sql */
Datum
tarx_keys_llm_key_state(PG_FUNCTION_ARGS)
{
	return envelope_state(fcinfo, tarx_keys_bind_llm_key);
}

/* secret_state(ciphertext bytea, ...) returns integer: see sql/78_verification.sql */
Datum
tarx_keys_secret_state(PG_FUNCTION_ARGS)
{
	return envelope_state(fcinfo, tarx_keys_bind_secret);
}

/* platform_key_state(stamp bytea, ...) returns integer: likewise */
Datum
tarx_keys_platform_key_state(PG_FUNCTION_ARGS)
{
	TarxKeysBinding binding;

	if (PG_ARGISNULL(0) || !tarx_keys_bind_platform_key(&binding, &fcinfo->args[1]))
		PG_RETURN_INT32(TARX_KEYS_ROW_TAMPERED);
	PG_RETURN_INT32(tarx_keys_check_stamp(&binding, PG_GETARG_BYTEA_PP(0)));
}
