/*
 * base_urls.c
 *	  Base URLs that keys bring along.
 *
 * What people paste is understood as far as the provider's row tells: known
 * paths are cut off.  What is stored is canonical, has no slash at its end, and
 * is accepted again as it is.
 */
#include "postgres.h"
#include "base/compat.h"

#include "utils/builtins.h"

#include "credentials/credentials.h"

/* The pattern that host matches; NULL if there is none */
static char *
pattern_of(const char *host, TarxKeysSpans patterns)
{
	for (size_t i = 0; i < patterns.count; i++)
	{
		char	   *pattern = pnstrdup(patterns.items[i].data, patterns.items[i].len);

		if (tarx_keys_host_matches(host, pattern))
			return pattern;
	}
	return NULL;
}

/* A pattern as people read it */
static char *
shown_pattern(TarxKeysSpan pattern)
{
	char	   *shown = pnstrdup(pattern.data, pattern.len);
	char	   *place;

	while ((place = strstr(shown, "{region}")) != NULL)
		shown = psprintf("%.*sREGION%s", (int) (place - shown), shown, place + strlen("{region}"));
	return shown;
}

static bool
is_default_host(const TarxKeysProvider *provider, const char *host)
{
	return provider->default_host != NULL && strcmp(provider->default_host, host) == 0;
}

static bool
any_path_stays(const TarxKeysProvider *provider, const char *host)
{
	return provider->any_path_suffixes.items == NULL ||
		pattern_of(host, provider->any_path_suffixes) != NULL;
}

/*
 * What a base URL of this provider is like, for a host, which is empty if it is
 * not known; a sentence's part
 */
static char *
right_form(const TarxKeysProvider *provider, const char *host)
{
	char	   *pattern = pattern_of(host, provider->host_suffixes);

	if (pattern == NULL && is_default_host(provider, host))
		return TextDatumGetCString(provider->default_base_url);
	if (pattern != NULL)
		pattern = shown_pattern(tarx_keys_span_of(pattern));
	else if (provider->host_suffixes.count > 0)
		pattern = shown_pattern(provider->host_suffixes.items[0]);
	else
		pattern = pstrdup(".example.com");
	return psprintf("https://%s%s%s", pattern[0] == '.' ? "NAME" : "", pattern,
					provider->base_url_path);
}

/* The patterns in a list, and in front of them the host of the default if there is one */
static char *
known_hosts(const TarxKeysProvider *provider)
{
	StringInfoData known;

	initStringInfo(&known);
	if (provider->default_host != NULL)
		appendStringInfoString(&known, provider->default_host);
	for (size_t i = 0; i < provider->host_suffixes.count; i++)
		appendStringInfo(&known, "%s%s", known.len > 0 ? ", " : "",
						 shown_pattern(provider->host_suffixes.items[i]));
	return known.data;
}

static void
check_host(const TarxKeysProvider *provider, const char *host)
{
	if (provider->host_suffixes.items == NULL || is_default_host(provider, host) ||
		pattern_of(host, provider->host_suffixes) != NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 tarx_keys_errarg("base_url"),
			 errmsg("the base URL's host is not one of this provider"),
			 errhint("The host must be, or end in, one of: %s. For another host use the provider openai_compatible.",
					 known_hosts(provider))));
}

/*
 * Where a query or fragment begins that must go.  The host in front of it says
 * which form is right; it is not shown, because any of this may hold a value.
 */
static int
hint_query(const TarxKeysProvider *provider, const TarxKeysText *given)
{
	TarxKeysBaseUrl *front = palloc(sizeof(TarxKeysBaseUrl));
	size_t		at = 0;

	while (at < given->len && given->data[at] != '?' && given->data[at] != '#')
		at++;
	(void) tarx_keys_baseurl_canonicalize(given->data, at, tarx_keys_setting_private_hosts(),
										  front);
	if (any_path_stays(provider, front->host))
		return errhint("To mend this, cut it off where it begins: at the first \"?\" or \"#\".");
	return errhint("To mend this, cut it off behind the host: the form that is right is %s.",
				   right_form(provider, front->host));
}

