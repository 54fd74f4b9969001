/*
 * arguments.c
 *	  The arguments of our functions, and the rules for them.
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

/* Above all limits, and small enough for the buffer of any conversion */
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

/* what names the argument, or the part of it that has the problem, in words. */
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

/* Raise an error if there is a problem. */
static void
check_text(const char *argument, const char *what, TarxKeysTextProblem problem,
		   const char *hint)
{
	if (problem == TARX_KEYS_TEXT_TOKEN)
		hint = "Others see this text. Revoke the platform key if it is yours.";
	if (problem == TARX_KEYS_TEXT_TICKET)
		hint = "Others see this text. Revoke the agent's tickets by tarx_keys.revoke_run_tickets().";
	if (problem != TARX_KEYS_TEXT_OK)
		fail_text(argument, what, problem, hint);
}

/* Raise an error if a platform key or a run ticket is in a text that others see. */
void
tarx_keys_check_no_token(const TarxKeysText *value, const char *argument)
{
	check_text(argument, argument, tarx_keys_check_token_text(value->data, value->len), NULL);
}

/* Raise an error if argument n, counted from 0, is NULL. */
void
tarx_keys_require_arg(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		fail_null(name);
}

/* Argument n as a uuid; raises an error if it is NULL. */
const pg_uuid_t *
tarx_keys_arg_uuid(FunctionCallInfo fcinfo, int n, const char *name)
{
	tarx_keys_require_arg(fcinfo, n, name);
	return PG_GETARG_UUID_P(n);
}

/* Argument n as an integer; raises an error if it is NULL. */
int32
tarx_keys_arg_int32(FunctionCallInfo fcinfo, int n, const char *name)
{
	tarx_keys_require_arg(fcinfo, n, name);
	return PG_GETARG_INT32(n);
}

/* Argument n as text; raises an error if it is NULL. */
text *
tarx_keys_arg_text(FunctionCallInfo fcinfo, int n, const char *name)
{
	tarx_keys_require_arg(fcinfo, n, name);
	return PG_GETARG_TEXT_PP(n);
}

/*
 * An argument, or a part of one, in UTF-8; raises an error if it is too long, or
 * cannot be UTF-8.  A copy that this makes is a registered secret.
 */
TarxKeysText
tarx_keys_text_utf8(text *value, const char *name)
{
	TarxKeysText result;

	if (VARSIZE_ANY_EXHDR(value) > ARGUMENT_MAX_BYTES)
		fail_text(name, name, TARX_KEYS_TEXT_TOO_LONG, "No argument is that long.");
	if (!tarx_keys_to_utf8(value, &result))
		fail_text(name, name, TARX_KEYS_TEXT_NOT_UTF8, "Use characters that Unicode has.");
	return result;
}

/*
 * Argument n, which may be a secret, in UTF-8; raises an error if it is NULL, too
 * long, or cannot be UTF-8.  All copies that this makes are registered secrets.
 * The caller wipes the one that is returned.
 */
TarxKeysText
tarx_keys_arg_utf8(FunctionCallInfo fcinfo, int n, const char *name)
{
	text	   *value = tarx_keys_arg_text(fcinfo, n, name);
	TarxKeysSecret *detoasted = NULL;
	TarxKeysText result;

	if ((Pointer) value != PG_GETARG_POINTER(n))
		detoasted = tarx_keys_secret_register(value, VARSIZE_ANY(value));
	result = tarx_keys_text_utf8(value, name);
	if (result.secret == NULL)
		result.secret = detoasted;
	else
		tarx_keys_secret_wipe(detoasted);
	return result;
}

/*
 * Raise an error for a name that is empty, has more than 100 characters, or could
 * mislead a reader.
 */
void
tarx_keys_check_name(const TarxKeysText *name, const char *argument)
{
	TarxKeysTextProblem problem = tarx_keys_check_name_text(name->data, name->len);

	check_text(argument, argument, problem,
			   "A name has 1 to 100 characters, without control, invisible or direction-changing characters and without white space at its ends.");
}

/* Raise an error for a user id that breaks the rules. */
void
tarx_keys_check_user_id(const TarxKeysText *user_id, const char *argument)
{
	TarxKeysTextProblem problem = tarx_keys_check_user_id_text(user_id->data, user_id->len);

	check_text(argument, argument, problem,
			   "A user id has 1 to 200 characters, without control characters.");
}

/* Refuse what no LLM key looks like; what: the argument in words. */
void
tarx_keys_check_key_value(const TarxKeysText *value, const char *argument, const char *what)
{
	TarxKeysSpan span = {value->data, value->len};
	size_t		position;
	TarxKeysKeyProblem problem = tarx_keys_check_key(span, &position);

	if (problem == TARX_KEYS_KEY_OK)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 tarx_keys_errarg(argument),
			 position > 0 ?
			 errmsg("%s %s %zu", what, tarx_keys_key_problem(problem), position) :
			 errmsg("%s %s", what, tarx_keys_key_problem(problem)),
			 errhint("%s", tarx_keys_key_advice(problem))));
}

/* Raise an error for a secret's name that no environment variable could have. */
void
tarx_keys_check_secret_name(const TarxKeysText *name, const char *argument,
							const char *what)
{
	TarxKeysTextProblem problem = tarx_keys_check_secret_name_text(name->data, name->len);

	check_text(argument, what, problem,
			   "A secret's name has 1 to 128 of the characters A-Z, a-z, 0-9 and _, with no digit first.");
}

/* Raise an error for a secret that breaks the rules. */
void
tarx_keys_check_secret_value(const TarxKeysText *value, const char *argument,
							 const char *what)
{
	TarxKeysTextProblem problem = tarx_keys_check_secret_value_text(value->data, value->len);

	check_text(argument, what, problem, "A secret has 1 to 65536 bytes of text.");
}

/* Raise an error for a description that breaks the rules. */
void
tarx_keys_check_description(const TarxKeysText *description, const char *argument)
{
	TarxKeysTextProblem problem = tarx_keys_check_description_text(description->data,
																   description->len);

	check_text(argument, argument, problem,
			   "A description has at most 1000 characters, without control characters other than tabs and line ends and without invisible or direction-changing ones.");
}

/* require_argument(name text, value anyelement) raises an error if value is NULL. */
Datum
tarx_keys_require_argument(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(1))
		fail_null(text_to_cstring(tarx_keys_arg_text(fcinfo, 0, "name")));
	PG_RETURN_VOID();
}

/* require_name(argument text, name text) raises an error unless name is valid. */
Datum
tarx_keys_require_name(PG_FUNCTION_ARGS)
{
	char	   *argument = text_to_cstring(tarx_keys_arg_text(fcinfo, 0, "argument"));
	TarxKeysText name = tarx_keys_arg_utf8(fcinfo, 1, argument);

	tarx_keys_check_name(&name, argument);
	PG_RETURN_VOID();
}

/* require_user_id(argument text, user_id text) raises an error unless user_id is valid. */
Datum
tarx_keys_require_user_id(PG_FUNCTION_ARGS)
{
	char	   *argument = text_to_cstring(tarx_keys_arg_text(fcinfo, 0, "argument"));
	TarxKeysText user_id = tarx_keys_arg_utf8(fcinfo, 1, argument);

	tarx_keys_check_user_id(&user_id, argument);
	PG_RETURN_VOID();
}
