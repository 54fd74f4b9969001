/*
 * credentials.h
 *	  LLM keys, project secrets and platform keys: what the files of this folder
 *	  offer each other.  No other folder needs it.
 *
 * Include after postgres.h.
 */
#ifndef TARX_KEYS_CREDENTIALS_H
#define TARX_KEYS_CREDENTIALS_H

#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/jsonb.h"

#include "access/access.h"
#include "redaction/redaction.h"
#include "tables/tables.h"

/* agents.c: what an agent refers to */
typedef struct TarxKeysAgentTarget
{
	pg_uuid_t	key_id;
	text	   *provider;		/* NULL if it is a key */
} TarxKeysAgentTarget;

extern TarxKeysAgentTarget tarx_keys_agent_target(Relation agents, const pg_uuid_t *project_id,
												  const pg_uuid_t *agent_id, Snapshot snapshot);

/* login.c: what every login returns */
extern Datum tarx_keys_form_login(FunctionCallInfo fcinfo, const char *user_id, const char *role);

/* providers.c: a row of the catalogue; its lists are in UTF-8 */
typedef struct TarxKeysSpans
{
	TarxKeysSpan *items;		/* NULL for SQL NULL */
	size_t		count;
} TarxKeysSpans;

typedef struct TarxKeysProvider
{
	char	   *slug;
	Datum		default_base_url;	/* text; (Datum) 0 if there is none */
	char	   *default_host;	/* NULL if there is none */
	bool		base_url_allowed;
	bool		base_url_required;
	TarxKeysSpans host_suffixes;
	TarxKeysSpans any_path_suffixes;
	char	   *base_url_path;
	TarxKeysSpans tails;
	TarxKeysSpans paths;
	TarxKeysSpans key_prefixes;
	TarxKeysRequests requests;
	bool		is_elsewhere;	/* set by tarx_keys_check_base_url(): the key
								 * goes to an endpoint that is not the
								 * vendor's */
} TarxKeysProvider;

extern TarxKeysProvider tarx_keys_fetch_provider(text *slug);
extern void tarx_keys_check_key_vendor(const TarxKeysProvider *provider, TarxKeysSpan value,
									   const char *argument, const char *what);

/* base_urls.c */
extern text *tarx_keys_check_base_url(text *base_url, TarxKeysProvider *provider);

/* key_options.c: what callers may say about an LLM key beside its value */
typedef enum TarxKeysOptionsOf
{
	TARX_KEYS_OPTIONS_OF_ADD = 1,
	TARX_KEYS_OPTIONS_OF_UPDATE = 2,
	TARX_KEYS_OPTIONS_OF_REPLACE = 4
} TarxKeysOptionsOf;

typedef enum TarxKeysKeyOption
{
	TARX_KEYS_OPTION_NAME,
	TARX_KEYS_OPTION_PROVIDER,
	TARX_KEYS_OPTION_BASE_URL,
	TARX_KEYS_OPTION_ENABLED,
	TARX_KEYS_OPTION_PRIORITY,
	TARX_KEYS_OPTION_EXPIRES_AT,
	TARX_KEYS_OPTION_ROTATE_AFTER,
	TARX_KEYS_OPTION_ALLOWED_MODELS,
	TARX_KEYS_OPTION_HEADERS,
	TARX_KEYS_OPTION_REFRESH
} TarxKeysKeyOption;

typedef struct TarxKeysTime
{
	bool		is_set;
	TimestampTz at;
} TarxKeysTime;

typedef struct TarxKeysKeyOptions
{
	uint32		given;			/* bits, by TarxKeysKeyOption; the others are
								 * not to be looked at */
	text	   *name;
	text	   *provider;
	text	   *base_url;		/* NULL for none */
	bool		enabled;
	int32		priority;
	TarxKeysTime expires_at;
	TarxKeysTime rotate_after;
	ArrayType  *allowed_models; /* NULL for all */
	TarxKeysHeaders headers;
	bool		refresh_requests;
} TarxKeysKeyOptions;

