/*
 * fuzz_key_payload.c
 *	  What is inside an LLM key's envelope: whatever is read is what would be written.
 *
 * Input: bytes that may be a payload.
 */
#include "pure/key_payload.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzPiece	given = fuzz_copy(data, size);
	TarxKeysPayload payload;

	if (tarx_keys_payload_read((const char *) given.data, given.len, &payload))
	{
		FuzzPiece	again = {NULL, tarx_keys_payload_size(&payload)};

		/* there is one way to write a payload */
		must(again.len == given.len);
		again.data = malloc(again.len);
		must(again.data != NULL);
		tarx_keys_payload_write(again.data, &payload);
		must(memcmp(again.data, given.data, given.len) == 0);
		must(payload.value.data != NULL);
		must(payload.headers.count <= TARX_KEYS_HEADERS_MAX);
		free(again.data);
	}
	free(given.data);
	return 0;
}
