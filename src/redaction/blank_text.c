/*
 * blank_text.c
 *	  What stands in place of the text of a utility statement.
 *
 * Positions in the text stay in use: those of further statements, and those of
 * errors that the client gets.  PostgreSQL counts bytes, and then turns them into
 * characters.  So each character is replaced by a blank of as many bytes.
 */
#include "postgres.h"
#include "base/compat.h"

#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "redaction/redaction.h"

typedef struct Blank
{
	const char *text;			/* NULL: there is none */
	char	   *blank;
	int			notice_len;
} Blank;

/* That of the client's message */
static Blank of_message;

/*
 * A blank of some bytes in UTF-8.  The text may be shown to a client whose
 * encoding has only some characters; these it most likely has, if it has sent
 * one of that length.
 */
static const char *const utf8_blanks[] = {
	NULL, NULL, "\302\240", "\343\200\200", "\360\240\200\200"
};

static void
put_blank(char *to, char first, int len)
{
	if (len == 1)
		*to = ' ';
	else if (GetDatabaseEncoding() == PG_UTF8 && len < (int) lengthof(utf8_blanks))
		memcpy(to, utf8_blanks[len], len);
	else
	{
		/* in other encodings the first byte says how long the character is */
		memset(to, 0xA1, len);
		*to = first;
	}
}

/* The length of the character; not more than is left of a text that is cut off */
static int
character_length(const char *at, size_t left)
{
	return IS_HIGHBIT_SET(*at) ? (int) Min((size_t) pg_mblen(at), left) : 1;
}

static void
put_blanks(char *to, const char *text, size_t size)
{
	size_t		at = 0;

	while (at < size)
	{
		int			len = character_length(text + at, size - at);

		put_blank(to + at, text[at], len);
		at += len;
	}
}

static bool
is_ascii(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		if (IS_HIGHBIT_SET(text[i]))
			return false;
	}
	return true;
}

/*
 * The notice, which is a comment, and blanks for what it leaves of the text.
 *
 * The notice begins the text, because libraries take blanks away from there and
 * then lose the positions.  If it would cover characters of several bytes, a
 * comment begins there, and what the notice says is at the end.  The first
 * character of a statement is always of one byte, and so is the second.
 */
static Blank
make_blank(const char *text, const char *notice)
{
	size_t		len = strlen(text);
	size_t		more = strlen(notice);
	Blank		blank = {text, palloc_extended(len + more + 1, MCXT_ALLOC_HUGE), 0};

	put_blanks(blank.blank, text, len);
	blank.blank[len] = '\0';
	if (is_ascii(text, Min(len, more)))
	{
		memcpy(blank.blank, notice, more);
		blank.blank[Max(len, more)] = '\0';
		blank.notice_len = (int) more;
	}
	else
	{
		memcpy(blank.blank, notice, 2);
		memcpy(blank.blank + len, notice + 2, more - 1);
	}
	return blank;
}

static void
forget_blank(void *arg pg_attribute_unused())
{
	of_message.text = NULL;
}

/* Keep the blank of the client's message as long as the message. */
static void
make_blank_of_message(const char *text, const char *notice)
{
	static MemoryContextCallback end_of_message = {forget_blank, NULL, NULL};
	MemoryContext old = MemoryContextSwitchTo(MessageContext);

	if (of_message.text == NULL)
		MemoryContextRegisterResetCallback(MessageContext, &end_of_message);
	of_message = make_blank(text, notice);
	MemoryContextSwitchTo(old);
}

/*
 * What to put in place of a text.  notice_len is the length of the notice, if it is
 * at the beginning, or 0.  A message may have thousands of statements with the same
 * text, so there is one blank for all of them.
 */
const char *
tarx_keys_redaction_blank(const char *text, const char *notice, int *notice_len)
{
	Blank		blank;

	if (MessageContext == NULL || !tarx_keys_redaction_is_message(text))
		blank = make_blank(text, notice);
	else
	{
		if (of_message.text != text)
			make_blank_of_message(text, notice);
		blank = of_message;
	}
	*notice_len = blank.notice_len;
	return blank.blank;
}

/* The statement has ended.  The query that it was part of may start many more. */
void
tarx_keys_redaction_free_blank(const char *blank)
{
	if (of_message.text == NULL || blank != of_message.blank)
		pfree(unconstify(char *, blank));
}
