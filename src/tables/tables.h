/*
 * tables.h
 *	  Descriptions of our tables, and everything that follows from them.
 *
 * Each table has one description.  From it come the look-ups, insertions and
 * updates.  If the rows are sealed, it also says what they are bound to, and how
 * they are sealed, opened, checked and sealed again.
 *
 * Include after postgres.h.
 */
#ifndef TARX_KEYS_TABLES_H
#define TARX_KEYS_TABLES_H

#include "access/skey.h"
#include "executor/tuptable.h"
#include "nodes/parsenodes.h"
#include "storage/block.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"

#include "base/base.h"
#include "identity/identity.h"
#include "keyring/keyring.h"

#define TARX_KEYS_MAX_KEYS		4	/* columns of an index */
#define TARX_KEYS_MAX_COLUMNS	TARX_KEYS_QUERY_MAX_ARGS

/* How the rows of a table are sealed */
typedef enum TarxKeysSeal
{
	TARX_KEYS_NO_SEAL,
	TARX_KEYS_ENVELOPE,			/* a value, encrypted and bound to the row */
	TARX_KEYS_STAMP,			/* a MAC over the row */
	TARX_KEYS_CHAIN				/* a MAC over the row and the stamp of the row
								 * before it, with the key of its chain */
} TarxKeysSeal;

typedef enum TarxKeysColumnUse
{
	TARX_KEYS_BOUND,
	TARX_KEYS_SCOPE,			/* bound, and selects the subkey: the
								 * project's id */
	TARX_KEYS_SEALED,			/* has the envelope, stamp or MAC */
	TARX_KEYS_UNBOUND			/* whoever can write the table can change it;
								 * the reason says why that is harmless */
} TarxKeysColumnUse;

typedef struct TarxKeysColumn
{
	const char *name;
	Oid			type;
	TarxKeysColumnUse use;
	const char *reason;			/* why it is not bound; NULL if it is */
} TarxKeysColumn;

typedef struct TarxKeysTable
{
	const char *schema;
	const char *name;
	TarxKeysSeal seal;
	const char *purpose;		/* of the subkey that seals */
	const char *kind;			/* the name that verify_keys() gives its rows;
								 * NULL if it does not look at them */
	const char *counter;		/* the column of keyring_status() that counts
								 * its rows */
	const char *revision;		/* the column that the audit log has as an
								 * object's revision; NULL if there is none */
	const char *live;			/* the SQL condition of rows that can be
								 * verified; NULL if all can */
	bool		replaces;		/* an insertion replaces the row with the same
								 * primary key; otherwise it inserts nothing */
	int			nkeys;			/* so many of the first columns are the
								 * primary key */
	int			nother;			/* so many columns have another index, by
								 * which rows are found; 0 for none */
	int			other_key[TARX_KEYS_MAX_KEYS];
	int			ncolumns;
	TarxKeysColumn columns[TARX_KEYS_MAX_COLUMNS];

	/* statements.c: made from the above at the first use */
	TarxKeysQuery find;
	TarxKeysQuery find_other;
	TarxKeysQuery insert;
	TarxKeysQuery update;
	TarxKeysQuery scan;
	TarxKeysQuery scan_projects;
	TarxKeysQuery sample;

	/* lookup.c: what this session knows of the table in this database */
	struct TarxKeysTable *next;
	bool		is_watched;
	bool		is_known;
	uint64		invalidations;
	Oid			relid;
	Oid			indexid;		/* InvalidOid if look-ups need SPI */
	Oid			other_indexid;	/* the same, by the other key */
	AttrNumber	attnums[TARX_KEYS_MAX_COLUMNS];
} TarxKeysTable;

/* The columns of a row, in the order of the description */
typedef struct TarxKeysRow
{
	Datum		values[TARX_KEYS_MAX_COLUMNS];
	bool		nulls[TARX_KEYS_MAX_COLUMNS];
} TarxKeysRow;

/* descriptions.h: the tables, and the positions of their columns */
#define SEALED_TABLE(table, ...)		TABLE(table)
#define TABLE(table, ...)				extern TarxKeysTable tarx_keys_##table; enum {
#define COLUMN(position, ...)			position,
#define END_TABLE(prefix)				prefix##_NCOLUMNS };
#include "tables/descriptions.h"

/* descriptions.c */
extern TarxKeysTable *const tarx_keys_sealed_tables[];	/* ends with NULL */
extern TarxKeysTable *tarx_keys_sealed_table(const char *name);
extern int	tarx_keys_column(const TarxKeysTable *table, const char *name);
extern int	tarx_keys_sealed_column(const TarxKeysTable *table);

/* row.c: the binding of a row, and the value sealed in it */
extern void tarx_keys_row_clear(TarxKeysRow *row);
extern void tarx_keys_row_duplicate(const TarxKeysTable *table, const TarxKeysRow *row,
									TarxKeysRow *copy);
extern void tarx_keys_row_set(TarxKeysRow *row, int column, Datum value);
extern void tarx_keys_row_copy(TarxKeysRow *to, const TarxKeysTable *to_table,
							   const TarxKeysRow *from, const TarxKeysTable *from_table);
