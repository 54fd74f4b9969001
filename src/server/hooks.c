/*
 * hooks.c
 *	  Installs the hooks that must be called before those of other libraries.
 *
 * A hook that is installed last is called first.  The hooks of redaction take
 * the values out of a statement, or of a message to the log, before another
 * library keeps its text.  So they are installed when all libraries have been
 * loaded, and the order in shared_preload_libraries makes no difference.
 *
 * PostgreSQL has no hook for that moment alone, but calls shmem_request_hook
 * next.  It does so once: when the postmaster starts over after a crash, it
 * fills new shared memory, but does not ask anew how much libraries need.  A
 * process that it forks has the hooks already.
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
	tarx_keys_redaction_statements_install();
}

void
tarx_keys_hooks_init(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = install_hooks;
}
