/*
 * login_lines.c
 *	  Keeps refused logins from filling the server log.
 *
 * Whoever tries tokens is refused as fast as they ask, and each refusal is a line.
 * So a database login has room for so many lines a minute.  Refusals beyond that
 * are counted, and the count gets a line: when the minute is over and somebody
 * logs in, or at the next round of the worker that writes last uses down.
 * Nobody is refused or held up because of it.
 *
 * Tokens that belong to a key have room of their own.  So nobody can hide that a
 * revoked or expired key is in use, by trying tokens that belong to none.
 *
 * The table is in shared memory, so that a ROLLBACK or a new session does not begin
 * at zero again.  It has few entries, because logging in takes a database login.
 * Should there be more of these in one minute, those without an entry share one.
 */
#include "postgres.h"
#include "base/compat.h"

#include "port/atomics.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "records/records.h"

#define MINUTE_MS			60000
#define LINES_PER_MINUTE	20
#define MAX_LOGINS			64

/* Times are TimestampTz, 0 for never. */
typedef struct LoginLines
{
	char		login[NAMEDATALEN]; /* empty if the entry is free, or shared */
	TimestampTz since;			/* when the minute began */
	uint32		lines[2];		/* in this minute; [1] if the key is known */
	uint64		left_out;		/* refusals that are still to be reported */
	TimestampTz left_out_since;
} LoginLines;

/* All under the lock but report_at */
typedef struct LoginLinesTable
{
	pg_atomic_uint64 report_at; /* when the first minute with something to
								 * report is over; 0 if there is none */
	LoginLines	shared;
	LoginLines	logins[MAX_LOGINS];
} LoginLinesTable;

static LWLock *lock = NULL;
static LoginLinesTable *table = NULL;

Size
tarx_keys_login_lines_shmem_size(void)
{
	return sizeof(LoginLinesTable);
}

void
tarx_keys_login_lines_shmem_startup(LWLock *login_lines_lock)
{
	bool		found;

	lock = login_lines_lock;
	table = ShmemInitStruct("tarx_keys login lines", sizeof(LoginLinesTable), &found);
	if (found)
		return;
	memset(table, 0, sizeof(LoginLinesTable));
	pg_atomic_init_u64(&table->report_at, 0);
}

/* Also over is a minute that begins in the future, because the clock was set. */
static bool
is_over(const LoginLines *entry, TimestampTz now)
{
	return now < entry->since || TimestampDifferenceExceeds(entry->since, now, MINUTE_MS);
}

/* The login's entry, or a free one, or the one that logins share */
static LoginLines *
find_entry(const char *login, TimestampTz now)
{
	LoginLines *free = NULL;

	if (login[0] == '\0')
		return &table->shared;
	for (int i = 0; i < MAX_LOGINS; i++)
	{
		LoginLines *entry = &table->logins[i];

		if (strcmp(entry->login, login) == 0)
			return entry;
		if (free == NULL && entry->left_out == 0 && is_over(entry, now))
			free = entry;
	}
	if (free == NULL)
		return &table->shared;
	strlcpy(free->login, login, sizeof(free->login));
	free->since = 0;
	return free;
}

static void
leave_out(LoginLines *entry, TimestampTz now)
{
	if (entry->left_out++ > 0)
		return;
	entry->left_out_since = now;
	if (pg_atomic_read_u64(&table->report_at) == 0)
		pg_atomic_write_u64(&table->report_at,
							(uint64) TimestampTzPlusMilliseconds(entry->since, MINUTE_MS));
}

/*
 * May the refusal of a login have a line of its own?  If not, it is counted.
 * known says whether the token belongs to a key.
 */
bool
tarx_keys_login_lines_allow(const char *login, bool known)
{
	TimestampTz now = GetCurrentTimestamp();
	LoginLines *entry;
	bool		allowed;

	tarx_keys_login_lines_report(false);
	LWLockAcquire(lock, LW_EXCLUSIVE);
	entry = find_entry(login, now);
	if (is_over(entry, now))
	{
		entry->since = now;
		entry->lines[0] = entry->lines[1] = 0;
	}
	allowed = entry->lines[known] < LINES_PER_MINUTE;
	if (allowed)
		entry->lines[known]++;
	else
		leave_out(entry, now);
	LWLockRelease(lock);
	return allowed;
}

/* Take what there is to report of an entry, unless its minute is to end first. */
static bool
take_report(LoginLines *entry, bool at_once, TimestampTz now, LoginLines *report)
{
	if (entry->left_out == 0 || (!at_once && !is_over(entry, now)))
		return false;
	*report = *entry;
	entry->left_out = 0;
	return true;
}

/* Take all that there is to report; returns how many reports that is. */
static int
take_reports(bool at_once, LoginLines reports[MAX_LOGINS + 1])
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz next = 0;
	int			count = 0;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	for (int i = 0; i <= MAX_LOGINS; i++)
	{
		LoginLines *entry = i < MAX_LOGINS ? &table->logins[i] : &table->shared;

		if (take_report(entry, at_once, now, &reports[count]))
			count++;
		else if (entry->left_out > 0 && (next == 0 || entry->since < next))
			next = entry->since;
	}
	if (next != 0)
		next = TimestampTzPlusMilliseconds(next, MINUTE_MS);
	pg_atomic_write_u64(&table->report_at, (uint64) next);
	LWLockRelease(lock);
	return count;
}

/*
 * Report refusals that had no line of their own: those of minutes that are over,
 * or all of them at once.
 */
void
tarx_keys_login_lines_report(bool at_once)
{
	TimestampTz report_at = (TimestampTz) pg_atomic_read_u64(&table->report_at);
	LoginLines	reports[MAX_LOGINS + 1];
	int			count;

	if (report_at == 0 || (!at_once && GetCurrentTimestamp() <= report_at))
		return;
	count = take_reports(at_once, reports);
	for (int i = 0; i < count; i++)
		tarx_keys_log_left_out(reports[i].login, reports[i].left_out, reports[i].left_out_since);
}
