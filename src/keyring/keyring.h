/*
 * keyring.h
 *	  The master keyring: where it comes from, where it is kept, and what is
 *	  done with its keys.
 *
 * Include after postgres.h.
 */
#ifndef TARX_KEYS_KEYRING_H
#define TARX_KEYS_KEYRING_H

#include "base/base.h"

/* sealing.c: values in and out of envelopes */
typedef enum TarxKeysRowState	/* SQL has these as numbers; the worst is the
								 * greatest */
{
	TARX_KEYS_ROW_OK,
	TARX_KEYS_ROW_WITHOUT_MASTER_KEY,
	TARX_KEYS_ROW_TAMPERED
} TarxKeysRowState;

/* A subkey, and what it is for */
typedef struct TarxKeysSubkey
{
	const char *purpose;		/* NULL: there is none yet */
	uint8		scope[TARX_KEYS_SCOPE_BYTES];
	uint8		fingerprint[TARX_KEYS_FINGERPRINT_BYTES];
	uint8		key[TARX_KEYS_SUBKEY_BYTES];
	TarxKeysSecret *secret;
} TarxKeysSubkey;

extern TarxKeysSubkey *tarx_keys_keep_subkey(void);
extern bool tarx_keys_find_subkey(TarxKeysSubkey *subkey, const TarxKeysBinding *binding,
								  const uint8 *fingerprint);
extern void tarx_keys_active_subkey(TarxKeysSubkey *subkey, const TarxKeysBinding *binding);
extern bytea *tarx_keys_seal(const TarxKeysBinding *binding, const TarxKeysText *value);
extern TarxKeysRowState tarx_keys_check_envelope(const TarxKeysBinding *binding, bytea *envelope);
extern TarxKeysRowState tarx_keys_try_open(TarxKeysSubkey *kept, const TarxKeysBinding *binding,
										   bytea *envelope, TarxKeysText *value);
extern bool tarx_keys_master_key_is_missing(bytea *envelope);
extern bool tarx_keys_open(TarxKeysSubkey *kept, const TarxKeysBinding *binding, bytea *envelope,
						   bool as_utf8, TarxKeysText *value);

extern bytea *tarx_keys_stamp(const TarxKeysBinding *binding);
extern TarxKeysRowState tarx_keys_check_stamp(const TarxKeysBinding *binding, bytea *stamp);
pg_noreturn extern void tarx_keys_fail_unverifiable_stamp(bytea *stamp);

extern void tarx_keys_active_public_key(uint8 *public_key);
extern bool tarx_keys_open_box(bytea *box, TarxKeysText *payload);

/* resealing.c: a batch of rows that are sealed again */
typedef struct TarxKeysResealing TarxKeysResealing;

extern TarxKeysResealing *tarx_keys_resealing_begin(void);
extern void tarx_keys_resealing_end(TarxKeysResealing *batch);
extern bytea *tarx_keys_reseal_envelope(TarxKeysResealing *batch, const TarxKeysBinding *binding,
										bytea *envelope);
extern bytea *tarx_keys_restamp(TarxKeysResealing *batch, const TarxKeysBinding *binding,
								bytea *stamp);

/* keyring_page.c: the keyring in shared memory */
typedef struct TarxKeysKeyringState
{
	TarxKeysKeyringProblem problem; /* of the last load */
	int			command_status; /* of its command that failed, as of waitpid() */
	TimestampTz settings_as_of; /* it had what was configured by then */
	TimestampTz loaded_at;		/* the keyring in use; 0 if there is none */
	TimestampTz loading_since;	/* a load that is under way; 0 if none is */
} TarxKeysKeyringState;

extern void tarx_keys_page_init(void);
extern bool tarx_keys_page_is_locked(void);
extern void tarx_keys_page_keep_writable(void);
extern void tarx_keys_page_set_pending(const TarxKeysKeyring *ring,
									   TarxKeysKeyringProblem problem, unsigned int entry);
extern TarxKeysKeyringProblem tarx_keys_page_pending(TarxKeysKeyring *ring, unsigned int *entry);
extern void tarx_keys_page_begin_load(void);
extern void tarx_keys_page_publish(const TarxKeysKeyring *ring);
extern void tarx_keys_page_end_load(TarxKeysKeyringProblem problem, int command_status,
									TimestampTz settings_as_of);
extern void tarx_keys_page_abandon_load(void);
extern TarxKeysKeyringState tarx_keys_page_state(void);
extern bool tarx_keys_page_has_keyring(void);
extern int	tarx_keys_page_fingerprints(uint8 (*out)[TARX_KEYS_FINGERPRINT_BYTES]);
extern void tarx_keys_page_active_fingerprint(uint8 active[TARX_KEYS_FINGERPRINT_BYTES]);
extern void tarx_keys_page_active_key(TarxKeysMasterKey *key);
extern bool tarx_keys_page_find_key(const uint8 *fingerprint, TarxKeysMasterKey *key);

/* key_settings.c: the settings that name the keyring, or are it */
extern void tarx_keys_key_settings_init(void);
extern const char *tarx_keys_setting_key_file(void);
extern const char *tarx_keys_setting_key_command(void);
extern int	tarx_keys_setting_key_timeout(void);
extern bool tarx_keys_setting_key_is_set(void);

/* One load of the keyring: how to log what goes wrong, and what has gone wrong */
typedef struct TarxKeysKeyringLoad
{
	int			elevel;
	unsigned int entry;			/* counted from 1; 0 if it is not about one */
	int			command_status;
} TarxKeysKeyringLoad;

/* key_command.c: runs the command that prints the keyring */
extern void tarx_keys_key_command_signals(void);
extern void tarx_keys_key_command_reap(void);
extern TarxKeysKeyringProblem tarx_keys_key_command_read(const char *command, char *text,
														 size_t size, size_t *len,
														 TarxKeysKeyringLoad *load);

/* keyring_source.c: where the keyring comes from */
extern void tarx_keys_keyring_load(TimestampTz settings_as_of, int elevel);
extern TarxKeysKeyringProblem tarx_keys_key_file_problem(const char *path);

/* keyring_problem.c: what is wrong with the keyring, and what to do, in words */
extern bool tarx_keys_keyring_may_recover(TarxKeysKeyringProblem problem);
extern char *tarx_keys_keyring_detail(TarxKeysKeyringProblem problem, int command_status);
extern char *tarx_keys_keyring_hint(TarxKeysKeyringProblem problem);

/* keyring_worker.c: reloads it */
extern void tarx_keys_worker_register(void);

#endif							/* TARX_KEYS_KEYRING_H */
