/*
 * json_members.c
 *	  Members of JSON objects.
 */
#include "postgres.h"
#include "base/compat.h"

#include "jwt/issuers.h"

/* The member with this name, or NULL; of several with the name the last one */
const JsonbValue *
tarx_keys_json_member(const JsonbValue *object, const char *name)
{
	for (int i = 0; i < object->val.object.nPairs; i++)
	{
		const JsonbPair *pair = &object->val.object.pairs[i];

		if (pair->key.val.string.len == (int) strlen(name) &&
			memcmp(pair->key.val.string.val, name, pair->key.val.string.len) == 0)
			return &pair->value;
	}
	return NULL;
}

/* Is the value a text?  It may be NULL. */
bool
tarx_keys_json_text(const JsonbValue *value, TarxKeysSpan *text)
{
	if (value == NULL || value->type != jbvString)
		return false;
	*text = (TarxKeysSpan) {value->val.string.val, (size_t) value->val.string.len};
	return true;
}

/* Is there such a member, and is it a text? */
bool
tarx_keys_json_text_member(const JsonbValue *object, const char *name, TarxKeysSpan *text)
{
	return tarx_keys_json_text(tarx_keys_json_member(object, name), text);
}
