/*
 * project_secrets.c
 *	  Sets, restores, renames, describes and deletes the named secrets of projects.
 *
 * A value is sealed before its row is first written, and bound to project, name,
 * id and version.  The id is the secret's own, so the value of one that was deleted
 * never fits another one of the same name.  restore_secret() opens an old value only
 * to seal it again as the next version, and rename_secret() opens all only to seal
 * them again under the new name.  Every copy in clear is wiped, also after an error.
 *
 * The version must be known before the value is sealed.  So a writer locks the
 * secret's row first, and versions follow each other without gaps.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "credentials/credentials.h"

PG_FUNCTION_INFO_V1(tarx_keys_set_secret);
PG_FUNCTION_INFO_V1(tarx_keys_set_sealed_secret);
PG_FUNCTION_INFO_V1(tarx_keys_restore_secret);
PG_FUNCTION_INFO_V1(tarx_keys_rename_secret);
PG_FUNCTION_INFO_V1(tarx_keys_describe_secret);
PG_FUNCTION_INFO_V1(tarx_keys_delete_secret);

/* What is to become the next version */
typedef struct NewVersion
{
	const TarxKeysText *value;
	bool		has_description;	/* replace the one there is; NULL removes
									 * it */
	text	   *description;
} NewVersion;

static TarxKeysQuery lock_query = {
	TARX_KEYS_SELECT(tarx_keys_secrets,
					 "WHERE t.project_id OPERATOR(pg_catalog.=) $1 AND t.name OPERATOR(pg_catalog.=) $2"
					 " FOR NO KEY UPDATE"),
	.nargs = 2, .argtypes = {UUIDOID, TEXTOID}
};

static TarxKeysQuery versions_query = {
	TARX_KEYS_SELECT(tarx_keys_secret_versions,
					 "WHERE t.project_id OPERATOR(pg_catalog.=) $1 AND t.name OPERATOR(pg_catalog.=) $2"),
	.nargs = 2, .argtypes = {UUIDOID, TEXTOID}
};

static TarxKeysQuery describe_query = {
	.sql = "UPDATE tarx_keys.project_secrets s SET description = $3"
	" WHERE s.project_id OPERATOR(pg_catalog.=) $1 AND s.name OPERATOR(pg_catalog.=) $2",
	.nargs = 3, .argtypes = {UUIDOID, TEXTOID, TEXTOID}
};

static TarxKeysQuery trim_query = {
	.sql = "DELETE FROM tarx_keys_internal.project_secret_versions v"
	" WHERE v.project_id OPERATOR(pg_catalog.=) $1 AND v.name OPERATOR(pg_catalog.=) $2"
	" AND v.version OPERATOR(pg_catalog.<=) $3",
	.nargs = 3, .argtypes = {UUIDOID, TEXTOID, INT4OID}
};

static TarxKeysQuery delete_query = {
	.sql = "DELETE FROM tarx_keys.project_secrets s"
	" WHERE s.project_id OPERATOR(pg_catalog.=) $1 AND s.name OPERATOR(pg_catalog.=) $2"
	" RETURNING s.id",
	.nargs = 2, .argtypes = {UUIDOID, TEXTOID}
};

/*
 * A row with nothing but the project, which has been entered, and the name of the
 * secret that the arguments name
 */
static TarxKeysRow
arg_secret(FunctionCallInfo fcinfo)
{
	TarxKeysRow secret;

	tarx_keys_row_clear(&secret);
	tarx_keys_row_set(&secret, SECRET_PROJECT_ID, PG_GETARG_DATUM(0));
	tarx_keys_row_set(&secret, SECRET_NAME, PointerGetDatum(tarx_keys_arg_secret_name(fcinfo, 1, "name")));
	return secret;
}

/* The same, and enter the project as a key manager, to write the secret. */
static TarxKeysRow
enter_secret(FunctionCallInfo fcinfo)
{
	tarx_keys_enter_as(tarx_keys_arg_uuid(fcinfo, 0, "project_id"), TARX_KEYS_ROLE_KEY_MANAGER);
	return arg_secret(fcinfo);
}

static const pg_uuid_t *
project_of(const TarxKeysRow *secret)
{
	return DatumGetUUIDP(secret->values[SECRET_PROJECT_ID]);
}

