/*
 * settings.c
 *	  The extension's settings.
 *
 * The values are private to this file; others ask for them through functions.
 * The settings that name the keyring are in keyring/key_settings.c.
 */
#include "postgres.h"
#include "base/compat.h"

#include "utils/guc.h"
#include "utils/varlena.h"

#include "base/base.h"

static const struct config_enum_entry log_resolves_options[] = {
	{"off", TARX_KEYS_LOG_OFF, false},
	{"refused", TARX_KEYS_LOG_REFUSED, false},
	{"all", TARX_KEYS_LOG_ALL, false},
	{NULL, 0, false}
};

static char *allowed_private_hosts = NULL;
static int	log_resolves = TARX_KEYS_LOG_REFUSED;
static int	max_per_project = 1000;
static char *membership = NULL;
static char *realm = NULL;
static bool redact_logs = true;
static bool require_login = false;
static bool require_run_ticket = false;
static int	run_ticket_max_lifetime = 3600;
static int	run_ticket_max_renewal = 7 * 86400;
static int	secret_versions_kept = 5;
static int	usage_entries = 10000;
static int	usage_flush_interval = 60;

static bool
check_private_hosts(char **newval, void **extra pg_attribute_unused(),
					GucSource source pg_attribute_unused())
{
	size_t		entry;
	TarxKeysSpan list = {*newval, strlen(*newval)};
	TarxKeysPrivateHostsProblem problem = tarx_keys_private_hosts_check(list, &entry);

	if (problem == TARX_KEYS_HOSTS_OK)
		return true;
	GUC_check_errdetail("Entry %zu %s.", entry, tarx_keys_private_hosts_problem(problem));
	GUC_check_errhint("Entries are like llm.internal, http://my_litellm:4000, *.llm.example, 10.20.0.0/16 or [fd12:3456::]/32, with commas between them.");
	return false;
}

/*
 * tarx_keys.allowed_private_hosts admits hosts in one's own network, and http to
 * them, in the base URLs of keys added from then on.
 */
