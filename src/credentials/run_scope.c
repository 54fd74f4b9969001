/*
 * run_scope.c
 *	  What a run may resolve: the keys of its ticket's agent, or its ticket's key, and
 *	  the secrets that its ticket names.
 *
 * Each function raises 42501 for anything else, whether that exists or not.  None of
 * them does anything outside of a run.  That the call is about the run's project has
 * been checked: see tarx_keys_run_of_call().
 */
#include "postgres.h"
#include "base/compat.h"

#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "credentials/credentials.h"

static bool
is_of_agent(const TarxKeysCall *call)
{
	return call->run->kind == TARX_KEYS_RUN_OF_AGENT;
}

static bool
is_object(const TarxKeysCall *call, const pg_uuid_t *id)
{
	return memcmp(call->run->object_id, id, UUID_LEN) == 0;
}

/* For what is sealed to this public key, or is in clear if that is NULL */
void
tarx_keys_run_admit_recipient(const TarxKeysCall *call, const uint8 *recipient)
{
	uint8		hash[TARX_KEYS_HASH_BYTES];

	if (call->run == NULL || call->run->recipient_hash == NULL)
		return;
	if (recipient == NULL)
		tarx_keys_deny_run("recipient's key");
	tarx_keys_hash(hash, recipient, TARX_KEYS_BOX_KEY_BYTES);
	if (memcmp(hash, call->run->recipient_hash, sizeof(hash)) != 0)
		tarx_keys_deny_run("recipient's key");
}

void
tarx_keys_run_admit_agent(const TarxKeysCall *call, const pg_uuid_t *agent_id)
{
	if (call->run == NULL)
		return;
	if (!is_of_agent(call) || !is_object(call, agent_id))
		tarx_keys_deny_run("agent");
}

/* What the run's agent refers to by now, in the current memory context */
static TarxKeysAgentTarget
agent_target(const TarxKeysCall *call)
{
	Relation	agents = tarx_keys_table_open(&tarx_keys_agents, call->project_id);
	Snapshot	snapshot = tarx_keys_latest_snapshot();
	TarxKeysAgentTarget target = tarx_keys_agent_target(agents, call->project_id,
														(const pg_uuid_t *) call->run->object_id, snapshot);

	UnregisterSnapshot(snapshot);
	tarx_keys_table_close(agents);
	return target;
}

/* Only agents that name a provider, and no key */
void
tarx_keys_run_admit_provider(const TarxKeysCall *call, text *provider)
{
	TarxKeysAgentTarget target = {.provider = NULL};

	if (call->run == NULL)
		return;
	if (is_of_agent(call))
		target = agent_target(call);
	if (target.provider == NULL || !tarx_keys_span_equals(tarx_keys_span(target.provider), tarx_keys_span(provider)))
		tarx_keys_deny_run("provider");
}

/*
 * TK002 or TK004, or TK006, unless a row is as it was sealed.  Its word is not enough:
 * whoever can write the table could change it, and back before the call fetches it.
 */
static void
check_key(TarxKeysRow *row, const pg_uuid_t *key_id)
{
	TarxKeysOpenKey key;

	if (tarx_keys_key_has_state(row, TARX_KEYS_STATE_DELETED))
		tarx_keys_fail_key_deleted(key_id);
	if (!tarx_keys_row_detoast(&tarx_keys_llm_keys, row) || !tarx_keys_key_open(row, &key))
		tarx_keys_fail_integrity(key_id);
	tarx_keys_secret_wipe(key.plain.secret);
}

/* Has the project a key with this id, of this provider? */
static bool
is_of_provider(const TarxKeysCall *call, const pg_uuid_t *key_id, text *provider)
{
	Relation	keys = tarx_keys_table_open(&tarx_keys_llm_keys, call->project_id);
	Snapshot	snapshot = tarx_keys_latest_snapshot();
	TarxKeysRow row;
	bool		found;

	found = tarx_keys_table_find(&tarx_keys_llm_keys, keys, snapshot, call->project_id, UUIDPGetDatum(key_id), &row) &&
		!row.nulls[LLM_KEY_PROVIDER] &&
		tarx_keys_span_equals(tarx_keys_span(DatumGetTextPP(row.values[LLM_KEY_PROVIDER])),
							  tarx_keys_span(provider));
	if (found)
		check_key(&row, key_id);
	UnregisterSnapshot(snapshot);
	tarx_keys_table_close(keys);
	return found;
}

/* The key that the run's agent refers to, or any of the agent's provider */
void
tarx_keys_run_admit_key_of_agent(const TarxKeysCall *call, const pg_uuid_t *key_id)
{
	TarxKeysAgentTarget target;
	bool		good;

	if (call->run == NULL)
		return;
	if (!is_of_agent(call))
		tarx_keys_deny_run("key");
	target = agent_target(call);
	good = target.provider != NULL ? is_of_provider(call, key_id, target.provider) :
		memcmp(&target.key_id, key_id, UUID_LEN) == 0;
	if (!good)
		tarx_keys_deny_run("key");
}

/* The same, or the key that the run's ticket is for */
void
tarx_keys_run_admit_key(const TarxKeysCall *call, const pg_uuid_t *key_id)
{
	if (call->run == NULL)
		return;
	if (is_of_agent(call))
		tarx_keys_run_admit_key_of_agent(call, key_id);
	else if (!is_object(call, key_id))
		tarx_keys_deny_run("key");
}

/* The names in the ticket; *names becomes them if it is NULL, which stands for all. */
void
tarx_keys_run_admit_secrets(const TarxKeysCall *call, const TarxKeysTextList **names)
{
	TarxKeysTextList *all;

	if (call->run == NULL)
		return;
	if (*names == NULL)
	{
		all = palloc0(sizeof(TarxKeysTextList));
		for (int i = 0; i < call->run->nsecrets; i++)
			tarx_keys_texts_add(all, call->run->secret_names[i]);
		*names = all;
		return;
	}
	for (size_t i = 0; i < (*names)->count; i++)
	{
		if (!tarx_keys_run_ticket_names(call->run, (*names)->items[i].text))
			tarx_keys_deny_run("secret");
	}
}
