/*
 * directories.c
 *	  Who can replace a file: whoever may write a directory above it.
 */
#include "postgres.h"
#include "base/compat.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"

/*
 * Can anybody but root and the server's user replace a file in this directory?
 * Not if it has the sticky bit, which leaves that to the file's owner.
 */
bool
tarx_keys_directory_is_open(const char *directory)
{
	struct stat st;

	if (stat(directory, &st) != 0)
		return false;
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return true;
	return (st.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (st.st_mode & S_ISVTX) == 0;
}

/* Shorten an absolute path to the directory that it is in; false if it is the root. */
bool
tarx_keys_to_directory_above(char *path)
{
	char	   *slash = strrchr(path, '/');

	if (slash == NULL || path[1] == '\0')
		return false;
	slash[slash == path ? 1 : 0] = '\0';
	return true;
}
