/*
 * statements.c
 *	  Makes SQL statements from the description of a table.
 *
 * Their names are constants from the descriptions, and each is qualified.  Values
 * are always parameters.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/memutils.h"

#include "tables/tables.h"

static void
append_table(StringInfo sql, const TarxKeysTable *table)
{
	appendStringInfo(sql, "%s.%s", table->schema, table->name);
}

/* "t.a, t.b": the columns [first, end), with a prefix before each */
static void
append_columns(StringInfo sql, const TarxKeysTable *table, int first, int end, const char *prefix)
{
	for (int i = first; i < end; i++)
		appendStringInfo(sql, "%s%s%s", i > first ? ", " : "", prefix, table->columns[i].name);
}

/* "t.a = $1 AND t.b = $2" for the primary key */
static void
append_key_is(StringInfo sql, const TarxKeysTable *table)
{
	for (int i = 0; i < table->nkeys; i++)
		appendStringInfo(sql, "%st.%s OPERATOR(pg_catalog.=) $%d", i > 0 ? " AND " : "",
						 table->columns[i].name, i + 1);
}

/* SELECT and the columns of a table, called t, before position end */
static StringInfoData
begin_select(const TarxKeysTable *table, int end)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	append_columns(&sql, table, 0, end, "t.");
	appendStringInfoString(&sql, " FROM ");
	append_table(&sql, table);
	appendStringInfoString(&sql, " t ");
	return sql;
}

/* Make the text of a query that TARX_KEYS_SELECT() declares. */
char *
tarx_keys_make_select(const TarxKeysQuery *query)
{
	StringInfoData sql = begin_select(query->table, query->table->ncolumns);

	appendStringInfoString(&sql, query->sql);
	return sql.data;
}

/* See TARX_KEYS_SELECT_SEALED(). */
char *
tarx_keys_make_select_sealed(const TarxKeysQuery *query)
{
	const TarxKeysTable *table = query->table;
	int			end = table->ncolumns;
	StringInfoData sql;

	while (end > 0 && table->columns[end - 1].use == TARX_KEYS_UNBOUND)
		end--;
	sql = begin_select(table, end);
	appendStringInfoString(&sql, query->sql);
	return sql.data;
}

static char *
make_find(const TarxKeysQuery *query)
{
	StringInfoData sql = begin_select(query->table, query->table->ncolumns);

	appendStringInfoString(&sql, "WHERE ");
	append_key_is(&sql, query->table);
	return sql.data;
}

static char *
make_find_other(const TarxKeysQuery *query)
{
	StringInfoData sql = begin_select(query->table, query->table->ncolumns);

	appendStringInfoString(&sql, "WHERE ");
	for (int i = 0; i < query->table->nother; i++)
		appendStringInfo(&sql, "%st.%s OPERATOR(pg_catalog.=) $%d", i > 0 ? " AND " : "",
						 query->table->columns[query->table->other_key[i]].name, i + 1);
	return sql.data;
}

static char *
make_insert(const TarxKeysQuery *query)
{
	const TarxKeysTable *table = query->table;
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "INSERT INTO ");
	append_table(&sql, table);
	appendStringInfoString(&sql, " (");
	append_columns(&sql, table, 0, table->ncolumns, "");
	appendStringInfoString(&sql, ") VALUES (");
	for (int i = 0; i < table->ncolumns; i++)
		appendStringInfo(&sql, "%s$%d", i > 0 ? ", " : "", i + 1);
	appendStringInfoString(&sql, ") ON CONFLICT ");
	if (!table->replaces)
	{
		appendStringInfoString(&sql, "DO NOTHING");
		return sql.data;
	}
	appendStringInfoChar(&sql, '(');
	append_columns(&sql, table, 0, table->nkeys, "");
	appendStringInfoString(&sql, ") DO UPDATE SET (");
	append_columns(&sql, table, table->nkeys, table->ncolumns, "");
	appendStringInfoString(&sql, ") = ROW (");
	append_columns(&sql, table, table->nkeys, table->ncolumns, "EXCLUDED.");
	appendStringInfoChar(&sql, ')');
	return sql.data;
}

