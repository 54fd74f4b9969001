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

/* 16 moved VARDATA_ANY() and others out of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 18 has pg_noreturn instead of the suffix pg_attribute_noreturn(). */
#if PG_VERSION_NUM < 180000
#define pg_noreturn __attribute__((noreturn))
#endif

/* object_aclcheck() replaces the functions for each kind of object from 16 on. */
#if PG_VERSION_NUM >= 160000
#define tarx_keys_function_aclcheck(function, role, mode) \
	object_aclcheck(ProcedureRelationId, (function), (role), (mode))
#else
#define tarx_keys_function_aclcheck(function, role, mode) \
	pg_proc_aclcheck((function), (role), (mode))
#endif

/* Signal handlers have a second argument from 19 on. */
#if PG_VERSION_NUM >= 190000
#define TARX_KEYS_SIGNAL_ARGS	postgres_signal_arg, pg_siginfo
#else
#define TARX_KEYS_SIGNAL_ARGS	postgres_signal_arg
#endif

/*
 * guc.c frees the value that a check hook returns.  So it must come from the same
 * allocator: malloc in 15, a context of guc.c from 16 on.
 */
#if PG_VERSION_NUM >= 160000
#define tarx_keys_guc_strdup(s)		guc_strdup(LOG, (s))
#define tarx_keys_guc_free(p)		guc_free(p)
#else
#define tarx_keys_guc_strdup(s)		strdup(s)
#define tarx_keys_guc_free(p)		free(p)
#endif

/* ShmemInitHash() takes only the greatest size from 19 on, not the initial one. */
#if PG_VERSION_NUM >= 190000
#define tarx_keys_shmem_hash(name, size, info, flags) \
	ShmemInitHash((name), (size), (info), (flags))
#else
#define tarx_keys_shmem_hash(name, size, info, flags) \
	ShmemInitHash((name), (size), (size), (info), (flags))
#endif

/* A DROP DATABASE that was interrupted leaves an invalid database from 15.4 on. */
#ifdef DATCONNLIMIT_INVALID_DB
#define tarx_keys_database_is_invalid(row)	database_is_invalid_form(row)
#else
#define tarx_keys_database_is_invalid(row)	false
#endif

/* LockHeldByMe() takes from 17 on whether a stronger lock counts. */
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

/* RelationGetPrimaryKeyIndex() takes from 18 on whether a deferrable one counts. */
#if PG_VERSION_NUM >= 180000
#define tarx_keys_primary_key_index(relation)	RelationGetPrimaryKeyIndex((relation), false)
#else
#define tarx_keys_primary_key_index(relation)	RelationGetPrimaryKeyIndex(relation)
#endif

/* index_beginscan() takes a place for statistics from 18 on, and flags from 19 on. */
#if PG_VERSION_NUM >= 190000
#define tarx_keys_index_beginscan(relation, index, snapshot, nkeys) \
	index_beginscan((relation), (index), (snapshot), NULL, (nkeys), 0, SO_NONE)
#elif PG_VERSION_NUM >= 180000
#define tarx_keys_index_beginscan(relation, index, snapshot, nkeys) \
	index_beginscan((relation), (index), (snapshot), NULL, (nkeys), 0)
#else
#define tarx_keys_index_beginscan(relation, index, snapshot, nkeys) \
	index_beginscan((relation), (index), (snapshot), (nkeys), 0)
#endif

/* table_beginscan_tidrange() takes flags from 19 on. */
#if PG_VERSION_NUM >= 190000
#define tarx_keys_beginscan_tidrange(relation, snapshot, first, last) \
	table_beginscan_tidrange((relation), (snapshot), (first), (last), SO_NONE)
#else
#define tarx_keys_beginscan_tidrange(relation, snapshot, first, last) \
	table_beginscan_tidrange((relation), (snapshot), (first), (last))
#endif

/* ExecutorRun() takes no "execute_once" from 18 on. */
#if PG_VERSION_NUM >= 180000
#define TARX_KEYS_RUN_PARAMS	QueryDesc *desc, ScanDirection direction, uint64 count
#define TARX_KEYS_RUN_ARGS		desc, direction, count
#else
#define TARX_KEYS_RUN_PARAMS	QueryDesc *desc, ScanDirection direction, uint64 count, bool once
#define TARX_KEYS_RUN_ARGS		desc, direction, count, once
#endif

/* DecodeDateTime() takes a place for more about an error from 16 on. */
#if PG_VERSION_NUM >= 160000
#define tarx_keys_decode_datetime(fields, types, nfields, kind, tm, fsec, zone) \
	DecodeDateTime((fields), (types), (nfields), (kind), (tm), (fsec), (zone), &(DateTimeErrorExtra) {0})
#else
#define tarx_keys_decode_datetime(fields, types, nfields, kind, tm, fsec, zone) \
	DecodeDateTime((fields), (types), (nfields), (kind), (tm), (fsec), (zone))
#endif

/* What the JSON parser calls returns an error from 16 on. */
#if PG_VERSION_NUM >= 160000
#define TARX_KEYS_JSON_RESULT	JsonParseErrorType
#define TARX_KEYS_JSON_GO_ON()	return JSON_SUCCESS
#else
#define TARX_KEYS_JSON_RESULT	void
#define TARX_KEYS_JSON_GO_ON()	return
#endif

/* From 17 on the JSON lexer can be in memory of the caller, and takes a const text. */
#if PG_VERSION_NUM >= 170000
#define tarx_keys_json_lexer(data, len, need_escapes) \
	makeJsonLexContextCstringLen(NULL, (data), (len), GetDatabaseEncoding(), (need_escapes))
#else
#define tarx_keys_json_lexer(data, len, need_escapes) \
	makeJsonLexContextCstringLen(unconstify(char *, (data)), (int) (len), GetDatabaseEncoding(), (need_escapes))
#endif

/* What a jsonb grows in has its result as well from 19 on. */
#if PG_VERSION_NUM >= 190000
#define tarx_keys_jsonb_push(state, token, value)	pushJsonbValue((state), (token), (value))
#else
typedef struct JsonbInState
{
	struct JsonbValue *result;
	struct JsonbParseState *parseState;
} JsonbInState;
#define tarx_keys_jsonb_push(state, token, value) \
	((void) ((state)->result = pushJsonbValue(&(state)->parseState, (token), (value))))
#endif

/* From 19 on the jumble state is const, and ids of caches have a type. */
#if PG_VERSION_NUM >= 190000
#define TARX_KEYS_JUMBLE_STATE	const JumbleState
#define TARX_KEYS_CACHE_ID		SysCacheIdentifier
#else
#define TARX_KEYS_JUMBLE_STATE	JumbleState
#define TARX_KEYS_CACHE_ID		int
#endif

#endif							/* TARX_KEYS_COMPAT_H */
