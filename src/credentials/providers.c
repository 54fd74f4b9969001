/*
 * providers.c
 *	  What the catalogue of providers says about a key that is being added.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "credentials/credentials.h"

/* Columns of the only row of provider_query */
enum
{
	DEFAULT_BASE_URL = 1,
	DEFAULT_HOST,
	BASE_URL_ALLOWED,
	BASE_URL_REQUIRED,
	HOST_SUFFIXES,
	ANY_PATH_SUFFIXES,
	BASE_URL_PATH,
	TAILS,
	PATHS,
	KEY_PREFIXES,
	AUTH_HEADER,
	AUTH_SCHEME,
	MODELS_PATH,
	DEPLOYMENTS_PATH,
	CHAT_BASE_PATH,
	MODEL_PATH,
	PROBE_METHOD,
	PROBE_PATH,
	EXTRA_HEADERS
};

static TarxKeysQuery provider_query = {
	.sql = "SELECT p.default_base_url,"
	" pg_catalog.lower(pg_catalog.substring(p.default_base_url, '^https?://([^/:]+)')),"
	" p.base_url_allowed, p.base_url_required, p.base_url_host_suffixes,"
	" p.base_url_any_path_suffixes, p.base_url_path, p.base_url_tails, p.base_url_paths,"
	" p.key_prefixes, p.auth_header, p.auth_scheme, p.models_path, p.deployments_path,"
	" p.chat_base_path, p.model_path, p.probe_method, p.probe_path, p.extra_headers"
	" FROM tarx_keys.providers p WHERE p.slug OPERATOR(pg_catalog.=) $1",
	.nargs = 1, .argtypes = {TEXTOID}
};

static TarxKeysQuery provider_list_query = {
	.sql = "SELECT pg_catalog.string_agg(p.slug, ', ' ORDER BY p.position, p.slug) FROM tarx_keys.providers p"
};

static TarxKeysQuery prefixes_query = {
	.sql = "SELECT p.slug, p.key_prefixes FROM tarx_keys.providers p ORDER BY p.position, p.slug"
};

/* Column n (from 1) of a row in SPI_tuptable */
static Datum
column(uint64 row, int n, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, n, isnull);
}

static bool
bool_column(int n)
{
	bool		isnull;

	return DatumGetBool(column(0, n, &isnull));
}

/* A text column; NULL for SQL NULL */
static char *
text_column(uint64 row, int n)
{
	bool		isnull;
	Datum		value = column(row, n, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* The elements of a text[] column, in UTF-8; items is NULL for SQL NULL. */
static TarxKeysSpans
text_array_column(uint64 row, int n)
{
	bool		isnull;
	Datum		array = column(row, n, &isnull);
	Datum	   *elements;
	bool	   *nulls;
	int			nelements;
	TarxKeysSpans spans = {NULL, 0};

	if (isnull)
		return spans;
	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, &nelements);
	spans.items = palloc(sizeof(TarxKeysSpan) * (nelements + 1));
	for (int i = 0; i < nelements; i++)
	{
		TarxKeysText element;

		if (!nulls[i] && tarx_keys_to_utf8(DatumGetTextPP(elements[i]), &element))
			spans.items[spans.count++] = (TarxKeysSpan) {element.data, element.len};
	}
	return spans;
}

/* A text column of ASCII; its data is NULL for SQL NULL. */
static TarxKeysSpan
span_column(int n)
{
	char	   *value = text_column(0, n);

	return (TarxKeysSpan) {value, value != NULL ? strlen(value) : 0};
}

/* How the provider is called, as its row has it now */
static TarxKeysRequests
fetch_requests(void)
{
	TarxKeysRequests requests;
	bool		isnull;

	requests.auth_header = span_column(AUTH_HEADER);
	requests.auth_scheme = span_column(AUTH_SCHEME);
	requests.models_path = span_column(MODELS_PATH);
	requests.deployments_path = span_column(DEPLOYMENTS_PATH);
	requests.chat_base_path = span_column(CHAT_BASE_PATH);
	requests.model_path = span_column(MODEL_PATH);
	requests.probe_method = span_column(PROBE_METHOD);
	requests.probe_path = span_column(PROBE_PATH);
	if (!tarx_keys_read_headers(tarx_keys_json_tree(DatumGetJsonbP(column(0, EXTRA_HEADERS, &isnull))),
								&requests.headers))
		elog(ERROR, "extra_headers of a provider has not the form that its constraint wants");
	return requests;
}

static void
fail_unknown_provider(void)
{
	char	   *list = NULL;

	if (tarx_keys_query_run(&provider_list_query, NULL, NULL, true) > 0)
		list = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 tarx_keys_errarg("provider"),
			 errmsg("unknown provider"),
			 errhint("Known providers: %s.", list != NULL ? list : "none")));
}

