/*
 * test_baseurl_paths.c
 *	  Unit tests of what is cut off the paths of base URLs, in TAP.
 *
 * The providers here are like those of the catalogue, and some that are made up.
 * What a base URL becomes is given back and must come out unchanged.
 */
#include "pure/baseurl_paths.h"
#include "guarded.h"
#include "tap.h"

#define MAX_PATTERNS	24

typedef struct Provider
{
	const char *name;
	const char *tails[MAX_PATTERNS];
	const char *known[MAX_PATTERNS];
	bool		any;
	const char *standard;
} Provider;

#define CALLS \
	"/chat/completions", "/completions", "/responses", "/embeddings", "/messages", "/models"
#define AZURE_TAILS \
	"/openai/v1", "/openai/v1/*", "/openai/v1/*/*", "/openai/deployments/*", \
	"/openai/deployments/*/*", "/openai/deployments/*/*/*", CALLS

static const Provider compatible = {"compatible", {CALLS}, {NULL}, true, ""};
static const Provider openai = {"openai", {CALLS}, {NULL}, false, "/v1"};
static const Provider anthropic = {"anthropic", {"/v1/messages", "/v1", CALLS}, {NULL}, true, ""};
static const Provider azure = {"azure", {AZURE_TAILS},
{"/openai", "/openai/deployments", "/api/projects", "/api/projects/*", "/api/projects/*/openai", "/anthropic"},
false, ""};
static const Provider gateway = {"gateway", {AZURE_TAILS}, {"/openai"}, true, ""};
static const Provider plain = {"plain", {NULL}, {NULL}, true, ""};
static const Provider nothing = {"nothing", {NULL}, {NULL}, false, ""};

/* whose own path ends in what is cut off elsewhere */
static const Provider odd = {"odd", {"/models", "/*", ""}, {""}, true, "/a/models"};
static const Provider odd_any = {"odd, of any path", {"/models"}, {NULL}, true, "/a/models"};

typedef struct PathCase
{
	const Provider *provider;
	const char *url;
	const char *expected;		/* NULL if the path is not known */
} PathCase;

