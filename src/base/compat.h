/*
 * compat.h
 *	  All differences between the PostgreSQL versions that tarx_keys supports.
 *
 * Include it right after postgres.h.  No other file tests PG_VERSION_NUM.
 */
#ifndef TARX_KEYS_COMPAT_H
#define TARX_KEYS_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "tarx_keys needs PostgreSQL 15 or later"
#endif

/* VARDATA_ANY and friends moved out of postgres.h in 16 */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* a suffix, pg_attribute_noreturn(), before 18 */
#if PG_VERSION_NUM < 180000
#define pg_noreturn __attribute__((noreturn))
#endif

/* a signal handler has two arguments from 19 on */
#if PG_VERSION_NUM >= 190000
#define TARX_KEYS_SIGNAL_ARGS	postgres_signal_arg, pg_siginfo
#else
#define TARX_KEYS_SIGNAL_ARGS	postgres_signal_arg
#endif

/*
 * What a check hook hands over must come from the allocator that guc.c frees
 * it with: malloc in 15, its own context from 16 on.
 */
#if PG_VERSION_NUM >= 160000
#define tarx_keys_guc_strdup(s)		guc_strdup(LOG, (s))
#define tarx_keys_guc_free(p)		guc_free(p)
#else
#define tarx_keys_guc_strdup(s)		strdup(s)
#define tarx_keys_guc_free(p)		free(p)
#endif

/* a hash table in shared memory has one size, its greatest, from 19 on */
#if PG_VERSION_NUM >= 190000
#define tarx_keys_shmem_hash(name, size, info, flags) \
	ShmemInitHash((name), (size), (info), (flags))
#else
#define tarx_keys_shmem_hash(name, size, info, flags) \
	ShmemInitHash((name), (size), (size), (info), (flags))
#endif

/* whether a stronger lock counts is a question since 17 */
#if PG_VERSION_NUM >= 170000
#define tarx_keys_lock_held(tag, mode)	LockHeldByMe((tag), (mode), false)
#else
#define tarx_keys_lock_held(tag, mode)	LockHeldByMe((tag), (mode))
#endif

/* the number of this backend's transaction moved in 17 */
#if PG_VERSION_NUM >= 170000
#define tarx_keys_local_transaction()	(MyProc->vxid.lxid)
#else
#define tarx_keys_local_transaction()	(MyProc->lxid)
#endif

/* says since 18 whether a deferrable one counts */
#if PG_VERSION_NUM >= 180000
#define tarx_keys_primary_key_index(relation)	RelationGetPrimaryKeyIndex((relation), false)
#else
#define tarx_keys_primary_key_index(relation)	RelationGetPrimaryKeyIndex(relation)
#endif

/* takes a place for statistics since 18 */
#if PG_VERSION_NUM >= 180000
#define tarx_keys_index_beginscan(relation, index, snapshot, nkeys) \
	index_beginscan((relation), (index), (snapshot), NULL, (nkeys), 0)
#else
#define tarx_keys_index_beginscan(relation, index, snapshot, nkeys) \
	index_beginscan((relation), (index), (snapshot), (nkeys), 0)
#endif

/* ExecutorRun() says no longer, from 18 on, whether it is the only time */
#if PG_VERSION_NUM >= 180000
#define TARX_KEYS_RUN_PARAMS	QueryDesc *desc, ScanDirection direction, uint64 count
#define TARX_KEYS_RUN_ARGS		desc, direction, count
#else
#define TARX_KEYS_RUN_PARAMS	QueryDesc *desc, ScanDirection direction, uint64 count, bool once
#define TARX_KEYS_RUN_ARGS		desc, direction, count, once
#endif

/* from 19 on what is not to be changed is const, and caches have a type */
#if PG_VERSION_NUM >= 190000
#define TARX_KEYS_JUMBLE_STATE	const JumbleState
#define TARX_KEYS_CACHE_ID		SysCacheIdentifier
#else
#define TARX_KEYS_JUMBLE_STATE	JumbleState
#define TARX_KEYS_CACHE_ID		int
#endif

#endif							/* TARX_KEYS_COMPAT_H */
