/*
 * records.h
 *	  The records of what happened: the audit log, lines in the server log, and
 *	  counters of uses and of failed logins.
 *
 * Include after postgres.h.
 */
#ifndef TARX_KEYS_RECORDS_H
#define TARX_KEYS_RECORDS_H

#include "lib/stringinfo.h"
#include "port/atomics.h"
#include "storage/latch.h"
#include "storage/lwlock.h"

#include "tables/tables.h"

/* audit_chains.c: the chains of the audit log */
typedef struct TarxKeysChain
{
	pg_uuid_t	id;				/* of the project, or derived from the user's */
	bool		personal;
} TarxKeysChain;

extern TarxKeysChain tarx_keys_project_chain(const pg_uuid_t *project_id);
extern TarxKeysChain tarx_keys_personal_chain_of(const TarxKeysText *user_id);

/* audit_lanes.c */
extern void tarx_keys_audit_lanes_init(void);
extern int32 tarx_keys_audit_lock_lane(const TarxKeysChain *chain);

/* audit.c: writes rows, which say what was changed */
#define TARX_KEYS_NO_REVISION	0	/* the object has none, or is gone */

typedef struct TarxKeysAuditObject
{
	const pg_uuid_t *id;		/* NULL for none */
	text	   *name;			/* NULL for none */
	int32		revision;		/* as it is from now on */
} TarxKeysAuditObject;

extern void tarx_keys_audit(const TarxKeysChain *chain, const char *action,
							const pg_uuid_t *object_id, text *object_name, int32 revision);
extern void tarx_keys_audit_project(const pg_uuid_t *project_id, const char *action,
									const pg_uuid_t *object_id, text *object_name, int32 revision);

extern void tarx_keys_audit_objects(const TarxKeysChain *chain, const char *action,
									const TarxKeysAuditObject *objects, int count);

/* audit_removals.c: the same for calls that only take away; the log never stops them */
extern void tarx_keys_audit_lock_lane_to_remove(const TarxKeysChain *chain);
extern bool tarx_keys_audit_lock_to_end(const TarxKeysChain *chain);
extern void tarx_keys_audit_removals(const TarxKeysChain *chain, const char *action,
									 const TarxKeysAuditObject *objects, int count);
extern void tarx_keys_audit_removal(const TarxKeysChain *chain, const char *action,
									const pg_uuid_t *object_id, text *object_name, int32 revision);
extern void tarx_keys_audit_project_removal(const pg_uuid_t *project_id, const char *action,
											const pg_uuid_t *object_id, text *object_name,
											int32 revision);

/* audit_ends.c: begins chains, and keeps their ends */
extern void tarx_keys_audit_begin_personal(const TarxKeysChain *chain, text *user_id,
										   const pg_uuid_t *first);

/* only for the files of the audit log themselves */
#define TARX_KEYS_NEW_GENERATION	"audit.new_generation"

typedef struct TarxKeysAuditEnds
{
	TarxKeysChain chain;
	int32		generation;		/* from 1 */
	int32		lane;			/* from 0 */
	int32		lanes_seen;		/* as bits, by whoever wrote this last */
	TimestampTz first_at;		/* of the first row; DT_NOEND if there is none */
	TarxKeysChainEnds at;
	bytea	   *sealed_key;
	TarxKeysText key;			/* for the chain's stamps */
} TarxKeysAuditEnds;

typedef enum TarxKeysEndsState
{
	TARX_KEYS_ENDS_GOOD,
	TARX_KEYS_ENDS_MISSING,
	TARX_KEYS_ENDS_CHANGED,
	TARX_KEYS_ENDS_WITHOUT_MASTER_KEY
} TarxKeysEndsState;

/* In lanes_seen */
#define TARX_KEYS_LANE_BIT(lane)	(1 << (lane))

/* A generation begins with this lane, so each has it. */
#define TARX_KEYS_FIRST_LANE		0

/* The lanes of a generation, with their keys sealed */
typedef struct TarxKeysAuditGeneration
{
	TarxKeysChain chain;
	int32		number;			/* 0 if there is none */
	bool		lacks_master_key;	/* for one of them at least */
	int32		lanes_seen;		/* by one of them at least: all these there
								 * must be */
	TarxKeysEndsState states[TARX_KEYS_AUDIT_LANES];
	TarxKeysAuditEnds lanes[TARX_KEYS_AUDIT_LANES];
	TarxKeysRow rows[TARX_KEYS_AUDIT_LANES];
} TarxKeysAuditGeneration;

