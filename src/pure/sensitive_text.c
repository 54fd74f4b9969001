/*
 * sensitive_text.c
 *	  Which texts may carry a value: statements that name our functions.
 *
 * A statement that fails before it is understood has nothing but its text to
 * judge by, and so has a log line.  This is no parser: it looks for names
 * anywhere, in strings, comments and bodies of functions too, and would rather
 * take a harmless text for a sensitive one.  After the name of our schema
 * every name is sensitive that is not known to be harmless, and so a misspelt
 * one is.
 *
 * Runs in a log hook: allocates nothing, fails never.
 */
#include "pure/sensitive_text.h"

#include <string.h>
#include <strings.h>

#define lengthof(array)	(sizeof(array) / sizeof((array)[0]))

#define SCHEMA	"tarx_keys"
#define LOGIN	"login"
/* what stands for a name that is not known */
#define UNKNOWN	"*"

#define FUNCTION(name)	{name, sizeof(name) - 1}

const TarxKeysSensitiveFunction tarx_keys_sensitive_functions[] = {
	FUNCTION("add_llm_key"),
	FUNCTION("chat_request_base"),
	FUNCTION("create_platform_key"),
	FUNCTION(LOGIN),
	FUNCTION("models_request"),
	FUNCTION("render_template"),
	FUNCTION("resolve_agent_key"),
	FUNCTION("resolve_key"),
	FUNCTION("resolve_secret"),
	FUNCTION("resolve_secrets"),
	FUNCTION("set_secret"),
	{NULL, 0}
};

/* What may follow "tarx_keys." without making a text sensitive */
static const char *const harmless[] = {
	/* functions */
	"act_as",
	"acting_user_id",
	"add_member",
	"add_sealed_llm_key",
	"audited_project_id",
	"begin_audit",
	"begin_rotation",
	"count_rotated",
	"count_sealed",
	"create_agent",
	"create_project",
	"current_project_id",
	"current_user_id",
	"delete_agent",
	"delete_llm_key",
	"delete_secret",
	"display_mask",
	"doctor",
	"doctor_agents",
	"doctor_audit_log",
	"doctor_effective_settings",
	"doctor_expected_policies",
	"doctor_facts",
	"doctor_grants",
	"doctor_group_roles",
	"doctor_key_file",
	"doctor_keyring",
	"doctor_known_holes",
	"doctor_log_settings",
	"doctor_master_keys",
	"doctor_members",
	"doctor_objects",
	"doctor_open_directories",
	"doctor_ownership",
	"doctor_policies",
	"doctor_powerful_roles",
	"doctor_present_policies",
	"doctor_public_rights",
	"doctor_row_security",
	"doctor_rows",
	"doctor_settings",
	"doctor_tls",
	"doctor_triggers",
	"doctor_version",
	"doctor_workers",
	"enter_as_admin",
	"enter_as_member",
	"enter_maintenance",
	"enter_membership_change",
	"enter_new_project",
	"enter_rotation",
	"fail_agent",
	"fail_key",
	"fail_last_admin",
	"fingerprint_of",
	"flush_last_used",
	"in_maintenance",
	"in_rotation",
	"keep_own_provider",
	"keyring_fingerprints",
	"keyring_status",
	"known_usage",
	"llm_key_state",
	"other_admin_exists",
	"own_platform_key_usage",
	"personal_chain",
	"platform_key_state",
	"purge_audit",
	"record_audit",
	"remove_member",
	"repoint_agents",
	"report_rotation",
	"require_argument",
	"require_key",
	"require_maintenance",
	"require_name",
	"require_user_id",
	"reseal_audit_ends",
	"reseal_llm_key",
	"reseal_secret",
	"resolve_agent_key_sealed",
	"resolve_key_sealed",
	"resolve_secrets_sealed",
	"restamp_platform_key",
	"restore_secret",
	"revoke_platform_key",
	"rotate_master_key",
	"rotate_rows",
	"row_states",
	"sealing_public_key",
	"secret_state",
	"set_agent_key",
	"set_sealed_secret",
	"template_references",
	"usage_in_memory",
	"usage_name_id",
	"usage_of",
	"verify_audit",
	"verify_keys",
	"verify_personal_audit",
	"visible_llm_key_status",
	"visible_project_ids",
	"visible_usage",
	"warn_of_kept_rows",
	/* tables and views */
	"agents",
	"audit_ends",
	"audit_log",
	"key_usage",
	"last_used",
	"llm_key_tombstones",
	"llm_keys",
	"platform_api_keys",
	"platform_keys",
	"project_audit",
	"project_llm_keys",
	"project_members",
	"project_secret_versions",
	"project_secrets",
	"projects",
	"providers",
	"rotation_progress",
	"secrets",
	/* settings */
	"active_project",
	"acting_user",
	"allow_insecure_base_urls",
	"allowed_projects",
	"identity_expires_at",
	"log_resolves",
	"login_failures_per_minute",
	"maintenance",
	"master_key",
	"master_key_command",
	"master_key_file",
	"proven",
	"read_only",
	"redact_logs",
	"require_login",
	"rotation",
	"secret_versions_kept",
	"usage_entries",
	"usage_flush_interval"
};

