/*
 * project_secrets.c
 *	  Keeps the named secrets of projects, with versions, and resolves them.
 *
 * A value is sealed before its row is first written, bound to project, name
 * and version, and opened only into the result of a resolve call, or to be
 * sealed again as a newer version.  Every copy that is made in between is
 * wiped, whatever happens.
 *
 * The version must be known before the value is sealed: whoever writes one
 * locks the secret's row first, so that versions follow each other without
 * gaps.  Resolve calls lock and write nothing.
 *
 * Values never go to disk from here: the rows of resolve_secrets() have a
 * store of their own that does not spill.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_set_secret);
PG_FUNCTION_INFO_V1(tarx_keys_set_sealed_secret);
PG_FUNCTION_INFO_V1(tarx_keys_restore_secret);
PG_FUNCTION_INFO_V1(tarx_keys_delete_secret);
PG_FUNCTION_INFO_V1(tarx_keys_resolve_secret);
PG_FUNCTION_INFO_V1(tarx_keys_resolve_secrets);
PG_FUNCTION_INFO_V1(tarx_keys_resolve_secrets_sealed);
PG_FUNCTION_INFO_V1(tarx_keys_render_template);
PG_FUNCTION_INFO_V1(tarx_keys_template_references);

#define TEMPLATE_MAX_BYTES	(1024 * 1024)
#define RENDERED_MAX_BYTES	(64 * 1024 * 1024)

/* A secret's row: what its ciphertext is bound to */
typedef struct ProjectSecret
{
	const pg_uuid_t *project_id;
	text	   *name;
	int32		version;
} ProjectSecret;

/* A text and the place where it first occurred in what a caller gave us */
typedef struct Listed
{
	TarxKeysSpan text;
	size_t		place;
} Listed;

typedef struct TextList
{
	Listed	   *items;
	size_t		count;
	size_t		size;
} TextList;

static TarxKeysQuery lock_query = {
	"SELECT s.version FROM tarx_keys.project_secrets s"
	" WHERE s.project_id OPERATOR(pg_catalog.=) $1 AND s.name OPERATOR(pg_catalog.=) $2"
	" FOR NO KEY UPDATE",
	2, {UUIDOID, TEXTOID}, NULL
};

static TarxKeysQuery insert_query = {
	"INSERT INTO tarx_keys.project_secrets"
	" (project_id, name, description, version, updated_by, ciphertext)"
	" VALUES ($1, $2, $3, $4, $5, $6)"
	" ON CONFLICT (project_id, name) DO NOTHING",
	6, {UUIDOID, TEXTOID, TEXTOID, INT4OID, TEXTOID, BYTEAOID}, NULL
};

/* $3: whether there is a new description, which is then $4 */
static TarxKeysQuery update_query = {
	"UPDATE tarx_keys.project_secrets s"
	" SET description = CASE WHEN $3 THEN $4 ELSE s.description END,"
	" version = $5, updated_by = $6, updated_at = pg_catalog.now(), ciphertext = $7"
	" WHERE s.project_id OPERATOR(pg_catalog.=) $1 AND s.name OPERATOR(pg_catalog.=) $2",
	7, {UUIDOID, TEXTOID, BOOLOID, TEXTOID, INT4OID, TEXTOID, BYTEAOID}, NULL
};

/* The locked row outweighs an older version's that somebody has put in its way. */
static TarxKeysQuery archive_query = {
	"INSERT INTO tarx_keys_internal.project_secret_versions"
	" (project_id, name, version, updated_by, updated_at, ciphertext)"
	" SELECT s.project_id, s.name, s.version, s.updated_by, s.updated_at, s.ciphertext"
	" FROM tarx_keys.project_secrets s"
	" WHERE s.project_id OPERATOR(pg_catalog.=) $1 AND s.name OPERATOR(pg_catalog.=) $2"
	" ON CONFLICT (project_id, name, version) DO UPDATE SET updated_by = EXCLUDED.updated_by,"
	" updated_at = EXCLUDED.updated_at, ciphertext = EXCLUDED.ciphertext",
	2, {UUIDOID, TEXTOID}, NULL
};

static TarxKeysQuery trim_query = {
	"DELETE FROM tarx_keys_internal.project_secret_versions v"
	" WHERE v.project_id OPERATOR(pg_catalog.=) $1 AND v.name OPERATOR(pg_catalog.=) $2"
	" AND v.version OPERATOR(pg_catalog.<=) $3",
	3, {UUIDOID, TEXTOID, INT4OID}, NULL
};