/* How to follow a chain, and how far it was followed */
typedef struct TarxKeysAuditWalk
{
	const TarxKeysAuditEnds *ends;
	int64		most;			/* stop behind so many rows, and at the first
								 * one that is not before; 0 for all rows */
	TimestampTz before;
	int64		rows;			/* that were followed */
	TarxKeysChainWalk good;		/* at the last row to be verified or purged */
	TarxKeysChainWalk to_check; /* one row further if a row stopped the walk */
	bool		stopped;
	TimestampTz next_at;		/* of the row that did; DT_NOEND if none did */
	TarxKeysChainBreak why;
	char	   *notes;			/* of the generation before, if a row that was
								 * taken has them */
	MemoryContext context;		/* what they are kept in */
} TarxKeysAuditWalk;

extern Oid	tarx_keys_audit_ends_oid(void);
extern void tarx_keys_check_audit_action(const char *action);
pg_noreturn extern void tarx_keys_fail_chain(const TarxKeysChain *chain);
extern bool tarx_keys_audit_has_generation(const TarxKeysChain *chain);
extern bool tarx_keys_audit_try_lane(const TarxKeysChain *chain);
extern bool tarx_keys_audit_take_lane(const TarxKeysChain *chain, int32 lane, bool wait);
extern void tarx_keys_audit_lock_generation(const TarxKeysChain *chain);
extern void tarx_keys_audit_lock_against_writers(void);
extern void tarx_keys_audit_let_writers_on(void);
pg_noreturn extern void tarx_keys_audit_fail_in_use(const TarxKeysChain *chain, const char *hint);
extern int	tarx_keys_audit_attempt(void (*run) (void *arg), void *arg, int longest_wait);
extern void tarx_keys_audit_do_without_lane(void);
extern Snapshot tarx_keys_audit_snapshot(void);
extern void tarx_keys_audit_newest(const TarxKeysChain *chain, Snapshot snapshot,
								   TarxKeysAuditGeneration *newest);
extern TarxKeysEndsState tarx_keys_audit_open_lane(TarxKeysAuditGeneration *generation, int32 lane,
												   TarxKeysAuditEnds *ends);
extern TarxKeysEndsState tarx_keys_audit_check_lane(TarxKeysAuditGeneration *generation,
													int32 lane);
extern TarxKeysEndsState tarx_keys_audit_read_ends(const TarxKeysChain *chain, int32 generation,
												   int32 lane, Snapshot snapshot,
												   TarxKeysAuditEnds *ends);
extern TarxKeysEndsState tarx_keys_audit_read_closed(const TarxKeysChain *chain, TarxKeysRow *row,
													 TarxKeysAuditEnds *ends);
extern const char *tarx_keys_audit_ends_problem(TarxKeysEndsState state);
extern bool tarx_keys_audit_insert_ends(TarxKeysAuditEnds *ends);
extern bool tarx_keys_audit_renew_ends(TarxKeysAuditEnds *ends);
extern bool tarx_keys_audit_write_ends(const TarxKeysAuditEnds *ends);
extern bool tarx_keys_audit_chain_exists(const TarxKeysChain *chain);
extern bool tarx_keys_audit_has_platform_key(text *user_id, const pg_uuid_t *besides);
extern void tarx_keys_audit_follow(TarxKeysAuditWalk *walk, Snapshot snapshot);
extern void tarx_keys_audit_lock_rows(void);

/* event_log.c: writes lines to the server log */
#define TARX_KEYS_ALLOWED	"allowed"
#define TARX_KEYS_REFUSED	"refused"

/* What is in one line; each field may be NULL but event and outcome. */
typedef struct TarxKeysLogLine
{
	const char *event;
	const char *outcome;
	const pg_uuid_t *project_id;
	const pg_uuid_t *object_id;
	const char *sqlstate;
	const char *role;			/* of tarx_keys_log_role_name() */
	const char *action;			/* the last three are left out if they are
								 * NULL */
	const char *reason;
	const pg_uuid_t *run;		/* the id of a run ticket */
} TarxKeysLogLine;