extern bool tarx_keys_read_headers(const JsonbValue *object, TarxKeysHeaders *headers);
extern void tarx_keys_read_options(const JsonbValue *object, const char *argument, TarxKeysOptionsOf call,
								   TarxKeysKeyOptions *options);
extern void tarx_keys_arg_options(FunctionCallInfo fcinfo, int n, const char *argument,
								  TarxKeysOptionsOf call, TarxKeysKeyOptions *options);
extern bool tarx_keys_option_given(const TarxKeysKeyOptions *options, TarxKeysKeyOption option);

/* llm_key_rows.c: the row of an LLM key, and what is sealed in it */
#define TARX_KEYS_STATE_ENABLED		"enabled"
#define TARX_KEYS_STATE_DISABLED	"disabled"
#define TARX_KEYS_STATE_DELETED		"deleted"

typedef struct TarxKeysOpenKey
{
	const TarxKeysRow *row;
	TarxKeysPayload payload;	/* its texts are in plain */
	TarxKeysText plain;
} TarxKeysOpenKey;

extern void tarx_keys_key_seal(TarxKeysRow *row, const TarxKeysPayload *payload);
extern bool tarx_keys_key_open_by(TarxKeysSubkey *kept, const TarxKeysRow *row, TarxKeysOpenKey *key);
extern bool tarx_keys_key_open(const TarxKeysRow *row, TarxKeysOpenKey *key);
extern bool tarx_keys_key_has_state(const TarxKeysRow *row, const char *state);
extern void tarx_keys_check_found_key(TarxKeysRow *row, const pg_uuid_t *key_id);
extern void tarx_keys_key_set_text(TarxKeysRow *row, int column, text *value);
extern void tarx_keys_key_copy_policy(TarxKeysRow *to, const TarxKeysRow *from);
extern void tarx_keys_key_set_policy(TarxKeysRow *row, const TarxKeysKeyOptions *options);
extern text *tarx_keys_key_name(text *given, const char *argument);
extern bool tarx_keys_key_name_is_taken(const TarxKeysRow *row);
pg_noreturn extern void tarx_keys_fail_name_taken(const TarxKeysRow *row);
extern void tarx_keys_key_write(const TarxKeysRow *row);

/* llm_keys.c: a key that is to be added */
typedef struct TarxKeysNewKey
{
	const pg_uuid_t *project_id;
	text	   *provider;
	text	   *name;
	text	   *base_url;		/* as it was passed; NULL for none */
	TarxKeysText value;
	const char *argument;		/* that has the value, and what errors call it */
	const char *what;
	TarxKeysKeyOptions options;
	const TarxKeysRow *headers_of;	/* the row that the headers are taken over
									 * from; NULL if they are the options' */
	TarxKeysSpan sealed_provider;	/* what a box was sealed for; NULL if it
									 * does not say */
	TarxKeysSpan sealed_destination;	/* the same */
} TarxKeysNewKey;

extern pg_uuid_t *tarx_keys_insert_key(const TarxKeysNewKey *key, const TarxKeysRow *policy);

/* sealed_boxes.c: values that travel sealed */
extern TarxKeysText tarx_keys_arg_sealed(FunctionCallInfo fcinfo, int n,
										 const TarxKeysBinding *header);
pg_noreturn extern void tarx_keys_fail_box(void);
extern void tarx_keys_arg_sealed_key(FunctionCallInfo fcinfo, TarxKeysNewKey *key);
extern void tarx_keys_arg_sealed_replacement(FunctionCallInfo fcinfo, int n, const pg_uuid_t *old_id,
											 TarxKeysNewKey *key);
extern void tarx_keys_check_sealed_for(const TarxKeysNewKey *key, text *destination);

/* sealed_results.c: what resolve calls return for a value */
extern const uint8 *tarx_keys_arg_recipient(FunctionCallInfo fcinfo, int n);
extern bytea *tarx_keys_sealed_key(const uint8 *recipient, const pg_uuid_t *project_id,
								   const pg_uuid_t *asked, const TarxKeysOpenKey *key);
