/*
 * sealed_boxes.c
 *	  What the sealed forms of our calls take instead of a value: a box that is
 *	  sealed to the public key of sealing_public_key(), and bound to what the call
 *	  is for.  So no statement or message outside this process has the value.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
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
			 errhint("Get the public key from tarx_keys.sealing_public_key() and seal the value again, for exactly the arguments of this call, where its key goes, and an expiry within the next 24 hours.")));
}

/* The payload of the box that is argument n, as a registered secret; TK005 without a keyring */
static TarxKeysText
open_argument(FunctionCallInfo fcinfo, int n)
{
	TarxKeysText payload;

	tarx_keys_require_arg(fcinfo, n, "sealed");
	/* the length is checked before anything is copied */
	if (toast_raw_datum_size(PG_GETARG_DATUM(n)) - VARHDRSZ > TARX_KEYS_BOX_MAX_BYTES ||
		!tarx_keys_open_box(PG_GETARG_BYTEA_PP(n), &payload))
		tarx_keys_fail_box();
	return payload;
}

/*
 * Read a payload that is for this header: the value, whose secret is that of the
 * whole payload.  TK013 if it is for something else.
 */
static TarxKeysText
read_payload(const TarxKeysText *payload, const TarxKeysBinding *header, int stated,
			 TarxKeysBoxContent *content)
{
	uint64		now = (uint64) timestamptz_to_time_t(GetCurrentTimestamp());

	if (!tarx_keys_sealed_box_read((const uint8_t *) payload->data, payload->len, header, stated,
								   now, content))
		tarx_keys_fail_box();
	return (TarxKeysText) {unconstify(char *, content->value.data), content->value.len, payload->secret};
}

/*
 * The value in the box that is argument n, as UTF-8 and a registered secret
 * that the caller wipes.  TK013 unless the box is for this header; TK005
 * without a keyring.
 */
TarxKeysText
tarx_keys_arg_sealed(FunctionCallInfo fcinfo, int n, const TarxKeysBinding *header)
{
	TarxKeysText payload = open_argument(fcinfo, n);
	TarxKeysBoxContent content;

	return read_payload(&payload, header, 0, &content);
}

/* Bind a box to an argument that is not NULL. */
static void
bind_argument(TarxKeysBinding *header, FunctionCallInfo fcinfo, int n, const char *name)
{
	TarxKeysText argument = tarx_keys_arg_utf8(fcinfo, n, name);

	tarx_keys_binding_add(header, argument.data, argument.len);
}

/* What a box for add_sealed_llm_key() is bound to: other arguments, as they are passed */
static void
bind_new_key(TarxKeysBinding *header, uint8 format, FunctionCallInfo fcinfo, const TarxKeysNewKey *key)
{
	tarx_keys_binding_start(header, format,
							format == TARX_KEYS_BOX_FORMAT_OPTIONS ? TARX_KEYS_PURPOSE_BOX_LLM_KEY_2 :
							TARX_KEYS_PURPOSE_BOX_LLM_KEY, key->project_id->data);
	bind_argument(header, fcinfo, 1, "provider");
	bind_argument(header, fcinfo, 2, "name");
	if (PG_ARGISNULL(4))
		tarx_keys_binding_add(header, NULL, 0);
	else
		bind_argument(header, fcinfo, 4, "base_url");
}

/* Read the options in a box.  TK013 unless they are a JSON object, 22023 if they break a rule. */
static void
read_options(TarxKeysSpan json, TarxKeysOptionsOf call, TarxKeysKeyOptions *options)
{
	TarxKeysText text = {unconstify(char *, json.data), json.len, NULL};
	const JsonbValue *object;

	if (!pg_verify_mbstr(PG_UTF8, text.data, (int) text.len, true))
		tarx_keys_fail_box();
	text = tarx_keys_secret_from_utf8(text);
	object = tarx_keys_json_quietly(tarx_keys_json_parse_object, text.data, text.len);
	tarx_keys_secret_wipe(text.secret);
	if (object == NULL)
		tarx_keys_fail_box();
	tarx_keys_read_options(object, "options", call, options);
}

/* Options beside a box are refused, because whoever passes the call on could add some. */
static void
require_no_options(FunctionCallInfo fcinfo, int n)
{
	if (!PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg("options"),
				 errmsg("options must be null where the value comes sealed"),
				 errhint("Seal the options with the value, in a box of format 2.")));
}

/*
 * The value, and in format 2 the options and the destination, in the box that is an
 * argument of add_sealed_llm_key(), which is bound to the other arguments
 */
void
tarx_keys_arg_sealed_key(FunctionCallInfo fcinfo, TarxKeysNewKey *key)
{
	TarxKeysBinding header;
	TarxKeysText payload;
	TarxKeysBoxContent content;
	bool		has_options;

	bind_new_key(&header, TARX_KEYS_BOX_FORMAT_VALUE, fcinfo, key);
	require_no_options(fcinfo, 5);
	payload = open_argument(fcinfo, 3);
	has_options = tarx_keys_sealed_box_format((const uint8_t *) payload.data, payload.len) ==
		TARX_KEYS_BOX_FORMAT_OPTIONS;
	if (has_options)
		bind_new_key(&header, TARX_KEYS_BOX_FORMAT_OPTIONS, fcinfo, key);
	key->value = read_payload(&payload, &header, has_options, &content);
	if (!has_options)
		return;
	key->sealed_destination = content.stated[0];
	read_options(content.options, TARX_KEYS_OPTIONS_OF_ADD, &key->options);
}

/*
 * The value, the options, and the provider and destination that it was sealed for,
 * in the box that is argument n of a call that replaces the key old_id
 */
void
tarx_keys_arg_sealed_replacement(FunctionCallInfo fcinfo, int n, const pg_uuid_t *old_id,
								 TarxKeysNewKey *key)
{
	TarxKeysText payload = open_argument(fcinfo, n);
	TarxKeysBinding header;
	TarxKeysBoxContent content;

	tarx_keys_binding_start(&header, TARX_KEYS_BOX_FORMAT_OPTIONS, TARX_KEYS_PURPOSE_BOX_REPLACEMENT,
							key->project_id->data);
	tarx_keys_binding_add(&header, old_id->data, UUID_LEN);
	key->value = read_payload(&payload, &header, 2, &content);
	key->sealed_provider = content.stated[0];
	key->sealed_destination = content.stated[1];
	read_options(content.options, TARX_KEYS_OPTIONS_OF_REPLACE, &key->options);
}

static bool
is_text(TarxKeysSpan sealed, text *value, const char *argument)
{
	TarxKeysText utf8 = tarx_keys_text_utf8(value, argument);

	return tarx_keys_compare_spans((TarxKeysSpan) {utf8.data, utf8.len}, sealed) == 0;
}

/*
 * TK013 if the box of a key says that it was sealed for another provider, or another
 * destination than that of its row.  A client that passes a base URL may know that
 * only as it was typed.
 */
void
tarx_keys_check_sealed_for(const TarxKeysNewKey *key, text *destination)
{
	if (key->sealed_provider.data != NULL &&
		!is_text(key->sealed_provider, key->provider, "provider"))
		tarx_keys_fail_box();
	if (key->sealed_destination.data != NULL &&
		!is_text(key->sealed_destination, destination, "base_url") &&
		!(key->base_url != NULL && is_text(key->sealed_destination, key->base_url, "base_url")))
		tarx_keys_fail_box();
}
