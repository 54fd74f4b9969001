/*
 * settings.c
 *	  The extension's settings.
 *
 * The values are private to this file; others ask for them through functions.
 *
 * tarx_keys.master_key is the difficult one: it holds the keyring itself.  Its
 * check hook runs before anybody can see the value, keeps the parsed keyring
 * aside in the keyring page, and replaces the value by the keys' fingerprints.
 * It never refuses a value for what it is, because the server would log what it
 * refuses.
 * PGC_POSTMASTER, because a reload would log the raw value as "changed to".
 */
#include "postgres.h"
#include "base/compat.h"

#include <sodium.h>

#include "miscadmin.h"
#include "utils/guc.h"

#include "base/base.h"
#include "keyring/keyring.h"

#define REDACTED_PREFIX		"fingerprint:"
#define REDACTED_INVALID	"(invalid)"
/* prefix, then for each key its hexadecimal fingerprint and a comma or NUL */
#define REDACTED_SIZE		(sizeof(REDACTED_PREFIX) + \
							 TARX_KEYS_KEYRING_MAX_KEYS * TARX_KEYS_FINGERPRINT_HEX)

static const struct config_enum_entry log_resolves_options[] = {
	{"off", TARX_KEYS_LOG_OFF, false},
	{"refused", TARX_KEYS_LOG_REFUSED, false},
	{"all", TARX_KEYS_LOG_ALL, false},
	{NULL, 0, false}
};

static bool allow_insecure_base_urls = false;
static int	log_resolves = TARX_KEYS_LOG_REFUSED;
static int	login_failures_per_minute = 60;
static bool redact_logs = true;
static bool require_login = false;
static char *master_key = NULL;
static char *master_key_command = NULL;
static char *master_key_file = NULL;
static int	secret_versions_kept = 5;
static int	usage_entries = 10000;
static int	usage_flush_interval = 60;

static bool
is_redacted(const char *value)
{
	return value[0] == '\0' || strcmp(value, REDACTED_INVALID) == 0 ||
		strncmp(value, REDACTED_PREFIX, strlen(REDACTED_PREFIX)) == 0;
}

/* What SHOW says of a keyring: its keys' fingerprints. */
static void
redact(const TarxKeysKeyring *ring, char out[REDACTED_SIZE])
{
	char	   *at = out;

	if (ring->nkeys == 0)
	{
		strlcpy(out, REDACTED_INVALID, REDACTED_SIZE);
		return;
	}
	at += strlcpy(at, REDACTED_PREFIX, REDACTED_SIZE);
	for (uint32 i = 0; i < ring->nkeys; i++)
	{
		if (i > 0)
			*at++ = ',';
		tarx_keys_fingerprint_hex(ring->keys[i].fingerprint, at);
		at += strlen(at);
	}
}

/*
 * Parse a raw value, keep the keyring aside while the server starts, and put
 * its redacted form in its place.  On a reload the same file value comes by
 * again and must come out the same, which is all that happens then.
 */
static bool
check_master_key(char **newval, void **extra pg_attribute_unused(),
				 GucSource source pg_attribute_unused())
{
	TarxKeysKeyring ring;
	TarxKeysKeyringProblem problem;
	unsigned int entry;
	char		redacted[REDACTED_SIZE];
	char	   *copy;

	if (*newval == NULL || is_redacted(*newval))
	{
		/* somebody's own text that looks like ours is no keyring either */
		if (*newval != NULL && **newval != '\0' && process_shared_preload_libraries_in_progress)
			tarx_keys_page_set_problem(TARX_KEYS_KEYRING_MALFORMED);
		return true;
	}

	problem = tarx_keys_keyring_parse(*newval, strlen(*newval), &ring, &entry);
	redact(&ring, redacted);
	if (process_shared_preload_libraries_in_progress)
	{
		*tarx_keys_page_pending() = ring;
		tarx_keys_page_set_problem(problem);
	}
	sodium_memzero(&ring, sizeof(ring));

	copy = tarx_keys_guc_strdup(redacted);
	if (copy == NULL)
		return false;
	sodium_memzero(*newval, strlen(*newval));
	tarx_keys_guc_free(*newval);
	*newval = copy;
	return true;
}

/*
 * tarx_keys.allow_insecure_base_urls admits http and private hosts in the base
 * URLs of keys added from then on, for models hosted in one's own network.
 */
static void
define_allow_insecure_base_urls(void)
{
	DefineCustomBoolVariable("tarx_keys.allow_insecure_base_urls",
							 "Admits http and private hosts in base URLs.",
							 NULL,
							 &allow_insecure_base_urls,
							 false,
							 PGC_SUSET,
							 0,
							 NULL,
							 NULL,
							 NULL);
}

/* tarx_keys.log_resolves says which resolve calls and logins are logged. */
static void
define_log_resolves(void)
{
	DefineCustomEnumVariable("tarx_keys.log_resolves",
							 "Which resolve calls and logins go to the server log.",
							 NULL,
							 &log_resolves,
							 TARX_KEYS_LOG_REFUSED,
							 log_resolves_options,
							 PGC_SUSET,
							 0,
							 NULL,
							 NULL,
							 NULL);
}

/*
 * tarx_keys.login_failures_per_minute limits how many failed logins a database
 * login may cause.
 */