/* A version that is kept; the current one is in its own table. */
static TarxKeysQuery version_query = {
	"SELECT s.ciphertext FROM tarx_keys.project_secrets s"
	" WHERE s.project_id OPERATOR(pg_catalog.=) $1 AND s.name OPERATOR(pg_catalog.=) $2"
	" AND s.version OPERATOR(pg_catalog.=) $3"
	" UNION ALL"
	" SELECT v.ciphertext FROM tarx_keys_internal.project_secret_versions v"
	" WHERE v.project_id OPERATOR(pg_catalog.=) $1 AND v.name OPERATOR(pg_catalog.=) $2"
	" AND v.version OPERATOR(pg_catalog.=) $3",
	3, {UUIDOID, TEXTOID, INT4OID}, NULL
};

static TarxKeysQuery delete_query = {
	"DELETE FROM tarx_keys.project_secrets s"
	" WHERE s.project_id OPERATOR(pg_catalog.=) $1 AND s.name OPERATOR(pg_catalog.=) $2",
	2, {UUIDOID, TEXTOID}, NULL
};

/* The next two are read by position in read_row(). */
static TarxKeysQuery named_query = {
	"SELECT s.name, s.version, s.ciphertext FROM tarx_keys.project_secrets s"
	" WHERE s.project_id OPERATOR(pg_catalog.=) $1 AND s.name OPERATOR(pg_catalog.=) ANY ($2)"
	" ORDER BY s.name",
	2, {UUIDOID, TEXTARRAYOID}, NULL
};

static TarxKeysQuery all_query = {
	"SELECT s.name, s.version, s.ciphertext FROM tarx_keys.project_secrets s"
	" WHERE s.project_id OPERATOR(pg_catalog.=) $1 ORDER BY s.name",
	1, {UUIDOID}, NULL
};

/*
 * Lists of names
 */

static void
texts_add(TextList *list, TarxKeysSpan text)
{
	if (list->items == NULL)
	{
		list->size = 8;
		list->items = palloc(sizeof(Listed) * list->size);
	}
	else if (list->count == list->size)
	{
		list->size *= 2;
		list->items = repalloc(list->items, sizeof(Listed) * list->size);
	}
	list->items[list->count] = (Listed) {text, list->count};
	list->count++;
}

/* The order of bytes, which is that of collation "C" */
static int
compare_spans(TarxKeysSpan a, TarxKeysSpan b)
{
	int			order = memcmp(a.data, b.data, Min(a.len, b.len));

	if (order != 0)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}

static int
compare_texts(const void *a, const void *b)
{
	return compare_spans(((const Listed *) a)->text, ((const Listed *) b)->text);
}

static int
compare_places(const void *a, const void *b)
{
	size_t		left = ((const Listed *) a)->place;
	size_t		right = ((const Listed *) b)->place;

	return (left > right) - (left < right);
}

static int
compare_texts_and_places(const void *a, const void *b)
{
	int			order = compare_texts(a, b);

	return order != 0 ? order : compare_places(a, b);
}

/* Sort by text and keep the first of each. */
static void
texts_sort(TextList *list)
{
	size_t		kept = 0;

	qsort(list->items, list->count, sizeof(Listed), compare_texts_and_places);
	for (size_t i = 0; i < list->count; i++)
	{
		if (kept == 0 || compare_texts(&list->items[kept - 1], &list->items[i]) != 0)
			list->items[kept++] = list->items[i];
	}
	list->count = kept;
}

/* Back to the order in which they occurred */
static void
texts_sort_by_place(TextList *list)
{
	qsort(list->items, list->count, sizeof(Listed), compare_places);
}

/* For a message: each as far as it may be shown, in quotes, in order of occurrence */
static char *
texts_quoted(TextList *list, void (*append) (StringInfo out, TarxKeysSpan text))
{
	StringInfoData quoted;

	texts_sort_by_place(list);
	initStringInfo(&quoted);
	for (size_t i = 0; i < list->count; i++)
	{
		appendStringInfoString(&quoted, i > 0 ? ", \"" : "\"");
		append(&quoted, list->items[i].text);
		appendStringInfoChar(&quoted, '"');
	}
	return quoted.data;
}

/* A valid name is shown as it is. */
static void
append_name(StringInfo out, TarxKeysSpan name)
{
	appendBinaryStringInfo(out, name.data, (int) name.len);
}

