/*
 * audit_chain.c
 *	  The chains of the audit log: each row depends on the row before it.
 *
 * A row's stamp is a MAC with the chain's key.  It covers the fields of the row,
 * put together like the AAD of an envelope (see envelope.c), and then the stamp
 * of the row before it as one more field.
 *
 * A project has one chain or a few, called lanes and counted from 0.  Row seq belongs
 * to lane (seq - 1) % TARX_KEYS_AUDIT_LANES and follows row
 * seq - TARX_KEYS_AUDIT_LANES.
 *
 * The key and the ends of a chain are sealed elsewhere.  Whoever has them can
 * tell whether a row is missing, at the ends too, and whether a row was changed,
 * moved or added.
 *
 * Where the key cannot be had any more, a new generation of chains begins.  Its
 * first row has a note of the ends of the generation before, as they were found.
 *
 * Threat: an attacker may write any bytes into any row, but has no key.
 */
#include "pure/audit_chain.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define STAMP_HEX	(2 * TARX_KEYS_MAC_BYTES + 1)

/* As many bytes as write_end() can need */
#define END_BYTES	100

/* As many bytes as write_lane() can need */
#define LANE_BYTES	20

/*
 * The number that is so many rows later in the same lane.  Rows hold whatever
 * somebody wrote into them, so this wraps around instead of overflowing.
 */
static int64_t
step(int64_t seq, int64_t rows)
{
	return (int64_t) ((uint64_t) seq + (uint64_t) (rows * TARX_KEYS_AUDIT_LANES));
}

/* Draw the key of a chain that has no rows yet. */
void
tarx_keys_chain_draw_key(uint8_t key[TARX_KEYS_SUBKEY_BYTES])
{
	randombytes_buf(key, TARX_KEYS_SUBKEY_BYTES);
}

/* Set the ends of a chain that has no rows yet. */
void
tarx_keys_chain_start(TarxKeysChainEnds *ends, int lane)
{
	memset(ends, 0, sizeof(*ends));
	ends->first_seq = lane + 1;
	ends->last_seq = step(ends->first_seq, -1);
}

/*
 * Set the ends of a chain that has no rows yet, and whose first row has a number
 * above this one.  So have the first rows of the other lanes, together with which
 * it starts.  False if the number is none that rows of ours have, because somebody
 * may have chosen it so that no numbers are left.
 */
bool
tarx_keys_chain_start_above(TarxKeysChainEnds *ends, int lane, int64_t above)
{
	int64_t		base;

	if (above < 0 || above > TARX_KEYS_AUDIT_MAX_SEQ - 2 * TARX_KEYS_AUDIT_LANES)
		return false;
	base = above - above % TARX_KEYS_AUDIT_LANES + TARX_KEYS_AUDIT_LANES;
	tarx_keys_chain_start(ends, lane);
	ends->first_seq += base;
	ends->last_seq += base;
	return true;
}

/* Can a lane's chain go on behind its last row, by what that row's number is? */
bool
tarx_keys_chain_can_go_on(const TarxKeysChainEnds *ends, int lane)
{
	return ends->last_seq > -TARX_KEYS_AUDIT_LANES && ends->last_seq <= TARX_KEYS_AUDIT_MAX_SEQ &&
		(uint64_t) (ends->last_seq - 1) % TARX_KEYS_AUDIT_LANES == (uint64_t) lane;
}

/* The number of the row that follows row seq in its chain. */
int64_t
tarx_keys_chain_next(int64_t seq)
{
	return step(seq, 1);
}

/*
 * Make the stamp of a row.  row has the row's fields; the previous stamp is added
 * to it, so it serves only once.  stamp and previous may be the same memory.
 * Returns false, and leaves stamp as it is, if the row is too long to be bound.
 */
bool
tarx_keys_chain_stamp(uint8_t *stamp, const uint8_t *key, const uint8_t *previous,
					  TarxKeysBinding *row)
{
	tarx_keys_binding_add(row, previous, TARX_KEYS_MAC_BYTES);
	if (row->overflow)
		return false;
	tarx_keys_mac(stamp, key, row->aad, row->len);
	return true;
}

/* Start to follow a chain.  The ends must outlive the walk. */
void
tarx_keys_chain_walk_begin(TarxKeysChainWalk *walk, const TarxKeysChainEnds *ends)
{
	walk->ends = ends;
	walk->seq = step(ends->first_seq, -1);
	memcpy(walk->stamp, ends->first_stamp, TARX_KEYS_MAC_BYTES);
}

/*
 * Check the next row, by ascending number, and walk on to it.  seq is the row's
 * number and stored, with len bytes, its stamp.  row has the row's fields, and
 * serves only once; it is NULL if nothing of ours can have such fields.
 *
 * If this is not the row that was written there, the walk stays where it is.
 */
