/*
 * issuers_page.c
 *	  The issuers where all processes see them.
 *
 * Like the keyring's page: an anonymous mapping that the postmaster makes and all its
 * children inherit, so that it survives the crash of a backend.  It has nothing
 * secret, but says who is believed: so a backend makes its own view read-only before
 * it first looks.
 *
 * Locking: the keyring's worker is the one writer.  It fills the slot that is not in
 * use and then advances the generation, whose parity names the slot in use.  A reader
 * copies the slot, and starts again if the generation has moved meanwhile.  Then it
 * keeps its copy for as long as the generation stays.
 */
#include "postgres.h"
#include "base/compat.h"

#include <sys/mman.h>
#include <unistd.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "jwt/issuers.h"

/* How long to wait for the first load, which begins when the server starts */
#define FIRST_LOAD_STEP_MS	10L
#define FIRST_LOAD_STEPS	500

typedef struct IssuersPage
{
	pg_atomic_uint32 generation;	/* 0: none have ever been loaded */
	pg_atomic_uint32 loads;		/* that have ended, whatever came of them */
	TarxKeysIssuersState state; /* for people */
	union
	{
		TarxKeysIssuers issuers;
		char		bytes[TARX_KEYS_ISSUERS_MAX_BYTES];
	}			slots[2];
} IssuersPage;

static IssuersPage *page = NULL;
static bool view_is_settled = false;

/* This process's copy, and its generation */
static TarxKeysIssuers *copy = NULL;
static uint32 copied_generation = 0;

static size_t
page_size(void)
{
	size_t		unit = (size_t) sysconf(_SC_PAGESIZE);

	return (sizeof(IssuersPage) + unit - 1) / unit * unit;
}

/* Make the page, while the library is preloaded. */
void
tarx_keys_issuers_page_init(void)
{
	page = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not map memory for the JWT issuers: %m")));
	pg_atomic_init_u32(&page->generation, 0);
	pg_atomic_init_u32(&page->loads, 0);
}

/* Are there issuers in use? */
bool
tarx_keys_issuers_page_has_any(void)
{
	uint32		generation = pg_atomic_read_u32(&page->generation);

	return generation != 0 && page->slots[generation & 1].issuers.issuers.count > 0;
}

/* Make these the issuers of all processes. */
void
tarx_keys_issuers_page_publish(const TarxKeysIssuers *issuers)
{
	uint32		next = pg_atomic_read_u32(&page->generation) + 1;

	if (next == 0)				/* wrapped: 0 means none, 2 has its parity */
		next = 2;
	memcpy(page->slots[next & 1].bytes, issuers, issuers->size);
	pg_write_barrier();
	pg_atomic_write_u32(&page->generation, next);
	page->state.loaded_at = GetCurrentTimestamp();
}

/* A load has ended, with this problem, or NULL. */
void
tarx_keys_issuers_page_end_load(const char *problem)
{
	const char *text = problem == NULL ? "" : problem;

	/* what is cut off a long path begins with a character */
	strlcpy(page->state.problem, text,
			(size_t) pg_mbcliplen(text, (int) strlen(text), sizeof(page->state.problem) - 1) + 1);
	pg_atomic_fetch_add_u32(&page->loads, 1);
}

/* The state may be about to change; a text always ends within it. */
void
tarx_keys_issuers_page_state(TarxKeysIssuersState *state)
{
	*state = page->state;
	state->problem[sizeof(state->problem) - 1] = '\0';
}

/* Nothing in a backend writes to the page, so its view loses the right to. */
static void
settle_view(void)
{
	if (view_is_settled)
		return;
	if (mprotect(page, page_size(), PROT_READ) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("could not protect the JWT issuers' memory: %m")));
	view_is_settled = true;
}

/*
 * A server that has just started admits sessions before its worker has read the file.
 * Nobody is refused for that.
 */
static void
wait_for_first_load(void)
{
	for (int step = 0; step < FIRST_LOAD_STEPS && pg_atomic_read_u32(&page->loads) == 0; step++)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 FIRST_LOAD_STEP_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Copy what is in use now; the copy is whole. */
static void
copy_slot(void)
{
	uint32		generation;

	if (copy == NULL)
		copy = MemoryContextAlloc(TopMemoryContext, TARX_KEYS_ISSUERS_MAX_BYTES);
	copied_generation = 0;
	do
	{
		const TarxKeysIssuers *issuers;

		generation = pg_atomic_read_u32(&page->generation);
		pg_read_barrier();
		issuers = &page->slots[generation & 1].issuers;
		memcpy(copy, issuers, Min(issuers->size, TARX_KEYS_ISSUERS_MAX_BYTES));
		pg_read_barrier();
	} while (pg_atomic_read_u32(&page->generation) != generation);
	copied_generation = generation;
}

/*
 * The issuers in use now, until the next call; NULL if none have been loaded, because
 * there is no file or it is wrong.
 */
const TarxKeysIssuers *
tarx_keys_issuers_in_use(void)
{
	settle_view();
	wait_for_first_load();
	if (pg_atomic_read_u32(&page->generation) == 0)
		return NULL;
	if (pg_atomic_read_u32(&page->generation) != copied_generation)
		copy_slot();
	return copy;
}