/* Of a malformed reference only the beginning, without what could mislead */
static void
append_excerpt(StringInfo out, TarxKeysSpan reference)
{
	/*
	 * all that the excerpt can need, in any encoding, with one character to
	 * spare
	 */
	int			len = (int) Min(reference.len, 4 * (TARX_KEYS_EXCERPT_CHARS + 1));
	int			whole = pg_mbcliplen(reference.data, (int) reference.len, len);
	char		excerpt[TARX_KEYS_EXCERPT_MAX];
	TarxKeysText utf8;
	text	   *shown;

	if (!tarx_keys_to_utf8(cstring_to_text_with_len(reference.data, whole), &utf8))
		return;
	shown = tarx_keys_from_utf8(excerpt, tarx_keys_excerpt(excerpt, utf8.data, utf8.len));
	appendBinaryStringInfo(out, VARDATA_ANY(shown), VARSIZE_ANY_EXHDR(shown));
}

pg_noreturn static void
fail_not_found(TextList *names)
{
	tarx_keys_fail_secrets_not_found(texts_quoted(names, append_name), names->count);
}

/*
 * Arguments
 */

static TarxKeysSpan
span_of(text *value)
{
	return (TarxKeysSpan) {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

/* A name that may be shown from here on; an error if it is NULL or none. */
static text *
name_argument(FunctionCallInfo fcinfo, int n)
{
	TarxKeysText name = tarx_keys_arg_utf8(fcinfo, n, "name");

	tarx_keys_check_secret_name(&name, "name", "name");
	/* ASCII, so it is the same in all encodings */
	return cstring_to_text_with_len(name.data, (int) name.len);
}

/* The names in an array, sorted, each once */
static TextList
names_argument(FunctionCallInfo fcinfo, int n)
{
	TextList	list = {NULL, 0, 0};
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(n), TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		TarxKeysText name = {NULL, 0, NULL};
		TarxKeysSpan span;

		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 tarx_keys_errarg("names"),
					 errmsg("an element of names must not be null"),
					 errhint("Leave names out to get all secrets of the project.")));
		span = span_of(DatumGetTextPP(elements[i]));
		name.data = unconstify(char *, span.data);
		name.len = span.len;
		tarx_keys_check_secret_name(&name, "names", "an element of names");
		texts_add(&list, span);
	}
	texts_sort(&list);
	return list;
}

/* The template, in the database's encoding */
static TarxKeysSpan
template_argument(FunctionCallInfo fcinfo, int n)
{
	text	   *template = tarx_keys_arg_text(fcinfo, n, "template");

	if (VARSIZE_ANY_EXHDR(template) > TEMPLATE_MAX_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg("template"),
				 errmsg("template is too long"),
				 errhint("A template has at most %d bytes.", TEMPLATE_MAX_BYTES)));
	return span_of(template);
}

/* The names that a template refers to, sorted, each once; an error if any is malformed. */
static TextList
template_names(TarxKeysSpan template)
{
	TextList	names = {NULL, 0, 0};
	TextList	malformed = {NULL, 0, 0};
	TarxKeysToken token;

	while (tarx_keys_template_next(&template, &token))
	{
		if (token.kind == TARX_KEYS_TOKEN_REFERENCE)
			texts_add(&names, token.text);
		else if (token.kind == TARX_KEYS_TOKEN_MALFORMED)
			texts_add(&malformed, token.text);
	}
	if (malformed.count > 0)
	{
		texts_sort(&malformed);
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg("template"),
				 errmsg_plural("malformed reference in the template: %s",
							   "malformed references in the template: %s",
							   malformed.count, texts_quoted(&malformed, append_excerpt)),
				 errhint("A reference is ${secrets.NAME}; write $${ for a literal ${.")));
	}
	texts_sort(&names);
	return names;
}

/*
 * Sealing and opening
 */

static void
bind_fields(TarxKeysBinding *binding, const ProjectSecret *secret)
{
	TarxKeysSpan name = span_of(secret->name);
	uint64		version = (uint64) (int64) secret->version;
	uint8		bytes[8];

	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8) (version >> (56 - 8 * i));
	tarx_keys_binding_init(binding, TARX_KEYS_PURPOSE_SECRET, secret->project_id->data);
	tarx_keys_binding_add(binding, name.data, name.len);
	tarx_keys_binding_add(binding, bytes, sizeof(bytes));
}

/* The fields are project_id, name and version. */
bool
tarx_keys_bind_secret(TarxKeysBinding *binding, const NullableDatum *fields)
{
	ProjectSecret secret;

	if (fields[0].isnull || fields[1].isnull || fields[2].isnull)
		return false;
	secret.project_id = DatumGetUUIDP(fields[0].value);
	secret.name = DatumGetTextPP(fields[1].value);
	secret.version = DatumGetInt32(fields[2].value);
	bind_fields(binding, &secret);
	return true;
}

