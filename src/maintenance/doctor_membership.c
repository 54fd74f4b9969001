/*
 * doctor_membership.c
 *	  What doctor() wants to know of the relation that tarx_keys.membership names.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "access/access.h"

PG_FUNCTION_INFO_V1(tarx_keys_doctor_membership_facts);
PG_FUNCTION_INFO_V1(tarx_keys_doctor_membership_plans);

static Datum
form_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	TupleDesc	tupdesc;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls));
}

/* doctor_membership_facts(OUT ...): see sql/79_doctor_membership.sql */
Datum
tarx_keys_doctor_membership_facts(PG_FUNCTION_ARGS)
{
	Datum		values[3];
	bool		nulls[3] = {true, true, true};

	if (tarx_keys_members_are_elsewhere())
	{
		TarxKeysMembershipRelation relation = tarx_keys_membership_relation();

		values[0] = CStringGetTextDatum(relation.name);
		values[1] = ObjectIdGetDatum(relation.id);
		nulls[0] = nulls[1] = false;
		nulls[2] = relation.problem == NULL;
		if (relation.problem != NULL)
			values[2] = CStringGetTextDatum(relation.problem);
	}
	PG_RETURN_DATUM(form_row(fcinfo, values, nulls));
}

/* doctor_membership_plans(OUT ...): NULL if there is no such relation, or it does not serve */
Datum
tarx_keys_doctor_membership_plans(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	TarxKeysMembershipRelation relation;
	Datum		values[2];
	bool		nulls[2] = {true, true};

	if (tarx_keys_members_are_elsewhere() && (relation = tarx_keys_membership_relation()).problem == NULL)
	{
		char	   *of_role;
		char	   *of_projects;
		MemoryContext spi_context;

		tarx_keys_queries_begin();
		tarx_keys_explain_memberships(&relation, &of_role, &of_projects);
		spi_context = MemoryContextSwitchTo(context);
		values[0] = CStringGetTextDatum(of_role);
		values[1] = CStringGetTextDatum(of_projects);
		nulls[0] = nulls[1] = false;
		MemoryContextSwitchTo(spi_context);
		tarx_keys_queries_end();
	}
	PG_RETURN_DATUM(form_row(fcinfo, values, nulls));
}
