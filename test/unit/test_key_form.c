/*
 * test_key_form.c
 *	  Unit tests of what LLM keys look like, and of what people paste, in TAP.
 *
 * Every value is in memory that ends at an inaccessible page.
 */
#include "pure/key_form.h"
#include "guarded.h"
#include "tap.h"

/* Short names, for the tables to be readable. */
#define OK			TARX_KEYS_KEY_OK
#define TOO_SHORT	TARX_KEYS_KEY_TOO_SHORT
#define TOO_LONG	TARX_KEYS_KEY_TOO_LONG
#define TOKEN		TARX_KEYS_KEY_TOKEN
#define JSON		TARX_KEYS_KEY_JSON
#define PEM			TARX_KEYS_KEY_PEM
#define MASK		TARX_KEYS_KEY_MASK
#define BRACKETS	TARX_KEYS_KEY_BRACKETS
#define PLACEHOLDER	TARX_KEYS_KEY_PLACEHOLDER
#define VARIABLE	TARX_KEYS_KEY_VARIABLE
#define URL			TARX_KEYS_KEY_URL
#define COMMAND		TARX_KEYS_KEY_COMMAND
#define SCHEME		TARX_KEYS_KEY_SCHEME
#define HEADER		TARX_KEYS_KEY_HEADER
#define ASSIGNMENT	TARX_KEYS_KEY_ASSIGNMENT
#define QUOTES		TARX_KEYS_KEY_QUOTES
#define PUNCTUATION	TARX_KEYS_KEY_PUNCTUATION
#define SPACE		TARX_KEYS_KEY_SPACE
#define CONTROL		TARX_KEYS_KEY_CONTROL
#define NOT_ASCII	TARX_KEYS_KEY_NOT_ASCII

#define REST		"k7Qw2ZtR9mXv4LpBJd83hsPq71mNzWc5Ty"
#define KEY			"sk-proj-" REST
#define PLATFORM	"sk-tarx-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklm"

typedef struct ValueCase
{
	const char *value;
	TarxKeysKeyProblem problem;
	size_t		position;
} ValueCase;

