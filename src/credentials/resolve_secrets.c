/*
 * resolve_secrets.c
 *	  Resolves the named secrets of projects.
 *
 * Values never go to disk from here: resolve_secrets() keeps its rows in a store
 * that does not spill.  No row is locked, and nothing is written.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_resolve_secret);
PG_FUNCTION_INFO_V1(tarx_keys_resolve_secrets);
PG_FUNCTION_INFO_V1(tarx_keys_resolve_secrets_sealed);

/* For tables whose primary key we cannot read ourselves */
static TarxKeysQuery named_query = {
	TARX_KEYS_SELECT_SEALED(tarx_keys_secrets,
							"WHERE t.project_id OPERATOR(pg_catalog.=) $1 AND t.name OPERATOR(pg_catalog.=) ANY ($2)"
							" ORDER BY t.name COLLATE pg_catalog.\"C\""),
	.nargs = 2, .argtypes = {UUIDOID, TEXTARRAYOID}
};

static TarxKeysQuery all_query = {
	TARX_KEYS_SELECT_SEALED(tarx_keys_secrets, "WHERE t.project_id OPERATOR(pg_catalog.=) $1 ORDER BY t.name COLLATE pg_catalog.\"C\""),
	.nargs = 1, .argtypes = {UUIDOID}
};

/*
 * Names
 */

/* A valid name is shown as it is. */
static void
append_name(StringInfo out, TarxKeysSpan name)
{
	appendBinaryStringInfo(out, name.data, (int) name.len);
}

pg_noreturn static void
fail_not_found(TarxKeysTextList *names)
{
	tarx_keys_fail_secrets_not_found(tarx_keys_texts_quoted(names, append_name), names->count);
}

/* TK011 for one name */
void
tarx_keys_fail_secret_name(text *name)
{
	TarxKeysTextList list = {NULL, 0, 0};

	tarx_keys_texts_add(&list, tarx_keys_span(name));
	fail_not_found(&list);
}

/* TK004.  A name that none of our functions accepts is not shown. */
pg_noreturn static void
fail_integrity(TarxKeysSpan name)
{
	bool		valid = tarx_keys_check_secret_name_text(name.data, name.len) == TARX_KEYS_TEXT_OK;

	tarx_keys_fail_secret_integrity(valid ? pnstrdup(name.data, name.len) : "?");
}

/* Argument n as a secret's name, which may be shown; an error if it is NULL or not one. */
text *
tarx_keys_arg_secret_name(FunctionCallInfo fcinfo, int n, const char *argument)
{
	TarxKeysText name = tarx_keys_arg_utf8(fcinfo, n, argument);

	tarx_keys_check_secret_name(&name, argument, argument);
	/* ASCII, so it is the same in all encodings */
	return cstring_to_text_with_len(name.data, (int) name.len);
}

/* Argument n, an array, as names of secrets, sorted, each once */
TarxKeysTextList
tarx_keys_arg_secret_names(FunctionCallInfo fcinfo, int n, const char *argument)
{
	TarxKeysTextList list = {NULL, 0, 0};
	const char *what = psprintf("an element of %s", argument);
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(n), TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		TarxKeysText name = {NULL, 0, NULL};
		TarxKeysSpan span;

		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 tarx_keys_errarg(argument),
					 errmsg("%s must not be null", what),
					 errhint("Pass names only, or leave %s out.", argument)));
		span = tarx_keys_span(DatumGetTextPP(elements[i]));
		name.data = unconstify(char *, span.data);
		name.len = span.len;
		tarx_keys_check_secret_name(&name, argument, what);
		tarx_keys_texts_add(&list, span);
	}
	tarx_keys_texts_sort(&list);
	return list;
}

/*
 * Finding and opening
 */

/* TK011 unless all of the names were found.  Both lists are sorted. */
static void
check_all_found(const TarxKeysTextList *names, const TarxKeysResolvedSecrets *found)
{
	TarxKeysTextList missing = {NULL, 0, 0};
	uint64		row = 0;

	for (size_t i = 0; i < names->count; i++)
	{
		if (row < found->count &&
			tarx_keys_compare_spans(tarx_keys_span(found->names[row]), names->items[i].text) == 0)
			row++;
		else
		{
			tarx_keys_texts_add(&missing, names->items[i].text);
			/* messages list names in the caller's order */
			missing.items[missing.count - 1].place = names->items[i].place;
		}
	}
	if (missing.count > 0)
		fail_not_found(&missing);
	/* two with one name: somebody has dropped the primary key */
	if (row < found->count)
		fail_integrity(tarx_keys_span(found->names[row]));
}

/*
 * The name in a row, whatever somebody has written there.  One that is none of
 * ours may come out as another such one.
 */
static text *
found_name(const TarxKeysRow *row)
{
	if (row->nulls[SECRET_NAME])
		return cstring_to_text("");
	return tarx_keys_shown_text(row->values[SECRET_NAME], TARX_KEYS_SHOWN_MAX_BYTES);
}

