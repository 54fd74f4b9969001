/*
 * statements.c
 *	  Texts of statements that others keep: pg_stat_statements, pgaudit,
 *	  auto_explain, prepared statements and cursors get one without values.
 *
 * A utility statement is known by its text.  Hooks get the text as an argument,
 * so they are called with a redacted one.  A plan has a list of the functions
 * that it depends on.  The list is short, so it is searched for ours each time a
 * plan starts, cached or not.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "commands/extension.h"
#include "commands/prepare.h"
#include "executor/executor.h"
#include "parser/analyze.h"
#include "tcop/cmdtag.h"
#include "tcop/utility.h"
#include "utils/catcache.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "redaction/redaction.h"

/* Room for a few functions of the same name with other arguments */
#define MAX_FUNCTIONS	(3 * TARX_KEYS_NUM_SENSITIVE)

typedef struct SensitiveFunction
{
	uint32		hash;			/* of its row in pg_proc, as plans have it */
	const char *name;
} SensitiveFunction;

/* Our functions in this database */
static SensitiveFunction functions[MAX_FUNCTIONS];
static int	nfunctions = 0;

/* Goes up when a function or schema changes */
static uint64 changes = 1;

/* The value of changes when the functions were looked up; 0 before that */
static uint64 functions_as_of = 0;

static post_parse_analyze_hook_type prev_post_parse_analyze_hook = NULL;
static ExecutorStart_hook_type prev_ExecutorStart_hook = NULL;
static ExecutorRun_hook_type prev_ExecutorRun_hook = NULL;
static ProcessUtility_hook_type prev_ProcessUtility_hook = NULL;

/*
 * Our functions in this database
 */

static void
count_change(Datum arg pg_attribute_unused(), TARX_KEYS_CACHE_ID cacheid pg_attribute_unused(),
			 uint32 hash pg_attribute_unused())
{
	changes++;
}

static void
find_functions_of_name(Oid namespace, const char *name)
{
	CatCList   *list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(name));

	for (int i = 0; i < list->n_members && nfunctions < MAX_FUNCTIONS; i++)
	{
		Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(&list->members[i]->tuple);

		if (proc->pronamespace != namespace)
			continue;
		functions[nfunctions].hash = GetSysCacheHashValue1(PROCOID, ObjectIdGetDatum(proc->oid));
		functions[nfunctions].name = name;
		nfunctions++;
	}
	ReleaseSysCacheList(list);
}

static void
find_functions_of_schema(Oid namespace)
{
	for (const TarxKeysSensitiveFunction *function = tarx_keys_sensitive_functions;
		 function->name != NULL; function++)
		find_functions_of_name(namespace, function->name);
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
	namespace = get_namespace_oid("tarx_keys", true);
	if (OidIsValid(namespace))
		find_functions_of_schema(namespace);
	functions_as_of = before;
}

/*
 * Plans
 */

/* The name of a function of ours that a plan calls, or NULL */
static const char *
sensitive_function_of_plan(const PlannedStmt *plan)
{
	ListCell   *cell;

	foreach(cell, plan->invalItems)
	{
		PlanInvalItem *item = lfirst_node(PlanInvalItem, cell);

		if (item->cacheId != PROCOID)
			continue;
		find_functions();
		for (int i = 0; i < nfunctions; i++)
		{
			if (functions[i].hash == item->hashValue)
				return functions[i].name;
		}
	}
	return NULL;
}

/*
 * Take the text away from a plan.  The plan may be cached and used elsewhere, so
 * a copy takes its place, which has no position in a text any more.
 */
static void
redact_plan(QueryDesc *desc, const char *name)
{
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(desc));
	PlannedStmt *copy = palloc(sizeof(PlannedStmt));

	*copy = *desc->plannedstmt;
	copy->stmt_location = 0;
	copy->stmt_len = 0;
	desc->plannedstmt = copy;
	desc->sourceText = psprintf(TARX_KEYS_REDACTED_QUERY, "statement", name);
	MemoryContextSwitchTo(old);
}

/* Mark the statement if its plan calls one of our functions; returns its name, or NULL. */
static const char *
mark_plan(const PlannedStmt *plan)
{
	const char *name = NULL;

	if (plan->invalItems != NIL && tarx_keys_setting_redact_logs())
		name = sensitive_function_of_plan(plan);
	if (name != NULL)
		tarx_keys_redaction_mark_statement(name);
	return name;
}

static void
start_plan(QueryDesc *desc, int eflags)
{
	const char *name = mark_plan(desc->plannedstmt);

	if (name != NULL)
		redact_plan(desc, name);
	if (prev_ExecutorStart_hook != NULL)
		prev_ExecutorStart_hook(desc, eflags);
	else
		standard_ExecutorStart(desc, eflags);
}

