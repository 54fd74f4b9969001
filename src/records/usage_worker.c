/*
 * usage_worker.c
 *	  Writes down at intervals when each key was last used.
 *
 * One background worker is connected to no database.  It finds the databases that
 * have uses to write down, and starts a short-lived worker in each, one after the
 * other.  It starts when recovery has ended, so a standby writes nothing.  An
 * error is logged, and the next round tries again.  A round begins earlier than
 * the interval says if the table of uses gets full.
 *
 * At the same time it reports refused logins that had no line in the server log.
 *
 * A shutdown does not wait for another round, so it loses the uses since the last
 * one.
 *
 * The worker in a database is a session of a superuser.  It runs our SQL as the
 * extension's owner and as a security-restricted operation, so that whoever can
 * change the owner's objects gains no rights by that.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_database.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "records/records.h"

/* Look so often at least whether the table is getting full, and report what is lost. */
#define MAX_INTERVAL_MS	60000

/* The most uses that one transaction writes down */
#define MAX_USES		5000

#define OWNER			"tarx_keys_owner"

PGDLLEXPORT void tarx_keys_usage_worker_main(Datum arg);
PGDLLEXPORT void tarx_keys_usage_flush_main(Datum arg);

static TarxKeysQuery flush_query = {
	.sql = "SELECT tarx_keys_internal.flush_last_used($1, $2, $3, $4, $5)",
	.nargs = 5, .argtypes = {UUIDOID, UUIDARRAYOID, TEXTARRAYOID, UUIDARRAYOID, TIMESTAMPTZARRAYOID}
};

static void
init_worker(BackgroundWorker *worker, const char *name, const char *function)
{
	memset(worker, 0, sizeof(*worker));
	strlcpy(worker->bgw_name, name, BGW_MAXLEN);
	strlcpy(worker->bgw_type, name, BGW_MAXLEN);
	strlcpy(worker->bgw_library_name, "tarx_keys", BGW_MAXLEN);
	strlcpy(worker->bgw_function_name, function, BGW_MAXLEN);
	worker->bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker->bgw_start_time = BgWorkerStart_RecoveryFinished;
}

/* Have the postmaster start the worker of the cluster. */
void
tarx_keys_usage_worker_register(void)
{
	BackgroundWorker worker;

	init_worker(&worker, "tarx_keys usage", "tarx_keys_usage_worker_main");
	worker.bgw_restart_time = 1;
	RegisterBackgroundWorker(&worker);
}

/*
 * The worker of the cluster
 */

typedef enum DatabaseState
{
	DATABASE_IS_OPEN,
	DATABASE_IS_BUSY,			/* somebody copies, moves or drops it */
	DATABASE_IS_CLOSED,			/* it allows no connections */
	DATABASE_IS_GONE
} DatabaseState;

/* Would a connection get its lock at once?  Then nothing holds up the others. */
static bool
can_be_locked(Oid database)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, database, 0);
	return LockAcquire(&tag, RowExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

static DatabaseState
state_of_row(Oid database)
{
	HeapTuple	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	Form_pg_database row;
	DatabaseState state = DATABASE_IS_OPEN;

	if (!HeapTupleIsValid(tuple))
		return DATABASE_IS_GONE;
	row = (Form_pg_database) GETSTRUCT(tuple);
	if (tarx_keys_database_is_invalid(row))
		state = DATABASE_IS_GONE;
	else if (!row->datallowconn)
		state = DATABASE_IS_CLOSED;
	ReleaseSysCache(tuple);
	return state;
}

static DatabaseState
state_of(Oid database)
{
	DatabaseState state;

	StartTransactionCommand();
	state = state_of_row(database);
	if (state == DATABASE_IS_OPEN && !can_be_locked(database))
		state = DATABASE_IS_BUSY;
	CommitTransactionCommand();
	return state;
}

/* Say that no worker is free, once for as long as that lasts. */
static void
report_worker(bool is_free)
{
	static bool reported = false;

	if (!is_free && !reported)
		ereport(LOG,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("tarx_keys: no background worker is free to write down when keys were last used"),
				 errhint("Increase max_worker_processes.")));
	reported = !is_free;
}

