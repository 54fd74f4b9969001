/*
 * seal.c
 *	  Envelopes of many rows in one statement, for the benchmark.
 *
 * For throwaway clusters only: whoever may call seal() hands in the master key.
 * It is linked with the extension's own envelope.o, crypto.o and key_payload.o, so
 * what it writes is what add_llm_key() would have written; the benchmark resolves
 * some of it before it measures anything.
 */
#include "postgres.h"
#include "base/compat.h"

#include <sodium.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "pure/crypto.h"
#include "pure/envelope.h"
#include "pure/fields.h"
#include "pure/key_payload.h"
#include "pure/keyring_text.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(bench_seal);

static void
bind_number(TarxKeysBinding *binding, int64 number)
{
	tarx_keys_binding_add_number(binding, (uint64) number, sizeof(number));
}

static void
bind_texts(TarxKeysBinding *binding, ArrayType *array)
{
	uint8		bytes[1024];
	TarxKeysFieldWriter writer = {.size = sizeof(bytes)};
	Datum	   *elements;
	int			count;

	writer.out = bytes;
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		text	   *element = DatumGetTextPP(elements[i]);

		tarx_keys_fields_put(&writer, VARDATA_ANY(element), VARSIZE_ANY_EXHDR(element));
	}
	tarx_keys_binding_add(binding, bytes, writer.len);
}

/* As src/tables/row.c binds a column */
static void
bind_argument(TarxKeysBinding *binding, FunctionCallInfo fcinfo, int n)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, n);

	if (PG_ARGISNULL(n))
		tarx_keys_binding_add(binding, NULL, 0);
	else if (type == UUIDOID)
		tarx_keys_binding_add(binding, PG_GETARG_UUID_P(n)->data, UUID_LEN);
	else if (type == TEXTOID)
		tarx_keys_binding_add(binding, VARDATA_ANY(PG_GETARG_TEXT_PP(n)),
							  VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(n)));
	else if (type == INT4OID)
		bind_number(binding, PG_GETARG_INT32(n));
	else if (type == TIMESTAMPTZOID)
		bind_number(binding, PG_GETARG_TIMESTAMPTZ(n));
	else if (type == TEXTARRAYOID)
		bind_texts(binding, PG_GETARG_ARRAYTYPE_P(n));
	else
		elog(ERROR, "cannot bind a column of type %u", type);
}

/* What is inside the envelope of a key of this value, of a provider like OpenAI */
static uint8 *
payload_of(const text *value, size_t *len)
{
	TarxKeysPayload payload = {
		.value = {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)},
		.requests = {
			.auth_header = {"Authorization", 13},
			.auth_scheme = {"Bearer", 6},
			.models_path = {"/models", 7},
			.chat_base_path = {"", 0}
		}
	};
	uint8	   *bytes;

	*len = tarx_keys_payload_size(&payload);
	bytes = palloc(*len);
	tarx_keys_payload_write(bytes, &payload);
	return bytes;
}

/*
 * seal(master_key bytea, purpose text, value text, project_id uuid, VARIADIC
 * bound "any") returns bytea: the envelope of a row with these bound columns, in
 * UTF-8.
 */
Datum
bench_seal(PG_FUNCTION_ARGS)
{
	bytea	   *master = PG_GETARG_BYTEA_PP(0);
	size_t		len;
	uint8	   *payload = payload_of(PG_GETARG_TEXT_PP(2), &len);
	size_t		size = VARHDRSZ + TARX_KEYS_ENVELOPE_OVERHEAD + len;
	bytea	   *envelope = palloc(size);
	TarxKeysMasterKey key = {.realm = ""};
	TarxKeysBinding binding;

	if (VARSIZE_ANY_EXHDR(master) != TARX_KEYS_MASTER_KEY_BYTES || sodium_init() < 0)
		elog(ERROR, "no master key");
	memcpy(key.key, VARDATA_ANY(master), sizeof(key.key));
	tarx_keys_fingerprint(key.fingerprint, key.key);
	tarx_keys_binding_init(&binding, text_to_cstring(PG_GETARG_TEXT_PP(1)),
						   PG_GETARG_UUID_P(3)->data);
	for (int n = 4; n < PG_NARGS(); n++)
		bind_argument(&binding, fcinfo, n);
	SET_VARSIZE(envelope, size);
	if (!tarx_keys_envelope_seal((uint8 *) VARDATA(envelope), &key, &binding, payload, len))
		elog(ERROR, "could not seal");
	PG_RETURN_BYTEA_P(envelope);
}
