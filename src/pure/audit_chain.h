/*
 * audit_chain.h
 *	  The chains of the audit log: each row depends on the row before it.
 *
 * No postgres.h here, so that fuzzers and sanitizers reach it.
 */
#ifndef TARX_KEYS_AUDIT_CHAIN_H
#define TARX_KEYS_AUDIT_CHAIN_H

#include "pure/envelope.h"

/* The most chains that a project has, and that a user has */
#define TARX_KEYS_AUDIT_LANES		4

/* More rows than there will ever be; the sum over the lanes fits in an int64 */
#define TARX_KEYS_AUDIT_MAX_SEQ		(INT64_C(1) << 60)

/* As many bytes as a note of a chain's ends can have, and a NUL */
#define TARX_KEYS_CHAIN_NOTE_BYTES	240

/*
 * Where a chain begins and ends.  The row first_seq follows first_stamp.  In an
 * empty chain last_seq is first_seq - TARX_KEYS_AUDIT_LANES, and the stamps are
 * equal.
 */
typedef struct TarxKeysChainEnds
{
	int64_t		first_seq;
	uint8_t		first_stamp[TARX_KEYS_MAC_BYTES];	/* zero until a purge */
	int64_t		last_seq;
	uint8_t		last_stamp[TARX_KEYS_MAC_BYTES];
} TarxKeysChainEnds;

/* How far somebody has followed a chain: the last good row and its stamp */
typedef struct TarxKeysChainWalk
{
	const TarxKeysChainEnds *ends;
	int64_t		seq;
	uint8_t		stamp[TARX_KEYS_MAC_BYTES];
} TarxKeysChainWalk;

typedef enum TarxKeysChainBreak
{
	TARX_KEYS_CHAIN_WHOLE = 0,
	TARX_KEYS_CHAIN_MISSING,	/* another number than the next */
	TARX_KEYS_CHAIN_CHANGED,	/* no stamp, or fields that nothing of ours
								 * can have */
	TARX_KEYS_CHAIN_DISPLACED,	/* not the stamp of this row in this place */
	TARX_KEYS_CHAIN_SHORT,		/* the last rows are missing */
	TARX_KEYS_CHAIN_LONG,		/* there are rows behind the last one */
	TARX_KEYS_CHAIN_OTHER_END	/* the last row has another stamp */
} TarxKeysChainBreak;

extern void tarx_keys_chain_draw_key(uint8_t key[TARX_KEYS_SUBKEY_BYTES]);
extern void tarx_keys_chain_start(TarxKeysChainEnds *ends, int lane);
extern bool tarx_keys_chain_start_above(TarxKeysChainEnds *ends, int lane, int64_t above);
extern bool tarx_keys_chain_can_go_on(const TarxKeysChainEnds *ends, int lane);
extern int64_t tarx_keys_chain_next(int64_t seq);
extern bool tarx_keys_chain_stamp(uint8_t *stamp, const uint8_t *key, const uint8_t *previous,
								  TarxKeysBinding *row);
extern void tarx_keys_chain_walk_begin(TarxKeysChainWalk *walk, const TarxKeysChainEnds *ends);
extern TarxKeysChainBreak tarx_keys_chain_walk_row(TarxKeysChainWalk *walk, const uint8_t *key,
												   int64_t seq, const uint8_t *stored, size_t len,
												   TarxKeysBinding *row);
extern TarxKeysChainBreak tarx_keys_chain_walk_end(const TarxKeysChainWalk *walk);
extern int64_t tarx_keys_chain_broken_at(const TarxKeysChainWalk *walk, TarxKeysChainBreak why);
extern const char *tarx_keys_chain_break_text(TarxKeysChainBreak why);
extern void tarx_keys_chain_note(char out[TARX_KEYS_CHAIN_NOTE_BYTES], int lane,
								 const uint8_t *fingerprint, const TarxKeysChainEnds *ends);
extern bool tarx_keys_chain_is_noted(const char *notes, const TarxKeysChainEnds *ends);
extern bool tarx_keys_chain_lane_is_noted(const char *notes, int lane);

#endif							/* TARX_KEYS_AUDIT_CHAIN_H */
