/*
 * hooks.c
 *	  Installs the hooks that must be called before those of other libraries.
 *
 * A hook that is installed last is called first.  The hooks of redaction take
 * the values out of a statement, or of a message to the log, before another
 * library keeps its text.  So they are installed when all libraries have been
 * loaded, and the order in shared_preload_libraries makes no difference.
 *
 * PostgreSQL has no hook for just that moment.  But the next hook that it calls
 * is shmem_request_hook, and it calls it only once: after a crash the postmaster
 * fills new shared memory, but does not ask libraries again how much they need.
 * The processes that it forks have the hooks already.
 */
#include "postgres.h"
#include "base/compat.h"

#include "miscadmin.h"

#include "redaction/redaction.h"
#include "server/server.h"

static shmem_request_hook_type prev_shmem_request_hook = NULL;

static void
install_hooks(void)
{
	if (prev_shmem_request_hook != NULL)
		prev_shmem_request_hook();
	tarx_keys_redaction_log_install();
	tarx_keys_redaction_functions_install();
	tarx_keys_redaction_statements_install();
}

/* To be called while the library is loaded */
void
tarx_keys_hooks_init(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = install_hooks;
}
