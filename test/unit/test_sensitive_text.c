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
	{"resolve_keys", "resolve_keys"},
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
	{"SELECT add_llm_key\xc3\xbc(1)", NULL},
	{"SELECT add_llm_ke", NULL},
	/* functions that may get a value by mistake: called, or in the schema */
	{"SELECT delete_llm_key('a')", "delete_llm_key"},
	{"SELECT \"delete_llm_key\" ('a')", "delete_llm_key"},
	{"SELECT Tarx_Keys . Delete_LLM_Key('a')", "delete_llm_key"},
	{"DROP FUNCTION tarx_keys.delete_llm_key", "delete_llm_key"},
	{"CALL rotate_master_key('a')", "rotate_master_key"},
	{"SELECT tarx_keys.add_sealed_llm_key(1)", "add_sealed_llm_key"},
	{"SELECT tarx_keys.resolve_key_sealed(1)", "resolve_key_sealed"},
	{"SELECT delete_llm_key FROM t", NULL},
	{"SELECT my_delete_llm_key('a')", NULL},
	{"SELECT count(backend_user) FROM end_user", NULL},
	{"INSERT INTO backend_user (a) VALUES (1)", NULL},
	{"SELECT delete_llm_key", NULL},
	{"SELECT delete_llm_key ", NULL},
	/* those that take nothing, or only read */
	{"SELECT tarx_keys.doctor()", "doctor"},
	{"SELECT * FROM tarx_keys.keyring_status()", NULL},
	{"SELECT tarx_keys.sealing_public_key()", NULL},
	{"SELECT tarx_keys.verify_keys('a')", NULL},
	/* an ordinary word */
	{"CREATE ROLE a LOGIN", NULL},
	{"SELECT last_login(1)", NULL},
	{"SELECT login FROM users", NULL},
	{"SELECT login('a')", "login"},
	{"SELECT \"login\" ('a')", "login"},
	{"SELECT LOGIN\n('a')", "login"},
	{"SELECT tarx_keys.login('a')", "login"},
	{"SELECT tarx_keys.login", "login"},
	{"tarx_keys.login", "login"},
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
	/* the setting that is the master key itself */
	{"ALTER SYSTEM SET tarx_keys.master_key = 'a'", "master_key"},
	{"SET LOCAL \"tarx_keys\".\"master_key\" TO a", "master_key"},
	{"ALTER ROLE r IN DATABASE d SET Tarx_Keys . Master_KEY = 'a'", "master_key"},
	{"SELECT set_config('tarx_keys.master_key', 'a', false)", "master_key"},
	{"UPDATE pg_settings SET setting = 'a' WHERE name = 'tarx_keys.master_key'", "master_key"},
	{"CREATE FUNCTION f() RETURNS int SET tarx_keys.master_key = a AS ''", "master_key"},
	{"tarx_keys.master_key", "master_key"},
	{"SHOW tarx_keys.master_key", NULL},
	{"show \"tarx_keys\".\"master_key\"", NULL},
	{"SELECT current_setting('tarx_keys.master_key')", NULL},
	{"SELECT current_setting ( 'tarx_keys.master_key', true)", NULL},
	{"ALTER SYSTEM RESET tarx_keys.master_key", NULL},
	{"SHOW tarx_keys.master_key; SET tarx_keys.master_key = 'a'", "master_key"},
	{"SHOW tarx_keys.master_keys", "*"},
	{"SET tarx_keys.master_key_file = '/a'", NULL},
	/* what has the form of a platform key, whole or cut off */
	{"SELECT tarx_keys.act_as('sk-tarx-ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopq13R1ia')", "*"},
	{"SELECT 1 - 1, 'SK-TARX-abcdefghijklmnop'", "*"},
	{"Bearer sk-tarx-0123456789abcdef", "*"},
	{"Bearer eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhIn0.x", "*"},
	{"logni('eyJhbGciOiJFZERTQSJ9.eyJ", "*"},
	{"eyJhbGciOi9.eyJzdWIiOiJhIn0", NULL},
	{"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZQ", NULL},
	{"eyJhbGciOiJFZERTQSJ9. eyJzdWIiOiJhIn0", NULL},
	{"a.eyJ", NULL},
	{".eyJ", NULL},
	{"SELECT tarx_keys . login_jwt ('x')", "login_jwt"},
	{"SELECT my_login_jwt($1)", "login_jwt"},
	{"sk-sk-tarx-0123456789abcdef", "*"},
	{"sk-tarx-0123456789abcde", NULL},
	{"sk-tarx-0123456 89abcdef", NULL},
	{"sk-tarx-", NULL},
	{"-", NULL},
	{"k-tarx-0123456789abcdef", NULL},
	/* the same of a run ticket, whose characters include "-" and "_" */
	{"SELECT 'tarx-run-AQ-_456789abcdef'::uuid", "*"},
	{"x tarx-run-------------------", "*"},
	{"tarx-tarx-run-0123456789ABCDEF", "*"},
	{"TARX-RUN-0123456789abcdef", "*"},
	{"tarx-run-0123456789abcde", NULL},
	{"tarx-run-0123456+89abcdef0", NULL},
	{"arx-run-0123456789abcdef", NULL},
	{"sk-proj-0123456789abcdef", NULL},
	/* the schema of what callers never name */
	{"SELECT tarx_keys_internal.fingerprint_of('a')", NULL},
	{"SELECT tarx_keys_internal.no_such_function('a')", NULL},
	{"SELECT tarx_keys_internal.set_secret('a')", "set_secret"},
	{"CREATE EXTENSION tarx_keys", NULL},
	{"tarx_keys: event=resolve outcome=allowed", NULL},
	/* a text that has been redacted stays what it was */
	{"/* PREPARE redacted: it names tarx_keys.add_llm_key */", "add_llm_key"},
	{"/* PREPARE redacted: it names tarx_keys.login */", "login"},
	{"/* PREPARE redacted: it names tarx_keys.* */", "*"},
	{"/* PREPARE redacted: it names tarx_keys.master_key */", "master_key"},
};

