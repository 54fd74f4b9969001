/*
 * audit_chain.h
 *	  The chains of the audit log: how a row hangs on the one before it.
 *
 * No postgres.h here, so that fuzzers and sanitizers reach it.
 */
#ifndef TARX_KEYS_AUDIT_CHAIN_H
#define TARX_KEYS_AUDIT_CHAIN_H

#include "pure/envelope.h"

/* So many chains, in lanes of their own, has a project, and a user. */
#define TARX_KEYS_AUDIT_LANES		4

/*
 * Where a lane's chain begins and ends.  Row first_seq follows the stamp
 * first_stamp; in an empty chain last_seq is the lane's row before first_seq.
 */
typedef struct TarxKeysChainEnds
{
	int64_t		first_seq;
	uint8_t		first_stamp[TARX_KEYS_MAC_BYTES];	/* zeros at first */
	int64_t		last_seq;
	uint8_t		last_stamp[TARX_KEYS_MAC_BYTES];
} TarxKeysChainEnds;

/* How far a chain was followed: the last good row, and its stamp */
typedef struct TarxKeysChainWalk
{
	int64_t		seq;
	uint8_t		stamp[TARX_KEYS_MAC_BYTES];
} TarxKeysChainWalk;

typedef enum TarxKeysChainBreak
{
	TARX_KEYS_CHAIN_WHOLE = 0,
	TARX_KEYS_CHAIN_MISSING,	/* or reordered */
	TARX_KEYS_CHAIN_CHANGED,	/* has no stamp, or what can have none */
	TARX_KEYS_CHAIN_DISPLACED,	/* the stamp is not that of this row here */
	TARX_KEYS_CHAIN_SHORT,
	TARX_KEYS_CHAIN_LONG,
	TARX_KEYS_CHAIN_OTHER_END
} TarxKeysChainBreak;

extern void tarx_keys_chain_start(TarxKeysChainEnds *ends, int lane);
extern int64_t tarx_keys_chain_next(int64_t seq);
extern bool tarx_keys_chain_stamp(uint8_t *stamp, const uint8_t *key, const uint8_t *previous,
								  TarxKeysBinding *row);
extern void tarx_keys_chain_walk_begin(TarxKeysChainWalk *walk, const TarxKeysChainEnds *ends);
extern TarxKeysChainBreak tarx_keys_chain_walk_row(TarxKeysChainWalk *walk, const uint8_t *key,
												   int64_t seq, const uint8_t *stored, size_t len,
												   TarxKeysBinding *row);
extern TarxKeysChainBreak tarx_keys_chain_walk_end(const TarxKeysChainWalk *walk,
												   const TarxKeysChainEnds *ends);
extern int64_t tarx_keys_chain_broken_at(const TarxKeysChainWalk *walk,
										 const TarxKeysChainEnds *ends, TarxKeysChainBreak why);
extern const char *tarx_keys_chain_break_text(TarxKeysChainBreak why);

#endif							/* TARX_KEYS_AUDIT_CHAIN_H */