static bytea *
seal(const ProjectSecret *secret, const TarxKeysText *value)
{
	TarxKeysBinding binding;

	bind_fields(&binding, secret);
	return tarx_keys_seal(&binding, value);
}

/* Column n (from 1) of a row in SPI_tuptable, none of which can be NULL */
static Datum
column(uint64 row, int n)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, n, &isnull);

	if (isnull)
		elog(ERROR, "column %d of a secret is null", n);
	return value;
}

/*
 * set_secret, restore_secret, delete_secret
 */

/* Lock the secret's row and fetch its version; false if there is none. */
static bool
lock_secret(ProjectSecret *secret)
{
	Datum		values[2] = {UUIDPGetDatum(secret->project_id), PointerGetDatum(secret->name)};

	if (tarx_keys_query_run(&lock_query, values, NULL, false) == 0)
		return false;
	secret->version = DatumGetInt32(column(0, 1));
	return true;
}

/* Insert the first version; false if somebody else was faster. */
static bool
insert_secret(const ProjectSecret *secret, text *description, const TarxKeysText *value)
{
	Datum		values[6];
	char		nulls[7] = "      ";

	values[0] = UUIDPGetDatum(secret->project_id);
	values[1] = PointerGetDatum(secret->name);
	values[2] = PointerGetDatum(description);
	nulls[2] = description == NULL ? 'n' : ' ';
	values[3] = Int32GetDatum(secret->version);
	values[4] = CStringGetTextDatum(tarx_keys_acting_user());
	values[5] = PointerGetDatum(seal(secret, value));
	return tarx_keys_query_run(&insert_query, values, nulls, false) > 0;
}

/* The current version becomes an older one. */
static void
archive_version(const ProjectSecret *secret)
{
	Datum		values[2] = {UUIDPGetDatum(secret->project_id), PointerGetDatum(secret->name)};

	(void) tarx_keys_query_run(&archive_query, values, NULL, false);
}

/* Delete the versions that are too old to be kept beside the current one. */
static void
trim_versions(const ProjectSecret *secret)
{
	Datum		values[3];

	values[0] = UUIDPGetDatum(secret->project_id);
	values[1] = PointerGetDatum(secret->name);
	values[2] = Int32GetDatum(secret->version - tarx_keys_setting_secret_versions_kept());
	(void) tarx_keys_query_run(&trim_query, values, NULL, false);
}

/*
 * Write the next version of a secret whose row is locked; its number goes to
 * *secret.  has_description: whether there is a new one, which may be none.
 */
static void
write_next_version(ProjectSecret *secret, bool has_description, text *description,
				   const TarxKeysText *value)
{
	Datum		values[7];
	char		nulls[8] = "       ";

	if (secret->version == PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the secret has no version numbers left"),
				 errhint("Delete the secret and set it again.")));
	secret->version++;
	values[0] = UUIDPGetDatum(secret->project_id);
	values[1] = PointerGetDatum(secret->name);
	values[2] = BoolGetDatum(has_description);
	values[3] = PointerGetDatum(description);
	nulls[3] = description == NULL ? 'n' : ' ';
	values[4] = Int32GetDatum(secret->version);
	values[5] = CStringGetTextDatum(tarx_keys_acting_user());
	values[6] = PointerGetDatum(seal(secret, value));
	if (tarx_keys_setting_secret_versions_kept() > 1)
		archive_version(secret);
	if (tarx_keys_query_run(&update_query, values, nulls, false) != 1)
		elog(ERROR, "the locked row of a secret is gone");
	trim_versions(secret);
}

/*
 * Insert or update.  Under READ COMMITTED a row that the insertion meets, or
 * that is deleted while we wait for its lock, is seen in the next round; under
 * the stricter levels both are serialization failures.
 */
static void
write_secret(ProjectSecret *secret, bool has_description, text *description,
			 const TarxKeysText *value)
{
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (lock_secret(secret))
		{
			write_next_version(secret, has_description, description, value);
			return;
		}
		secret->version = 1;
		if (insert_secret(secret, description, value))
			return;
	}
}

/*
 * Check what remains to be checked of set_secret()'s arguments, and write; the
 * value is wiped: argument is what it came in, what says the same in words.
 * Returns the version.
 */
