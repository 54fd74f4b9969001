/*
 * sealed_results.c
 *	  What resolve calls return for a value: the value in clear, or a box that is
 *	  sealed to the caller's own public key.
 *
 * A box says in itself what was asked for, where the value goes and how it is sent,
 * because whoever passes a row on can change its other columns.
 */
#include "postgres.h"
#include "base/compat.h"

#include "credentials/credentials.h"

/* Argument n as a public key to seal to; an error if it is NULL or not one. */
const uint8 *
tarx_keys_arg_recipient(FunctionCallInfo fcinfo, int n)
{
	uint8		empty[TARX_KEYS_BOX_OVERHEAD];
	bytea	   *public_key;

	tarx_keys_require_arg(fcinfo, n, "recipient_public_key");
	public_key = PG_GETARG_BYTEA_PP(n);
	if (VARSIZE_ANY_EXHDR(public_key) != TARX_KEYS_BOX_KEY_BYTES ||
		!tarx_keys_box_seal(empty, NULL, 0, (const uint8 *) VARDATA_ANY(public_key)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg("recipient_public_key"),
				 errmsg("recipient_public_key is no public key to seal to"),
				 errhint("Pass the %d bytes of the public key that libsodium's crypto_box_keypair() makes.",
						 TARX_KEYS_BOX_KEY_BYTES)));
	return (const uint8 *) VARDATA_ANY(public_key);
}

/* Seal to the recipient; every copy of the payload is wiped. */
static bytea *
seal(const uint8 *recipient, const TarxKeysResolvedBox *content)
{
	size_t		len = tarx_keys_resolved_box_size(content);
	uint8	   *payload = palloc(len);
	TarxKeysSecret *secret = tarx_keys_secret_register(payload, len);
	bytea	   *box = palloc(VARHDRSZ + TARX_KEYS_BOX_OVERHEAD + len);
	bool		ok;

	SET_VARSIZE(box, VARHDRSZ + TARX_KEYS_BOX_OVERHEAD + len);
	tarx_keys_resolved_box_write(payload, content);
	ok = tarx_keys_box_seal((uint8 *) VARDATA(box), payload, len, recipient);
	tarx_keys_secret_wipe(secret);
	if (!ok)
		elog(ERROR, "a public key that was accepted does not seal");
	return box;
}

static TarxKeysSpan
utf8_column(const TarxKeysRow *row, int column, const char *name)
{
	TarxKeysText utf8 = tarx_keys_text_utf8(DatumGetTextPP(row->values[column]), name);

	return (TarxKeysSpan) {utf8.data, utf8.len};
}

/*
 * A key sealed to the recipient, with all that a runner needs to call its provider.
 * asked is the id that the caller has asked for: of the key, or of an agent.
 */
bytea *
tarx_keys_sealed_key(const uint8 *recipient, const pg_uuid_t *project_id, const pg_uuid_t *asked,
					 const TarxKeysOpenKey *key)
{
	TarxKeysResolvedBox content = {
		.project_id = project_id->data,
		.asked = {(const char *) asked->data, UUID_LEN},
		.provider = utf8_column(key->row, LLM_KEY_PROVIDER, "provider"),
		.base_url = utf8_column(key->row, LLM_KEY_DESTINATION, "base_url"),
		.auth_header = key->payload.requests.auth_header,
		.auth_scheme = key->payload.requests.auth_scheme,
		.value = key->payload.value,
		.headers = &key->payload.headers
	};

	return seal(recipient, &content);
}

/* A secret, in UTF-8, sealed to the recipient */
bytea *
tarx_keys_sealed_secret(const uint8 *recipient, const pg_uuid_t *project_id, text *name,
						const TarxKeysText *value)
{
	TarxKeysResolvedBox content = {
		.project_id = project_id->data,
		.asked = tarx_keys_span(name),
		.value = {value->data, value->len}
	};

	return seal(recipient, &content);
}

/* A value as a text in clear, which is a registered secret that the caller wipes */
text *
tarx_keys_clear_value(TarxKeysSpan value, TarxKeysSecret **copy)
{
	text	   *result = palloc(VARHDRSZ + value.len);

	*copy = tarx_keys_secret_register(result, VARHDRSZ + value.len);
	SET_VARSIZE(result, VARHDRSZ + value.len);
	memcpy(VARDATA(result), value.data, value.len);
	return result;
}