/* One message of the client may start a plan, and a later one run it. */
static void
run_plan(TARX_KEYS_RUN_PARAMS)
{
	(void) mark_plan(desc->plannedstmt);
	if (prev_ExecutorRun_hook != NULL)
		prev_ExecutorRun_hook(TARX_KEYS_RUN_ARGS);
	else
		standard_ExecutorRun(TARX_KEYS_RUN_ARGS);
}

/*
 * Texts
 */

/*
 * A statement has been parsed.  It may run much later, and other sessions must
 * not see its text until then.
 */
static void
mark_parsed(ParseState *pstate, Query *query, TARX_KEYS_JUMBLE_STATE * jstate)
{
	const char *name = NULL;

	if (query->commandType != CMD_UTILITY && pstate->p_sourcetext != NULL &&
		tarx_keys_setting_redact_logs())
		name = tarx_keys_sensitive_name(pstate->p_sourcetext);
	if (name != NULL)
		tarx_keys_redaction_mark_statement(name);
	if (prev_post_parse_analyze_hook != NULL)
		prev_post_parse_analyze_hook(pstate, query, jstate);
}

/* The EXECUTE in a utility statement, or NULL.  EXPLAIN and CREATE TABLE AS may have one. */
static const ExecuteStmt *
execute_in(const Node *statement)
{
	while (statement != NULL && !IsA(statement, ExecuteStmt))
	{
		switch (nodeTag(statement))
		{
			case T_ExplainStmt:
				statement = ((const ExplainStmt *) statement)->query;
				break;
			case T_CreateTableAsStmt:
				statement = ((const CreateTableAsStmt *) statement)->query;
				break;
			case T_Query:
				statement = ((const Query *) statement)->utilityStmt;
				break;
			default:
				return NULL;
		}
	}
	return (const ExecuteStmt *) statement;
}

/* The name that makes a utility statement sensitive, or NULL */
static const char *
sensitive_name_of_utility(const Node *statement, const char *text)
{
	const char *name;
	const ExecuteStmt *execute;

	/* nobody keeps the text of these */
	if (IsA(statement, TransactionStmt))
		return NULL;
	name = tarx_keys_sensitive_name(text);
	if (name == NULL && (execute = execute_in(statement)) != NULL)
	{
		PreparedStatement *prepared = FetchPreparedStatement(execute->name, false);

		if (prepared != NULL)
			name = tarx_keys_sensitive_name(prepared->plansource->query_string);
	}
	return name;
}

/*
 * A text that says what was redacted.  It is at least as long as the text that
 * it replaces.  Positions in that text stay in use: those of further statements,
 * and those of errors that the client gets.
 */
static char *
redacted_text(const Node *statement, const char *text, const char *name)
{
	char	   *redacted = psprintf(TARX_KEYS_REDACTED_QUERY,
									GetCommandTagName(CreateCommandTag(unconstify(Node *, statement))),
									name);
	size_t		len = strlen(redacted);
	size_t		wanted = strlen(text);

	if (len < wanted)
	{
		redacted = repalloc_huge(redacted, wanted + 1);
		memset(redacted + len, ' ', wanted - len);
		redacted[wanted] = '\0';
	}
	return redacted;
}

static void
run_utility(PlannedStmt *pstmt, const char *text, bool read_only_tree,
			ProcessUtilityContext context, ParamListInfo params,
			QueryEnvironment *env, DestReceiver *dest, QueryCompletion *qc)
{
	const char *name = NULL;

	/* the script of an extension has many statements, and no values */
	if (tarx_keys_setting_redact_logs() && !creating_extension)
		name = sensitive_name_of_utility(pstmt->utilityStmt, text);
	if (name != NULL)
	{
		PlannedStmt *copy = makeNode(PlannedStmt);

		*copy = *pstmt;
		copy->stmt_location = 0;
		copy->stmt_len = 0;
		tarx_keys_redaction_mark_statement(name);
		text = redacted_text(pstmt->utilityStmt, text, name);
		pstmt = copy;
	}
	if (prev_ProcessUtility_hook != NULL)
		prev_ProcessUtility_hook(pstmt, text, read_only_tree, context, params, env, dest, qc);
	else
		standard_ProcessUtility(pstmt, text, read_only_tree, context, params, env, dest, qc);
}

/* Install the hooks.  A hook that is installed later is called earlier. */
void
tarx_keys_redaction_statements_install(void)
{
	prev_post_parse_analyze_hook = post_parse_analyze_hook;
	post_parse_analyze_hook = mark_parsed;
	prev_ExecutorStart_hook = ExecutorStart_hook;
	ExecutorStart_hook = start_plan;
	prev_ExecutorRun_hook = ExecutorRun_hook;
	ExecutorRun_hook = run_plan;
	prev_ProcessUtility_hook = ProcessUtility_hook;
	ProcessUtility_hook = run_utility;
}
