/*
 * audit_chains.c
 *	  The chains of the audit log: a project's, and a user's own.
 */
#include "postgres.h"
#include "base/compat.h"

#include "records/records.h"

PG_FUNCTION_INFO_V1(tarx_keys_personal_chain);

/* The id of a user's own chains, for what belongs to no project */
static pg_uuid_t
personal_id(const TarxKeysText *user_id)
{
	uint8		hash[TARX_KEYS_HASH_BYTES];
	pg_uuid_t	id;

	tarx_keys_hash(hash, (const uint8 *) user_id->data, user_id->len);
	memcpy(id.data, hash, UUID_LEN);
	return id;
}

/* The chains of a project */
TarxKeysChain
tarx_keys_project_chain(const pg_uuid_t *project_id)
{
	return (TarxKeysChain) {*project_id, false};
}

/* The chains of a user; user_id is in UTF-8. */
TarxKeysChain
tarx_keys_personal_chain_of(const TarxKeysText *user_id)
{
	return (TarxKeysChain) {personal_id(user_id), true};
}

/* personal_chain(user_id text) returns uuid: the id of a user's own chains */
Datum
tarx_keys_personal_chain(PG_FUNCTION_ARGS)
{
	TarxKeysText user_id;
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));

	/* a policy passes the acting user, and there may be none */
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	user_id = tarx_keys_arg_utf8(fcinfo, 0, "user_id");
	*id = personal_id(&user_id);
	PG_RETURN_UUID_P(id);
}
