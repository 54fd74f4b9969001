/*
 * tarx_keys.c
 *	  Loads the extension.
 *
 * The library must be preloaded.  The keyring is in a page that backends inherit
 * from the postmaster.  And the settings that name its source must be defined and
 * redacted before any session can look at them.  CREATE EXTENSION and every
 * function have to load the library, so one check here covers them all.
 */
#include "postgres.h"
#include "base/compat.h"

#include <sodium.h>

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "identity/identity.h"
#include "jwt/jwt.h"
#include "keyring/keyring.h"
#include "records/records.h"
#include "server/server.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("tarx_keys must be loaded via shared_preload_libraries"),
				 errhint("Add tarx_keys to shared_preload_libraries and restart the server.")));
	if (sodium_init() < 0)
		ereport(ERROR,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("could not initialize libsodium")));

	tarx_keys_page_init();
	tarx_keys_settings_init();
	tarx_keys_key_settings_init();
	tarx_keys_issuers_init();
	tarx_keys_identity_init();
	tarx_keys_audit_lanes_init();
	tarx_keys_login_lines_init();
	tarx_keys_shmem_init();
	tarx_keys_hooks_init();
	tarx_keys_keyring_load(GetCurrentTimestamp(), LOG);
	tarx_keys_worker_register();
	tarx_keys_usage_worker_register();
}