/* What providers, gateways and people with servers of their own have as keys */
static const ValueCase real_keys[] = {
	{KEY, OK, 0},
	{"sk-" REST, OK, 0},
	{"sk-svcacct-" REST "_" REST "-T3BlbkFJ" REST, OK, 0},
	{"sk-ant-api03-" REST "_" REST "-" REST "AA", OK, 0},
	{"AIzaSyB-k7Qw2ZtR9mXv4LpB_Jd83hsPq71mNzW", OK, 0},
	{"AQ.Ab8RN6.Kj9_-k7Qw2ZtR9mXv4LpB", OK, 0},
	{"hf_" REST, OK, 0},
	{"gsk_" REST, OK, 0},
	{"xai-" REST, OK, 0},
	{"sk-or-v1-0123456789abcdef0123456789abcdef", OK, 0},
	{"0123456789abcdef0123456789abcdef", OK, 0},
	{"aBcDeFgHiJkLmNoPqRsTuVwXyZ012345", OK, 0},
	{"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9Pl", OK, 0},
	{"eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", OK, 0},
	{"QmVhcmVyIHRva2VuIGluIGJhc2U2NA==", OK, 0},
	{"ABSKQmVkcm9ja0FQSUtleS1rN1F3Mlp0UjltWHY0THA=", OK, 0},
	{"c2VjcmV0S0VZ=", OK, 0},
	/* of two parts */
	{"3f2a9c1e-7b5d-4e8f-a1c2-0d9e8f7a6b5c:9c8b7a6d5e4f3a2b1c0d9e8f7a6b5c4d", OK, 0},
	{"AKID7c1e5a9b:3d8f2046ae57", OK, 0},
	{"id.k7Qw2ZtR9mXv4LpB", OK, 0},
	{"bce-v3/ALTAK-k7Qw2ZtR/9mXv4LpB", OK, 0},
	/* that begin or end like something else */
	{"Bearerk7Qw2ZtR9mXv4LpB", OK, 0},
	{"bearer-k7Qw2ZtR9mXv4LpB", OK, 0},
	{"tokenk7Qw2ZtR9mXv4LpB", OK, 0},
	{"token-abc123", OK, 0},
	{"basic_k7Qw2ZtR9mXv4LpB", OK, 0},
	{"--k7Qw2ZtR9mXv4LpB_Jd83hsPq71mNzW", OK, 0},
	{"-k7Qw2ZtR9mXv4LpB-", OK, 0},
	{"_k7Qw2ZtR9mXv4LpB_", OK, 0},
	{"exportk7Qw2ZtR9mXv4LpB", OK, 0},
	{"curlk7Qw2ZtR9mXv4LpB", OK, 0},
	{"httpsk7Qw2ZtR9mXv4LpB", OK, 0},
	{"{k7Qw2ZtR9mXv4LpB", OK, 0},
	{"(k7Qw2ZtR9mXv4LpB", OK, 0},
	{"<k7Qw2ZtR9mXv4LpB", OK, 0},
	{"[k7Qw2ZtR9mXv4LpB", OK, 0},
	{"k7Qw2ZtR9mXv4LpB}", OK, 0},
	{"k7Qw2ZtR9mXv4LpB.", OK, 0},
	{"$k7Qw2ZtR9mXv4LpB", OK, 0},
	{"%k7Qw2ZtR9mXv4LpB%2F", OK, 0},
	{"k7Qw\"2ZtR'9mXv`4LpB", OK, 0},
	{"k7Qw,2ZtR;9mXv\\4LpB", OK, 0},
	{"k7**Qw##2Zt..R9mX", OK, 0},
	{"xxk7Qw2ZtRxxx9mXv4LpBxxxx", OK, 0},
	{"sk-tarxk7Qw2ZtR9mXv4LpB", OK, 0},
	{"sk-tar-k7Qw2ZtR9mXv4LpB", OK, 0},
	{"k7Qwyour2ZtRkey9mXv4LpB", OK, 0},
	{"k7Qw-yourkz2ZtR-key", OK, 0},
	{"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~x", OK, 0},
	/* that people choose for servers of their own */
	{"sk-x", OK, 0},
	{"EMPTY", OK, 0},
	{"dummy", OK, 0},
	{"none", OK, 0},
	{"ollama", OK, 0},
	{"sk-1234", OK, 0},
	{"changeme", OK, 0},
	{"not-needed", OK, 0},
	{"lm-studio", OK, 0},
	{"sk-no-key-required", OK, 0},
	{"my-secret-key", OK, 0},
	{"master-key", OK, 0},
	{"enterprise-key-7", OK, 0},
	{"pasted-key-7", OK, 0},
	{"replacement-token-7", OK, 0},
	{"youre-the-key", OK, 0},
	{"yours-truly", OK, 0},
	{"not-a-real-key-0123456789", OK, 0},
	{"sk-proj-not-a-real-key-0123456789", OK, 0},
	{"value-of-key-a", OK, 0},
	{"xxxx", OK, 0},
	{"abcd", OK, 0},
};

/* 8: characters, with their places */
static const ValueCase character_cases[] = {
	{"sk-proj-\xd0\xb0" REST, NOT_ASCII, 9},
	{"\xd1\x95k-proj-" REST, NOT_ASCII, 1},
	{KEY "\xd0\xb5", NOT_ASCII, 43},
	{"\xd0\xbf\xd0\xb0\xd1\x80\xd0\xbe\xd0\xbb\xd1\x8c", NOT_ASCII, 1},
	{"sk-proj-\xc9\x91" REST, NOT_ASCII, 9},
	{"sk\xe2\x80\x93proj-" REST, NOT_ASCII, 3},
	{"sk\xe2\x80\x91proj-" REST, NOT_ASCII, 3},
	{"sk-proj-\xef\xbd\x81" REST, NOT_ASCII, 9},
	{"caf\xc3\xa9-0123456789", NOT_ASCII, 4},
	{"cafe\xcc\x81-0123456789", NOT_ASCII, 5},
	{"key-\xf0\x9f\x94\x91-0123", NOT_ASCII, 5},
	{"abcd\xe2\x80\x8b" "efgh", NOT_ASCII, 5},
	{"\xef\xbb\xbf" KEY, NOT_ASCII, 1},
	{KEY "\xc2\xa0", NOT_ASCII, 43},
	{"abcd\xe2\x80\xae" "efgh", NOT_ASCII, 5},
	{"abcd\xe2\x80\xa8" "efgh", NOT_ASCII, 5},
	{"abcd\xc2\x85" "efgh", NOT_ASCII, 5},
	{"abcd\xff" "efgh", NOT_ASCII, 5},
	{"abcd efgh", SPACE, 5},
	{" " KEY, SPACE, 1},
	{KEY " ", SPACE, 43},
	{"    ", SPACE, 1},
	{"my key is " KEY, SPACE, 3},
	{KEY " (prod)", SPACE, 43},
	{"sk-proj- " REST, SPACE, 9},
	{KEY "\n", CONTROL, 43},
	{"\t" KEY, CONTROL, 1},
	{KEY "\r\n", CONTROL, 43},
	{"abcd\refgh", CONTROL, 5},
	{"abcd\nefgh", CONTROL, 5},
	{"abcd\tefgh", CONTROL, 5},
	{"abcd\x7f" "efgh", CONTROL, 5},
	{"abcd\x1b[2J", CONTROL, 5},
	{KEY "\n" KEY, CONTROL, 43},
};