/* NULL if somebody has taken it away */
static const pg_uuid_t *
id_of(const TarxKeysRow *secret)
{
	return secret->nulls[SECRET_ID] ? NULL : DatumGetUUIDP(secret->values[SECRET_ID]);
}

static text *
name_of(const TarxKeysRow *secret)
{
	return DatumGetTextPP(secret->values[SECRET_NAME]);
}

static int32
version_of(const TarxKeysRow *secret)
{
	return DatumGetInt32(secret->values[SECRET_VERSION]);
}

/* Log what was done with a secret, whose row this is from now on. */
static void
audit(const TarxKeysRow *secret, const char *action, text *object_name)
{
	tarx_keys_audit_project(project_of(secret), action,
							id_of(secret), object_name,
							version_of(secret));
}

/* Lock the secret's row and fetch it; false if there is none. */
static bool
lock_secret(TarxKeysRow *secret)
{
	Datum		values[2] = {secret->values[SECRET_PROJECT_ID], secret->values[SECRET_NAME]};

	if (tarx_keys_query_run(&lock_query, values, NULL, false) == 0)
		return false;
	tarx_keys_fetched_row(&tarx_keys_secrets, 0, secret);
	return true;
}

/* Keep the current version as an older one, unless it has a NULL where that cannot. */
static void
archive_version(const TarxKeysRow *secret)
{
	TarxKeysRow old;

	tarx_keys_row_copy(&old, &tarx_keys_secret_versions, secret, &tarx_keys_secrets);
	for (int i = 0; i < tarx_keys_secret_versions.ncolumns; i++)
	{
		if (old.nulls[i])
			return;
	}
	(void) tarx_keys_table_insert(&tarx_keys_secret_versions, &old);
}

/* Delete the versions that are too old to be kept beside the current one. */
static void
trim_versions(const TarxKeysRow *secret)
{
	Datum		values[3] = {secret->values[SECRET_PROJECT_ID], secret->values[SECRET_NAME],
	Int32GetDatum(version_of(secret) - tarx_keys_setting_secret_versions_kept())};

	(void) tarx_keys_query_run(&trim_query, values, NULL, false);
}

/* Make the row a new version, written by the acting user, and seal the value in it. */
static void
form_version(TarxKeysRow *secret, int32 version, const TarxKeysText *value)
{
	tarx_keys_row_set(secret, SECRET_VERSION, Int32GetDatum(version));
	tarx_keys_row_set(secret, SECRET_UPDATED_BY, CStringGetTextDatum(tarx_keys_acting_user()));
	tarx_keys_row_set(secret, SECRET_UPDATED_AT,
					  TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()));
	tarx_keys_row_seal(&tarx_keys_secrets, secret, value);
}

static void
set_new_id(TarxKeysRow *secret)
{
	tarx_keys_row_set(secret, SECRET_ID, DirectFunctionCall1(gen_random_uuid, (Datum) 0));
}

static void
set_description(TarxKeysRow *secret, const NewVersion *new)
{
	if (!new->has_description)
		return;
	secret->nulls[SECRET_DESCRIPTION] = new->description == NULL;
	secret->values[SECRET_DESCRIPTION] = PointerGetDatum(new->description);
}

/* Write the next version of a secret whose row is locked; the row then has its number. */
static void
write_next_version(TarxKeysRow *secret, const NewVersion *new)
{
	if (version_of(secret) == PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the secret has no version numbers left"),
				 errhint("Delete the secret and set it again.")));
	if (tarx_keys_setting_secret_versions_kept() > 1)
		archive_version(secret);
	if (secret->nulls[SECRET_ID])
		set_new_id(secret);
	set_description(secret, new);
	form_version(secret, version_of(secret) + 1, new->value);
	tarx_keys_table_update(&tarx_keys_secrets, secret);
	trim_versions(secret);
}

/*
 * Insert a row under a name that is new; false if somebody else was faster.  The
 * project cannot end any more once the row is there, so this looks again whether
 * it has ended before.
 */
static bool
insert_row(TarxKeysRow *secret)
{
	if (!tarx_keys_table_insert(&tarx_keys_secrets, secret))
		return false;
	tarx_keys_enter_as(project_of(secret), TARX_KEYS_ROLE_KEY_MANAGER);
	return true;
}

