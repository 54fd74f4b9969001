/*
 * projects.c
 *	  Whether a project has ended.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/access.h"

/* Has the project ended by now?  No if there is no such project. */
bool
tarx_keys_project_has_ended(const pg_uuid_t *project_id)
{
	Datum		key[1] = {UUIDPGetDatum(project_id)};
	TarxKeysRow project;

	return tarx_keys_find(&tarx_keys_projects, key, NULL, &project) && !project.nulls[PROJECTS_ENDED_AT];
}
