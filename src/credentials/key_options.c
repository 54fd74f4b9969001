/*
 * key_options.c
 *	  What callers may say about an LLM key beside its value: the arguments
 *	  "options" and "changes", which are JSON objects.
 *
 * The texts in the result point into the argument.  That has the values of
 * headers, which are secrets.  No error here has any of them.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "credentials/credentials.h"

#define MODELS_MAX			50
#define MODEL_MAX_BYTES		200

/* The argument that is being read */
typedef struct Source
{
	const char *argument;
	int			call;
} Source;

typedef void (*ReadOption) (const Source *source, const char *name, const JsonbValue *value,
							TarxKeysKeyOptions *options);

typedef struct OptionRule
{
	const char *name;
	int			calls;			/* that take it */
	TarxKeysKeyOption option;
	ReadOption	read;
} OptionRule;

/*
 * Errors
 */

/* what: the rest of a sentence that begins with the option's name */
pg_noreturn static void
fail_option(const Source *source, const char *name, const char *what, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 tarx_keys_errarg(source->argument),
			 errmsg("\"%s\" in %s %s", name, source->argument, what),
			 errhint("%s", hint)));
}

/* A name that somebody made up, as it may be shown */
static char *
excerpt(TarxKeysSpan name)
{
	char		shown[TARX_KEYS_EXCERPT_MAX];
	TarxKeysText utf8;

	if (!tarx_keys_to_utf8(cstring_to_text_with_len(name.data, (int) name.len), &utf8))
		return pstrdup("?");
	return text_to_cstring(tarx_keys_from_utf8(shown, tarx_keys_excerpt(shown, utf8.data, utf8.len)));
}

/*
 * Kinds of values
 */

static TarxKeysSpan
span_of(const JsonbValue *string)
{
	return (TarxKeysSpan) {string->val.string.val, (size_t) string->val.string.len};
}

static text *
read_text(const Source *source, const char *name, const JsonbValue *value)
{
	if (value->type != jbvString)
		fail_option(source, name, "is not a text", "Write it in quotes.");
	return cstring_to_text_with_len(value->val.string.val, value->val.string.len);
}

static bool
read_bool(const Source *source, const char *name, const JsonbValue *value)
{
	if (value->type != jbvBool)
		fail_option(source, name, "is neither true nor false", "Write true or false, without quotes.");
	return value->val.boolean;
}

pg_noreturn static void
fail_not_integer(const Source *source, const char *name)
{
	fail_option(source, name, "is not an integer",
				"Write a whole number from -2147483648 to 2147483647, without quotes.");
}

static int32
read_integer(const Source *source, const char *name, const JsonbValue *value)
{
	char	   *digits;
	char	   *end;
	long		number;

	if (value->type != jbvNumeric)
		fail_not_integer(source, name);
	digits = numeric_normalize(value->val.numeric);
	errno = 0;
	number = strtol(digits, &end, 10);
	if (errno != 0 || *end != '\0' || number < PG_INT32_MIN || number > PG_INT32_MAX)
		fail_not_integer(source, name);
	return (int32) number;
}

/* A point in time, as timestamptz reads it; "is_set" is false for null. */
static TarxKeysTime
read_time(const Source *source, const char *name, const JsonbValue *value)
{
	TarxKeysTime time = {false, 0};

	if (value->type == jbvNull)
		return time;
	if (value->type != jbvString ||
		!tarx_keys_parse_time(pnstrdup(value->val.string.val, value->val.string.len), &time.at))
		fail_option(source, name, "is not a point in time",
					"Write it like \"2027-01-31T12:00:00Z\", or null for none.");
	time.is_set = true;
	return time;
}

/*
 * Lists
 */

static bool
is_model(const JsonbValue *value)
{
	if (value->type != jbvString || value->val.string.len < 1 || value->val.string.len > MODEL_MAX_BYTES)
		return false;
	for (int i = 0; i < value->val.string.len; i++)
	{
		if (!tarx_keys_is_printable(value->val.string.val[i]) || value->val.string.val[i] == ' ')
			return false;
	}
	return true;
}