/* Insert the first version; false if somebody else was faster. */
static bool
insert_secret(TarxKeysRow *secret, const NewVersion *new)
{
	set_new_id(secret);
	set_description(secret, new);
	form_version(secret, 1, new->value);
	if (!insert_row(secret))
		return false;
	tarx_keys_check_room(project_of(secret), tarx_keys_secrets.name);
	return true;
}

/*
 * Update the secret, or insert it.  Somebody may insert it before we do, or
 * delete it while we wait for its lock.  Under READ COMMITTED the next round sees
 * that; under the stricter levels it is a serialization failure.
 */
static void
write_secret(TarxKeysRow *secret, const NewVersion *new)
{
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (lock_secret(secret))
		{
			write_next_version(secret, new);
			return;
		}
		if (insert_secret(secret, new))
			return;
	}
}

/*
 * Check the other arguments of set_secret(), and write the secret; returns the
 * version.  The value is wiped.  An error about it has the name of its argument,
 * and calls it what.
 */
static int32
set_secret(FunctionCallInfo fcinfo, TarxKeysRow *secret, const TarxKeysText *value,
		   const char *argument, const char *what)
{
	NewVersion	new = {.value = value, .has_description = !PG_ARGISNULL(3)};

	tarx_keys_check_secret_value(value, argument, what);
	if (new.has_description)
	{
		TarxKeysText given = tarx_keys_arg_utf8(fcinfo, 3, "description");

		tarx_keys_check_description(&given, "description");
		/* an empty one removes what there is */
		if (given.len > 0)
			new.description = PG_GETARG_TEXT_PP(3);
	}
	tarx_keys_queries_begin();
	write_secret(secret, &new);
	audit(secret, "secret.set", name_of(secret));
	tarx_keys_queries_end();
	tarx_keys_secret_wipe(value->secret);
	return version_of(secret);
}

/*
 * set_secret(project_id uuid, name text, value text, description text) returns
 * integer: see sql/55_project_secrets.sql.
 */
Datum
tarx_keys_set_secret(PG_FUNCTION_ARGS)
{
	TarxKeysRow secret;
	TarxKeysText value;

	tarx_keys_redaction_mark(TARX_KEYS_SENSITIVE_set_secret);
	secret = enter_secret(fcinfo);
	value = tarx_keys_arg_utf8(fcinfo, 2, "value");
	PG_RETURN_INT32(set_secret(fcinfo, &secret, &value, "value", "value"));
}

/*
 * set_sealed_secret(project_id uuid, name text, sealed bytea, description text)
 * returns integer: set_secret() with the value in a box that is bound to project
 * and name
 */
Datum
tarx_keys_set_sealed_secret(PG_FUNCTION_ARGS)
{
	TarxKeysRow secret = enter_secret(fcinfo);
	TarxKeysSpan name = tarx_keys_span(name_of(&secret));
	TarxKeysBinding header;
	TarxKeysText value;

	tarx_keys_binding_start(&header, TARX_KEYS_BOX_FORMAT_VALUE, TARX_KEYS_PURPOSE_BOX_SECRET,
							project_of(&secret)->data);
	tarx_keys_binding_add(&header, name.data, name.len);
	value = tarx_keys_arg_sealed(fcinfo, 2, &header);
	PG_RETURN_INT32(set_secret(fcinfo, &secret, &value, "sealed", "the sealed value"));
}

/* Are these of one secret?  The current version and older ones have the id in one place. */
static bool
is_same_id(const TarxKeysRow *a, const TarxKeysRow *b)
{
	StaticAssertStmt((int) SECRET_ID == (int) OLD_SECRET_ID, "position of a secret's id");
	return id_of(a) != NULL && id_of(b) != NULL && memcmp(id_of(a), id_of(b), UUID_LEN) == 0;
}

/*
 * The value of a version, as UTF-8; TK011 if the version is not kept.  current is
 * the row of the current version.
 */
