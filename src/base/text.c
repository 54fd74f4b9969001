/*
 * text.c
 *	  Arguments of our functions, and their text as UTF-8.
 *
 * Rules and ciphertext are over UTF-8 bytes whatever the database's encoding
 * is, so that a dump can be restored into a database of another encoding.  A
 * SQL_ASCII database is taken to hold UTF-8.
 *
 * Invariant: no error raised here contains any part of the text.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "base/base.h"

PG_FUNCTION_INFO_V1(tarx_keys_require_argument);
PG_FUNCTION_INFO_V1(tarx_keys_require_name);
PG_FUNCTION_INFO_V1(tarx_keys_require_user_id);
PG_FUNCTION_INFO_V1(tarx_keys_shown);

/* beyond all limits, and small enough for any conversion's buffer */
#define ARGUMENT_MAX_BYTES	(1024 * 1024)

/* As long as a base URL can be, and longer than all names */
#define SHOWN_MAX_BYTES		2500

static void
fail_null(const char *argument)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 tarx_keys_errarg(argument),
			 errmsg("%s must not be null", argument),
			 errhint("Pass a value for %s.", argument)));
}

/* what: the argument, or the part of it that has the problem, in words */
static void
fail_text(const char *argument, const char *what, TarxKeysTextProblem problem,
		  const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 tarx_keys_errarg(argument),
			 errmsg("%s %s", what, tarx_keys_text_problem(problem)),
			 errhint("%s", hint)));
}

/* An error if there is a problem. */
static void
check_text(const char *argument, const char *what, TarxKeysTextProblem problem,
		   const char *hint)
{
	if (problem != TARX_KEYS_TEXT_OK)
		fail_text(argument, what, problem, hint);
}

/* A uuid as people write it */
char *
tarx_keys_uuid_text(const pg_uuid_t *id)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id)));
}

/* Bytes as a bytea.  Not for secrets: it copies. */
bytea *
tarx_keys_make_bytea(const uint8 *bytes, size_t len)
{
	bytea	   *result = palloc(VARHDRSZ + len);

	SET_VARSIZE(result, VARHDRSZ + len);
	memcpy(VARDATA(result), bytes, len);
	return result;
}

/* An error if argument n is NULL. */
void
tarx_keys_require_arg(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		fail_null(name);
}

/* Argument n as a uuid; an error if it is NULL. */
const pg_uuid_t *
tarx_keys_arg_uuid(FunctionCallInfo fcinfo, int n, const char *name)
{
	tarx_keys_require_arg(fcinfo, n, name);
	return PG_GETARG_UUID_P(n);
}

/* Argument n as an integer; an error if it is NULL. */
int32
tarx_keys_arg_int32(FunctionCallInfo fcinfo, int n, const char *name)
{
	tarx_keys_require_arg(fcinfo, n, name);
	return PG_GETARG_INT32(n);
}

/* Argument n as text; an error if it is NULL. */
text *
tarx_keys_arg_text(FunctionCallInfo fcinfo, int n, const char *name)
{
	tarx_keys_require_arg(fcinfo, n, name);
	return PG_GETARG_TEXT_PP(n);
}

/*
 * Convert between encodings without ever raising the conversion's own error,
 * which would quote the offending bytes.  data == NULL in the result if some
 * character has no counterpart.
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

/* Data as UTF-8; data == NULL in the result if it cannot be that. */
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
 * A text as UTF-8; false if it cannot be that.  In a UTF-8 database the result
 * points into the text itself.
 */
