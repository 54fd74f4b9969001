/*
 * identity.h
 *	  Who acts in this transaction, and in which project.
 *
 * Include after postgres.h.
 */
#ifndef TARX_KEYS_IDENTITY_H
#define TARX_KEYS_IDENTITY_H

#include "base/base.h"

/* Of a token that proved a user */
typedef struct TarxKeysTokenTimes
{
	TimestampTz expires_at;
	TimestampTz issued_after;	/* it was for sure, whatever the issuer's
								 * clock */
} TarxKeysTokenTimes;

typedef struct TarxKeysIdentity
{
	const char *user_id;
	const pg_uuid_t *project_id;	/* the active project, or NULL */
	bool		proven;			/* login() or login_jwt() proved the user;
								 * otherwise act_as() asserted it */
	bool		read_only;		/* the platform key may only list */
	const char *allowed_projects;	/* a uuid[] as text, or '' for all */
	const char *expires_at;		/* a TimestampTz as a number, or '' for never */
	const char *platform_key;	/* of identity_key_text(), or '' if none
								 * proved the user */
	const TarxKeysTokenTimes *token;	/* of the token that proved the user,
										 * or NULL */
} TarxKeysIdentity;

extern void tarx_keys_identity_init(void);
extern void tarx_keys_set_identity(const TarxKeysIdentity *identity);
extern void tarx_keys_assume_user(const char *user_id);
extern void tarx_keys_set_active_project(const pg_uuid_t *project_id);
extern uint64 tarx_keys_identity_count(void);

extern char *tarx_keys_acting_user(void);
extern const char *tarx_keys_acting_user_or_null(void);
extern bool tarx_keys_identity_is_proven(void);
extern bool tarx_keys_identity_is_narrowed(void);
extern bool tarx_keys_identity_expires(TimestampTz *when);
extern bool tarx_keys_identity_platform_key(pg_uuid_t *id, uint8 hash[TARX_KEYS_HASH_BYTES]);
extern bool tarx_keys_identity_token(TarxKeysTokenTimes *times);
extern char *tarx_keys_identity_key_text(const pg_uuid_t *id, const bytea *hash);
extern bool tarx_keys_identity_admits(const pg_uuid_t *project_id);
extern bool tarx_keys_allowed_projects(Datum *projects);
extern const pg_uuid_t *tarx_keys_active_project(void);
extern void tarx_keys_require_manager(void);

extern const uint8 *tarx_keys_entered_run(size_t *len);
extern void tarx_keys_check_no_run(void);
extern void tarx_keys_set_run(const uint8 *bytes, size_t len);

extern void tarx_keys_check_project(const pg_uuid_t *project_id);
extern void tarx_keys_enter_project(const pg_uuid_t *project_id);
extern void tarx_keys_enter_maintenance_mode(void);

/* owner.c: runs something with the rights of the extension's owner */
typedef struct TarxKeysAsOwner
{
	Oid			user_id;		/* who it was before */
	int			security_context;
	int			guc_level;
} TarxKeysAsOwner;

extern Oid	tarx_keys_owner_of_function(FunctionCallInfo fcinfo);
extern void tarx_keys_begin_as(TarxKeysAsOwner *as_owner, Oid role, int security_context);
extern void tarx_keys_begin_as_owner(TarxKeysAsOwner *as_owner, Oid owner);
extern void tarx_keys_end_as_owner(const TarxKeysAsOwner *as_owner);

#endif							/* TARX_KEYS_IDENTITY_H */
