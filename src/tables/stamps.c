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

#include "tables/tables.h"

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

/* The stamp of a row whose columns are the arguments.  TK005 without a keyring. */
Datum
tarx_keys_stamp_of_arguments(FunctionCallInfo fcinfo, const TarxKeysTable *table)
{
	TarxKeysRow row = arg_row(fcinfo, table, false);

	tarx_keys_row_stamp(table, &row);
	return row.values[tarx_keys_sealed_column(table)];
}

/*
 * The revision behind that of a row whose columns are the arguments, the stamp as
 * well; 0 if the row is not what was written.  TK005 or TK006 if its master key is
 * missing.
 */
int32
tarx_keys_next_revision(FunctionCallInfo fcinfo, const TarxKeysTable *table)
{
	TarxKeysRow row = arg_row(fcinfo, table, true);
	int32		revision;

	if (!tarx_keys_row_is_stamped(table, &row))
		return 0;
	revision = DatumGetInt32(row.values[tarx_keys_column(table, table->revision)]);
	if (revision == PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the row has no revision numbers left"),
				 errhint("Delete it and add it again.")));
	return revision + 1;
}
