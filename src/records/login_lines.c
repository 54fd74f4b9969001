/*
 * login_lines.c
 *	  Keeps refused logins from filling the server log.
 *
 * Whoever tries tokens is refused as fast as they ask, and each refusal is a line.
 * So a database login has room for so many lines a minute.  Refusals beyond that
 * are counted, and the count gets a line: when the minute is over and somebody
 * logs in, or at the next round of the worker that writes last uses down.  What
 * has no line of ours has none of PostgreSQL's either, which logs each error.
 * Nobody is refused or held up because of it.
 *
 * Tokens that belong to a key, or that an issuer has signed, have room of their own.
 * So nobody can hide that an expired key is in use, or one that does not open, by
 * trying tokens that belong to none.  Of a revoked key no hash is left, so its token is like one of these.
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
	uint32		lines[2];		/* in this minute; [1] if the token is known */
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

static emit_log_hook_type prev_emit_log_hook = NULL;

/* Had this session's latest refused login no line? */
static bool latest_left_out = false;

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
 * known says whether the token is somebody's.
 */
static bool
has_line(const char *login, bool known)
{
	TimestampTz now = GetCurrentTimestamp();
	LoginLines *entry;
	bool		has;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	entry = find_entry(login, now);
	if (is_over(entry, now))
	{
		entry->since = now;
		entry->lines[0] = entry->lines[1] = 0;
	}
	has = entry->lines[known] < LINES_PER_MINUTE;
	if (has)
		entry->lines[known]++;
	else
		leave_out(entry, now);
	LWLockRelease(lock);
	return has;
}

/*
 * Log that a login is refused, if there is room for the line.  known says whether
 * the token is somebody's: that of a key, or signed by an issuer.  This runs while an
 * error is handled.
 */
void
tarx_keys_log_refused_login(const TarxKeysLogLine *line, bool known)
{
	const char *login = tarx_keys_log_login_name();

	latest_left_out = tarx_keys_setting_log_resolves() != TARX_KEYS_LOG_OFF &&
		!has_line(login == NULL ? "" : login, known);
	if (!latest_left_out)
		tarx_keys_log_line(line);
}

/*
 * The error of a refused login, on its way to the log, which may be its redacted
 * copy.  Only what is the same for all tokens is left out.
 */
static void
emit_log(ErrorData *edata)
{
	if (latest_left_out && edata->elevel == ERROR &&
		edata->sqlerrcode == ERRCODE_TK_LOGIN_FAILED && edata->message != NULL &&
		strcmp(edata->message, TARX_KEYS_LOGIN_FAILED) == 0)
		edata->output_to_server = false;
	if (prev_emit_log_hook != NULL && edata->output_to_server)
		prev_emit_log_hook(edata);
}

/* To be called while the library is loaded */
void
tarx_keys_login_lines_init(void)
{
	prev_emit_log_hook = emit_log_hook;
	emit_log_hook = emit_log;
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

static void
write_report(const LoginLines *report)
{
	StringInfoData login;

	initStringInfo(&login);
	if (report->login[0] == '\0')
		appendStringInfoString(&login, "other logins");
	else
		tarx_keys_log_append_value(&login, report->login);
	ereport(LOG_SERVER_ONLY,
			(errmsg_plural("tarx_keys: %llu more refused login of %s since %s",
						   "tarx_keys: %llu more refused logins of %s since %s",
						   (unsigned long) report->left_out,
						   (unsigned long long) report->left_out, login.data,
						   timestamptz_to_str(report->left_out_since)),
			 errhidestmt(true), errhidecontext(true)));
	pfree(login.data);
}

/*
 * Log how many refusals had no line of their own: in minutes that are over, or in
 * all until now.
 */
void
tarx_keys_log_left_out(bool at_once)
{
	TimestampTz report_at = (TimestampTz) pg_atomic_read_u64(&table->report_at);
	LoginLines	reports[MAX_LOGINS + 1];
	int			count;

	if (report_at == 0 || (!at_once && GetCurrentTimestamp() <= report_at))
		return;
	count = take_reports(at_once, reports);
	for (int i = 0; i < count; i++)
		write_report(&reports[i]);
}