static char *
make_update(const TarxKeysQuery *query)
{
	const TarxKeysTable *table = query->table;
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "UPDATE ");
	append_table(&sql, table);
	appendStringInfoString(&sql, " t SET ");
	for (int i = table->nkeys; i < table->ncolumns; i++)
		appendStringInfo(&sql, "%s%s = $%d", i > table->nkeys ? ", " : "",
						 table->columns[i].name, i + 1);
	appendStringInfoString(&sql, " WHERE ");
	append_key_is(&sql, table);
	return sql.data;
}

static char *
make_scan(const TarxKeysQuery *query)
{
	StringInfoData sql = begin_select(query->table, query->table->ncolumns);

	if (query->table->live != NULL)
		appendStringInfo(&sql, "WHERE %s", query->table->live);
	return sql.data;
}

static char *
make_scan_projects(const TarxKeysQuery *query)
{
	StringInfoData sql = begin_select(query->table, query->table->ncolumns);

	appendStringInfo(&sql, "WHERE t.%s OPERATOR(pg_catalog.=) ANY ($1)",
					 query->table->columns[0].name);
	if (query->table->live != NULL)
		appendStringInfo(&sql, " AND %s", query->table->live);
	return sql.data;
}

/* Rows at random, with a limit, of a sample of random pages */
static char *
make_sample(const TarxKeysQuery *query)
{
	StringInfoData sql = begin_select(query->table, query->table->ncolumns);

	appendStringInfoString(&sql, "TABLESAMPLE pg_catalog.system ($1) ");
	if (query->table->live != NULL)
		appendStringInfo(&sql, "WHERE %s ", query->table->live);
	appendStringInfoString(&sql, "ORDER BY pg_catalog.random() LIMIT $2");
	return sql.data;
}

/* A query that belongs to a description; its parameters are the first columns. */
static TarxKeysQuery *
own_query(TarxKeysTable *table, TarxKeysQuery *query, char *(*make) (const TarxKeysQuery *query),
		  int nargs)
{
	if (query->make == NULL)
	{
		query->nargs = nargs;
		for (int i = 0; i < nargs; i++)
			query->argtypes[i] = table->columns[i].type;
		query->table = table;
		query->make = make;
	}
	return query;
}

/* Finds a row by its primary key. */
TarxKeysQuery *
tarx_keys_table_find_query(TarxKeysTable *table)
{
	return own_query(table, &table->find, make_find, table->nkeys);
}

/* Finds rows by the columns of the table's other index. */
TarxKeysQuery *
tarx_keys_table_find_other_query(TarxKeysTable *table)
{
	TarxKeysQuery *query = own_query(table, &table->find_other, make_find_other, table->nother);

	for (int i = 0; i < table->nother; i++)
		query->argtypes[i] = table->columns[table->other_key[i]].type;
	return query;
}

/* Finds a row by its primary key, and sets all other columns. */
TarxKeysQuery *
tarx_keys_table_update_query(TarxKeysTable *table)
{
	return own_query(table, &table->update, make_update, table->ncolumns);
}

/* Finds all rows that can be verified. */
TarxKeysQuery *
tarx_keys_table_scan_query(TarxKeysTable *table)
{
	return own_query(table, &table->scan, make_scan, 0);
}

/* Finds those of some projects, or some platform keys; its only parameter is a uuid[]. */
TarxKeysQuery *
tarx_keys_table_scan_projects_query(TarxKeysTable *table)
{
	TarxKeysQuery *query = own_query(table, &table->scan_projects, make_scan_projects, 1);

	query->argtypes[0] = UUIDARRAYOID;
	return query;
}

/*
 * Finds some of them, at random.  Parameters: how many per cent of the pages it
 * reads (real), and the most rows that it finds (bigint).
 */
TarxKeysQuery *
tarx_keys_table_sample_query(TarxKeysTable *table)
{
	TarxKeysQuery *query = own_query(table, &table->sample, make_sample, 2);

	query->argtypes[0] = FLOAT4OID;
	query->argtypes[1] = INT8OID;
	return query;
}

/*
 * Raises an error if somebody has given a column that a query selected another type
 * than the description has.
 */
void
tarx_keys_check_columns(const TarxKeysTable *table, TupleDesc desc)
{
	for (int i = 0; i < desc->natts; i++)
	{
		if (TupleDescAttr(desc, i)->atttypid != table->columns[i].type)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of table \"%s\" has not the type that tarx_keys gave it",
							table->columns[i].name, table->name)));
	}
}