static int
hint_status(const TarxKeysProvider *provider, const TarxKeysText *given,
			TarxKeysBaseUrlStatus status, const char *host)
{
	switch (status)
	{
		case TARX_KEYS_BASEURL_QUERY:
			return hint_query(provider, given);
		case TARX_KEYS_BASEURL_UNKNOWN_PATH:
			return errhint("The form that is right is %s.", right_form(provider, host));
		case TARX_KEYS_BASEURL_EMPTY:
			return errhint("Pass null instead of an empty text for no base URL.");
		case TARX_KEYS_BASEURL_METADATA:
			return errhint("Such a service gives credentials to whoever asks. No setting admits it.");
		case TARX_KEYS_BASEURL_SCHEME:
			return errhint("Use https. For models in your own network a superuser can admit http to a host with tarx_keys.allowed_private_hosts.");
		case TARX_KEYS_BASEURL_PRIVATE:
			return errhint("Name a public host. For models in your own network a superuser can admit a host with tarx_keys.allowed_private_hosts.");
		default:
			return errhint("A base URL is like https://host.example/v1: https, a public host, no user, query or fragment.");
	}
}

static void
check_status(const TarxKeysProvider *provider, const TarxKeysText *given,
			 TarxKeysBaseUrlStatus status, const char *host)
{
	if (status == TARX_KEYS_BASEURL_OK)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 tarx_keys_errarg("base_url"),
			 errmsg("%s", tarx_keys_baseurl_problem(status)),
			 hint_status(provider, given, status, host)));
}

/* Cut off what is known of the path; not OK if another one is not to stay. */
static TarxKeysBaseUrlStatus
settle_path(const TarxKeysProvider *provider, const char *host, TarxKeysBaseUrl *url)
{
	TarxKeysBaseUrlPaths paths = {
		.tails = provider->tails.items,
		.ntails = provider->tails.count,
		.known = provider->paths.items,
		.nknown = provider->paths.count,
		.any = any_path_stays(provider, host),
		.standard = {provider->base_url_path, strlen(provider->base_url_path)}
	};

	return tarx_keys_baseurl_settle_path(url, &paths);
}

/*
 * The owner says where keys go by default, but not to a metadata service, nor to a host
 * that others could read as the name of one, such as one with a dot at its end.
 */
static void
check_default(const TarxKeysProvider *provider)
{
	TarxKeysText given = tarx_keys_text_utf8(DatumGetTextPP(provider->default_base_url), "base_url");
	TarxKeysBaseUrl *url = palloc(sizeof(TarxKeysBaseUrl));
	TarxKeysBaseUrlStatus status = tarx_keys_baseurl_canonicalize(given.data, given.len,
																  tarx_keys_setting_private_hosts(), url);

	if (status == TARX_KEYS_BASEURL_METADATA || status == TARX_KEYS_BASEURL_HOST)
		check_status(provider, &given, status, "");
}

/* NULL for no base URL, if the provider needs none */
static text *
require_none(const TarxKeysProvider *provider)
{
	if (provider->base_url_required)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg("base_url"),
				 errmsg("this provider needs a base URL"),
				 errhint("Pass base_url, the address of your own endpoint at the provider: it is like %s.",
						 right_form(provider, ""))));
	check_default(provider);
	return NULL;
}

/*
 * A base URL in canonical form, if this provider accepts it.  NULL if it is NULL
 * and the provider needs none.
 */
text *
tarx_keys_check_base_url(text *base_url, TarxKeysProvider *provider)
{
	TarxKeysText given;
	TarxKeysBaseUrl *url;
	TarxKeysBaseUrlStatus status;
	char	   *host;

	provider->is_elsewhere = false;
	if (base_url == NULL)
		return require_none(provider);
	if (!provider->base_url_allowed)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg("base_url"),
				 errmsg("this provider takes no base URL"),
				 errhint("Leave base_url out, or use the provider openai_compatible.")));

	given = tarx_keys_text_utf8(base_url, "base_url");
	tarx_keys_check_no_token(&given, "base_url");
	url = palloc(sizeof(TarxKeysBaseUrl));
	status = tarx_keys_baseurl_canonicalize(given.data, given.len,
											tarx_keys_setting_private_hosts(), url);
	check_status(provider, &given, status, "");
	host = pstrdup(url->host);
	check_host(provider, host);
	provider->is_elsewhere = provider->host_suffixes.items == NULL &&
		!is_default_host(provider, host);
	check_status(provider, &given, settle_path(provider, host, url), host);
	return cstring_to_text_with_len(url->url, (int) url->len);
}
