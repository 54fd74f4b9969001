/*
 * descriptions.h
 *	  The one description of each table that C code reads or writes.
 *
 * Each file that includes this one first defines macros that make something of
 * it.  tables.h makes a declaration of each table and constants for the positions
 * of its columns; descriptions.c makes the tables and the list of those that are
 * sealed.  The macros are
 *
 *		SEALED_TABLE(table, purpose, members)	begins tarx_keys_TABLE
 *		TABLE(table, members)					the same, for rows without a seal
 *		COLUMN(position, name, type, use, reason)
 *		END_TABLE(prefix)						of the constants
 *
 * members are those of TarxKeysTable.  The purpose has 16 characters and belongs
 * to one kind of value alone: what is sealed for one purpose does not open for
 * another.
 *
 * A column of a sealed table is either bound, so that a change to it breaks the
 * row, or its description says why it is not bound.  Bound columns go into the
 * AAD in the order of the description.  Whoever changes the order changes the
 * format.  Where nothing speaks against it, the order is also that of the table: a
 * query for all columns then gives rows as they are stored.
 *
 * The order of the tables is that of a rotation.  set_secret() moves a row from
 * project_secrets to the older versions, so these come later: a row that moves
 * meanwhile is not missed.
 *
 * test/sql/sealed_tables.sql compares all of this with the catalogs.
 */

#define BOUND(position, name, type)		COLUMN(position, name, type, TARX_KEYS_BOUND, NULL)
#define SCOPE(position, name)			COLUMN(position, name, UUIDOID, TARX_KEYS_SCOPE, NULL)
#define SEALED(position, name)			COLUMN(position, name, BYTEAOID, TARX_KEYS_SEALED, NULL)
#define UNBOUND(position, name, type, reason) \
	COLUMN(position, name, type, TARX_KEYS_UNBOUND, reason)

/* The columns of an index besides the primary key */
#define OTHER_KEY_OF_1(a)		.nother = 1, .other_key = {a}
#define OTHER_KEY_OF_2(a, b)	.nother = 2, .other_key = {a, b}

#define TIME_OF_CREATION \
	"only tells when; who writes the tables could as well add a row at any time"

/* Only what look-ups need of it */
TABLE(projects, .schema = TARX_KEYS_SCHEMA, .name = "projects", .nkeys = 1)
COLUMN(PROJECTS_ID, "id", UUIDOID, TARX_KEYS_UNBOUND, NULL)
COLUMN(PROJECTS_ENDED_AT, "ended_at", TIMESTAMPTZOID, TARX_KEYS_UNBOUND, NULL)
END_TABLE(PROJECTS)

TABLE(last_used, .schema = TARX_KEYS_INTERNAL_SCHEMA, .name = "last_used", .nkeys = 4)
COLUMN(LAST_USED_PROJECT_ID, "project_id", UUIDOID, TARX_KEYS_UNBOUND, NULL)
COLUMN(LAST_USED_KIND, "kind", TEXTOID, TARX_KEYS_UNBOUND, NULL)
COLUMN(LAST_USED_ID, "id", UUIDOID, TARX_KEYS_UNBOUND, NULL)
COLUMN(LAST_USED_SERVER, "server", UUIDOID, TARX_KEYS_UNBOUND, NULL)
COLUMN(LAST_USED_LAST_USED_AT, "last_used_at", TIMESTAMPTZOID, TARX_KEYS_UNBOUND, NULL)
END_TABLE(LAST_USED)

TABLE(unlogged_removals, .schema = TARX_KEYS_INTERNAL_SCHEMA, .name = "unlogged_removals", .nkeys = 2)
COLUMN(UNLOGGED_REMOVAL_PROJECT_ID, "project_id", UUIDOID, TARX_KEYS_UNBOUND, NULL)
COLUMN(UNLOGGED_REMOVAL_ID, "id", UUIDOID, TARX_KEYS_UNBOUND, NULL)
END_TABLE(UNLOGGED_REMOVAL)

