/*
 * tables.h
 *	  What our tables are made of, and what is done with their rows because of it.
 *
 * A table has one description.  From it come its look-ups, insertions and
 * updates, and if its rows are sealed, what they are bound to, how they are
 * sealed, opened, checked and sealed again.
 *
 * Include after postgres.h.
 */
#ifndef TARX_KEYS_TABLES_H
#define TARX_KEYS_TABLES_H

#include "utils/relcache.h"

#include "base/base.h"
#include "keyring/keyring.h"

#define TARX_KEYS_MAX_COLUMNS	TARX_KEYS_QUERY_MAX_ARGS

/* What a row is sealed with */
typedef enum TarxKeysSeal
{
	TARX_KEYS_NO_SEAL,
	TARX_KEYS_ENVELOPE,			/* a value, encrypted and bound to the row */
	TARX_KEYS_STAMP,			/* a MAC over the row */
	TARX_KEYS_CHAIN				/* a MAC over the row and the row before it,
								 * with the key of its chain */
} TarxKeysSeal;

typedef enum TarxKeysColumnUse
{
	TARX_KEYS_BOUND,
	TARX_KEYS_SCOPE,			/* bound, and selects the subkey: the
								 * project's id */
	TARX_KEYS_SEALED,			/* has the envelope, stamp or MAC */
	TARX_KEYS_UNBOUND			/* anybody who can write the table may change
								 * it, for the reason that is given */
} TarxKeysColumnUse;

typedef struct TarxKeysColumn
{
	const char *name;
	Oid			type;
	TarxKeysColumnUse use;
	const char *reason;			/* of a column that is not bound */
} TarxKeysColumn;

typedef struct TarxKeysTable
{
	const char *schema;
	const char *name;
	TarxKeysSeal seal;
	const char *purpose;		/* of the subkey that seals */
	const char *kind;			/* what verify_keys() calls a row; NULL if it
								 * does not look at them */
	const char *counter;		/* the column of keyring_status() that counts
								 * its rows */
	const char *live;			/* a condition: other rows have nothing to
								 * verify; NULL for none */
	bool		replaces;		/* an insertion replaces the row with its key,
								 * instead of leaving rows in its way alone */
	int			nkeys;			/* the first columns are the primary key */
	int			ncolumns;
	TarxKeysColumn columns[TARX_KEYS_MAX_COLUMNS];

	/* statements.c: made of the above when first used */
	TarxKeysQuery find;
	TarxKeysQuery insert;
	TarxKeysQuery update;
	TarxKeysQuery scan;
	TarxKeysQuery scan_projects;
	TarxKeysQuery sample;

	/* lookup.c: what is known of the table in this database */
	struct TarxKeysTable *next;
	bool		is_watched;
	bool		is_known;
	uint64		invalidations;
	Oid			relid;
	Oid			indexid;		/* InvalidOid if SPI has to look up */
	AttrNumber	attnums[TARX_KEYS_MAX_COLUMNS];
} TarxKeysTable;

/* A row's columns, in the order of the description; all NULL to begin with */
typedef struct TarxKeysRow
{
	Datum		values[TARX_KEYS_MAX_COLUMNS];
	bool		nulls[TARX_KEYS_MAX_COLUMNS];
} TarxKeysRow;

/* descriptions.c: the tables, and their columns by position */
enum
{
	LLM_KEY_PROJECT_ID,
	LLM_KEY_ID,
	LLM_KEY_PROVIDER,
	LLM_KEY_NAME,
	LLM_KEY_BASE_URL,
	LLM_KEY_DESTINATION,
	LLM_KEY_MASKED_KEY,
	LLM_KEY_ADDED_BY,
	LLM_KEY_CREATED_AT,
	LLM_KEY_CIPHERTEXT
};

enum
{
	SECRET_PROJECT_ID,
	SECRET_NAME,
	SECRET_VERSION,
	SECRET_UPDATED_BY,
	SECRET_UPDATED_AT,
	SECRET_CIPHERTEXT,
	/* only of the current version */
	SECRET_DESCRIPTION,
	SECRET_CREATED_AT
};

enum
{
	PLATFORM_KEY_ID,
	PLATFORM_KEY_USER_ID,
	PLATFORM_KEY_NAME,
	PLATFORM_KEY_MASKED_KEY,
	PLATFORM_KEY_TOKEN_HASH,
	PLATFORM_KEY_EXPIRES_AT,
	PLATFORM_KEY_PROJECT_IDS,
	PLATFORM_KEY_READ_ONLY,
	PLATFORM_KEY_CREATED_AT,
	PLATFORM_KEY_REVOKED_AT,
	PLATFORM_KEY_STAMP
};

