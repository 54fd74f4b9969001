/*
 * text.c
 *	  Converts texts to UTF-8, which rules and ciphertext need, and back.
 *
 * The rules check UTF-8, and UTF-8 is what we encrypt, in a database of any
 * encoding.  So a dump can be restored into a database of another encoding.  A
 * SQL_ASCII database is expected to hold UTF-8.
 *
 * Invariant: no error raised here contains any part of the text.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/detoast.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/base.h"

PG_FUNCTION_INFO_V1(tarx_keys_shown);

/* A uuid as people write it, in the current memory context */
char *
tarx_keys_uuid_text(const pg_uuid_t *id)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id)));
}

/* Bytes as a bytea.  Not for secrets, because nobody wipes this copy. */
bytea *
tarx_keys_make_bytea(const uint8 *bytes, size_t len)
{
	bytea	   *result = palloc(VARHDRSZ + len);

	SET_VARSIZE(result, VARHDRSZ + len);
	memcpy(VARDATA(result), bytes, len);
	return result;
}

/*
 * Convert between encodings.  The conversion's own error would quote the bytes
 * that it cannot convert, so this never raises it: if a character has no
 * counterpart, data is NULL in the result.
 */
static TarxKeysText
convert(const char *data, size_t len, int from, int to)
{
	TarxKeysText result;
	Oid			proc = FindDefaultConversionProc(from, to);
	int			size = (int) len * MAX_CONVERSION_GROWTH + 1;
	int			done;

	if (!OidIsValid(proc))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("there is no conversion between the database's encoding and UTF-8")));
	result.data = palloc(size);
	result.secret = tarx_keys_secret_register(result.data, size);
	done = pg_do_encoding_conversion_buf(proc, from, to,
										 (unsigned char *) unconstify(char *, data),
										 (int) len, (unsigned char *) result.data,
										 size, true);
	result.len = strlen(result.data);
	if (done != (int) len)
		result.data = NULL;
	return result;
}

static bool
database_holds_utf8(void)
{
	return GetDatabaseEncoding() == PG_UTF8 || GetDatabaseEncoding() == PG_SQL_ASCII;
}

/* Data in UTF-8; data is NULL in the result if that is not possible. */
static TarxKeysText
as_utf8(char *data, size_t len)
{
	TarxKeysText result = {data, len, NULL};

	if (!database_holds_utf8())
		return convert(data, len, GetDatabaseEncoding(), PG_UTF8);
	if (!pg_verify_mbstr(PG_UTF8, data, (int) len, true))
		result.data = NULL;
	return result;
}

/*
 * Convert a text to UTF-8; returns false if that is not possible.  In a UTF-8
 * database the result points into the text itself; otherwise it is a registered
 * secret.
 */
bool
tarx_keys_to_utf8(text *value, TarxKeysText *result)
{
	*result = as_utf8(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	return result->data != NULL;
}

/*
 * UTF-8 as a text in the database's encoding.  Not for secrets, because nobody
 * wipes this copy.
 */
text *
tarx_keys_from_utf8(const char *data, size_t len)
{
	char	   *converted;

	if (database_holds_utf8())
		return cstring_to_text_with_len(data, (int) len);
	converted = pg_any_to_server(data, (int) len, PG_UTF8);
	return cstring_to_text(converted);
}

/* A stored text, or as much of its beginning as fits max bytes; no more is fetched. */
static text *
clipped(Datum value, int max)
{
	int			encoding = database_holds_utf8() ? PG_UTF8 : GetDatabaseEncoding();
	text	   *start;
	int			size;

	if (toast_raw_datum_size(value) <= (Size) VARHDRSZ + max)
		return DatumGetTextPP(value);
	start = DatumGetTextPSlice(value, 0, max + 1);
	size = VARSIZE_ANY_EXHDR(start);
	return cstring_to_text_with_len(VARDATA_ANY(start),
									Min(size, pg_encoding_mbcliplen(encoding, VARDATA_ANY(start),
																	size, max)));
}

/* Has Unicode all of the text?  In a UTF-8 database it has. */
static bool
is_unicode(text *value)
{
	TarxKeysText utf8;

	if (GetDatabaseEncoding() == PG_UTF8)
		return true;
	if (!tarx_keys_to_utf8(value, &utf8))
		return false;
	tarx_keys_secret_wipe(utf8.secret);
	return true;
}

/* Put "?" in place of each byte that is not ASCII. */
static void
blank_others(text *value)
{
	for (char *at = VARDATA(value); at < (char *) value + VARSIZE(value); at++)
	{
		if (IS_HIGHBIT_SET(*at))
			*at = '?';
	}
}

/*
 * A text that did not come through the database, as the path of a file, as it may be
 * shown: with such a "?" if it is none in the database's encoding
 */
text *
tarx_keys_foreign_text(const char *value)
{
	text	   *shown = cstring_to_text(value);
	TarxKeysText utf8;

	if (!tarx_keys_to_utf8(shown, &utf8))
		blank_others(shown);
	tarx_keys_secret_wipe(utf8.secret);
	return shown;
}

/*
 * A stored text as it may be shown, whatever somebody has written there.  It has
 * at most so many bytes, and if it has anything that Unicode lacks, it has "?" for
 * each byte that is not ASCII.
 */
text *
tarx_keys_shown_text(Datum value, int max)
{
	text	   *shown = clipped(value, max);

	if (is_unicode(shown))
		return shown;
	shown = cstring_to_text_with_len(VARDATA_ANY(shown), VARSIZE_ANY_EXHDR(shown));
	blank_others(shown);
	return shown;
}

/* shown(value text) returns text: tarx_keys_shown_text() for SQL */
Datum
tarx_keys_shown(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(tarx_keys_shown_text(PG_GETARG_DATUM(0), TARX_KEYS_SHOWN_MAX_BYTES));
}

/*
 * The first elements of a text[], as many as a list of ours has, as they may be shown;
 * NULL if there are none
 */
ArrayType *
tarx_keys_shown_texts(Datum list)
{
	ArrayIterator iterator = array_create_iterator(DatumGetArrayTypeP(list), 0, NULL);
	Datum		elements[TARX_KEYS_SHOWN_MAX_TEXTS];
	bool		nulls[TARX_KEYS_SHOWN_MAX_TEXTS];
	int			first = 1;
	int			count = 0;

	while (count < TARX_KEYS_SHOWN_MAX_TEXTS && array_iterate(iterator, &elements[count], &nulls[count]))
	{
		if (!nulls[count])
			elements[count] = PointerGetDatum(tarx_keys_shown_text(elements[count], TARX_KEYS_SHOWN_MAX_BYTES));
		count++;
	}
	array_free_iterator(iterator);
	if (count == 0)
		return NULL;
	return construct_md_array(elements, nulls, 1, &count, &first, TEXTOID, -1, false, TYPALIGN_INT);
}

/*
 * Convert a registered secret from UTF-8 to the database's encoding.  Returns the
 * same secret or a new one; in the second case the given one is wiped.  Raises an
 * error if the encoding lacks a character.
 */
TarxKeysText
tarx_keys_secret_from_utf8(TarxKeysText secret)
{
	TarxKeysText converted;

	if (database_holds_utf8())
		return secret;
	converted = convert(secret.data, secret.len, PG_UTF8, GetDatabaseEncoding());
	tarx_keys_secret_wipe(secret.secret);
	if (converted.data == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
				 errmsg("the value has characters that the database's encoding lacks"),
				 errhint("Use a database with the encoding UTF8.")));
	return converted;
}
