/*
 * secret.c
 *	  Sees to it that every copy of a secret is wiped, whatever happens.
 *
 * A secret is registered with the memory context it lives in.  The code that
 * is done with it wipes it; if an error comes first, the context's reset does,
 * because PostgreSQL calls back before it frees the memory.  So no path needs
 * a PG_TRY, and none can be forgotten.
 *
 * Invariant: registered memory is never given to pfree() or repalloc().
 */
#include "postgres.h"
#include "base/compat.h"

#include <sodium.h>

#include "utils/palloc.h"

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
 * Register data, which is to hold a secret of size bytes and is allocated in
 * the current memory context.
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

/* Wipe a secret now.  NULL is a secret that is not ours to wipe. */
void
tarx_keys_secret_wipe(TarxKeysSecret *secret)
{
	if (secret == NULL)
		return;
	sodium_memzero(secret->data, secret->size);
	secret->size = 0;
}
