/*
 * key_headers.c
 *	  Headers of requests to providers, as JSON.
 *
 * Their values are secrets, and jsonb copies what it is made of, where nobody can
 * wipe it.  So the object is made with fillers in place of the values, which are
 * as long.  The values are then written into our own copy of the result.  So that
 * is the only copy to wipe.
 */
#include "postgres.h"
#include "base/compat.h"

#include "utils/jsonb.h"

#include "credentials/credentials.h"

/* A header whose value has two parts */
typedef struct Header
{
	TarxKeysSpan name;
	TarxKeysSpan start;
	TarxKeysSpan rest;
} Header;

/* Room for the provider's headers, the key's own, the body's type, and the one that carries the key */
typedef struct HeaderList
{
	int			count;
	Header		items[2 * TARX_KEYS_HEADERS_MAX + 2];
} HeaderList;

static const TarxKeysSpan nothing = {"", 0};

/* Add a header, in place of one of the same name. */
static void
add(HeaderList *list, TarxKeysSpan name, TarxKeysSpan start, TarxKeysSpan rest)
{
	int			at = 0;

	while (at < list->count && !tarx_keys_span_same(list->items[at].name, name))
		at++;
	list->items[at] = (Header) {name, start, rest};
	if (at == list->count)
		list->count++;
}

static void
add_all(HeaderList *list, const TarxKeysHeaders *headers)
{
	for (int i = 0; i < headers->count; i++)
		add(list, headers->items[i].name, nothing, headers->items[i].value);
}

/* The one that carries the key: the scheme, a space, and the value */
static void
add_key(HeaderList *list, const TarxKeysPayload *payload)
{
	const TarxKeysRequests *requests = &payload->requests;
	TarxKeysSpan start = nothing;

	if (requests->auth_scheme.data != NULL)
	{
		start.data = psprintf("%.*s ", (int) requests->auth_scheme.len, requests->auth_scheme.data);
		start.len = requests->auth_scheme.len + 1;
	}
	add(list, requests->auth_header, start, payload->value);
}

static JsonbValue
string_value(const char *data, size_t len)
{
	JsonbValue	value = {.type = jbvString};

	value.val.string.val = unconstify(char *, data);
	value.val.string.len = (int) len;
	return value;
}

static Jsonb *
with_fillers(const HeaderList *list)
{
	JsonbInState state = {0};

	tarx_keys_jsonb_push(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < list->count; i++)
	{
		size_t		len = list->items[i].start.len + list->items[i].rest.len;
		JsonbValue	name = string_value(list->items[i].name.data, list->items[i].name.len);
		JsonbValue	filler = string_value(palloc0(len + 1), len);

		tarx_keys_jsonb_push(&state, WJB_KEY, &name);
		tarx_keys_jsonb_push(&state, WJB_VALUE, &filler);
	}
	tarx_keys_jsonb_push(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(state.result);
}

static Datum
to_json(const HeaderList *list, TarxKeysSecret **secret)
{
	Jsonb	   *json = with_fillers(list);

	*secret = tarx_keys_secret_register(json, VARSIZE(json));
	for (int i = 0; i < list->count; i++)
	{
		const Header *header = &list->items[i];
		JsonbValue	place;
		JsonbValue *found = getKeyJsonValueFromContainer(&json->root, header->name.data,
														 (int) header->name.len, &place);

		if (found == NULL || (size_t) found->val.string.len != header->start.len + header->rest.len)
			elog(ERROR, "headers lack one");
		memcpy(found->val.string.val, header->start.data, header->start.len);
		memcpy(found->val.string.val + header->start.len, header->rest.data, header->rest.len);
	}
	return JsonbPGetDatum(json);
}

/* A key's own headers as jsonb, which is a registered secret */
Datum
tarx_keys_own_headers(const TarxKeysPayload *payload, TarxKeysSecret **secret)
{
	HeaderList	list = {0};

	add_all(&list, &payload->headers);
	return to_json(&list, secret);
}

/*
 * All headers of a request with a key, as jsonb, which is a registered secret.
 * body_type is the type of its body; NULL if the caller does not decide it.
 */
Datum
tarx_keys_request_headers(const TarxKeysPayload *payload, const char *body_type, TarxKeysSecret **secret)
{
	HeaderList	list = {0};

	add_all(&list, &payload->requests.headers);
	add_all(&list, &payload->headers);
	if (body_type != NULL)
		add(&list, tarx_keys_span_of("Content-Type"), nothing, tarx_keys_span_of(body_type));
	add_key(&list, payload);
	return to_json(&list, secret);
}
