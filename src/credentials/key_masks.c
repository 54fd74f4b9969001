/*
 * key_masks.c
 *	  Masks of keys, as they are stored and as people see them.
 */
#include "postgres.h"
#include "base/compat.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_display_mask);

/* The mask of a key, as it is stored */
text *
tarx_keys_make_mask(TarxKeysSpan value, const TarxKeysProvider *provider)
{
	char		mask[TARX_KEYS_MASK_MAX];

	return tarx_keys_from_utf8(mask, tarx_keys_mask(mask, value, provider->key_prefixes.items,
													provider->key_prefixes.count));
}

/* Can the client show U+2026 and U+2022? */
static bool
client_shows_unicode(void)
{
	int			server = GetDatabaseEncoding();
	int			client = pg_get_client_encoding();

	return (server == PG_UTF8 || server == PG_SQL_ASCII) &&
		(client == PG_UTF8 || client == PG_SQL_ASCII);
}

/* A stored mask as people see it */
text *
tarx_keys_mask_for_client(text *stored)
{
	TarxKeysSpan mask = tarx_keys_span(stored);
	TarxKeysSpan head;
	TarxKeysSpan tail;
	const char *sign;
	size_t		len;
	text	   *shown;
	char	   *at;

	if (!client_shows_unicode() || !tarx_keys_mask_split(mask, &head, &sign, &tail))
		return stored;
	len = head.len + strlen(sign) + tail.len;
	shown = palloc(VARHDRSZ + len);
	SET_VARSIZE(shown, VARHDRSZ + len);
	at = VARDATA(shown);
	memcpy(at, head.data, head.len);
	memcpy(at + head.len, sign, strlen(sign));
	memcpy(at + head.len + strlen(sign), tail.data, tail.len);
	return shown;
}

/* display_mask(masked_key text) returns text: see sql/50_llm_keys.sql */
Datum
tarx_keys_display_mask(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(tarx_keys_mask_for_client(PG_GETARG_TEXT_PP(0)));
}
