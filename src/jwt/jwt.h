/*
 * jwt.h
 *	  Who is trusted to say who a user is, and whether a token does.
 *
 * Include after postgres.h.
 */
#ifndef TARX_KEYS_JWT_FOLDER_H
#define TARX_KEYS_JWT_FOLDER_H

#include "base/base.h"

/* issuers_file.c: the file that names the issuers */
extern void tarx_keys_issuers_init(void);
extern void tarx_keys_issuers_load(void);

/* token.c: what a token says, if it may be believed */
typedef struct TarxKeysJwtUser
{
	bool		is_authentic;	/* one of the issuers has signed it; also set
								 * if something else is wrong with it */
	char	   *user_id;		/* in the database's encoding */
	TimestampTz expires_at;
	TimestampTz issued_after;	/* it was, however far the issuer's clock is
								 * ahead */
} TarxKeysJwtUser;

extern TarxKeysJwtProblem tarx_keys_token_check(const text *token, TarxKeysJwtUser *result);

#endif							/* TARX_KEYS_JWT_FOLDER_H */
