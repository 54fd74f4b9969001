/*
 * crypto.c
 *	  Key derivation and authenticated encryption by libsodium.
 *
 * Subkeys come from BLAKE2b (RFC 7693).  Its input is the realm, which may be
 * empty.  Its key is the master key, its salt is the 16 bytes of the scope (a
 * project's uuid), and its personalisation is a 16-byte purpose.  So no two realms,
 * scopes or purposes share a subkey.
 *
 * Values are encrypted with XChaCha20-Poly1305 (IETF construction,
 * draft-irtf-cfrg-xchacha).  Its nonces have 24 bytes, which is enough to draw
 * them at random.
 *
 * Values that travel are sealed by crypto_box_seal (X25519 with a new key pair
 * for each box, XSalsa20-Poly1305), because every libsodium has it, that of a
 * browser too.
 */
#include "pure/crypto.h"

#include <sodium.h>

_Static_assert(TARX_KEYS_SCOPE_BYTES == crypto_generichash_blake2b_SALTBYTES, "salt size");
_Static_assert(TARX_KEYS_PURPOSE_BYTES == crypto_generichash_blake2b_PERSONALBYTES, "purpose size");
_Static_assert(TARX_KEYS_SUBKEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key size");
_Static_assert(TARX_KEYS_NONCE_BYTES == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "nonce size");
_Static_assert(TARX_KEYS_BOX_KEY_BYTES == crypto_box_PUBLICKEYBYTES, "public key size");
_Static_assert(TARX_KEYS_BOX_KEY_BYTES == crypto_box_SECRETKEYBYTES, "secret key size");
_Static_assert(TARX_KEYS_SUBKEY_BYTES == crypto_box_SEEDBYTES, "seed size");
_Static_assert(TARX_KEYS_BOX_OVERHEAD == crypto_box_SEALBYTES, "box size");
_Static_assert(TARX_KEYS_TAG_BYTES == crypto_aead_xchacha20poly1305_ietf_ABYTES, "tag size");

/*
 * BLAKE2b and X25519 leave keys on the stack, where the caller cannot reach
 * them.  They use less than this.
 */
#define STACK_BYTES		4096

/* exactly 16 bytes; not NUL-terminated */
static const uint8_t fingerprint_purpose[TARX_KEYS_PURPOSE_BYTES] = {
	't', 'a', 'r', 'x', '.', 'f', 'i', 'n', 'g', 'e', 'r', 'p', 'r', 'i', 'n', 't'
};

/*
 * Write the fingerprint of a master key, TARX_KEYS_FINGERPRINT_BYTES long.  It
 * identifies the key and reveals nothing about it: it is the start of a hash
 * with a purpose of its own, keyed with the key itself.
 */
void
tarx_keys_fingerprint(uint8_t *fingerprint, const uint8_t *master_key)
{
	static const uint8_t no_salt[TARX_KEYS_SCOPE_BYTES] = {0};
	uint8_t		hash[crypto_generichash_blake2b_BYTES_MIN];

	(void) crypto_generichash_blake2b_salt_personal(hash, sizeof(hash), NULL, 0,
													master_key,
													TARX_KEYS_MASTER_KEY_BYTES,
													no_salt, fingerprint_purpose);
	for (int i = 0; i < TARX_KEYS_FINGERPRINT_BYTES; i++)
		fingerprint[i] = hash[i];
	sodium_memzero(hash, sizeof(hash));
	sodium_stackzero(STACK_BYTES);
}

/*
 * Derive the subkey, TARX_KEYS_SUBKEY_BYTES long, of a scope (16 bytes) and a
 * purpose (16 characters), in the realm of the master key.  The caller wipes it.
 */
void
tarx_keys_subkey(uint8_t *subkey, const TarxKeysMasterKey *master, const uint8_t *scope,
				 const char *purpose)
{
	(void) crypto_generichash_blake2b_salt_personal(subkey, TARX_KEYS_SUBKEY_BYTES,
													(const uint8_t *) master->realm,
													master->realm_len, master->key,
													TARX_KEYS_MASTER_KEY_BYTES,
													scope,
													(const uint8_t *) purpose);
	sodium_stackzero(STACK_BYTES);
}

/*
 * Write the MAC of a message, TARX_KEYS_MAC_BYTES long: BLAKE2b keyed with the
 * subkey.  BLAKE2b with a key is a MAC by design.
 */
void
tarx_keys_mac(uint8_t *mac, const uint8_t *subkey, const uint8_t *message, size_t len)
{
	(void) crypto_generichash(mac, TARX_KEYS_MAC_BYTES, message, len, subkey,
							  TARX_KEYS_SUBKEY_BYTES);
	sodium_stackzero(STACK_BYTES);
}

/* Write the hash of a message, TARX_KEYS_HASH_BYTES long: BLAKE2b without a key. */
void
tarx_keys_hash(uint8_t *hash, const uint8_t *message, size_t len)
{
	(void) crypto_generichash(hash, TARX_KEYS_HASH_BYTES, message, len, NULL, 0);
	sodium_stackzero(STACK_BYTES);
}

/*
 * Encrypt to out[0 .. plainlen + TARX_KEYS_TAG_BYTES).  The caller draws a new
 * nonce, TARX_KEYS_NONCE_BYTES long, for each message.
 */
void
tarx_keys_encrypt(uint8_t *out, const uint8_t *plain, size_t plainlen,
				  const uint8_t *aad, size_t aadlen, const uint8_t *nonce,
				  const uint8_t *subkey)
{
	(void) crypto_aead_xchacha20poly1305_ietf_encrypt(out, NULL, plain, plainlen,
													  aad, aadlen, NULL, nonce,
													  subkey);
}

/*
 * Decrypt to out[0 .. sealedlen - TARX_KEYS_TAG_BYTES).  Returns false, with
 * nothing of the plaintext in out, unless the bytes and the AAD are what was
 * encrypted with this nonce and subkey.  If out is NULL, this only checks that
 * they are: libsodium decrypts nothing then.
 */
bool
tarx_keys_decrypt(uint8_t *out, const uint8_t *sealed, size_t sealedlen,
				  const uint8_t *aad, size_t aadlen, const uint8_t *nonce,
				  const uint8_t *subkey)
{
	return sealedlen >= TARX_KEYS_TAG_BYTES &&
		crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed,
												   sealedlen, aad, aadlen, nonce,
												   subkey) == 0;
}

