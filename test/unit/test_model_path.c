/*
 * test_model_path.c
 *	  Unit tests of paths of requests about one model, in TAP.
 */
#include "pure/model_path.h"
#include "tap.h"

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

/* path is NULL where the name has no place in one */
typedef struct TestCase
{
	const char *model;
	const char *path;
} TestCase;

static const TestCase cases[] = {
	{"gpt-5", "/models/gpt-5"},
	{"a", "/models/a"},
	{"A.b_c~d-9", "/models/A.b_c~d-9"},
	{"openai/gpt-oss-120b", "/models/openai/gpt-oss-120b"},
	{"a/b/c", "/models/a/b/c"},
	{"llama3:8b", "/models/llama3%3A8b"},
	{"ft:gpt-4o:acme::x", "/models/ft%3Agpt-4o%3Aacme%3A%3Ax"},
	{"gemini:streamGenerateContent", "/models/gemini%3AstreamGenerateContent"},
	{"@evil.example", "/models/%40evil.example"},
	{"a b", "/models/a%20b"},
	{"a+b&c=d;e", "/models/a%2Bb%26c%3Dd%3Be"},
	{"{model}", "/models/%7Bmodel%7D"},
	{"\xc3\xa9t\xc3\xa9", "/models/%C3%A9t%C3%A9"},
	{"\xff", "/models/%FF"},
	{"...", "/models/..."},
	{"..a", "/models/..a"},
	{"a..", "/models/a.."},
	{"...;a", "/models/...%3Ba"},
	{"a./.b", "/models/a./.b"},
	{"", NULL},
	{".", NULL},
	{"..", NULL},
	{"../a", NULL},
	{"a/..", NULL},
	{"a/./b", NULL},
	{"a/../../b", NULL},
	{"..;/a", NULL},
	{"a/.;b", NULL},
	{";a", NULL},
	{"/", NULL},
	{"/a", NULL},
	{"a/", NULL},
	{"a//b", NULL},
	{"a?b", NULL},
	{"a#b", NULL},
	{"%2e%2e", NULL},
	{"a%", NULL},
	{"a\\b", NULL},
	{"a\nb", NULL},
	{"a\x7f", NULL},
	{"\x1f", NULL},
};

/* The path as a text; NULL if there is none */
static const char *
path_of(const char *path, TarxKeysSpan model)
{
	static char out[1024];
	TarxKeysSpan template = {path, strlen(path)};
	size_t		len = tarx_keys_model_path(out, template, model);

	out[len] = '\0';
	return len > 0 ? out : NULL;
}

static const char *
path_of_text(const char *path, const char *model)
{
	return path_of(path, (TarxKeysSpan) {model, strlen(model)});
}

int
main(void)
{
	for (size_t i = 0; i < lengthof(cases); i++)
		is_str(path_of_text("/models/{model}", cases[i].model), cases[i].path, "\"%s\"", cases[i].model);
	is_str(path_of("/models/{model}", (TarxKeysSpan) {"a\0b", 3}), NULL, "a zero byte");
	is_str(path_of_text("/m/{model}/info?x=1", "a/b"), "/m/a/b/info?x=1", "in the middle");
	is_str(path_of_text("?model={model}", "a:b"), "?model=a%3Ab", "in a query");
	is_str(path_of_text("{model}", "a"), "a", "alone");
	is_str(path_of_text("/models", "a"), NULL, "a path without a place for it");
	is_str(path_of_text("/models/{model", "a"), NULL, "half a place");
	is_str(path_of_text("", "a"), NULL, "an empty path");
	return done_testing();
}
