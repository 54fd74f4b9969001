/*
 * keyring_text.c
 *	  Reads a master keyring from its textual form.
 *
 * A keyring is one or more keys of 32 bytes with commas or newlines between
 * them.  A key is written as 64 hexadecimal digits or in base64 (RFC 4648,
 * standard alphabet, padding optional).  "#" starts a comment that ends with the
 * line.
 *
 * Invariants: a keyring that is refused is wiped, never half filled.  Apart from
 * the keys themselves, no result contains any part of the text.
 */
#include "pure/keyring_text.h"

#include <sodium.h>
#include <string.h>
#include <sys/stat.h>

#include "pure/crypto.h"

static bool
is_separator(char c)
{
	return c == ',' || c == '\n';
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Step over separators, blanks and comments to the next entry. */
static size_t
skip_to_entry(const char *text, size_t len, size_t pos)
{
	while (pos < len)
	{
		if (text[pos] == '#')
		{
			while (pos < len && text[pos] != '\n')
				pos++;
		}
		else if (is_separator(text[pos]) || is_blank(text[pos]))
			pos++;
		else
			break;
	}
	return pos;
}

static size_t
entry_end(const char *text, size_t len, size_t pos)
{
	while (pos < len && !is_separator(text[pos]) && !is_blank(text[pos]) &&
		   text[pos] != '#')
		pos++;
	return pos;
}

/*
 * libsodium 1.0.18 takes bytes beyond ASCII for digits where char is signed, so
 * it must not see any.
 */
static bool
decode_base64(const char *text, size_t len, uint8_t *key, int variant)
{
	size_t		got;

	for (size_t i = 0; i < len; i++)
	{
		if ((unsigned char) text[i] >= 0x80)
			return false;
	}
	return sodium_base642bin(key, TARX_KEYS_MASTER_KEY_BYTES, text, len, NULL,
							 &got, NULL, variant) == 0 &&
		got == TARX_KEYS_MASTER_KEY_BYTES;
}

static bool
is_hex(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		if (memchr("0123456789abcdefABCDEF", text[i], 22) == NULL)
			return false;
	}
	return true;
}

/*
 * The length alone decides between the two forms: base64 of 32 bytes has 43 or
 * 44 characters.  But 43 characters that all are hexadecimal digits are the start
 * of a longer key that somebody cut off.
 */
static bool
decode_key(const char *text, size_t len, uint8_t *key)
{
	size_t		got;

	if (len == 2 * TARX_KEYS_MASTER_KEY_BYTES)
		return sodium_hex2bin(key, TARX_KEYS_MASTER_KEY_BYTES, text, len, NULL,
							  &got, NULL) == 0 &&
			got == TARX_KEYS_MASTER_KEY_BYTES;
	return decode_base64(text, len, key, sodium_base64_VARIANT_ORIGINAL) ||
		(!is_hex(text, len) &&
		 decode_base64(text, len, key, sodium_base64_VARIANT_ORIGINAL_NO_PADDING));
}

/* A buffer that nobody filled is all zero; any other byte repeated is as bad. */
static bool
is_weak(const uint8_t *key)
{
	uint8_t		differs = 0;

	for (int i = 1; i < TARX_KEYS_MASTER_KEY_BYTES; i++)
		differs |= key[i] ^ key[0];
	return differs == 0;
}

static bool
holds_key(const TarxKeysKeyring *ring, const uint8_t *key)
{
	for (uint32_t i = 0; i < ring->nkeys; i++)
	{
		if (sodium_memcmp(ring->keys[i].key, key, TARX_KEYS_MASTER_KEY_BYTES) == 0)
			return true;
	}
	return false;
}

static TarxKeysKeyringProblem
add_entry(TarxKeysKeyring *ring, const char *text, size_t len)
{
	TarxKeysMasterKey *next;

	if (ring->nkeys == TARX_KEYS_KEYRING_MAX_KEYS)
		return TARX_KEYS_KEYRING_TOO_MANY;
	next = &ring->keys[ring->nkeys];
	if (!decode_key(text, len, next->key))
		return TARX_KEYS_KEYRING_MALFORMED;
	if (is_weak(next->key))
		return TARX_KEYS_KEYRING_WEAK;
	if (holds_key(ring, next->key))
		return TARX_KEYS_KEYRING_DUPLICATE;
	tarx_keys_fingerprint(next->fingerprint, next->key);
	ring->nkeys++;
	return TARX_KEYS_KEYRING_OK;
}

