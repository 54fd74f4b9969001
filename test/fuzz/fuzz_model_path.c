/*
 * fuzz_model_path.c
 *	  Paths of requests about a model: whatever its name is, it stays where it
 *	  stands, and is that name again when it is decoded once.
 *
 * Input: the provider's path, with its length in front; the name.
 */
#include "pure/model_path.h"
#include "fuzz.h"

#define PLACE	"{model}"

static int
hex(char c)
{
	const char *digits = "0123456789ABCDEF";
	const char *found = strchr(digits, c);

	must(c != '\0' && found != NULL);
	return (int) (found - digits);
}

/* The name in a path: no other segments than its own, no query, decoded the name */
static void
check_name(const char *text, size_t len, TarxKeysSpan model)
{
	size_t		at = 0;
	size_t		start = 0;

	for (size_t i = 0; i <= len; i++)
	{
		if (i == len || text[i] == '/')
		{
			TarxKeysSpan segment = {text + start, i - start};

			must(segment.len > 0);
			must(!(segment.len <= 2 && memcmp(segment.data, "..", segment.len) == 0));
			start = i + 1;
		}
	}
	for (size_t i = 0; i < len; at++)
	{
		char		c = text[i];

		must(c > ' ' && c <= '~' && strchr("?#\\@:", c) == NULL);
		if (c == '%')
		{
			must(i + 2 < len);
			c = (char) (hex(text[i + 1]) << 4 | hex(text[i + 2]));
			must(strchr("./%?#\\", c) == NULL);
			i += 2;
		}
		i++;
		must(at < model.len && model.data[at] == c);
	}
	must(at == model.len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	in = {data, size};
	FuzzPiece	path = fuzz_piece(&in);
	FuzzPiece	name = fuzz_rest(&in);
	TarxKeysSpan template = {(const char *) path.data, path.len};
	TarxKeysSpan model = {(const char *) name.data, name.len};
	size_t		room = TARX_KEYS_MODEL_PATH_MAX(template.len, model.len);
	char	   *out = calloc(1, room > 0 ? room : 1);
	size_t		len;

	must(out != NULL);
	len = tarx_keys_model_path(out, template, model);
	must(len <= room);
	if (len > 0)
	{
		size_t		before = 0;
		size_t		after;

		while (memcmp(template.data + before, PLACE, strlen(PLACE)) != 0)
			before++;
		after = template.len - before - strlen(PLACE);
		must(memcmp(out, template.data, before) == 0);
		must(memcmp(out + len - after, template.data + template.len - after, after) == 0);
		check_name(out + before, len - before - after, model);
	}
	free(out);
	free(path.data);
	free(name.data);
	return 0;
}
