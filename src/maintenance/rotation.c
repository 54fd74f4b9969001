/*
 * rotation.c
 *	  Seals and stamps stored rows again, with the active master key.
 *
 * Called once a row by the batches of rotate_master_key(): opens what is
 * stored, seals the same value to the same fields, and wipes it before it
 * returns.  NULL for a row that does not open, because it was tampered with or
 * its master key is missing: it stays as it is.
 *
 * Arguments are as in verification.c.
 */
#include "postgres.h"
#include "base/compat.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_reseal_llm_key);
PG_FUNCTION_INFO_V1(tarx_keys_reseal_secret);
PG_FUNCTION_INFO_V1(tarx_keys_reseal_audit_ends);
PG_FUNCTION_INFO_V1(tarx_keys_restamp_platform_key);

static Datum
reseal(FunctionCallInfo fcinfo, TarxKeysBindRow bind)
{
	TarxKeysBinding binding;
	TarxKeysText value;
	bytea	   *sealed = NULL;

	if (PG_ARGISNULL(0) || !bind(&binding, &fcinfo->args[1]))
		PG_RETURN_NULL();
	if (tarx_keys_try_open(&binding, PG_GETARG_BYTEA_PP(0), &value) == TARX_KEYS_ROW_OK)
		sealed = tarx_keys_seal(&binding, &value);
	tarx_keys_secret_wipe(value.secret);
	if (sealed == NULL)
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(sealed);
}

/* reseal_llm_key(ciphertext bytea, ...) returns bytea: see sql/77_rotation.sql */
Datum
tarx_keys_reseal_llm_key(PG_FUNCTION_ARGS)
{
	return reseal(fcinfo, tarx_keys_bind_llm_key);
}

/* reseal_secret(ciphertext bytea, ...) returns bytea: likewise */
Datum
tarx_keys_reseal_secret(PG_FUNCTION_ARGS)
{
	return reseal(fcinfo, tarx_keys_bind_secret);
}

/* reseal_audit_ends(sealed_key bytea, ...) returns bytea: likewise */
Datum
tarx_keys_reseal_audit_ends(PG_FUNCTION_ARGS)
{
	return reseal(fcinfo, tarx_keys_bind_audit_ends);
}

/* restamp_platform_key(stamp bytea, ...) returns bytea: likewise */
Datum
tarx_keys_restamp_platform_key(PG_FUNCTION_ARGS)
{
	TarxKeysBinding binding;

	if (PG_ARGISNULL(0) || !tarx_keys_bind_platform_key(&binding, &fcinfo->args[1]) ||
		tarx_keys_check_stamp(&binding, PG_GETARG_BYTEA_PP(0)) != TARX_KEYS_ROW_OK)
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(tarx_keys_stamp(&binding));
}
