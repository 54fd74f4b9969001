/*
 * statements.c
 *	  Texts of statements that others keep: pg_stat_statements, pgaudit,
 *	  auto_explain, prepared statements, cursors and parallel workers get one
 *	  without values.
 *
 * The client's text is read whole, once.  Other texts are those of functions and of
 * dynamic SQL.  They may have many statements as well, so of these only the
 * statement's own part is read, except where somebody gets all of the text.
 */
#include "postgres.h"
#include "base/compat.h"

#include "commands/extension.h"
#include "commands/prepare.h"
#include "executor/executor.h"
#include "parser/analyze.h"
#include "tcop/utility.h"
#include "utils/memutils.h"

#include "redaction/redaction.h"

static post_parse_analyze_hook_type prev_post_parse_analyze_hook = NULL;
static ExecutorStart_hook_type prev_ExecutorStart_hook = NULL;
static ExecutorRun_hook_type prev_ExecutorRun_hook = NULL;
static ProcessUtility_hook_type prev_ProcessUtility_hook = NULL;

/* The script of an extension has many statements, and no values. */
static bool
is_redacting(void)
{
	return tarx_keys_setting_redact_logs() && !creating_extension;
}

static const TarxKeysSensitiveName *
name_in_text(const char *text)
{
	return tarx_keys_redaction_is_message(text) ? tarx_keys_redaction_of_message() :
		tarx_keys_sensitive_name(text, strlen(text));
}

/* The name that makes a statement with this place in a text sensitive, or NULL */
static const TarxKeysSensitiveName *
name_in_part(const char *text, int location, int len)
{
	if (location < 0 || tarx_keys_redaction_is_message(text))
		return name_in_text(text);
	text += location;
	return tarx_keys_sensitive_name(text, len > 0 ? (size_t) len : strlen(text));
}

/*
 * Plans
 */

/*
 * Take the text away from a plan.  The plan may be cached and used elsewhere, so a
 * copy takes its place, which has no position in a text any more.
 */
static void
redact_plan(QueryDesc *desc, const TarxKeysSensitiveName *name, MemoryContext context)
{
	PlannedStmt *copy = MemoryContextAlloc(context, sizeof(PlannedStmt));

	*copy = *desc->plannedstmt;
	copy->stmt_location = 0;
	copy->stmt_len = 0;
	desc->plannedstmt = copy;
	desc->sourceText = name->notice;
}

/* The name that makes a plan sensitive, or NULL.  Parallel workers get its text. */
static const TarxKeysSensitiveName *
name_of_plan(const QueryDesc *desc)
{
	const TarxKeysSensitiveName *name = tarx_keys_redaction_of_mark();

	if (name == NULL)
		name = tarx_keys_redaction_of_plan(desc->plannedstmt);
	if (name == NULL && desc->plannedstmt->parallelModeNeeded)
		name = name_in_text(desc->sourceText);
	return name;
}

static void
call_start(QueryDesc *desc, int eflags)
{
	if (prev_ExecutorStart_hook != NULL)
		prev_ExecutorStart_hook(desc, eflags);
	else
		standard_ExecutorStart(desc, eflags);
}

/*
 * The copy of a redacted plan ends with the executor's state.  The context of the
 * caller may be that of a query that starts the plan over and over.
 */
static void
start_plan(QueryDesc *desc, int eflags)
{
	const TarxKeysSensitiveName *name = is_redacting() ? name_of_plan(desc) : NULL;
	MemoryContext context;

	if (name == NULL)
	{
		call_start(desc, eflags);
		return;
	}
	tarx_keys_redaction_mark_message(name);
	context = AllocSetContextCreate(CurrentMemoryContext, "tarx_keys redacted plan",
									ALLOCSET_SMALL_SIZES);
	redact_plan(desc, tarx_keys_redaction_of_mark(), context);
	call_start(desc, eflags);
	MemoryContextSetParent(context, desc->estate->es_query_cxt);
}

/*
 * One message of the client may start a plan, and a later one run it, whose text is
 * shown again.
 */
