/*
 * replay.c
 *	  Gives a fuzz target every input of its corpus, as a unit test in TAP.
 *
 * CORPUS is the directory.  An input that breaks the target ends the program,
 * and its name is the last thing printed.
 */
#include <dirent.h>

#include "fuzz.h"
#include "tap.h"

#define INPUT_MAX	(1 << 20)

static void
replay(const char *name)
{
	static uint8_t input[INPUT_MAX];
	char		path[TAP_TEXT_MAX];
	FILE	   *file;
	size_t		len;

	snprintf(path, sizeof(path), "%s/%s", CORPUS, name);
	printf("# %s\n", path);
	fflush(stdout);
	file = fopen(path, "rb");
	if (!ok(file != NULL, "%s: can be read", path))
		return;
	len = fread(input, 1, sizeof(input), file);
	ok(!ferror(file) && LLVMFuzzerTestOneInput(input, len) == 0, "%s", path);
	fclose(file);
}

int
main(void)
{
	struct dirent **entries;
	int			count = scandir(CORPUS, &entries, NULL, alphasort);

	for (int i = 0; i < count; i++)
	{
		if (entries[i]->d_name[0] != '.')
			replay(entries[i]->d_name);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return done_testing();
}
