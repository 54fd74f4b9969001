/*
 * shmem.c
 *	  Our part of PostgreSQL's shared memory: asks for it, and fills it in.
 *
 * It has counters only, and is empty again after a crash.  The keyring has a page
 * of its own, which survives that.
 */
#include "postgres.h"
#include "base/compat.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "maintenance/maintenance.h"
#include "records/records.h"
#include "server/server.h"

#define TRANCHE		"tarx_keys"

enum
{
	LOCK_USAGE,
	LOCK_LOGIN_LINES,
	LOCK_HEALTH,
	LOCK_ROTATION,
	NUM_LOCKS
};

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static void
request_memory(void)
{
	if (prev_shmem_request_hook != NULL)
		prev_shmem_request_hook();
	RequestAddinShmemSpace(tarx_keys_usage_shmem_size());
	RequestAddinShmemSpace(tarx_keys_login_lines_shmem_size());
	RequestAddinShmemSpace(tarx_keys_health_shmem_size());
	RequestAddinShmemSpace(tarx_keys_rotation_shmem_size());
	RequestNamedLWLockTranche(TRANCHE, NUM_LOCKS);
}

static void
fill_memory(void)
{
	LWLockPadded *locks;

	if (prev_shmem_startup_hook != NULL)
		prev_shmem_startup_hook();
	locks = GetNamedLWLockTranche(TRANCHE);
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	tarx_keys_usage_shmem_startup(&locks[LOCK_USAGE].lock);
	tarx_keys_login_lines_shmem_startup(&locks[LOCK_LOGIN_LINES].lock);
	tarx_keys_health_shmem_startup(&locks[LOCK_HEALTH].lock);
	tarx_keys_rotation_shmem_startup(&locks[LOCK_ROTATION].lock);
	LWLockRelease(AddinShmemInitLock);
}

/* To be called while the library is loaded */
void
tarx_keys_shmem_init(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = request_memory;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = fill_memory;
}