/*
 * Parse text[0 .. len) into *ring.  If an entry is refused, *entry is its number,
 * counted from 1, for the log.  sodium_init() must have run.
 */
TarxKeysKeyringProblem
tarx_keys_keyring_parse(const char *text, size_t len, TarxKeysKeyring *ring,
						unsigned int *entry)
{
	TarxKeysKeyringProblem problem = TARX_KEYS_KEYRING_OK;
	size_t		pos;

	sodium_memzero(ring, sizeof(*ring));
	*entry = 0;
	pos = skip_to_entry(text, len, 0);
	while (pos < len && problem == TARX_KEYS_KEYRING_OK)
	{
		size_t		end = entry_end(text, len, pos);

		(*entry)++;
		problem = add_entry(ring, text + pos, end - pos);
		/* two words without a separator are one malformed entry, not two keys */
		while (end < len && is_blank(text[end]))
			end++;
		if (problem == TARX_KEYS_KEYRING_OK && end < len &&
			!is_separator(text[end]) && text[end] != '#')
			problem = TARX_KEYS_KEYRING_MALFORMED;
		pos = skip_to_entry(text, len, end);
	}
	if (problem == TARX_KEYS_KEYRING_OK && ring->nkeys == 0)
		problem = TARX_KEYS_KEYRING_EMPTY;
	if (problem != TARX_KEYS_KEYRING_OK)
		sodium_memzero(ring, sizeof(*ring));
	return problem;
}

/*
 * The key with this fingerprint, or NULL.  Fingerprints are not secret, so the
 * comparison need not take constant time.
 */
const TarxKeysMasterKey *
tarx_keys_keyring_find(const TarxKeysKeyring *ring, const uint8_t *fingerprint)
{
	for (uint32_t i = 0; i < ring->nkeys && i < TARX_KEYS_KEYRING_MAX_KEYS; i++)
	{
		if (memcmp(ring->keys[i].fingerprint, fingerprint,
				   TARX_KEYS_FINGERPRINT_BYTES) == 0)
			return &ring->keys[i];
	}
	return NULL;
}

/* Write a fingerprint in hexadecimal digits, with a final NUL. */
void
tarx_keys_fingerprint_hex(const uint8_t *fingerprint, char out[TARX_KEYS_FINGERPRINT_HEX])
{
	sodium_bin2hex(out, TARX_KEYS_FINGERPRINT_HEX, fingerprint,
				   TARX_KEYS_FINGERPRINT_BYTES);
}

/*
 * May a keyring come from a file of this mode and owner?  The rule of ssl_key_file:
 * private to the server's user, who is self, or root's and read by a group.
 */
TarxKeysKeyringProblem
tarx_keys_keyring_check_file(mode_t mode, uid_t owner, uid_t self)
{
	mode_t		refused = owner == self ? S_IRWXG | S_IRWXO : S_IWGRP | S_IXGRP | S_IRWXO;

	if (!S_ISREG(mode))
		return TARX_KEYS_KEYRING_FILE_NOT_REGULAR;
	if (owner != self && owner != 0)
		return TARX_KEYS_KEYRING_FILE_OWNER;
	return (mode & refused) != 0 ? TARX_KEYS_KEYRING_FILE_MODE : TARX_KEYS_KEYRING_OK;
}

