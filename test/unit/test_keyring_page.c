/*
 * test_keyring_page.c
 *	  Unit tests of the keyring's page: reads during which the writer publishes, in TAP.
 *
 * In a server nobody can make the writer act between two steps of a reader.  So the file
 * is compiled into this program, and each of its looks at the generation may let the
 * writer act.  What it needs of PostgreSQL is in here.
 */
#include "tap.h"
#include "guarded.h"

/* not earlier: it has a printf() of its own */
#include "server.h"

#include "port/atomics.h"

static uint32 look(volatile pg_atomic_uint32 *generation);

#define pg_atomic_read_u32(generation)	look(generation)
#include "../../src/keyring/keyring_page.c"
#undef pg_atomic_read_u32

bool		IsUnderPostmaster = false;

/* How many looks there have been, and at which the writer publishes: how often, and what */
static int	looks = 0;
static int	writes_at = 0;
static int	publishes = 0;
static TarxKeysKeyring next_ring;

static uint32
look(volatile pg_atomic_uint32 *generation)
{
	uint32		seen = generation->value;

	if (++looks == writes_at)
	{
		/* the reader has seen the generation before */
		for (int i = 0; i < publishes; i++)
			tarx_keys_page_publish(&next_ring);
	}
	return seen;
}

TimestampTz
GetCurrentTimestamp(void)
{
	return 1;
}

void
tarx_keys_fail_no_keyring(void)
{
	exit(EXIT_FAILURE);
}

TarxKeysSpan
tarx_keys_setting_realm(void)
{
	return (TarxKeysSpan) {"realm", 5};
}

/* A keyring of so many keys, each of one byte repeated */
static TarxKeysKeyring
ring_of(uint8 first, uint32 nkeys)
{
	TarxKeysKeyring ring = {.nkeys = nkeys};

	for (uint32 i = 0; i < nkeys; i++)
	{
		memset(ring.keys[i].key, first - (uint8) i, TARX_KEYS_MASTER_KEY_BYTES);
		memset(ring.keys[i].fingerprint, first - (uint8) i, TARX_KEYS_FINGERPRINT_BYTES);
	}
	return ring;
}

/* Let the writer publish this so often at the reader's n-th look from now on. */
static void
plan_write(int n, int times, uint8 first, uint32 nkeys)
{
	next_ring = ring_of(first, nkeys);
	looks = 0;
	writes_at = n;
	publishes = times;
}

static bool
is_key(const TarxKeysMasterKey *key, uint8 byte)
{
	for (size_t i = 0; i < sizeof(key->key); i++)
	{
		if (key->key[i] != byte)
			return false;
	}
	return key->fingerprint[0] == byte && key->realm_len == 5;
}

/*
 * Whatever the writer does during a read, the key is whole.  What is published behind the
 * reader's last look comes too late for it.
 */
static void
check_active_key(void)
{
	TarxKeysKeyring ring = ring_of(1, 1);
	TarxKeysMasterKey key;
	uint8		active = 1;
	int			last;

	tarx_keys_page_publish(&ring);
	plan_write(0, 0, 0, 0);
	tarx_keys_page_active_key(&key);
	ok(is_key(&key, 1), "the active key");
	last = looks;
	for (int n = 1; n <= last; n++)
	{
		for (int times = 1; times <= 2; times++)
		{
			uint8		next = (uint8) (10 * n + times);

			plan_write(n, times, next, 1);
			tarx_keys_page_active_key(&key);
			ok(is_key(&key, n < last ? next : active), "published %d times at look %d of %d", times, n, last);
			plan_write(0, 0, 0, 0);
			tarx_keys_page_active_key(&key);
			ok(is_key(&key, next), "the next call has the new active key");
			active = next;
		}
	}
}

