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

#include "access/access.h"
#include "redaction/redaction.h"
#include "tables/tables.h"

/* agents.c */
extern pg_uuid_t tarx_keys_agent_key_id(Relation agents, const pg_uuid_t *project_id,
										const pg_uuid_t *agent_id, Snapshot snapshot);

/* sealed_boxes.c: values that travel sealed */
extern TarxKeysText tarx_keys_arg_sealed(FunctionCallInfo fcinfo, int n,
										 const TarxKeysBinding *header);
extern const uint8 *tarx_keys_arg_recipient(FunctionCallInfo fcinfo, int n);
extern Datum tarx_keys_value_result(const uint8 *recipient, const TarxKeysText *value,
									TarxKeysSecret **copy);

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
	bool		is_elsewhere;	/* set by tarx_keys_arg_base_url(): the key
								 * goes to an endpoint that is not the
								 * vendor's */
} TarxKeysProvider;

extern TarxKeysProvider tarx_keys_fetch_provider(text *slug);
extern void tarx_keys_check_key_vendor(const TarxKeysProvider *provider, TarxKeysSpan value,
									   const char *argument, const char *what);

/* base_urls.c */
extern text *tarx_keys_arg_base_url(FunctionCallInfo fcinfo, int n, TarxKeysProvider *provider);

/* resolve_llm_keys.c: a key that is open, for a function that makes something of it */
typedef struct TarxKeysOpenKey
{
	text	   *provider;
	text	   *destination;
	TarxKeysText value;			/* in the database's encoding; wiped after the
								 * function */
} TarxKeysOpenKey;

typedef void (*TarxKeysKeyUse) (const TarxKeysOpenKey *key, void *arg);
extern void tarx_keys_use_key(FunctionCallInfo fcinfo, TarxKeysKeyUse use, void *arg);

/* platform_keys.c */
extern uint32 tarx_keys_token_checksum(const char *token);

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
extern int	tarx_keys_compare_spans(TarxKeysSpan a, TarxKeysSpan b);
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
	pg_uuid_t  *ids;			/* the ids that their uses are counted under */
	TarxKeysText *values;		/* in UTF-8 if there is a recipient, else in
								 * the database's encoding */
} TarxKeysResolvedSecrets;

extern text *tarx_keys_arg_secret_name(FunctionCallInfo fcinfo, int n, const char *argument);
extern void tarx_keys_resolve_project_secrets(FunctionCallInfo fcinfo, const pg_uuid_t *project_id,
											  TarxKeysResolvedSecrets *found);
extern void tarx_keys_wipe_resolved(TarxKeysResolvedSecrets *found);
extern text *tarx_keys_make_text(MemoryContext context, size_t len);
pg_noreturn extern void tarx_keys_fail_secret_name(text *name);

#endif							/* TARX_KEYS_CREDENTIALS_H */