/*
 * Make the key pair of a seed.  All three are TARX_KEYS_BOX_KEY_BYTES long.  The
 * caller wipes the secret key.
 */
void
tarx_keys_box_key_pair(uint8_t *public_key, uint8_t *secret_key, const uint8_t *seed)
{
	(void) crypto_box_seed_keypair(public_key, secret_key, seed);
	sodium_stackzero(STACK_BYTES);
}

/*
 * Seal to box[0 .. len + TARX_KEYS_BOX_OVERHEAD), so that only the secret key
 * opens it.  Returns false for a public key that is so weak that anybody could
 * open the box.
 */
bool
tarx_keys_box_seal(uint8_t *box, const uint8_t *plain, size_t len,
				   const uint8_t *public_key)
{
	bool		ok = crypto_box_seal(box, plain, len, public_key) == 0;

	sodium_stackzero(STACK_BYTES);
	return ok;
}

/*
 * Open a box to plain[0 .. len - TARX_KEYS_BOX_OVERHEAD).  Returns false, with
 * nothing of the plaintext in plain, unless the box was sealed to this key pair.
 */
bool
tarx_keys_box_open(uint8_t *plain, const uint8_t *box, size_t len,
				   const uint8_t *public_key, const uint8_t *secret_key)
{
	bool		ok;

	ok = len >= TARX_KEYS_BOX_OVERHEAD &&
		crypto_box_seal_open(plain, box, len, public_key, secret_key) == 0;
	sodium_stackzero(STACK_BYTES);
	return ok;
}
