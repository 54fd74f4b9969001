/*
 * token_end.c
 *	  Whether the token that proved the acting user still counts.
 *
 * A token cannot be taken back.  So it lasts until its exp, inside a transaction too.
 * And end_user() leaves the time when it ended somebody: what was issued before that, a
 * token or a run ticket, counts no more, at each call from then on.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "access/access.h"

static TarxKeysQuery ended_query = {
	.sql = "SELECT 1 FROM tarx_keys_internal.ended_users e"
	" WHERE e.user_id OPERATOR(pg_catalog.=) $1 AND e.ended_at OPERATOR(pg_catalog.>) $2 LIMIT 1",
	.nargs = 2, .argtypes = {TEXTOID, TIMESTAMPTZOID}
};

/* Has end_user() ended the user later than at this time? */
bool
tarx_keys_user_has_ended_since(const char *user_id, TimestampTz since)
{
	Datum		values[2] = {CStringGetTextDatum(user_id), TimestampTzGetDatum(since)};

	return tarx_keys_finds_as_owner(&tarx_keys_platform_keys, &ended_query, values);
}

/*
 * Has a token of the user, which was issued after this time for sure, ended by now, or
 * did the user end later than that?
 */
bool
tarx_keys_token_is_over(const char *user_id, const TarxKeysTokenTimes *times)
{
	return times->expires_at <= GetCurrentTimestamp() ||
		tarx_keys_user_has_ended_since(user_id, times->issued_after);
}

static void
check_token(void)
{
	TarxKeysTokenTimes times;

	if (tarx_keys_identity_token(&times) &&
		tarx_keys_token_is_over(tarx_keys_acting_user(), &times))
		ereport(ERROR,
				(errcode(ERRCODE_TK_LOGIN_FAILED),
				 errmsg("the login has ended"),
				 errhint("The token has expired, or its user was ended in the meantime. Log in with another one, in a new transaction.")));
}

/*
 * TK010 unless what has proven the acting user, a platform key or a token, counts by
 * now.  Nothing if act_as() named the user, or if there is none.
 */
void
tarx_keys_check_login(void)
{
	tarx_keys_check_platform_key();
	check_token();
}
