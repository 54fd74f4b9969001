/*
 * model_path.c
 *	  The path of a request about one model: a provider's path with the model's
 *	  name in it.
 *
 * Names come from people, and have slashes and colons: a slash stays as it is,
 * because providers take it as a part of the path, and all else but unreserved
 * characters is percent-encoded.  A name that a server, or a proxy that decodes
 * once more, could take for another path has no place in one.
 */
#include "pure/model_path.h"

#include <string.h>

#include "pure/ascii.h"

#define PLACE	"{model}"

static bool
is_unreserved(char c)
{
	return tarx_keys_is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

/* Empty, "." or "..", also in front of a semicolon, at which some servers cut a segment off */
static bool
is_odd_segment(TarxKeysSpan segment)
{
	size_t		len = tarx_keys_span_find(segment, ';');

	return len == 0 || (len <= 2 && memcmp(segment.data, "..", len) == 0);
}

static bool
has_place(TarxKeysSpan model)
{
	size_t		start = 0;

	for (size_t i = 0; i <= model.len; i++)
	{
		if (i == model.len || model.data[i] == '/')
		{
			if (is_odd_segment((TarxKeysSpan) {model.data + start, i - start}))
				return false;
			start = i + 1;
		}
		else if ((unsigned char) model.data[i] < ' ' || strchr("?#%\\\x7f", model.data[i]) != NULL)
			return false;
	}
	return true;
}

static size_t
copy(char *out, const char *data, size_t len)
{
	memcpy(out, data, len);
	return len;
}

static size_t
encode(char *out, TarxKeysSpan model)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t		len = 0;

	for (size_t i = 0; i < model.len; i++)
	{
		unsigned char c = (unsigned char) model.data[i];

		if (is_unreserved(model.data[i]) || c == '/')
			out[len++] = model.data[i];
		else
		{
			out[len++] = '%';
			out[len++] = digits[c >> 4];
			out[len++] = digits[c & 15];
		}
	}
	return len;
}

/*
 * Write a path, in which {model} stands for a model's name, with the name in place;
 * there is room for TARX_KEYS_MODEL_PATH_MAX.  Returns its length, or 0 if the
 * name has no place in a path.
 */
size_t
tarx_keys_model_path(char *out, TarxKeysSpan path, TarxKeysSpan model)
{
	size_t		before = 0;
	size_t		len;

	while (before + strlen(PLACE) <= path.len && memcmp(path.data + before, PLACE, strlen(PLACE)) != 0)
		before++;
	if (before + strlen(PLACE) > path.len || !has_place(model))
		return 0;
	len = copy(out, path.data, before);
	len += encode(out + len, model);
	before += strlen(PLACE);
	len += copy(out + len, path.data + before, path.len - before);
	return len;
}