/* The provider's row; 22023 if it is unknown, with a hint that names the known ones */
TarxKeysProvider
tarx_keys_fetch_provider(text *slug)
{
	Datum		values[1] = {PointerGetDatum(slug)};
	TarxKeysProvider provider = {0};
	bool		isnull;

	if (tarx_keys_query_run(&provider_query, values, NULL, true) == 0)
		fail_unknown_provider();
	provider.slug = text_to_cstring(slug);
	provider.default_base_url = column(0, DEFAULT_BASE_URL, &isnull);
	provider.default_host = text_column(0, DEFAULT_HOST);
	provider.base_url_allowed = bool_column(BASE_URL_ALLOWED);
	provider.base_url_required = bool_column(BASE_URL_REQUIRED);
	provider.host_suffixes = text_array_column(0, HOST_SUFFIXES);
	provider.any_path_suffixes = text_array_column(0, ANY_PATH_SUFFIXES);
	provider.base_url_path = text_column(0, BASE_URL_PATH);
	provider.tails = text_array_column(0, TAILS);
	provider.paths = text_array_column(0, PATHS);
	provider.key_prefixes = text_array_column(0, KEY_PREFIXES);
	provider.requests = fetch_requests();
	return provider;
}

/* The length of the longest of the prefixes that value begins with, or 0 */
static size_t
longest_prefix(TarxKeysSpan value, TarxKeysSpans prefixes)
{
	size_t		longest = 0;

	for (size_t i = 0; i < prefixes.count; i++)
	{
		TarxKeysSpan prefix = prefixes.items[i];

		if (prefix.len > longest && prefix.len <= value.len &&
			memcmp(prefix.data, value.data, prefix.len) == 0)
			longest = prefix.len;
	}
	return longest;
}

/*
 * Refuse a key that another vendor has issued: the longest prefix that any
 * provider has decides.  A provider without prefixes takes any key, and so does
 * an endpoint that is not the vendor's own, as gateways have keys of all kinds.
 */
void
tarx_keys_check_key_vendor(const TarxKeysProvider *provider, TarxKeysSpan value,
						   const char *argument, const char *what)
{
	size_t		longest = longest_prefix(value, provider->key_prefixes);
	StringInfoData owners;
	uint64		count;

	if (provider->key_prefixes.count == 0)
		return;
	initStringInfo(&owners);
	count = tarx_keys_query_run(&prefixes_query, NULL, NULL, true);
	for (uint64 row = 0; row < count; row++)
	{
		size_t		len = longest_prefix(value, text_array_column(row, 2));

		/* a longer prefix than all before: forget whose those were */
		if (len > longest)
			resetStringInfo(&owners);
		if (len > longest || (len == longest && owners.len > 0))
			appendStringInfo(&owners, "%s%s", owners.len > 0 ? " or " : "", text_column(row, 1));
		if (len > longest)
			longest = len;
	}
	if (owners.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg(argument),
				 errmsg("%s is a key of another provider", what),
				 errhint("Choose the provider %s, or pass a key that %s has issued.",
						 owners.data, provider->slug)));
}
