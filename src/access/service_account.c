/*
 * service_account.c
 *	  Which users are service accounts.
 *
 * A service account is a user that one project has for its programs.  Its id begins
 * with a prefix that no user of the application may have.  It acts by nothing but its
 * platform keys: no service can assert that it acts, and no issuer of tokens can name
 * it.
 */
#include "postgres.h"
#include "base/compat.h"

#include "utils/builtins.h"

#include "access/access.h"

PG_FUNCTION_INFO_V1(tarx_keys_require_person);

bool
tarx_keys_is_service_account(const char *user_id)
{
	return tarx_keys_is_service_account_id(user_id, strlen(user_id));
}

/* 22023 for a user id that is not valid, or a service account's */
void
tarx_keys_check_person(const TarxKeysText *user_id, const char *argument)
{
	tarx_keys_check_user_id(user_id, argument);
	if (tarx_keys_is_service_account_id(user_id->data, user_id->len))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg(argument),
				 errmsg("%s is that of a service account", argument),
				 errhint("A service account comes in by tarx_keys.login(). Admins make one by tarx_keys.create_service_account(), and end it by tarx_keys.delete_service_account().")));
}

/* require_person(argument text, user_id text): see sql/15_access.sql */
Datum
tarx_keys_require_person(PG_FUNCTION_ARGS)
{
	char	   *argument = text_to_cstring(tarx_keys_arg_text(fcinfo, 0, "argument"));
	TarxKeysText user_id = tarx_keys_arg_utf8(fcinfo, 1, argument);

	tarx_keys_check_person(&user_id, argument);
	PG_RETURN_VOID();
}