static TarxKeysText
open_version(const TarxKeysRow *current, int32 version)
{
	TarxKeysTable *table = &tarx_keys_secrets;
	TarxKeysRow row = *current;
	TarxKeysText value;

	if (version != version_of(current))
	{
		Datum		key[3] = {current->values[SECRET_PROJECT_ID], current->values[SECRET_NAME],
		Int32GetDatum(version)};

		table = &tarx_keys_secret_versions;
		if (tarx_keys_query_run(tarx_keys_table_find_query(table), key, NULL, false) == 0)
			tarx_keys_fail_secret_version(text_to_cstring(name_of(current)), version);
		tarx_keys_fetched_row(table, 0, &row);
	}

	/*
	 * a version of another secret that had the name opens, but is not of this
	 * one
	 */
	if (!is_same_id(&row, current) ||
		!tarx_keys_row_open(table, &row, true, &value))
		tarx_keys_fail_secret_integrity(text_to_cstring(name_of(current)));
	return value;
}

/*
 * restore_secret(project_id uuid, name text, version integer) returns integer:
 * seals the value of a version again, as the next version
 */
Datum
tarx_keys_restore_secret(PG_FUNCTION_ARGS)
{
	TarxKeysRow secret = enter_secret(fcinfo);
	int32		version = tarx_keys_arg_int32(fcinfo, 2, "version");
	TarxKeysText value;
	NewVersion	new = {.value = &value};

	tarx_keys_queries_begin();
	if (!lock_secret(&secret))
		tarx_keys_fail_secret_name(name_of(&secret));
	value = open_version(&secret, version);
	write_next_version(&secret, &new);
	tarx_keys_secret_wipe(value.secret);
	audit(&secret, "secret.restore", name_of(&secret));
	tarx_keys_queries_end();
	PG_RETURN_INT32(version_of(&secret));
}

/*
 * Renaming
 */

static void
fail_name_taken(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 tarx_keys_errarg("new_name"),
			 errmsg("a secret with this name exists already in the project"),
			 errhint("Choose another name, or delete the secret that has it.")));
}

/*
 * Lock the secret's row and fetch it, and see that nobody has the other name.  Rows
 * are locked in the order of their names, so that nobody waits for each other who
 * exchanges two names.  TK011, 23505.
 */
static void
lock_for_renaming(TarxKeysRow *secret, text *new_name)
{
	TarxKeysRow other = *secret;
	bool		other_first = tarx_keys_compare_spans(tarx_keys_span(new_name),
													  tarx_keys_span(name_of(secret))) < 0;
	bool		taken = false;

	tarx_keys_row_set(&other, SECRET_NAME, PointerGetDatum(new_name));
	if (other_first)
		taken = lock_secret(&other);
	if (!lock_secret(secret))
		tarx_keys_fail_secret_name(name_of(secret));
	if (!other_first)
		taken = lock_secret(&other);
	if (taken)
		fail_name_taken();
}

/* Open the row's value, and seal it again under another name. */
static void
seal_under(TarxKeysTable *table, TarxKeysRow *row, text *new_name)
{
	TarxKeysText value;

	if (!tarx_keys_row_open(table, row, true, &value))
		tarx_keys_fail_secret_integrity(text_to_cstring(name_of(row)));
	tarx_keys_row_set(row, SECRET_NAME, PointerGetDatum(new_name));
	tarx_keys_row_seal(table, row, &value);
	tarx_keys_secret_wipe(value.secret);
}

/* The older versions of a secret; returns how many. */
static uint64
fetch_versions(const TarxKeysRow *secret, TarxKeysRow **versions)
{
	Datum		values[2] = {secret->values[SECRET_PROJECT_ID], secret->values[SECRET_NAME]};
	uint64		count = tarx_keys_query_run(&versions_query, values, NULL, false);

	*versions = palloc(sizeof(TarxKeysRow) * (count + 1));
	for (uint64 i = 0; i < count; i++)
		tarx_keys_fetched_row(&tarx_keys_secret_versions, i, &(*versions)[i]);
	return count;
}

/*
 * Give the secret another name, with all its versions.  They keep their numbers,
 * and who wrote them when.
 */
