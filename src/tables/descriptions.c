/*
 * descriptions.c
 *	  The one description of each table that C code reads or writes.
 *
 * A column of a sealed table is either bound, so that whoever changes it breaks
 * the row, or it says here why it is not.  test/sql/sealed_tables.sql compares
 * the descriptions with the catalogs.
 *
 * Bound columns go into the AAD in the order of the description, each with its
 * length.  To move one changes the format.
 */
#include "postgres.h"
#include "base/compat.h"

#include "catalog/pg_type.h"

#include "tables/tables.h"

#define TIME_OF_CREATION \
	"only tells when; who writes the tables could as well add a row at any time"

TarxKeysTable tarx_keys_llm_keys = {
	.schema = TARX_KEYS_SCHEMA,
	.name = "project_llm_keys",
	.seal = TARX_KEYS_ENVELOPE,
	.purpose = TARX_KEYS_PURPOSE_LLM_KEY,
	.kind = "llm_key",
	.counter = "llm_keys",
	.nkeys = 2,
	.ncolumns = 10,
	.columns = {
		[LLM_KEY_PROJECT_ID] = {"project_id", UUIDOID, TARX_KEYS_SCOPE, NULL},
		[LLM_KEY_ID] = {"id", UUIDOID, TARX_KEYS_BOUND, NULL},
		[LLM_KEY_PROVIDER] = {"provider", TEXTOID, TARX_KEYS_BOUND, NULL},
		[LLM_KEY_NAME] = {"name", TEXTOID, TARX_KEYS_BOUND, NULL},
		[LLM_KEY_BASE_URL] = {"base_url", TEXTOID, TARX_KEYS_BOUND, NULL},
		[LLM_KEY_DESTINATION] = {"destination", TEXTOID, TARX_KEYS_BOUND, NULL},
		[LLM_KEY_MASKED_KEY] = {"masked_key", TEXTOID, TARX_KEYS_BOUND, NULL},
		[LLM_KEY_ADDED_BY] = {"added_by", TEXTOID, TARX_KEYS_BOUND, NULL},
		[LLM_KEY_CREATED_AT] = {"created_at", TIMESTAMPTZOID, TARX_KEYS_UNBOUND, TIME_OF_CREATION},
		[LLM_KEY_CIPHERTEXT] = {"ciphertext", BYTEAOID, TARX_KEYS_SEALED, NULL}
	}
};

/* What the current version of a secret and older ones have in common */
#define SECRET_COLUMNS \
	[SECRET_PROJECT_ID] = {"project_id", UUIDOID, TARX_KEYS_SCOPE, NULL}, \
	[SECRET_NAME] = {"name", TEXTOID, TARX_KEYS_BOUND, NULL}, \
	[SECRET_VERSION] = {"version", INT4OID, TARX_KEYS_BOUND, NULL}, \
	[SECRET_UPDATED_BY] = {"updated_by", TEXTOID, TARX_KEYS_UNBOUND, \
		"the audit log says who set which version"}, \
	[SECRET_UPDATED_AT] = {"updated_at", TIMESTAMPTZOID, TARX_KEYS_UNBOUND, \
		"the audit log says when"}, \
	[SECRET_CIPHERTEXT] = {"ciphertext", BYTEAOID, TARX_KEYS_SEALED, NULL}

TarxKeysTable tarx_keys_secrets = {
	.schema = TARX_KEYS_SCHEMA,
	.name = "project_secrets",
	.seal = TARX_KEYS_ENVELOPE,
	.purpose = TARX_KEYS_PURPOSE_SECRET,
	.kind = "secret",
	.counter = "secret_versions",
	.nkeys = 2,
	.ncolumns = 8,
	.columns = {
		SECRET_COLUMNS,
		[SECRET_DESCRIPTION] = {"description", TEXTOID, TARX_KEYS_UNBOUND,
		"a remark for people; nothing is decided by it"},
		[SECRET_CREATED_AT] = {"created_at", TIMESTAMPTZOID, TARX_KEYS_UNBOUND, TIME_OF_CREATION}
	}
};

TarxKeysTable tarx_keys_secret_versions = {
	.schema = TARX_KEYS_INTERNAL_SCHEMA,
	.name = "project_secret_versions",
	.seal = TARX_KEYS_ENVELOPE,
	.purpose = TARX_KEYS_PURPOSE_SECRET,
	.kind = "secret",
	.counter = "secret_versions",
	.replaces = true,			/* what somebody has put in a version's way */
	.nkeys = 3,
	.ncolumns = 6,
	.columns = {SECRET_COLUMNS}
};

