/*
 * test_host_patterns.c
 *	  Unit tests of the hosts that a provider's row admits, in TAP.
 */
#include "pure/url_host.h"

#include "guarded.h"
#include "tap.h"

typedef struct TestCase
{
	const char *host;
	const char *pattern;
	bool		expected;
} TestCase;

#define BEDROCK "bedrock-runtime.{region}.amazonaws.com"

static const TestCase cases[] = {
	/* suffixes */
	{"eu.api.openai.com", ".api.openai.com", true},
	{"api.openai.com", ".api.openai.com", false},
	{"evilapi.openai.com", ".api.openai.com", false},
	/* whole hosts */
	{"api.together.xyz", "api.together.xyz", true},
	{"API.Together.XYZ", "api.together.xyz", true},
	{"api.together.xyz", "API.together.xyz", true},
	{"x.api.together.xyz", "api.together.xyz", false},
	{"together.xyz", "api.together.xyz", false},
	{"api.together.xyz.evil.example", "api.together.xyz", false},
	{"api.together.xy", "api.together.xyz", false},
	{"api.together.xyzz", "api.together.xyz", false},
	{"api-together.xyz", "api.together.xyz", false},
	{"api.together.xyz.", "api.together.xyz", false},
	{"api..xyz", "api..xyz", false},
	/* regions */
	{"bedrock-runtime.us-east-1.amazonaws.com", BEDROCK, true},
	{"bedrock-runtime.ap-southeast-12.amazonaws.com", BEDROCK, true},
	{"bedrock-runtime.us-gov-west-1.amazonaws.com", BEDROCK, true},
	{"bedrock-runtime.eusc-de-east-1.amazonaws.com", BEDROCK, true},
	{"bedrock-runtime.US-East-1.amazonaws.com", BEDROCK, true},
	{"bedrock-runtime.s3.amazonaws.com", BEDROCK, false},
	{"bedrock-runtime.s3-us-west-2.amazonaws.com", BEDROCK, false},
	{"bedrock-runtime.s3-external-1.amazonaws.com", BEDROCK, false},
	{"bedrock-runtime.s3-accelerate.amazonaws.com", BEDROCK, false},
	{"bedrock-runtime.s3-website-us-east-1.amazonaws.com", BEDROCK, false},
	{"bedrock-runtime.us-west-2.s3.amazonaws.com", BEDROCK, false},
	{"bedrock-runtime.us-west-2.evil.example", BEDROCK, false},
	{"bedrock-runtime.us-west-2.amazonaws.com.evil.example", BEDROCK, false},
	{"x.bedrock-runtime.us-west-2.amazonaws.com", BEDROCK, false},
	{"bedrock-runtime.amazonaws.com", BEDROCK, false},
	{"bedrock-runtime..amazonaws.com", BEDROCK, false},
	{"bedrock-runtime.{region}.amazonaws.com", BEDROCK, false},
	{"bedrock-runtime.us-east.amazonaws.com", BEDROCK, false},
	{"bedrock-runtime.us-1.amazonaws.com", BEDROCK, false},
	{"bedrock-runtime.us-east-1a.amazonaws.com", BEDROCK, false},
	{"bedrock-runtime.us-east-1-b.amazonaws.com", BEDROCK, false},
	{"bedrock-runtime.us-east1-1.amazonaws.com", BEDROCK, false},
	{"bedrock-runtime.us-1-1.amazonaws.com", BEDROCK, false},
	{"bedrock-runtime.u-east-1.amazonaws.com", BEDROCK, false},
	{"bedrock-runtime.bucket-east-1.amazonaws.com", BEDROCK, false},
	{"bedrock-runtime.1-east-1.amazonaws.com", BEDROCK, false},
	{"bedrock-runtime.us--1.amazonaws.com", BEDROCK, false},
	{"bedrock-runtime.-us-east-1.amazonaws.com", BEDROCK, false},
	{"bedrock-runtime.us-east-1-.amazonaws.com", BEDROCK, false},
	{"bedrock-runtime.us-east-.amazonaws.com", BEDROCK, false},
	{"bedrock-runtime.us_east_1.amazonaws.com", BEDROCK, false},
	/* only as a whole label */
	{"a-us-east-1.example", "a-{region}.example", false},
	/* none at all */
	{"", "", false},
	{"a.b", "", false},
	{"", "a.b", false},
	{"a.b", ".", false},
	{NULL, "a.b", false},
	{"a.b", NULL, false},
};

/* What stands in front of a host that is shorter than the suffix is not part of it. */
static void
check_shorter_host(void)
{
	static const char url[] = "a.openai.azure.com";
	char	   *copy = guarded(sizeof(url));

	memcpy(copy, url, sizeof(url));
	ok(!tarx_keys_host_has_suffix(copy + 2, ".openai.azure.com"), "a host that is shorter than the suffix");
	sodium_free(copy);
}

int
main(void)
{
	if (sodium_init() < 0)
		return EXIT_FAILURE;
	for (size_t i = 0; i < lengthof(cases); i++)
		ok(tarx_keys_host_matches(cases[i].host, cases[i].pattern) == cases[i].expected,
		   "%s %s %s", cases[i].host != NULL ? cases[i].host : "(null)",
		   cases[i].expected ? "is" : "is not",
		   cases[i].pattern != NULL ? cases[i].pattern : "(null)");
	check_shorter_host();
	return done_testing();
}
