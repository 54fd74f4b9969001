/*
 * text_list.c
 *	  Lists of texts that a caller gave us.  They can be sorted, each text once,
 *	  and put back into the order in which they occurred.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "credentials/credentials.h"

/* The bytes of a text, which are not copied */
TarxKeysSpan
tarx_keys_span(text *value)
{
	return (TarxKeysSpan) {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

/* Append a text.  Its bytes are not copied. */
void
tarx_keys_texts_add(TarxKeysTextList *list, TarxKeysSpan text)
{
	if (list->items == NULL)
	{
		list->size = 8;
		list->items = palloc(sizeof(TarxKeysListed) * list->size);
	}
	else if (list->count == list->size)
	{
		list->size *= 2;
		list->items = repalloc(list->items, sizeof(TarxKeysListed) * list->size);
	}
	list->items[list->count] = (TarxKeysListed) {text, list->count};
	list->count++;
}

static int
compare_texts(const void *a, const void *b)
{
	return tarx_keys_compare_spans(((const TarxKeysListed *) a)->text, ((const TarxKeysListed *) b)->text);
}

static int
compare_places(const void *a, const void *b)
{
	size_t		left = ((const TarxKeysListed *) a)->place;
	size_t		right = ((const TarxKeysListed *) b)->place;

	return (left > right) - (left < right);
}

static int
compare_texts_and_places(const void *a, const void *b)
{
	int			order = compare_texts(a, b);

	return order != 0 ? order : compare_places(a, b);
}

/* Sort by text and keep the first of each. */
void
tarx_keys_texts_sort(TarxKeysTextList *list)
{
	size_t		kept = 0;

	qsort(list->items, list->count, sizeof(TarxKeysListed), compare_texts_and_places);
	for (size_t i = 0; i < list->count; i++)
	{
		if (kept == 0 || compare_texts(&list->items[kept - 1], &list->items[i]) != 0)
			list->items[kept++] = list->items[i];
	}
	list->count = kept;
}

/* Back to the order in which they occurred */
void
tarx_keys_texts_sort_by_place(TarxKeysTextList *list)
{
	qsort(list->items, list->count, sizeof(TarxKeysListed), compare_places);
}

/*
 * The texts for a message, in quotes and in order of occurrence.  append appends
 * what may be shown of one.
 */
char *
tarx_keys_texts_quoted(TarxKeysTextList *list, void (*append) (StringInfo out, TarxKeysSpan text))
{
	StringInfoData quoted;

	tarx_keys_texts_sort_by_place(list);
	initStringInfo(&quoted);
	for (size_t i = 0; i < list->count; i++)
	{
		appendStringInfoString(&quoted, i > 0 ? ", \"" : "\"");
		append(&quoted, list->items[i].text);
		appendStringInfoChar(&quoted, '"');
	}
	return quoted.data;
}

/* The texts as text[]; they are in the database's encoding. */
Datum
tarx_keys_texts_array(const TarxKeysTextList *list)
{
	Datum	   *elements = palloc(sizeof(Datum) * (list->count + 1));

	for (size_t i = 0; i < list->count; i++)
		elements[i] = PointerGetDatum(cstring_to_text_with_len(list->items[i].text.data,
															   (int) list->items[i].text.len));
	return PointerGetDatum(construct_array(elements, (int) list->count, TEXTOID, -1, false,
										   TYPALIGN_INT));
}

/* The text in a sorted list; -1 if it is not there */
ssize_t
tarx_keys_texts_find(const TarxKeysTextList *list, TarxKeysSpan text)
{
	TarxKeysListed key = {text, 0};
	const TarxKeysListed *found = bsearch(&key, list->items, list->count, sizeof(TarxKeysListed), compare_texts);

	return found == NULL ? -1 : found - list->items;
}