/* 9: what stands around a key */
static const ValueCase wrapping_cases[] = {
	{"Bearer " KEY, SCHEME, 0},
	{"bearer " KEY, SCHEME, 0},
	{"BEARER  " KEY, SCHEME, 0},
	{"Bearer\t" KEY, SCHEME, 0},
	{"Bearer\n" KEY, SCHEME, 0},
	{"Bearer\xc2\xa0" KEY, SCHEME, 0},
	{"Bearer%20" KEY, SCHEME, 0},
	{"Bearer:" KEY, SCHEME, 0},
	{"Bearer=" KEY, SCHEME, 0},
	{"Bearer", SCHEME, 0},
	{"  Bearer " KEY "\n", SCHEME, 0},
	{"\"Bearer " KEY "\"", SCHEME, 0},
	{"Basic " REST, SCHEME, 0},
	{"Token " KEY, SCHEME, 0},
	{"ApiKey " KEY, SCHEME, 0},
	{"Key 3f2a9c1e:9c8b7a6d", SCHEME, 0},
	{"Authorization: Bearer " KEY, HEADER, 0},
	{"authorization:Bearer " KEY, HEADER, 0},
	{"Authorization : Bearer " KEY, HEADER, 0},
	{"Proxy-Authorization: Basic " REST, HEADER, 0},
	{"api-key: " REST, HEADER, 0},
	{"api-key:" REST, HEADER, 0},
	{"x-api-key: " KEY, HEADER, 0},
	{"X-Goog-Api-Key:AIza" REST, HEADER, 0},
	{"Ocp-Apim-Subscription-Key: " REST, HEADER, 0},
	{"API key: " KEY, HEADER, 0},
	{"Key: " KEY, HEADER, 0},
	{"openai: " KEY, HEADER, 0},
	{"api-key:", HEADER, 0},
	{"api_key: \"" KEY "\"", HEADER, 0},
	{"apiKey:'" KEY "',", HEADER, 0},
	{"\"api-key\": \"" KEY "\"", HEADER, 0},
	{"\"apiKey\":\"" KEY "\",", HEADER, 0},
	{"'Authorization': 'Bearer " KEY "'", HEADER, 0},
	{"- api_key: " KEY, HEADER, 0},
	{"export OPENAI_API_KEY=" KEY, ASSIGNMENT, 0},
	{"export OPENAI_API_KEY=\"" KEY "\"", ASSIGNMENT, 0},
	{"set OPENAI_API_KEY=" KEY, ASSIGNMENT, 0},
	{"setx OPENAI_API_KEY " KEY, ASSIGNMENT, 0},
	{"setenv OPENAI_API_KEY " KEY, ASSIGNMENT, 0},
	{"env OPENAI_API_KEY=" KEY, ASSIGNMENT, 0},
	{"ENV OPENAI_API_KEY " KEY, ASSIGNMENT, 0},
	{"ARG KEY=" KEY, ASSIGNMENT, 0},
	{"declare -x K=" KEY, ASSIGNMENT, 0},
	{"- OPENAI_API_KEY=" KEY, ASSIGNMENT, 0},
	{"OPENAI_API_KEY=" KEY, ASSIGNMENT, 0},
	{"OPENAI_API_KEY='" KEY "'", ASSIGNMENT, 0},
	{"OPENAI_API_KEY = " KEY, ASSIGNMENT, 0},
	{"OPENAI_API_KEY_2=" KEY, ASSIGNMENT, 0},
	{"OPENAI=" KEY, ASSIGNMENT, 0},
	{"HF_TOKEN=hf_" REST, ASSIGNMENT, 0},
	{"$env:OPENAI_API_KEY=\"" KEY "\"", ASSIGNMENT, 0},
	{"$env:OPENAI_API_KEY = '" KEY "'", ASSIGNMENT, 0},
	{"api_key=" KEY, ASSIGNMENT, 0},
	{"apiKey=" KEY, ASSIGNMENT, 0},
	{"key=AIza" REST, ASSIGNMENT, 0},
	{"--api-key=" KEY, ASSIGNMENT, 0},
	{"openai.api_key=\"" KEY "\"", ASSIGNMENT, 0},
	{"const apiKey = \"" KEY "\";", ASSIGNMENT, 0},
	{"client=OpenAI(api_key=\"" KEY "\")", QUOTES, 0},
	{"os.environ[\"OPENAI_API_KEY\"]=\"" KEY "\"", ASSIGNMENT, 0},
	{"process.env.OPENAI_API_KEY=\"" KEY "\"", ASSIGNMENT, 0},
	{"x-api-key=" KEY, ASSIGNMENT, 0},
	{"KEY:=" KEY, HEADER, 0},
	{"VAR?=" KEY, ASSIGNMENT, 0},
	{"=" KEY, ASSIGNMENT, 0},
	{"AccountKey=k7Qw2ZtR9mXv4LpB==", ASSIGNMENT, 0},
	{"\"" KEY "\"", QUOTES, 0},
	{"'" KEY "'", QUOTES, 0},
	{"`" KEY "`", QUOTES, 0},
	{"\"" KEY, QUOTES, 0},
	{KEY "\"", QUOTES, 0},
	{KEY "'", QUOTES, 0},
	{"\"" KEY "\",", QUOTES, 0},
	{KEY "\",", QUOTES, 0},
	{KEY "\");", QUOTES, 0},
	{KEY "'}", QUOTES, 0},
	{"\\\"" KEY "\\\"", QUOTES, 0},
	{"\xe2\x80\x9c" KEY "\xe2\x80\x9d", QUOTES, 0},
	{"\xe2\x80\x98" KEY "\xe2\x80\x99", QUOTES, 0},
	{"\xe2\x80\x9e" KEY "\xe2\x80\x9c", QUOTES, 0},
	{KEY "\xe2\x80\x9d", QUOTES, 0},
	{"**" KEY "**", QUOTES, 0},
	{KEY ",", PUNCTUATION, 0},
	{KEY ";", PUNCTUATION, 0},
	{KEY ",\n", PUNCTUATION, 0},
	{KEY " ;", PUNCTUATION, 0},
	{KEY "\\", PUNCTUATION, 0},
	{KEY "\\n", PUNCTUATION, 0},
	{KEY "\\r\\n", PUNCTUATION, 0},
	{"https://generativelanguage.googleapis.com/v1beta/models?key=AIza" REST, URL, 0},
	{"https://api.openai.com/v1", URL, 0},
	{"HTTPS://user:" KEY "@host.example", URL, 0},
	{"http://localhost:11434", URL, 0},
	{"postgres://user:" REST "@host/db", URL, 0},
	{"\"https://api.openai.com/v1\"", URL, 0},
	{"api.example.com/v1?key=" KEY, URL, 0},
	{"/v1/models?api_key=" KEY, URL, 0},
	{"?key=AIza" REST, URL, 0},
	{"x&access_token=" KEY, URL, 0},
	{"curl https://api.openai.com/v1/models -H \"Authorization: Bearer " KEY "\"", COMMAND, 0},
	{"$ curl -H 'api-key: " KEY "'", COMMAND, 0},
	{"-H \"Authorization: Bearer " KEY "\"", COMMAND, 0},
	{"--header 'x-api-key: " KEY "' \\", COMMAND, 0},
	{"echo " KEY, COMMAND, 0},
};

