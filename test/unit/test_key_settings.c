/*
 * test_key_settings.c
 *	  Unit tests of the setting that is the keyring itself: its copies are wiped, in TAP.
 *
 * In a server nobody can tell: PostgreSQL leaves parts of its configuration file in
 * memory that it has freed.  So the file is compiled into this program.
 */
#include "tap.h"
#include "guarded.h"
#include "wiped.h"

/* not earlier: it has a printf() of its own */
#include "server.h"

#include "../../src/keyring/key_settings.c"

#define KEYRING	"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

bool		process_shared_preload_libraries_in_progress = true;
static TarxKeysKeyring pending;

void
tarx_keys_page_set_pending(const TarxKeysKeyring *ring, TarxKeysKeyringProblem problem,
						   unsigned int entry)
{
	(void) problem;
	(void) entry;
	memcpy(&pending, ring, sizeof(pending));
	watch(&pending, sizeof(pending));
}

void
DefineCustomStringVariable(const char *name, const char *short_desc, const char *long_desc,
						   char **valueAddr, const char *bootValue, GucContext context,
						   int flags, GucStringCheckHook check_hook,
						   GucStringAssignHook assign_hook, GucShowHook show_hook)
{
	(void) name, (void) short_desc, (void) long_desc, (void) valueAddr, (void) bootValue;
	(void) context, (void) flags, (void) check_hook, (void) assign_hook, (void) show_hook;
}

void
DefineCustomIntVariable(const char *name, const char *short_desc, const char *long_desc,
						int *valueAddr, int bootValue, int minValue, int maxValue,
						GucContext context, int flags, GucIntCheckHook check_hook,
						GucIntAssignHook assign_hook, GucShowHook show_hook)
{
	(void) name, (void) short_desc, (void) long_desc, (void) valueAddr, (void) bootValue;
	(void) minValue, (void) maxValue, (void) context, (void) flags, (void) check_hook;
	(void) assign_hook, (void) show_hook;
}

#if !HAVE_DECL_STRLCPY
size_t
strlcpy(char *dst, const char *src, size_t siz)
{
	size_t		len = strlen(src);

	if (siz <= len)
		abort();
	memcpy(dst, src, len + 1);
	return len;
}
#endif

#if PG_VERSION_NUM >= 160000
char *
guc_strdup(int elevel, const char *src)
{
	(void) elevel;
	return strdup(src);
}

void
guc_free(void *ptr)
{
	free(ptr);
}
#endif

static void
check_wiping(void)
{
	char	   *value = strdup(KEYRING);
	void	   *extra = NULL;

	ok(check_master_key(&value, &extra, PGC_S_FILE), "a keyring is taken");
	is_int(pending.nkeys, 1, "and kept aside");
	is_int(wiped, 1, "what was parsed is wiped");
	ok(strncmp(value, "fingerprint:", 12) == 0 && strlen(value) > 12, "its fingerprint takes its place");
	free(value);

	value = strdup(KEYRING);
	process_shared_preload_libraries_in_progress = false;
	watch(KEYRING, strlen(KEYRING));
	ok(check_master_key(&value, &extra, PGC_S_FILE), "it is taken on a reload");
	is_int(wiped, 1, "the text is wiped");
	free(value);
	watch(NULL, 0);
}

int
main(void)
{
	if (sodium_init() < 0)
		return EXIT_FAILURE;
	check_wiping();
	return done_testing();
}
