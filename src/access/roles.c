/*
 * roles.c
 *	  The roles in a project, their names, and the error for a lesser one.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/access.h"

typedef struct RoleNames
{
	const char *name;			/* as it is stored */
	const char *or_higher;		/* what errors call this role and those above
								 * it */
} RoleNames;

static const RoleNames roles[] = {
	[TARX_KEYS_ROLE_NONE] = {NULL, NULL},
	[TARX_KEYS_ROLE_VIEWER] = {"viewer", "member of any role"},
	[TARX_KEYS_ROLE_MEMBER] = {"member", "member, key manager or admin"},
	[TARX_KEYS_ROLE_KEY_MANAGER] = {"key_manager", "key manager or admin"},
	[TARX_KEYS_ROLE_ADMIN] = {"admin", "admin"}
};

/* TARX_KEYS_ROLE_NONE for a name that no role has */
TarxKeysRole
tarx_keys_role_named(const char *name)
{
	for (int role = TARX_KEYS_ROLE_VIEWER; role <= TARX_KEYS_ROLE_ADMIN; role++)
	{
		if (strcmp(roles[role].name, name) == 0)
			return role;
	}
	return TARX_KEYS_ROLE_NONE;
}

/* NULL for TARX_KEYS_ROLE_NONE */
const char *
tarx_keys_role_name(TarxKeysRole role)
{
	return roles[role].name;
}

/* 42501 for a user who has a role in the project, but a lesser one than this */
void
tarx_keys_deny_lesser_role(const pg_uuid_t *project_id, TarxKeysRole least)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("must be %s of project \"%s\"", roles[least].or_higher,
					tarx_keys_uuid_text(project_id)),
			 errhint("Ask an admin of the project to do this, or to give you such a role.")));
}
