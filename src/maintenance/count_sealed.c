/*
 * count_sealed.c
 *	  Counts the rows that need each master key.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/snapmgr.h"

#include "tables/tables.h"

PG_FUNCTION_INFO_V1(tarx_keys_count_part);

typedef struct Count
{
	uint8		fingerprint[TARX_KEYS_FINGERPRINT_BYTES];
	int64		rows;
} Count;

typedef struct Counts
{
	HTAB	   *table;
	Count	   *last;			/* rows that need the same key are near each
								 * other */
} Counts;

static void
count_row(const TarxKeysScan *scan, void *arg)
{
	Counts	   *counts = arg;
	uint8		fingerprint[TARX_KEYS_FINGERPRINT_BYTES];
	bool		found;

	if (!tarx_keys_scan_fingerprint(scan, scan->slot, fingerprint))
		return;
	if (counts->last == NULL ||
		memcmp(counts->last->fingerprint, fingerprint, TARX_KEYS_FINGERPRINT_BYTES) != 0)
	{
		counts->last = hash_search(counts->table, fingerprint, HASH_ENTER, &found);
		if (!found)
			counts->last->rows = 0;
	}
	counts->last->rows++;
}

static void
put_count(ReturnSetInfo *result, const Count *count, BlockNumber pages, BlockNumber all_pages)
{
	Datum		values[4] = {(Datum) 0, Int64GetDatum(0), Int64GetDatum(pages), Int64GetDatum(all_pages)};
	bool		nulls[4] = {count == NULL};

	if (count != NULL)
	{
		char		hex[TARX_KEYS_FINGERPRINT_HEX];

		tarx_keys_fingerprint_hex(count->fingerprint, hex);
		values[0] = CStringGetTextDatum(hex);
		values[1] = Int64GetDatum(count->rows);
	}
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * Put (fingerprint text, count bigint, pages bigint, all_pages bigint) for each key;
 * without a fingerprint if there is none.
 */
static void
put_counts(ReturnSetInfo *result, HTAB *table, BlockNumber pages, BlockNumber all_pages)
{
	HASH_SEQ_STATUS seq;
	Count	   *count;

	if (hash_get_num_entries(table) == 0)
		put_count(result, NULL, pages, all_pages);
	hash_seq_init(&seq, table);
	while ((count = hash_seq_search(&seq)) != NULL)
		put_count(result, count, pages, all_pages);
}

/*
 * count_part(table_name text, part oid, max_pages integer) returns rows: see
 * sql/70_keyring.sql
 */
Datum
tarx_keys_count_part(PG_FUNCTION_ARGS)
{
	const TarxKeysTable *table = tarx_keys_sealed_table(text_to_cstring(tarx_keys_arg_text(fcinfo, 0, "table_name")));
	HASHCTL		info = {.keysize = TARX_KEYS_FINGERPRINT_BYTES, .entrysize = sizeof(Count), .hcxt = CurrentMemoryContext};
	Counts		counts = {.table = hash_create("tarx_keys counts", 16, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT)};
	TarxKeysScan scan;
	BlockNumber pages;

	tarx_keys_require_arg(fcinfo, 1, "part");
	InitMaterializedSRF(fcinfo, 0);
	tarx_keys_scan_open(&scan, table, PG_GETARG_OID(1), AccessShareLock, ACL_SELECT);
	pages = tarx_keys_scan_pages(&scan, GetActiveSnapshot(), PG_ARGISNULL(2) ? -1 : PG_GETARG_INT32(2),
								 count_row, &counts);
	put_counts((ReturnSetInfo *) fcinfo->resultinfo, counts.table, pages, scan.nblocks);
	tarx_keys_scan_close(&scan);
	hash_destroy(counts.table);
	return (Datum) 0;
}