static void
run_plan(TARX_KEYS_RUN_PARAMS)
{
	const TarxKeysSensitiveName *name = NULL;

	if (is_redacting())
	{
		name = tarx_keys_redaction_of_plan(desc->plannedstmt);
		if (name == NULL)
			name = tarx_keys_redaction_of_message();
	}
	if (name != NULL)
		tarx_keys_redaction_mark_message(name);
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
 * not see its text until then; nor while those after it in the same message are
 * parsed, which may wait for locks.  So BEGIN and the like count here.  In other
 * texts, utility statements are read when they run.
 */
static void
mark_parsed(ParseState *pstate, Query *query, TARX_KEYS_JUMBLE_STATE * jstate)
{
	const TarxKeysSensitiveName *name = NULL;

	if (pstate->p_sourcetext != NULL && is_redacting() &&
		(query->commandType != CMD_UTILITY || tarx_keys_redaction_is_message(pstate->p_sourcetext)))
		name = name_in_part(pstate->p_sourcetext, query->stmt_location, query->stmt_len);
	if (name != NULL)
		tarx_keys_redaction_mark_message(name);

	/*
	 * who looks for constants in a blank text finds none, and may not expect
	 * that
	 */
	if (tarx_keys_redaction_of_mark() != NULL && pstate->p_sourcetext != NULL &&
		tarx_keys_redaction_is_blank(pstate->p_sourcetext, query->stmt_location, query->stmt_len))
		jstate = NULL;
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

/* The name that makes the text of a prepared statement sensitive, or NULL */
static const TarxKeysSensitiveName *
name_in_prepared(const char *statement)
{
	const PreparedStatement *prepared = FetchPreparedStatement(statement, false);
	const char *text;
	const RawStmt *parsed;

	if (prepared == NULL)
		return NULL;
	text = prepared->plansource->query_string;
	if (tarx_keys_is_sensitive_if_failed(text, strlen(text)))
		tarx_keys_redaction_mark_failure();
	parsed = prepared->plansource->raw_parse_tree;
	return name_in_part(text,
						parsed == NULL ? -1 : parsed->stmt_location,
						parsed == NULL ? 0 : parsed->stmt_len);
}

/* The name that makes a utility statement sensitive, or NULL */
static const TarxKeysSensitiveName *
name_of_utility(const PlannedStmt *pstmt, const char *text)
{
	const Node *statement = pstmt->utilityStmt;
	const TarxKeysSensitiveName *name = tarx_keys_redaction_of_mark();
	const ExecuteStmt *execute;

	/* these keep all of the text */
	if (name == NULL && (IsA(statement, PrepareStmt) || IsA(statement, DeclareCursorStmt)))
		name = name_in_text(text);
	if (name == NULL)
		name = name_in_part(text, pstmt->stmt_location, pstmt->stmt_len);
	if (name == NULL && (execute = execute_in(statement)) != NULL)
		name = name_in_prepared(execute->name);
	return name;
}

static void
call_utility(PlannedStmt *pstmt, const char *text, bool read_only_tree,
			 ProcessUtilityContext context, ParamListInfo params,
			 QueryEnvironment *env, DestReceiver *dest, QueryCompletion *qc)
{
	if (prev_ProcessUtility_hook != NULL)
		prev_ProcessUtility_hook(pstmt, text, read_only_tree, context, params, env, dest, qc);
	else
		standard_ProcessUtility(pstmt, text, read_only_tree, context, params, env, dest, qc);
}

/* Call it with a text that has no values. */
static void
call_redacted(const PlannedStmt *pstmt, const char *text, const TarxKeysSensitiveName *name,
			  bool read_only_tree, ProcessUtilityContext context, ParamListInfo params,
			  QueryEnvironment *env, DestReceiver *dest, QueryCompletion *qc)
{
	static int	level = 0;
	int			this_level = level;
	PlannedStmt copy = *pstmt;

	text = tarx_keys_redaction_blank(text, name->notice, &copy, this_level);
	PG_TRY();
	{
		level = this_level + 1;
		call_utility(&copy, text, read_only_tree, context, params, env, dest, qc);
	}
	PG_FINALLY();
	{
		level = this_level;
	}
	PG_END_TRY();
}

static void
run_utility(PlannedStmt *pstmt, const char *text, bool read_only_tree,
			ProcessUtilityContext context, ParamListInfo params,
			QueryEnvironment *env, DestReceiver *dest, QueryCompletion *qc)
{
	const TarxKeysSensitiveName *name = NULL;

	/*
	 * nobody keeps the text of BEGIN and the like; mark_parsed() has marked
	 * the message
	 */
	if (is_redacting() && !IsA(pstmt->utilityStmt, TransactionStmt))
		name = name_of_utility(pstmt, text);
	if (name == NULL)
	{
		call_utility(pstmt, text, read_only_tree, context, params, env, dest, qc);
		return;
	}
	tarx_keys_redaction_mark_message(name);
	call_redacted(pstmt, text, name, read_only_tree, context, params, env, dest, qc);
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
