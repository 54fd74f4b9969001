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

/* roles.c: roles in a project; each may do all that the ones before it may */
typedef enum TarxKeysRole
{
	TARX_KEYS_ROLE_NONE,
	TARX_KEYS_ROLE_VIEWER,
	TARX_KEYS_ROLE_MEMBER,
	TARX_KEYS_ROLE_KEY_MANAGER,
	TARX_KEYS_ROLE_ADMIN
} TarxKeysRole;

extern TarxKeysRole tarx_keys_role_named(const char *name);
extern const char *tarx_keys_role_name(TarxKeysRole role);
pg_noreturn extern void tarx_keys_deny_lesser_role(const pg_uuid_t *project_id, TarxKeysRole least);

/* projects.c */
extern bool tarx_keys_project_has_ended(const pg_uuid_t *project_id);
extern bool tarx_keys_project_is_alive(const pg_uuid_t *project_id);

/* membership.c: who has which role */
extern TarxKeysRole tarx_keys_role_of(const pg_uuid_t *project_id, const char *user_id);
extern TarxKeysRole tarx_keys_stated_role_of(const pg_uuid_t *project_id, const char *user_id);

/*
 * membership_relation.c: the application's own relation, if it says who is a member.
 * Service accounts are members in our table all the same.
 */
typedef struct TarxKeysMembershipRelation
{
	Oid			id;
	Oid			owner;
	Oid			user_type;		/* of user_id, or of the domain's values */
	const char *name;			/* quoted, for queries and people */
	const char *problem;		/* NULL for none */
} TarxKeysMembershipRelation;

extern bool tarx_keys_members_are_elsewhere(void);
extern TarxKeysMembershipRelation tarx_keys_membership_relation(void);
extern TarxKeysMembershipRelation tarx_keys_good_membership_relation(void);
extern void tarx_keys_begin_as_relation_owner(TarxKeysAsOwner *as_owner, Oid owner);
extern void tarx_keys_end_as_relation_owner(const TarxKeysAsOwner *as_owner);

/* membership_lookup.c: who is a member by that relation */
extern TarxKeysRole tarx_keys_role_elsewhere(const pg_uuid_t *project_id, const char *user_id);
extern uint64 tarx_keys_projects_elsewhere(const char *user_id, Datum **ids);
extern void tarx_keys_explain_memberships(const TarxKeysMembershipRelation *relation, char **of_role,
										  char **of_projects);
extern void tarx_keys_require_created_project(const pg_uuid_t *project_id);

/*
 * visibility.c: which projects the acting user may see.  Belongings are what a function
 * keeps from row to row, for as long as the query sees the same.
 */
typedef struct TarxKeysBelongings
{
	MemoryContext context;
	void	   *data;			/* NULL before the first row */
} TarxKeysBelongings;

extern bool tarx_keys_project_is_visible(FunctionCallInfo fcinfo, const pg_uuid_t *project_id,
										 TarxKeysBelongings **belongings);
extern text *tarx_keys_kept_acting_user(FunctionCallInfo fcinfo, TarxKeysBelongings **belongings);

/* service_account.c: the users that projects have for their programs */
extern bool tarx_keys_is_service_account(const char *user_id);
extern void tarx_keys_check_person(const TarxKeysText *user_id, const char *argument);

/* platform_key.c: whether the key that proved the acting user still counts */
extern bool tarx_keys_platform_key_is_over(const TarxKeysRow *key);
extern bool tarx_keys_platform_key_counts(const pg_uuid_t *id, const uint8 *hash);
extern void tarx_keys_check_platform_key(void);

/* token_end.c: the same for a token, and for either */
extern bool tarx_keys_user_has_ended_since(const char *user_id, TimestampTz since);
extern bool tarx_keys_token_is_over(const char *user_id, const TarxKeysTokenTimes *times);
extern void tarx_keys_check_login(void);

/* run.c: whether the run that was entered, or a ticket, still counts */
extern bool tarx_keys_project_epoch(const pg_uuid_t *project_id, pg_uuid_t *epoch);
extern bool tarx_keys_agent_epoch(const pg_uuid_t *project_id, const pg_uuid_t *agent_id, pg_uuid_t *epoch);
extern void tarx_keys_check_ticket(const TarxKeysRunTicket *ticket, Oid owner);
pg_noreturn extern void tarx_keys_fail_ticket(void);
pg_noreturn extern void tarx_keys_deny_run(const char *what);

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
	FunctionCallInfo resolves;	/* of a function that resolves: only in a run,
								 * if tickets are required; NULL for others */
	const TarxKeysRunTicket *run;	/* the run that it is part of; set when it
									 * runs; NULL if it is part of none */
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

extern const TarxKeysRunTicket *tarx_keys_run_of_call(const TarxKeysCall *call);
extern void tarx_keys_call_object(TarxKeysCall *call, const pg_uuid_t *id, bool exists);
extern void tarx_keys_call_leaves_out(const TarxKeysCall *call, const pg_uuid_t *id, int sqlerrcode);
extern void tarx_keys_run_call(TarxKeysCall *call, void (*run) (TarxKeysCall *call, void *arg),
							   void *arg);
extern void tarx_keys_require_role(const pg_uuid_t *project_id, TarxKeysRole least);
extern void tarx_keys_enter_as(const pg_uuid_t *project_id, TarxKeysRole least);
extern void tarx_keys_enter_to_remove(const pg_uuid_t *project_id, TarxKeysRole least);
extern TarxKeysChain tarx_keys_lock_own_chain(bool to_remove);
extern TarxKeysChain tarx_keys_enter_own_keys(bool to_remove);

#endif							/* TARX_KEYS_ACCESS_H */
