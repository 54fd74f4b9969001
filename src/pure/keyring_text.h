/*
 * keyring_text.h
 *	  The master keyring as plain data: parsing, weak keys, fingerprints.
 *
 * No postgres.h here, so that fuzzers and sanitizers reach the parser.
 */
#ifndef TARX_KEYS_KEYRING_TEXT_H
#define TARX_KEYS_KEYRING_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TARX_KEYS_MASTER_KEY_BYTES		32
#define TARX_KEYS_FINGERPRINT_BYTES		8
#define TARX_KEYS_FINGERPRINT_HEX		(2 * TARX_KEYS_FINGERPRINT_BYTES + 1)

/* A rotation needs two keys, a restore from several servers a few more. */
#define TARX_KEYS_KEYRING_MAX_KEYS		16

/* Room for so many keys with comments; a longer source is refused. */
#define TARX_KEYS_KEYRING_MAX_TEXT		16384

/*
 * A master key.  Whoever copies it from a keyring to use it adds the realm, which
 * goes into each of its subkeys; a keyring has none.
 */
typedef struct TarxKeysMasterKey
{
	uint8_t		key[TARX_KEYS_MASTER_KEY_BYTES];
	uint8_t		fingerprint[TARX_KEYS_FINGERPRINT_BYTES];
	const char *realm;			/* not NUL-terminated */
	size_t		realm_len;
} TarxKeysMasterKey;

/* keys[0] encrypts, and all of them decrypt. */
typedef struct TarxKeysKeyring
{
	uint32_t	nkeys;
	TarxKeysMasterKey keys[TARX_KEYS_KEYRING_MAX_KEYS];
} TarxKeysKeyring;

/*
 * Why there is no usable keyring.  These are codes, so that no text from a source
 * leaves the place that read it.
 */
typedef enum TarxKeysKeyringProblem
{
	TARX_KEYS_KEYRING_OK = 0,
	TARX_KEYS_KEYRING_NO_SOURCE,
	TARX_KEYS_KEYRING_SEVERAL_SOURCES,
	TARX_KEYS_KEYRING_NOT_LOCKED,
	TARX_KEYS_KEYRING_NO_MEMORY,
	TARX_KEYS_KEYRING_PATH_RELATIVE,
	TARX_KEYS_KEYRING_FILE_UNREADABLE,
	TARX_KEYS_KEYRING_FILE_NOT_REGULAR,
	TARX_KEYS_KEYRING_FILE_OWNER,
	TARX_KEYS_KEYRING_FILE_MODE,
	TARX_KEYS_KEYRING_COMMAND_FAILED,
	TARX_KEYS_KEYRING_COMMAND_TIMEOUT,
	TARX_KEYS_KEYRING_TOO_LONG,
	TARX_KEYS_KEYRING_EMPTY,
	TARX_KEYS_KEYRING_TOO_MANY,
	TARX_KEYS_KEYRING_MALFORMED,
	TARX_KEYS_KEYRING_WEAK,
	TARX_KEYS_KEYRING_DUPLICATE
} TarxKeysKeyringProblem;

extern TarxKeysKeyringProblem tarx_keys_keyring_check_file(mode_t mode, uid_t owner, uid_t self);
extern TarxKeysKeyringProblem tarx_keys_keyring_parse(const char *text, size_t len,
													  TarxKeysKeyring *ring,
													  unsigned int *entry);
extern const TarxKeysMasterKey *tarx_keys_keyring_find(const TarxKeysKeyring *ring,
													   const uint8_t *fingerprint);
extern const char *tarx_keys_keyring_problem_text(TarxKeysKeyringProblem problem);
extern const char *tarx_keys_keyring_problem_hint(TarxKeysKeyringProblem problem);
extern void tarx_keys_fingerprint_hex(const uint8_t *fingerprint,
									  char out[TARX_KEYS_FINGERPRINT_HEX]);

#endif							/* TARX_KEYS_KEYRING_TEXT_H */
