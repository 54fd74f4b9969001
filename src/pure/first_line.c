/*
 * first_line.c
 *	  Keeps the first line of a text that comes in pieces.
 *
 * Blank lines in front of it are left out.  Of the line there are at most
 * TARX_KEYS_FIRST_LINE_MAX characters, and only printable ASCII: any other byte
 * becomes a question mark, so that no program can make a line in the log of its
 * own, or write what the log's encoding has not.
 */
#include "pure/first_line.h"

#include "pure/ascii.h"

static bool
ends_line(char c)
{
	return c == '\n' || c == '\r';
}

static char
printable(char c)
{
	if (c == '\t')
		return ' ';
	if (tarx_keys_is_printable(c))
		return c;
	return '?';
}

/* Take the next piece of the text. */
void
tarx_keys_first_line_add(TarxKeysFirstLine *line, const char *piece, size_t len)
{
	for (size_t i = 0; i < len && !line->complete; i++)
	{
		char		c = printable(piece[i]);

		if (line->len == 0 && (c == ' ' || ends_line(piece[i])))
			continue;
		if (ends_line(piece[i]))
			line->complete = true;
		else
		{
			line->text[line->len++] = c;
			line->complete = line->len == TARX_KEYS_FIRST_LINE_MAX;
		}
	}
}