/* A full sentence for errdetail().  It contains no part of any source. */
const char *
tarx_keys_keyring_problem_text(TarxKeysKeyringProblem problem)
{
	switch (problem)
	{
		case TARX_KEYS_KEYRING_OK:
			return "The keyring is usable.";
		case TARX_KEYS_KEYRING_NO_SOURCE:
			return "None of tarx_keys.master_key_file, tarx_keys.master_key_command and tarx_keys.master_key is set.";
		case TARX_KEYS_KEYRING_SEVERAL_SOURCES:
			return "More than one of tarx_keys.master_key_file, tarx_keys.master_key_command and tarx_keys.master_key is set.";
		case TARX_KEYS_KEYRING_NOT_LOCKED:
			return "The memory page for the keyring could not be locked (see ulimit -l).";
		case TARX_KEYS_KEYRING_NO_MEMORY:
			return "There was no memory to read the keyring into.";
		case TARX_KEYS_KEYRING_PATH_RELATIVE:
			return "tarx_keys.master_key_file is not an absolute path.";
		case TARX_KEYS_KEYRING_FILE_UNREADABLE:
			return "The master key file cannot be read.";
		case TARX_KEYS_KEYRING_FILE_NOT_REGULAR:
			return "The master key file is not a regular file.";
		case TARX_KEYS_KEYRING_FILE_OWNER:
			return "The master key file must be owned by the database server's user or by root.";
		case TARX_KEYS_KEYRING_FILE_MODE:
			return "The master key file must have permissions u=rw (0600) or less if owned by the database server's user, or u=rw,g=r (0640) or less if owned by root.";
		case TARX_KEYS_KEYRING_COMMAND_FAILED:
			return "The master key command failed.";
		case TARX_KEYS_KEYRING_COMMAND_TIMEOUT:
			return "The master key command did not end within tarx_keys.master_key_timeout and was killed.";
		case TARX_KEYS_KEYRING_TOO_LONG:
			return "The keyring's text is too long.";
		case TARX_KEYS_KEYRING_EMPTY:
			return "The keyring has no key.";
		case TARX_KEYS_KEYRING_TOO_MANY:
			return "The keyring has too many keys.";
		case TARX_KEYS_KEYRING_MALFORMED:
			return "A key of the keyring is neither 64 hexadecimal digits nor base64 of 32 bytes.";
		case TARX_KEYS_KEYRING_WEAK:
			return "A key of the keyring is one byte repeated.";
		case TARX_KEYS_KEYRING_DUPLICATE:
			return "A key of the keyring occurs twice.";
	}
	return "The keyring is not usable.";
}

/* A full sentence for errhint(): what the reader can do about this problem. */
const char *
tarx_keys_keyring_problem_hint(TarxKeysKeyringProblem problem)
{
	switch (problem)
	{
		case TARX_KEYS_KEYRING_OK:
			return "There is nothing to do.";
		case TARX_KEYS_KEYRING_NO_SOURCE:
			return "Set tarx_keys.master_key_file or tarx_keys.master_key_command, and reload the configuration.";
		case TARX_KEYS_KEYRING_SEVERAL_SOURCES:
			return "Keep one of them and reload the configuration, or restart the server if you remove tarx_keys.master_key.";
		case TARX_KEYS_KEYRING_NOT_LOCKED:
			return "Raise the server's limit for locked memory (LimitMEMLOCK of its systemd unit, or ulimit -l) and restart the server; a reload does not help.";
		case TARX_KEYS_KEYRING_NO_MEMORY:
			return "Free memory on this machine.";
		case TARX_KEYS_KEYRING_PATH_RELATIVE:
			return "Set it to the file's absolute path, and reload the configuration.";
		case TARX_KEYS_KEYRING_FILE_UNREADABLE:
			return "Put the file in its place, or let the database server's user read it and enter the directories above it.";
		case TARX_KEYS_KEYRING_FILE_NOT_REGULAR:
			return "Put a regular file in its place.";
		case TARX_KEYS_KEYRING_FILE_OWNER:
			return "Use chown to give the file to the database server's user.";
		case TARX_KEYS_KEYRING_FILE_MODE:
			return "Use chmod 0600 on the file if it is the database server's user's, or chmod 0640 if it is root's.";
		case TARX_KEYS_KEYRING_COMMAND_FAILED:
			return "Find out what is wrong with the command: the server log has its status and the first line of its standard error.";
		case TARX_KEYS_KEYRING_COMMAND_TIMEOUT:
			return "Find out what the command waits for, or set a longer tarx_keys.master_key_timeout and reload the configuration.";
		case TARX_KEYS_KEYRING_TOO_LONG:
			return "Shorten the keyring to at most 16 KiB.";
		case TARX_KEYS_KEYRING_EMPTY:
			return "Put a master key into the keyring.";
		case TARX_KEYS_KEYRING_TOO_MANY:
			return "Leave at most 16 keys in the keyring.";
		case TARX_KEYS_KEYRING_MALFORMED:
			return "Correct the key, which the server log has the number of; keys have commas or newlines between them.";
		case TARX_KEYS_KEYRING_WEAK:
			return "Replace the key, which the server log has the number of, by 32 random bytes.";
		case TARX_KEYS_KEYRING_DUPLICATE:
			return "Remove one of the two; the server log has the second one's number.";
	}
	return "Look into the server log.";
}