static void
move_secret(const TarxKeysRow *secret, text *new_name)
{
	Datum		old_key[2] = {secret->values[SECRET_PROJECT_ID], secret->values[SECRET_NAME]};
	TarxKeysRow moved = *secret;
	TarxKeysRow *versions;
	uint64		count = fetch_versions(secret, &versions);

	seal_under(&tarx_keys_secrets, &moved, new_name);
	if (!insert_row(&moved))
		fail_name_taken();
	for (uint64 i = 0; i < count; i++)
	{
		seal_under(&tarx_keys_secret_versions, &versions[i], new_name);
		(void) tarx_keys_table_insert(&tarx_keys_secret_versions, &versions[i]);
	}
	/* the foreign key deletes the older versions under the old name */
	(void) tarx_keys_query_run(&delete_query, old_key, NULL, false);
}

/* rename_secret(project_id uuid, name text, new_name text): see sql/55_project_secrets.sql */
Datum
tarx_keys_rename_secret(PG_FUNCTION_ARGS)
{
	TarxKeysRow secret = enter_secret(fcinfo);
	text	   *old_name = name_of(&secret);
	text	   *new_name = tarx_keys_arg_secret_name(fcinfo, 2, "new_name");

	tarx_keys_queries_begin();
	if (tarx_keys_compare_spans(tarx_keys_span(old_name), tarx_keys_span(new_name)) != 0)
	{
		lock_for_renaming(&secret, new_name);
		move_secret(&secret, new_name);
		audit(&secret, "secret.rename", cstring_to_text(psprintf("%s -> %s", text_to_cstring(old_name),
																 text_to_cstring(new_name))));
	}
	else if (!lock_secret(&secret))
		tarx_keys_fail_secret_name(old_name);
	tarx_keys_queries_end();
	PG_RETURN_VOID();
}

/* Has the secret this description?  NULL is none. */
static bool
has_description(const TarxKeysRow *secret, text *description)
{
	if (secret->nulls[SECRET_DESCRIPTION] || description == NULL)
		return secret->nulls[SECRET_DESCRIPTION] && description == NULL;
	return tarx_keys_compare_spans(tarx_keys_span(DatumGetTextPP(secret->values[SECRET_DESCRIPTION])),
								   tarx_keys_span(description)) == 0;
}

/* describe_secret(project_id uuid, name text, description text): see sql/55_project_secrets.sql */
Datum
tarx_keys_describe_secret(PG_FUNCTION_ARGS)
{
	TarxKeysRow secret = enter_secret(fcinfo);
	TarxKeysText given = tarx_keys_arg_utf8(fcinfo, 2, "description");
	text	   *description = given.len > 0 ? PG_GETARG_TEXT_PP(2) : NULL;
	Datum		values[3] = {secret.values[SECRET_PROJECT_ID], secret.values[SECRET_NAME],
	PointerGetDatum(description)};

	/* an empty one removes what there is */
	tarx_keys_check_description(&given, "description");
	tarx_keys_queries_begin();
	if (!lock_secret(&secret))
		tarx_keys_fail_secret_name(name_of(&secret));
	if (!has_description(&secret, description))
	{
		(void) tarx_keys_query_run(&describe_query, values, description == NULL ? "  n" : NULL, false);
		audit(&secret, "secret.describe", name_of(&secret));
	}
	tarx_keys_queries_end();
	PG_RETURN_VOID();
}

/* delete_secret(project_id uuid, name text); the foreign key deletes older versions */
Datum
tarx_keys_delete_secret(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *project_id = tarx_keys_arg_uuid(fcinfo, 0, "project_id");
	TarxKeysRow secret;
	Datum		values[2];
	Datum		id;
	bool		isnull;

	tarx_keys_enter_to_remove(project_id, TARX_KEYS_ROLE_KEY_MANAGER);
	secret = arg_secret(fcinfo);
	values[0] = secret.values[SECRET_PROJECT_ID];
	values[1] = secret.values[SECRET_NAME];
	tarx_keys_queries_begin();
	if (tarx_keys_query_run(&delete_query, values, NULL, false) == 0)
		tarx_keys_fail_secret_name(name_of(&secret));
	id = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	tarx_keys_audit_project_removal(project_id, "secret.delete", isnull ? NULL : DatumGetUUIDP(id),
									name_of(&secret), TARX_KEYS_NO_REVISION);
	tarx_keys_queries_end();
	PG_RETURN_VOID();
}
