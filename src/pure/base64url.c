/*
 * base64url.c
 *	  Decodes base64url, strictly: there is one text for each value.
 */
#include "pure/base64url.h"

#include <sodium.h>

#include "pure/ascii.h"

/* Are there characters of base64url, and no others?  libsodium takes some others as well. */
bool
tarx_keys_base64url_has_form(TarxKeysSpan text)
{
	for (size_t i = 0; i < text.len; i++)
	{
		if (!tarx_keys_is_base64url(text.data[i]))
			return false;
	}
	return text.len > 0;
}

/* Decode a text; false if it is not strict base64url, or has more than size bytes. */
bool
tarx_keys_base64url_decode(TarxKeysSpan text, uint8_t *bytes, size_t size, size_t *len)
{
	*len = 0;
	return tarx_keys_base64url_has_form(text) &&
		sodium_base642bin(bytes, size, text.data, text.len, NULL, len, NULL,
						  sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0;
}