TarxKeysTable tarx_keys_platform_keys = {
	.schema = TARX_KEYS_SCHEMA,
	.name = "platform_api_keys",
	.seal = TARX_KEYS_STAMP,
	.purpose = TARX_KEYS_PURPOSE_PLATFORM,
	.kind = "platform_key",
	.counter = "platform_keys",
	.live = "t.revoked_at IS NULL",
	.nkeys = 1,
	.ncolumns = 11,
	.columns = {
		[PLATFORM_KEY_ID] = {"id", UUIDOID, TARX_KEYS_BOUND, NULL},
		[PLATFORM_KEY_USER_ID] = {"user_id", TEXTOID, TARX_KEYS_BOUND, NULL},
		[PLATFORM_KEY_NAME] = {"name", TEXTOID, TARX_KEYS_UNBOUND,
		"tells a user's own keys apart; what a key allows is bound"},
		[PLATFORM_KEY_MASKED_KEY] = {"masked_key", TEXTOID, TARX_KEYS_UNBOUND,
		"tells a user's own keys apart; what a key allows is bound"},
		[PLATFORM_KEY_TOKEN_HASH] = {"token_hash", BYTEAOID, TARX_KEYS_BOUND, NULL},
		[PLATFORM_KEY_EXPIRES_AT] = {"expires_at", TIMESTAMPTZOID, TARX_KEYS_BOUND, NULL},
		[PLATFORM_KEY_PROJECT_IDS] = {"project_ids", UUIDARRAYOID, TARX_KEYS_BOUND, NULL},
		[PLATFORM_KEY_READ_ONLY] = {"read_only", BOOLOID, TARX_KEYS_BOUND, NULL},
		[PLATFORM_KEY_CREATED_AT] = {"created_at", TIMESTAMPTZOID, TARX_KEYS_UNBOUND, TIME_OF_CREATION},
		[PLATFORM_KEY_REVOKED_AT] = {"revoked_at", TIMESTAMPTZOID, TARX_KEYS_UNBOUND,
		"a key ends by losing its hash and stamp, not by this time"},
		[PLATFORM_KEY_STAMP] = {"stamp", BYTEAOID, TARX_KEYS_SEALED, NULL}
	}
};

/* The envelope has the key of the chain's MACs.  verify_audit() looks at these. */
TarxKeysTable tarx_keys_audit_ends = {
	.schema = TARX_KEYS_INTERNAL_SCHEMA,
	.name = "audit_ends",
	.seal = TARX_KEYS_ENVELOPE,
	.purpose = TARX_KEYS_PURPOSE_AUDIT_ENDS,
	.counter = "audit_chains",
	.nkeys = 4,
	.ncolumns = 9,
	.columns = {
		[AUDIT_ENDS_PROJECT_ID] = {"project_id", UUIDOID, TARX_KEYS_SCOPE, NULL},
		[AUDIT_ENDS_PERSONAL] = {"personal", BOOLOID, TARX_KEYS_BOUND, NULL},
		[AUDIT_ENDS_GENERATION] = {"generation", INT4OID, TARX_KEYS_BOUND, NULL},
		[AUDIT_ENDS_LANE] = {"lane", INT4OID, TARX_KEYS_BOUND, NULL},
		[AUDIT_ENDS_FIRST_SEQ] = {"first_seq", INT8OID, TARX_KEYS_BOUND, NULL},
		[AUDIT_ENDS_FIRST_STAMP] = {"first_stamp", BYTEAOID, TARX_KEYS_BOUND, NULL},
		[AUDIT_ENDS_LAST_SEQ] = {"last_seq", INT8OID, TARX_KEYS_BOUND, NULL},
		[AUDIT_ENDS_LAST_STAMP] = {"last_stamp", BYTEAOID, TARX_KEYS_BOUND, NULL},
		[AUDIT_ENDS_SEALED_KEY] = {"sealed_key", BYTEAOID, TARX_KEYS_SEALED, NULL}
	}
};