extern bytea *tarx_keys_sealed_secret(const uint8 *recipient, const pg_uuid_t *project_id, text *name,
									  const TarxKeysText *value);
extern text *tarx_keys_clear_value(TarxKeysSpan value, TarxKeysSecret **copy);

/* change_llm_keys.c */
extern bool tarx_keys_lock_key(const pg_uuid_t *project_id, const pg_uuid_t *key_id, TarxKeysRow *row);
extern void tarx_keys_write_changed_key(TarxKeysRow *row, const TarxKeysPayload *payload);

/* key_masks.c */
extern text *tarx_keys_make_mask(TarxKeysSpan value, const TarxKeysProvider *provider);
extern text *tarx_keys_mask_for_client(text *stored);

/* provider_labels.c */
extern text *tarx_keys_provider_label(text *slug);

/* report_keys.c: health text, health_at timestamptz, cooling_until timestamptz */
#define TARX_KEYS_HEALTH_COLUMNS	3

extern void tarx_keys_form_health(const pg_uuid_t *project_id, const pg_uuid_t *id, int32 revision,
								  Datum *values, bool *nulls);

/* key_routing.c */
typedef enum TarxKeysKeyHindrance
{
	TARX_KEYS_KEY_USABLE,
	TARX_KEYS_KEY_DISABLED,
	TARX_KEYS_KEY_EXPIRED,
	TARX_KEYS_KEY_NOT_FOR_MODEL
} TarxKeysKeyHindrance;

extern TarxKeysKeyHindrance tarx_keys_key_hindrance(const TarxKeysRow *row, const TarxKeysSpan *model);
extern void tarx_keys_check_key_usable(const TarxKeysRow *row, const TarxKeysSpan *model);

/* key_choice.c: one of several keys */
typedef struct TarxKeysKeyRequest
{
	const TarxKeysCall *call;
	TarxKeysSpan model;			/* that the key is for; no data for any */
	Datum	   *tried;			/* ids of keys that the caller has tried */
	int			ntried;
} TarxKeysKeyRequest;

extern TarxKeysRow *tarx_keys_choose_key(const TarxKeysKeyRequest *request, text *provider,
										 Relation keys, Snapshot snapshot, int *remaining);
extern void tarx_keys_fail_if_tried(const TarxKeysKeyRequest *request, const pg_uuid_t *key_id);

/* key_headers.c: headers as JSON */
extern Datum tarx_keys_own_headers(const TarxKeysPayload *payload, TarxKeysSecret **secret);
extern Datum tarx_keys_request_headers(const TarxKeysPayload *payload, const char *body_type,
									   TarxKeysSecret **secret);

/* resolved_rows.c: the rows that resolve calls return */
#define TARX_KEYS_RESOLVED_COLUMNS	8

typedef struct TarxKeysResolvedRow
{
	int			count;			/* of columns, without attempt and remaining */
	Datum		values[TARX_KEYS_RESOLVED_COLUMNS];
	bool		nulls[TARX_KEYS_RESOLVED_COLUMNS];
	TarxKeysSecret *value;
	TarxKeysSecret *headers;
} TarxKeysResolvedRow;

extern TupleDesc tarx_keys_resolved_desc(FunctionCallInfo fcinfo, const uint8 *recipient, bool chosen);
extern Tuplestorestate *tarx_keys_begin_resolved_rows(FunctionCallInfo fcinfo, const uint8 *recipient);
extern TarxKeysResolvedRow tarx_keys_resolved_row(const uint8 *recipient, const pg_uuid_t *project_id,
												  const pg_uuid_t *asked, const TarxKeysOpenKey *key);
extern void tarx_keys_resolved_row_choice(TarxKeysResolvedRow *row, int attempt, int remaining);
extern void tarx_keys_resolved_row_wipe(const TarxKeysResolvedRow *row);

/* resolve_llm_keys.c: a key that is open, for a function that makes something of it */
typedef void (*TarxKeysKeyUse) (const TarxKeysOpenKey *key, void *arg);
extern void tarx_keys_use_key(FunctionCallInfo fcinfo, TarxKeysKeyUse use, void *arg);
extern void tarx_keys_latest_key(const pg_uuid_t *project_id, const pg_uuid_t *key_id, TarxKeysRow *row);

