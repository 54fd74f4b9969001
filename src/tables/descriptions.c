/*
 * descriptions.c
 *	  The tables that descriptions.h describes.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"

#include "tables/tables.h"

#define SEALED_TABLE(table, its_purpose, ...) \
	StaticAssertDecl(sizeof(its_purpose) == TARX_KEYS_PURPOSE_BYTES + 1, "purpose size"); \
	TABLE(table, .purpose = its_purpose, __VA_ARGS__)
#define TABLE(table, ...)				TarxKeysTable tarx_keys_##table = {__VA_ARGS__, .columns = {
#define COLUMN(position, ...)			[position] = {__VA_ARGS__},
#define END_TABLE(prefix)				}, .ncolumns = prefix##_NCOLUMNS};
#include "tables/descriptions.h"

#define SEALED_TABLE(table, ...)		&tarx_keys_##table,
#define TABLE(table, ...)
#define COLUMN(position, ...)
#define END_TABLE(prefix)

TarxKeysTable *const tarx_keys_sealed_tables[] = {
#include "tables/descriptions.h"
	NULL
};

/*
 * The table of this name whose rows a master key seals; raises an error if there
 * is none.
 */
TarxKeysTable *
tarx_keys_sealed_table(const char *name)
{
	for (TarxKeysTable *const *table = tarx_keys_sealed_tables; *table != NULL; table++)
	{
		if ((*table)->seal != TARX_KEYS_CHAIN && strcmp((*table)->name, name) == 0)
			return *table;
	}
	elog(ERROR, "no sealed table has this name");
}

/* The position of a column, or -1 if there is none of this name */
int
tarx_keys_column(const TarxKeysTable *table, const char *name)
{
	for (int i = 0; i < table->ncolumns; i++)
	{
		if (strcmp(table->columns[i].name, name) == 0)
			return i;
	}
	return -1;
}

/* The position of the column that has the envelope, stamp or MAC */
int
tarx_keys_sealed_column(const TarxKeysTable *table)
{
	for (int i = 0; i < table->ncolumns; i++)
	{
		if (table->columns[i].use == TARX_KEYS_SEALED)
			return i;
	}
	elog(ERROR, "table \"%s\" is not sealed", table->name);
}