static const PathCase cases[] = {
	/* calls */
	{&compatible, "https://h.example", "https://h.example"},
	{&compatible, "https://h.example/v1", "https://h.example/v1"},
	{&compatible, "https://h.example/v1/", "https://h.example/v1"},
	{&compatible, "https://h.example/openai/v1/chat/completions", "https://h.example/openai/v1"},
	{&compatible, "https://h.example/openai/v1/chat/completions/", "https://h.example/openai/v1"},
	{&compatible, "https://h.example/v1/completions", "https://h.example/v1"},
	{&compatible, "https://h.example/v1/responses", "https://h.example/v1"},
	{&compatible, "https://h.example/v1/embeddings", "https://h.example/v1"},
	{&compatible, "https://h.example/v1/messages", "https://h.example/v1"},
	{&compatible, "https://h.example/v1/models", "https://h.example/v1"},
	{&compatible, "https://h.example/models", "https://h.example"},
	{&compatible, "https://h.example/chat/completions", "https://h.example"},
	{&compatible, "https://h.example:8443/v1/models", "https://h.example:8443/v1"},
	{&compatible, "https://h.example/V1/Chat/Completions", "https://h.example/V1"},
	{&compatible, "https://h.example/v1/chat/completions/chat/completions", "https://h.example/v1"},
	{&compatible, "https://h.example/v1/models/chat/completions", "https://h.example/v1"},
	/* the host, and what only looks like a tail, stay */
	{&compatible, "https://models", "https://models"},
	{&compatible, "https://completions.example", "https://completions.example"},
	{&compatible, "https://chat/completions", "https://chat"},
	{&compatible, "https://h.example/mymodels", "https://h.example/mymodels"},
	{&compatible, "https://h.example/v1/models2", "https://h.example/v1/models2"},
	{&compatible, "https://h.example/models/v1", "https://h.example/models/v1"},
	{&compatible, "https://h.example/v1/chat", "https://h.example/v1/chat"},
	{&compatible, "https://h.example/v1/chat-completions", "https://h.example/v1/chat-completions"},
	{&compatible, "https://h.example/v1/model%73", "https://h.example/v1/model%73"},
	{&compatible, "https://h.example/Team/A", "https://h.example/Team/A"},
	{&compatible, "https://[2606:4700::1]/v1/models", "https://[2606:4700::1]/v1"},
	/* one path only */
	{&openai, "https://eu.api.openai.com", "https://eu.api.openai.com/v1"},
	{&openai, "https://eu.api.openai.com/", "https://eu.api.openai.com/v1"},
	{&openai, "https://eu.api.openai.com/v1", "https://eu.api.openai.com/v1"},
	{&openai, "https://eu.api.openai.com/V1", "https://eu.api.openai.com/v1"},
	{&openai, "https://eu.api.openai.com/v1/chat/completions", "https://eu.api.openai.com/v1"},
	{&openai, "https://eu.api.openai.com/chat/completions", "https://eu.api.openai.com/v1"},
	{&openai, "https://eu.api.openai.com/v1/responses", "https://eu.api.openai.com/v1"},
	{&openai, "https://eu.api.openai.com/v2", NULL},
	{&openai, "https://eu.api.openai.com/v1/v1", NULL},
	{&openai, "https://eu.api.openai.com/v1/models/gpt", NULL},
	{&openai, "https://eu.api.openai.com/x/v1", NULL},
	/* a tail that the calls have, and any path in front of it */
	{&anthropic, "https://api.anthropic.com/v1/messages", "https://api.anthropic.com"},
	{&anthropic, "https://api.anthropic.com/v1", "https://api.anthropic.com"},
	{&anthropic, "https://gw.example/v1/acct/anthropic", "https://gw.example/v1/acct/anthropic"},
	{&anthropic, "https://gw.example/anthropic/v1/messages", "https://gw.example/anthropic"},
	/* what a portal shows */
	{&azure, "https://r.openai.azure.com", "https://r.openai.azure.com"},
	{&azure, "https://r.openai.azure.com/openai/v1", "https://r.openai.azure.com"},
	{&azure, "https://r.openai.azure.com/openai/v1/", "https://r.openai.azure.com"},
	{&azure, "https://r.openai.azure.com/OpenAI/V1", "https://r.openai.azure.com"},
	{&azure, "https://r.openai.azure.com/openai/v1/openai/v1", "https://r.openai.azure.com"},
	{&azure, "https://r.openai.azure.com/openai/v1/chat/completions", "https://r.openai.azure.com"},
	{&azure, "https://r.openai.azure.com/openai/v1/responses", "https://r.openai.azure.com"},
	{&azure, "https://r.openai.azure.com/openai/v1/files", "https://r.openai.azure.com"},
	{&azure, "https://r.openai.azure.com/openai", "https://r.openai.azure.com"},
	{&azure, "https://r.openai.azure.com/openai/deployments", "https://r.openai.azure.com"},
	{&azure, "https://r.openai.azure.com/openai/deployments/gpt-4o", "https://r.openai.azure.com"},
	{&azure, "https://r.openai.azure.com/openai/deployments/models", "https://r.openai.azure.com"},
	{&azure, "https://r.openai.azure.com/openai/deployments/gpt-4o/chat/completions", "https://r.openai.azure.com"},
	{&azure, "https://r.openai.azure.com/openai/deployments/gpt-4o/images/generations", "https://r.openai.azure.com"},
	{&azure, "https://r.openai.azure.com/openai/deployments/e/embeddings", "https://r.openai.azure.com"},
	{&azure, "https://r.openai.azure.com/openai/models", "https://r.openai.azure.com"},
	{&azure, "https://r.openai.azure.com/openai/responses", "https://r.openai.azure.com"},
	{&azure, "https://r.services.ai.azure.com/models", "https://r.services.ai.azure.com"},
	{&azure, "https://r.services.ai.azure.com/models/chat/completions", "https://r.services.ai.azure.com"},
	{&azure, "https://r.services.ai.azure.com/api/projects/My-Project", "https://r.services.ai.azure.com"},
	{&azure, "https://r.services.ai.azure.com/api/projects/p/openai/v1", "https://r.services.ai.azure.com"},
	{&azure, "https://r.services.ai.azure.com/api/projects/p/openai/responses", "https://r.services.ai.azure.com"},
	{&azure, "https://r.services.ai.azure.com/anthropic", "https://r.services.ai.azure.com"},
	/* what it does not */
	{&azure, "https://r.openai.azure.com/foo", NULL},
	{&azure, "https://r.openai.azure.com/v1", NULL},
	{&azure, "https://r.openai.azure.com/openai/v2", NULL},
	{&azure, "https://r.openai.azure.com/openaix", NULL},
	{&azure, "https://r.openai.azure.com/foo/openai/v1", NULL},
	{&azure, "https://r.openai.azure.com/api/projects/p/q", NULL},
	{&azure, "https://r.openai.azure.com/foo/api/projects/p", NULL},
	{&azure, "https://r.openai.azure.com/foo/openai", NULL},
	/* a gateway in front of it */
	{&gateway, "https://g.azure-api.net/team", "https://g.azure-api.net/team"},
	{&gateway, "https://g.azure-api.net/Team/A/openai", "https://g.azure-api.net/Team/A/openai"},
	{&gateway, "https://g.azure-api.net/openai", "https://g.azure-api.net/openai"},
	{&gateway, "https://g.azure-api.net/team/openai/v1", "https://g.azure-api.net/team"},
	{&gateway, "https://g.azure-api.net/team/openai/deployments/d/chat/completions", "https://g.azure-api.net/team"},
	{&gateway, "https://g.azure-api.net/team/api/projects/p", "https://g.azure-api.net/team/api/projects/p"},
	/* nothing known */
	{&plain, "https://h.example/v1/chat/completions", "https://h.example/v1/chat/completions"},
	{&nothing, "https://h.example", "https://h.example"},
	{&nothing, "https://h.example/v1", NULL},
	/* rows that no constraint would let in */
	{&odd, "https://h.example", "https://h.example/a/models"},
	{&odd, "https://h.example/a/models", "https://h.example/a/models"},
	{&odd, "https://h.example/b/c/d", "https://h.example/a/models"},
	{&odd_any, "https://h.example/a/models", "https://h.example/a/models"},
	{&odd_any, "https://h.example/a/models/models", "https://h.example/a/models"},
	{&odd_any, "https://h.example/b/models", "https://h.example/b"},
};

