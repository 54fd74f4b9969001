/*
 * errors.c
 *	  The errors that more than one place reports, in one wording each.
 *
 * Some cases must look the same to a caller, so they come from the same line of
 * code: a project that does not exist and one that the user is not a member of; a
 * key or secret that does not exist and one of another project.
 */
#include "postgres.h"
#include "base/compat.h"

#include "miscadmin.h"
#include "utils/acl.h"

#include "base/base.h"

/*
 * The name of the function with which this session can say who acts: act_as for a
 * backend service that may call it, login for all others.
 */
const char *
tarx_keys_identity_call(void)
{
	Oid			backend = get_role_oid("tarx_keys_backend", true);

	return !tarx_keys_setting_require_login() && OidIsValid(backend) &&
		has_privs_of_role(GetOuterUserId(), backend) ? "act_as" : "login";
}

/*
 * Within ereport(): tells programs which argument the error is about, by its name
 * in the function's signature.
 */
int
tarx_keys_errarg(const char *argument)
{
	return err_generic_string(PG_DIAG_COLUMN_NAME, argument);
}

void
tarx_keys_deny_project(const pg_uuid_t *project_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for project \"%s\"", tarx_keys_uuid_text(project_id)),
			 errhint("The acting user must be a member of the project. If the transaction has an active project, it must be this one.")));
}

void
tarx_keys_fail_no_acting_user(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_TK_NO_ACTING_USER),
			 errmsg("there is no acting user in this transaction"),
			 errhint("Call tarx_keys.%s() first, in the same transaction.", tarx_keys_identity_call())));
}

void
tarx_keys_fail_key_not_found(const pg_uuid_t *key_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_TK_KEY_NOT_FOUND),
			 errmsg("LLM key \"%s\" not found in this project", tarx_keys_uuid_text(key_id)),
			 errhint("Check the project and the key id, or point the agent to one of the keys that tarx_keys.llm_keys lists for the project.")));
}

/* The same for a project that is not there, has ended, or is not the caller's to know. */
void
tarx_keys_fail_project_not_found(const pg_uuid_t *project_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_TK_KEY_NOT_FOUND),
			 errmsg("project \"%s\" not found", tarx_keys_uuid_text(project_id)),
			 errhint("Check the project's id; the acting user, if there is one, must be a member of the project.")));
}

void
tarx_keys_fail_key_deleted(const pg_uuid_t *key_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_TK_KEY_DELETED),
			 errmsg("LLM key \"%s\" has been deleted", tarx_keys_uuid_text(key_id)),
			 errhint("Point the agent to another key with tarx_keys.set_agent_key() or tarx_keys.repoint_agents().")));
}

void
tarx_keys_fail_agent(const pg_uuid_t *agent_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_TK_AGENT_WITHOUT_KEY),
			 errmsg("agent \"%s\" not found in this project, or it has no LLM key", tarx_keys_uuid_text(agent_id)),
			 errhint("Check the project and the agent id, and give the agent a key with tarx_keys.set_agent_key().")));
}

void
tarx_keys_fail_integrity(const pg_uuid_t *key_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_TK_INTEGRITY),
			 errmsg("LLM key \"%s\" failed its integrity check", tarx_keys_uuid_text(key_id)),
			 errdetail("The stored row is not what was written when the key was added."),
			 errhint("Do not use this key: have a key manager delete it and add it again, and ask the database administrator who changed the row.")));
}

void
tarx_keys_fail_agent_integrity(const pg_uuid_t *agent_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_TK_INTEGRITY),
			 errmsg("agent \"%s\" failed its integrity check", tarx_keys_uuid_text(agent_id)),
			 errdetail("The stored row is not what was written when the agent was last changed."),
			 errhint("Do not use this agent: have a member delete it and create it again, and ask the database administrator who changed the row.")));
}

void
tarx_keys_fail_member_integrity(const pg_uuid_t *project_id, const char *user_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_TK_INTEGRITY),
			 errmsg("the membership of user \"%s\" in project \"%s\" failed its integrity check",
					user_id, tarx_keys_uuid_text(project_id)),
			 errdetail("The stored row is not what was written when the user became a member or got this role."),
			 errhint("Have another admin remove the member and add it again, and ask the database administrator who changed the row.")));
}

/* names has count names, each in quotes, with commas between them. */
void
tarx_keys_fail_secrets_not_found(const char *names, unsigned long count)
{
	ereport(ERROR,
			(errcode(ERRCODE_TK_SECRET_NOT_FOUND),
			 errmsg_plural("secret %s not found in this project",
						   "secrets %s not found in this project", count, names),
			 errhint("Check the project and the name, or have a key manager of the project call tarx_keys.set_secret().")));
}

void
tarx_keys_fail_secret_version(const char *name, int32 version)
{
	ereport(ERROR,
			(errcode(ERRCODE_TK_SECRET_NOT_FOUND),
			 tarx_keys_errarg("version"),
			 errmsg("version %d of secret \"%s\" is not kept", version, name),
			 errhint("The newest versions are kept, as many as tarx_keys.secret_versions_kept says.")));
}

void
tarx_keys_fail_secret_integrity(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_TK_INTEGRITY),
			 errmsg("secret \"%s\" failed its integrity check", name),
			 errdetail("The stored row is not what was written when the secret was set."),
			 errhint("Do not use this secret: have a key manager set it again, and ask the database administrator who changed the row.")));
}

void
tarx_keys_fail_no_keyring(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_TK_NO_KEYRING),
			 errmsg("there is no usable master keyring"),
			 errhint("Ask the database administrator: the server log and tarx_keys.keyring_status() say what is wrong, and what to do.")));
}

void
tarx_keys_fail_master_key_missing(const uint8 *fingerprint)
{
	char		hex[TARX_KEYS_FINGERPRINT_HEX];

	tarx_keys_fingerprint_hex(fingerprint, hex);
	ereport(ERROR,
			(errcode(ERRCODE_TK_MASTER_KEY_MISSING),
			 errmsg("the master key with fingerprint %s is not in the keyring", hex),
			 errhint("Ask the database administrator to add this master key to the keyring, behind the active one, and to reload.")));
}