/* Find the rows with these names, which are sorted; returns how many there are. */
static uint64
find_named(const pg_uuid_t *project_id, const TarxKeysTextList *names, Relation secrets,
		   Snapshot snapshot, TarxKeysRow **rows)
{
	Datum	   *values = palloc(sizeof(Datum) * (names->count + 1));
	bool	   *found = palloc(sizeof(bool) * (names->count + 1));
	uint64		count = 0;

	*rows = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(TarxKeysRow) * (names->count + 1));
	for (size_t i = 0; i < names->count; i++)
		values[i] = PointerGetDatum(cstring_to_text_with_len(names->items[i].text.data,
															 (int) names->items[i].text.len));
	tarx_keys_table_find_each(&tarx_keys_secrets, secrets, snapshot, project_id, values, names->count,
							  *rows, found);
	for (size_t i = 0; i < names->count; i++)
	{
		if (found[i])
			(*rows)[count++] = (*rows)[i];
	}
	return count;
}

/* Find the rows by SPI. */
static uint64
search(const pg_uuid_t *project_id, const TarxKeysTextList *names, Relation secrets,
	   Snapshot snapshot, TarxKeysRow **rows)
{
	Datum		values[2] = {UUIDPGetDatum(project_id), (Datum) 0};
	bool	   *is_whole;		/* who opens a row sees it */

	if (names == NULL)
		return tarx_keys_table_search(&tarx_keys_secrets, secrets, &all_query, values, snapshot,
									  rows, &is_whole);
	values[1] = tarx_keys_texts_array(names);
	return tarx_keys_table_search(&tarx_keys_secrets, secrets, &named_query, values, snapshot,
								  rows, &is_whole);
}

/* Find the rows, in the order of their names; these and the ids go to *found. */
static TarxKeysRow *
find(const pg_uuid_t *project_id, TarxKeysResolvedSecrets *found, Relation secrets, Snapshot snapshot)
{
	TarxKeysRow *rows;

	if (!tarx_keys_table_has_index(&tarx_keys_secrets))
		found->count = search(project_id, found->asked, secrets, snapshot, &rows);
	else if (found->asked == NULL)
		found->count = tarx_keys_table_find_all(&tarx_keys_secrets, secrets, snapshot, project_id, &rows);
	else
		found->count = find_named(project_id, found->asked, secrets, snapshot, &rows);
	found->names = palloc(sizeof(text *) * (found->count + 1));
	found->ids = palloc0(sizeof(pg_uuid_t) * (found->count + 1));
	found->values = palloc0(sizeof(TarxKeysText) * (found->count + 1));
	for (uint64 i = 0; i < found->count; i++)
	{
		found->names[i] = found_name(&rows[i]);
		if (!rows[i].nulls[SECRET_ID])
			found->ids[i] = *DatumGetUUIDP(rows[i].values[SECRET_ID]);
	}
	return rows;
}

static void
open_row(const TarxKeysRow *row, TarxKeysSubkey *subkey, TarxKeysResolvedSecrets *found, uint64 n)
{
	if (!tarx_keys_row_open_by(subkey, &tarx_keys_secrets, row, found->recipient != NULL, &found->values[n]))
		fail_integrity(tarx_keys_span(found->names[n]));
}

/*
 * Find and open secrets of the project, with a new snapshot: those that are named,
 * which must all exist, or all of the project.  All are opened before the caller makes
 * the first copy.
 */
static void
run_resolve(TarxKeysCall *call, void *arg)
{
	TarxKeysResolvedSecrets *found = arg;
	const TarxKeysTextList *required = found->asked;
	TarxKeysSubkey *subkey = tarx_keys_keep_subkey();
	Relation	secrets;
	Snapshot	snapshot;
	TarxKeysRow *rows;

	tarx_keys_check_project(call->project_id);
	tarx_keys_run_admit_recipient(call, found->recipient);
	tarx_keys_run_admit_secrets(call, &found->asked);
	secrets = tarx_keys_table_open(&tarx_keys_secrets, call->project_id);
	snapshot = tarx_keys_latest_snapshot();
	rows = find(call->project_id, found, secrets, snapshot);
	if (required != NULL)
		check_all_found(required, found);
	for (uint64 i = 0; i < found->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!rows[i].nulls[SECRET_ID])
			tarx_keys_call_object(call, &found->ids[i], true);
		open_row(&rows[i], subkey, found, i);
	}
	/* not earlier: to open a row may fetch a long ciphertext by it */
	UnregisterSnapshot(snapshot);
	tarx_keys_table_close(secrets);
	tarx_keys_secret_wipe(subkey->secret);
	call->objects = found->ids;
	call->nobjects = found->count;
}

/* Resolve what *found asks for.  The caller wipes what was found. */
void
tarx_keys_resolve_project_secrets(FunctionCallInfo fcinfo, const pg_uuid_t *project_id,
								  TarxKeysResolvedSecrets *found)
{
	TarxKeysCall call = {.event = "resolve_secret", .kind = TARX_KEYS_USAGE_SECRET,
	.project_id = project_id, .resolves = fcinfo};

	tarx_keys_run_call(&call, run_resolve, found);
}