/* Start a worker that flushes a database, and wait for its end; false if none is free. */
static bool
run_flush(Oid database)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle;
	bool		is_free;

	init_worker(&worker, "tarx_keys usage flush", "tarx_keys_usage_flush_main");
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = ObjectIdGetDatum(database);
	worker.bgw_notify_pid = MyProcPid;
	is_free = RegisterDynamicBackgroundWorker(&worker, &handle);
	report_worker(is_free);
	if (!is_free)
		return false;
	if (WaitForBackgroundWorkerShutdown(handle) == BGWH_POSTMASTER_DIED)
		proc_exit(1);
	pfree(handle);
	return true;
}

/*
 * Flush a database; false if no worker is free.  One that allows no connections
 * keeps its uses until it does, unless others need the room.
 */
static bool
flush(Oid database)
{
	switch (state_of(database))
	{
		case DATABASE_IS_OPEN:
			return run_flush(database);
		case DATABASE_IS_BUSY:
			break;
		case DATABASE_IS_CLOSED:
			if (tarx_keys_usage_room_is_short())
				tarx_keys_usage_forget(database, true);
			break;
		case DATABASE_IS_GONE:
			tarx_keys_usage_forget(database, false);
			break;
	}
	return true;
}

/*
 * Flush all databases.  If a round ends early, the next one begins where it ended,
 * so that each has its turn.
 */
static void
flush_all(void)
{
	static Oid	next = InvalidOid;
	int			count;
	int			first = 0;
	Oid		   *databases = tarx_keys_usage_unflushed_databases(&count);

	while (first < count && databases[first] < next)
		first++;
	for (int i = 0; i < count && !ShutdownRequestPending; i++)
	{
		next = databases[(first + i) % count];
		if (!flush(next))
			break;
	}
	pfree(databases);
}

/* The time until the next round, in milliseconds */
static long
time_left(TimestampTz *last_round)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		interval = tarx_keys_setting_usage_flush_interval() * INT64CONST(1000);

	if (*last_round > now)		/* the clock was set back */
		*last_round = now;
	if (tarx_keys_usage_room_is_short())
		interval = Min(interval, MAX_INTERVAL_MS);
	return TimestampDifferenceMilliseconds(now,
										   TimestampTzPlusMilliseconds(*last_round, interval));
}

void
tarx_keys_usage_worker_main(Datum arg pg_attribute_unused())
{
	TimestampTz last_round = GetCurrentTimestamp();

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	tarx_keys_usage_room_wakes(MyLatch);

	while (!ShutdownRequestPending)
	{
		bool		wanted = tarx_keys_usage_room_take_wanted();
		long		left = wanted ? 0 : time_left(&last_round);

		if (left <= 0)
		{
			tarx_keys_log_left_out(true);
			flush_all();
			last_round = GetCurrentTimestamp();
		}
		tarx_keys_usage_room_report(false);
		/* the wait for another worker has reset the latch, whoever had set it */
		if (left > 0)
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 Min(left, MAX_INTERVAL_MS), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
	}

	tarx_keys_log_left_out(true);
	tarx_keys_usage_room_report(true);
	/* status 1: if somebody terminated us, the postmaster starts us again */
	proc_exit(1);
}

/*
 * The worker in a database
 */

/*
 * A database, a role or the configuration may set anything.  This is what would
 * make a flush fail, hang or leave something out.
 */
static const struct
{
	const char *name;
	const char *value;
}			settings[] =

{
	{"default_transaction_isolation", "read committed"},
	{"default_transaction_read_only", "off"},
	{"lock_timeout", "3s"},
	{"row_security", "on"},
	{"search_path", ""},
	{"session_replication_role", "origin"},
	{"statement_timeout", "0"},
	{"synchronous_commit", "off"},
	{"temp_file_limit", "-1"},
	{"transaction_timeout", "0"},	/* from 17 on */
};

