/*
 * fuzz_mask.c
 *	  Masks: they hide enough, and nobody can pass one for a key.
 *
 * Input: a number of prefixes, these with their lengths in front, and the value.
 */
#include "pure/key_form.h"
#include "pure/mask.h"
#include "fuzz.h"

#define MAX_PREFIXES	4

static TarxKeysSpan
span_of(const FuzzPiece *piece)
{
	return (TarxKeysSpan) {(const char *) piece->data, piece->len};
}

static size_t
count_chars(TarxKeysSpan text)
{
	size_t		chars = 0;
	uint32_t	c;

	for (size_t pos = 0; pos < text.len; chars++)
		pos += tarx_keys_utf8_next(text.data + pos, text.len - pos, &c);
	return chars;
}

static void
check_split(TarxKeysSpan mask, const FuzzPiece *within)
{
	TarxKeysSpan head;
	TarxKeysSpan tail;
	const char *sign;

	if (!tarx_keys_mask_split(mask, &head, &sign, &tail))
		return;
	must(sign != NULL);
	must(fuzz_within(within, head.data, head.len) && fuzz_within(within, tail.data, tail.len));
	must(head.len + tail.len < mask.len);
	must(tarx_keys_looks_masked(mask));
}

static void
check_mask(TarxKeysSpan value, const TarxKeysSpan *prefixes, size_t nprefixes)
{
	FuzzPiece	out = fuzz_copy("", 0);
	FuzzPiece	mask;
	TarxKeysSpan span;
	TarxKeysSpan head;
	TarxKeysSpan tail;
	const char *sign;

	out.data = realloc(out.data, TARX_KEYS_MASK_MAX);
	must(out.data != NULL);
	out.len = tarx_keys_mask((char *) out.data, value, prefixes, nprefixes);
	must(out.len <= TARX_KEYS_MASK_MAX);
	mask = fuzz_copy(out.data, out.len);
	span = span_of(&mask);
	must(tarx_keys_looks_masked(span));
	must(tarx_keys_mask_split(span, &head, &sign, &tail));
	must(head.len <= value.len && memcmp(head.data, value.data, head.len) == 0);
	if (tail.len > 0)
	{
		must(memcmp(tail.data, value.data + value.len - tail.len, tail.len) == 0);
		must(count_chars(value) >= count_chars(head) + count_chars(tail) + 16);
	}
	free(mask.data);
	free(out.data);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	in = {data, size};
	size_t		nprefixes = fuzz_byte(&in) % (MAX_PREFIXES + 1);
	FuzzPiece	pieces[MAX_PREFIXES];
	TarxKeysSpan prefixes[MAX_PREFIXES];
	FuzzPiece	value;
	size_t		position;

	for (size_t i = 0; i < nprefixes; i++)
	{
		pieces[i] = fuzz_piece(&in);
		prefixes[i] = span_of(&pieces[i]);
	}
	value = fuzz_rest(&in);
	if (tarx_keys_check_key(span_of(&value), &position) == TARX_KEYS_KEY_OK)
		check_mask(span_of(&value), prefixes, nprefixes);
	/* a stored mask may have been changed to anything */
	check_split(span_of(&value), &value);
	for (size_t i = 0; i < nprefixes; i++)
		free(pieces[i].data);
	free(value.data);
	return 0;
}
