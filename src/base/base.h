/*
 * base.h
 *	  What all other folders use: arguments and texts, errors, settings, saved
 *	  queries, result sets, and the wiping of secrets.
 *
 * Include after postgres.h.
 */
#ifndef TARX_KEYS_BASE_H
#define TARX_KEYS_BASE_H

#include "datatype/timestamp.h"
#include "fmgr.h"
#include "tcop/dest.h"
#include "utils/jsonb.h"
#include "utils/portal.h"
#include "utils/snapshot.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "base/errcodes.h"
#include "pure/pure.h"

/* Callers name the first; only our functions, policies and views name the second. */
#define TARX_KEYS_SCHEMA			"tarx_keys"
#define TARX_KEYS_INTERNAL_SCHEMA	"tarx_keys_internal"

/* secret.c: wiping */
typedef struct TarxKeysSecret TarxKeysSecret;

extern TarxKeysSecret *tarx_keys_secret_register(void *data, size_t size);
extern void tarx_keys_secret_wipe(TarxKeysSecret *secret);
extern MemoryContext tarx_keys_begin_work(void);
extern void tarx_keys_end_work(MemoryContext caller);

/* text.c: texts in UTF-8, which rules and ciphertext need, and back */
typedef struct TarxKeysText
{
	char	   *data;			/* not NUL-terminated; NULL for SQL NULL */
	size_t		len;
	TarxKeysSecret *secret;		/* wipes data; NULL if data is not our copy */
} TarxKeysText;

/* Longer than any base URL or name */
#define TARX_KEYS_SHOWN_MAX_BYTES	2499
#define TARX_KEYS_SHOWN_MAX_TEXTS	50

extern char *tarx_keys_uuid_text(const pg_uuid_t *id);
extern bytea *tarx_keys_make_bytea(const uint8 *bytes, size_t len);
extern bool tarx_keys_to_utf8(text *value, TarxKeysText *result);
extern text *tarx_keys_from_utf8(const char *data, size_t len);
extern text *tarx_keys_foreign_text(const char *value);
extern text *tarx_keys_shown_text(Datum value, int max);
extern struct ArrayType *tarx_keys_shown_texts(Datum list);
extern TarxKeysText tarx_keys_secret_from_utf8(TarxKeysText secret);

/* json.c: JSON as a tree of arrays, objects and scalars in memory */
typedef const JsonbValue *(*TarxKeysJsonParser) (const char *data, size_t len);

extern const JsonbValue *tarx_keys_json_parse(const char *data, size_t len);
extern const JsonbValue *tarx_keys_json_parse_object(const char *data, size_t len);
extern const JsonbValue *tarx_keys_json_quietly(TarxKeysJsonParser parse, const char *data, size_t len);
extern const JsonbValue *tarx_keys_json_tree(Jsonb *json);

/* directories.c: who can replace files */
extern bool tarx_keys_directory_is_open(const char *directory);
extern bool tarx_keys_to_directory_above(char *path);

/* times.c */
extern bool tarx_keys_parse_time(const char *string, TimestampTz *time);
extern int64 tarx_keys_interval_usecs(const Interval *interval);
extern bool tarx_keys_parse_interval(const char *string, Interval *interval);

/* arguments.c: the arguments of our functions, and the rules for them */
extern void tarx_keys_require_arg(FunctionCallInfo fcinfo, int n, const char *name);
extern const pg_uuid_t *tarx_keys_arg_uuid(FunctionCallInfo fcinfo, int n, const char *name);
extern int32 tarx_keys_arg_int32(FunctionCallInfo fcinfo, int n, const char *name);
extern text *tarx_keys_arg_text(FunctionCallInfo fcinfo, int n, const char *name);
extern TarxKeysText tarx_keys_text_utf8(text *value, const char *name);
extern TarxKeysText tarx_keys_arg_utf8(FunctionCallInfo fcinfo, int n, const char *name);
extern void tarx_keys_check_no_token(const TarxKeysText *value, const char *argument);
extern void tarx_keys_check_name(const TarxKeysText *name, const char *argument);
extern void tarx_keys_check_user_id(const TarxKeysText *user_id, const char *argument);
extern void tarx_keys_check_key_value(const TarxKeysText *value, const char *argument,
									  const char *what);
extern void tarx_keys_check_secret_name(const TarxKeysText *name, const char *argument,
										const char *what);
extern void tarx_keys_check_secret_value(const TarxKeysText *value, const char *argument,
										 const char *what);
extern void tarx_keys_check_description(const TarxKeysText *description,
										const char *argument);