extern void tarx_keys_log_line(const TarxKeysLogLine *line);
extern void tarx_keys_log_event(const char *event, const char *outcome,
								const pg_uuid_t *project_id, const pg_uuid_t *object_id,
								const char *sqlstate, const char *role);
extern const char *tarx_keys_log_role_name(Oid role);
extern void tarx_keys_log_ticket(const char *event, const pg_uuid_t *project_id,
								 const pg_uuid_t *object_id, const char *role,
								 const pg_uuid_t *ticket_id);
extern void tarx_keys_log_unlogged(const char *action, const pg_uuid_t *project_id,
								   const pg_uuid_t *object_id, const char *sqlstate);
extern void tarx_keys_log_append_value(StringInfo line, const char *value);
extern const char *tarx_keys_log_login_name(void);
extern void tarx_keys_log_operation(const char *operation);

/* usage.c: counts how often each key was used, and when it was last used */
typedef enum TarxKeysUsageKind
{
	TARX_KEYS_USAGE_LLM_KEY,
	TARX_KEYS_USAGE_SECRET,
	TARX_KEYS_USAGE_PLATFORM_KEY
} TarxKeysUsageKind;

typedef struct TarxKeysLastUse
{
	TarxKeysUsageKind kind;
	pg_uuid_t	project_id;
	pg_uuid_t	id;
	TimestampTz last_used_at;
} TarxKeysLastUse;

extern Size tarx_keys_usage_shmem_size(void);
extern void tarx_keys_usage_shmem_startup(LWLockPadded *partition_locks);
extern void tarx_keys_usage_count(TarxKeysUsageKind kind, const pg_uuid_t *project_id,
								  const pg_uuid_t *id, bool allowed);
extern TimestampTz tarx_keys_usage_last_use(TarxKeysUsageKind kind, const pg_uuid_t *project_id,
											const pg_uuid_t *id);
extern Oid *tarx_keys_usage_unflushed_databases(int *count);
extern int	tarx_keys_usage_unflushed(TarxKeysLastUse *uses, int max, uint32 *place);
extern void tarx_keys_usage_flushed(const TarxKeysLastUse *uses, int count);
extern void tarx_keys_usage_forget(Oid database, bool is_loss);
extern const char *tarx_keys_usage_kind_name(TarxKeysUsageKind kind);

/* last_uses.c: when the objects of a list were last used */
extern TarxKeysTally *tarx_keys_last_uses(TarxKeysUsageKind kind, MemoryContext context);
extern bool tarx_keys_last_use(TarxKeysTally *written, TarxKeysUsageKind kind,
							   const pg_uuid_t *project_id, const pg_uuid_t *id, TimestampTz *when);

/* health.c: how LLM keys fared last, as runners report it */
typedef enum TarxKeysOutcome
{
	TARX_KEYS_OUTCOME_NONE,		/* nobody has reported */
	TARX_KEYS_OUTCOME_OK,
	TARX_KEYS_OUTCOME_REJECTED,
	TARX_KEYS_OUTCOME_QUOTA,
	TARX_KEYS_OUTCOME_RATE_LIMITED,
	TARX_KEYS_OUTCOME_SERVER,
	TARX_KEYS_OUTCOME_TIMEOUT
} TarxKeysOutcome;

typedef struct TarxKeysHealth
{
	TarxKeysOutcome outcome;
	TimestampTz at;
	TimestampTz cooling_until;	/* DT_NOEND for a rejected key */
	bool		is_proven;		/* it was ok once, and not rejected since */
} TarxKeysHealth;

/* Longer than any provider means, in milliseconds */
#define TARX_KEYS_RETRY_AFTER_MAX	(60 * 60 * INT64CONST(1000))

extern Size tarx_keys_health_shmem_size(void);
extern void tarx_keys_health_shmem_startup(LWLock *health_lock);
extern void tarx_keys_health_report(const pg_uuid_t *project_id, const pg_uuid_t *id, int32 revision,
									TarxKeysOutcome outcome, int64 retry_after);
