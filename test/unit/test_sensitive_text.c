/*
 * test_sensitive_text.c
 *	  Unit tests of the search for names in texts, in TAP.
 *
 * Every text is copied to memory of its exact size, for tools that see a byte
 * read too many.
 */
#include "pure/sensitive_text.h"
#include "tap.h"

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

typedef struct TextCase
{
	const char *text;
	const char *name;			/* NULL: harmless */
} TextCase;

static const TextCase cases[] = {
	{"", NULL},
	{"SELECT abalance FROM pgbench_accounts WHERE aid = 1;", NULL},
	/* the functions, in every spelling */
	{"SELECT add_llm_key(1)", "add_llm_key"},
	{"SELECT tarx_keys.add_llm_key(1)", "add_llm_key"},
	{"SELECT TARX_KEYS.Add_LLM_Key(1)", "add_llm_key"},
	{"SELECT \"tarx_keys\" . \"add_llm_key\"(1)", "add_llm_key"},
	{"SELECT tarx_keys./* */add_llm_key(1)", "*"},
	{"SELECT add_llm_key/* */(1)", "add_llm_key"},
	{"set_secret", "set_secret"},
	{"create_platform_key", "create_platform_key"},
	{"render_template", "render_template"},
	{"resolve_agent_key", "resolve_agent_key"},
	{"resolve_key", "resolve_key"},
	{"resolve_secret", "resolve_secret"},
	{"resolve_secrets", "resolve_secrets"},
	/* in other texts */
	{"DO $$BEGIN PERFORM add_llm_key('a'); END$$", "add_llm_key"},
	{"DO E'BEGIN\\nadd_llm_key(1)'", "add_llm_key"},
	{"SELECT my_set_secret('a')", "set_secret"},
	{"SELECT 'set_secret'", "set_secret"},
	/* those that only look like it */
	{"SELECT add_llm_keys(1)", NULL},
	{"SELECT add_llm_key_(1)", NULL},
	{"SELECT add_llm_ke", NULL},
	{"SELECT tarx_keys.add_sealed_llm_key(1)", NULL},
	{"SELECT tarx_keys.set_sealed_secret(1)", NULL},
	{"SELECT tarx_keys.resolve_key_sealed(1)", NULL},
	{"SELECT tarx_keys.resolve_agent_key_sealed(1)", NULL},
	{"SELECT tarx_keys.resolve_secrets_sealed(1)", NULL},
	/* an ordinary word */
	{"CREATE ROLE a LOGIN", NULL},
	{"SELECT last_login(1)", NULL},
	{"SELECT login FROM users", NULL},
	{"SELECT login('a')", "login"},
	{"SELECT \"login\" ('a')", "login"},
	{"SELECT LOGIN\n('a')", "login"},
	{"SELECT tarx_keys.login('a')", "login"},
	{"SELECT tarx_keys.login", "*"},
	/* what else is in the schema, and what is not */
	{"SELECT * FROM tarx_keys.llm_keys", NULL},
	{"SELECT tarx_keys.act_as('a')", NULL},
	{"SET tarx_keys.redact_logs = off", NULL},
	{"SELECT tarx_keys.act_as('a'), tarx_keys.set_secret(1)", "set_secret"},
	{"SELECT tarx_keys.add_lmm_key('a')", "*"},
	{"SELECT tarx_keys . \"add_lmm_key\"('a')", "*"},
	{"SELECT tarx_keys.", "*"},
	{"SELECT format('SELECT 1 FROM tarx_keys.%I', 'agents')", NULL},
	{"SELECT format('SELECT tarx_keys.%s', 'add_llm_key(1)')", "add_llm_key"},
	{"SELECT other_tarx_keys.x", "*"},
	/* the schema of what callers never name */
	{"SELECT tarx_keys_internal.fingerprint_of('a')", NULL},
	{"SELECT tarx_keys_internal.no_such_function('a')", NULL},
	{"SELECT tarx_keys_internal.set_secret('a')", "set_secret"},
	{"CREATE EXTENSION tarx_keys", NULL},
	{"tarx_keys: event=resolve outcome=allowed", NULL},
	/* a text that has been redacted stays what it was */
	{"/* PREPARE redacted: it names tarx_keys.add_llm_key */", "add_llm_key"},
	{"/* PREPARE redacted: it names tarx_keys.login */", "*"},
	{"/* PREPARE redacted: it names tarx_keys.* */", "*"},
};

static const char *const harmless[] = {
#define NAME(name)	#name,
#include "pure/harmless_names.h"
#undef NAME
};

static const TextCase executes[] = {
	{"EXECUTE p", "execute"},
	{"explain (analyze) execute p(1)", "execute"},
	{"SELECT executed", NULL},
	{"", NULL},
};

static char *
exact_copy(const char *text)
{
	char	   *copy = malloc(strlen(text) + 1);

	if (copy == NULL)
		abort();
	return strcpy(copy, text);
}

/* Is a call of the function, and a text that names it, sensitive because of this name? */
static void
check_name(const char *function, const char *name, const char *name_in_text)
{
	char		text[200];

	snprintf(text, sizeof(text), "SELECT tarx_keys.%s('a')", function);
	is_str(tarx_keys_sensitive_name(text), name, "%s", text);
	snprintf(text, sizeof(text), "tarx_keys.%s", function);
	is_str(tarx_keys_sensitive_name(text), name_in_text, "%s", text);
}

int
main(void)
{
	for (const TarxKeysSensitiveFunction *f = tarx_keys_sensitive_functions; f->name != NULL; f++)
	{
		/* "login" is an ordinary word */
		check_name(f->name, f->name, strcmp(f->name, "login") == 0 ? "*" : f->name);
		is_int((long long) f->len, (long long) strlen(f->name), "length of %s", f->name);
	}
	for (size_t i = 0; i < lengthof(harmless); i++)
		check_name(harmless[i], NULL, NULL);
	for (size_t i = 0; i < lengthof(cases); i++)
	{
		char	   *text = exact_copy(cases[i].text);

		is_str(tarx_keys_sensitive_name(text), cases[i].name, "%s", text);
		free(text);
	}
	for (size_t i = 0; i < lengthof(executes); i++)
	{
		char	   *text = exact_copy(executes[i].text);

		ok(tarx_keys_has_execute(text) == (executes[i].name != NULL), "execute: %s", text);
		free(text);
	}
	return done_testing();
}
