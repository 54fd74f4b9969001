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

static TarxKeysQuery provider_query = {
	.sql = "SELECT p.default_base_url, p.base_url_required, p.base_url_host_suffixes, p.key_prefixes"
	" FROM tarx_keys.providers p WHERE p.slug OPERATOR(pg_catalog.=) $1",
	.nargs = 1, .argtypes = {TEXTOID}
};

static TarxKeysQuery provider_list_query = {
	.sql = "SELECT pg_catalog.string_agg(p.slug, ', ' ORDER BY p.slug) FROM tarx_keys.providers p"
};

/* Column n (from 1) of the only row in SPI_tuptable */
static Datum
column(int n, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, n, isnull);
}

static TarxKeysSpan *
text_array_column(int n, size_t *count)
{
	bool		isnull;
	Datum		array = column(n, &isnull);
	Datum	   *elements;
	bool	   *nulls;
	int			nelements;
	TarxKeysSpan *spans;

	*count = 0;
	if (isnull)
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, &nelements);
	spans = palloc(sizeof(TarxKeysSpan) * (nelements + 1));
	for (int i = 0; i < nelements; i++)
	{
		TarxKeysText element;

		if (!nulls[i] && tarx_keys_to_utf8(DatumGetTextPP(elements[i]), &element))
			spans[(*count)++] = (TarxKeysSpan) {element.data, element.len};
	}
	return spans;
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
	TarxKeysProvider provider;
	bool		isnull;

	if (tarx_keys_query_run(&provider_query, values, NULL, true) == 0)
		fail_unknown_provider();
	provider.default_base_url = column(1, &isnull);
	provider.base_url_required = DatumGetBool(column(2, &isnull));
	provider.host_suffixes = text_array_column(3, &provider.nhost_suffixes);
	provider.key_prefixes = text_array_column(4, &provider.nkey_prefixes);
	return provider;
}

static void
check_host_suffix(const TarxKeysProvider *provider, const char *host)
{
	StringInfoData known;

	if (provider->nhost_suffixes == 0)
		return;
	initStringInfo(&known);
	for (size_t i = 0; i < provider->nhost_suffixes; i++)
	{
		char	   *suffix = pnstrdup(provider->host_suffixes[i].data,
									  provider->host_suffixes[i].len);

		if (tarx_keys_baseurl_host_has_suffix(host, suffix))
			return;
		appendStringInfo(&known, "%s%s", i > 0 ? ", " : "", suffix);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 tarx_keys_errarg("base_url"),
			 errmsg("the base URL's host is not one of this provider"),
			 errhint("The host must end in one of: %s.", known.data)));
}

/*
 * Argument n, the base URL, in canonical form, if this provider accepts it.  NULL
 * if it is NULL and the provider needs none.
 */
text *
tarx_keys_arg_base_url(FunctionCallInfo fcinfo, int n, const TarxKeysProvider *provider)
{
	TarxKeysText given;
	TarxKeysBaseUrl *canonical;
	TarxKeysBaseUrlStatus status;

	if (PG_ARGISNULL(n))
	{
		if (provider->base_url_required)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 tarx_keys_errarg("base_url"),
					 errmsg("this provider needs a base URL"),
					 errhint("Pass base_url, the https address of your own endpoint at the provider.")));
		return NULL;
	}
	if (!provider->base_url_required)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg("base_url"),
				 errmsg("this provider takes no base URL"),
				 errhint("Leave base_url out, or use the provider openai_compatible.")));

	given = tarx_keys_arg_utf8(fcinfo, n, "base_url");
	canonical = palloc(sizeof(TarxKeysBaseUrl));
	status = tarx_keys_baseurl_canonicalize(given.data, given.len,
											tarx_keys_setting_insecure_urls(), canonical);
	if (status != TARX_KEYS_BASEURL_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg("base_url"),
				 errmsg("%s", tarx_keys_baseurl_problem(status)),
				 errhint("A base URL is like https://host.example/v1: https, a public host, no user, query or fragment. A superuser can admit http and private hosts with tarx_keys.allow_insecure_base_urls.")));
	check_host_suffix(provider, canonical->host);
	return cstring_to_text_with_len(canonical->url, (int) canonical->len);
}
