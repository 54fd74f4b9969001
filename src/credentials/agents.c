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
PG_FUNCTION_INFO_V1(tarx_keys_agent_stamp);
PG_FUNCTION_INFO_V1(tarx_keys_next_agent_revision);

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

	if (!tarx_keys_table_find(&tarx_keys_agents, agents, snapshot, project_id, UUIDPGetDatum(agent_id), &row))
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

/* agent_stamp(project_id uuid, id uuid, ...) returns bytea: see sql/40_agents.sql */
Datum
tarx_keys_agent_stamp(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(tarx_keys_stamp_of_arguments(fcinfo, &tarx_keys_agents));
}

/* next_agent_revision(project_id uuid, id uuid, ..., stamp bytea) returns integer */
Datum
tarx_keys_next_agent_revision(PG_FUNCTION_ARGS)
{
	int32		revision = tarx_keys_next_revision(fcinfo, &tarx_keys_agents);

	if (revision == 0)
		tarx_keys_fail_agent_integrity(tarx_keys_arg_uuid(fcinfo, AGENT_ID, "id"));
	PG_RETURN_INT32(revision);
}
