/*
 * leaks.c
 *	  What is done when a value has become known: the platform keys of tokens that
 *	  were found are revoked, and the rows that have a value are named.
 *
 * find_key() opens every row, because nothing that is stored tells what a value
 * is: a hash of it beside the row would let whoever reads the table test guesses.
 * It wipes each value before the next one, and compares in a time that does not
 * depend on what is in it.
 */
#include "postgres.h"
#include "base/compat.h"

#include <sodium.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_revoke_leaked_platform_keys);
PG_FUNCTION_INFO_V1(tarx_keys_find_key);
PG_FUNCTION_INFO_V1(tarx_keys_find_sealed_key);

static TarxKeysQuery token_query = {
	.sql = "SELECT k.id, k.user_id FROM tarx_keys.platform_api_keys k"
	" WHERE k.token_hash OPERATOR(pg_catalog.=) $1",
	.nargs = 1, .argtypes = {BYTEAOID}
};

/* A revoked key has no hash any more. */
static TarxKeysQuery mask_query = {
	.sql = "SELECT k.id, k.user_id FROM tarx_keys.platform_api_keys k"
	" WHERE k.masked_key OPERATOR(pg_catalog.=) $1 AND k.revoked_at IS NOT NULL LIMIT 1",
	.nargs = 1, .argtypes = {TEXTOID}
};

static TarxKeysQuery revoke_query = {
	.sql = "SELECT tarx_keys_internal.revoke_leaked_platform_key($1, $2)",
	.nargs = 2, .argtypes = {UUIDOID, TEXTOID}
};

/*
 * revoke_leaked_platform_keys
 */

/* What is said of a token */
typedef struct Leaked
{
	const char *outcome;
	Datum		id;
	Datum		user_id;		/* (Datum) 0 if no key is known; in SPI's
								 * memory */
} Leaked;

/* Look a key up by what is known of its token; false if there is none. */
static bool
look_up(Leaked *leaked, TarxKeysQuery *query, Datum known_by)
{
	bool		isnull;

	if (tarx_keys_query_run_latest(query, &known_by, NULL) == 0)
		return false;
	leaked->id = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	leaked->user_id = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull);
	return true;
}

/* Revoke a key that was found, with all that was made with it. */
static const char *
revoke_found(const Leaked *leaked)
{
	Datum		values[2] = {leaked->id, leaked->user_id};
	bool		isnull;

	(void) tarx_keys_query_run(&revoke_query, values, NULL, false);
	return DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)) ?
		"revoked" : "held";
}

static Leaked
end_token(TarxKeysSpan token)
{
	Leaked		leaked = {.outcome = "no token"};
	bytea	   *hash = tarx_keys_token_hash(token);

	if (hash == NULL)
		return leaked;
	if (look_up(&leaked, &token_query, PointerGetDatum(hash)))
		leaked.outcome = revoke_found(&leaked);
	else if (look_up(&leaked, &mask_query, PointerGetDatum(tarx_keys_token_mask(token))))
		leaked.outcome = "already";
	else
		leaked.outcome = "unknown";
	return leaked;
}

static void
put_token(ReturnSetInfo *result, int place, const Leaked *leaked)
{
	bool		is_known = leaked->user_id != (Datum) 0;
	Datum		values[4] = {Int32GetDatum(place), CStringGetTextDatum(leaked->outcome)};
	bool		nulls[4] = {false, false, !is_known, !is_known};

	if (is_known)
	{
		values[2] = leaked->id;
		values[3] = PointerGetDatum(tarx_keys_shown_text(leaked->user_id, TARX_KEYS_SHOWN_MAX_BYTES));
	}
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
report_revocation(int tokens, int revoked, int held)
{
	tarx_keys_log_operation(psprintf("revokes leaked platform keys: tokens: %d, revoked: %d, held: %d",
									 tokens, revoked, held));
	if (held > 0)
		ereport(WARNING,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("other transactions hold platform keys that are to be revoked, or what was made with them"),
				 errhint("Commit, and call tarx_keys.revoke_leaked_platform_keys() again when the others are over.")));
}

/* revoke_leaked_platform_keys(tokens text[]) returns rows: see sql/77_leaks.sql */
Datum
tarx_keys_revoke_leaked_platform_keys(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum	   *tokens;
	bool	   *nulls;
	int			count;
	int			revoked = 0;
	int			held = 0;

	tarx_keys_redaction_mark(TARX_KEYS_SENSITIVE_revoke_leaked_platform_keys);
	tarx_keys_require_arg(fcinfo, 0, "tokens");
	InitMaterializedSRF(fcinfo, 0);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT, &tokens, &nulls, &count);
	tarx_keys_enter_maintenance_mode();
	tarx_keys_queries_begin();
	for (int i = 0; i < count; i++)
	{
		Leaked		leaked = {.outcome = "no token"};

		if (!nulls[i])
			leaked = end_token(tarx_keys_span_trim(tarx_keys_span(DatumGetTextPP(tokens[i]))));
		put_token(result, i + 1, &leaked);
		revoked += strcmp(leaked.outcome, "revoked") == 0;
		held += strcmp(leaked.outcome, "held") == 0;
	}
	tarx_keys_queries_end();
	report_revocation(count, revoked, held);
	return (Datum) 0;
}

/*
 * find_key
 */

/* A search, in one table after the other */
typedef struct Search
{
	const TarxKeysTable *table;
	TarxKeysSpan sought;
	ReturnSetInfo *result;
	uint64		found;
	uint64		closed;			/* rows that do not open */
} Search;

