/*
 * project_version.c
 *	  A number that rises with every change of a project, for who keeps what was resolved.
 *
 * Every change of a project has a row in its audit log, and so raises last_seq of a lane,
 * in the transaction that makes the change.  A removal that could not be logged has a row
 * in unlogged_removals.  The version is the sum of both.  No part of it falls: a purge
 * leaves last_seq alone, and a new generation begins above the sum of the one before.
 *
 * Who reads the version first and resolves then has a value that is at least as new.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "access/access.h"

PG_FUNCTION_INFO_V1(tarx_keys_project_version);

static TarxKeysQuery lanes_query = {
	TARX_KEYS_SELECT(tarx_keys_audit_ends,
					 "WHERE t.project_id OPERATOR(pg_catalog.=) $1 AND t.personal OPERATOR(pg_catalog.=) $2"),
	.nargs = 2, .argtypes = {UUIDOID, BOOLOID}
};

static TarxKeysQuery removals_query = {
	TARX_KEYS_SELECT(tarx_keys_unlogged_removals, "WHERE t.project_id OPERATOR(pg_catalog.=) $1"),
	.nargs = 1, .argtypes = {UUIDOID}
};

typedef struct Version
{
	int32		generation;
	int64		lanes;			/* the sum of last_seq over the newest
								 * generation */
	int64		removals;
} Version;

/* Rows hold whatever somebody wrote into them, so a sum stops at the largest number. */
static int64
sum(int64 a, int64 b)
{
	int64		result;

	return pg_add_s64_overflow(a, b, &result) ? PG_INT64_MAX : result;
}

static bool
add_lane(const TarxKeysRow *row, void *arg)
{
	Version    *version = arg;
	int32		generation;

	if (row->nulls[AUDIT_ENDS_GENERATION] || row->nulls[AUDIT_ENDS_LAST_SEQ])
		return true;
	generation = DatumGetInt32(row->values[AUDIT_ENDS_GENERATION]);
	if (generation < version->generation)
		return true;
	if (generation > version->generation)
		version->lanes = 0;
	version->generation = generation;
	version->lanes = sum(version->lanes, Max(DatumGetInt64(row->values[AUDIT_ENDS_LAST_SEQ]), 0));
	return true;
}

static bool
add_removal(const TarxKeysRow *row pg_attribute_unused(), void *arg)
{
	((Version *) arg)->removals++;
	return true;
}

static int64
version_of(const pg_uuid_t *project_id)
{
	Datum		key[2] = {UUIDPGetDatum(project_id), BoolGetDatum(false)};
	Version		version = {0};

	tarx_keys_each_row(&tarx_keys_audit_ends, &lanes_query, false, key, NULL, add_lane, &version);
	tarx_keys_each_row(&tarx_keys_unlogged_removals, &removals_query, false, key, NULL, add_removal, &version);
	return sum(version.lanes, version.removals);
}

/* May the caller resolve keys?  Who may execute resolve_key() may. */
static bool
caller_is_runner(void)
{
	static const Oid argument_types[] = {UUIDOID, UUIDOID};
	Oid			function = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
										   CStringGetDatum("resolve_key"),
										   PointerGetDatum(buildoidvector(argument_types, lengthof(argument_types))),
										   ObjectIdGetDatum(get_namespace_oid(TARX_KEYS_SCHEMA, false)));

	return OidIsValid(function) &&
		tarx_keys_function_aclcheck(function, GetUserId(), ACL_EXECUTE) == ACLCHECK_OK;
}

/*
 * project_version(project_id uuid) returns bigint: see sql/75_project_version.sql.
 * TK001 for a project that is not there, has ended, or is not the acting user's; TK007;
 * TK016, TK017 and 42501 in a run, as resolve_key().
 */
Datum
tarx_keys_project_version(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	TarxKeysCall call = {.kind = TARX_KEYS_USAGE_LLM_KEY, .resolves = fcinfo, .project_id = project_id};
	TarxKeysBelongings *belongings;
	bool		admitted = true;

	if (caller_is_runner())
		(void) tarx_keys_run_of_call(&call);
	else
		admitted = tarx_keys_project_is_visible(fcinfo, project_id, &belongings);
	if (!admitted || !tarx_keys_project_is_alive(project_id))
		tarx_keys_fail_project_not_found(project_id);
	PG_RETURN_INT64(version_of(project_id));
}
