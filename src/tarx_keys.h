/*
 * tarx_keys.h
 *	  What the files of this extension offer each other, grouped by file.
 *
 * Include after postgres.h.
 */
#ifndef TARX_KEYS_H
#define TARX_KEYS_H

#include <signal.h>

#include "datatype/timestamp.h"
#include "fmgr.h"
#include "storage/lwlock.h"
#include "utils/portal.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "envelope.h"
#include "errcodes.h"
#include "keyring.h"

/* secret.c: wiping */
typedef struct TarxKeysSecret TarxKeysSecret;

extern TarxKeysSecret *tarx_keys_secret_register(void *data, size_t size);
extern void tarx_keys_secret_wipe(TarxKeysSecret *secret);

/* text.c: arguments, and text as the UTF-8 that rules and ciphertext are over */
typedef struct TarxKeysText
{
	char	   *data;			/* not NUL-terminated; NULL for SQL NULL */
	size_t		len;
	TarxKeysSecret *secret;		/* what wipes it; NULL if it is no copy of
								 * ours */
} TarxKeysText;

extern char *tarx_keys_uuid_text(const pg_uuid_t *id);
extern void tarx_keys_require_arg(FunctionCallInfo fcinfo, int n, const char *name);
extern const pg_uuid_t *tarx_keys_arg_uuid(FunctionCallInfo fcinfo, int n, const char *name);
extern int32 tarx_keys_arg_int32(FunctionCallInfo fcinfo, int n, const char *name);
extern text *tarx_keys_arg_text(FunctionCallInfo fcinfo, int n, const char *name);
extern TarxKeysText tarx_keys_arg_utf8(FunctionCallInfo fcinfo, int n, const char *name);
extern bool tarx_keys_to_utf8(text *value, TarxKeysText *result);
extern text *tarx_keys_from_utf8(const char *data, size_t len);
extern TarxKeysText tarx_keys_secret_from_utf8(TarxKeysText secret);
extern void tarx_keys_check_name(const TarxKeysText *name, const char *what);
extern void tarx_keys_check_user_id(const TarxKeysText *user_id);
extern void tarx_keys_check_value(const TarxKeysText *value, const char *what);
extern void tarx_keys_check_secret_name(const TarxKeysText *name, const char *what);
extern void tarx_keys_check_secret_value(const TarxKeysText *value, const char *what);
extern void tarx_keys_check_description(const TarxKeysText *description, const char *what);

/* sealing.c: values in and out of envelopes */
typedef enum TarxKeysRowState	/* SQL has these as numbers; the worst is the
								 * greatest */
{
	TARX_KEYS_ROW_OK,
	TARX_KEYS_ROW_WITHOUT_MASTER_KEY,
	TARX_KEYS_ROW_TAMPERED
} TarxKeysRowState;

extern bytea *tarx_keys_seal(const TarxKeysBinding *binding, const TarxKeysText *value);
extern TarxKeysRowState tarx_keys_try_open(const TarxKeysBinding *binding, bytea *envelope,
										   TarxKeysText *value);
extern bool tarx_keys_open_utf8(const TarxKeysBinding *binding, bytea *envelope,
								TarxKeysText *value);
extern bool tarx_keys_master_key_is_missing(bytea *envelope);
extern bool tarx_keys_open(const TarxKeysBinding *binding, bytea *envelope, bool as_utf8,
						   TarxKeysText *value);

extern bytea *tarx_keys_stamp(const TarxKeysBinding *binding);
extern TarxKeysRowState tarx_keys_check_stamp(const TarxKeysBinding *binding, bytea *stamp);
extern bool tarx_keys_stamp_is_valid(const TarxKeysBinding *binding, bytea *stamp);

extern void tarx_keys_active_public_key(uint8 *public_key);
extern bool tarx_keys_open_box(bytea *box, TarxKeysText *payload);

/* sealed_calls.c: values that travel sealed */
extern TarxKeysText tarx_keys_arg_sealed(FunctionCallInfo fcinfo, int n,
										 const TarxKeysBinding *header);