/* No master key is needed for these rows: their chain's key is in audit_ends. */
TarxKeysTable tarx_keys_audit_log = {
	.schema = TARX_KEYS_SCHEMA,
	.name = "audit_log",
	.seal = TARX_KEYS_CHAIN,
	.purpose = TARX_KEYS_PURPOSE_AUDIT_ROW,
	.nkeys = 4,
	.ncolumns = 14,
	.columns = {
		[AUDIT_LOG_PROJECT_ID] = {"project_id", UUIDOID, TARX_KEYS_SCOPE, NULL},
		[AUDIT_LOG_PERSONAL] = {"personal", BOOLOID, TARX_KEYS_BOUND, NULL},
		[AUDIT_LOG_GENERATION] = {"generation", INT4OID, TARX_KEYS_BOUND, NULL},
		[AUDIT_LOG_SEQ] = {"seq", INT8OID, TARX_KEYS_BOUND, NULL},
		[AUDIT_LOG_AT] = {"at", TIMESTAMPTZOID, TARX_KEYS_BOUND, NULL},
		[AUDIT_LOG_USER_ID] = {"user_id", TEXTOID, TARX_KEYS_BOUND, NULL},
		[AUDIT_LOG_PROVEN] = {"proven", BOOLOID, TARX_KEYS_BOUND, NULL},
		[AUDIT_LOG_LOGIN] = {"login", TEXTOID, TARX_KEYS_BOUND, NULL},
		[AUDIT_LOG_CLIENT] = {"client", TEXTOID, TARX_KEYS_BOUND, NULL},
		[AUDIT_LOG_ACTION] = {"action", TEXTOID, TARX_KEYS_BOUND, NULL},
		[AUDIT_LOG_OBJECT_ID] = {"object_id", UUIDOID, TARX_KEYS_BOUND, NULL},
		[AUDIT_LOG_OBJECT_NAME] = {"object_name", TEXTOID, TARX_KEYS_BOUND, NULL},
		[AUDIT_LOG_OUTCOME] = {"outcome", TEXTOID, TARX_KEYS_BOUND, NULL},
		[AUDIT_LOG_STAMP] = {"stamp", BYTEAOID, TARX_KEYS_SEALED, NULL}
	}
};

/* What resolve calls look up besides; nothing in these rows is sealed. */
#define NOT_SEALED	TARX_KEYS_UNBOUND, NULL

TarxKeysTable tarx_keys_tombstones = {
	.schema = TARX_KEYS_INTERNAL_SCHEMA,
	.name = "llm_key_tombstones",
	.nkeys = 2,
	.ncolumns = 2,
	.columns = {{"project_id", UUIDOID, NOT_SEALED}, {"id", UUIDOID, NOT_SEALED}}
};

TarxKeysTable tarx_keys_agents = {
	.schema = TARX_KEYS_SCHEMA,
	.name = "agents",
	.nkeys = 2,
	.ncolumns = 3,
	.columns = {
		[AGENT_PROJECT_ID] = {"project_id", UUIDOID, NOT_SEALED},
		[AGENT_ID] = {"id", UUIDOID, NOT_SEALED},
		[AGENT_USER_API_KEY_ID] = {"user_api_key_id", UUIDOID, NOT_SEALED}
	}
};

/*
 * The tables whose rows hang on a master key, in the order in which they are
 * rotated: setting a secret moves what project_secrets had to the older
 * versions, which must therefore come later.
 */
TarxKeysTable *const tarx_keys_sealed_tables[] = {
	&tarx_keys_llm_keys,
	&tarx_keys_secrets,
	&tarx_keys_secret_versions,
	&tarx_keys_platform_keys,
	&tarx_keys_audit_ends,
	NULL
};

/* The sealed table of this name; an error if there is none. */
TarxKeysTable *
tarx_keys_sealed_table(const char *name)
{
	for (TarxKeysTable *const *table = tarx_keys_sealed_tables; *table != NULL; table++)
	{
		if (strcmp((*table)->name, name) == 0)
			return *table;
	}
	elog(ERROR, "no sealed table has this name");
}

/* The position of a column, or -1 */
int
tarx_keys_column(const TarxKeysTable *table, const char *name)
{
	for (int i = 0; i < table->ncolumns; i++)
	{
		if (strcmp(table->columns[i].name, name) == 0)
			return i;
	}
	return -1;
}

/* The position of the column that has the envelope, stamp or MAC */
int
tarx_keys_sealed_column(const TarxKeysTable *table)
{
	for (int i = 0; i < table->ncolumns; i++)
	{
		if (table->columns[i].use == TARX_KEYS_SEALED)
			return i;
	}
	elog(ERROR, "table \"%s\" is not sealed", table->name);
}
