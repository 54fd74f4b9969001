/*
 * first_line.h
 *	  The first line of what a program says, cut short, for the server log.
 */
#ifndef TARX_KEYS_FIRST_LINE_H
#define TARX_KEYS_FIRST_LINE_H

#include <stdbool.h>
#include <stddef.h>

#define TARX_KEYS_FIRST_LINE_MAX	200

/* All zero before the first piece.  The text ends with a NUL at any time. */
typedef struct TarxKeysFirstLine
{
	char		text[TARX_KEYS_FIRST_LINE_MAX + 1];
	size_t		len;
	bool		complete;		/* what follows is not looked at */
} TarxKeysFirstLine;

extern void tarx_keys_first_line_add(TarxKeysFirstLine *line, const char *piece, size_t len);

#endif							/* TARX_KEYS_FIRST_LINE_H */
