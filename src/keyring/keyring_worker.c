/*
 * keyring_worker.c
 *	  Reloads the keyring when the server's configuration is reloaded.
 *
 * A background worker, because a reload reaches every process, while reading a
 * file or running a command shall happen once and must not hold up the
 * postmaster.  It is the only process that writes to the keyring page once the
 * server runs.
 */
#include "postgres.h"
#include "base/compat.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "keyring/keyring.h"

PGDLLEXPORT void tarx_keys_worker_main(Datum arg);

void
tarx_keys_worker_register(void)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	strlcpy(worker.bgw_name, "tarx_keys keyring", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "tarx_keys keyring", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "tarx_keys", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "tarx_keys_worker_main", BGW_MAXLEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_PostmasterStart;
	worker.bgw_restart_time = 1;
	RegisterBackgroundWorker(&worker);
}

static void
reload(void)
{
	ProcessConfigFile(PGC_SIGHUP);
	/* a keyring from tarx_keys.master_key stays until the server restarts */
	if (!tarx_keys_setting_key_is_set() ||
		tarx_keys_setting_key_file()[0] != '\0' ||
		tarx_keys_setting_key_command()[0] != '\0')
		tarx_keys_keyring_load();
}

void
tarx_keys_worker_main(Datum arg pg_attribute_unused())
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	tarx_keys_key_command_signals();
	BackgroundWorkerUnblockSignals();
	tarx_keys_page_keep_writable();

	/* make up for a reload while there was no worker, after a crash */
	if (PgReloadTime > tarx_keys_page_loaded_at())
		reload();

	while (!ShutdownRequestPending)
	{
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			reload();
			/* a command's wait has reset the latch, whoever had set it */
			continue;
		}
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}

	/* status 1, so that a worker that somebody terminated is started again */
	proc_exit(1);
}
