/*
 * keyring_source.c
 *	  Fetches the keyring from the one setting that names it.
 *
 * Runs in the postmaster while it preloads us and in the reload worker, never
 * in a backend.  The text passes through guarded memory that is wiped when it
 * is freed; a keyring that is refused leaves the one in use as it is.  The log
 * says why, without any part of the text.
 */
#include "postgres.h"
#include "base/compat.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "postmaster/interrupt.h"

#include "keyring/keyring.h"

static bool
is_set(const char *setting)
{
	return setting != NULL && setting[0] != '\0';
}

static TarxKeysKeyringProblem
check_file(const struct stat *st)
{
	return tarx_keys_keyring_check_file(st->st_mode, st->st_uid, geteuid());
}

/* What is wrong with the file by now, by its name; it is not opened. */
TarxKeysKeyringProblem
tarx_keys_key_file_problem(const char *path)
{
	struct stat st;

	if (!is_absolute_path(path))
		return TARX_KEYS_KEYRING_PATH_RELATIVE;
	if (stat(path, &st) != 0)
		return TARX_KEYS_KEYRING_FILE_UNREADABLE;
	return check_file(&st);
}

/* Read to the end of fd; room for one byte more tells a text that is too long. */
static TarxKeysKeyringProblem
read_text(int fd, char *text, size_t *len)
{
	ssize_t		got;

	*len = 0;
	do
	{
		got = read(fd, text + *len, TARX_KEYS_KEYRING_MAX_TEXT + 1 - *len);
		if (got > 0)
			*len += (size_t) got;
	} while ((got > 0 && *len <= TARX_KEYS_KEYRING_MAX_TEXT) ||
			 (got < 0 && errno == EINTR));
	if (got < 0)
		return TARX_KEYS_KEYRING_FILE_UNREADABLE;
	if (*len > TARX_KEYS_KEYRING_MAX_TEXT)
		return TARX_KEYS_KEYRING_TOO_LONG;
	return TARX_KEYS_KEYRING_OK;
}

/*
 * The checks are on the open file, not on its name.  O_NONBLOCK, so that a
 * FIFO in its place is refused instead of waited for.
 */
static TarxKeysKeyringProblem
read_file(const char *path, char *text, size_t *len, int elevel)
{
	TarxKeysKeyringProblem problem;
	struct stat st;
	int			fd;

	if (!is_absolute_path(path))
		return TARX_KEYS_KEYRING_PATH_RELATIVE;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
	if (fd < 0 || fstat(fd, &st) != 0)
	{
		ereport(elevel,
				(errcode_for_file_access(),
				 errmsg("tarx_keys: could not open master key file \"%s\": %m", path)));
		problem = TARX_KEYS_KEYRING_FILE_UNREADABLE;
	}
	else
		problem = check_file(&st);
	if (problem == TARX_KEYS_KEYRING_OK)
		problem = read_text(fd, text, len);
	if (fd >= 0)
		close(fd);
	return problem;
}

static TarxKeysKeyringProblem
load_text(const char *file, const char *command, TarxKeysKeyring *ring,
		  TarxKeysKeyringLoad *load)
{
	TarxKeysKeyringProblem problem;
	size_t		len = 0;
	char	   *text = sodium_malloc(TARX_KEYS_KEYRING_MAX_TEXT + 1);

	if (text == NULL)
		return TARX_KEYS_KEYRING_NO_MEMORY;
	problem = is_set(file) ? read_file(file, text, &len, load->elevel) :
		tarx_keys_key_command_read(command, text, TARX_KEYS_KEYRING_MAX_TEXT + 1, &len, load);
	if (problem == TARX_KEYS_KEYRING_OK)
		problem = tarx_keys_keyring_parse(text, len, ring, &load->entry);
	sodium_free(text);
	return problem;
}

/* Fill *ring from the source; exactly one setting must name it. */
static TarxKeysKeyringProblem
load_source(TarxKeysKeyring *ring, TarxKeysKeyringLoad *load)
{
	const char *file = tarx_keys_setting_key_file();
	const char *command = tarx_keys_setting_key_command();
	int			sources = is_set(file) + is_set(command) + tarx_keys_setting_key_is_set();

	if (sources == 0)
		return TARX_KEYS_KEYRING_NO_SOURCE;
	if (sources > 1)
		return TARX_KEYS_KEYRING_SEVERAL_SOURCES;
	if (!tarx_keys_page_is_locked())
		return TARX_KEYS_KEYRING_NOT_LOCKED;
	/* the check hook has parsed the setting */
	if (tarx_keys_setting_key_is_set())
		return tarx_keys_page_pending(ring, &load->entry);
	return load_text(file, command, ring, load);
}

static void
log_loaded(const TarxKeysKeyring *ring)
{
	char		hex[TARX_KEYS_FINGERPRINT_HEX];

	tarx_keys_fingerprint_hex(ring->keys[0].fingerprint, hex);
	ereport(LOG,
			(errmsg_plural("tarx_keys: master keyring loaded: %u key, active fingerprint %s",
						   "tarx_keys: master keyring loaded: %u keys, active fingerprint %s",
						   ring->nkeys, ring->nkeys, hex)));
}

static void
log_refused(TarxKeysKeyringProblem problem, const TarxKeysKeyringLoad *load)
{
	const char *detail = tarx_keys_keyring_detail(problem, load->command_status);

	ereport(load->elevel,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 tarx_keys_page_has_keyring() ?
			 errmsg("tarx_keys: master keyring not reloaded, the one in use stays") :
			 errmsg("tarx_keys: no usable master keyring"),
			 load->entry > 0 ?
			 errdetail("%s It is entry %u.", detail, load->entry) :
			 errdetail("%s", detail),
			 errhint("%s", tarx_keys_keyring_hint(problem))));
}

/*
 * Load the keyring from what was configured by that time, and make it the one in
 * use.  Whatever is wrong is logged at elevel, and what is in use stays in use.
 */
void
tarx_keys_keyring_load(TimestampTz settings_as_of, int elevel)
{
	TarxKeysKeyringLoad load = {.elevel = elevel};
	TarxKeysKeyringProblem problem = TARX_KEYS_KEYRING_NO_MEMORY;
	TarxKeysKeyring *ring = sodium_malloc(sizeof(TarxKeysKeyring));

	tarx_keys_page_begin_load();
	if (ring != NULL)
		problem = load_source(ring, &load);
	if (ShutdownRequestPending)
		tarx_keys_page_abandon_load();	/* the next worker makes up for it */
	else
	{
		if (problem == TARX_KEYS_KEYRING_OK)
			tarx_keys_page_publish(ring);
		tarx_keys_page_end_load(problem, load.command_status, settings_as_of);
		if (problem == TARX_KEYS_KEYRING_OK)
			log_loaded(ring);
		else
			log_refused(problem, &load);
	}
	sodium_free(ring);
}
