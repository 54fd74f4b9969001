/*
 * project_room.c
 *	  Limits what one project can have, so that it does not make everybody's lists
 *	  slow.
 *
 * tarx_keys.max_per_project is the most live rows of each kind.  A row is counted
 * after it was inserted, so that no writer has to wait for another one; writers at
 * the same time can exceed the limit by what they have not yet committed.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_check_project_room);

typedef struct RoomKind
{
	const char *table;
	const char *what;
	const char *remove;			/* the function that makes room */
	TarxKeysQuery beyond;		/* finds the live row of a project behind $2
								 * others */
} RoomKind;

#define BEYOND(from, live) \
	{ \
		.sql = "SELECT 1 FROM tarx_keys." from " t WHERE t.project_id OPERATOR(pg_catalog.=) $1" live \
		" OFFSET $2 LIMIT 1", \
		.nargs = 2, .argtypes = {UUIDOID, INT8OID} \
	}

static RoomKind kinds[] = {
	{"project_llm_keys", "LLM keys", "delete_llm_key",
	BEYOND("project_llm_keys", " AND t.state OPERATOR(pg_catalog.<>) 'deleted'")},
	{"project_secrets", "secrets", "delete_secret", BEYOND("project_secrets", "")},
	{"agents", "agents", "delete_agent", BEYOND("agents", "")},
	{"project_members", "members", "remove_member", BEYOND("project_members", "")},
};

static RoomKind *
find_kind(const char *table)
{
	for (size_t i = 0; i < lengthof(kinds); i++)
	{
		if (strcmp(kinds[i].table, table) == 0)
			return &kinds[i];
	}
	elog(ERROR, "rows of table \"%s\" are not limited", table);
}

/*
 * Check that a project, which has been entered, has no more live rows in a table
 * than it may have.  Call it after a row was inserted, in an SPI connection.  54000.
 */
void
tarx_keys_check_room(const pg_uuid_t *project_id, const char *table)
{
	RoomKind   *kind = find_kind(table);
	int			max = tarx_keys_setting_max_per_project();
	Datum		values[2] = {UUIDPGetDatum(project_id), Int64GetDatum(max)};

	if (tarx_keys_query_run_latest(&kind->beyond, values, NULL) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("the project has as many %s as it may have, %d", kind->what, max),
			 errdetail("The setting tarx_keys.max_per_project limits them."),
			 errhint("Take away what is not needed any more with tarx_keys.%s(), or ask the database administrator to raise the setting.",
					 kind->remove)));
}

/* check_room(project_id uuid, table_name text): see sql/19_project_room.sql */
Datum
tarx_keys_check_project_room(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	text	   *table = tarx_keys_arg_text(fcinfo, 1, "table_name");

	tarx_keys_queries_begin();
	tarx_keys_check_room(project_id, text_to_cstring(table));
	tarx_keys_queries_end();
	PG_RETURN_VOID();
}