static size_t
spans_of(TarxKeysSpan *spans, const char *const *texts)
{
	size_t		count = 0;

	for (; count < MAX_PATTERNS && texts[count] != NULL; count++)
	{
		Bytes		copy = guarded_copy(texts[count], strlen(texts[count]));

		spans[count] = (TarxKeysSpan) {(const char *) copy.data, copy.len};
	}
	return count;
}

static void
free_spans(TarxKeysSpan *spans, size_t count)
{
	for (size_t i = 0; i < count; i++)
		sodium_free((void *) spans[i].data);
}

/* With the list of private hosts that admits those of the tests */
static bool
settle(const Provider *provider, const char *text, TarxKeysBaseUrl *url)
{
	static const char list[] = "models, chat";
	TarxKeysSpan tails[MAX_PATTERNS];
	TarxKeysSpan known[MAX_PATTERNS];
	TarxKeysBaseUrlPaths paths = {
		tails, spans_of(tails, provider->tails), known, spans_of(known, provider->known),
		provider->any, {provider->standard, strlen(provider->standard)}
	};
	TarxKeysBaseUrlStatus status;

	ok(tarx_keys_baseurl_canonicalize(text, strlen(text), (TarxKeysSpan) {list, strlen(list)}, url) ==
	   TARX_KEYS_BASEURL_OK, "%s: a base URL", text);
	status = tarx_keys_baseurl_settle_path(url, &paths);
	free_spans(tails, paths.ntails);
	free_spans(known, paths.nknown);
	if (status == TARX_KEYS_BASEURL_OK)
		return true;
	is_int(status, TARX_KEYS_BASEURL_UNKNOWN_PATH, "%s: status of %s", provider->name, text);
	ok(sodium_is_zero((const unsigned char *) url, sizeof(*url)), "%s: nothing is left of %s",
	   provider->name, text);
	return false;
}

static void
check_case(const PathCase *test)
{
	TarxKeysBaseUrl url;
	TarxKeysBaseUrl again;
	bool		settled = settle(test->provider, test->url, &url);

	is_str(settled ? url.url : NULL, test->expected, "%s: %s", test->provider->name, test->url);
	if (!settled)
		return;
	is_int((long long) url.len, (long long) strlen(url.url), "%s: length of %s",
		   test->provider->name, test->url);
	ok(settle(test->provider, url.url, &again) && memcmp(&again, &url, sizeof(url)) == 0,
	   "%s: %s stays", test->provider->name, url.url);
}

/* A standard path that does not fit any more */
static void
check_too_long(void)
{
	static const Provider long_path = {"long", {NULL}, {NULL}, false, "/0123456789"};
	TarxKeysBaseUrlPaths paths = {NULL, 0, NULL, 0, false, {long_path.standard, 11}};
	TarxKeysBaseUrl url = {.len = TARX_KEYS_BASEURL_MAX - 10, .path_at = TARX_KEYS_BASEURL_MAX - 10};

	memset(url.url, 'x', url.len);
	is_int(tarx_keys_baseurl_settle_path(&url, &paths), TARX_KEYS_BASEURL_TOO_LONG, "too long");
	url = (TarxKeysBaseUrl) {.len = TARX_KEYS_BASEURL_MAX - 11, .path_at = TARX_KEYS_BASEURL_MAX - 11};
	memset(url.url, 'x', url.len);
	is_int(tarx_keys_baseurl_settle_path(&url, &paths), TARX_KEYS_BASEURL_OK, "just long enough");
	is_int((long long) strlen(url.url), TARX_KEYS_BASEURL_MAX, "of the greatest length");
}

int
main(void)
{
	if (sodium_init() < 0)
		return EXIT_FAILURE;
	for (size_t i = 0; i < lengthof(cases); i++)
		check_case(&cases[i]);
	check_too_long();

	return done_testing();
}
