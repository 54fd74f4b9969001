/*
 * maintenance.h
 *	  What the DBA calls: rotation, verification, keyring status, doctor.
 *
 * Include after postgres.h.
 */
#ifndef TARX_KEYS_MAINTENANCE_H
#define TARX_KEYS_MAINTENANCE_H

#include "storage/block.h"
#include "storage/lwlock.h"

/* rotation_shmem.c: what the sessions of a rotation know of each other */
typedef struct TarxKeysBlockRange
{
	BlockNumber first;
	BlockNumber end;			/* the first one behind it */
} TarxKeysBlockRange;

extern Size tarx_keys_rotation_shmem_size(void);
extern void tarx_keys_rotation_shmem_startup(LWLock *rotation_lock);
extern bool tarx_keys_rotation_claim(Oid part, BlockNumber nblocks, const TarxKeysBlockRange *last,
									 TarxKeysBlockRange *next);
extern TarxKeysBlockRange tarx_keys_rotation_range(Oid part, BlockNumber nblocks, BlockNumber block);
extern void tarx_keys_rotation_note(int table, int64 resealed);

#endif							/* TARX_KEYS_MAINTENANCE_H */
