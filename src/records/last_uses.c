/*
 * last_uses.c
 *	  When the objects of a list were last used.
 *
 * This server's memory knows it of objects that were used since it started, and the
 * table last_used of those that were before, or on another server, which has a row of
 * its own there.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "utils/timestamp.h"

#include "records/records.h"

static TarxKeysQuery one_query = {
	TARX_KEYS_SELECT(tarx_keys_last_used,
					 "WHERE t.project_id OPERATOR(pg_catalog.=) $1 AND t.kind OPERATOR(pg_catalog.=) $2"
					 " AND t.id OPERATOR(pg_catalog.=) $3"),
	.nargs = 3, .argtypes = {UUIDOID, TEXTOID, UUIDOID}
};

static TarxKeysQuery all_query = {
	TARX_KEYS_SELECT(tarx_keys_last_used,
					 "WHERE t.project_id OPERATOR(pg_catalog.=) $1 AND t.kind OPERATOR(pg_catalog.=) $2"),
	.nargs = 2, .argtypes = {UUIDOID, TEXTOID}
};

#define SOURCE_OF(its_kind, all) { \
	.table = &tarx_keys_last_used, .of_one = &one_query, .of_all = (all), .kind = (its_kind), \
	.id = LAST_USED_ID, .number = LAST_USED_LAST_USED_AT, .is_greatest = true \
}

static const TarxKeysTallySource sources[] = {
	[TARX_KEYS_USAGE_LLM_KEY] = SOURCE_OF("llm_key", &all_query),
	[TARX_KEYS_USAGE_SECRET] = SOURCE_OF("secret", &all_query),
	[TARX_KEYS_USAGE_PLATFORM_KEY] = SOURCE_OF("platform_key", NULL),
};

/* What a list keeps of the table, in this memory context */
TarxKeysTally *
tarx_keys_last_uses(TarxKeysUsageKind kind, MemoryContext context)
{
	return tarx_keys_tally_new(&sources[kind], context);
}

/* When the object was last used; returns false if it never was. */
bool
tarx_keys_last_use(TarxKeysTally *written, TarxKeysUsageKind kind, const pg_uuid_t *project_id,
				   const pg_uuid_t *id, TimestampTz *when)
{
	TimestampTz in_memory = tarx_keys_usage_last_use(kind, project_id, id);

	*when = tarx_keys_tally_of(written, project_id, id);
	*when = Max(*when, in_memory);
	return *when != 0;
}
