/*
 * key_settings.c
 *	  The settings that name the keyring, or are it.
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

#include "keyring/keyring.h"

#define REDACTED_PREFIX		"fingerprint:"
#define REDACTED_INVALID	"(invalid)"
/* prefix, then for each key its hexadecimal fingerprint and a comma or NUL */
#define REDACTED_SIZE		(sizeof(REDACTED_PREFIX) + \
							 TARX_KEYS_KEYRING_MAX_KEYS * TARX_KEYS_FINGERPRINT_HEX)

static char *master_key = NULL;
static char *master_key_command = NULL;
static char *master_key_file = NULL;
static int	master_key_timeout = 30;

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
 * The command line is no place for a key: everybody on the machine can look at it
 * while the server runs, and it is written to postmaster.opts.  Ends the server,
 * because a value that a hook refuses is logged, and the server starts without.
 */
static void
refuse_command_line(void)
{
	ereport(FATAL,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("tarx_keys: tarx_keys.master_key must not be set on the command line"),
			 errdetail("Other users of this machine can see it there."),
			 errhint("Make a new master key, because this one may have been seen, and set tarx_keys.master_key_file in the configuration file.")));
}

/*
 * Parse a raw value, keep the keyring aside while the server starts, and put
 * its redacted form in its place.  On a reload the same file value comes by
 * again and must come out the same, which is all that happens then.
 */
static bool
check_master_key(char **newval, void **extra pg_attribute_unused(), GucSource source)
{
	TarxKeysKeyring ring = {0};
	TarxKeysKeyringProblem problem;
	unsigned int entry;
	char		redacted[REDACTED_SIZE];
	char	   *copy;

	if (*newval == NULL || **newval == '\0')
		return true;
	if (source == PGC_S_ARGV)
		refuse_command_line();
	problem = tarx_keys_keyring_parse(*newval, strlen(*newval), &ring, &entry);
	redact(&ring, redacted);
	if (process_shared_preload_libraries_in_progress)
		tarx_keys_page_set_pending(&ring, problem, entry);
	sodium_memzero(&ring, sizeof(ring));

	copy = tarx_keys_guc_strdup(redacted);
	if (copy == NULL)
		return false;
	sodium_memzero(*newval, strlen(*newval));
	tarx_keys_guc_free(*newval);
	*newval = copy;
	return true;
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

/* tarx_keys.master_key_timeout is how long that command may take, in seconds. */
static void
define_master_key_timeout(void)
{
	DefineCustomIntVariable("tarx_keys.master_key_timeout",
							"How long the master key command may take before it is killed.",
							NULL,
							&master_key_timeout,
							30,
							1,
							86400,
							PGC_SIGHUP,
							GUC_UNIT_S | GUC_SUPERUSER_ONLY,
							NULL,
							NULL,
							NULL);
}

/* The keyring page must be there: the check hook writes to it. */
void
tarx_keys_key_settings_init(void)
{
	define_master_key();
	define_master_key_command();
	define_master_key_file();
	define_master_key_timeout();
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

int
tarx_keys_setting_key_timeout(void)
{
	return master_key_timeout;
}

bool
tarx_keys_setting_key_is_set(void)
{
	return master_key != NULL && master_key[0] != '\0';
}