/*
 * Row n, counted from 0, of SPI_tuptable, for a query that selected the columns of
 * a table, or the first of them; the others are NULL.  The row is in SPI's memory.
 * Raises an error if somebody has given a column another type.
 */
void
tarx_keys_fetched_row(const TarxKeysTable *table, uint64 n, TarxKeysRow *row)
{
	TupleDesc	desc = SPI_tuptable->tupdesc;

	tarx_keys_check_columns(table, desc);
	tarx_keys_row_clear(row);
	heap_deform_tuple(SPI_tuptable->vals[n], desc, row->values, row->nulls);
}

/*
 * The row in a slot, for a query that selected the columns of a table.  The row is
 * in the slot's memory.  tarx_keys_check_columns() has checked the slot's columns.
 */
static void
read_slot(TupleTableSlot *slot, TarxKeysRow *row)
{
	slot_getallattrs(slot);
	tarx_keys_row_clear(row);
	memcpy(row->values, slot->tts_values, sizeof(Datum) * slot->tts_nvalid);
	memcpy(row->nulls, slot->tts_isnull, sizeof(bool) * slot->tts_nvalid);
}

/* Hands the rows of a query to each() */
typedef struct RowReceiver
{
	DestReceiver pub;
	const TarxKeysTable *table;
	void		(*each) (const TarxKeysRow *row, void *arg);
	void	   *arg;
	MemoryContext work;			/* reset, and so wiped, after each row */
} RowReceiver;

static void
start_receiver(DestReceiver *self, int operation pg_attribute_unused(), TupleDesc desc)
{
	tarx_keys_check_columns(((RowReceiver *) self)->table, desc);
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	RowReceiver *receiver = (RowReceiver *) self;
	MemoryContext old = MemoryContextSwitchTo(receiver->work);
	TarxKeysRow row;

	read_slot(slot, &row);
	receiver->each(&row, receiver->arg);
	MemoryContextSwitchTo(old);
	MemoryContextReset(receiver->work);
	return true;
}

static void
end_receiver(DestReceiver *self pg_attribute_unused())
{
}

/*
 * Run a query for all columns of a table, and call each() with its rows one by one, as
 * they are found, in a memory context that lasts for the call.
 */
void
tarx_keys_query_each_row(TarxKeysTable *table, TarxKeysQuery *query, const Datum *values,
						 void (*each) (const TarxKeysRow *row, void *arg), void *arg)
{
	RowReceiver receiver = {
		.pub = {receive_row, start_receiver, end_receiver, end_receiver, DestTuplestore},
		.table = table, .each = each, .arg = arg,
		.work = AllocSetContextCreate(CurrentMemoryContext, "tarx_keys row", ALLOCSET_DEFAULT_SIZES)
	};

	tarx_keys_queries_begin();
	tarx_keys_query_run_to(query, values, &receiver.pub);
	tarx_keys_queries_end();
	MemoryContextDelete(receiver.work);
}

/* Write which columns are NULL in the form that SPI wants. */
void
tarx_keys_row_null_flags(const TarxKeysRow *row, char flags[TARX_KEYS_MAX_COLUMNS])
{
	for (int i = 0; i < TARX_KEYS_MAX_COLUMNS; i++)
		flags[i] = row->nulls[i] ? 'n' : ' ';
}

/* Insert a row; returns false if there is one that it conflicts with. */
bool
tarx_keys_table_insert(TarxKeysTable *table, const TarxKeysRow *row)
{
	TarxKeysQuery *query = own_query(table, &table->insert, make_insert, table->ncolumns);
	char		flags[TARX_KEYS_MAX_COLUMNS];

	tarx_keys_row_null_flags(row, flags);
	return tarx_keys_query_run(query, unconstify(TarxKeysRow *, row)->values, flags, false) == 1;
}

/* Update a row that the caller has locked. */
void
tarx_keys_table_update(TarxKeysTable *table, const TarxKeysRow *row)
{
	TarxKeysQuery *query = tarx_keys_table_update_query(table);
	char		flags[TARX_KEYS_MAX_COLUMNS];

	tarx_keys_row_null_flags(row, flags);
	if (tarx_keys_query_run(query, unconstify(TarxKeysRow *, row)->values, flags, false) != 1)
		elog(ERROR, "a locked row of table \"%s\" is gone", table->name);
}
