/*
 * tables.h
 *	  Rows of our tables.
 *
 * Include after postgres.h.
 */
#ifndef TARX_KEYS_TABLES_H
#define TARX_KEYS_TABLES_H

#include "utils/relcache.h"

#include "identity/identity.h"
#include "keyring/keyring.h"

/* lookup.c: rows by primary key (project_id, id) */
#define TARX_KEYS_TABLE_MAX_COLUMNS	9

typedef struct TarxKeysColumn
{
	const char *name;
	Oid			type;
} TarxKeysColumn;

typedef struct TarxKeysTable
{
	const char *schema;
	const char *name;
	TarxKeysQuery query;		/* its columns by $1 and $2, for SPI */
	int			ncolumns;
	TarxKeysColumn columns[TARX_KEYS_TABLE_MAX_COLUMNS];	/* the primary key's
															 * first */

	/* what lookup.c knows of it */
	struct TarxKeysTable *next;
	bool		is_watched;
	bool		is_known;
	Oid			relid;
	Oid			indexid;		/* InvalidOid if SPI has to do it */
	AttrNumber	attnums[TARX_KEYS_TABLE_MAX_COLUMNS];
} TarxKeysTable;

extern Relation tarx_keys_table_open(TarxKeysTable *table, const pg_uuid_t *project_id);
extern void tarx_keys_table_close(Relation relation);
extern bool tarx_keys_table_find(TarxKeysTable *table, Relation relation, Snapshot snapshot,
								 const pg_uuid_t *project_id, const pg_uuid_t *id,
								 Datum *values, bool *nulls);

#endif							/* TARX_KEYS_TABLES_H */