extern bool tarx_keys_row_detoast(const TarxKeysTable *table, TarxKeysRow *row);
extern bool tarx_keys_row_bind(const TarxKeysTable *table, const TarxKeysRow *row,
							   TarxKeysBinding *binding);
extern void tarx_keys_row_seal(const TarxKeysTable *table, TarxKeysRow *row,
							   const TarxKeysText *value);
extern void tarx_keys_row_stamp(const TarxKeysTable *table, TarxKeysRow *row);
extern bool tarx_keys_row_open_by(TarxKeysSubkey *kept, const TarxKeysTable *table,
								  const TarxKeysRow *row, bool as_utf8, TarxKeysText *value);
extern bool tarx_keys_row_open(const TarxKeysTable *table, const TarxKeysRow *row,
							   bool as_utf8, TarxKeysText *value);
extern TarxKeysRowState tarx_keys_row_try_open(const TarxKeysTable *table, const TarxKeysRow *row,
											   TarxKeysText *value);
extern void tarx_keys_sealed_fingerprint(Datum sealed,
										 uint8 fingerprint[TARX_KEYS_FINGERPRINT_BYTES]);
extern TarxKeysRowState tarx_keys_row_state(const TarxKeysTable *table, const TarxKeysRow *row);
extern bool tarx_keys_row_is_stamped(const TarxKeysTable *table, const TarxKeysRow *row);
extern bytea *tarx_keys_row_reseal(TarxKeysResealing *batch, const TarxKeysTable *table,
								   const TarxKeysRow *row);

/* stamps.c: rows whose columns are the arguments of a function */
extern Datum tarx_keys_stamp_of_arguments(FunctionCallInfo fcinfo, const TarxKeysTable *table);
extern int32 tarx_keys_next_revision(FunctionCallInfo fcinfo, const TarxKeysTable *table);

/* statements.c: rows by SPI, in a connection that the caller has opened */

/* A query for all columns of a table, called t; rest is its WHERE and so on. */
#define TARX_KEYS_SELECT(of, rest)	.make = tarx_keys_make_select, .table = &(of), .sql = (rest)

/* The same without the unbound columns at the end: enough to open or check a row. */
#define TARX_KEYS_SELECT_SEALED(of, rest) \
	.make = tarx_keys_make_select_sealed, .table = &(of), .sql = (rest)

extern char *tarx_keys_make_select(const TarxKeysQuery *query);
extern char *tarx_keys_make_select_sealed(const TarxKeysQuery *query);
extern void tarx_keys_check_columns(const TarxKeysTable *table, TupleDesc desc);
extern void tarx_keys_query_each_row(TarxKeysTable *table, TarxKeysQuery *query, const Datum *values,
									 void (*each) (const TarxKeysRow *row, void *arg), void *arg);
extern void tarx_keys_fetched_row(const TarxKeysTable *table, uint64 n, TarxKeysRow *row);
extern void tarx_keys_row_null_flags(const TarxKeysRow *row, char flags[TARX_KEYS_MAX_COLUMNS]);
extern bool tarx_keys_table_insert(TarxKeysTable *table, const TarxKeysRow *row);
extern void tarx_keys_table_update(TarxKeysTable *table, const TarxKeysRow *row);
extern TarxKeysQuery *tarx_keys_table_find_query(TarxKeysTable *table);
extern TarxKeysQuery *tarx_keys_table_find_other_query(TarxKeysTable *table);
extern TarxKeysQuery *tarx_keys_table_update_query(TarxKeysTable *table);
extern TarxKeysQuery *tarx_keys_table_scan_query(TarxKeysTable *table);
extern TarxKeysQuery *tarx_keys_table_scan_projects_query(TarxKeysTable *table);
extern TarxKeysQuery *tarx_keys_table_sample_query(TarxKeysTable *table);

/* find.c: rows by an index, whoever asks */
extern void tarx_keys_begin_look_up_as_owner(TarxKeysAsOwner *as_owner, TarxKeysTable *table);
extern bool tarx_keys_finds_as_owner(TarxKeysTable *table, TarxKeysQuery *query, Datum *values);
extern void tarx_keys_each_row(TarxKeysTable *table, TarxKeysQuery *query, bool by_other,
							   const Datum *values, Snapshot snapshot,
							   bool (*each) (const TarxKeysRow *row, void *arg), void *arg);
extern bool tarx_keys_find(TarxKeysTable *table, const Datum *key, Snapshot snapshot, TarxKeysRow *row);
extern void tarx_keys_row_at(TarxKeysTable *table, const Datum *key, ItemPointer place,
							 bool (*use) (const TarxKeysRow *row, void *arg), void *arg);
extern bool tarx_keys_find_by_other(TarxKeysTable *table, const Datum *key, Snapshot snapshot,
									TarxKeysRow *row);

/*
 * tally.c: numbers that belong to the objects of a list.  A source says which rows of
 * a table an object has, and in which column a row has a number; each row counts one
 * if that is -1.
 */
