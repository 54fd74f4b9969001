/*
 * doctor.c
 *	  What doctor() wants to know and SQL cannot see: the keyring's source and
 *	  state, the key file and the directories above it, versions.
 *
 * It looks at names, owners and modes of files, and opens none.
 */
#include "postgres.h"
#include "base/compat.h"

#include <limits.h>
#include <sodium.h>
#include <stdlib.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/base.h"
#include "keyring/keyring.h"

PG_FUNCTION_INFO_V1(tarx_keys_doctor_facts);
PG_FUNCTION_INFO_V1(tarx_keys_doctor_open_directories);

static Datum
text_or_null(const char *string, bool *isnull)
{
	*isnull = string == NULL;
	return *isnull ? (Datum) 0 : PointerGetDatum(tarx_keys_foreign_text(string));
}

/* The path of the key file, or NULL if the setting names none */
static const char *
key_file(void)
{
	const char *path = tarx_keys_setting_key_file();

	return path != NULL && path[0] != '\0' ? path : NULL;
}

static bool
is_below(const char *path, const char *directory)
{
	char		real[PATH_MAX];
	size_t		len;

	if (realpath(directory, real) == NULL)
		return false;
	len = strlen(real);
	return strncmp(path, real, len) == 0 && path[len] == '/';
}

/* doctor_facts(OUT ...): see sql/78_doctor.sql */
Datum
tarx_keys_doctor_facts(PG_FUNCTION_ARGS)
{
	TupleDesc	tupdesc;
	Datum		values[6];
	bool		nulls[6] = {false};
	TarxKeysKeyringProblem problem = TARX_KEYS_KEYRING_OK;
	char		real[PATH_MAX];

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (key_file() != NULL)
		problem = tarx_keys_key_file_problem(key_file());
	values[0] = text_or_null(shared_preload_libraries_string, &nulls[0]);
	values[1] = CStringGetTextDatum(sodium_version_string());
	values[2] = BoolGetDatum(tarx_keys_setting_key_is_set());
	values[3] = text_or_null(problem == TARX_KEYS_KEYRING_OK ? NULL :
							 tarx_keys_keyring_problem_text(problem), &nulls[3]);
	values[4] = text_or_null(problem == TARX_KEYS_KEYRING_OK ? NULL :
							 tarx_keys_keyring_problem_hint(problem), &nulls[4]);
	values[5] = BoolGetDatum(key_file() != NULL && realpath(key_file(), real) != NULL &&
							 is_below(real, DataDir));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls)));
}

/* Add to found the directories above path that are open to others.  Shortens path. */
static void
find_open_directories(char *path, ArrayBuildState **found)
{
	while (tarx_keys_to_directory_above(path))
	{
		if (tarx_keys_directory_is_open(path))
			*found = accumArrayResult(*found, PointerGetDatum(tarx_keys_foreign_text(path)),
									  false, TEXTOID, CurrentMemoryContext);
	}
}

/*
 * doctor_open_directories() returns text[]: the directories above the key file
 * that are open to others.  It follows the path in the setting, and also the one
 * that symbolic links lead to.
 */
Datum
tarx_keys_doctor_open_directories(PG_FUNCTION_ARGS)
{
	ArrayBuildState *found = initArrayResult(TEXTOID, CurrentMemoryContext, false);

	if (key_file() != NULL && is_absolute_path(key_file()))
	{
		char		real[PATH_MAX];

		find_open_directories(pstrdup(key_file()), &found);
		if (realpath(key_file(), real) != NULL)
			find_open_directories(real, &found);
	}
	PG_RETURN_DATUM(makeArrayResult(found, CurrentMemoryContext));
}