static const char *const known[] = {
#define NAME(name)	#name,
#include "pure/known_names.h"
#undef NAME
};

static const TextCase failing[] = {
	{"SELECT tarx_keys.act_as('a')", "act_as"},
	{"SELECT \"Act_As\" ('a')", "act_as"},
	{"DO E'BEGIN\\nact_as(1)'", "act_as"},
	{"SELECT my_act_as('a')", "act_as"},
	{"act_as", "act_as"},
	{"SELECT act_assign('a')", NULL},
	{"SELECT fact, as_of", NULL},
	{"", NULL},
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

static const char *
sensitive_name(const char *text, size_t len)
{
	const TarxKeysSensitiveName *name = tarx_keys_sensitive_name(text, len);

	return name == NULL ? NULL : name->name;
}

/* Are a call of the function, and a text that names it, sensitive because of this name? */
static void
check_name(const char *function, const char *name)
{
	char		text[200];

	snprintf(text, sizeof(text), "SELECT tarx_keys.%s('a')", function);
	is_str(sensitive_name(text, strlen(text)), name, "%s", text);
	snprintf(text, sizeof(text), "tarx_keys.%s", function);
	is_str(sensitive_name(text, strlen(text)), name, "%s", text);
}

static bool
is_sensitive(const char *name)
{
	for (const TarxKeysSensitiveName *s = tarx_keys_sensitive_names; s->name != NULL; s++)
	{
		if (strcmp(s->name, name) == 0)
			return true;
	}
	return strcmp(name, "master_key") == 0;
}

/* Does a text that is a part of another end with its last character? */
static void
check_part(const char *text, size_t start, size_t len, const char *name)
{
	is_str(sensitive_name(text + start, len), name, "%.*s of %s", (int) len, text + start, text);
}

int
main(void)
{
	for (const TarxKeysSensitiveName *s = tarx_keys_sensitive_names; s->name != NULL; s++)
	{
		check_name(s->name, s->name);
		is_int((long long) s->len, (long long) strlen(s->name), "length of %s", s->name);
		is_str(sensitive_name(s->notice, strlen(s->notice)), s->name, "%s", s->notice);
	}
	for (size_t i = 0; i < lengthof(known); i++)
	{
		if (!is_sensitive(known[i]))
			check_name(known[i], NULL);
	}
	check_part("SELECT add_llm_key(1)", 0, 18, "add_llm_key");
	check_part("SELECT add_llm_key(1)", 0, 17, NULL);
	check_part("SELECT delete_agent(1)", 0, 19, NULL);
	check_part("SELECT tarx_keys.set_secret(1)", 0, 16, NULL);
	check_part("SELECT tarx_keys.set_secret(1)", 0, 17, "*");
	check_part("SELECT login (1)", 0, 13, NULL);
	check_part("SHOW tarx_keys.master_key", 5, 20, "master_key");
	for (size_t i = 0; i < lengthof(cases); i++)
	{
		char	   *text = exact_copy(cases[i].text);

		is_str(sensitive_name(text, strlen(text)), cases[i].name, "%s", text);
		free(text);
	}
	for (size_t i = 0; i < lengthof(failing); i++)
	{
		char	   *text = exact_copy(failing[i].text);

		ok(tarx_keys_is_sensitive_if_failed(text, strlen(text)) == (failing[i].name != NULL),
		   "if it fails: %s", text);
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