/* 10: masks, and what else stands for a key */
static const ValueCase mask_cases[] = {
	{"sk****YZ", MASK, 0},
	{"sk-***", MASK, 0},
	{"***", TOO_SHORT, 0},
	{"****", MASK, 0},
	{"sk-proj-********", MASK, 0},
	{"********wxyz", MASK, 0},
	{"sk-\xe2\x80\xa2\xe2\x80\xa2\xe2\x80\xa2\xe2\x80\xa2YZ", MASK, 0},
	{"sk-proj-abc\xe2\x80\xa6wxyz", MASK, 0},
	{"sk-proj-abc...wxyz", MASK, 0},
	{"sk-...wxyz", MASK, 0},
	{"sk-proj-...", MASK, 0},
	{"...wxyz", MASK, 0},
	{"sk-\xe2\x97\x8f\xe2\x97\x8f\xe2\x97\x8f\xe2\x97\x8fYZ", MASK, 0},
	{"sk-####YZ", MASK, 0},
	{"Bearer sk-****YZ", MASK, 0},
	{"(sk-abc)", BRACKETS, 0},
	{"[sk-abc]", BRACKETS, 0},
	{"{sk-abc}", BRACKETS, 0},
	{"<sk-abc>", BRACKETS, 0},
	{"<your key>", PLACEHOLDER, 0},
	{"<YOUR_API_KEY>", PLACEHOLDER, 0},
	{"${YOUR_API_KEY}", PLACEHOLDER, 0},
	{"[API key]", BRACKETS, 0},
	{"(not set)", BRACKETS, 0},
	{"[REDACTED]", BRACKETS, 0},
	{"[object Object]", BRACKETS, 0},
	{"<redacted: tarx_keys.add_llm_key>", BRACKETS, 0},
	{"<key>" KEY "</key>", BRACKETS, 0},
	{"\xe3\x80\x90" "key" "\xe3\x80\x91", BRACKETS, 0},
	{"\xc2\xab" KEY "\xc2\xbb", BRACKETS, 0},
	{"YOUR_API_KEY", PLACEHOLDER, 0},
	{"your_api_key", PLACEHOLDER, 0},
	{"your-api-key", PLACEHOLDER, 0},
	{"Your API Key", PLACEHOLDER, 0},
	{"yourApiKey", PLACEHOLDER, 0},
	{"your_openai_api_key_here", PLACEHOLDER, 0},
	{"sk-your-key-here", PLACEHOLDER, 0},
	{"sk-ant-your-api-key", PLACEHOLDER, 0},
	{"\"YOUR_API_KEY\"", PLACEHOLDER, 0},
	{"Bearer YOUR_TOKEN", PLACEHOLDER, 0},
	{"INSERT_API_KEY_HERE", PLACEHOLDER, 0},
	{"INSERTKEY", PLACEHOLDER, 0},
	{"your secret", PLACEHOLDER, 0},
	{"paste-key-here", PLACEHOLDER, 0},
	{"enter your key", PLACEHOLDER, 0},
	{"REPLACE_WITH_KEY", PLACEHOLDER, 0},
	{"[API_KEY]", BRACKETS, 0},
	{"replace-with-token", PLACEHOLDER, 0},
	{"sk-proj-key-here", PLACEHOLDER, 0},
	{"api_key_here", PLACEHOLDER, 0},
	{"sk-xxxx", PLACEHOLDER, 0},
	{"sk-xxxxxxxxxxxxxxxxxxxx", PLACEHOLDER, 0},
	{"sk-XXXXXXXX", PLACEHOLDER, 0},
	{"sk-ant-api03-xxxxxxxxxxxx", PLACEHOLDER, 0},
	{"hf_xxxxxxxx", PLACEHOLDER, 0},
	{"AIzaSyXXXXXXXXXXXX", PLACEHOLDER, 0},
	{"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", PLACEHOLDER, 0},
	{"undefined", PLACEHOLDER, 0},
	{"OPENAI_API_KEY", VARIABLE, 0},
	{"HF_TOKEN", VARIABLE, 0},
	{"$OPENAI_API_KEY", VARIABLE, 0},
	{"${OPENAI_API_KEY}", VARIABLE, 0},
	{"${secrets.OPENAI}", VARIABLE, 0},
	{"${{ secrets.OPENAI_API_KEY }}", VARIABLE, 0},
	{"{{OPENAI_API_KEY}}", VARIABLE, 0},
	{"$(cat key.txt)", VARIABLE, 0},
	{"%OPENAI_API_KEY%", VARIABLE, 0},
	{"$env:OPENAI_API_KEY", VARIABLE, 0},
	{"process.env.OPENAI_API_KEY", VARIABLE, 0},
	{"os.environ[\"OPENAI_API_KEY\"]", VARIABLE, 0},
	{"op://vault/openai/key", VARIABLE, 0},
};