/* platform_keys.c */
extern bytea *tarx_keys_token_hash(TarxKeysSpan token);
extern text *tarx_keys_token_mask(TarxKeysSpan token);
extern void tarx_keys_platform_key_form(TarxKeysRow *key, FunctionCallInfo fcinfo, int name_at);
extern Datum tarx_keys_platform_key_store(TarxKeysRow *key, FunctionCallInfo fcinfo,
										  const TarxKeysChain *chain, MemoryContext context);

/* text_list.c: a text, and the place where it first occurred in the caller's argument */
typedef struct TarxKeysListed
{
	TarxKeysSpan text;
	size_t		place;
} TarxKeysListed;

typedef struct TarxKeysTextList
{
	TarxKeysListed *items;
	size_t		count;
	size_t		size;
} TarxKeysTextList;

extern TarxKeysSpan tarx_keys_span(text *value);
extern void tarx_keys_texts_add(TarxKeysTextList *list, TarxKeysSpan text);
extern void tarx_keys_texts_sort(TarxKeysTextList *list);
extern void tarx_keys_texts_sort_by_place(TarxKeysTextList *list);
extern char *tarx_keys_texts_quoted(TarxKeysTextList *list,
									void (*append) (StringInfo out, TarxKeysSpan text));
extern Datum tarx_keys_texts_array(const TarxKeysTextList *list);
extern ssize_t tarx_keys_texts_find(const TarxKeysTextList *list, TarxKeysSpan text);

/* resolve_secrets.c: secrets that were found, in the order of their names */
typedef struct TarxKeysResolvedSecrets
{
	const TarxKeysTextList *asked;	/* sorted, each once; NULL for all there
									 * are */
	const uint8 *recipient;		/* the public key to seal to; NULL for values
								 * in clear */
	uint64		count;
	text	  **names;
	pg_uuid_t  *ids;
	TarxKeysText *values;		/* in UTF-8 if there is a recipient, else in
								 * the database's encoding */
} TarxKeysResolvedSecrets;

extern text *tarx_keys_arg_secret_name(FunctionCallInfo fcinfo, int n, const char *argument);
extern TarxKeysTextList tarx_keys_arg_secret_names(FunctionCallInfo fcinfo, int n, const char *argument);
extern void tarx_keys_resolve_project_secrets(FunctionCallInfo fcinfo, const pg_uuid_t *project_id,
											  TarxKeysResolvedSecrets *found);
extern void tarx_keys_wipe_resolved(TarxKeysResolvedSecrets *found);
extern text *tarx_keys_make_text(MemoryContext context, size_t len);
pg_noreturn extern void tarx_keys_fail_secret_name(text *name);

/* project_room.c: how much a project can have */
extern void tarx_keys_check_room(const pg_uuid_t *project_id, const char *table);

/* run_scope.c: what a run may resolve */
extern void tarx_keys_run_admit_recipient(const TarxKeysCall *call, const uint8 *recipient);
extern void tarx_keys_run_admit_agent(const TarxKeysCall *call, const pg_uuid_t *agent_id);
extern void tarx_keys_run_admit_provider(const TarxKeysCall *call, text *provider);
extern void tarx_keys_run_admit_key_of_agent(const TarxKeysCall *call, const pg_uuid_t *key_id);
extern void tarx_keys_run_admit_key(const TarxKeysCall *call, const pg_uuid_t *key_id);
extern void tarx_keys_run_admit_secrets(const TarxKeysCall *call, const TarxKeysTextList **names);

/* run_texts.c: the text of a run ticket */
extern text *tarx_keys_run_ticket_seal(const TarxKeysRunTicket *ticket);
extern TarxKeysText tarx_keys_run_ticket_open(FunctionCallInfo fcinfo, int n, TarxKeysRunTicket *ticket);

#endif							/* TARX_KEYS_CREDENTIALS_H */