static bool
is_sought(const Search *search, TarxKeysSpan value)
{
	value = tarx_keys_span_trim(value);
	return value.len == search->sought.len &&
		sodium_memcmp(value.data, search->sought.data, value.len) == 0;
}

static void
put_found(Search *search, const TarxKeysRow *row, const char *kind, Datum state, int version_column)
{
	Datum		id = row->values[tarx_keys_column(search->table, "id")];
	Datum		name = row->values[tarx_keys_column(search->table, "name")];
	Datum		values[6] = {row->values[0], CStringGetTextDatum(kind), id,
	PointerGetDatum(tarx_keys_shown_text(name, TARX_KEYS_SHOWN_MAX_BYTES)), state};
	bool		nulls[6] = {false, false, false, false, false, version_column < 0};

	/* a row that opens is as we wrote it, and we write no NULL here */
	if (version_column >= 0)
		values[5] = row->values[version_column];
	tuplestore_putvalues(search->result->setResult, search->result->setDesc, values, nulls);
	search->found++;
}

static void
look_into_key(Search *search, const TarxKeysRow *row, const TarxKeysText *plain)
{
	TarxKeysPayload payload;

	if (!tarx_keys_payload_read(plain->data, plain->len, &payload))
	{
		search->closed++;
		return;
	}
	if (is_sought(search, payload.value))
		put_found(search, row, search->table->kind, row->values[LLM_KEY_STATE], -1);
	for (int i = 0; i < payload.headers.count; i++)
	{
		if (is_sought(search, payload.headers.items[i].value))
			put_found(search, row, "llm_key_header", row->values[LLM_KEY_STATE], -1);
	}
}

static void
look_into_secret(Search *search, const TarxKeysRow *row, const TarxKeysText *plain)
{
	const char *state = search->table == &tarx_keys_secrets ? "current" : "older";

	if (is_sought(search, (TarxKeysSpan) {plain->data, plain->len}))
		put_found(search, row, search->table->kind, CStringGetTextDatum(state),
				  tarx_keys_column(search->table, "version"));
}

static void
look_into(const TarxKeysRow *row, void *arg)
{
	Search	   *search = arg;
	TarxKeysText plain;

	if (tarx_keys_row_try_open(search->table, row, &plain) != TARX_KEYS_ROW_OK)
		search->closed++;
	else if (search->table == &tarx_keys_llm_keys)
		look_into_key(search, row, &plain);
	else
		look_into_secret(search, row, &plain);
	tarx_keys_secret_wipe(plain.secret);
}

/* The tables that have values */
static TarxKeysTable *const tables[] = {
	&tarx_keys_llm_keys, &tarx_keys_secrets, &tarx_keys_secret_versions
};

static void
report_search(const Search *search)
{
	tarx_keys_log_operation(psprintf("looks for a value: found: " UINT64_FORMAT ", rows that do not open: " UINT64_FORMAT,
									 search->found, search->closed));
	if (search->closed > 0)
		ereport(WARNING,
				(errcode(ERRCODE_TK_INTEGRITY),
				 errmsg("rows that do not open could have the value as well: " UINT64_FORMAT, search->closed),
				 errhint("tarx_keys.verify_keys() names them.")));
}

/* Search all tables for a value, which is that of this argument, and wipe it. */
static void
search_for(FunctionCallInfo fcinfo, const TarxKeysText *value, const char *argument)
{
	Search		search = {
		.sought = tarx_keys_span_trim((TarxKeysSpan) {value->data, value->len}),
		.result = (ReturnSetInfo *) fcinfo->resultinfo
	};

	if (search.sought.len == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg(argument),
				 errmsg("there is no value to look for"),
				 errhint("Pass the whole value, as it was found.")));
	if (!tarx_keys_page_has_keyring())
		tarx_keys_fail_no_keyring();
	InitMaterializedSRF(fcinfo, 0);
	for (size_t i = 0; i < lengthof(tables); i++)
	{
		search.table = tables[i];
		tarx_keys_query_each_row(tables[i], tarx_keys_table_scan_query(tables[i]), NULL, look_into, &search);
	}
	tarx_keys_secret_wipe(value->secret);
	report_search(&search);
}

/* Values are looked for in all projects. */
static void
require_superuser(void)
{
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be superuser to look for a value in all projects"),
				 errhint("Ask the database administrator.")));
}

/* find_key(value text) returns rows: see sql/77_leaks.sql */
Datum
tarx_keys_find_key(PG_FUNCTION_ARGS)
{
	TarxKeysText value;

	tarx_keys_redaction_mark(TARX_KEYS_SENSITIVE_find_key);
	require_superuser();
	value = tarx_keys_arg_utf8(fcinfo, 0, "value");
	search_for(fcinfo, &value, "value");
	return (Datum) 0;
}

/* find_sealed_key(sealed bytea): find_key() with the value in a box for this call alone */
Datum
tarx_keys_find_sealed_key(PG_FUNCTION_ARGS)
{
	static const uint8 no_project[TARX_KEYS_SCOPE_BYTES] = {0};
	TarxKeysBinding header;
	TarxKeysText value;

	require_superuser();
	tarx_keys_binding_start(&header, TARX_KEYS_BOX_FORMAT_VALUE, TARX_KEYS_PURPOSE_BOX_SEARCH, no_project);
	value = tarx_keys_arg_sealed(fcinfo, 0, &header);
	search_for(fcinfo, &value, "sealed");
	return (Datum) 0;
}