static ArrayType *
read_models(const Source *source, const char *name, const JsonbValue *value)
{
	const JsonbValue *elements;
	Datum	   *models;
	int			count;

	if (value->type == jbvNull)
		return NULL;
	if (value->type != jbvArray)
		fail_option(source, name, "is not a list of texts", "Write null for all models.");
	elements = value->val.array.elems;
	count = value->val.array.nElems;
	if (count < 1 || count > MODELS_MAX)
		fail_option(source, name, "does not have 1 to 50 elements", "Write null for all models.");
	models = palloc(sizeof(Datum) * count);
	for (int i = 0; i < count; i++)
	{
		if (!is_model(&elements[i]))
			fail_option(source, name, "has something that is no name of a model",
						"A name has 1 to 200 characters of printable ASCII without spaces.");
		models[i] = PointerGetDatum(cstring_to_text_with_len(elements[i].val.string.val,
															 elements[i].val.string.len));
	}
	return construct_array(models, count, TEXTOID, -1, false, TYPALIGN_INT);
}

/*
 * The headers in a JSON object of texts.  Returns false if it is none, or has too
 * many.  The texts point into the object.
 */
bool
tarx_keys_read_headers(const JsonbValue *object, TarxKeysHeaders *headers)
{
	headers->count = 0;
	if (object->type != jbvObject || object->val.object.nPairs > TARX_KEYS_HEADERS_MAX)
		return false;
	for (int i = 0; i < object->val.object.nPairs; i++)
	{
		const JsonbPair *member = &object->val.object.pairs[i];

		if (member->value.type != jbvString)
			return false;
		headers->items[i].name = span_of(&member->key);
		headers->items[i].value = span_of(&member->value);
	}
	headers->count = (uint8) object->val.object.nPairs;
	return true;
}

static void
check_header(const Source *source, const TarxKeysHeader *header)
{
	TarxKeysHeaderProblem problem = tarx_keys_check_key_header(header->name, header->value);

	if (problem == TARX_KEYS_HEADER_OK)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 tarx_keys_errarg(source->argument),
			 errmsg("header \"%s\" in %s %s", excerpt(header->name), source->argument,
					tarx_keys_header_problem(problem)),
			 errhint("Headers are for what a gateway in front of the provider needs; the key itself is passed as the key's value.")));
}

static void
read_key_headers(const Source *source, const char *name, const JsonbValue *value,
				 TarxKeysKeyOptions *options)
{
	TarxKeysHeaders *headers = &options->headers;

	headers->count = 0;
	if (value->type == jbvNull)
		return;
	if (!tarx_keys_read_headers(value, headers))
		fail_option(source, name, "is not an object of up to 16 texts",
					"Write it like {\"x-portkey-virtual-key\": \"...\"}.");
	for (int i = 0; i < headers->count; i++)
	{
		check_header(source, &headers->items[i]);
		for (int before = 0; before < i; before++)
		{
			if (tarx_keys_span_same(headers->items[before].name, headers->items[i].name))
				fail_option(source, name, "names a header twice", "Upper and lower case make no difference.");
		}
	}
}

/*
 * Options
 */

static void
read_name(const Source *source, const char *name, const JsonbValue *value, TarxKeysKeyOptions *options)
{
	options->name = read_text(source, name, value);
}

static void
read_provider(const Source *source, const char *name, const JsonbValue *value, TarxKeysKeyOptions *options)
{
	options->provider = read_text(source, name, value);
}

static void
read_base_url(const Source *source, const char *name, const JsonbValue *value, TarxKeysKeyOptions *options)
{
	options->base_url = value->type == jbvNull ? NULL : read_text(source, name, value);
}

static void
read_enabled(const Source *source, const char *name, const JsonbValue *value, TarxKeysKeyOptions *options)
{
	options->enabled = read_bool(source, name, value);
}

static void
read_priority(const Source *source, const char *name, const JsonbValue *value, TarxKeysKeyOptions *options)
{
	options->priority = read_integer(source, name, value);
}

static void
read_expires_at(const Source *source, const char *name, const JsonbValue *value, TarxKeysKeyOptions *options)
{
	options->expires_at = read_time(source, name, value);
}

static void
read_rotate_after(const Source *source, const char *name, const JsonbValue *value, TarxKeysKeyOptions *options)
{
	options->rotate_after = read_time(source, name, value);
}

static void
read_allowed_models(const Source *source, const char *name, const JsonbValue *value, TarxKeysKeyOptions *options)
{
	options->allowed_models = read_models(source, name, value);
}

