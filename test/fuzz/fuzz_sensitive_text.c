/*
 * fuzz_sensitive_text.c
 *	  Which texts may carry a value: the verdict is about names, not about what
 *	  stands around them or how they are written.
 *
 * Input: the text, up to the first NUL.
 */
#include "pure/sensitive_text.h"
#include "fuzz.h"

typedef struct Verdict
{
	const char *name;
	bool		has_execute;
} Verdict;

/* On the three parts as one text, in memory of its exact size */
static Verdict
verdict_on(const char *before, const char *text, const char *after)
{
	size_t		size = strlen(before) + strlen(text) + strlen(after) + 1;
	char	   *all = malloc(size);
	const TarxKeysSensitiveName *name;
	Verdict		verdict;

	must(all != NULL);
	snprintf(all, size, "%s%s%s", before, text, after);
	name = tarx_keys_sensitive_name(all, strlen(all));
	verdict.name = name == NULL ? NULL : name->name;
	verdict.has_execute = tarx_keys_has_execute(all);
	free(all);
	return verdict;
}

static bool
is_same(Verdict a, Verdict b)
{
	return a.has_execute == b.has_execute &&
		(a.name == NULL ? b.name == NULL : b.name != NULL && strcmp(a.name, b.name) == 0);
}

static bool
is_listed(const char *name)
{
	for (const TarxKeysSensitiveName *f = tarx_keys_sensitive_names; f->name != NULL; f++)
	{
		if (strcmp(f->name, name) == 0)
			return f->len == strlen(name);
	}
	return strcmp(name, "*") == 0 || strcmp(name, "master_key") == 0;
}

static void
swap_case(char *text)
{
	for (; *text != '\0'; text++)
	{
		if ((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z'))
			*text ^= 0x20;
	}
}

/* What stands for a redacted text makes any text sensitive that it is put into */
static void
check_redacted(const char *name, const char *text)
{
	char		redacted[100];

	snprintf(redacted, sizeof(redacted), "<redacted: tarx_keys.%s>", name);
	must(verdict_on(text, redacted, text).name != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	in = {data, size};
	FuzzPiece	piece = fuzz_rest(&in);
	char	   *text = calloc(1, piece.len + 1);
	Verdict		verdict;

	must(text != NULL);
	memcpy(text, piece.data, piece.len);
	verdict = verdict_on("", text, "");
	must(is_same(verdict, verdict_on(" \n", text, "\t ")));
	must(is_same(verdict, verdict_on(text, ";", text)));
	must(verdict.name == NULL || is_listed(verdict.name));
	for (const TarxKeysSensitiveName *f = tarx_keys_sensitive_names; f->name != NULL; f++)
		check_redacted(f->name, text);
	check_redacted("*", text);
	check_redacted("master_key", text);
	swap_case(text);
	must(is_same(verdict, verdict_on("", text, "")));
	free(text);
	free(piece.data);
	return 0;
}
