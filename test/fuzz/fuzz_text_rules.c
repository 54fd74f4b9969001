/*
 * fuzz_text_rules.c
 *	  Rules for texts: what they accept is what they say.
 *
 * Input: the text.
 */
#include "pure/text_rules.h"
#include "fuzz.h"

/* Independent of the rules' own way to go through a text */
static bool
is_utf8(const char *s, size_t len)
{
	uint32_t	c;

	while (len > 0)
	{
		size_t		step = tarx_keys_utf8_next(s, len, &c);

		if (step == 0)
			return false;
		must(step <= 4 && step <= len && c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff));
		must((step == 1) == (c < 0x80));
		s += step;
		len -= step;
	}
	return true;
}

static bool
has_c0(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		if ((unsigned char) s[i] < 0x20 || s[i] == 0x7f)
			return true;
	}
	return false;
}

static void
check_excerpt(const char *s, size_t len)
{
	char		out[TARX_KEYS_EXCERPT_MAX];
	size_t		excerpt = tarx_keys_excerpt(out, s, len);

	must(excerpt <= sizeof(out));
	must(is_utf8(out, excerpt) && !has_c0(out, excerpt));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	in = {data, size};
	FuzzPiece	text = fuzz_rest(&in);
	const char *s = (const char *) text.data;
	size_t		len = text.len;
	bool		utf8 = is_utf8(s, len);
	TarxKeysTextProblem name = tarx_keys_check_name_text(s, len);
	TarxKeysTextProblem user_id = tarx_keys_check_user_id_text(s, len);
	TarxKeysTextProblem secret_name = tarx_keys_check_secret_name_text(s, len);
	TarxKeysTextProblem secret_value = tarx_keys_check_secret_value_text(s, len);
	TarxKeysTextProblem description = tarx_keys_check_description_text(s, len);

	if (name == TARX_KEYS_TEXT_OK)
		must(utf8 && len > 0 && !has_c0(s, len));
	if (user_id == TARX_KEYS_TEXT_OK)
		must(utf8 && len > 0 && !has_c0(s, len));
	if (secret_name == TARX_KEYS_TEXT_OK)
		must(utf8 && len > 0 && len <= TARX_KEYS_SECRET_NAME_MAX_CHARS);
	if (secret_value == TARX_KEYS_TEXT_OK)
		must(utf8 && len > 0 && memchr(s, '\0', len) == NULL);
	if (description == TARX_KEYS_TEXT_OK)
		must(utf8 && (len == 0 || memchr(s, '\0', len) == NULL));
	must(tarx_keys_text_problem(name) != NULL && tarx_keys_text_problem(user_id) != NULL);
	check_excerpt(s, len);
	free(text.data);
	return 0;
}
