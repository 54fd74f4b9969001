/*
 * run_ticket.h
 *	  The format of run tickets: what is in one, and its text.
 *
 * No postgres.h here, so that fuzzers and sanitizers reach it.
 */
#ifndef TARX_KEYS_RUN_TICKET_H
#define TARX_KEYS_RUN_TICKET_H

#include "pure/crypto.h"
#include "pure/text_rules.h"

#define TARX_KEYS_RUN_TICKET_VERSION	1
#define TARX_KEYS_RUN_TICKET_PREFIX		"tarx-run-"
#define TARX_KEYS_RUN_TICKET_MAX_TEXT	16384
#define TARX_KEYS_RUN_TICKET_MAX_SECRETS	100
#define TARX_KEYS_RUN_ID_BYTES			16	/* of a project, an agent, a key,
											 * an epoch, a ticket */

/* What a ticket gives a right to */
typedef enum TarxKeysRunKind
{
	TARX_KEYS_RUN_OF_AGENT = 1,
	TARX_KEYS_RUN_OF_KEY = 2
} TarxKeysRunKind;

/* Ids are of TARX_KEYS_RUN_ID_BYTES; times are in microseconds, as the server counts them. */
typedef struct TarxKeysRunTicket
{
	uint8_t		kind;
	const uint8_t *id;			/* random, names the ticket in logs */
	const uint8_t *project_id;
	const uint8_t *object_id;	/* the agent, or the key */
	const uint8_t *project_epoch;
	const uint8_t *agent_epoch; /* NULL for a key */
	TarxKeysSpan user_id;		/* who issued it */
	uint8_t		proven;			/* 1 if login proved that user, 0 if not */
	const uint8_t *platform_key_id; /* by which, or NULL */
	int64_t		issued;
	int64_t		expires;
	int64_t		renewable_until;
	TarxKeysSpan runner_role;	/* its data is NULL for any */
	const uint8_t *recipient_hash;	/* of TARX_KEYS_HASH_BYTES, or NULL for
									 * any */
	uint8_t		nsecrets;
	TarxKeysSpan secret_names[TARX_KEYS_RUN_TICKET_MAX_SECRETS];	/* in ascending order */
} TarxKeysRunTicket;

extern size_t tarx_keys_run_ticket_size(const TarxKeysRunTicket *ticket);
extern void tarx_keys_run_ticket_write(uint8_t *out, const TarxKeysRunTicket *ticket);
extern bool tarx_keys_run_ticket_read(const uint8_t *bytes, size_t len, TarxKeysRunTicket *ticket);
extern bool tarx_keys_run_ticket_names(const TarxKeysRunTicket *ticket, TarxKeysSpan name);

extern size_t tarx_keys_run_ticket_text_size(size_t len);
extern void tarx_keys_run_ticket_to_text(char *text, const uint8_t *bytes, size_t len);
extern bool tarx_keys_run_ticket_from_text(uint8_t *bytes, size_t *len, const char *text, size_t textlen);
extern bool tarx_keys_run_ticket_is_within(const char *text, size_t len);

#endif							/* TARX_KEYS_RUN_TICKET_H */