extern const uint8 *tarx_keys_arg_recipient(FunctionCallInfo fcinfo, int n);
extern Datum tarx_keys_value_result(const uint8 *recipient, const TarxKeysText *value,
									TarxKeysSecret **copy);

/*
 * What the rows of the tables are bound to: binds a row whose fields are the
 * arguments of a function, in the order that the SQL file gives them.  False
 * if nothing can have been sealed with such fields.
 */
typedef bool (*TarxKeysBindRow) (TarxKeysBinding *binding, const NullableDatum *fields);

extern bool tarx_keys_bind_llm_key(TarxKeysBinding *binding, const NullableDatum *fields);
extern bool tarx_keys_bind_secret(TarxKeysBinding *binding, const NullableDatum *fields);
extern bool tarx_keys_bind_platform_key(TarxKeysBinding *binding, const NullableDatum *fields);
extern bool tarx_keys_bind_audit_ends(TarxKeysBinding *binding, const NullableDatum *fields);

/* errors.c: the errors that more than one place reports, in one wording */
pg_noreturn extern void tarx_keys_deny_project(const pg_uuid_t *project_id);
pg_noreturn extern void tarx_keys_deny_not_admin(const pg_uuid_t *project_id);
pg_noreturn extern void tarx_keys_fail_no_acting_user(void);
pg_noreturn extern void tarx_keys_fail_key_not_found(const pg_uuid_t *key_id);
pg_noreturn extern void tarx_keys_fail_key_deleted(const pg_uuid_t *key_id);
pg_noreturn extern void tarx_keys_fail_agent(const pg_uuid_t *agent_id);
pg_noreturn extern void tarx_keys_fail_integrity(const pg_uuid_t *key_id);
pg_noreturn extern void tarx_keys_fail_secrets_not_found(const char *names, unsigned long count);
pg_noreturn extern void tarx_keys_fail_secret_version(const char *name, int32 version);
pg_noreturn extern void tarx_keys_fail_secret_integrity(const char *name);
pg_noreturn extern void tarx_keys_fail_no_keyring(void);
pg_noreturn extern void tarx_keys_fail_master_key_missing(const uint8 *fingerprint);

/* settings.c */
extern void tarx_keys_settings_init(void);
extern const char *tarx_keys_setting_key_file(void);
extern const char *tarx_keys_setting_key_command(void);
extern bool tarx_keys_setting_key_is_set(void);
extern bool tarx_keys_setting_insecure_urls(void);
extern bool tarx_keys_setting_redact_logs(void);
extern bool tarx_keys_setting_require_login(void);
extern int	tarx_keys_setting_secret_versions_kept(void);

typedef enum TarxKeysLogResolves
{
	TARX_KEYS_LOG_OFF,
	TARX_KEYS_LOG_REFUSED,
	TARX_KEYS_LOG_ALL
} TarxKeysLogResolves;

extern TarxKeysLogResolves tarx_keys_setting_log_resolves(void);
extern int	tarx_keys_setting_login_failures(void);
extern int	tarx_keys_setting_usage_entries(void);
extern int	tarx_keys_setting_usage_flush_interval(void);

/* keyring_page.c: the keyring in shared memory */
extern void tarx_keys_page_init(void);
extern void tarx_keys_page_keep_writable(void);
extern TarxKeysKeyring *tarx_keys_page_pending(void);
extern void tarx_keys_page_publish(const TarxKeysKeyring *ring);
extern void tarx_keys_page_set_problem(TarxKeysKeyringProblem problem);
extern TarxKeysKeyringProblem tarx_keys_page_problem(void);
extern TimestampTz tarx_keys_page_loaded_at(void);
extern bool tarx_keys_page_has_keyring(void);
extern int	tarx_keys_page_fingerprints(uint8 (*out)[TARX_KEYS_FINGERPRINT_BYTES]);
extern void tarx_keys_page_active_key(TarxKeysMasterKey *key);
extern bool tarx_keys_page_find_key(const uint8 *fingerprint, TarxKeysMasterKey *key);

/* keyring_source.c: where the keyring comes from */
extern void tarx_keys_keyring_load(void);
extern TarxKeysKeyringProblem tarx_keys_key_file_problem(const char *path);