TABLE(custom_providers, .schema = TARX_KEYS_SCHEMA, .name = "custom_providers", .nkeys = 1)
COLUMN(CUSTOM_PROVIDER_SLUG, "slug", TEXTOID, TARX_KEYS_UNBOUND, NULL)
COLUMN(CUSTOM_PROVIDER_LABEL, "label", TEXTOID, TARX_KEYS_UNBOUND, NULL)
END_TABLE(CUSTOM_PROVIDER)

SEALED_TABLE(llm_keys, "tarx.llm-key...1",
			 .schema = TARX_KEYS_SCHEMA, .name = "project_llm_keys", .nkeys = 2,
			 .seal = TARX_KEYS_ENVELOPE, .kind = "llm_key", .counter = "llm_keys",
			 .revision = "revision", .live = "coalesce(t.state, '') OPERATOR(pg_catalog.<>) 'deleted'")
SCOPE(LLM_KEY_PROJECT_ID, "project_id")
BOUND(LLM_KEY_ID, "id", UUIDOID)
BOUND(LLM_KEY_PROVIDER, "provider", TEXTOID)
BOUND(LLM_KEY_NAME, "name", TEXTOID)
BOUND(LLM_KEY_BASE_URL, "base_url", TEXTOID)
BOUND(LLM_KEY_DESTINATION, "destination", TEXTOID)
BOUND(LLM_KEY_MASKED_KEY, "masked_key", TEXTOID)
BOUND(LLM_KEY_ADDED_BY, "added_by", TEXTOID)
BOUND(LLM_KEY_STATE, "state", TEXTOID)
BOUND(LLM_KEY_PRIORITY, "priority", INT4OID)
BOUND(LLM_KEY_EXPIRES_AT, "expires_at", TIMESTAMPTZOID)
BOUND(LLM_KEY_ROTATE_AFTER, "rotate_after", TIMESTAMPTZOID)
BOUND(LLM_KEY_ALLOWED_MODELS, "allowed_models", TEXTARRAYOID)
BOUND(LLM_KEY_HEADER_NAMES, "header_names", TEXTARRAYOID)
BOUND(LLM_KEY_REVISION, "revision", INT4OID)
BOUND(LLM_KEY_DELETED_BY, "deleted_by", TEXTOID)
SEALED(LLM_KEY_CIPHERTEXT, "ciphertext")
UNBOUND(LLM_KEY_CREATED_AT, "created_at", TIMESTAMPTZOID, TIME_OF_CREATION)
UNBOUND(LLM_KEY_DELETED_AT, "deleted_at", TIMESTAMPTZOID, "a deleted key has nothing that could be bound")
END_TABLE(LLM_KEY)

/*
 * The current version of a secret and older ones share these, at the same
 * positions. Those that are not bound are at the end, because
 * TARX_KEYS_SELECT_SEALED() omits them there.
 */