static int32
set_secret(FunctionCallInfo fcinfo, ProjectSecret *secret, const TarxKeysText *value,
		   const char *argument, const char *what)
{
	text	   *description = NULL;

	tarx_keys_check_secret_value(value, argument, what);
	if (!PG_ARGISNULL(3))
	{
		TarxKeysText given = tarx_keys_arg_utf8(fcinfo, 3, "description");

		tarx_keys_check_description(&given, "description");
		/* an empty one is none */
		if (given.len > 0)
			description = PG_GETARG_TEXT_PP(3);
	}
	tarx_keys_queries_begin();
	write_secret(secret, !PG_ARGISNULL(3), description, value);
	tarx_keys_audit_project(secret->project_id, "secret.set", NULL, secret->name);
	tarx_keys_queries_end();
	tarx_keys_secret_wipe(value->secret);
	return secret->version;
}

/* The secret that the arguments name, in a project that the acting user is an admin of */
static ProjectSecret
enter_secret(FunctionCallInfo fcinfo)
{
	ProjectSecret secret = {NULL, NULL, 0};

	secret.project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	tarx_keys_enter_as_admin(secret.project_id);
	secret.name = name_argument(fcinfo, 1);
	return secret;
}

/*
 * set_secret(project_id uuid, name text, value text, description text) returns
 * integer: see sql/55_project_secrets.sql.
 */
Datum
tarx_keys_set_secret(PG_FUNCTION_ARGS)
{
	ProjectSecret secret;
	TarxKeysText value;

	tarx_keys_redaction_mark("set_secret");
	secret = enter_secret(fcinfo);
	value = tarx_keys_arg_utf8(fcinfo, 2, "value");
	PG_RETURN_INT32(set_secret(fcinfo, &secret, &value, "value", "value"));
}

/*
 * set_sealed_secret(project_id uuid, name text, sealed bytea, description text)
 * returns integer: the same with the value in a box for project and name
 */
Datum
tarx_keys_set_sealed_secret(PG_FUNCTION_ARGS)
{
	ProjectSecret secret = enter_secret(fcinfo);
	TarxKeysSpan name = span_of(secret.name);
	TarxKeysBinding header;
	TarxKeysText value;

	tarx_keys_binding_init(&header, TARX_KEYS_PURPOSE_BOX_SECRET, secret.project_id->data);
	tarx_keys_binding_add(&header, name.data, name.len);
	value = tarx_keys_arg_sealed(fcinfo, 2, &header);
	PG_RETURN_INT32(set_secret(fcinfo, &secret, &value, "sealed", "the sealed value"));
}

/* The value of a version that is kept, as UTF-8; TK011 if it is not. */
static TarxKeysText
open_version(const ProjectSecret *secret)
{
	Datum		values[3];
	TarxKeysBinding binding;
	TarxKeysText value;

	values[0] = UUIDPGetDatum(secret->project_id);
	values[1] = PointerGetDatum(secret->name);
	values[2] = Int32GetDatum(secret->version);
	if (tarx_keys_query_run(&version_query, values, NULL, false) == 0)
		tarx_keys_fail_secret_version(text_to_cstring(secret->name), secret->version);
	bind_fields(&binding, secret);
	if (!tarx_keys_open_utf8(&binding, DatumGetByteaPP(column(0, 1)), &value))
		tarx_keys_fail_secret_integrity(text_to_cstring(secret->name));
	return value;
}

pg_noreturn static void
fail_name(text *name)
{
	TextList	list = {NULL, 0, 0};

	texts_add(&list, span_of(name));
	fail_not_found(&list);
}

/*
 * restore_secret(project_id uuid, name text, version integer) returns integer:
 * an old value, bound to the next version
 */
Datum
tarx_keys_restore_secret(PG_FUNCTION_ARGS)
{
	ProjectSecret secret = enter_secret(fcinfo);
	ProjectSecret old = secret;
	TarxKeysText value;

	old.version = tarx_keys_arg_int32(fcinfo, 2, "version");
	tarx_keys_queries_begin();
	if (!lock_secret(&secret))
		fail_name(secret.name);
	value = open_version(&old);
	write_next_version(&secret, false, NULL, &value);
	tarx_keys_secret_wipe(value.secret);
	tarx_keys_audit_project(secret.project_id, "secret.restore", NULL, secret.name);
	tarx_keys_queries_end();
	PG_RETURN_INT32(secret.version);
}

