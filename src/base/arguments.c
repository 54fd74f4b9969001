/*
 * arguments.c
 *	  Arguments of our functions, and what is refused of them.
 *
 * Invariant: no error raised here contains any part of an argument.
 */
#include "postgres.h"
#include "base/compat.h"

#include "utils/builtins.h"

#include "base/base.h"

PG_FUNCTION_INFO_V1(tarx_keys_require_argument);
PG_FUNCTION_INFO_V1(tarx_keys_require_name);
PG_FUNCTION_INFO_V1(tarx_keys_require_user_id);

/* beyond all limits, and small enough for any conversion's buffer */
#define ARGUMENT_MAX_BYTES	(1024 * 1024)

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

/* Refuse a name that is empty, over 100 characters, or could mislead a reader. */
void
tarx_keys_check_name(const TarxKeysText *name, const char *argument)
{
	TarxKeysTextProblem problem = tarx_keys_check_name_text(name->data, name->len);

	check_text(argument, argument, problem,
			   "A name has 1 to 100 characters, without control, invisible or direction-changing characters and without white space at its ends.");
}

void
tarx_keys_check_user_id(const TarxKeysText *user_id, const char *argument)
{
	TarxKeysTextProblem problem = tarx_keys_check_user_id_text(user_id->data, user_id->len);

	check_text(argument, argument, problem,
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

/* require_user_id(argument text, user_id text): an error unless user_id is a valid user id */
Datum
tarx_keys_require_user_id(PG_FUNCTION_ARGS)
{
	char	   *argument = text_to_cstring(tarx_keys_arg_text(fcinfo, 0, "argument"));
	TarxKeysText user_id = tarx_keys_arg_utf8(fcinfo, 1, argument);

	tarx_keys_check_user_id(&user_id, argument);
	PG_RETURN_VOID();
}