#define SECRET_COLUMNS(PREFIX) \
	SCOPE(PREFIX##_PROJECT_ID, "project_id") \
	BOUND(PREFIX##_NAME, "name", TEXTOID) \
	BOUND(PREFIX##_VERSION, "version", INT4OID) \
	BOUND(PREFIX##_ID, "id", UUIDOID) \
	SEALED(PREFIX##_CIPHERTEXT, "ciphertext") \
	UNBOUND(PREFIX##_UPDATED_BY, "updated_by", TEXTOID, "the audit log says who set which version") \
	UNBOUND(PREFIX##_UPDATED_AT, "updated_at", TIMESTAMPTZOID, "the audit log says when")

SEALED_TABLE(secrets, "tarx.secret....1",
			 .schema = TARX_KEYS_SCHEMA, .name = "project_secrets", .nkeys = 2,
			 .seal = TARX_KEYS_ENVELOPE, .kind = "secret", .counter = "secret_versions",
			 .revision = "version")
SECRET_COLUMNS(SECRET)
UNBOUND(SECRET_DESCRIPTION, "description", TEXTOID, "a remark for people; nothing is decided by it")
END_TABLE(SECRET)

/* An insertion replaces what somebody has put in a version's way. */
SEALED_TABLE(secret_versions, "tarx.secret....1",
			 .schema = TARX_KEYS_INTERNAL_SCHEMA, .name = "project_secret_versions", .nkeys = 3,
			 .seal = TARX_KEYS_ENVELOPE, .kind = "secret", .counter = "secret_versions",
			 .replaces = true)
SECRET_COLUMNS(OLD_SECRET)
END_TABLE(OLD_SECRET)

SEALED_TABLE(platform_keys, "tarx.platform..1",
			 .schema = TARX_KEYS_SCHEMA, .name = "platform_api_keys", .nkeys = 1,
			 OTHER_KEY_OF_1(PLATFORM_KEY_TOKEN_HASH),
			 .seal = TARX_KEYS_STAMP, .kind = "platform_key", .counter = "platform_keys",
			 .live = "t.revoked_at IS NULL")
BOUND(PLATFORM_KEY_ID, "id", UUIDOID)
BOUND(PLATFORM_KEY_USER_ID, "user_id", TEXTOID)
BOUND(PLATFORM_KEY_NAME, "name", TEXTOID)
BOUND(PLATFORM_KEY_MASKED_KEY, "masked_key", TEXTOID)
BOUND(PLATFORM_KEY_TOKEN_HASH, "token_hash", BYTEAOID)
BOUND(PLATFORM_KEY_EXPIRES_AT, "expires_at", TIMESTAMPTZOID)
BOUND(PLATFORM_KEY_PROJECT_IDS, "project_ids", UUIDARRAYOID)
BOUND(PLATFORM_KEY_READ_ONLY, "read_only", BOOLOID)
BOUND(PLATFORM_KEY_CREATED_AT, "created_at", TIMESTAMPTZOID)
BOUND(PLATFORM_KEY_CREATED_WITH, "created_with", UUIDOID)
UNBOUND(PLATFORM_KEY_REVOKED_AT, "revoked_at", TIMESTAMPTZOID,
		"a key ends by losing its hash and stamp, not by this time")
UNBOUND(PLATFORM_KEY_ENDS_DESCENDANTS, "ends_descendants", BOOLOID,
		"written when a key is revoked, and then it has no stamp any more")
SEALED(PLATFORM_KEY_STAMP, "stamp")
END_TABLE(PLATFORM_KEY)

SEALED_TABLE(members, "tarx.member....1",
			 .schema = TARX_KEYS_SCHEMA, .name = "project_members", .nkeys = 2,
			 .seal = TARX_KEYS_STAMP, .kind = "member", .counter = "members",
			 .revision = "revision")
SCOPE(MEMBER_PROJECT_ID, "project_id")
BOUND(MEMBER_USER_ID, "user_id", TEXTOID)
BOUND(MEMBER_ID, "id", UUIDOID)
BOUND(MEMBER_ROLE, "role", TEXTOID)
BOUND(MEMBER_SERVICE_ACCOUNT, "service_account", TEXTOID)
BOUND(MEMBER_REVISION, "revision", INT4OID)
BOUND(MEMBER_ADDED_AT, "added_at", TIMESTAMPTZOID)
SEALED(MEMBER_STAMP, "stamp")
END_TABLE(MEMBER)

SEALED_TABLE(agents, "tarx.agent.....1",
			 .schema = TARX_KEYS_SCHEMA, .name = "agents", .nkeys = 2,
			 OTHER_KEY_OF_2(AGENT_PROJECT_ID, AGENT_USER_API_KEY_ID),
			 .seal = TARX_KEYS_STAMP, .kind = "agent", .counter = "agents",
			 .revision = "revision")
SCOPE(AGENT_PROJECT_ID, "project_id")
BOUND(AGENT_ID, "id", UUIDOID)
BOUND(AGENT_NAME, "name", TEXTOID)
BOUND(AGENT_USER_API_KEY_ID, "user_api_key_id", UUIDOID)
BOUND(AGENT_PROVIDER, "provider", TEXTOID)
BOUND(AGENT_RUN_EPOCH, "run_epoch", UUIDOID)
BOUND(AGENT_REVISION, "revision", INT4OID)
SEALED(AGENT_STAMP, "stamp")
UNBOUND(AGENT_CREATED_BY, "created_by", TEXTOID, "the audit log says who created it")
UNBOUND(AGENT_CREATED_AT, "created_at", TIMESTAMPTZOID, TIME_OF_CREATION)
UNBOUND(AGENT_UPDATED_AT, "updated_at", TIMESTAMPTZOID, "the audit log says when")
END_TABLE(AGENT)

/*
 * The envelope contains the key of the chain's MACs.  verify_audit() checks these
 * rows, so verify_keys() does not.
 */
SEALED_TABLE(audit_ends, "tarx.audit-ends1",
			 .schema = TARX_KEYS_INTERNAL_SCHEMA, .name = "audit_ends", .nkeys = 4,
			 .seal = TARX_KEYS_ENVELOPE, .counter = "audit_chains")
SCOPE(AUDIT_ENDS_PROJECT_ID, "project_id")
BOUND(AUDIT_ENDS_PERSONAL, "personal", BOOLOID)
BOUND(AUDIT_ENDS_GENERATION, "generation", INT4OID)
BOUND(AUDIT_ENDS_LANE, "lane", INT4OID)
BOUND(AUDIT_ENDS_LANES_SEEN, "lanes_seen", INT4OID)
BOUND(AUDIT_ENDS_FIRST_SEQ, "first_seq", INT8OID)
BOUND(AUDIT_ENDS_FIRST_AT, "first_at", TIMESTAMPTZOID)
BOUND(AUDIT_ENDS_LAST_SEQ, "last_seq", INT8OID)
BOUND(AUDIT_ENDS_FIRST_STAMP, "first_stamp", BYTEAOID)
BOUND(AUDIT_ENDS_LAST_STAMP, "last_stamp", BYTEAOID)
SEALED(AUDIT_ENDS_SEALED_KEY, "sealed_key")
END_TABLE(AUDIT_ENDS)

/* No master key seals these rows: the key of their chain is in audit_ends. */
SEALED_TABLE(audit_log, "tarx.audit-row.1",
			 .schema = TARX_KEYS_SCHEMA, .name = "audit_log", .nkeys = 4,
			 .seal = TARX_KEYS_CHAIN)
SCOPE(AUDIT_LOG_PROJECT_ID, "project_id")
BOUND(AUDIT_LOG_PERSONAL, "personal", BOOLOID)
BOUND(AUDIT_LOG_GENERATION, "generation", INT4OID)
BOUND(AUDIT_LOG_SEQ, "seq", INT8OID)
BOUND(AUDIT_LOG_AT, "at", TIMESTAMPTZOID)
BOUND(AUDIT_LOG_USER_ID, "user_id", TEXTOID)
BOUND(AUDIT_LOG_PROVEN, "proven", BOOLOID)
BOUND(AUDIT_LOG_LOGIN, "login", TEXTOID)
BOUND(AUDIT_LOG_CLIENT, "client", TEXTOID)
BOUND(AUDIT_LOG_ACTION, "action", TEXTOID)
BOUND(AUDIT_LOG_OBJECT_ID, "object_id", UUIDOID)
BOUND(AUDIT_LOG_OBJECT_NAME, "object_name", TEXTOID)
BOUND(AUDIT_LOG_OUTCOME, "outcome", TEXTOID)
BOUND(AUDIT_LOG_REVISION, "revision", INT4OID)
SEALED(AUDIT_LOG_STAMP, "stamp")
END_TABLE(AUDIT_LOG)

#undef BOUND
#undef SCOPE
#undef SEALED
#undef UNBOUND
#undef TIME_OF_CREATION
#undef OTHER_KEY_OF_1
#undef OTHER_KEY_OF_2
#undef SECRET_COLUMNS
#undef SEALED_TABLE
#undef TABLE
#undef COLUMN
#undef END_TABLE