/* delete_secret(project_id uuid, name text): its older versions go with it */
Datum
tarx_keys_delete_secret(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	text	   *name;
	Datum		values[2];

	tarx_keys_enter_as_admin(project_id);
	name = name_argument(fcinfo, 1);
	values[0] = UUIDPGetDatum(project_id);
	values[1] = PointerGetDatum(name);
	tarx_keys_queries_begin();
	if (tarx_keys_query_run(&delete_query, values, NULL, false) == 0)
		fail_name(name);
	tarx_keys_audit_project(project_id, "secret.delete", NULL, name);
	tarx_keys_queries_end();
	PG_RETURN_VOID();
}

/*
 * resolve_secret, resolve_secrets and its sealed form, render_template
 */

/* Secrets that were found, in the order of their names */
typedef struct Resolved
{
	const uint8 *recipient;		/* the public key to seal to; NULL for values
								 * in clear */
	uint64		count;
	text	  **names;
	TarxKeysText *values;		/* in UTF-8 if there is a recipient, else in
								 * the database's encoding */
	const		text *last;		/* the name of the last that was found, opened
								 * or not; NULL if there was none */
} Resolved;

static Datum
array_of(const TextList *names)
{
	Datum	   *elements = palloc(sizeof(Datum) * (names->count + 1));

	for (size_t i = 0; i < names->count; i++)
		elements[i] = PointerGetDatum(cstring_to_text_with_len(names->items[i].text.data,
															   (int) names->items[i].text.len));
	return PointerGetDatum(construct_array(elements, (int) names->count, TEXTOID, -1, false,
										   TYPALIGN_INT));
}

/* TK011 unless the rows in SPI_tuptable, which are sorted as well, have all the names. */
static void
check_all_found(const TextList *names, uint64 rows)
{
	TextList	missing = {NULL, 0, 0};
	uint64		row = 0;

	for (size_t i = 0; i < names->count; i++)
	{
		if (row < rows &&
			compare_spans(span_of(DatumGetTextPP(column(row, 1))), names->items[i].text) == 0)
			row++;
		else
		{
			texts_add(&missing, names->items[i].text);
			/* as messages name them in the order in which the caller did */
			missing.items[missing.count - 1].place = names->items[i].place;
		}
	}
	if (missing.count > 0)
		fail_not_found(&missing);
	if (row < rows)
		elog(ERROR, "a secret was found that nobody asked for");
}

/* Open a row's ciphertext; TK004 if the row is not what was sealed. */
static TarxKeysText
open_row(const pg_uuid_t *project_id, text *name, uint64 row, bool as_utf8)
{
	Datum		stored = column(row, 3);
	bytea	   *envelope = DatumGetByteaPP(stored);
	ProjectSecret secret = {project_id, name, DatumGetInt32(column(row, 2))};
	TarxKeysBinding binding;
	TarxKeysText value;

	bind_fields(&binding, &secret);
	if (!tarx_keys_open(&binding, envelope, as_utf8, &value))
		tarx_keys_fail_secret_integrity(text_to_cstring(name));
	if ((Pointer) envelope != DatumGetPointer(stored))
		pfree(envelope);
	return value;
}

/*
 * Find and open secrets of the project as they are by now: those that are
 * named, which must all exist, or all there are.  In an SPI connection; all
 * are opened before the caller makes the first copy.
 */
static void
resolve_rows(const pg_uuid_t *project_id, const TextList *names, Resolved *found)
{
	TarxKeysQuery *query = names == NULL ? &all_query : &named_query;
	Snapshot	snapshot;
	Datum		values[2] = {UUIDPGetDatum(project_id), (Datum) 0};

	tarx_keys_query_lock(query);
	snapshot = tarx_keys_latest_snapshot();
	if (names != NULL)
		values[1] = array_of(names);
	found->count = tarx_keys_query_run_at(query, values, snapshot);
	if (names != NULL)
		check_all_found(names, found->count);
	found->names = palloc(sizeof(text *) * (found->count + 1));
	found->values = palloc(sizeof(TarxKeysText) * (found->count + 1));
	for (uint64 i = 0; i < found->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		found->last = found->names[i] = DatumGetTextPP(column(i, 1));
		found->values[i] = open_row(project_id, found->names[i], i, found->recipient != NULL);
	}
	/* only now: long ciphertexts have been fetched from where they are stored */
	UnregisterSnapshot(snapshot);
}

static void
get_usage_id(const text *name, pg_uuid_t *id)
{
	tarx_keys_usage_name_id(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name), id->data);
}

/* For each secret, because each was resolved */
static void
note_allowed(const pg_uuid_t *project_id, const Resolved *found)
{
	for (uint64 i = 0; i < found->count; i++)
	{
		pg_uuid_t	id;

		get_usage_id(found->names[i], &id);
		tarx_keys_log_event("resolve_secret", TARX_KEYS_ALLOWED, project_id, &id, NULL);
		tarx_keys_usage_count(TARX_KEYS_USAGE_SECRET, project_id, &id, true);
	}
}