/*
 * Set what a flush needs.  Before connecting, so that it holds for that, too; what
 * the database sets has a lower priority than this.
 */
static void
override_settings(void)
{
	for (size_t i = 0; i < lengthof(settings); i++)
	{
		if (GetConfigOption(settings[i].name, true, false) != NULL)
			SetConfigOption(settings[i].name, settings[i].value, PGC_SUSET, PGC_S_OVERRIDE);
	}
}

static Datum
array_datum(Datum *elements, int count, Oid type)
{
	int16		len;
	bool		byval;
	char		align;

	get_typlenbyvalalign(type, &len, &byval, &align);
	return PointerGetDatum(construct_array(elements, count, type, len, byval, align));
}

/*
 * Which server writes: another one after a promotion, in another database, in a cluster
 * that was restored or upgraded.  Thus no two servers that may replicate to each other
 * write the same row.
 */
static pg_uuid_t
this_server(void)
{
	struct
	{
		uint64		system;
		uint32		database;
		uint32		timeline;
	}			name = {GetSystemIdentifier(), MyDatabaseId, GetWALInsertionTimeLine()};
	uint8		hash[TARX_KEYS_HASH_BYTES];
	pg_uuid_t	server;

	StaticAssertStmt(sizeof(name) == sizeof(uint64) + 2 * sizeof(uint32), "the name has padding");
	tarx_keys_hash(hash, (const uint8 *) &name, sizeof(name));
	memcpy(server.data, hash, UUID_LEN);
	return server;
}

static void
write_down(TarxKeysLastUse *uses, int count)
{
	pg_uuid_t	server = this_server();
	Datum	   *columns[4];
	Datum		values[5];

	for (size_t i = 0; i < lengthof(columns); i++)
		columns[i] = palloc(sizeof(Datum) * count);
	for (int i = 0; i < count; i++)
	{
		columns[0][i] = UUIDPGetDatum(&uses[i].project_id);
		columns[1][i] = CStringGetTextDatum(tarx_keys_usage_kind_name(uses[i].kind));
		columns[2][i] = UUIDPGetDatum(&uses[i].id);
		columns[3][i] = TimestampTzGetDatum(uses[i].last_used_at);
	}
	values[0] = UUIDPGetDatum(&server);
	values[1] = array_datum(columns[0], count, UUIDOID);
	values[2] = array_datum(columns[1], count, TEXTOID);
	values[3] = array_datum(columns[2], count, UUIDOID);
	values[4] = array_datum(columns[3], count, TIMESTAMPTZOID);
	tarx_keys_queries_begin();
	(void) tarx_keys_query_run(&flush_query, values, NULL, false);
	tarx_keys_queries_end();
}

/* Flush up to MAX_USES uses in a transaction, from this place of their table on; returns how many. */
static int
flush_some(TarxKeysLastUse *uses, uint32 *place)
{
	Oid			user;
	int			sec_context;
	Oid			owner;
	int			count = 0;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	owner = get_role_oid(OWNER, true);
	if (!OidIsValid(owner) || !OidIsValid(get_extension_oid("tarx_keys", true)))
		tarx_keys_usage_forget(MyDatabaseId, false);
	else
		count = tarx_keys_usage_unflushed(uses, MAX_USES, place);
	/* as the owner until the transaction has ended: its end may run code, too */
	GetUserIdAndSecContext(&user, &sec_context);
	if (count > 0)
	{
		SetUserIdAndSecContext(owner, sec_context | SECURITY_RESTRICTED_OPERATION);
		write_down(uses, count);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	SetUserIdAndSecContext(user, sec_context);
	tarx_keys_usage_flushed(uses, count);
	return count;
}

void
tarx_keys_usage_flush_main(Datum arg)
{
	TarxKeysLastUse *uses;
	uint32		place = 0;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	override_settings();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(arg), InvalidOid, 0);

	uses = palloc(sizeof(TarxKeysLastUse) * MAX_USES);
	while (flush_some(uses, &place) == MAX_USES)
		CHECK_FOR_INTERRUPTS();
	proc_exit(0);
}
