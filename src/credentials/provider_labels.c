/*
 * provider_labels.c
 *	  The names of providers, as people know them, for lists.
 *
 * The session keeps those of the built-in providers until their view changes.  The
 * owner's own ones are looked up, and take the place of a built-in one.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/namespace.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "credentials/credentials.h"

typedef struct Label
{
	char	   *slug;
	char	   *label;
} Label;

static TarxKeysQuery builtin_query = {
	.sql = "SELECT b.slug, b.label FROM tarx_keys_internal.builtin_providers b"
};

static MemoryContext labels_context = NULL;
static Label *labels = NULL;
static uint64 nlabels = 0;
static Oid	view = InvalidOid;
static uint64 changes = 1;		/* goes up when the view may have changed */
static uint64 labels_as_of = 0; /* the value of changes when they were read */

static void
note_change(Datum arg pg_attribute_unused(), Oid relid)
{
	if (relid == InvalidOid || relid == view)
		changes++;
}

static void
begin_labels(void)
{
	if (labels_context == NULL)
	{
		labels_context = AllocSetContextCreate(TopMemoryContext, "tarx_keys labels", ALLOCSET_SMALL_SIZES);
		CacheRegisterRelcacheCallback(note_change, (Datum) 0);
	}
	view = get_relname_relid("builtin_providers", get_namespace_oid(TARX_KEYS_INTERNAL_SCHEMA, false));
	labels_as_of = 0;
	nlabels = 0;
	MemoryContextReset(labels_context);
}

static void
read_labels(void)
{
	TarxKeysAsOwner as_owner;
	uint64		before;
	uint64		count;

	begin_labels();
	before = changes;
	tarx_keys_begin_look_up_as_owner(&as_owner, &tarx_keys_custom_providers);
	tarx_keys_queries_begin();
	count = tarx_keys_query_run(&builtin_query, NULL, NULL, true);
	labels = MemoryContextAlloc(labels_context, sizeof(Label) * (count + 1));
	for (uint64 i = 0; i < count; i++)
	{
		labels[i].slug = MemoryContextStrdup(labels_context, SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1));
		labels[i].label = MemoryContextStrdup(labels_context, SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2));
	}
	tarx_keys_queries_end();
	tarx_keys_end_as_owner(&as_owner);
	nlabels = count;
	labels_as_of = before;
}

static text *
builtin_label(TarxKeysSpan slug)
{
	if (labels_as_of != changes)
		read_labels();
	for (uint64 i = 0; i < nlabels; i++)
	{
		if (tarx_keys_span_equals(slug, tarx_keys_span_of(labels[i].slug)))
			return cstring_to_text(labels[i].label);
	}
	return NULL;
}

/* The label of a provider as the query's snapshot has it, as it may be shown; else its slug */
text *
tarx_keys_provider_label(text *slug)
{
	Datum		key[1] = {PointerGetDatum(slug)};
	TarxKeysRow custom;
	text	   *label;

	if (tarx_keys_find(&tarx_keys_custom_providers, key, GetActiveSnapshot(), &custom))
		return custom.nulls[CUSTOM_PROVIDER_LABEL] ? slug :
			tarx_keys_shown_text(custom.values[CUSTOM_PROVIDER_LABEL], TARX_KEYS_SHOWN_MAX_BYTES);
	label = builtin_label(tarx_keys_span(slug));
	return label != NULL ? label : slug;
}