/* errors.c: the errors that more than one place reports, in one wording */
extern const char *tarx_keys_identity_call(void);
extern int	tarx_keys_errarg(const char *argument);
pg_noreturn extern void tarx_keys_deny_project(const pg_uuid_t *project_id);
pg_noreturn extern void tarx_keys_fail_no_acting_user(void);
pg_noreturn extern void tarx_keys_fail_key_not_found(const pg_uuid_t *key_id);
pg_noreturn extern void tarx_keys_fail_project_not_found(const pg_uuid_t *project_id);
pg_noreturn extern void tarx_keys_fail_key_deleted(const pg_uuid_t *key_id);
pg_noreturn extern void tarx_keys_fail_agent(const pg_uuid_t *agent_id);
pg_noreturn extern void tarx_keys_fail_integrity(const pg_uuid_t *key_id);
pg_noreturn extern void tarx_keys_fail_agent_integrity(const pg_uuid_t *agent_id);
pg_noreturn extern void tarx_keys_fail_member_integrity(const pg_uuid_t *project_id,
														const char *user_id);
pg_noreturn extern void tarx_keys_fail_secrets_not_found(const char *names, unsigned long count);
pg_noreturn extern void tarx_keys_fail_secret_version(const char *name, int32 version);
pg_noreturn extern void tarx_keys_fail_secret_integrity(const char *name);
pg_noreturn extern void tarx_keys_fail_no_keyring(void);
pg_noreturn extern void tarx_keys_fail_master_key_missing(const uint8 *fingerprint);

/*
 * settings.c: the values of the settings; what is a time is in seconds
 */
typedef enum TarxKeysLogResolves
{
	TARX_KEYS_LOG_OFF,
	TARX_KEYS_LOG_REFUSED,
	TARX_KEYS_LOG_ALL
} TarxKeysLogResolves;

#define TARX_KEYS_REALM_MAX_BYTES	200

extern void tarx_keys_settings_init(void);
extern TarxKeysSpan tarx_keys_setting_private_hosts(void);
extern TarxKeysLogResolves tarx_keys_setting_log_resolves(void);
extern int	tarx_keys_setting_max_per_project(void);
extern const char *tarx_keys_setting_membership(void);
extern TarxKeysSpan tarx_keys_setting_realm(void);
extern bool tarx_keys_setting_redact_logs(void);
extern bool tarx_keys_setting_require_login(void);
extern bool tarx_keys_setting_require_run_ticket(void);
extern int	tarx_keys_setting_run_ticket_max_lifetime(void);
extern int	tarx_keys_setting_run_ticket_max_renewal(void);
extern int	tarx_keys_setting_secret_versions_kept(void);
extern int	tarx_keys_setting_usage_entries(void);
extern int	tarx_keys_setting_usage_flush_interval(void);

/* queries.c: saved SPI plans */
#define TARX_KEYS_QUERY_MAX_ARGS	20
typedef struct TarxKeysQuery
{
	const char *sql;
	int			nargs;
	Oid			argtypes[TARX_KEYS_QUERY_MAX_ARGS];
	void	   *plan;

	/* for a query whose text is made when it first runs; see src/tables */
	char	   *(*make) (const struct TarxKeysQuery *query);
	struct TarxKeysTable *table;
} TarxKeysQuery;

extern void tarx_keys_queries_begin(void);
extern void tarx_keys_queries_end(void);
extern uint64 tarx_keys_query_run(TarxKeysQuery *query, Datum *values, const char *nulls,
								  bool read_only);
extern uint64 tarx_keys_query_run_at(TarxKeysQuery *query, Datum *values,
									 Snapshot snapshot);
extern uint64 tarx_keys_query_look_up(TarxKeysQuery *query, Datum *values);
extern uint64 tarx_keys_query_run_latest(TarxKeysQuery *query, Datum *values,
										 const char *nulls);
extern void tarx_keys_query_run_to(TarxKeysQuery *query, const Datum *values,
								   DestReceiver *receiver);
extern Portal tarx_keys_query_open(TarxKeysQuery *query, Datum *values, Snapshot snapshot);
extern void tarx_keys_query_lock(TarxKeysQuery *query);
extern Snapshot tarx_keys_latest_snapshot(void);

/* rows.c: results of functions that return rows */
extern TupleDesc tarx_keys_kept_result(FunctionCallInfo fcinfo);
extern Tuplestorestate *tarx_keys_begin_rows(FunctionCallInfo fcinfo, int kilobytes,
											 TupleDesc (*describe) (void));
extern Tuplestorestate *tarx_keys_begin_typed_rows(FunctionCallInfo fcinfo, int kilobytes,
												   const Oid *types, int count);
extern TupleDesc tarx_keys_result_desc(FunctionCallInfo fcinfo, const Oid *types, int count);

#endif							/* TARX_KEYS_BASE_H */
