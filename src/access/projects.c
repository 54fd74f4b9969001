/*
 * projects.c
 *	  Whether a project is there, and whether it has ended.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/access.h"

/* The project's row by now; false if there is none. */
static bool
find_project(const pg_uuid_t *project_id, TarxKeysRow *project)
{
	Datum		key[1] = {UUIDPGetDatum(project_id)};

	return tarx_keys_find(&tarx_keys_projects, key, NULL, project);
}

/* Has the project ended by now?  No if there is no such project. */
bool
tarx_keys_project_has_ended(const pg_uuid_t *project_id)
{
	TarxKeysRow project;

	return find_project(project_id, &project) && !project.nulls[PROJECTS_ENDED_AT];
}

/* Is there such a project by now that has not ended? */
bool
tarx_keys_project_is_alive(const pg_uuid_t *project_id)
{
	TarxKeysRow project;

	return find_project(project_id, &project) && project.nulls[PROJECTS_ENDED_AT];
}
