/*
 * fuzz_template.c
 *	  Templates: their tokens are the template, and nothing but it.
 *
 * Input: the template.
 */
#include "pure/template.h"
#include "fuzz.h"

static void
check_token(const TarxKeysToken *token, TarxKeysSpan source)
{
	switch (token->kind)
	{
		case TARX_KEYS_TOKEN_LITERAL:
			/* all of the source, or without the "$" that escapes */
			must(token->text.len == source.len ||
				 (token->text.len == source.len - 1 && memcmp(source.data, "$${", 3) == 0));
			must(token->text.data + token->text.len == source.data + source.len);
			break;
		case TARX_KEYS_TOKEN_REFERENCE:
			must(tarx_keys_check_secret_name_text(token->text.data, token->text.len) ==
				 TARX_KEYS_TEXT_OK);
			must(source.len == strlen("${secrets.}") + token->text.len);
			must(memcmp(source.data, "${secrets.", strlen("${secrets.")) == 0);
			must(source.data[source.len - 1] == '}');
			break;
		case TARX_KEYS_TOKEN_MALFORMED:
			must(source.len >= 2 && memcmp(source.data, "${", 2) == 0);
			must(token->text.data == source.data && token->text.len == source.len);
			break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	in = {data, size};
	FuzzPiece	template = fuzz_rest(&in);
	TarxKeysSpan rest = {(const char *) template.data, template.len};
	TarxKeysSpan before = rest;
	TarxKeysToken token;

	while (tarx_keys_template_next(&rest, &token))
	{
		TarxKeysSpan source = {before.data, before.len - rest.len};

		must(rest.len < before.len);
		must(rest.data == before.data + source.len);
		must(fuzz_within(&template, token.text.data, token.text.len));
		check_token(&token, source);
		before = rest;
	}
	must(rest.len == 0);
	free(template.data);
	return 0;
}
