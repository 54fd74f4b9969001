/*
 * audit_chain.c
 *	  The chains of the audit log: how a row hangs on the one before it.
 *
 * A row's stamp is a MAC, with the key of its chain, over the row (as an
 * envelope's AAD has fields, see envelope.c) and the stamp of the row before it
 * as the last field.  A project has several chains, in lanes: row seq belongs
 * to lane (seq - 1) % LANES, from 0, and follows row seq - LANES.
 *
 * With its ends and its key, which are sealed elsewhere, rows can be missing
 * neither in the middle of a chain nor at its ends, nor be changed, moved or
 * added.
 *
 * Threat: an attacker may write any bytes into any row, but has no key.
 */
#include "pure/audit_chain.h"

#include <sodium.h>
#include <string.h>

/* Unsigned, because numbers come from rows that anybody may have written. */
static int64_t
step(int64_t seq, int64_t rows)
{
	return (int64_t) ((uint64_t) seq + (uint64_t) (rows * TARX_KEYS_AUDIT_LANES));
}

/* The ends of a chain without rows */
void
tarx_keys_chain_start(TarxKeysChainEnds *ends, int lane)
{
	memset(ends, 0, sizeof(*ends));
	ends->first_seq = lane + 1;
	ends->last_seq = step(ends->first_seq, -1);
}

/* The row that follows row seq in its chain */
int64_t
tarx_keys_chain_next(int64_t seq)
{
	return step(seq, 1);
}

/*
 * Make the stamp of a row, which may have the place of the previous stamp.
 * The row gets the previous stamp as a further field.  False, and nothing
 * written, if the row is too long.
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

/* Begin to follow a chain from its first row. */
void
tarx_keys_chain_walk_begin(TarxKeysChainWalk *walk, const TarxKeysChainEnds *ends)
{
	walk->seq = step(ends->first_seq, -1);
	memcpy(walk->stamp, ends->first_stamp, TARX_KEYS_MAC_BYTES);
}

/*
 * Take the next row, which has this number and, in len bytes, this stamp; row
 * is what the stamp is over, or NULL if that cannot be.  If it is not the row
 * that was written, the walk stays where it is.
 */
TarxKeysChainBreak
tarx_keys_chain_walk_row(TarxKeysChainWalk *walk, const uint8_t *key, int64_t seq,
						 const uint8_t *stored, size_t len, TarxKeysBinding *row)
{
	uint8_t		right[TARX_KEYS_MAC_BYTES];

	if (seq != tarx_keys_chain_next(walk->seq))
		return TARX_KEYS_CHAIN_MISSING;
	if (len != TARX_KEYS_MAC_BYTES || row == NULL ||
		!tarx_keys_chain_stamp(right, key, walk->stamp, row))
		return TARX_KEYS_CHAIN_CHANGED;
	if (sodium_memcmp(stored, right, TARX_KEYS_MAC_BYTES) != 0)
		return TARX_KEYS_CHAIN_DISPLACED;
	walk->seq = seq;
	memcpy(walk->stamp, right, TARX_KEYS_MAC_BYTES);
	return TARX_KEYS_CHAIN_WHOLE;
}

/* There are no more rows: is the last one that was taken the last one written? */
TarxKeysChainBreak
tarx_keys_chain_walk_end(const TarxKeysChainWalk *walk, const TarxKeysChainEnds *ends)
{
	if (walk->seq < ends->last_seq)
		return TARX_KEYS_CHAIN_SHORT;
	if (walk->seq > ends->last_seq)
		return TARX_KEYS_CHAIN_LONG;
	if (sodium_memcmp(walk->stamp, ends->last_stamp, TARX_KEYS_MAC_BYTES) != 0)
		return TARX_KEYS_CHAIN_OTHER_END;
	return TARX_KEYS_CHAIN_WHOLE;
}

/* The number of the row at which a chain breaks */
int64_t
tarx_keys_chain_broken_at(const TarxKeysChainWalk *walk, const TarxKeysChainEnds *ends,
						  TarxKeysChainBreak why)
{
	if (why == TARX_KEYS_CHAIN_LONG)
		return tarx_keys_chain_next(ends->last_seq);
	if (why == TARX_KEYS_CHAIN_OTHER_END)
		return walk->seq;
	return tarx_keys_chain_next(walk->seq);
}

/* For a reader of verify_audit() */
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
