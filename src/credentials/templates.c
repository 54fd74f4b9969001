/*
 * templates.c
 *	  Puts secrets into templates that refer to them.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_render_template);
PG_FUNCTION_INFO_V1(tarx_keys_template_references);

#define TEMPLATE_MAX_BYTES	(1024 * 1024)
#define RENDERED_MAX_BYTES	(64 * 1024 * 1024)

/* Append the beginning of a malformed reference, without characters that could mislead. */
static void
append_excerpt(StringInfo out, TarxKeysSpan reference)
{
	/*
	 * As many bytes as the excerpt can need in any encoding, with one
	 * character to spare.
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
	return tarx_keys_span(template);
}

/* The names that a template refers to, sorted, each once; an error if any reference is malformed */
static TarxKeysTextList
template_names(TarxKeysSpan template)
{
	TarxKeysTextList names = {NULL, 0, 0};
	TarxKeysTextList malformed = {NULL, 0, 0};
	TarxKeysToken token;

	while (tarx_keys_template_next(&template, &token))
	{
		if (token.kind == TARX_KEYS_TOKEN_REFERENCE)
			tarx_keys_texts_add(&names, token.text);
		else if (token.kind == TARX_KEYS_TOKEN_MALFORMED)
			tarx_keys_texts_add(&malformed, token.text);
	}
	if (malformed.count > 0)
	{
		tarx_keys_texts_sort(&malformed);
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg("template"),
				 errmsg_plural("malformed reference in the template: %s",
							   "malformed references in the template: %s",
							   malformed.count, tarx_keys_texts_quoted(&malformed, append_excerpt)),
				 errhint("A reference is ${secrets.NAME}; write $${ for a literal ${.")));
	}
	tarx_keys_texts_sort(&names);
	return names;
}

static TupleDesc
describe_names(void)
{
	TupleDesc	desc = CreateTemplateTupleDesc(1);

	TupleDescInitEntry(desc, 1, "template_references", TEXTOID, -1, 0);
	return desc;
}

/* What a token stands for in the result; found has the names' values. */
static TarxKeysSpan
expand(const TarxKeysToken *token, const TarxKeysResolvedSecrets *found)
{
	ssize_t		name;

	if (token->kind == TARX_KEYS_TOKEN_LITERAL)
		return token->text;
	name = tarx_keys_texts_find(found->asked, token->text);
	if (name < 0)
		elog(ERROR, "a reference of the template has no value");
	return (TarxKeysSpan) {found->values[name].data, found->values[name].len};
}

/*
 * Put the values in.  The length is known before the result is allocated, because
 * a reallocation would leave a copy behind.  References in values are not expanded.
 */
static text *
render(TarxKeysSpan template, const TarxKeysResolvedSecrets *found, MemoryContext context)
{
	TarxKeysSpan rest = template;
	TarxKeysToken token;
	uint64		len = 0;
	text	   *result;
	char	   *at;

	while (tarx_keys_template_next(&rest, &token))
		len += expand(&token, found).len;
	if (len > RENDERED_MAX_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 tarx_keys_errarg("template"),
				 errmsg("the rendered template is too long"),
				 errhint("A template may become at most %d bytes long.", RENDERED_MAX_BYTES)));
	result = tarx_keys_make_text(context, len);
	at = VARDATA(result);
	rest = template;
	while (tarx_keys_template_next(&rest, &token))
	{
		TarxKeysSpan part = expand(&token, found);

		memcpy(at, part.data, part.len);
		at += part.len;
	}
	return result;
}

/* render_template(project_id uuid, template text) returns text */
Datum
tarx_keys_render_template(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	const pg_uuid_t *project_id;
	TarxKeysSpan template;
	TarxKeysTextList names;
	TarxKeysResolvedSecrets found = {.asked = &names};
	text	   *result;

	tarx_keys_redaction_mark(TARX_KEYS_SENSITIVE_render_template);
	context = tarx_keys_begin_work();
	project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	template = template_argument(fcinfo, 1);
	names = template_names(template);
	tarx_keys_resolve_project_secrets(fcinfo, project_id, &found);
	result = render(template, &found, context);
	tarx_keys_wipe_resolved(&found);
	tarx_keys_end_work(context);
	PG_RETURN_TEXT_P(result);
}

/* template_references(template text) returns setof text: names in order of appearance */
Datum
tarx_keys_template_references(PG_FUNCTION_ARGS)
{
	TarxKeysTextList names = template_names(template_argument(fcinfo, 0));
	Tuplestorestate *store = tarx_keys_begin_rows(fcinfo, work_mem, describe_names);

	tarx_keys_texts_sort_by_place(&names);
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
