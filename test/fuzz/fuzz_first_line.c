/*
 * fuzz_first_line.c
 *	  The first line of what a program says is short, printable, and the same in
 *	  whatever pieces it comes.
 *
 * Input: the size of a piece, and the text.
 */
#include "pure/first_line.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	in = {data, size};
	size_t		step = (size_t) fuzz_byte(&in) + 1;
	FuzzPiece	text = fuzz_rest(&in);
	TarxKeysFirstLine whole = {0};
	TarxKeysFirstLine pieces = {0};

	fuzz_init();
	tarx_keys_first_line_add(&whole, (const char *) text.data, text.len);
	for (size_t at = 0; at < text.len; at += step)
		tarx_keys_first_line_add(&pieces, (const char *) text.data + at,
								 text.len - at < step ? text.len - at : step);
	must(strcmp(whole.text, pieces.text) == 0);
	must(strlen(whole.text) == whole.len && whole.len <= TARX_KEYS_FIRST_LINE_MAX);
	must(whole.text[0] != ' ');
	for (size_t i = 0; i < whole.len; i++)
		must(whole.text[i] >= ' ' && whole.text[i] <= '~');
	free(text.data);
	return 0;
}