TarxKeysChainBreak
tarx_keys_chain_walk_row(TarxKeysChainWalk *walk, const uint8_t *key, int64_t seq,
						 const uint8_t *stored, size_t len, TarxKeysBinding *row)
{
	uint8_t		right[TARX_KEYS_MAC_BYTES];
	TarxKeysChainBreak why;

	/* a caller that stops early must not accept rows behind the end either */
	if (walk->seq >= walk->ends->last_seq)
	{
		why = tarx_keys_chain_walk_end(walk);
		return why == TARX_KEYS_CHAIN_WHOLE ? TARX_KEYS_CHAIN_LONG : why;
	}
	if (seq != tarx_keys_chain_next(walk->seq))
		return TARX_KEYS_CHAIN_MISSING;
	if (len != TARX_KEYS_MAC_BYTES || row == NULL ||
		!tarx_keys_chain_stamp(right, key, walk->stamp, row))
		return TARX_KEYS_CHAIN_CHANGED;
	why = TARX_KEYS_CHAIN_DISPLACED;
	if (sodium_memcmp(stored, right, TARX_KEYS_MAC_BYTES) == 0)
	{
		walk->seq = seq;
		memcpy(walk->stamp, right, TARX_KEYS_MAC_BYTES);
		why = TARX_KEYS_CHAIN_WHOLE;
	}
	/* a changed row must not leave the stamp that it would need in memory */
	sodium_memzero(right, sizeof(right));
	return why;
}

/* There are no more rows: did the walk end at the last row that was written? */
TarxKeysChainBreak
tarx_keys_chain_walk_end(const TarxKeysChainWalk *walk)
{
	if (walk->seq < walk->ends->last_seq)
		return TARX_KEYS_CHAIN_SHORT;
	if (walk->seq > walk->ends->last_seq)
		return TARX_KEYS_CHAIN_LONG;
	if (sodium_memcmp(walk->stamp, walk->ends->last_stamp, TARX_KEYS_MAC_BYTES) != 0)
		return TARX_KEYS_CHAIN_OTHER_END;
	return TARX_KEYS_CHAIN_WHOLE;
}

/* The number of the row at which the chain breaks; why is not WHOLE. */
int64_t
tarx_keys_chain_broken_at(const TarxKeysChainWalk *walk, TarxKeysChainBreak why)
{
	if (why == TARX_KEYS_CHAIN_LONG)
		return tarx_keys_chain_next(walk->ends->last_seq);
	if (why == TARX_KEYS_CHAIN_OTHER_END)
		return walk->seq;
	return tarx_keys_chain_next(walk->seq);
}

/* The reason that verify_audit() gives */
const char *
tarx_keys_chain_break_text(TarxKeysChainBreak why)
{
	switch (why)
	{
		case TARX_KEYS_CHAIN_WHOLE:
			break;
		case TARX_KEYS_CHAIN_MISSING:
			return "row missing or reordered";
		case TARX_KEYS_CHAIN_CHANGED:
			return "row changed";
		case TARX_KEYS_CHAIN_DISPLACED:
			return "row changed, or not the one that followed";
		case TARX_KEYS_CHAIN_SHORT:
			return "row missing at the end";
		case TARX_KEYS_CHAIN_LONG:
			return "row beyond the end";
		case TARX_KEYS_CHAIN_OTHER_END:
			return "row is not the one that was the last";
	}
	return "whole";
}

/*
 * Notes of the ends of a chain
 */

/* How a note says where the chain ends: of this depends whether it is the same */
static void
write_end(char out[END_BYTES], const TarxKeysChainEnds *ends)
{
	char		stamp[STAMP_HEX];

	sodium_bin2hex(stamp, sizeof(stamp), ends->last_stamp, TARX_KEYS_MAC_BYTES);
	(void) snprintf(out, END_BYTES, "to row %" PRId64 " with %s", ends->last_seq, stamp);
}

/* How the note of a lane begins */
static void
write_lane(char out[LANE_BYTES], int lane)
{
	(void) snprintf(out, LANE_BYTES, "lane %d: ", lane);
}

/* Write a note of a lane's ends, and of the master key that they are sealed with. */
void
tarx_keys_chain_note(char out[TARX_KEYS_CHAIN_NOTE_BYTES], int lane, const uint8_t *fingerprint,
					 const TarxKeysChainEnds *ends)
{
	char		key[TARX_KEYS_FINGERPRINT_HEX];
	char		stamp[STAMP_HEX];
	char		beginning[LANE_BYTES];
	char		end[END_BYTES];

	write_lane(beginning, lane);
	tarx_keys_fingerprint_hex(fingerprint, key);
	sodium_bin2hex(stamp, sizeof(stamp), ends->first_stamp, TARX_KEYS_MAC_BYTES);
	write_end(end, ends);
	(void) snprintf(out, TARX_KEYS_CHAIN_NOTE_BYTES,
					"%smaster key %s, from row %" PRId64 " behind %s, %s",
					beginning, key, ends->first_seq, stamp, end);
}

/*
 * Does a text of several notes have one of a chain with this end?  A purge moves
 * the beginning, and a rotation changes the master key, so these may differ.
 */
bool
tarx_keys_chain_is_noted(const char *notes, const TarxKeysChainEnds *ends)
{
	char		end[END_BYTES];

	write_end(end, ends);
	return strstr(notes, end) != NULL;
}

/* Does such a text have a note of this lane? */
bool
tarx_keys_chain_lane_is_noted(const char *notes, int lane)
{
	char		beginning[LANE_BYTES];

	write_lane(beginning, lane);
	return strstr(notes, beginning) != NULL;
}