extern TarxKeysHealth tarx_keys_health_of(const pg_uuid_t *project_id, const pg_uuid_t *id,
										  int32 revision);
extern bool tarx_keys_health_is_cooling(const TarxKeysHealth *health, TimestampTz now);

/* usage_table.c: the entries that are counted in; only for the files of uses */
#define TARX_KEYS_USAGE_PARTITIONS	64	/* each has a lock; a power of two */

/* This has no padding, because it is compared as bytes. */
typedef struct TarxKeysUsageKey
{
	Oid			database;
	uint32		kind;			/* TarxKeysUsageKind */
	pg_uuid_t	project_id;		/* zero for an object without a project */
	pg_uuid_t	id;
} TarxKeysUsageKey;

/*
 * Times are TimestampTz, 0 for never.  What each use changes has a cache line of its
 * own, so that different keys do not get in each other's way.
 */
typedef struct TarxKeysUsageEntry
{
	TarxKeysUsageKey key;
	uint32		next;			/* the place of another entry */
	pg_atomic_uint32 hash;
	pg_atomic_uint64 refused;
	char		padding[8];
	pg_atomic_uint64 uses;
	pg_atomic_uint64 last_used_at;
	pg_atomic_uint64 flushed_at;	/* the last_used_at in last_used */
	char		more_padding[40];
} TarxKeysUsageEntry;

extern Size tarx_keys_usage_table_shmem_size(void);
extern void tarx_keys_usage_table_shmem_startup(LWLockPadded *partition_locks);
extern TarxKeysUsageEntry *tarx_keys_usage_find(const TarxKeysUsageKey *key, LWLockMode mode);
extern TarxKeysUsageEntry *tarx_keys_usage_find_or_add(const TarxKeysUsageKey *key);
extern TarxKeysUsageEntry *tarx_keys_usage_next(uint32 *place, bool any, LWLockMode mode);
extern bool tarx_keys_usage_is_flushed(TarxKeysUsageEntry *entry);
extern void tarx_keys_usage_unlock(TarxKeysUsageEntry *entry);
extern void tarx_keys_usage_remove(TarxKeysUsageEntry *entry, bool is_loss);

/* usage_room.c: when the table of uses needs a flush, and what it had no room for */
extern Size tarx_keys_usage_room_shmem_size(void);
extern void tarx_keys_usage_room_shmem_startup(void);
extern void tarx_keys_usage_room_wakes(Latch * worker);
extern void tarx_keys_usage_room_unflushed(void);
extern void tarx_keys_usage_room_flushed(void);
extern void tarx_keys_usage_room_uncounted(uint64 calls);
extern void tarx_keys_usage_room_dropped(uint64 calls);
extern bool tarx_keys_usage_room_is_short(void);
extern bool tarx_keys_usage_room_is_gone(void);
extern bool tarx_keys_usage_room_take_wanted(void);
extern void tarx_keys_usage_room_report(bool at_once);

/* stats.c: counts calls, for the view stats */
typedef enum TarxKeysCounter
{
	TARX_KEYS_COUNT_RESOLVES,
	TARX_KEYS_COUNT_LOGINS,
	TARX_KEYS_COUNT_REFUSED_LOGINS,
	TARX_KEYS_COUNT_TICKETS,
	TARX_KEYS_COUNT_REFUSALS	/* the first of them, one for each SQLSTATE */
} TarxKeysCounter;

extern Size tarx_keys_stats_shmem_size(void);
extern void tarx_keys_stats_shmem_startup(void);
extern void tarx_keys_count(TarxKeysCounter counter);
extern void tarx_keys_count_refusal(int sqlerrcode);

/* usage_worker.c: writes last uses down */
extern void tarx_keys_usage_worker_register(void);

/* login_lines.c: which refused logins have a line in the server log */
#define TARX_KEYS_LOGIN_FAILED	"login failed"

extern Size tarx_keys_login_lines_shmem_size(void);
extern void tarx_keys_login_lines_init(void);
extern void tarx_keys_login_lines_shmem_startup(LWLock *login_lines_lock);
extern void tarx_keys_log_refused_login(const TarxKeysLogLine *line, bool known);
extern void tarx_keys_log_left_out(bool at_once);

#endif							/* TARX_KEYS_RECORDS_H */
