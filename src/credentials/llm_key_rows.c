/*
 * llm_key_rows.c
 *	  The row of an LLM key, and what is sealed in it.
 *
 * The envelope has a payload (see pure/key_payload.c): the key's value, its own
 * headers, and how its provider was called when the key was added.  It is bound to
 * all columns that people act on, and to all that decide when the key resolves.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "credentials/credentials.h"

/* Bytes of the characters, up to 4 of up to 4 bytes, that become one in normal form C */
#define LONGEST_DECOMPOSED	16

static TarxKeysQuery same_name_query = {
	.sql = "SELECT k.name FROM tarx_keys.project_llm_keys k"
	" WHERE k.project_id OPERATOR(pg_catalog.=) $1"
	" AND pg_catalog.lower(k.name COLLATE pg_catalog.\"C\")"
	" OPERATOR(pg_catalog.=) pg_catalog.lower($2 COLLATE pg_catalog.\"C\")"
	" AND k.state OPERATOR(pg_catalog.<>) 'deleted'"
	" AND k.id OPERATOR(pg_catalog.<>) $3",
	.nargs = 3, .argtypes = {UUIDOID, TEXTOID, UUIDOID}
};

/*
 * The payload
 */

static Datum
header_names(const TarxKeysHeaders *headers)
{
	Datum		names[TARX_KEYS_HEADERS_MAX];

	for (int i = 0; i < headers->count; i++)
		names[i] = PointerGetDatum(cstring_to_text_with_len(headers->items[i].name.data,
															(int) headers->items[i].name.len));
	return PointerGetDatum(construct_array(names, headers->count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Seal a payload to the other columns of a row, and list the names of its headers. */
void
tarx_keys_key_seal(TarxKeysRow *row, const TarxKeysPayload *payload)
{
	TarxKeysText plain = {.len = tarx_keys_payload_size(payload)};

	row->nulls[LLM_KEY_HEADER_NAMES] = payload->headers.count == 0;
	if (payload->headers.count > 0)
		tarx_keys_row_set(row, LLM_KEY_HEADER_NAMES, header_names(&payload->headers));
	plain.data = palloc(plain.len);
	plain.secret = tarx_keys_secret_register(plain.data, plain.len);
	tarx_keys_payload_write((uint8 *) plain.data, payload);
	tarx_keys_row_seal(&tarx_keys_llm_keys, row, &plain);
	tarx_keys_secret_wipe(plain.secret);
}

/*
 * Open a row; the caller wipes plain, which has all of it.  Returns false if the
 * row is not as it was sealed.  TK005 without a keyring, TK006 if the master key is
 * missing.  kept is a place for the subkey, or NULL.
 */
bool
tarx_keys_key_open_by(TarxKeysSubkey *kept, const TarxKeysRow *row, TarxKeysOpenKey *key)
{
	key->row = row;
	return tarx_keys_row_open_by(kept, &tarx_keys_llm_keys, row, true, &key->plain) &&
		tarx_keys_payload_read(key->plain.data, key->plain.len, &key->payload);
}

/* The same for one row */
bool
tarx_keys_key_open(const TarxKeysRow *row, TarxKeysOpenKey *key)
{
	return tarx_keys_key_open_by(NULL, row, key);
}

/*
 * Columns
 */

/* Has the row this state? */
bool
tarx_keys_key_has_state(const TarxKeysRow *row, const char *state)
{
	return !row->nulls[LLM_KEY_STATE] &&
		tarx_keys_compare_spans(tarx_keys_span(DatumGetTextPP(row->values[LLM_KEY_STATE])),
								tarx_keys_span_of(state)) == 0;
}

/*
 * Fetch the long values of a row that was found, before the snapshot is gone.  TK002 if
 * the key was deleted, TK004 if nobody can have sealed the row.
 */
void
tarx_keys_check_found_key(TarxKeysRow *row, const pg_uuid_t *key_id)
{
	if (tarx_keys_key_has_state(row, TARX_KEYS_STATE_DELETED))
		tarx_keys_fail_key_deleted(key_id);
	if (!tarx_keys_row_detoast(&tarx_keys_llm_keys, row))
		tarx_keys_fail_integrity(key_id);
}

void
tarx_keys_key_set_text(TarxKeysRow *row, int column, text *value)
{
	tarx_keys_row_set(row, column, PointerGetDatum(value));
}

static void
set_time(TarxKeysRow *row, int column, const TarxKeysTime *time)
{
	row->nulls[column] = !time->is_set;
	if (time->is_set)
		tarx_keys_row_set(row, column, TimestampTzGetDatum(time->at));
}

static void
copy_column(TarxKeysRow *to, const TarxKeysRow *from, int column)
{
	to->values[column] = from->values[column];
	to->nulls[column] = from->nulls[column];
}

static void
copy_time_to_come(TarxKeysRow *to, const TarxKeysRow *from, int column)
{
	if (!from->nulls[column] && DatumGetTimestampTz(from->values[column]) > GetCurrentTimestamp())
		copy_column(to, from, column);
}

/*
 * Copy what a row says of how and when the key is used, for a key that takes its
 * place: not its state, nor a time that is over.
 */
void
tarx_keys_key_copy_policy(TarxKeysRow *to, const TarxKeysRow *from)
{
	copy_column(to, from, LLM_KEY_PRIORITY);
	copy_column(to, from, LLM_KEY_ALLOWED_MODELS);
	copy_time_to_come(to, from, LLM_KEY_EXPIRES_AT);
	copy_time_to_come(to, from, LLM_KEY_ROTATE_AFTER);
}

/* Set what the options say of how and when the key is used. */
void
tarx_keys_key_set_policy(TarxKeysRow *row, const TarxKeysKeyOptions *options)
{
	if (tarx_keys_option_given(options, TARX_KEYS_OPTION_ENABLED))
		tarx_keys_key_set_text(row, LLM_KEY_STATE, cstring_to_text(options->enabled ? TARX_KEYS_STATE_ENABLED :
																   TARX_KEYS_STATE_DISABLED));
	if (tarx_keys_option_given(options, TARX_KEYS_OPTION_PRIORITY))
		tarx_keys_row_set(row, LLM_KEY_PRIORITY, Int32GetDatum(options->priority));
	if (tarx_keys_option_given(options, TARX_KEYS_OPTION_EXPIRES_AT))
		set_time(row, LLM_KEY_EXPIRES_AT, &options->expires_at);
	if (tarx_keys_option_given(options, TARX_KEYS_OPTION_ROTATE_AFTER))
		set_time(row, LLM_KEY_ROTATE_AFTER, &options->rotate_after);
	if (tarx_keys_option_given(options, TARX_KEYS_OPTION_ALLOWED_MODELS))
	{
		row->nulls[LLM_KEY_ALLOWED_MODELS] = options->allowed_models == NULL;
		row->values[LLM_KEY_ALLOWED_MODELS] = PointerGetDatum(options->allowed_models);
	}
}

/*
 * Names
 */

/*
 * A name in Unicode's normal form C, so that what looks alike is alike.  Only
 * databases in UTF8 can tell.  A longer one could not become short enough.
 */
static text *
normalize_name(text *name)
{
	if (GetDatabaseEncoding() != PG_UTF8 ||
		VARSIZE_ANY_EXHDR(name) > LONGEST_DECOMPOSED * TARX_KEYS_NAME_MAX_CHARS)
		return name;
	return DatumGetTextPP(DirectFunctionCall2(unicode_normalize_func, PointerGetDatum(name),
											  CStringGetTextDatum("NFC")));
}

/* A key's name as it is to be stored; 22023 for a bad one. */
text *
tarx_keys_key_name(text *given, const char *argument)
{
	TarxKeysText utf8 = tarx_keys_text_utf8(given, argument);
	text	   *stored = normalize_name(given);

	if (tarx_keys_to_utf8(stored, &utf8))
		tarx_keys_check_name(&utf8, argument);
	return stored;
}

/* The name that a key's name collides with, as it may be shown; NULL if there is none */
static char *
colliding_name(const TarxKeysRow *row)
{
	Datum		values[3] = {row->values[LLM_KEY_PROJECT_ID], row->values[LLM_KEY_NAME],
	row->values[LLM_KEY_ID]};
	bool		isnull;

	if (tarx_keys_query_run_latest(&same_name_query, values, NULL) == 0)
		return NULL;
	return text_to_cstring(tarx_keys_shown_text(SPI_getbinval(SPI_tuptable->vals[0],
															  SPI_tuptable->tupdesc, 1, &isnull),
												TARX_KEYS_SHOWN_MAX_BYTES));
}

/* 23505 for a name that another key has; that is NULL if it cannot be looked up */
pg_noreturn static void
fail_name_taken(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 tarx_keys_errarg("name"),
			 name != NULL ?
			 errmsg("the project has an LLM key with the name \"%s\" already", name) :
			 errmsg("an LLM key with this name exists already in the project"),
			 errhint("Choose another name, or delete the key that has it. Upper and lower case of A to Z make no difference.")));
}

/* 23505 for a row whose name another key has */
void
tarx_keys_fail_name_taken(const TarxKeysRow *row)
{
	fail_name_taken(colliding_name(row));
}

/* Write a row that is there.  23505 if another key has got its name meanwhile. */
void
tarx_keys_key_write(const TarxKeysRow *row)
{
	PG_TRY();
	{
		tarx_keys_table_update(&tarx_keys_llm_keys, row);
	}
	PG_CATCH();
	{
		if (geterrcode() != ERRCODE_UNIQUE_VIOLATION)
			PG_RE_THROW();
		FlushErrorState();
		/* after an error nothing can be looked up */
		fail_name_taken(NULL);
	}
	PG_END_TRY();
}

/* Has another key of the project the name of this row? */
bool
tarx_keys_key_name_is_taken(const TarxKeysRow *row)
{
	return colliding_name(row) != NULL;
}
