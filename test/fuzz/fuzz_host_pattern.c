/*
 * fuzz_host_pattern.c
 *	  Hosts that a provider's row admits: one that matches has as many labels as
 *	  a whole host, and each is that of the pattern or a region's name; one that
 *	  matches a suffix is below it.
 *
 * Input: the host, with its length in front; the pattern.
 */
#include "pure/ascii.h"
#include "pure/url_host.h"
#include "fuzz.h"

#define REGION	"{region}"

static char *
text_of(const FuzzPiece *piece)
{
	char	   *text = calloc(1, piece->len + 1);

	must(text != NULL);
	memcpy(text, piece->data, piece->len);
	return text;
}

static void
check_label(TarxKeysSpan label, TarxKeysSpan expected)
{
	size_t		hyphens = 0;

	must(label.len > 0);
	if (!tarx_keys_span_is(expected, REGION))
	{
		must(tarx_keys_span_same(label, expected));
		return;
	}
	for (size_t i = 0; i < label.len; i++)
	{
		must(tarx_keys_is_alnum(label.data[i]) || label.data[i] == '-');
		hyphens += label.data[i] == '-';
	}
	must(hyphens >= 2 && tarx_keys_is_digit(label.data[label.len - 1]));
	must(tarx_keys_span_find(label, '-') >= 2 && tarx_keys_span_find(label, '-') <= 4);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	in = {data, size};
	FuzzPiece	first = fuzz_piece(&in);
	FuzzPiece	second = fuzz_rest(&in);
	char	   *host = text_of(&first);
	char	   *pattern = text_of(&second);

	if (tarx_keys_host_matches(host, pattern))
	{
		TarxKeysSpan rest = tarx_keys_span_of(host);
		TarxKeysSpan wanted = tarx_keys_span_of(pattern);

		if (pattern[0] == '.')
		{
			must(rest.len > wanted.len && tarx_keys_span_ends(rest, pattern));
			rest.len = wanted.len = 0;
		}
		while (wanted.len > 0)
		{
			size_t		label = tarx_keys_span_find(rest, '.');
			size_t		expected = tarx_keys_span_find(wanted, '.');

			check_label(tarx_keys_span_first(rest, label), tarx_keys_span_first(wanted, expected));
			must((label == rest.len) == (expected == wanted.len));
			rest = tarx_keys_span_from(rest, label + (label < rest.len));
			wanted = tarx_keys_span_from(wanted, expected + (expected < wanted.len));
		}
		must(rest.len == 0);
	}
	free(pattern);
	free(host);
	free(first.data);
	free(second.data);
	return 0;
}