static void
define_login_failures_per_minute(void)
{
	DefineCustomIntVariable("tarx_keys.login_failures_per_minute",
							"Failed logins a minute after which a database login has to wait.",
							"0 is no limit.",
							&login_failures_per_minute,
							60,
							0,
							INT_MAX,
							PGC_SUSET,
							0,
							NULL,
							NULL,
							NULL);
}

/* tarx_keys.master_key is the keyring itself, for development. */
static void
define_master_key(void)
{
	DefineCustomStringVariable("tarx_keys.master_key",
							   "The master keyring itself, for development; shown as fingerprints.",
							   NULL,
							   &master_key,
							   "",
							   PGC_POSTMASTER,
							   GUC_SUPERUSER_ONLY | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_AUTO_FILE,
							   check_master_key,
							   NULL,
							   NULL);
}

/* tarx_keys.master_key_command is a command that prints the keyring. */
static void
define_master_key_command(void)
{
	DefineCustomStringVariable("tarx_keys.master_key_command",
							   "Command whose standard output is the master keyring.",
							   NULL,
							   &master_key_command,
							   "",
							   PGC_SIGHUP,
							   GUC_SUPERUSER_ONLY,
							   NULL,
							   NULL,
							   NULL);
}

/* tarx_keys.master_key_file is a file that has the keyring. */
static void
define_master_key_file(void)
{
	DefineCustomStringVariable("tarx_keys.master_key_file",
							   "Absolute path of the file with the master keyring.",
							   NULL,
							   &master_key_file,
							   "",
							   PGC_SIGHUP,
							   GUC_SUPERUSER_ONLY,
							   NULL,
							   NULL,
							   NULL);
}

/* tarx_keys.redact_logs keeps values out of logs and statistics. */
static void
define_redact_logs(void)
{
	DefineCustomBoolVariable("tarx_keys.redact_logs",
							 "Keeps statements that may carry a key or secret out of logs and statistics.",
							 NULL,
							 &redact_logs,
							 true,
							 PGC_SUSET,
							 0,
							 NULL,
							 NULL,
							 NULL);
}

/* tarx_keys.require_login refuses act_as(): only login() makes an identity. */
static void
define_require_login(void)
{
	DefineCustomBoolVariable("tarx_keys.require_login",
							 "Admits only identities that login() has proven.",
							 NULL,
							 &require_login,
							 false,
							 PGC_SUSET,
							 0,
							 NULL,
							 NULL,
							 NULL);
}

/*
 * tarx_keys.secret_versions_kept is how many versions of a secret stay, with
 * the current one; older ones go when the next is written.
 */
static void
define_secret_versions_kept(void)
{
	DefineCustomIntVariable("tarx_keys.secret_versions_kept",
							"How many versions of a secret are kept, with the current one.",
							NULL,
							&secret_versions_kept,
							5,
							1,
							1000,
							PGC_SUSET,
							0,
							NULL,
							NULL,
							NULL);
}

/* tarx_keys.usage_entries is the size of the table in shared memory. */
static void
define_usage_entries(void)
{
	DefineCustomIntVariable("tarx_keys.usage_entries",
							"Number of keys whose usage is counted.",
							NULL,
							&usage_entries,
							10000,
							100,
							1000000,
							PGC_POSTMASTER,
							0,
							NULL,
							NULL,
							NULL);
}

/* tarx_keys.usage_flush_interval says how exact last_used_at is after a restart. */
static void
define_usage_flush_interval(void)
{
	DefineCustomIntVariable("tarx_keys.usage_flush_interval",
							"How often the last uses of keys are written down.",
							NULL,
							&usage_flush_interval,
							60,
							1,
							86400,
							PGC_SIGHUP,
							GUC_UNIT_S,
							NULL,
							NULL,
							NULL);
}

void
tarx_keys_settings_init(void)
{
	define_allow_insecure_base_urls();
	define_log_resolves();
	define_login_failures_per_minute();
	define_master_key();
	define_master_key_command();
	define_master_key_file();
	define_redact_logs();
	define_require_login();
	define_secret_versions_kept();
	define_usage_entries();
	define_usage_flush_interval();
}

const char *
tarx_keys_setting_key_file(void)
{
	return master_key_file;
}

const char *
tarx_keys_setting_key_command(void)
{
	return master_key_command;
}

bool
tarx_keys_setting_key_is_set(void)
{
	return master_key != NULL && master_key[0] != '\0';
}

bool
tarx_keys_setting_insecure_urls(void)
{
	return allow_insecure_base_urls;
}

bool
tarx_keys_setting_redact_logs(void)
{
	return redact_logs;
}

bool
tarx_keys_setting_require_login(void)
{
	return require_login;
}

int
tarx_keys_setting_secret_versions_kept(void)
{
	return secret_versions_kept;
}

TarxKeysLogResolves
tarx_keys_setting_log_resolves(void)
{
	return log_resolves;
}

int
tarx_keys_setting_login_failures(void)
{
	return login_failures_per_minute;
}

int
tarx_keys_setting_usage_entries(void)
{
	return usage_entries;
}

int
tarx_keys_setting_usage_flush_interval(void)
{
	return usage_flush_interval;
}