/* keyring_worker.c: reloads it */
extern void tarx_keys_worker_register(void);
extern volatile sig_atomic_t tarx_keys_worker_in_command;

/* audit.c: what was changed, in chains of stamped rows */
typedef struct TarxKeysChain
{
	pg_uuid_t	id;				/* of the project, or derived from the user's */
	bool		personal;
} TarxKeysChain;

extern TarxKeysChain tarx_keys_project_chain(const pg_uuid_t *project_id);
extern TarxKeysChain tarx_keys_personal_chain_of(const TarxKeysText *user_id);
extern int32 tarx_keys_audit_lock_lane(const TarxKeysChain *chain);
extern void tarx_keys_audit_begin_personal(const TarxKeysChain *chain, text *user_id,
										   const pg_uuid_t *first);
extern void tarx_keys_audit(const TarxKeysChain *chain, const char *action,
							const pg_uuid_t *object_id, text *object_name);
extern void tarx_keys_audit_project(const pg_uuid_t *project_id, const char *action,
									const pg_uuid_t *object_id, text *object_name);

/* queries.c: saved SPI plans */
#define TARX_KEYS_QUERY_MAX_ARGS	13
typedef struct TarxKeysQuery
{
	const char *sql;
	int			nargs;
	Oid			argtypes[TARX_KEYS_QUERY_MAX_ARGS];
	void	   *plan;
} TarxKeysQuery;

extern void tarx_keys_queries_begin(void);
extern void tarx_keys_queries_end(void);
extern uint64 tarx_keys_query_run(TarxKeysQuery *query, Datum *values, const char *nulls,
								  bool read_only);
extern uint64 tarx_keys_query_run_at(TarxKeysQuery *query, Datum *values,
									 Snapshot snapshot);
extern uint64 tarx_keys_query_run_latest(TarxKeysQuery *query, Datum *values);
extern uint64 tarx_keys_query_change_latest(TarxKeysQuery *query, Datum *values,
											const char *nulls);
extern Portal tarx_keys_query_open(TarxKeysQuery *query, Datum *values, Snapshot snapshot);
extern void tarx_keys_query_lock(TarxKeysQuery *query);
extern Snapshot tarx_keys_latest_snapshot(void);

/* rows.c: results of functions that return sets */
extern Tuplestorestate *tarx_keys_begin_rows(FunctionCallInfo fcinfo, int kilobytes,
											 TupleDesc (*describe) (void));

/* lookup.c: rows by primary key (project_id, id) */
#define TARX_KEYS_TABLE_MAX_COLUMNS	9

typedef struct TarxKeysColumn
{
	const char *name;
	Oid			type;
} TarxKeysColumn;

typedef struct TarxKeysTable
{
	const char *name;
	TarxKeysQuery query;		/* its columns by $1 and $2, for SPI */
	int			ncolumns;
	TarxKeysColumn columns[TARX_KEYS_TABLE_MAX_COLUMNS];	/* the primary key's
															 * first */

	/* what lookup.c knows of it */
	struct TarxKeysTable *next;
	bool		is_watched;
	bool		is_known;
	Oid			relid;
	Oid			indexid;		/* InvalidOid if SPI has to do it */
	AttrNumber	attnums[TARX_KEYS_TABLE_MAX_COLUMNS];
} TarxKeysTable;

extern Relation tarx_keys_table_open(TarxKeysTable *table, const pg_uuid_t *project_id);
extern void tarx_keys_table_close(Relation relation);
extern bool tarx_keys_table_find(TarxKeysTable *table, Relation relation, Snapshot snapshot,
								 const pg_uuid_t *project_id, const pg_uuid_t *id,
								 Datum *values, bool *nulls);

/* identity.c: who acts, and in which project */
typedef struct TarxKeysIdentity
{
	const char *user_id;
	const pg_uuid_t *project_id;	/* the active project, or NULL */
	bool		proven;			/* by a platform key, not asserted by a
								 * backend */
	bool		read_only;		/* may only list */
	const char *allowed_projects;	/* a uuid[] as text, or '' for all */
	const char *expires_at;		/* a TimestampTz as a number, or '' for never */
} TarxKeysIdentity;

