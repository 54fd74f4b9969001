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

/* membership.c: roles in projects; each may do what those before it may */
typedef enum TarxKeysRole
{
	TARX_KEYS_ROLE_NONE,
	TARX_KEYS_ROLE_MEMBER,
	TARX_KEYS_ROLE_ADMIN
} TarxKeysRole;

extern TarxKeysRole tarx_keys_role_of(const pg_uuid_t *project_id, const char *user_id);

/* act_as.c: makes a user the acting one */
extern const char *tarx_keys_become(const TarxKeysIdentity *identity);
extern void tarx_keys_warn_without_transaction(const char *function);

/*
 * call.c: the way into every call.  What a call is about, for the lines in the
 * server log and the counters of uses.  Whoever runs it keeps the object up to
 * date as far as it is known, so that a refusal names the right one.
 */
typedef struct TarxKeysCall
{
	const char *event;			/* of its lines in the server log */
	bool		is_change;		/* the audit log has what was done, so there
								 * is a line only for who was refused */
	TarxKeysUsageKind kind;		/* of what is counted */
	const pg_uuid_t *project_id;	/* NULL for none */
	pg_uuid_t	object;
	bool		has_object;
	bool		object_exists;	/* or did: only then a refusal is counted, or
								 * guessing ids would fill the table */
	const pg_uuid_t *objects;	/* of a call that is about several, when it
								 * has succeeded */
	uint64		nobjects;
	void		(*refused) (int sqlerrcode);	/* called besides; or NULL */
} TarxKeysCall;

extern void tarx_keys_call_object(TarxKeysCall *call, const pg_uuid_t *id, bool exists);
extern void tarx_keys_run_call(TarxKeysCall *call, void (*run) (TarxKeysCall *call, void *arg),
							   void *arg);
extern void tarx_keys_enter_as(const pg_uuid_t *project_id, TarxKeysRole least);
extern TarxKeysChain tarx_keys_enter_own_keys(void);

#endif							/* TARX_KEYS_ACCESS_H */
