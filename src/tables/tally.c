/*
 * tally.c
 *	  Numbers that belong to the objects of a list, such as how many others refer to them.
 *
 * A list asks for its objects one by one.  The rows of a project are read at once, if they
 * are few.  Otherwise the first answer is looked up by itself, because it may be the only
 * one; with the second, all rows are read.  Of objects that belong to no project each is
 * looked up by itself: the rows of all users are together.  The numbers are those of the
 * query's snapshot, and are kept for a statement.
 */
#include "postgres.h"
#include "base/compat.h"

#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "tables/tables.h"

/* So many rows take as long as to look up one object by itself. */
#define FEW_ROWS	20

typedef struct Numbered
{
	pg_uuid_t	id;
	int64		number;
} Numbered;

/* What is known of a project */
typedef struct ProjectTally
{
	struct ProjectTally *next;
	pg_uuid_t	project_id;
	bool		was_asked;
	bool		is_complete;
	Numbered   *objects;		/* by id, once they have been read */
	int			count;
	int			size;
	int			rows_left;		/* to read; -1 for all */
} ProjectTally;

struct TarxKeysTally
{
	const TarxKeysTallySource *source;
	MemoryContext context;
	ProjectTally *projects;		/* the one that was asked for last is the
								 * first */
};

/* A new tally in this memory context */
TarxKeysTally *
tarx_keys_tally_new(const TarxKeysTallySource *source, MemoryContext context)
{
	TarxKeysTally *tally = MemoryContextAllocZero(context, sizeof(TarxKeysTally));

	tally->source = source;
	tally->context = context;
	return tally;
}

/* Find a project, or add it, and put it first. */
static ProjectTally *
project_of(TarxKeysTally *tally, const pg_uuid_t *project_id)
{
	ProjectTally **at = &tally->projects;
	ProjectTally *project;

	while (*at != NULL && memcmp(&(*at)->project_id, project_id, UUID_LEN) != 0)
		at = &(*at)->next;
	project = *at;
	if (project != NULL)
		*at = project->next;
	else
	{
		project = MemoryContextAllocZero(tally->context, sizeof(ProjectTally));
		project->project_id = *project_id;
	}
	project->next = tally->projects;
	tally->projects = project;
	return project;
}

/* What two numbers of an object come to; none is like 0. */
static int64
both(const TarxKeysTallySource *source, int64 a, int64 b)
{
	return source->is_greatest ? Max(a, b) : a + b;
}

/* Note a row of the source; those of one object often come one after the other. */
static bool
note_row(const TarxKeysRow *row, void *arg)
{
	TarxKeysTally *tally = arg;
	const TarxKeysTallySource *source = tally->source;
	ProjectTally *project = tally->projects;
	int64		number = source->number < 0 ? 1 : DatumGetInt64(row->values[source->number]);
	Numbered   *last = project->count > 0 ? &project->objects[project->count - 1] : NULL;
	const pg_uuid_t *id;

	if (project->rows_left == 0)
	{
		project->is_complete = false;
		return false;
	}
	if (project->rows_left > 0)
		project->rows_left--;
	if (row->nulls[source->id] || (source->number >= 0 && row->nulls[source->number]))
		return true;
	id = DatumGetUUIDP(row->values[source->id]);
	if (last != NULL && memcmp(&last->id, id, UUID_LEN) == 0)
	{
		last->number = both(source, last->number, number);
		return true;
	}
	if (project->count == project->size)
	{
		project->size = project->size * 2 + 16;
		project->objects = project->objects == NULL ?
			MemoryContextAlloc(tally->context, sizeof(Numbered) * project->size) :
			repalloc_huge(project->objects, sizeof(Numbered) * project->size);
	}
	project->objects[project->count++] = (Numbered) {*id, number};
	return true;
}

static int
compare_numbered(const void *a, const void *b)
{
	return memcmp(&((const Numbered *) a)->id, &((const Numbered *) b)->id, UUID_LEN);
}

/* Read the rows of one object, or of all objects of the project if id is NULL; at most so many. */
static void
read_rows(TarxKeysTally *tally, ProjectTally *project, const pg_uuid_t *id, int max)
{
	const TarxKeysTallySource *source = tally->source;
	Datum		values[TARX_KEYS_MAX_KEYS];
	int			count = 0;

	values[count++] = UUIDPGetDatum(&project->project_id);
	if (source->kind != NULL)
		values[count++] = PointerGetDatum(cstring_to_text(source->kind));
	if (id != NULL)
		values[count++] = UUIDPGetDatum(id);
	project->count = 0;
	project->rows_left = max;
	project->is_complete = id == NULL;
	tarx_keys_each_row(source->table, id != NULL ? source->of_one : source->of_all, source->by_other,
					   values, GetActiveSnapshot(), note_row, tally);
	qsort(project->objects, project->count, sizeof(Numbered), compare_numbered);
}

/* What the numbers come to that an object has among those that were read */
static int64
number_of(const TarxKeysTallySource *source, const ProjectTally *project, const pg_uuid_t *id)
{
	int			low = 0;
	int			high = project->count;
	int64		number = 0;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (memcmp(&project->objects[middle].id, id, UUID_LEN) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < project->count && memcmp(&project->objects[low].id, id, UUID_LEN) == 0; low++)
		number = both(source, number, project->objects[low].number);
	return number;
}

/* The number of an object; 0 if the source has no row of it. */
int64
tarx_keys_tally_of(TarxKeysTally *tally, const pg_uuid_t *project_id, const pg_uuid_t *id)
{
	ProjectTally *project = project_of(tally, project_id);

	if (!project->is_complete && tally->source->of_all != NULL)
		read_rows(tally, project, NULL, project->was_asked ? -1 : FEW_ROWS);
	if (!project->is_complete)
		read_rows(tally, project, id, -1);
	project->was_asked = true;
	return number_of(tally->source, project, id);
}