enum
{
	AUDIT_ENDS_PROJECT_ID,
	AUDIT_ENDS_PERSONAL,
	AUDIT_ENDS_GENERATION,
	AUDIT_ENDS_LANE,
	AUDIT_ENDS_FIRST_SEQ,
	AUDIT_ENDS_FIRST_STAMP,
	AUDIT_ENDS_LAST_SEQ,
	AUDIT_ENDS_LAST_STAMP,
	AUDIT_ENDS_SEALED_KEY
};

enum
{
	AUDIT_LOG_PROJECT_ID,
	AUDIT_LOG_PERSONAL,
	AUDIT_LOG_GENERATION,
	AUDIT_LOG_SEQ,
	AUDIT_LOG_AT,
	AUDIT_LOG_USER_ID,
	AUDIT_LOG_PROVEN,
	AUDIT_LOG_LOGIN,
	AUDIT_LOG_CLIENT,
	AUDIT_LOG_ACTION,
	AUDIT_LOG_OBJECT_ID,
	AUDIT_LOG_OBJECT_NAME,
	AUDIT_LOG_OUTCOME,
	AUDIT_LOG_STAMP
};

enum
{
	AGENT_PROJECT_ID,
	AGENT_ID,
	AGENT_USER_API_KEY_ID
};

extern TarxKeysTable tarx_keys_llm_keys;
extern TarxKeysTable tarx_keys_secrets;
extern TarxKeysTable tarx_keys_secret_versions;
extern TarxKeysTable tarx_keys_platform_keys;
extern TarxKeysTable tarx_keys_audit_ends;
extern TarxKeysTable tarx_keys_audit_log;
extern TarxKeysTable tarx_keys_tombstones;
extern TarxKeysTable tarx_keys_agents;

extern TarxKeysTable *const tarx_keys_sealed_tables[];	/* ends with NULL */
extern TarxKeysTable *tarx_keys_sealed_table(const char *name);
extern int	tarx_keys_column(const TarxKeysTable *table, const char *name);
extern int	tarx_keys_sealed_column(const TarxKeysTable *table);

/* row.c: what a row is bound to, and its value */
extern void tarx_keys_row_clear(TarxKeysRow *row);
extern void tarx_keys_row_set(TarxKeysRow *row, int column, Datum value);
extern void tarx_keys_row_copy(TarxKeysRow *to, const TarxKeysTable *to_table,
							   const TarxKeysRow *from, const TarxKeysTable *from_table);
extern bool tarx_keys_row_detoast(const TarxKeysTable *table, TarxKeysRow *row);
extern bool tarx_keys_row_bind(const TarxKeysTable *table, const TarxKeysRow *row,
							   TarxKeysBinding *binding);
extern void tarx_keys_row_seal(const TarxKeysTable *table, TarxKeysRow *row,
							   const TarxKeysText *value);
extern void tarx_keys_row_stamp(const TarxKeysTable *table, TarxKeysRow *row);
extern bool tarx_keys_row_open(const TarxKeysTable *table, const TarxKeysRow *row,
							   bool as_utf8, TarxKeysText *value);
extern TarxKeysRowState tarx_keys_row_state(const TarxKeysTable *table, const TarxKeysRow *row);
extern bytea *tarx_keys_row_reseal(const TarxKeysTable *table, const TarxKeysRow *row);

/* statements.c: rows by SPI, in a connection that the caller has opened */

/* A query that selects a table's columns, AS t, from here on: WHERE and the like */
#define TARX_KEYS_SELECT(of, rest)	.make = tarx_keys_make_select, .table = &(of), .sql = (rest)

extern char *tarx_keys_make_select(const TarxKeysQuery *query);
extern void tarx_keys_fetched_row(const TarxKeysTable *table, uint64 n, TarxKeysRow *row);
extern void tarx_keys_row_null_flags(const TarxKeysRow *row, char flags[TARX_KEYS_MAX_COLUMNS]);
extern bool tarx_keys_table_insert(TarxKeysTable *table, const TarxKeysRow *row);
extern void tarx_keys_table_update(TarxKeysTable *table, const TarxKeysRow *row);
extern TarxKeysQuery *tarx_keys_table_find_query(TarxKeysTable *table);
extern TarxKeysQuery *tarx_keys_table_update_query(TarxKeysTable *table);
extern TarxKeysQuery *tarx_keys_table_scan_query(TarxKeysTable *table);
extern TarxKeysQuery *tarx_keys_table_scan_projects_query(TarxKeysTable *table);
extern TarxKeysQuery *tarx_keys_table_sample_query(TarxKeysTable *table);

/* lookup.c: rows by primary key (project_id, id), without an executor */
extern Relation tarx_keys_table_open(TarxKeysTable *table, const pg_uuid_t *project_id);
extern void tarx_keys_table_close(Relation relation);
extern bool tarx_keys_table_find(TarxKeysTable *table, Relation relation, Snapshot snapshot,
								 const pg_uuid_t *project_id, const pg_uuid_t *id,
								 TarxKeysRow *row);

#endif							/* TARX_KEYS_TABLES_H */