static void
check_find_key(void)
{
	TarxKeysKeyring ring = ring_of(100, 2);
	uint8		fingerprint[TARX_KEYS_FINGERPRINT_BYTES];
	TarxKeysMasterKey key;
	int			all;

	memset(fingerprint, 100, sizeof(fingerprint));
	tarx_keys_page_publish(&ring);
	plan_write(0, 0, 0, 0);
	ok(tarx_keys_page_find_key(fingerprint, &key) && is_key(&key, 100), "a key that is found");
	all = looks;
	for (int n = 1; n <= all; n++)
	{
		tarx_keys_page_publish(&ring);
		plan_write(n, 1, 101, 2);
		ok(tarx_keys_page_find_key(fingerprint, &key) && is_key(&key, 100), "look %d: found, now second in the keyring", n);
		tarx_keys_page_publish(&ring);
		plan_write(n, 2, 101, 2);
		ok(tarx_keys_page_find_key(fingerprint, &key) && is_key(&key, 100), "look %d: found, after two more", n);
	}
	ring = ring_of(50, 1);
	tarx_keys_page_publish(&ring);
	plan_write(0, 0, 0, 0);
	ok(!tarx_keys_page_find_key(fingerprint, &key), "one that is not there");
	ok(key.key[0] == 0, "and nothing of another");
}

static void
check_fingerprints(void)
{
	TarxKeysKeyring ring = ring_of(30, 3);
	uint8		out[TARX_KEYS_KEYRING_MAX_KEYS][TARX_KEYS_FINGERPRINT_BYTES];
	int			all;

	tarx_keys_page_publish(&ring);
	plan_write(0, 0, 0, 0);
	is_int(tarx_keys_page_fingerprints(out), 3, "three keys");
	all = looks;
	for (int n = 1; n <= all; n++)
	{
		tarx_keys_page_publish(&ring);
		plan_write(n, 1, 40, 2);
		is_int(tarx_keys_page_fingerprints(out), n < all ? 2 : 3, "look %d of %d: so many keys", n, all);
		ok(out[0][0] == (n < all ? 40 : 30) && out[1][0] == out[0][0] - 1, "all of one keyring");
	}
}

/* The slot that was in use is wiped. */
static void
check_wiping(void)
{
	static const TarxKeysKeyring nothing;
	TarxKeysKeyring ring = ring_of(7, 2);

	tarx_keys_page_publish(&ring);
	ring = ring_of(9, 1);
	tarx_keys_page_publish(&ring);
	ok(memcmp(&page->slots[(page->generation.value + 1) & 1], &nothing, sizeof(nothing)) == 0,
	   "a keyring that is no more in use is wiped");
	ok(page->slots[page->generation.value & 1].nkeys == 1, "the one in use is not");
}

/* What the setting leaves for the load is in no page that may be swapped out. */
static void
check_pending(void)
{
	TarxKeysKeyring ring = ring_of(70, 1);
	TarxKeysKeyring pending;
	unsigned int entry = 9;

	page_locked = false;
	tarx_keys_page_set_pending(&ring, TARX_KEYS_KEYRING_OK, 0);
	is_int(tarx_keys_page_pending(&pending, &entry), TARX_KEYS_KEYRING_OK, "what the setting left");
	is_int(pending.nkeys, 0, "a page that is not locked gets no keyring");
	page_locked = true;
	tarx_keys_page_set_pending(&ring, TARX_KEYS_KEYRING_OK, 0);
	(void) tarx_keys_page_pending(&pending, &entry);
	is_int(pending.nkeys, 1, "one that is locked does");
	is_int((int) entry, 0, "and nothing is wrong with any entry");
}

/* 0 means that there has never been a keyring. */
static void
check_wrap(void)
{
	TarxKeysKeyring ring = ring_of(60, 1);
	TarxKeysMasterKey key;

	page->generation.value = PG_UINT32_MAX;
	tarx_keys_page_publish(&ring);
	ok(tarx_keys_page_has_keyring(), "there is a keyring after all numbers");
	tarx_keys_page_active_key(&key);
	ok(is_key(&key, 60), "and it is the right one");
}

int
main(void)
{
	if (sodium_init() < 0)
		return EXIT_FAILURE;
	tarx_keys_page_init();
	/* a machine that locks no memory is no reason to test nothing */
	page_locked = true;
	ok(!tarx_keys_page_has_keyring(), "there is no keyring yet");
	check_active_key();
	check_find_key();
	check_fingerprints();
	check_wiping();
	check_pending();
	check_wrap();
	return done_testing();
}
