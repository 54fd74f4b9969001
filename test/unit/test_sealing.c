/*
 * test_sealing.c
 *	  Unit tests of what is done with master keys: each call wipes its copy, in TAP.
 *
 * In a server other calls soon overwrite the stack, so nobody finds there what was not
 * wiped.  So the file is compiled into this program, with a keyring of one key.
 */
#include "tap.h"
#include "guarded.h"
#include "wiped.h"

/* not earlier: it has a printf() of its own */
#include "server.h"

#include "../../src/keyring/sealing.c"
#include "../../src/keyring/resealing.c"

static TarxKeysMasterKey master_key = {.key = {1, 2, 3}, .realm = "realm", .realm_len = 5};

/* what a memory context keeps until it ends */
static void *context[16];
static int	context_len = 0;

void *
palloc(Size size)
{
	void	   *chunk = malloc(size);

	if (chunk == NULL || context_len == lengthof(context))
		abort();
	context[context_len++] = chunk;
	return chunk;
}

void *
palloc0(Size size)
{
	return memset(palloc(size), 0, size);
}

/* The memory that was registered last */
static const void *registered = NULL;
static size_t registered_size = 0;

TarxKeysSecret *
tarx_keys_secret_register(void *data, size_t size)
{
	registered = data;
	registered_size = size;
	return NULL;
}

void
tarx_keys_secret_wipe(TarxKeysSecret *secret)
{
	(void) secret;
}

bool
tarx_keys_page_has_keyring(void)
{
	return true;
}

int
tarx_keys_page_fingerprints(uint8 (*out)[TARX_KEYS_FINGERPRINT_BYTES])
{
	memcpy(out[0], master_key.fingerprint, TARX_KEYS_FINGERPRINT_BYTES);
	return 1;
}

void
tarx_keys_page_active_key(TarxKeysMasterKey *key)
{
	memcpy(key, &master_key, sizeof(*key));
}

bool
tarx_keys_page_find_key(const uint8 *fingerprint, TarxKeysMasterKey *key)
{
	(void) fingerprint;
	memcpy(key, &master_key, sizeof(*key));
	return true;
}

void
tarx_keys_fail_no_keyring(void)
{
	exit(EXIT_FAILURE);
}

void
tarx_keys_fail_master_key_missing(const uint8 *fingerprint)
{
	(void) fingerprint;
	exit(EXIT_FAILURE);
}

TarxKeysText
tarx_keys_secret_from_utf8(TarxKeysText secret)
{
	return secret;
}

static void
check_wiping(void)
{
	static const uint8 scope[TARX_KEYS_SCOPE_BYTES] = {7};
	char		text[] = "value";
	TarxKeysText value = {text, 5, NULL};
	TarxKeysText opened;
	TarxKeysBinding binding;
	TarxKeysSubkey kept = {.purpose = NULL};
	uint8		public_key[TARX_KEYS_BOX_KEY_BYTES];
	bytea	   *box = palloc(VARHDRSZ + TARX_KEYS_BOX_OVERHEAD + 5);
	bytea	   *sealed;

	tarx_keys_binding_init(&binding, "purpose, 16 byte", scope);
	watch(&master_key, sizeof(master_key));
	sealed = tarx_keys_seal(&binding, &value);
	is_int(wiped, 1, "sealing wipes the master key");
	is_int(tarx_keys_check_envelope(&binding, sealed), TARX_KEYS_ROW_OK, "an envelope is checked");
	is_int(wiped, 2, "a check wipes it");
	is_int(tarx_keys_try_open(&kept, &binding, sealed, &opened), TARX_KEYS_ROW_OK, "it opens");
	is_int(wiped, 3, "opening wipes it");
	ok(!tarx_keys_master_key_is_missing(sealed), "its master key is there");
	is_int(wiped, 4, "a look for it wipes it");
	sealed = tarx_keys_stamp(&binding);
	is_int(wiped, 5, "a stamp wipes it");
	is_int(tarx_keys_check_stamp(&binding, sealed), TARX_KEYS_ROW_OK, "a stamp is checked");
	is_int(wiped, 6, "a check of a stamp wipes it");
	tarx_keys_active_public_key(public_key);
	is_int(wiped, 7, "the public key of it wipes it");
	SET_VARSIZE(box, VARHDRSZ + TARX_KEYS_BOX_OVERHEAD + 5);
	ok(tarx_keys_box_seal((uint8 *) VARDATA(box), (const uint8 *) "value", 5, public_key), "a box is sealed");
	ok(tarx_keys_open_box(box, &opened) && memcmp(opened.data, "value", 5) == 0, "and opens");
	is_int(wiped, 8, "a box that is opened wipes it");

	/* the subkey of one row, which nobody keeps */
	sealed = tarx_keys_seal(&binding, &value);
	watch(&kept, sizeof(kept));
	is_int(tarx_keys_try_open(NULL, &binding, sealed, &opened), TARX_KEYS_ROW_OK, "a row opens");
	is_int(wiped, 1, "and its subkey is wiped");
	watch(NULL, 0);
}

/* All of a batch is wiped with its memory context, after an error too. */
static void
check_batch(void)
{
	const TarxKeysResealing *batch = tarx_keys_resealing_begin();

	ok(registered == batch && registered_size == sizeof(*batch), "a batch is registered");
}

int
main(void)
{
	if (sodium_init() < 0)
		return EXIT_FAILURE;
	tarx_keys_fingerprint(master_key.fingerprint, master_key.key);
	check_wiping();
	check_batch();
	while (context_len > 0)
		free(context[--context_len]);
	return done_testing();
}
