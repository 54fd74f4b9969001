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

/* Utility statements can run others.  Blanks are kept for so many of them. */
#define MAX_LEVELS	4

typedef struct Blank
{
	const char *text;			/* NULL: there is none */
	size_t		len;			/* of the text */
	char	   *blank;
	int			notice_len;		/* if the notice is at the beginning; or 0 */
} Blank;

/* Those that were made last, by the level of the statement */
static Blank blanks[MAX_LEVELS];
static bool are_kept = false;

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
	if (!IS_HIGHBIT_SET(*at))
		return 1;
	return (int) Min((size_t) pg_encoding_mblen(GetDatabaseEncoding(), at), left);
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
make_blank(const char *text, const char *notice, MemoryContext context)
{
	size_t		len = strlen(text);
	size_t		more = strlen(notice);
	Blank		blank = {text, len, MemoryContextAllocHuge(context, len + more + 1), 0};

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
forget_blanks(void *arg pg_attribute_unused())
{
	memset(blanks, 0, sizeof(blanks));
	are_kept = false;
}

/* Keep a blank until the next one of its level, or the end of the client's message. */
static void
keep(Blank *place, Blank blank)
{
	static MemoryContextCallback end_of_message = {forget_blanks, NULL, NULL};

	if (!are_kept)
		MemoryContextRegisterResetCallback(MessageContext, &end_of_message);
	are_kept = true;
	if (place->text != NULL)
		pfree(place->blank);
	*place = blank;
}

/*
 * Is this the blank of the text in which the statement has this place?  Another text
 * may be in the same memory by now.  So the characters of the statement are
 * compared, which takes no longer than it takes to parse them.
 */
static bool
is_blank_of(const Blank *blank, const char *text, int location, int len)
{
	size_t		end;

	if (blank->text != text)
		return false;
	end = location + (len > 0 ? (size_t) len : strlen(text + location));
	if (end > blank->len)
		return false;
	for (size_t i = location; i < end; i++)
	{
		if (IS_HIGHBIT_SET(text[i]) != IS_HIGHBIT_SET(blank->blank[i]))
			return false;
	}
	return true;
}

/*
 * Make the text blank in which a statement has its place, and let the statement
 * have that of the notice.  The statement runs at this level: the client's is at
 * level 0, one that it runs at level 1.
 *
 * A text may have thousands of statements.  So they share a blank, as long as they
 * come one after the other.
 */
const char *
tarx_keys_redaction_blank(const char *text, const char *notice, PlannedStmt *pstmt, int level)
{
	Blank		blank;

	if (MessageContext == NULL || level >= MAX_LEVELS)
		blank = make_blank(text, notice, CurrentMemoryContext);
	else
	{
		if (!is_blank_of(&blanks[level], text, Max(pstmt->stmt_location, 0), pstmt->stmt_len))
			keep(&blanks[level], make_blank(text, notice, MessageContext));
		blank = blanks[level];
	}
	pstmt->stmt_location = 0;

	/*
	 * PREPARE hands its place to the statement in it, which has one of its
	 * own
	 */
	pstmt->stmt_len = IsA(pstmt->utilityStmt, PrepareStmt) ? 0 : blank.notice_len;
	return blank.blank;
}

static bool
starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/*
 * Is a text blank where a statement has its place?  It may be a copy.  A statement
 * in another text has characters that a blank has not, and soon.
 */
bool
tarx_keys_redaction_is_blank(const char *text, int location, int len)
{
	const char *at = text + Max(location, 0);
	const char *end = len > 0 ? at + len : NULL;

	if (starts_with(text, TARX_KEYS_NOTICE_START))
		return true;
	while (at != end && (*at == ' ' || IS_HIGHBIT_SET(*at)))
		at++;
	return at == end || *at == '\0' || starts_with(at, &TARX_KEYS_NOTICE_START[3]);
}
