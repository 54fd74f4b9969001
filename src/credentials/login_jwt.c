/*
 * login_jwt.c
 *	  login_jwt(): a token of a trusted issuer makes its user the acting one.
 *
 * Whatever is wrong with a token, the error is the same; the line in the server log
 * has the reason.  It writes to no table, so it runs on a standby.
 */
#include "postgres.h"
#include "base/compat.h"

#include "utils/builtins.h"

#include "credentials/credentials.h"
#include "jwt/jwt.h"

PG_FUNCTION_INFO_V1(tarx_keys_login_jwt);

/* A login's arguments and result */
typedef struct Login
{
	FunctionCallInfo fcinfo;
	Datum		row;
} Login;

pg_noreturn static void
fail_login(TarxKeysCall *call, TarxKeysJwtProblem problem)
{
	call->reason = tarx_keys_jwt_problem(problem);
	ereport(ERROR,
			(errcode(ERRCODE_TK_LOGIN_FAILED),
			 errmsg(TARX_KEYS_LOGIN_FAILED),
			 errhidestmt(true), /* it may have most of a token */
			 errhint("The token is wrong, expired, or not one that this database trusts. The server log has the reason; get a new token from its issuer.")));
}

/* The token's user and times; the login fails unless all is well with it. */
static void
check_token(TarxKeysCall *call, text *argument, TarxKeysJwtUser *token)
{
	TarxKeysJwtProblem problem = tarx_keys_token_check(argument, token);

	call->is_authentic = token->is_authentic;
	if (problem != TARX_KEYS_JWT_OK)
		fail_login(call, problem);
}

static void
log_in(TarxKeysCall *call, void *arg)
{
	Login	   *login = arg;
	FunctionCallInfo fcinfo = login->fcinfo;
	TarxKeysIdentity identity = {.proven = true, .allowed_projects = "", .expires_at = "", .platform_key = ""};
	TarxKeysTokenTimes times;
	TarxKeysJwtUser token;

	tarx_keys_log_left_out(false);
	check_token(call, tarx_keys_arg_text(fcinfo, 0, "token"), &token);
	times = (TarxKeysTokenTimes) {token.expires_at, token.issued_after};
	if (tarx_keys_token_is_over(token.user_id, &times))
		fail_login(call, TARX_KEYS_JWT_EXPIRED);

	tarx_keys_warn_without_transaction(fcinfo, "tarx_keys.login_jwt()");
	identity.user_id = token.user_id;
	identity.token = &times;
	identity.project_id = call->project_id;
	login->row = tarx_keys_form_login(fcinfo, identity.user_id, tarx_keys_become(&identity));
}

/*
 * login_jwt(token text, project_id uuid) returns (user_id text, role text): see
 * sql/62_jwt.sql
 */
Datum
tarx_keys_login_jwt(PG_FUNCTION_ARGS)
{
	TarxKeysCall call = {.event = "login_jwt", .is_login = true, .kind = TARX_KEYS_USAGE_PLATFORM_KEY};
	Login		login = {.fcinfo = fcinfo};

	tarx_keys_redaction_mark(TARX_KEYS_SENSITIVE_login_jwt);
	if (!PG_ARGISNULL(1))
		call.project_id = PG_GETARG_UUID_P(1);
	tarx_keys_run_call(&call, log_in, &login);
	PG_RETURN_DATUM(login.row);
}
