/*
 * issuers_file.c
 *	  Loads the issuers from the file that tarx_keys.jwt_issuers_file names.
 *
 * Who is trusted stands in a file and never in a table: whoever could write the table
 * could be anyone.  It is not secret.  But only root and the server's user may be
 * able to write it or to put another one in its place.
 *
 * The keyring's worker loads it, when it starts and when the configuration is
 * reloaded.  A file with anything wrong leaves the issuers in use as they are; a
 * setting that is empty ends the trust in all of them.
 */
#include "postgres.h"
#include "base/compat.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mb/pg_wchar.h"
#include "nodes/pg_list.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "jwt/issuers.h"

/* Key sets have certificates as well, which are left out. */
#define FILE_MAX_BYTES	(1024 * 1024)

/* Linux itself follows no more symbolic links than these. */
#define MAX_LINKS		40

static char *issuers_file = NULL;

/* Define tarx_keys.jwt_issuers_file, and make the page.  While the library is preloaded. */
void
tarx_keys_issuers_init(void)
{
	DefineCustomStringVariable("tarx_keys.jwt_issuers_file",
							   "Absolute path of the file with the issuers whose tokens log in.",
							   NULL,
							   &issuers_file,
							   "",
							   PGC_SIGHUP,
							   GUC_SUPERUSER_ONLY,
							   NULL,
							   NULL,
							   NULL);
	tarx_keys_issuers_page_init();
}

/* The path in the setting, or NULL if there is none */
const char *
tarx_keys_issuers_file(void)
{
	return issuers_file != NULL && issuers_file[0] != '\0' ? issuers_file : NULL;
}

/* What is wrong with an open file, or NULL */
static char *
problem_of_file(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return pstrdup("it is not a regular file");
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return pstrdup("it belongs to neither the server's user nor root");
	if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return pstrdup("its group or others may write it");
	return NULL;
}

/* Where a symbolic link leads to, as an absolute path; NULL if it is none */
static char *
target_of(const char *path)
{
	char		target[PATH_MAX];
	char	   *directory = pstrdup(path);
	ssize_t		len = readlink(path, target, sizeof(target) - 1);

	if (len < 0)
		return NULL;
	target[len] = '\0';
	(void) tarx_keys_to_directory_above(directory);
	return is_absolute_path(target) ? pstrdup(target) : psprintf("%s/%s", directory, target);
}

/* May somebody else make the symbolic link lead elsewhere?  Its owner may, whatever its mode. */
static bool
is_link_of_others(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISLNK(st.st_mode) && st.st_uid != geteuid() && st.st_uid != 0;
}

/*
 * What is wrong with a path's directories, or with a symbolic link that the file or one
 * of them is; NULL if nothing is.  Adds where the links lead to.
 */
static char *
problem_of_path(const char *path, List **paths)
{
	char	   *step = pstrdup(path);

	do
	{
		char	   *target = target_of(step);

		if (is_link_of_others(step))
			return psprintf("the symbolic link \"%s\" belongs to neither the server's user nor root", step);
		if (target != NULL)
			*paths = lappend(*paths, target);
		if (strcmp(step, path) != 0 && tarx_keys_directory_is_open(step))
			return psprintf("others than root and the server's user may write the directory \"%s\" above it", step);
	} while (tarx_keys_to_directory_above(step));
	return NULL;
}

/* The same along the path in the setting, and along where each symbolic link leads to */
static char *
problem_of_place(const char *path)
{
	List	   *paths = list_make1(pstrdup(path));
	char	   *problem = NULL;

	for (int i = 0; i < list_length(paths) && problem == NULL; i++)
		problem = i > MAX_LINKS ? psprintf("more than %d symbolic links lead to it", MAX_LINKS) :
			problem_of_path(list_nth(paths, i), &paths);
	return problem;
}

/* What is wrong with the file by now, by its name; NULL if nothing is.  It is not opened. */
char *
tarx_keys_issuers_file_problem(const char *path)
{
	struct stat st;
	char	   *problem;

	if (!is_absolute_path(path))
		return pstrdup("its path is not absolute");
	if (stat(path, &st) != 0)
		return psprintf("it cannot be opened: %s", strerror(errno));
	problem = problem_of_file(&st);
	return problem != NULL ? problem : problem_of_place(path);
}