/* 12, 13: other credentials */
static const ValueCase other_cases[] = {
	{PLATFORM, TOKEN, 0},
	{"sk-tarx-", TOKEN, 0},
	{"sk-tarx-abcdef", TOKEN, 0},
	{"SK-TARX-abcdef", TOKEN, 0},
	{" " PLATFORM "\n", TOKEN, 0},
	{"Bearer " PLATFORM, TOKEN, 0},
	{"\"" PLATFORM "\"", TOKEN, 0},
	{"export TARX_KEY=" PLATFORM, TOKEN, 0},
	{"{\"token\": \"" PLATFORM "\"}", TOKEN, 0},
	{"https://x.example/?token=" PLATFORM, TOKEN, 0},
	{"{\"type\": \"service_account\", \"project_id\": \"p\"}", JSON, 0},
	{"{\n  \"type\": \"service_account\",\n  \"private_key\": \"-----BEGIN PRIVATE KEY-----\\n\"\n}\n", JSON, 0},
	{"{\r\n\t\"type\": \"service_account\"\r\n}", JSON, 0},
	{"  {\"a\":1}  ", JSON, 0},
	{"\xef\xbb\xbf{\"a\":1}", JSON, 0},
	{"{\"api_key\": \"" KEY "\"}", JSON, 0},
	{"{\"type\": \"service_account\", \"project_id", JSON, 0},
	{"{ }  ", JSON, 0},
	{"{\"Authorization\":\"Bearer " KEY "\"}", JSON, 0},
	{"[\"" KEY "\"]", JSON, 0},
	{"[{\"a\": 1}]", JSON, 0},
	{"[\n  \"a\"\n]", JSON, 0},
	{"eyJ0eXBlIjoic2VydmljZV9hY2NvdW50IiwicHJvamVjdF9pZCI6InAifQ==", JSON, 0},
	{"eyJ0eXBlIjogInNlcnZpY2VfYWNjb3VudCIsICJwcm9qZWN0X2lkIjogInAifQ==", JSON, 0},
	{"ewogICJ0eXBlIjogInNlcnZpY2VfYWNjb3VudCIsCiAgInByb2plY3RfaWQiOiAicCIKfQ==", JSON, 0},
	{"-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n", PEM, 0},
	{"-----BEGIN CERTIFICATE-----", PEM, 0},
};