static void
define_allowed_private_hosts(void)
{
	DefineCustomStringVariable("tarx_keys.allowed_private_hosts",
							   "Hosts in your own network that base URLs may name.",
							   "A list of [http://]host, *.suffix or address/bits, each with an optional :port.",
							   &allowed_private_hosts,
							   "",
							   PGC_SUSET,
							   GUC_LIST_INPUT,
							   check_private_hosts,
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

/* The name of a table or view, with its schema */
static bool
check_membership(char **newval, void **extra pg_attribute_unused(), GucSource source pg_attribute_unused())
{
	char	   *copy;
	List	   *names;
	bool		good;

	if (**newval == '\0')
		return true;
	copy = pstrdup(*newval);
	good = SplitIdentifierString(copy, '.', &names) && list_length(names) == 2;
	pfree(copy);
	if (!good)
		GUC_check_errdetail("It is not the name of a table or view with its schema.");
	return good;
}

/*
 * tarx_keys.max_per_project is the most live LLM keys, secrets, agents and members
 * that a project can have, of each.
 */
static void
define_max_per_project(void)
{
	DefineCustomIntVariable("tarx_keys.max_per_project",
							"How many LLM keys, secrets, agents and members a project can have, of each.",
							NULL,
							&max_per_project,
							1000,
							1,
							1000000,
							PGC_SUSET,
							0,
							NULL,
							NULL,
							NULL);
}

/*
 * tarx_keys.membership names the application's own relation that says who is a member
 * of which project.  Whoever writes that relation is an admin of every project.
 */
static void
define_membership(void)
{
	DefineCustomStringVariable("tarx_keys.membership",
							   "The table or view of the application with (project_id, user_id, role).",
							   "Empty for tarx_keys.project_members.",
							   &membership,
							   "",
							   PGC_SUSET,
							   0,
							   check_membership,
							   NULL,
							   NULL);
}

/* Printable ASCII, because bytes of other characters depend on the encoding. */
static bool
check_realm(char **newval, void **extra pg_attribute_unused(), GucSource source pg_attribute_unused())
{
	for (const char *at = *newval; *at != '\0'; at++)
	{
		if (!tarx_keys_is_printable(*at))
		{
			GUC_check_errdetail("A realm has printable ASCII only.");
			return false;
		}
	}
	if (strlen(*newval) > TARX_KEYS_REALM_MAX_BYTES)
	{
		GUC_check_errdetail("A realm has at most %d characters.", TARX_KEYS_REALM_MAX_BYTES);
		return false;
	}
	return true;
}

/*
 * tarx_keys.realm goes into every key that is derived from a master key.  What is
 * sealed, stamped or chained in one realm is nothing in another.
 */
static void
define_realm(void)
{
	DefineCustomStringVariable("tarx_keys.realm",
							   "The trust domain that rows of this database belong to.",
							   "Set it before the first row: all rows are unreadable in another realm.",
							   &realm,
							   "",
							   PGC_SUSET,
							   0,
							   check_realm,
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

/* tarx_keys.require_login makes act_as() fail, so everybody must call login(). */
static void
define_require_login(void)
{
	DefineCustomBoolVariable("tarx_keys.require_login",
							 "Admits only identities that login() or login_jwt() has proven.",
							 NULL,
							 &require_login,
							 false,
							 PGC_SUSET,
							 0,
							 NULL,
							 NULL,
							 NULL);
}

/* tarx_keys.require_run_ticket makes resolve calls fail outside of runs. */
static void
define_require_run_ticket(void)
{
	DefineCustomBoolVariable("tarx_keys.require_run_ticket",
							 "Resolves only in runs that enter_run() has entered.",
							 NULL,
							 &require_run_ticket,
							 false,
							 PGC_SUSET,
							 0,
							 NULL,
							 NULL,
							 NULL);
}

/* tarx_keys.run_ticket_max_lifetime and tarx_keys.run_ticket_max_renewal limit what is asked for. */
static void
define_run_ticket_limits(void)
{
	DefineCustomIntVariable("tarx_keys.run_ticket_max_lifetime",
							"How long a run ticket may be good for, from when it is issued or renewed.",
							NULL,
							&run_ticket_max_lifetime,
							3600,
							1,
							7 * 86400,
							PGC_SUSET,
							GUC_UNIT_S,
							NULL,
							NULL,
							NULL);
	DefineCustomIntVariable("tarx_keys.run_ticket_max_renewal",
							"For how long a run ticket may be renewed, from when it is issued.",
							NULL,
							&run_ticket_max_renewal,
							7 * 86400,
							0,
							365 * 86400,
							PGC_SUSET,
							GUC_UNIT_S,
							NULL,
							NULL,
							NULL);
}

/*
 * tarx_keys.secret_versions_kept is the number of versions of a secret that are
 * kept, with the current one.  Older ones are deleted when the next one is written.
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

/* tarx_keys.usage_entries is the size of the table of uses in shared memory. */
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

/*
 * tarx_keys.usage_flush_interval is the time between two writes of last uses, in
 * seconds.  A restart loses the uses since the last write.
 */
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

/* Define the settings.  Called when the library is loaded. */
void
tarx_keys_settings_init(void)
{
	define_allowed_private_hosts();
	define_log_resolves();
	define_max_per_project();
	define_membership();
	define_realm();
	define_redact_logs();
	define_require_login();
	define_require_run_ticket();
	define_run_ticket_limits();
	define_secret_versions_kept();
	define_usage_entries();
	define_usage_flush_interval();
}

TarxKeysSpan
tarx_keys_setting_private_hosts(void)
{
	TarxKeysSpan list = {allowed_private_hosts, strlen(allowed_private_hosts)};

	return list;
}

TarxKeysLogResolves
tarx_keys_setting_log_resolves(void)
{
	return log_resolves;
}

int
tarx_keys_setting_max_per_project(void)
{
	return max_per_project;
}

const char *
tarx_keys_setting_membership(void)
{
	return membership;
}

TarxKeysSpan
tarx_keys_setting_realm(void)
{
	TarxKeysSpan name = {realm, strlen(realm)};

	return name;
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

bool
tarx_keys_setting_require_run_ticket(void)
{
	return require_run_ticket;
}

int
tarx_keys_setting_run_ticket_max_lifetime(void)
{
	return run_ticket_max_lifetime;
}

int
tarx_keys_setting_run_ticket_max_renewal(void)
{
	return run_ticket_max_renewal;
}

int
tarx_keys_setting_secret_versions_kept(void)
{
	return secret_versions_kept;
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
