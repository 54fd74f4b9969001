/*
 * keyring_page.c
 *	  Keeps the master keyring where all backends see it and nobody else does.
 *
 * One anonymous shared mapping, made while the postmaster preloads us and
 * inherited by all its children: locked into memory, left out of core dumps,
 * gone with the server.  A backend makes its own view read-only before it
 * first reads.
 *
 * Locking: there is one writer, first the postmaster and from then on the
 * reload worker.  It fills the slot that is not in use and then advances the
 * generation, whose parity names the slot in use.  A reader copies the one
 * key it needs and starts again if the generation has moved meanwhile.  No
 * locks, so a killed process can leave none behind.
 */
#include "postgres.h"
#include "base/compat.h"

#include <sodium.h>
#include <sys/mman.h>

#include "miscadmin.h"
#include "port/atomics.h"
#include "utils/timestamp.h"

#include "keyring/keyring.h"

typedef struct KeyringPage
{
	pg_atomic_uint32 generation;	/* 0: there has never been a keyring */
	volatile TarxKeysKeyringState state;	/* for people: its fields are not
											 * read as one */
	TarxKeysKeyring slots[2];
	TarxKeysKeyring pending;	/* what tarx_keys.master_key has */
	TarxKeysKeyringProblem pending_problem; /* what is wrong with that */
	unsigned int pending_entry; /* and with which of its entries */
} KeyringPage;

static KeyringPage *page = NULL;
static bool page_locked = false;
static bool view_is_settled = false;

static size_t
page_size(void)
{
	size_t		unit = (size_t) sysconf(_SC_PAGESIZE);

	return (sizeof(KeyringPage) + unit - 1) / unit * unit;
}

/* Make the page.  A server that cannot lock it starts, but gets no keyring. */
void
tarx_keys_page_init(void)
{
	void	   *memory = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
							  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not map memory for the master keyring: %m")));
	page_locked = mlock(memory, page_size()) == 0 &&
		madvise(memory, page_size(), MADV_DONTDUMP) == 0;
	if (!page_locked)
		ereport(LOG,
				(errmsg("tarx_keys: could not lock memory for the master keyring: %m")));
	page = memory;
	pg_atomic_init_u32(&page->generation, 0);
	page->state.problem = TARX_KEYS_KEYRING_NO_SOURCE;
}

/* Without the lock nothing secret gets into the page. */
bool
tarx_keys_page_is_locked(void)
{
	return page_locked;
}

/* Call in the one child process that may write. */
void
tarx_keys_page_keep_writable(void)
{
	view_is_settled = true;
}

/* What the check hook of tarx_keys.master_key leaves for the load */
void
tarx_keys_page_set_pending(const TarxKeysKeyring *ring, TarxKeysKeyringProblem problem,
						   unsigned int entry)
{
	if (page_locked)
		page->pending = *ring;
	page->pending_problem = problem;
	page->pending_entry = entry;
}

/* Copy that; returns what is wrong with it. */
TarxKeysKeyringProblem
tarx_keys_page_pending(TarxKeysKeyring *ring, unsigned int *entry)
{
	*ring = page->pending;
	*entry = page->pending_entry;
	return page->pending_problem;
}

/* Whether there has ever been a usable keyring */
bool
tarx_keys_page_has_keyring(void)
{
	return pg_atomic_read_u32(&page->generation) != 0;
}

static TarxKeysKeyring *
slot_of(uint32 generation)
{
	return &page->slots[generation & 1];
}

void
tarx_keys_page_begin_load(void)
{
	page->state.loading_since = GetCurrentTimestamp();
}

/* Make *ring the keyring of all processes. */
void
tarx_keys_page_publish(const TarxKeysKeyring *ring)
{
	uint32		now = pg_atomic_read_u32(&page->generation);
	uint32		next = now + 1;

	Assert(page_locked);
	if (next == 0)				/* wrapped: 0 means none, 2 has its parity */
		next = 2;
	*slot_of(next) = *ring;
	pg_write_barrier();
	pg_atomic_write_u32(&page->generation, next);
	pg_memory_barrier();
	/* who is still copying the old one will see that and start again */
	sodium_memzero(slot_of(now), sizeof(TarxKeysKeyring));
	page->state.loaded_at = GetCurrentTimestamp();
}

