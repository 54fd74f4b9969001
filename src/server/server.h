/*
 * server.h
 *	  What loading the extension consists of.
 *
 * Include after postgres.h.
 */
#ifndef TARX_KEYS_SERVER_H
#define TARX_KEYS_SERVER_H

#include "base/base.h"

/* hooks.c: what must be called before other libraries' hooks */
extern void tarx_keys_hooks_init(void);

/* shmem.c: our part of PostgreSQL's shared memory */
extern void tarx_keys_shmem_init(void);

#endif							/* TARX_KEYS_SERVER_H */