extern void tarx_keys_identity_init(void);
extern void tarx_keys_enter_maintenance_mode(void);
extern void tarx_keys_check_project(const pg_uuid_t *project_id);
extern void tarx_keys_enter_project(const pg_uuid_t *project_id);
extern void tarx_keys_enter_as_admin(const pg_uuid_t *project_id);
extern char *tarx_keys_acting_user(void);
extern void tarx_keys_require_manager(void);
extern bool tarx_keys_identity_is_narrowed(void);
extern bool tarx_keys_identity_is_proven(void);
extern bool tarx_keys_identity_expires(TimestampTz *when);
extern void tarx_keys_warn_without_transaction(const char *function);
extern const char *tarx_keys_become(const TarxKeysIdentity *identity);
extern const char *tarx_keys_acting_user_or_null(void);

/* llm_keys.c: a key that a resolve call has opened, for what is made of it */
typedef struct TarxKeysOpenKey
{
	TarxKeysText provider;
	TarxKeysText destination;
	TarxKeysText value;			/* in the database's encoding; wiped behind
								 * the call */
}			TarxKeysOpenKey;

typedef void (*TarxKeysKeyUse) (const TarxKeysOpenKey * key, void *arg);
extern void tarx_keys_use_key(FunctionCallInfo fcinfo, TarxKeysKeyUse use, void *arg);

/* event_log.c: lines in the server log */
#define TARX_KEYS_ALLOWED	"allowed"
#define TARX_KEYS_REFUSED	"refused"

extern void tarx_keys_log_event(const char *event, const char *outcome,
								const pg_uuid_t *project_id, const pg_uuid_t *object_id,
								const char *sqlstate);
extern bool tarx_keys_is_refusal(int sqlerrcode);
extern void tarx_keys_log_refused_change(const pg_uuid_t *project_id,
										 const pg_uuid_t *object_id);

/* redaction.c: which statements may carry a value */

/* what stands in the place of a text: for a kind of statement and a function's name */
#define TARX_KEYS_REDACTED_QUERY	"/* %s redacted: it names tarx_keys.%s */"

extern void tarx_keys_redaction_install(void);
extern void tarx_keys_redaction_mark(const char *name);
extern void tarx_keys_redaction_hide_activity(const char *name);
extern const char *tarx_keys_redaction_of_statement(void);
extern bool tarx_keys_redaction_in_transaction(void);

/* redaction_log.c: the server log */
extern void tarx_keys_redaction_log_install(void);

/* redaction_statement.c: statements as others keep them */
extern void tarx_keys_redaction_statement_install(void);

/* shmem.c: our part of PostgreSQL's shared memory */
extern void tarx_keys_shmem_init(void);

/* usage.c: how often, and when last, each key was used */
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
extern void tarx_keys_usage_shmem_startup(LWLock *usage_lock);
extern void tarx_keys_usage_count(TarxKeysUsageKind kind, const pg_uuid_t *project_id,
								  const pg_uuid_t *id, bool allowed);
extern void tarx_keys_usage_name_id(const char *name, size_t len, uint8 id[UUID_LEN]);
extern int	tarx_keys_usage_unflushed_databases(Oid *databases, int max);
extern int	tarx_keys_usage_unflushed(TarxKeysLastUse *uses, int max);
extern void tarx_keys_usage_flushed(const TarxKeysLastUse *uses, int count);
extern void tarx_keys_usage_forget(Oid database);
extern const char *tarx_keys_usage_kind_name(TarxKeysUsageKind kind);

/* usage_worker.c: writes last uses down */
extern void tarx_keys_usage_worker_register(void);

/* login_throttle.c: failed logins */
extern Size tarx_keys_throttle_shmem_size(void);
extern void tarx_keys_throttle_shmem_startup(LWLock *throttle_lock);
extern bool tarx_keys_throttle_allows(Oid role);
extern void tarx_keys_throttle_failed(Oid role);

#endif							/* TARX_KEYS_H */