typedef struct TarxKeysTallySource
{
	TarxKeysTable *table;
	TarxKeysQuery *of_one;		/* by project, kind and object */
	TarxKeysQuery *of_all;		/* by project and kind; NULL if nobody has all
								 * of these objects */
	bool		by_other;		/* by the table's other index */
	const char *kind;			/* NULL if the table has none */
	int			id;				/* the column that has the object's id */
	int			number;
	bool		is_greatest;	/* of the numbers of an object, not their sum */
} TarxKeysTallySource;

typedef struct TarxKeysTally TarxKeysTally;

extern TarxKeysTally *tarx_keys_tally_new(const TarxKeysTallySource *source, MemoryContext context);
extern int64 tarx_keys_tally_of(TarxKeysTally *tally, const pg_uuid_t *project_id, const pg_uuid_t *id);

/* scan.c: all rows of a table, as they are stored, without an executor */
typedef struct TarxKeysScan
{
	const TarxKeysTable *table;
	Relation	relation;
	AttrNumber	attnums[TARX_KEYS_MAX_COLUMNS];
	AttrNumber	sealed;			/* the sealed column */
	BlockNumber nblocks;		/* when it was opened */
	struct TableScanDescData *scan;
	TupleTableSlot *slot;		/* has the current row */
} TarxKeysScan;

extern void tarx_keys_scan_open(TarxKeysScan *scan, const TarxKeysTable *table, Oid part,
								LOCKMODE lockmode, AclMode mode);
extern void tarx_keys_scan_close(TarxKeysScan *scan);
extern void tarx_keys_scan_range(TarxKeysScan *scan, Snapshot snapshot,
								 const ItemPointerData * after, BlockNumber end);
extern bool tarx_keys_scan_next(TarxKeysScan *scan);
extern void tarx_keys_scan_row(const TarxKeysScan *scan, TupleTableSlot *slot, TarxKeysRow *row);
extern bool tarx_keys_scan_fingerprint(const TarxKeysScan *scan, TupleTableSlot *slot,
									   uint8 fingerprint[TARX_KEYS_FINGERPRINT_BYTES]);
extern BlockNumber tarx_keys_scan_pages(TarxKeysScan *scan, Snapshot snapshot, int32 max_pages,
										void (*receive) (const TarxKeysScan *scan, void *arg),
										void *arg);

/* index_scan.c: rows of an ordinary table by an index, without an executor */
typedef struct TarxKeysIndexScan
{
	const TarxKeysTable *table;
	const int  *columns;		/* of the index, by their places in the
								 * table's description */
	Relation	index;
	struct IndexScanDescData *scan;
	ScanKeyData keys[TARX_KEYS_MAX_KEYS];
	TupleTableSlot *slot;		/* has the current row */
} TarxKeysIndexScan;

extern Oid	tarx_keys_key_collation(const TarxKeysTable *table, int column);
extern void tarx_keys_index_begin(TarxKeysIndexScan *scan, const TarxKeysTable *table, Relation relation,
								  bool by_other, Snapshot snapshot, int nkeys);
extern void tarx_keys_index_condition(TarxKeysIndexScan *scan, int n, int column, StrategyNumber strategy,
									  Datum value);
extern void tarx_keys_index_start(TarxKeysIndexScan *scan);
extern bool tarx_keys_index_next(TarxKeysIndexScan *scan);
extern void tarx_keys_index_end(TarxKeysIndexScan *scan);

/* lookup.c: rows by primary key (project_id, id or name), without an executor */
extern bool tarx_keys_find_columns(const TarxKeysTable *table, TupleDesc desc,
								   AttrNumber attnums[TARX_KEYS_MAX_COLUMNS]);
extern bool tarx_keys_table_has_index(const TarxKeysTable *table);
extern Relation tarx_keys_table_lock(TarxKeysTable *table);
extern void tarx_keys_table_read_values(const TarxKeysTable *table, const Datum *values,
										const bool *nulls, TarxKeysRow *row);
extern Relation tarx_keys_table_open(TarxKeysTable *table, const pg_uuid_t *project_id);
extern void tarx_keys_table_close(Relation relation);
extern uint64 tarx_keys_table_search(TarxKeysTable *table, Relation relation, TarxKeysQuery *query,
									 Datum *values, Snapshot snapshot, TarxKeysRow **rows,
									 bool **is_whole);
extern void tarx_keys_table_find_each(TarxKeysTable *table, Relation relation, Snapshot snapshot,
									  const pg_uuid_t *project_id, const Datum *seconds, uint64 count,
									  TarxKeysRow *rows, bool *found);
extern bool tarx_keys_table_find(TarxKeysTable *table, Relation relation, Snapshot snapshot,
								 const pg_uuid_t *project_id, Datum second, TarxKeysRow *row);
extern uint64 tarx_keys_table_find_all(const TarxKeysTable *table, Relation relation, Snapshot snapshot,
									   const pg_uuid_t *project_id, TarxKeysRow **rows);

#endif							/* TARX_KEYS_TABLES_H */