void
tarx_keys_page_end_load(TarxKeysKeyringProblem problem, int command_status,
						TimestampTz settings_as_of)
{
	page->state.problem = problem;
	page->state.command_status = command_status;
	page->state.settings_as_of = settings_as_of;
	page->state.loading_since = 0;
}

/* The load has neither succeeded nor failed, and somebody will make up for it. */
void
tarx_keys_page_abandon_load(void)
{
	page->state.loading_since = 0;
}

TarxKeysKeyringState
tarx_keys_page_state(void)
{
	return page->state;
}

/*
 * The generation in use, 0 if there is none; the next function makes that an
 * error.  Nothing in a backend writes to the page, so its view loses the right
 * to.
 */
static uint32
current_generation_or_zero(void)
{

	if (!view_is_settled && IsUnderPostmaster)
	{
		if (mprotect(page, page_size(), PROT_READ) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_SYSTEM_ERROR),
					 errmsg("could not protect the master keyring's memory: %m")));
		view_is_settled = true;
	}
	return pg_atomic_read_u32(&page->generation);
}

static uint32
current_generation(void)
{
	uint32		generation = current_generation_or_zero();

	if (generation == 0)
		tarx_keys_fail_no_keyring();
	pg_read_barrier();
	return generation;
}

static bool
still_current(uint32 generation)
{
	pg_read_barrier();
	return pg_atomic_read_u32(&page->generation) == generation;
}

/* Copy the fingerprints, the active key's first; returns how many. */
int
tarx_keys_page_fingerprints(uint8 (*out)[TARX_KEYS_FINGERPRINT_BYTES])
{
	uint32		generation;
	int			count;

	do
	{
		const TarxKeysKeyring *ring;

		generation = current_generation();
		ring = slot_of(generation);
		count = Min(ring->nkeys, TARX_KEYS_KEYRING_MAX_KEYS);
		for (int i = 0; i < count; i++)
			memcpy(out[i], ring->keys[i].fingerprint, TARX_KEYS_FINGERPRINT_BYTES);
	} while (!still_current(generation));
	return count;
}

/* Copy the active key's fingerprint; zero without a keyring. */
void
tarx_keys_page_active_fingerprint(uint8 active[TARX_KEYS_FINGERPRINT_BYTES])
{
	uint8		fingerprints[TARX_KEYS_KEYRING_MAX_KEYS][TARX_KEYS_FINGERPRINT_BYTES] = {{0}};

	(void) tarx_keys_page_fingerprints(fingerprints);
	memcpy(active, fingerprints[0], TARX_KEYS_FINGERPRINT_BYTES);
}

/* The copy of a key is to be used in this database's realm. */
static void
enter_realm(TarxKeysMasterKey *key)
{
	TarxKeysSpan realm = tarx_keys_setting_realm();

	key->realm = realm.data;
	key->realm_len = realm.len;
}

/* Copy the key that encrypts.  The caller wipes it, and raises no error before. */
void
tarx_keys_page_active_key(TarxKeysMasterKey *key)
{
	uint32		generation;

	do
	{
		generation = current_generation();
		*key = slot_of(generation)->keys[0];
	} while (!still_current(generation));
	enter_realm(key);
}

/* Copy the key with this fingerprint; false if there is none.  As above. */
bool
tarx_keys_page_find_key(const uint8 *fingerprint, TarxKeysMasterKey *key)
{
	uint32		generation;
	bool		found;

	if (current_generation_or_zero() == 0)
		return false;
	do
	{
		const TarxKeysMasterKey *match;

		generation = current_generation();
		match = tarx_keys_keyring_find(slot_of(generation), fingerprint);
		found = match != NULL;
		if (found)
			*key = *match;
	} while (!still_current(generation));

	found = found &&
		memcmp(key->fingerprint, fingerprint, TARX_KEYS_FINGERPRINT_BYTES) == 0;
	if (found)
		enter_realm(key);
	else
		sodium_memzero(key, sizeof(*key));
	return found;
}
