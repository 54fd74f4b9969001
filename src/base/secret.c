/*
 * secret.c
 *	  Wipes every copy of a secret, even after an error.
 *
 * A secret is registered with its memory context.  The code that no longer needs
 * the secret wipes it.  If an error comes first, the reset of the context wipes
 * it, because PostgreSQL calls us back before it frees the memory.  So no path
 * needs a PG_TRY, and nobody can forget one.
 *
 * Invariant: registered memory is never given to pfree() or repalloc().
 */
#include "postgres.h"
#include "base/compat.h"

#include <sodium.h>

#include "utils/memutils.h"

#include "base/base.h"

struct TarxKeysSecret
{
	MemoryContextCallback callback;
	void	   *data;
	size_t		size;
};

static void
wipe_on_reset(void *arg)
{
	tarx_keys_secret_wipe(arg);
}

/*
 * Register memory, allocated in the current memory context, that holds or will
 * hold a secret of size bytes.
 */
TarxKeysSecret *
tarx_keys_secret_register(void *data, size_t size)
{
	TarxKeysSecret *secret = palloc(sizeof(TarxKeysSecret));

	secret->data = data;
	secret->size = size;
	secret->callback.func = wipe_on_reset;
	secret->callback.arg = secret;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &secret->callback);
	return secret;
}

/* Wipe a secret now.  It may be NULL, and it may be wiped already. */
void
tarx_keys_secret_wipe(TarxKeysSecret *secret)
{
	if (secret == NULL)
		return;
	sodium_memzero(secret->data, secret->size);
	secret->size = 0;
}

/*
 * Begin work that has secrets, in a memory context of its own, so that nothing it
 * leaves piles up in the caller's.  Returns that one, for results.
 */
MemoryContext
tarx_keys_begin_work(void)
{
	MemoryContext caller = CurrentMemoryContext;

	MemoryContextSwitchTo(AllocSetContextCreate(caller, "tarx_keys work", ALLOCSET_DEFAULT_SIZES));
	return caller;
}

/* End it: every secret that is still registered is wiped. */
void
tarx_keys_end_work(MemoryContext caller)
{
	MemoryContext work = MemoryContextSwitchTo(caller);

	MemoryContextDelete(work);
}
