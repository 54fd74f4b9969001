/*
 * json.c
 *	  JSON as trees in memory, whose texts nobody has copied.
 *
 * jsonb_in() quotes what is wrong, and leaves copies that nobody can wipe.  So JSON
 * that did not come as an argument of type jsonb, but may have secrets, is read by
 * PostgreSQL's parser with actions of our own.
 *
 * Invariant: every copy of a value in the parsed text is a registered secret.
 */
#include "postgres.h"
#include "base/compat.h"

#include "common/jsonapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "base/base.h"

static void
push(JsonbInState *tree, JsonbIteratorToken token, JsonbValue *value)
{
	tarx_keys_jsonb_push(tree, token, value);
}

static JsonbValue
text_value(char *string)
{
	JsonbValue	value = {.type = jbvString};

	value.val.string.val = string;
	value.val.string.len = (int) strlen(string);
	return value;
}

/*
 * What the parser calls
 */

static TARX_KEYS_JSON_RESULT
begin_object(void *tree)
{
	push(tree, WJB_BEGIN_OBJECT, NULL);
	TARX_KEYS_JSON_GO_ON();
}

static TARX_KEYS_JSON_RESULT
end_object(void *tree)
{
	push(tree, WJB_END_OBJECT, NULL);
	TARX_KEYS_JSON_GO_ON();
}

static TARX_KEYS_JSON_RESULT
begin_array(void *tree)
{
	push(tree, WJB_BEGIN_ARRAY, NULL);
	TARX_KEYS_JSON_GO_ON();
}

static TARX_KEYS_JSON_RESULT
end_array(void *tree)
{
	push(tree, WJB_END_ARRAY, NULL);
	TARX_KEYS_JSON_GO_ON();
}

static TARX_KEYS_JSON_RESULT
add_name(void *tree, char *name, bool isnull pg_attribute_unused())
{
	JsonbValue	value = text_value(name);

	push(tree, WJB_KEY, &value);
	TARX_KEYS_JSON_GO_ON();
}

static JsonbValue
scalar_value(char *token, JsonTokenType type)
{
	JsonbValue	value = {.type = jbvNull};

	switch (type)
	{
		case JSON_TOKEN_STRING:
			(void) tarx_keys_secret_register(token, strlen(token));
			return text_value(token);
		case JSON_TOKEN_NUMBER:
			value.type = jbvNumeric;
			value.val.numeric = DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(token),
																	ObjectIdGetDatum(InvalidOid),
																	Int32GetDatum(-1)));
			return value;
		case JSON_TOKEN_TRUE:
		case JSON_TOKEN_FALSE:
			value.type = jbvBool;
			value.val.boolean = type == JSON_TOKEN_TRUE;
			return value;
		default:
			return value;
	}
}

/* A scalar on its own makes no tree. */
static TARX_KEYS_JSON_RESULT
add_scalar(void *arg, char *token, JsonTokenType type)
{
	JsonbInState *tree = arg;
	JsonbValue	value = scalar_value(token, type);

	if (tree->parseState != NULL)
		push(tree, tree->parseState->contVal.type == jbvArray ? WJB_ELEM : WJB_VALUE, &value);
	TARX_KEYS_JSON_GO_ON();
}

/*
 * Trees
 */

/*
 * Is this JSON?  Checked first, without copies: where the parser finds an error
 * behind a value, it forgets its copy of that.
 */
static bool
is_json(const char *data, size_t len)
{
	return pg_parse_json(tarx_keys_json_lexer(data, len, false), &nullSemAction) == JSON_SUCCESS;
}

/* A lexer whose buffer never moves, because no text gets longer by losing its escapes */
static JsonLexContext *
wiped_lexer(const char *data, size_t len)
{
	JsonLexContext *lexer = tarx_keys_json_lexer(data, len, true);
	StringInfo	buffer = (StringInfo) lexer->strval;

	enlargeStringInfo(buffer, (int) len);
	(void) tarx_keys_secret_register(buffer->data, buffer->maxlen);
	return lexer;
}

/*
 * The array or object in a JSON text, which is in the database's encoding; NULL if it
 * is neither.  The caller wipes the text.
 */
const JsonbValue *
tarx_keys_json_parse(const char *data, size_t len)
{
	JsonbInState tree = {0};
	JsonSemAction actions = {
		.semstate = &tree,
		.object_start = begin_object,
		.object_end = end_object,
		.array_start = begin_array,
		.array_end = end_array,
		.object_field_start = add_name,
		.scalar = add_scalar
	};

	if (!is_json(data, len) || pg_parse_json(wiped_lexer(data, len), &actions) != JSON_SUCCESS)
		return NULL;
	return tree.result;
}

/* The same for an object; NULL if it is none */
const JsonbValue *
tarx_keys_json_parse_object(const char *data, size_t len)
{
	const JsonbValue *tree = tarx_keys_json_parse(data, len);

	return tree != NULL && tree->type == jbvObject ? tree : NULL;
}

/* Is the error about what was parsed: a number too long, a character unknown, too deep? */
static bool
is_about_text(int sqlerrcode)
{
	return ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_DATA_EXCEPTION ||
		ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_PROGRAM_LIMIT_EXCEEDED ||
		ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION ||
		sqlerrcode == ERRCODE_FEATURE_NOT_SUPPORTED;
}

/*
 * What a function like these returns; NULL where it raises an error about the text,
 * which may quote it.  Going on after one is safe here, because the parser has changed
 * nothing, and the caller refuses the text.
 */
const JsonbValue *
tarx_keys_json_quietly(TarxKeysJsonParser parse, const char *data, size_t len)
{
	MemoryContext context = CurrentMemoryContext;
	const JsonbValue *volatile tree = NULL;

	PG_TRY();
	{
		tree = parse(data, len);
	}
	PG_CATCH();
	{
		if (!is_about_text(geterrcode()))
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
	return tree;
}

/* The tree of a jsonb, whose texts stay where they are; an array of one for a scalar */
const JsonbValue *
tarx_keys_json_tree(Jsonb *json)
{
	JsonbIterator *it = JsonbIteratorInit(&json->root);
	JsonbInState tree = {0};
	JsonbIteratorToken token;
	JsonbValue	value;

	while ((token = JsonbIteratorNext(&it, &value, false)) != WJB_DONE)
		push(&tree, token, token < WJB_BEGIN_ARRAY ? &value : NULL);
	return tree.result;
}