pg_noreturn static void
refuse(const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("%s", problem)));
}

/* Read to the end of the file; room for one byte more tells a text that is too long. */
static char *
read_text(int fd, size_t *len)
{
	char	   *text = palloc(FILE_MAX_BYTES + 1);
	ssize_t		got;

	*len = 0;
	do
	{
		got = read(fd, text + *len, FILE_MAX_BYTES + 1 - *len);
		if (got > 0)
			*len += (size_t) got;
	} while ((got > 0 && *len <= FILE_MAX_BYTES) || (got < 0 && errno == EINTR));
	if (got < 0)
		refuse(psprintf("it cannot be read: %s", strerror(errno)));
	if (*len > FILE_MAX_BYTES)
		refuse("it has more than 1 MB");
	return text;
}

/* What is wrong with an open file and its place, or NULL */
static char *
problem_of_open_file(const char *path, int fd)
{
	struct stat st;
	char	   *problem;

	if (fd < 0 || fstat(fd, &st) != 0)
		return psprintf("it cannot be opened: %s", strerror(errno));
	problem = problem_of_file(&st);
	return problem != NULL ? problem : problem_of_place(path);
}

/* The checks are on the open file, so nobody can put another one there in between. */
static TarxKeysIssuers *
parse_file(const char *path, int fd)
{
	char	   *problem = problem_of_open_file(path, fd);
	char	   *text;
	size_t		len;

	if (problem != NULL)
		refuse(problem);
	text = read_text(fd, &len);
	return tarx_keys_issuers_parse(text, len);
}

/*
 * What an error says of the file.  Those that are not ours may quote it, and are about
 * its JSON.
 */
static char *
problem_of_error(MemoryContext context)
{
	ErrorData  *error;
	char	   *problem;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	problem = error->sqlerrcode == ERRCODE_CONFIG_FILE_ERROR ? error->message :
		psprintf("it could not be read (SQLSTATE %s)", unpack_sql_state(error->sqlerrcode));
	return problem;
}

/* The issuers; NULL, and the problem, if there is one */
static TarxKeysIssuers *
load(const char *path, char **problem)
{
	MemoryContext context = CurrentMemoryContext;
	TarxKeysIssuers *volatile issuers = NULL;
	volatile int fd = -1;

	PG_TRY();
	{
		if (!is_absolute_path(path))
			refuse("its path is not absolute");
		/* O_NONBLOCK, so that nobody waits for a FIFO */
		fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
		issuers = parse_file(path, fd);
	}
	PG_CATCH();
	{
		*problem = problem_of_error(context);
	}
	PG_END_TRY();
	if (fd >= 0)
		close(fd);
	return issuers;
}

static void
log_loaded(const TarxKeysIssuers *issuers)
{
	ereport(LOG,
			(errmsg_plural("tarx_keys: JWT issuers loaded: %u issuer",
						   "tarx_keys: JWT issuers loaded: %u issuers",
						   issuers->issuers.count, issuers->issuers.count)));
}

static void
log_refused(const char *problem)
{
	ereport(LOG,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 tarx_keys_issuers_page_has_any() ?
			 errmsg("tarx_keys: JWT issuers not reloaded, those in use stay") :
			 errmsg("tarx_keys: no usable JWT issuers"),
			 errdetail("What is wrong with the file of tarx_keys.jwt_issuers_file: %s.", problem),
			 errhint("Correct the file, and reload the configuration.")));
}

/* Load the issuers, in the one process that does, and make them those in use. */
void
tarx_keys_issuers_load(void)
{
	const char *path = tarx_keys_issuers_file();
	TarxKeysIssuers *issuers;
	char	   *problem = NULL;

	/* what the file says in escapes is in this encoding, too */
	SetDatabaseEncoding(PG_UTF8);
	issuers = path == NULL ? tarx_keys_area_make() : load(path, &problem);
	if (issuers != NULL)
		tarx_keys_issuers_page_publish(issuers);
	tarx_keys_issuers_page_end_load(problem);
	if (issuers == NULL)
		log_refused(problem);
	else if (path != NULL)
		log_loaded(issuers);
}
