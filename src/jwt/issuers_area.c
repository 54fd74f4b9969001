/*
 * issuers_area.c
 *	  Fills an area with the issuers, and looks into it.
 *
 * Everything in it refers to everything else by its distance from the beginning.
 */
#include "postgres.h"
#include "base/compat.h"

#include "jwt/issuers.h"

/* An empty area, which can grow to its greatest size */
TarxKeysIssuers *
tarx_keys_area_make(void)
{
	TarxKeysIssuers *area = palloc0(TARX_KEYS_ISSUERS_MAX_BYTES);

	area->size = MAXALIGN(sizeof(TarxKeysIssuers));
	return area;
}

/* Make room for an array of zeros. */
TarxKeysRef
tarx_keys_area_reserve(TarxKeysIssuers *area, size_t element, int count)
{
	TarxKeysRef ref = {area->size, (uint32) count};

	if ((size_t) count > (TARX_KEYS_ISSUERS_MAX_BYTES - area->size) / element)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("the issuers with their keys need more than %d bytes", TARX_KEYS_ISSUERS_MAX_BYTES)));
	area->size += MAXALIGN(element * (size_t) count);
	return ref;
}

/* Put a text into the area. */
TarxKeysRef
tarx_keys_area_put(TarxKeysIssuers *area, const void *bytes, size_t len)
{
	TarxKeysRef ref = tarx_keys_area_reserve(area, 1, (int) len);

	memcpy((char *) area + ref.at, bytes, len);
	return ref;
}

/* The first element of an array */
void *
tarx_keys_area_array(const TarxKeysIssuers *area, TarxKeysRef ref)
{
	return (char *) unconstify(TarxKeysIssuers *, area) + ref.at;
}

TarxKeysSpan
tarx_keys_area_text(const TarxKeysIssuers *area, TarxKeysRef ref)
{
	return (TarxKeysSpan) {(const char *) area + ref.at, ref.count};
}

/* Is the text one of an array of texts? */
bool
tarx_keys_area_has(const TarxKeysIssuers *area, TarxKeysRef texts, TarxKeysSpan text)
{
	const TarxKeysRef *refs = tarx_keys_area_array(area, texts);

	for (uint32 i = 0; i < texts.count; i++)
	{
		if (tarx_keys_span_equals(tarx_keys_area_text(area, refs[i]), text))
			return true;
	}
	return false;
}
