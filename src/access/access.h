/*
 * access.h
 *	  What the acting user may do, and the one way into every call.
 *
 * Include after postgres.h.
 */
#ifndef TARX_KEYS_ACCESS_H
#define TARX_KEYS_ACCESS_H

#include "identity/identity.h"
#include "records/records.h"

/* membership.c: roles in a project; each may do all that the ones before it may */
typedef enum TarxKeysRole
{
	TARX_KEYS_ROLE_NONE,
	TARX_KEYS_ROLE_MEMBER,
	TARX_KEYS_ROLE_ADMIN
} TarxKeysRole;

extern TarxKeysRole tarx_keys_role_of(const pg_uuid_t *project_id, const char *user_id);
extern TarxKeysRole tarx_keys_stated_role_of(const pg_uuid_t *project_id, const char *user_id);

/* platform_key.c: whether the key that proved the acting user still counts */
extern bool tarx_keys_platform_key_is_over(const TarxKeysRow *key);
extern void tarx_keys_check_platform_key(void);

/* token_end.c: the same for a token, and for either */
extern bool tarx_keys_token_is_over(const char *user_id, const TarxKeysTokenTimes *times);
extern void tarx_keys_check_login(void);

/* act_as.c: makes a user the acting one */
extern const char *tarx_keys_become(const TarxKeysIdentity *identity);
extern void tarx_keys_warn_without_transaction(FunctionCallInfo fcinfo, const char *function);

/*
 * call.c: the way into every call.  TarxKeysCall says what a call is about; the
 * lines in the server log and the counters of uses come from it.  While the call
 * runs, it sets the object as soon as that is known, because a refusal names it.
 */
typedef struct TarxKeysCall
{
	const char *event;			/* the event in its lines in the server log */
	bool		is_login;		/* anybody can cause refusals, so not each has
								 * a line */
	bool		is_change;		/* the audit log records it, so the server log
								 * has a line only if it is refused */
	TarxKeysUsageKind kind;		/* what kind of object is counted */
	Oid			owner;			/* run it with the rights of this role;
								 * InvalidOid for those that it has */
	const char *role;			/* who makes the call, for its lines; set when
								 * it runs */
	const pg_uuid_t *project_id;	/* NULL for none */
	pg_uuid_t	object;
	bool		has_object;
	bool		is_authentic;	/* a login's token is somebody's, also if it
								 * is refused */
	const char *reason;			/* why a login is refused, for its line; or
								 * NULL */
	bool		object_exists;	/* it exists or existed; refusals for other
								 * ids are not counted, because guessed ids
								 * would fill the table of counters */
	const pg_uuid_t *objects;	/* set by a call about several objects when it
								 * has succeeded */
	uint64		nobjects;
} TarxKeysCall;

extern void tarx_keys_call_object(TarxKeysCall *call, const pg_uuid_t *id, bool exists);
extern void tarx_keys_call_leaves_out(const TarxKeysCall *call, const pg_uuid_t *id, int sqlerrcode);
extern void tarx_keys_run_call(TarxKeysCall *call, void (*run) (TarxKeysCall *call, void *arg),
							   void *arg);
extern void tarx_keys_enter_as(const pg_uuid_t *project_id, TarxKeysRole least);
extern void tarx_keys_enter_to_remove(const pg_uuid_t *project_id, TarxKeysRole least);
extern TarxKeysChain tarx_keys_enter_own_keys(bool to_remove);

#endif							/* TARX_KEYS_ACCESS_H */
