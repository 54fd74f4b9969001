/*
 * key_routing.c
 *	  When, and for what, an LLM key may be used.
 *
 * All of it is bound to the key, so a row is authenticated before it is judged.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/timestamp.h"

#include "credentials/credentials.h"

/* Is the key for this model?  A list routes, it is no boundary. */
static bool
allows_model(const TarxKeysRow *row, const TarxKeysSpan *model)
{
	Datum	   *elements;
	int			count;

	if (model->data == NULL || row->nulls[LLM_KEY_ALLOWED_MODELS])
		return true;
	deconstruct_array(DatumGetArrayTypeP(row->values[LLM_KEY_ALLOWED_MODELS]), TEXTOID, -1, false,
					  TYPALIGN_INT, &elements, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		TarxKeysSpan allowed = tarx_keys_span(DatumGetTextPP(elements[i]));

		if (tarx_keys_compare_spans(allowed, *model) == 0)
			return true;
	}
	return false;
}

/* What keeps an authentic key from being used now; model has no data for any. */
TarxKeysKeyHindrance
tarx_keys_key_hindrance(const TarxKeysRow *row, const TarxKeysSpan *model)
{
	if (!tarx_keys_key_has_state(row, TARX_KEYS_STATE_ENABLED))
		return TARX_KEYS_KEY_DISABLED;
	if (!row->nulls[LLM_KEY_EXPIRES_AT] &&
		DatumGetTimestampTz(row->values[LLM_KEY_EXPIRES_AT]) <= GetCurrentTimestamp())
		return TARX_KEYS_KEY_EXPIRED;
	return allows_model(row, model) ? TARX_KEYS_KEY_USABLE : TARX_KEYS_KEY_NOT_FOR_MODEL;
}

static const char *
hindrance_in_words(TarxKeysKeyHindrance hindrance)
{
	switch (hindrance)
	{
		case TARX_KEYS_KEY_USABLE:
			break;
		case TARX_KEYS_KEY_DISABLED:
			return "is disabled";
		case TARX_KEYS_KEY_EXPIRED:
			return "has expired";
		case TARX_KEYS_KEY_NOT_FOR_MODEL:
			return "is not for this model";
	}
	return "is usable";
}

static int
hint_hindrance(TarxKeysKeyHindrance hindrance)
{
	switch (hindrance)
	{
		case TARX_KEYS_KEY_DISABLED:
			return errhint("Have a key manager enable it with tarx_keys.update_llm_key(), or point the agent to another key.");
		case TARX_KEYS_KEY_EXPIRED:
			return errhint("Have a key manager replace it, or change expires_at with tarx_keys.update_llm_key().");
		default:
			return errhint("Ask for one of its allowed_models, which tarx_keys.llm_keys shows, or point the agent to another key.");
	}
}

/* Is a key, which is authentic, usable now and for this model?  TK015 if not. */
void
tarx_keys_check_key_usable(const TarxKeysRow *row, const TarxKeysSpan *model)
{
	TarxKeysKeyHindrance hindrance = tarx_keys_key_hindrance(row, model);

	if (hindrance != TARX_KEYS_KEY_USABLE)
		ereport(ERROR,
				(errcode(ERRCODE_TK_KEY_NOT_USABLE),
				 errmsg("LLM key \"%s\" %s", tarx_keys_uuid_text(DatumGetUUIDP(row->values[LLM_KEY_ID])),
						hindrance_in_words(hindrance)),
				 hint_hindrance(hindrance)));
}
