/*
 * keyring_status.c
 *	  Fingerprints for SQL: of the keys in the keyring, and of the key that a row
 *	  names.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "keyring/keyring.h"

PG_FUNCTION_INFO_V1(tarx_keys_keyring_fingerprints);
PG_FUNCTION_INFO_V1(tarx_keys_fingerprint_of);

/* keyring_fingerprints() returns text[]: see sql/70_keyring.sql */
Datum
tarx_keys_keyring_fingerprints(PG_FUNCTION_ARGS)
{
	uint8		fingerprints[TARX_KEYS_KEYRING_MAX_KEYS][TARX_KEYS_FINGERPRINT_BYTES];
	Datum		texts[TARX_KEYS_KEYRING_MAX_KEYS];
	int			count;

	if (!tarx_keys_page_has_keyring())
		ereport(ERROR,
				(errcode(ERRCODE_TK_NO_KEYRING),
				 errmsg("there is no usable master keyring"),
				 errdetail("%s", tarx_keys_keyring_problem_text(tarx_keys_page_problem())),
				 errhint("Correct the tarx_keys.master_key settings or what they name, and reload; a change of tarx_keys.master_key needs a restart.")));
	count = tarx_keys_page_fingerprints(fingerprints);

	for (int i = 0; i < count; i++)
	{
		char		hex[TARX_KEYS_FINGERPRINT_HEX];

		tarx_keys_fingerprint_hex(fingerprints[i], hex);
		texts[i] = CStringGetTextDatum(hex);
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(texts, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * fingerprint_of(sealed bytea) returns text: the bytes of an envelope or a stamp
 * that name its master key, whatever they are
 */
Datum
tarx_keys_fingerprint_of(PG_FUNCTION_ARGS)
{
	bytea	   *found;
	uint8		fingerprint[TARX_KEYS_FINGERPRINT_BYTES] = {0};
	char		hex[TARX_KEYS_FINGERPRINT_HEX];

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	found = PG_GETARG_BYTEA_P_SLICE(0, 1, TARX_KEYS_FINGERPRINT_BYTES);
	memcpy(fingerprint, VARDATA_ANY(found), VARSIZE_ANY_EXHDR(found));
	tarx_keys_fingerprint_hex(fingerprint, hex);
	PG_RETURN_TEXT_P(cstring_to_text(hex));
}