static TarxKeysKeyProblem
check_guarded(const char *value, size_t len, size_t *position)
{
	Bytes		copy = guarded_copy(value, len);
	TarxKeysSpan span = {(const char *) copy.data, copy.len};
	TarxKeysKeyProblem problem;

	*position = 99;
	problem = tarx_keys_check_key(span, position);
	sodium_free(copy.data);
	return problem;
}

static void
check_cases(const char *kind, const ValueCase *tests, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		size_t		position;
		TarxKeysKeyProblem problem = check_guarded(tests[i].value, strlen(tests[i].value), &position);

		is_str(tarx_keys_key_problem(problem), tarx_keys_key_problem(tests[i].problem),
			   "%s: %s", kind, tests[i].value);
		is_int((long long) position, (long long) tests[i].position, "%s: place in %s",
			   kind, tests[i].value);
	}
}

/* Every byte but printable ASCII is found, in every place. */
static void
check_every_byte(void)
{
	int			failed = 0;

	for (int c = 0; c < 256; c++)
	{
		for (size_t at = 0; at < 8; at++)
		{
			char		value[] = "abcdefgh";
			size_t		position;
			bool		accepted;

			value[at] = (char) c;
			accepted = check_guarded(value, 8, &position) == OK;
			if (c > ' ' && c < 0x7f ? position != 0 : accepted || position != at + 1)
				failed++;
		}
	}
	is_int(failed, 0, "every byte in every place");
}