static void
read_refresh(const Source *source, const char *name, const JsonbValue *value, TarxKeysKeyOptions *options)
{
	options->refresh_requests = read_bool(source, name, value);
}

#define ADD		TARX_KEYS_OPTIONS_OF_ADD
#define UPDATE	TARX_KEYS_OPTIONS_OF_UPDATE
#define REPLACE	TARX_KEYS_OPTIONS_OF_REPLACE

static const OptionRule rules[] = {
	{"name", UPDATE | REPLACE, TARX_KEYS_OPTION_NAME, read_name},
	{"provider", REPLACE, TARX_KEYS_OPTION_PROVIDER, read_provider},
	{"base_url", REPLACE, TARX_KEYS_OPTION_BASE_URL, read_base_url},
	{"enabled", ADD | UPDATE | REPLACE, TARX_KEYS_OPTION_ENABLED, read_enabled},
	{"priority", ADD | UPDATE | REPLACE, TARX_KEYS_OPTION_PRIORITY, read_priority},
	{"expires_at", ADD | UPDATE | REPLACE, TARX_KEYS_OPTION_EXPIRES_AT, read_expires_at},
	{"rotate_after", ADD | UPDATE | REPLACE, TARX_KEYS_OPTION_ROTATE_AFTER, read_rotate_after},
	{"allowed_models", ADD | UPDATE | REPLACE, TARX_KEYS_OPTION_ALLOWED_MODELS, read_allowed_models},
	{"headers", ADD | REPLACE, TARX_KEYS_OPTION_HEADERS, read_key_headers},
	{"refresh_requests", UPDATE, TARX_KEYS_OPTION_REFRESH, read_refresh}
};

/* The options that a call takes, with commas between them */
static char *
known_options(int call)
{
	StringInfoData names;

	initStringInfo(&names);
	for (size_t i = 0; i < lengthof(rules); i++)
	{
		if ((rules[i].calls & call) != 0)
			appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "", rules[i].name);
	}
	return names.data;
}

static const OptionRule *
rule_of(const Source *source, TarxKeysSpan name)
{
	for (size_t i = 0; i < lengthof(rules); i++)
	{
		if ((rules[i].calls & source->call) != 0 &&
			tarx_keys_compare_spans(name, tarx_keys_span_of(rules[i].name)) == 0)
			return &rules[i];
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 tarx_keys_errarg(source->argument),
			 errmsg("%s has an unknown member \"%s\"", source->argument, excerpt(name)),
			 errhint("Known members: %s.", known_options(source->call))));
}

/*
 * Read an object of options for a call.  Options that are absent are not given.
 * 22023, with the name of the argument, for anything else.
 */
void
tarx_keys_read_options(const JsonbValue *object, const char *argument, TarxKeysOptionsOf call,
					   TarxKeysKeyOptions *options)
{
	Source		source = {argument, call};

	memset(options, 0, sizeof(*options));
	if (object->type != jbvObject)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg(argument),
				 errmsg("%s is not a JSON object", argument),
				 errhint("Known members: %s.", known_options(call))));
	for (int i = 0; i < object->val.object.nPairs; i++)
	{
		const JsonbPair *member = &object->val.object.pairs[i];
		const OptionRule *rule = rule_of(&source, span_of(&member->key));

		rule->read(&source, rule->name, &member->value, options);
		options->given |= 1u << rule->option;
	}
}

/* Argument n as options, which are none if it is NULL */
void
tarx_keys_arg_options(FunctionCallInfo fcinfo, int n, const char *argument, TarxKeysOptionsOf call,
					  TarxKeysKeyOptions *options)
{
	Jsonb	   *object;

	memset(options, 0, sizeof(*options));
	if (PG_ARGISNULL(n))
		return;
	object = PG_GETARG_JSONB_P(n);
	if ((Pointer) object != PG_GETARG_POINTER(n))
		(void) tarx_keys_secret_register(object, VARSIZE_ANY(object));
	tarx_keys_read_options(tarx_keys_json_tree(object), argument, call, options);
}

/* Was this option given? */
bool
tarx_keys_option_given(const TarxKeysKeyOptions *options, TarxKeysKeyOption option)
{
	return (options->given & (1u << option)) != 0;
}
