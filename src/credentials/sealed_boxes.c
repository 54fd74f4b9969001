/*
 * sealed_boxes.c
 *	  What the sealed forms of our calls take and return instead of a value.
 *
 * They take a box that is sealed to the public key of sealing_public_key(), and
 * bound to what the call is for.  They return a box that is sealed to the
 * caller's own public key.  Either way no statement, row or message outside this
 * process has the value.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_sealing_public_key);

/* sealing_public_key() returns (key_id text, public_key bytea): see sql/47_sealed_boxes.sql */
Datum
tarx_keys_sealing_public_key(PG_FUNCTION_ARGS)
{
	bytea	   *public_key = palloc(VARHDRSZ + TARX_KEYS_BOX_KEY_BYTES);
	char		key_id[TARX_KEYS_BOX_KEY_ID_HEX];
	Datum		values[2];
	bool		nulls[2] = {false, false};
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	SET_VARSIZE(public_key, VARHDRSZ + TARX_KEYS_BOX_KEY_BYTES);
	tarx_keys_active_public_key((uint8 *) VARDATA(public_key));
	tarx_keys_sealed_box_key_id((const uint8 *) VARDATA(public_key), key_id);
	values[0] = CStringGetTextDatum(key_id);
	values[1] = PointerGetDatum(public_key);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* One error, whatever is wrong: it must not tell what a box has. */
void
tarx_keys_fail_box(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_TK_SEALED_BOX),
			 tarx_keys_errarg("sealed"),
			 errmsg("the sealed box does not open for this call"),
			 errhint("Get the public key from tarx_keys.sealing_public_key() and seal the value again, for exactly the arguments of this call and with an expiry to come.")));
}

/*
 * The value in the box that is argument n, as UTF-8 and a registered secret
 * that the caller wipes.  TK013 unless the box is for this header; TK005
 * without a keyring.
 */
TarxKeysText
tarx_keys_arg_sealed(FunctionCallInfo fcinfo, int n, const TarxKeysBinding *header)
{
	uint64		now = (uint64) timestamptz_to_time_t(GetCurrentTimestamp());
	TarxKeysText payload;
	size_t		value_at;

	tarx_keys_require_arg(fcinfo, n, "sealed");

	/*
	 * No value is longer than a secret may be.  The length is checked before
	 * anything is copied.
	 */
	if (toast_raw_datum_size(PG_GETARG_DATUM(n)) - VARHDRSZ >
		tarx_keys_sealed_box_len(header, TARX_KEYS_SECRET_MAX_BYTES) ||
		!tarx_keys_open_box(PG_GETARG_BYTEA_PP(n), &payload) ||
		!tarx_keys_sealed_box_check((const uint8 *) payload.data, payload.len, header, now,
									&value_at))
		tarx_keys_fail_box();
	payload.data += value_at;
	payload.len -= value_at;
	return payload;
}

/* Bind a box to an argument that is not NULL. */
static void
bind_argument(TarxKeysBinding *header, FunctionCallInfo fcinfo, int n, const char *name)
{
	TarxKeysText argument = tarx_keys_arg_utf8(fcinfo, n, name);

	tarx_keys_binding_add(header, argument.data, argument.len);
}

/*
 * The value, in the box that is an argument of add_sealed_llm_key(), which is bound to
 * the other arguments
 */
void
tarx_keys_arg_sealed_key(FunctionCallInfo fcinfo, TarxKeysNewKey *key)
{
	TarxKeysBinding header;

	tarx_keys_binding_init(&header, TARX_KEYS_PURPOSE_BOX_LLM_KEY, key->project_id->data);
	bind_argument(&header, fcinfo, 1, "provider");
	bind_argument(&header, fcinfo, 2, "name");
	if (PG_ARGISNULL(4))
		tarx_keys_binding_add(&header, NULL, 0);
	else
		bind_argument(&header, fcinfo, 4, "base_url");
	key->value = tarx_keys_arg_sealed(fcinfo, 3, &header);
	tarx_keys_arg_options(fcinfo, 5, "options", TARX_KEYS_OPTIONS_OF_ADD, &key->options);
}

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

static bytea *
seal_for(const uint8 *recipient, const TarxKeysText *value)
{
	size_t		size = VARHDRSZ + TARX_KEYS_BOX_OVERHEAD + value->len;
	bytea	   *box = palloc(size);
	bool		ok;

	SET_VARSIZE(box, size);
	ok = tarx_keys_box_seal((uint8 *) VARDATA(box), (const uint8 *) value->data, value->len,
							recipient);
	if (!ok)
		elog(ERROR, "a public key that was accepted does not seal");
	return box;
}

/* A value as a text in clear, which is a registered secret */
static text *
in_clear(const TarxKeysText *value, TarxKeysSecret **copy)
{
	text	   *result = palloc(VARHDRSZ + value->len);

	*copy = tarx_keys_secret_register(result, VARHDRSZ + value->len);
	SET_VARSIZE(result, VARHDRSZ + value->len);
	memcpy(VARDATA(result), value->data, value->len);
	return result;
}

/*
 * A value as a column of the result: sealed to the recipient, or in clear if that
 * is NULL.  The value is wiped; the caller wipes *copy.
 */
Datum
tarx_keys_value_result(const uint8 *recipient, const TarxKeysText *value,
					   TarxKeysSecret **copy)
{
	void	   *result;

	*copy = NULL;
	if (recipient != NULL)
		result = seal_for(recipient, value);
	else
		result = in_clear(value, copy);
	tarx_keys_secret_wipe(value->secret);
	return PointerGetDatum(result);
}