/* For the secret that did not open; of names that there are not nothing is counted. */
static void
note_refused(const pg_uuid_t *project_id, const Resolved *found, int sqlerrcode)
{
	const char *sqlstate = unpack_sql_state(sqlerrcode);
	pg_uuid_t	id;

	if (!tarx_keys_is_refusal(sqlerrcode))
		return;
	if (found->last == NULL)
	{
		tarx_keys_log_event("resolve_secret", TARX_KEYS_REFUSED, project_id, NULL, sqlstate);
		return;
	}
	get_usage_id(found->last, &id);
	tarx_keys_log_event("resolve_secret", TARX_KEYS_REFUSED, project_id, &id, sqlstate);
	tarx_keys_usage_count(TARX_KEYS_USAGE_SECRET, project_id, &id, false);
}

/* Enter the project and resolve; log and count it, whether it succeeds or not. */
static void
resolve(const pg_uuid_t *project_id, const TextList *names, Resolved *found)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		tarx_keys_enter_project(project_id);
		resolve_rows(project_id, names, found);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		note_refused(project_id, found, geterrcode());
		PG_RE_THROW();
	}
	PG_END_TRY();
	note_allowed(project_id, found);
}

static void
wipe_resolved(Resolved *found)
{
	for (uint64 i = 0; i < found->count; i++)
		tarx_keys_secret_wipe(found->values[i].secret);
}

/* A text with room for len bytes */
static text *
make_text(MemoryContext context, size_t len)
{
	text	   *result = MemoryContextAlloc(context, VARHDRSZ + len);

	SET_VARSIZE(result, VARHDRSZ + len);
	return result;
}

/*
 * resolve_secret(project_id uuid, name text) returns text: see
 * sql/55_project_secrets.sql.  Writes nothing, so that it runs on a standby.
 */
Datum
tarx_keys_resolve_secret(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	TextList	names = {NULL, 0, 0};
	Resolved	found = {.recipient = NULL};
	const pg_uuid_t *project_id;
	text	   *result;

	tarx_keys_redaction_mark("resolve_secret");
	project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	texts_add(&names, span_of(name_argument(fcinfo, 1)));
	tarx_keys_queries_begin();
	resolve(project_id, &names, &found);
	result = make_text(context, found.values[0].len);
	memcpy(VARDATA(result), found.values[0].data, found.values[0].len);
	wipe_resolved(&found);
	tarx_keys_queries_end();
	PG_RETURN_TEXT_P(result);
}

static TupleDesc
describe_secrets(void)
{
	TupleDesc	desc = CreateTemplateTupleDesc(2);

	TupleDescInitEntry(desc, 1, "name", TEXTOID, -1, 0);
	TupleDescInitEntry(desc, 2, "value", TEXTOID, -1, 0);
	return desc;
}

static TupleDesc
describe_sealed_secrets(void)
{
	TupleDesc	desc = CreateTemplateTupleDesc(2);

	TupleDescInitEntry(desc, 1, "name", TEXTOID, -1, 0);
	TupleDescInitEntry(desc, 2, "sealed", BYTEAOID, -1, 0);
	return desc;
}

static TupleDesc
describe_names(void)
{
	TupleDesc	desc = CreateTemplateTupleDesc(1);

	TupleDescInitEntry(desc, 1, "template_references", TEXTOID, -1, 0);
	return desc;
}

