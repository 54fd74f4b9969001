/*
 * stamps.c
 *	  The stamps of rows that SQL functions write: of members and agents.
 *
 * A function that writes such a row passes the columns, in the order of the
 * description, and writes the stamp that it gets.  A trigger could do that as well,
 * but it would stamp what others write into the table, too.
 *
 * A function that changes a row checks the stamp there is within the UPDATE itself:
 * so what is checked is the very version of the row that is replaced.
 */
#include "postgres.h"
#include "base/compat.h"

#include "utils/builtins.h"

#include "tables/tables.h"

PG_FUNCTION_INFO_V1(tarx_keys_member_stamp);
PG_FUNCTION_INFO_V1(tarx_keys_agent_stamp);
PG_FUNCTION_INFO_V1(tarx_keys_next_member_revision);
PG_FUNCTION_INFO_V1(tarx_keys_next_agent_revision);

/* The row that the arguments are the first columns of: those before the stamp, or up to it */
static TarxKeysRow
arg_row(FunctionCallInfo fcinfo, const TarxKeysTable *table, bool with_stamp)
{
	TarxKeysRow row;

	if (PG_NARGS() != tarx_keys_sealed_column(table) + with_stamp)
		elog(ERROR, "the arguments are not the columns of table \"%s\"", table->name);
	tarx_keys_row_clear(&row);
	for (int i = 0; i < PG_NARGS(); i++)
	{
		if (!PG_ARGISNULL(i))
			tarx_keys_row_set(&row, i, PG_GETARG_DATUM(i));
	}
	return row;
}

static Datum
stamp_of(FunctionCallInfo fcinfo, const TarxKeysTable *table)
{
	TarxKeysRow row = arg_row(fcinfo, table, false);

	tarx_keys_row_stamp(table, &row);
	return row.values[tarx_keys_sealed_column(table)];
}

/* The revision behind that of a row whose stamp is right */
static int32
next_revision(const TarxKeysRow *row, int column)
{
	int32		revision = DatumGetInt32(row->values[column]);

	if (revision == PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the row has no revision numbers left"),
				 errhint("Delete it and add it again.")));
	return revision + 1;
}

/* member_stamp(project_id uuid, user_id text, …) returns bytea: see sql/20_projects.sql */
Datum
tarx_keys_member_stamp(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(stamp_of(fcinfo, &tarx_keys_members));
}

/* agent_stamp(project_id uuid, id uuid, …) returns bytea: see sql/40_agents.sql */
Datum
tarx_keys_agent_stamp(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(stamp_of(fcinfo, &tarx_keys_agents));
}

/* next_member_revision(project_id uuid, user_id text, …, stamp bytea) returns integer */
Datum
tarx_keys_next_member_revision(PG_FUNCTION_ARGS)
{
	TarxKeysRow row = arg_row(fcinfo, &tarx_keys_members, true);

	if (!tarx_keys_row_is_stamped(&tarx_keys_members, &row))
		tarx_keys_fail_member_integrity(tarx_keys_arg_uuid(fcinfo, MEMBER_PROJECT_ID, "project_id"),
										text_to_cstring(tarx_keys_shown_text(PointerGetDatum(tarx_keys_arg_text(fcinfo, MEMBER_USER_ID, "user_id")), TARX_KEYS_SHOWN_MAX_BYTES)));
	PG_RETURN_INT32(next_revision(&row, MEMBER_REVISION));
}

/* next_agent_revision(project_id uuid, id uuid, …, stamp bytea) returns integer */
Datum
tarx_keys_next_agent_revision(PG_FUNCTION_ARGS)
{
	TarxKeysRow row = arg_row(fcinfo, &tarx_keys_agents, true);

	if (!tarx_keys_row_is_stamped(&tarx_keys_agents, &row))
		tarx_keys_fail_agent_integrity(tarx_keys_arg_uuid(fcinfo, AGENT_ID, "id"));
	PG_RETURN_INT32(next_revision(&row, AGENT_REVISION));
}
