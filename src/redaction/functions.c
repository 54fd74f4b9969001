/*
 * functions.c
 *	  Which calls may carry a value: those of our functions.
 *
 * A plan has a list of the functions that it depends on.  The list is short, so it
 * is searched for ours each time a plan starts, cached or not.
 *
 * A function call message has neither a text nor a plan.  But PostgreSQL tells
 * which function it is about to call, before it reads the arguments.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "nodes/plannodes.h"
#include "tcop/tcopprot.h"
#include "utils/catcache.h"
#include "utils/inval.h"
#include "utils/syscache.h"

#include "redaction/redaction.h"

/* Room for a few functions of the same name with other arguments */
#define MAX_FUNCTIONS	(3 * (TARX_KEYS_NUM_SENSITIVE + 1))

typedef struct SensitiveFunction
{
	uint32		hash;			/* of its row in pg_proc, as plans have it */
	const TarxKeysSensitiveName *name;
} SensitiveFunction;

/* Our functions in this database */
static SensitiveFunction functions[MAX_FUNCTIONS];
static int	nfunctions = 0;

/* Goes up when a function or schema changes */
static uint64 changes = 1;

/* The value of changes when the functions were looked up; 0 before that */
static uint64 functions_as_of = 0;

static object_access_hook_type prev_object_access_hook = NULL;

static void
count_change(Datum arg pg_attribute_unused(), TARX_KEYS_CACHE_ID cacheid pg_attribute_unused(),
			 uint32 hash pg_attribute_unused())
{
	changes++;
}

static uint32
hash_of(Oid function)
{
	return GetSysCacheHashValue1(PROCOID, ObjectIdGetDatum(function));
}

static void
find_functions_of_name(Oid namespace, const TarxKeysSensitiveName *name)
{
	CatCList   *list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(name->name));

	for (int i = 0; i < list->n_members && nfunctions < MAX_FUNCTIONS; i++)
	{
		Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(&list->members[i]->tuple);

		if (proc->pronamespace != namespace)
			continue;
		functions[nfunctions].hash = hash_of(proc->oid);
		functions[nfunctions].name = name;
		nfunctions++;
	}
	ReleaseSysCacheList(list);
}

static void
find_functions_of_schema(Oid namespace)
{
	for (const TarxKeysSensitiveName *name = tarx_keys_sensitive_names; name->name != NULL; name++)
		find_functions_of_name(namespace, name);
	find_functions_of_name(namespace, &tarx_keys_sensitive_if_failed);
}

/*
 * Look our functions up, unless the list is current.  This needs a transaction
 * that can read the catalogs.
 *
 * The look-up may fail, and a change may arrive during it.  So functions_as_of is
 * set when the look-up is complete, to the count from before it.
 */
static void
find_functions(void)
{
	static bool registered = false;
	uint64		before = changes;
	Oid			namespace;

	if (functions_as_of == changes)
		return;
	if (!registered)
	{
		CacheRegisterSyscacheCallback(PROCOID, count_change, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, count_change, (Datum) 0);
		registered = true;
	}
	nfunctions = 0;
	namespace = get_namespace_oid(TARX_KEYS_SCHEMA, true);
	if (OidIsValid(namespace))
		find_functions_of_schema(namespace);
	functions_as_of = before;
}

/* The name of the function of ours with this hash, or NULL */
static const TarxKeysSensitiveName *
name_of_hash(uint32 hash)
{
	find_functions();
	for (int i = 0; i < nfunctions; i++)
	{
		if (functions[i].hash == hash)
			return functions[i].name;
	}
	return NULL;
}

/*
 * The name of a function of ours that a plan calls, or NULL.  If that is act_as(),
 * only errors are redacted.
 */
const TarxKeysSensitiveName *
tarx_keys_redaction_of_plan(const PlannedStmt *plan)
{
	const TarxKeysSensitiveName *name = NULL;
	ListCell   *cell;

	foreach(cell, plan->invalItems)
	{
		PlanInvalItem *item = lfirst_node(PlanInvalItem, cell);

		if (item->cacheId == PROCOID)
			name = name_of_hash(item->hashValue);
		if (name == &tarx_keys_sensitive_if_failed)
		{
			tarx_keys_redaction_mark_failure();
			name = NULL;
		}
		if (name != NULL)
			break;
	}
	return name;
}

/* A message without a text may call a function: mark it if that is one of ours. */
static void
mark_call(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg)
{
	const TarxKeysSensitiveName *name = NULL;

	if (access == OAT_FUNCTION_EXECUTE && debug_query_string == NULL &&
		tarx_keys_setting_redact_logs())
		name = name_of_hash(hash_of(object_id));
	if (name != NULL)
		tarx_keys_redaction_mark_message(name);
	if (prev_object_access_hook != NULL)
		prev_object_access_hook(access, class_id, object_id, sub_id, arg);
}

/* Install the hook.  A hook that is installed later is called earlier. */
void
tarx_keys_redaction_functions_install(void)
{
	prev_object_access_hook = object_access_hook;
	object_access_hook = mark_call;
}
