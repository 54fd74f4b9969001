/*
 * change_llm_keys.c
 *	  Changes what is kept with an LLM key, but never its value in place.
 *
 * A row is opened before it is changed, and sealed again, with a revision that is
 * one higher.  So a change never makes a row good that somebody has tampered with.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_update_llm_key);

static TarxKeysQuery lock_query = {
	TARX_KEYS_SELECT(tarx_keys_llm_keys,
					 "WHERE t.project_id OPERATOR(pg_catalog.=) $1 AND t.id OPERATOR(pg_catalog.=) $2"
					 " AND coalesce(t.state, '') OPERATOR(pg_catalog.<>) 'deleted' FOR NO KEY UPDATE"),
	.nargs = 2, .argtypes = {UUIDOID, UUIDOID}
};

/*
 * Lock the row of a key that is to be changed, and fetch it.  Returns false if the
 * row cannot be one of ours.  TK001 or TK002 if the project does not have the key.
 * The caller has entered the project.
 */
bool
tarx_keys_lock_key(const pg_uuid_t *project_id, const pg_uuid_t *key_id, TarxKeysRow *row)
{
	Datum		values[2] = {UUIDPGetDatum(project_id), UUIDPGetDatum(key_id)};

	if (tarx_keys_query_run(&lock_query, values, NULL, false) == 0)
	{
		/* says which of the two; if it finds a key, that was added meanwhile */
		tarx_keys_latest_key(project_id, key_id, row);
		tarx_keys_fail_key_not_found(key_id);
	}
	tarx_keys_fetched_row(&tarx_keys_llm_keys, 0, row);
	return tarx_keys_row_detoast(&tarx_keys_llm_keys, row);
}

/* Seal a changed row again, and write it.  The caller wipes the payload. */
void
tarx_keys_write_changed_key(TarxKeysRow *row, const TarxKeysPayload *payload)
{
	int32		revision = DatumGetInt32(row->values[LLM_KEY_REVISION]);

	tarx_keys_row_set(row, LLM_KEY_REVISION,
					  Int32GetDatum(revision < PG_INT32_MAX ? revision + 1 : revision));
	tarx_keys_key_seal(row, payload);
	tarx_keys_key_write(row);
}

static void
change_name(TarxKeysRow *row, const TarxKeysKeyOptions *changes)
{
	if (!tarx_keys_option_given(changes, TARX_KEYS_OPTION_NAME))
		return;
	tarx_keys_key_set_text(row, LLM_KEY_NAME, tarx_keys_key_name(changes->name, "name"));
	/* whoever takes the name at the same time fails, or this call does */
	if (tarx_keys_key_name_is_taken(row))
		tarx_keys_fail_name_taken(row);
}

static void
change_requests(const TarxKeysRow *row, const TarxKeysKeyOptions *changes, TarxKeysPayload *payload)
{
	if (tarx_keys_option_given(changes, TARX_KEYS_OPTION_REFRESH) && changes->refresh_requests)
		payload->requests = tarx_keys_fetch_provider(DatumGetTextPP(row->values[LLM_KEY_PROVIDER])).requests;
}

static void
update_key(const pg_uuid_t *project_id, const pg_uuid_t *key_id, const TarxKeysKeyOptions *changes)
{
	TarxKeysRow row;
	TarxKeysOpenKey key;

	if (!tarx_keys_lock_key(project_id, key_id, &row) || !tarx_keys_key_open(&row, &key))
		tarx_keys_fail_integrity(key_id);
	change_name(&row, changes);
	tarx_keys_key_set_policy(&row, changes);
	change_requests(&row, changes, &key.payload);
	tarx_keys_write_changed_key(&row, &key.payload);
	tarx_keys_secret_wipe(key.plain.secret);
	tarx_keys_audit_project(project_id, "llm_key.update", key_id, DatumGetTextPP(row.values[LLM_KEY_NAME]),
							DatumGetInt32(row.values[LLM_KEY_REVISION]));
}

/* update_llm_key(project_id uuid, key_id uuid, changes jsonb): see sql/50_llm_keys.sql */
Datum
tarx_keys_update_llm_key(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	const pg_uuid_t *key_id;
	TarxKeysKeyOptions changes;

	tarx_keys_enter_as(project_id, TARX_KEYS_ROLE_KEY_MANAGER);
	key_id = tarx_keys_arg_uuid(fcinfo, 1, "key_id");
	tarx_keys_require_arg(fcinfo, 2, "changes");
	tarx_keys_arg_options(fcinfo, 2, "changes", TARX_KEYS_OPTIONS_OF_UPDATE, &changes);
	tarx_keys_queries_begin();
	update_key(project_id, key_id, &changes);
	tarx_keys_queries_end();
	PG_RETURN_VOID();
}