/* The store forms a row in its own memory; values and the copies it is formed of are wiped. */
static void
put_rows(Tuplestorestate *store, TupleDesc desc, const Resolved *found)
{
	MemoryContext row = AllocSetContextCreate(CurrentMemoryContext, "tarx_keys row",
											  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(row);

	for (uint64 i = 0; i < found->count; i++)
	{
		TarxKeysSecret *copy;
		Datum		values[2];
		bool		nulls[2] = {false, false};

		values[0] = PointerGetDatum(found->names[i]);
		values[1] = tarx_keys_value_result(found->recipient, &found->values[i], &copy);
		tuplestore_putvalues(store, desc, values, nulls);
		tarx_keys_secret_wipe(copy);
		MemoryContextReset(row);
	}
	MemoryContextSwitchTo(old);
}

/* Several secrets, or all of a project, to a store; in clear if recipient is NULL */
static void
resolve_to_store(FunctionCallInfo fcinfo, const uint8 *recipient, Tuplestorestate *store)
{
	const pg_uuid_t *project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	bool		all = PG_ARGISNULL(1);
	TextList	names = {NULL, 0, 0};
	Resolved	found = {.recipient = recipient};

	if (!all)
		names = names_argument(fcinfo, 1);
	tarx_keys_queries_begin();
	resolve(project_id, all ? NULL : &names, &found);
	put_rows(store, ((ReturnSetInfo *) fcinfo->resultinfo)->setDesc, &found);
	tarx_keys_queries_end();
}

/* resolve_secrets(project_id uuid, names text[]) returns a set of rows */
Datum
tarx_keys_resolve_secrets(PG_FUNCTION_ARGS)
{
	tarx_keys_redaction_mark("resolve_secrets");
	/* work_mem does not count here: a store that exceeds it goes to a file */
	resolve_to_store(fcinfo, NULL, tarx_keys_begin_rows(fcinfo, MAX_KILOBYTES, describe_secrets));
	return (Datum) 0;
}

/*
 * resolve_secrets_sealed(project_id uuid, names text[], recipient_public_key bytea)
 * returns a set of rows
 */
Datum
tarx_keys_resolve_secrets_sealed(PG_FUNCTION_ARGS)
{
	Tuplestorestate *store = tarx_keys_begin_rows(fcinfo, work_mem, describe_sealed_secrets);

	resolve_to_store(fcinfo, tarx_keys_arg_recipient(fcinfo, 2), store);
	return (Datum) 0;
}

/* What a token stands for in the result; found has the names' values. */
static TarxKeysSpan
expand(const TarxKeysToken *token, const TextList *names, const Resolved *found)
{
	Listed		key = {token->text, 0};
	const Listed *name;
	const TarxKeysText *value;

	if (token->kind == TARX_KEYS_TOKEN_LITERAL)
		return token->text;
	name = bsearch(&key, names->items, names->count, sizeof(Listed), compare_texts);
	if (name == NULL)
		elog(ERROR, "a reference of the template has no value");
	value = &found->values[name - names->items];
	return (TarxKeysSpan) {value->data, value->len};
}

/*
 * Put the values in.  The length is known before anything is allocated, so
 * that no reallocation leaves a copy behind, and values are not looked into.
 */
static text *
render(TarxKeysSpan template, const TextList *names, const Resolved *found,
	   MemoryContext context)
{
	TarxKeysSpan rest = template;
	TarxKeysToken token;
	uint64		len = 0;
	text	   *result;
	char	   *at;

	while (tarx_keys_template_next(&rest, &token))
		len += expand(&token, names, found).len;
	if (len > RENDERED_MAX_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 tarx_keys_errarg("template"),
				 errmsg("the rendered template is too long"),
				 errhint("A template may become at most %d bytes long.", RENDERED_MAX_BYTES)));
	result = make_text(context, len);
	at = VARDATA(result);
	rest = template;
	while (tarx_keys_template_next(&rest, &token))
	{
		TarxKeysSpan part = expand(&token, names, found);

		memcpy(at, part.data, part.len);
		at += part.len;
	}
	return result;
}

/* render_template(project_id uuid, template text) returns text */
Datum
tarx_keys_render_template(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	const pg_uuid_t *project_id;
	TarxKeysSpan template;
	TextList	names;
	Resolved	found = {.recipient = NULL};
	text	   *result;

	tarx_keys_redaction_mark("render_template");
	project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	template = template_argument(fcinfo, 1);
	names = template_names(template);
	tarx_keys_queries_begin();
	resolve(project_id, &names, &found);
	result = render(template, &names, &found, context);
	wipe_resolved(&found);
	tarx_keys_queries_end();
	PG_RETURN_TEXT_P(result);
}

/* template_references(template text) returns setof text: names in order of appearance */
Datum
tarx_keys_template_references(PG_FUNCTION_ARGS)
{
	TextList	names = template_names(template_argument(fcinfo, 0));
	Tuplestorestate *store = tarx_keys_begin_rows(fcinfo, work_mem, describe_names);

	texts_sort_by_place(&names);
	for (size_t i = 0; i < names.count; i++)
	{
		Datum		value = PointerGetDatum(cstring_to_text_with_len(names.items[i].text.data,
																	 (int) names.items[i].text.len));
		bool		isnull = false;

		tuplestore_putvalues(store, ((ReturnSetInfo *) fcinfo->resultinfo)->setDesc,
							 &value, &isnull);
	}
	return (Datum) 0;
}