typedef struct Word
{
	const char *start;
	size_t		len;
} Word;

/* Is it what names are made of?  Whatever the locale says. */
static inline bool
is_word_char(unsigned char c)
{
	unsigned char lower = c | 0x20;

	return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
		c == '_' || c == '$' || c >= 0x80;
}

static Word
word_at(const char *at)
{
	Word		word = {at, 0};

	while (is_word_char((unsigned char) at[word.len]))
		word.len++;
	return word;
}

static bool
is_blank_or_quote(char c)
{
	return c != '\0' && strchr(" \t\r\n\f\v\"\\", c) != NULL;
}

static const char *
skip_blanks_and_quotes(const char *at)
{
	while (is_blank_or_quote(*at))
		at++;
	return at;
}

static bool
is_name(Word word, const char *name)
{
	return word.len == strlen(name) && strncasecmp(word.start, name, word.len) == 0;
}

/*
 * A name may have something in front of it that belongs to an escape, like
 * the n of \n, or to the name of a wrapper.
 */
static bool
ends_with_name(Word word, const char *name, size_t len)
{
	/* the last character, all letters, tells most words apart */
	return word.len >= len && (word.start[word.len - 1] | 0x20) == name[len - 1] &&
		strncasecmp(word.start + word.len - len, name, len) == 0;
}

/* The word that has the character at, which is one of it */
static Word
word_around(const char *text, const char *at)
{
	while (at > text && is_word_char((unsigned char) at[-1]))
		at--;
	return word_at(at);
}

/* "login" is an ordinary word; only a call of it counts: the "(" is at. */
static bool
is_call_of_login(const char *text, const char *at)
{
	while (at > text && is_blank_or_quote(at[-1]))
		at--;
	return at > text && is_word_char((unsigned char) at[-1]) &&
		is_name(word_around(text, at - 1), LOGIN);
}

static bool
is_harmless(Word word)
{
	for (size_t i = 0; i < lengthof(harmless); i++)
	{
		if (is_name(word, harmless[i]))
			return true;
	}
	return false;
}

static const char *
sensitive_function(Word word)
{
	const TarxKeysSensitiveFunction *function;

	for (function = tarx_keys_sensitive_functions; function->name != NULL; function++)
	{
		if (ends_with_name(word, function->name, function->len) &&
			strcmp(function->name, LOGIN) != 0)
			return function->name;
	}
	return NULL;
}

/* Does something of the schema follow that is not known at all? */
static bool
is_unknown_in_schema(Word word)
{
	const char *at;
	Word		next;

	if (!ends_with_name(word, SCHEMA, sizeof(SCHEMA) - 1))
		return false;
	at = skip_blanks_and_quotes(word.start + word.len);
	if (*at != '.')
		return false;
	next = word_at(skip_blanks_and_quotes(at + 1));
	/* a place for a name, as format() has it, is no name yet */
	if (*next.start == '%')
		return false;
	if (is_name(next, LOGIN) && *skip_blanks_and_quotes(next.start + next.len) == '(')
		return false;
	return !is_harmless(next) && sensitive_function(next) == NULL;
}

/* A name with a "_", as all but one have */
static const char *
name_with_underscore(const char *text)
{
	for (const char *at = strchr(text, '_'); at != NULL;)
	{
		Word		word = word_around(text, at);
		const char *name = sensitive_function(word);

		if (name != NULL)
			return name;
		if (is_unknown_in_schema(word))
			return UNKNOWN;
		at = strchr(word.start + word.len, '_');
	}
	return NULL;
}

/*
 * The name that makes a text sensitive, a constant, or NULL.  With the schema in
 * front of it, it makes any text sensitive that it is put into.
 *
 * Every statement is read by this: strchr() is the fastest there is.
 */
const char *
tarx_keys_sensitive_name(const char *text)
{
	const char *name = name_with_underscore(text);

	for (const char *at = strchr(text, '('); name == NULL && at != NULL; at = strchr(at + 1, '('))
	{
		if (is_call_of_login(text, at))
			name = LOGIN;
	}
	return name;
}

/* Whether EXECUTE is in a text: what it runs is named only where it was prepared. */
bool
tarx_keys_has_execute(const char *text)
{
	for (const char *at = text; *at != '\0';)
	{
		Word		word = word_at(at);

		if (ends_with_name(word, "execute", strlen("execute")))
			return true;
		at += word.len > 0 ? word.len : 1;
	}
	return false;
}