/* Wipe the values that were found. */
void
tarx_keys_wipe_resolved(TarxKeysResolvedSecrets *found)
{
	for (uint64 i = 0; i < found->count; i++)
		tarx_keys_secret_wipe(found->values[i].secret);
}

/* A text with room for len bytes */
text *
tarx_keys_make_text(MemoryContext context, size_t len)
{
	text	   *result = MemoryContextAlloc(context, VARHDRSZ + len);

	SET_VARSIZE(result, VARHDRSZ + len);
	return result;
}

/*
 * The calls
 */

/*
 * resolve_secret(project_id uuid, name text) returns text: see
 * sql/55_project_secrets.sql.  Writes nothing, so that it runs on a standby.
 */
Datum
tarx_keys_resolve_secret(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	TarxKeysTextList names = {NULL, 0, 0};
	TarxKeysResolvedSecrets found = {.asked = &names};
	const pg_uuid_t *project_id;
	text	   *result;

	tarx_keys_redaction_mark(TARX_KEYS_SENSITIVE_resolve_secret);
	context = tarx_keys_begin_work();
	project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	tarx_keys_texts_add(&names, tarx_keys_span(tarx_keys_arg_secret_name(fcinfo, 1, "name")));
	tarx_keys_resolve_project_secrets(fcinfo, project_id, &found);
	result = tarx_keys_make_text(context, found.values[0].len);
	memcpy(VARDATA(result), found.values[0].data, found.values[0].len);
	tarx_keys_wipe_resolved(&found);
	tarx_keys_end_work(context);
	PG_RETURN_TEXT_P(result);
}

/* The columns of the results */
static const Oid clear_types[] = {TEXTOID, TEXTOID};
static const Oid sealed_types[] = {TEXTOID, BYTEAOID};

/* The value of a secret as a column of the result */
static Datum
value_column(const pg_uuid_t *project_id, const TarxKeysResolvedSecrets *found, uint64 n,
			 TarxKeysSecret **copy)
{
	const TarxKeysText *value = &found->values[n];

	if (found->recipient != NULL)
		return PointerGetDatum(tarx_keys_sealed_secret(found->recipient, project_id, found->names[n], value));
	return PointerGetDatum(tarx_keys_clear_value((TarxKeysSpan) {value->data, value->len}, copy));
}

/* Copy the rows to the store.  The values, and the copies on the way, are wiped. */
static void
put_rows(Tuplestorestate *store, TupleDesc desc, const pg_uuid_t *project_id,
		 const TarxKeysResolvedSecrets *found)
{
	MemoryContext row = AllocSetContextCreate(CurrentMemoryContext, "tarx_keys row",
											  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(row);

	for (uint64 i = 0; i < found->count; i++)
	{
		TarxKeysSecret *copy = NULL;
		Datum		values[2];
		bool		nulls[2] = {false, false};

		values[0] = PointerGetDatum(found->names[i]);
		values[1] = value_column(project_id, found, i, &copy);
		tuplestore_putvalues(store, desc, values, nulls);
		tarx_keys_secret_wipe(copy);
		tarx_keys_secret_wipe(found->values[i].secret);
		MemoryContextReset(row);
	}
	MemoryContextSwitchTo(old);
}

/* Resolve several secrets, or all of a project, to a store; in clear if recipient is NULL. */
static void
resolve_to_store(FunctionCallInfo fcinfo, const uint8 *recipient, Tuplestorestate *store)
{
	const pg_uuid_t *project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	MemoryContext context = tarx_keys_begin_work();
	TarxKeysTextList names;
	TarxKeysResolvedSecrets found = {.recipient = recipient};

	if (!PG_ARGISNULL(1))
	{
		names = tarx_keys_arg_secret_names(fcinfo, 1, "names");
		found.asked = &names;
	}
	tarx_keys_resolve_project_secrets(fcinfo, project_id, &found);
	put_rows(store, ((ReturnSetInfo *) fcinfo->resultinfo)->setDesc, project_id, &found);
	tarx_keys_end_work(context);
}

/* resolve_secrets(project_id uuid, names text[]) returns a set of rows */
Datum
tarx_keys_resolve_secrets(PG_FUNCTION_ARGS)
{
	tarx_keys_redaction_mark(TARX_KEYS_SENSITIVE_resolve_secrets);
	/* no limit like work_mem: a store that exceeds its limit goes to a file */
	resolve_to_store(fcinfo, NULL, tarx_keys_begin_typed_rows(fcinfo, MAX_KILOBYTES, clear_types,
															  lengthof(clear_types)));
	return (Datum) 0;
}

/*
 * resolve_secrets_sealed(project_id uuid, names text[], recipient_public_key bytea)
 * returns a set of rows
 */
Datum
tarx_keys_resolve_secrets_sealed(PG_FUNCTION_ARGS)
{
	Tuplestorestate *store = tarx_keys_begin_typed_rows(fcinfo, work_mem, sealed_types,
														lengthof(sealed_types));

	resolve_to_store(fcinfo, tarx_keys_arg_recipient(fcinfo, 2), store);
	return (Datum) 0;
}
