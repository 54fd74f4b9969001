/*
 * audit_actions.c
 *	  The actions that the audit log knows.
 *
 * This is the only list: C and SQL use these words, and any other word is an
 * error.  docs/reference.md says what each word means; a test compares the two.
 */
#include "postgres.h"
#include "base/compat.h"

#include "records/records.h"

static const char *const actions[] = {
	"agent.create",
	"agent.delete",
	"agent.rename",
	"agent.restamp",
	"agent.revoke_runs",
	"agent.set_key",
	"agent.set_provider",
	"agents.repoint",
	"audit.new_generation",
	"llm_key.add",
	"llm_key.delete",
	"llm_key.replace",
	"llm_key.update",
	"member.add_admin",
	"member.add_key_manager",
	"member.add_member",
	"member.add_viewer",
	"member.end",
	"member.remove",
	"member.restamp_admin",
	"member.restamp_key_manager",
	"member.restamp_member",
	"member.restamp_viewer",
	"platform_key.create",
	"platform_key.revoke",
	"project.create",
	"project.delete",
	"project.rename",
	"project.revoke_runs",
	"secret.delete",
	"secret.describe",
	"secret.rename",
	"secret.restore",
	"secret.set",
	"service_account.create",
	"service_account.create_key",
	"service_account.delete"
};

/* Raise an error unless the action is in the list. */
void
tarx_keys_check_audit_action(const char *action)
{
	for (size_t i = 0; i < lengthof(actions); i++)
	{
		if (strcmp(actions[i], action) == 0)
			return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 tarx_keys_errarg("action"),
			 errmsg("unknown action of the audit log"),
			 errhint("The actions are listed in src/records/audit_actions.c.")));
}