static void
check_lengths(void)
{
	char		value[TARX_KEYS_VALUE_MAX_BYTES + 2];
	size_t		position;

	memset(value, 'v', sizeof(value));
	is_int(TARX_KEYS_VALUE_MIN_BYTES, 4, "the lower limit");
	is_int(TARX_KEYS_VALUE_MAX_BYTES, 8192, "the upper limit");
	is_int(tarx_keys_check_key((TarxKeysSpan) {NULL, 0}, &position), TOO_SHORT, "nothing");
	for (size_t len = 0; len < 8; len++)
		is_int(check_guarded(value, len, &position), len < 4 ? TOO_SHORT : OK, "%zu bytes", len);
	is_int(check_guarded(value, 8192, &position), OK, "8192 bytes");
	is_int(check_guarded(value, 8193, &position), TOO_LONG, "8193 bytes");
	value[8192] = ' ';
	is_int(check_guarded(value, 8193, &position), TOO_LONG, "8193 bytes with a blank that does not count");
	value[8192] = 'v';
	value[0] = '{';
	value[1] = '"';
	is_int(check_guarded(value, 8194, &position), JSON, "a long document");
}

/* Random keys of the alphabets that providers use: none is refused. */
static void
check_random_keys(void)
{
	static const char alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+/.";
	static const char *const prefixes[] = {
		"", "sk-", "sk-proj-", "sk-ant-api03-", "AIza", "AQ.", "hf_", "gsk_", "xai-"
	};
	int			refused = 0;
	uint32_t	state = 1;

	for (int i = 0; i < 20000; i++)
	{
		char		value[256];
		size_t		at = 0;
		size_t		len;
		size_t		position;

		state = state * 1664525 + 1013904223;
		len = 20 + (state >> 16) % 180;
		strcpy(value, prefixes[i % lengthof(prefixes)]);
		for (at = strlen(value); at < len; at++)
		{
			state = state * 1664525 + 1013904223;
			/* without dots, which may come three in a row by chance */
			value[at] = alphabet[(state >> 16) % (sizeof(alphabet) - 2)];
		}
		refused += check_guarded(value, len, &position) != OK;
	}
	is_int(refused, 0, "no random key is refused");
}

static void
check_texts(void)
{
	for (int problem = OK; problem <= NOT_ASCII; problem++)
	{
		const char *text = tarx_keys_key_problem((TarxKeysKeyProblem) problem);
		const char *advice = tarx_keys_key_advice((TarxKeysKeyProblem) problem);

		ok(text[strlen(text) - 1] != '.' && strcmp(text, "is not valid") != 0,
		   "text of problem %d", problem);
		ok(advice[strlen(advice) - 1] == '.', "advice for problem %d", problem);
		for (int other = OK; other < problem; other++)
			ok(strcmp(text, tarx_keys_key_problem((TarxKeysKeyProblem) other)) != 0,
			   "texts of problems %d and %d differ", problem, other);
	}
	is_str(tarx_keys_key_problem((TarxKeysKeyProblem) (NOT_ASCII + 1)), "is not valid",
		   "text of an unknown problem");
	is_str(tarx_keys_key_advice((TarxKeysKeyProblem) (NOT_ASCII + 1)),
		   tarx_keys_key_advice(TOO_SHORT), "advice for an unknown problem");
}

int
main(void)
{
	if (sodium_init() < 0)
		return EXIT_FAILURE;
	check_cases("key", real_keys, lengthof(real_keys));
	check_cases("character", character_cases, lengthof(character_cases));
	check_cases("wrapping", wrapping_cases, lengthof(wrapping_cases));
	check_cases("mask", mask_cases, lengthof(mask_cases));
	check_cases("other", other_cases, lengthof(other_cases));
	check_every_byte();
	check_lengths();
	check_random_keys();
	check_texts();

	return done_testing();
}