bool
tarx_keys_to_utf8(text *value, TarxKeysText *result)
{
	*result = as_utf8(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	return result->data != NULL;
}

/*
 * Argument n, which may be a secret, as UTF-8; an error if it is NULL.  Copies
 * that are made on the way are registered secrets; the caller wipes the one
 * that is returned.
 */
TarxKeysText
tarx_keys_arg_utf8(FunctionCallInfo fcinfo, int n, const char *name)
{
	text	   *value = tarx_keys_arg_text(fcinfo, n, name);
	TarxKeysSecret *detoasted = NULL;
	TarxKeysText result;

	if (VARSIZE_ANY_EXHDR(value) > ARGUMENT_MAX_BYTES)
		fail_text(name, name, TARX_KEYS_TEXT_TOO_LONG, "No argument is that long.");
	if ((Pointer) value != PG_GETARG_POINTER(n))
		detoasted = tarx_keys_secret_register(value, VARSIZE_ANY(value));
	if (!tarx_keys_to_utf8(value, &result))
		fail_text(name, name, TARX_KEYS_TEXT_NOT_UTF8, "Use characters that Unicode has.");
	if (result.secret == NULL)
		result.secret = detoasted;
	else
		tarx_keys_secret_wipe(detoasted);
	return result;
}

/* UTF-8 to a text in the database's encoding.  Not for secrets: it copies. */
text *
tarx_keys_from_utf8(const char *data, size_t len)
{
	char	   *converted;

	if (database_holds_utf8())
		return cstring_to_text_with_len(data, (int) len);
	converted = pg_any_to_server(data, (int) len, PG_UTF8);
	return cstring_to_text(converted);
}

/*
 * A stored text as it may be shown, whatever somebody has written there: not too
 * long for any client, and with "?" for bytes that are no character, where the
 * database's encoding does not rule them out.
 */
text *
tarx_keys_shown_text(Datum value)
{
	text	   *start = DatumGetTextPSlice(value, 0, SHOWN_MAX_BYTES);
	int			len = pg_mbcliplen(VARDATA_ANY(start), VARSIZE_ANY_EXHDR(start), SHOWN_MAX_BYTES - 1);
	text	   *shown = cstring_to_text_with_len(VARDATA_ANY(start), len);

	if (GetDatabaseEncoding() != PG_SQL_ASCII ||
		pg_verify_mbstr(PG_UTF8, VARDATA(shown), len, true))
		return shown;
	for (char *at = VARDATA(shown); at < VARDATA(shown) + len; at++)
	{
		if (IS_HIGHBIT_SET(*at))
			*at = '?';
	}
	return shown;
}

/* shown(value text) returns text: the same for SQL */
Datum
tarx_keys_shown(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(tarx_keys_shown_text(PG_GETARG_DATUM(0)));
}

/*
 * A registered secret from UTF-8 to the database's encoding.  Gives back the
 * same or another one; what is not given back is wiped.
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
				 errhint("Resolve it in a database with the encoding UTF8.")));
	return converted;
}

/* Refuse a name that is empty, over 100 characters, or could mislead a reader. */
void
tarx_keys_check_name(const TarxKeysText *name, const char *argument)
{
	TarxKeysTextProblem problem = tarx_keys_check_name_text(name->data, name->len);

	check_text(argument, argument, problem,
			   "A name has 1 to 100 characters, without control, invisible or direction-changing characters and without white space at its ends.");
}

void
tarx_keys_check_user_id(const TarxKeysText *user_id)
{
	TarxKeysTextProblem problem = tarx_keys_check_user_id_text(user_id->data, user_id->len);

	check_text("user_id", "user_id", problem,
			   "A user id has 1 to 200 characters, without control characters.");
}

void
tarx_keys_check_value(const TarxKeysText *value, const char *argument, const char *what)
{
	TarxKeysTextProblem problem = tarx_keys_check_value_text(value->data, value->len);

	check_text(argument, what, problem,
			   "A key value has 4 to 8192 bytes, without control, invisible or direction-changing characters and without white space at its ends.");
}

/* Refuse a secret's name that could not be an environment variable's. */
void
tarx_keys_check_secret_name(const TarxKeysText *name, const char *argument,
							const char *what)
{
	TarxKeysTextProblem problem = tarx_keys_check_secret_name_text(name->data, name->len);

	check_text(argument, what, problem,
			   "A secret's name has 1 to 128 of the characters A-Z, a-z, 0-9 and _, with no digit first.");
}

void
tarx_keys_check_secret_value(const TarxKeysText *value, const char *argument,
							 const char *what)
{
	TarxKeysTextProblem problem = tarx_keys_check_secret_value_text(value->data, value->len);

	check_text(argument, what, problem, "A secret has 1 to 65536 bytes of text.");
}

void
tarx_keys_check_description(const TarxKeysText *description, const char *argument)
{
	TarxKeysTextProblem problem = tarx_keys_check_description_text(description->data,
																   description->len);

	check_text(argument, argument, problem,
			   "A description has at most 1000 characters, without control characters other than tabs and line ends and without invisible or direction-changing ones.");
}

/* require_argument(name text, value anyelement): an error if value is NULL */
Datum
tarx_keys_require_argument(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(1))
		fail_null(text_to_cstring(tarx_keys_arg_text(fcinfo, 0, "name")));
	PG_RETURN_VOID();
}

/* require_name(argument text, name text): an error unless name is a valid name */
Datum
tarx_keys_require_name(PG_FUNCTION_ARGS)
{
	char	   *argument = text_to_cstring(tarx_keys_arg_text(fcinfo, 0, "argument"));
	TarxKeysText name = tarx_keys_arg_utf8(fcinfo, 1, argument);

	tarx_keys_check_name(&name, argument);
	PG_RETURN_VOID();
}

/* require_user_id(user_id text): an error unless it is a valid user id */
Datum
tarx_keys_require_user_id(PG_FUNCTION_ARGS)
{
	TarxKeysText user_id = tarx_keys_arg_utf8(fcinfo, 0, "user_id");

	tarx_keys_check_user_id(&user_id);
	PG_RETURN_VOID();
}
