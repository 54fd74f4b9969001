/*
 * keyring_worker.c
 *	  Reloads the keyring when the server's configuration is reloaded, and again
 *	  while what it names may still become good: a KMS that is not up yet, a file
 *	  that is mounted late.
 *
 * A background worker, because a reload reaches every process, while reading a
 * file or running a command shall happen once and must not hold up the
 * postmaster.  It is the only process that writes to the keyring page once the
 * server runs.
 *
 * It loads the issuers of tokens as well, when it starts and with each reload, before
 * the keyring: a command may take a while.
 */
#include "postgres.h"
#include "base/compat.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "jwt/jwt.h"
#include "keyring/keyring.h"

/* Between two loads that fail: at first, and at most after doubling it */
#define RETRY_MIN_MS	1000L
#define RETRY_MAX_MS	60000L

#define LOG_EVERY_MS	60000

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

/*
 * What was configured by now.  A keyring from tarx_keys.master_key stays until the
 * server restarts, so once it is in use there is nothing to load.
 */
static void
reload(void)
{
	TimestampTz now = GetCurrentTimestamp();

	ProcessConfigFile(PGC_SIGHUP);
	tarx_keys_issuers_load();
	if (!tarx_keys_setting_key_is_set() ||
		tarx_keys_setting_key_file()[0] != '\0' ||
		tarx_keys_setting_key_command()[0] != '\0' ||
		tarx_keys_page_state().problem != TARX_KEYS_KEYRING_OK)
		tarx_keys_keyring_load(now, LOG);
}

/* Once more what was configured then; its failures are logged once a minute. */
static void
load_again(TimestampTz *logged_at)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		is_set_back = now < *logged_at;
	bool		is_logged = is_set_back || TimestampDifferenceExceeds(*logged_at, now, LOG_EVERY_MS);

	if (is_logged)
		*logged_at = now;
	tarx_keys_keyring_load(tarx_keys_page_state().settings_as_of, is_logged ? LOG : DEBUG1);
}

/*
 * Reload when the configuration is reloaded, and try again what may recover.  No
 * load leaves anything in memory, however often it fails.
 */
static void
serve(void)
{
	long		delay = RETRY_MIN_MS;
	TimestampTz logged_at = GetCurrentTimestamp();

	while (!ShutdownRequestPending)
	{
		int			events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;

		MemoryContextReset(CurrentMemoryContext);
		tarx_keys_key_command_reap();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			reload();
			delay = RETRY_MIN_MS;
			logged_at = GetCurrentTimestamp();
			/* a command's wait has reset the latch, whoever had set it */
			continue;
		}
		if (tarx_keys_keyring_may_recover(tarx_keys_page_state().problem))
			events |= WL_TIMEOUT;
		if (WaitLatch(MyLatch, events, delay, PG_WAIT_EXTENSION) & WL_TIMEOUT)
		{
			load_again(&logged_at);
			delay = Min(2 * delay, RETRY_MAX_MS);
			continue;
		}
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

void
tarx_keys_worker_main(Datum arg pg_attribute_unused())
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	tarx_keys_key_command_signals();
	BackgroundWorkerUnblockSignals();
	tarx_keys_page_keep_writable();

	MemoryContextSwitchTo(AllocSetContextCreate(TopMemoryContext, "tarx_keys keyring",
												ALLOCSET_SMALL_SIZES));

	tarx_keys_issuers_load();
	/* what a worker that was killed has left */
	tarx_keys_page_abandon_load();

	/*
	 * Make up for a reload that no worker has finished.  If the clock was set
	 * back since the last one, nobody can tell whether there was another.
	 */
	if (PgReloadTime > tarx_keys_page_state().settings_as_of ||
		GetCurrentTimestamp() < tarx_keys_page_state().settings_as_of)
		ConfigReloadPending = true;
	serve();

	/* status 1, so that a worker that somebody terminated is started again */
	proc_exit(1);
}
