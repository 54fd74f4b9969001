/*
 * agents.c
 *	  The LLM key, or the provider, that an agent refers to.
 *
 * An agent has a stamp, which is checked before the agent is believed: otherwise
 * whoever can write the table could point all agents to a key that sends what they
 * do elsewhere.
 */
#include "postgres.h"
#include "base/compat.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_fail_agent_sql);

/*
 * What an agent refers to, as the snapshot has it: a key, or a provider whose keys are
 * tried in order.  TK003 if the project has no such agent, or if the agent refers to
 * nothing; TK004 if the row is not what was written, TK005 or TK006 if its master key
 * is missing.  agents is the open table.
 */
TarxKeysAgentTarget
tarx_keys_agent_target(Relation agents, const pg_uuid_t *project_id, const pg_uuid_t *agent_id,
					   Snapshot snapshot)
{
	TarxKeysAgentTarget target = {.provider = NULL};
	TarxKeysRow row;

	if (!tarx_keys_table_find(&tarx_keys_agents, agents, snapshot, project_id, agent_id, &row))
		tarx_keys_fail_agent(agent_id);
	if (!tarx_keys_row_is_stamped(&tarx_keys_agents, &row))
		tarx_keys_fail_agent_integrity(agent_id);
	if (!row.nulls[AGENT_USER_API_KEY_ID])
		target.key_id = *DatumGetUUIDP(row.values[AGENT_USER_API_KEY_ID]);
	else if (!row.nulls[AGENT_PROVIDER])
		target.provider = DatumGetTextPP(row.values[AGENT_PROVIDER]);
	else
		tarx_keys_fail_agent(agent_id);
	return target;
}

/* fail_agent(agent_id uuid): TK003 */
Datum
tarx_keys_fail_agent_sql(PG_FUNCTION_ARGS)
{
	tarx_keys_fail_agent(tarx_keys_arg_uuid(fcinfo, 0, "agent_id"));
}
