/*
 * issuers_json.c
 *	  Reads the issuers from the text of their file.
 *
 * Everything about it is strict: a member that is misspelt could be one that was
 * meant to narrow something.  Errors name the issuer by its number and the member,
 * and have nothing of the text.
 */
#include "postgres.h"
#include "base/compat.h"

#include "common/int.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "jwt/issuers.h"

/* Ends of users are kept for as long as both: sql/62_jwt.sql */
#define MAX_CLOCK_SKEW		USECS_PER_HOUR
#define MAX_LIFETIME		(31 * USECS_PER_DAY)

static const char *const known_members[] = {
	"issuer", "audience", "algorithms", "jwks", "user_claim", "user_prefix", "clock_skew",
	"max_lifetime", "typ"
};

/* One issuer of the file */
typedef struct Entry
{
	TarxKeysIssuers *area;
	TarxKeysIssuer *issuer;
	const JsonbValue *json;
	int			number;			/* counted from 1 */
} Entry;

pg_noreturn static void
refuse(const Entry *entry, const char *member, const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("issuer %d: %s %s", entry->number, member, problem)));
}

pg_noreturn static void
refuse_file(const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("%s", problem)));
}

static bool
is_printable(TarxKeysSpan text)
{
	for (size_t i = 0; i < text.len; i++)
	{
		if (!tarx_keys_is_printable(text.data[i]))
			return false;
	}
	return true;
}

static TarxKeysRef
put_text(const Entry *entry, const char *member, const JsonbValue *value, bool may_be_empty)
{
	TarxKeysSpan text;

	if (!tarx_keys_json_text(value, &text) || !is_printable(text) || (text.len == 0 && !may_be_empty))
		refuse(entry, member, "must be text of printable ASCII");
	return tarx_keys_area_put(entry->area, text.data, text.len);
}

static TarxKeysRef
put_text_or(const Entry *entry, const char *member, const char *otherwise, bool may_be_empty)
{
	const JsonbValue *value = tarx_keys_json_member(entry->json, member);

	return value == NULL ? tarx_keys_area_put(entry->area, otherwise, strlen(otherwise)) :
		put_text(entry, member, value, may_be_empty);
}

/* The elements of a member that is an array; NULL if it is absent, and may be. */
static const JsonbValue *
array_member(const Entry *entry, const char *member, bool is_required)
{
	const JsonbValue *value = tarx_keys_json_member(entry->json, member);

	if (value == NULL && !is_required)
		return NULL;
	if (value == NULL || value->type != jbvArray || value->val.array.nElems == 0)
		refuse(entry, member, "must be an array of at least one text");
	return value;
}

static TarxKeysRef
put_texts(const Entry *entry, const char *member, const JsonbValue *array, bool may_be_empty)
{
	TarxKeysRef list = tarx_keys_area_reserve(entry->area, sizeof(TarxKeysRef), array->val.array.nElems);
	TarxKeysRef *refs = tarx_keys_area_array(entry->area, list);

	for (uint32 i = 0; i < list.count; i++)
		refs[i] = put_text(entry, member, &array->val.array.elems[i], may_be_empty);
	return list;
}

/* Without typ in the file: none, JWT and at+jwt.  A logout token has another one. */
static void
read_typ(const Entry *entry)
{
	static const char *const usual[] = {"", "JWT", "at+jwt"};
	const JsonbValue *array = array_member(entry, "typ", false);
	TarxKeysRef *refs;

	if (array != NULL)
	{
		entry->issuer->typ = put_texts(entry, "typ", array, true);
		return;
	}
	entry->issuer->typ = tarx_keys_area_reserve(entry->area, sizeof(TarxKeysRef), lengthof(usual));
	refs = tarx_keys_area_array(entry->area, entry->issuer->typ);
	for (size_t i = 0; i < lengthof(usual); i++)
		refs[i] = tarx_keys_area_put(entry->area, usual[i], strlen(usual[i]));
}

static void
read_algorithms(const Entry *entry)
{
	const JsonbValue *array = array_member(entry, "algorithms", true);

	for (int i = 0; i < array->val.array.nElems; i++)
	{
		TarxKeysSpan name = {"", 0};
		TarxKeysJwsAlgorithm algorithm;

		(void) tarx_keys_json_text(&array->val.array.elems[i], &name);
		algorithm = tarx_keys_jws_algorithm(name);
		if (algorithm == TARX_KEYS_JWS_NONE)
			refuse(entry, "algorithms", tarx_keys_jws_algorithm(tarx_keys_span_of("RS256")) != TARX_KEYS_JWS_NONE ?
				   "may have Ed25519, EdDSA, ES256 and RS256 only" :
				   "may have Ed25519 and EdDSA only, because the server is built without OpenSSL");
		entry->issuer->algorithms |= algorithm;
	}
}

/* A text that PostgreSQL reads as an interval, of so many microseconds at most */
static int64
read_duration(const Entry *entry, const char *member, const char *otherwise, int64 min, int64 max)
{
	TarxKeysRef ref = put_text_or(entry, member, otherwise, false);
	TarxKeysSpan text = tarx_keys_area_text(entry->area, ref);
	Interval	interval;
	int64		duration;

	if (!tarx_keys_parse_interval(pnstrdup(text.data, text.len), &interval))
		refuse(entry, member, "must be an interval, like 30 s or 1 h");

	/*
	 * what has a month is longer than all that is admitted, and so is what
	 * overflows
	 */
	if (interval.month != 0 || pg_mul_s64_overflow(interval.day, USECS_PER_DAY, &duration) ||
		pg_add_s64_overflow(duration, interval.time, &duration) || duration < min || duration > max)
		refuse(entry, member, max == MAX_CLOCK_SKEW ? "must be from 0 to 1 hour" :
			   "must be from 1 second to 31 days");
	return duration;
}

static void
check_members(const Entry *entry)
{
	if (entry->json->type != jbvObject)
		refuse(entry, "it", "must be an object");
	for (int i = 0; i < entry->json->val.object.nPairs; i++)
	{
		const JsonbValue *name = &entry->json->val.object.pairs[i].key;
		bool		is_known = false;

		for (size_t k = 0; k < lengthof(known_members); k++)
			is_known = is_known ||
				tarx_keys_span_equals((TarxKeysSpan) {name->val.string.val, (size_t) name->val.string.len},
									  tarx_keys_span_of(known_members[k]));
		if (!is_known)
			refuse(entry, "it", "has a member that no issuer has");
	}
}

static bool
begins(TarxKeysSpan text, TarxKeysSpan start)
{
	return text.len >= start.len && tarx_keys_span_equals(tarx_keys_span_first(text, start.len), start);
}

/* Service accounts have this prefix, and are nobody's users. */
static void
check_prefix(const Entry *entry)
{
	TarxKeysSpan prefix = tarx_keys_area_text(entry->area, entry->issuer->user_prefix);

	if (tarx_keys_is_service_account_id(prefix.data, prefix.len))
		refuse(entry, "user_prefix", "must not begin with " TARX_KEYS_SERVICE_ACCOUNT_PREFIX);
}

static void
read_issuer(const Entry *entry)
{
	TarxKeysIssuer *issuer = entry->issuer;

	check_members(entry);
	issuer->issuer = put_text(entry, "issuer", tarx_keys_json_member(entry->json, "issuer"), false);
	issuer->audience = put_texts(entry, "audience", array_member(entry, "audience", true), false);
	read_algorithms(entry);
	tarx_keys_jwks_read(entry->area, issuer, entry->number, tarx_keys_json_member(entry->json, "jwks"));
	issuer->user_claim = put_text_or(entry, "user_claim", "sub", false);
	issuer->user_prefix = put_text_or(entry, "user_prefix", "", true);
	check_prefix(entry);
	issuer->limits.clock_skew = read_duration(entry, "clock_skew", "30 s", 0, MAX_CLOCK_SKEW);
	issuer->limits.max_lifetime = read_duration(entry, "max_lifetime", "1 h", USECS_PER_SEC, MAX_LIFETIME);
	read_typ(entry);
}

/*
 * An issuer occurs once.  And none can name a user of another one, because no prefix
 * is the beginning of another's.
 */
static void
check_pair(const TarxKeysIssuers *area, const TarxKeysIssuer *a, const TarxKeysIssuer *b)
{
	TarxKeysSpan one = tarx_keys_area_text(area, a->user_prefix);
	TarxKeysSpan other = tarx_keys_area_text(area, b->user_prefix);

	if (tarx_keys_span_equals(tarx_keys_area_text(area, a->issuer), tarx_keys_area_text(area, b->issuer)))
		refuse_file("an issuer occurs twice");
	if (begins(one, other) || begins(other, one))
		refuse_file("the user_prefix of an issuer begins that of another one, or is the same");
}

static void
check_pairs(const TarxKeysIssuers *area)
{
	const TarxKeysIssuer *issuers = tarx_keys_area_array(area, area->issuers);

	for (uint32 i = 0; i < area->issuers.count; i++)
	{
		for (uint32 k = 0; k < i; k++)
			check_pair(area, &issuers[k], &issuers[i]);
	}
}

/* The issuers in the text of a file, which is UTF-8 */
TarxKeysIssuers *
tarx_keys_issuers_parse(const char *text, size_t len)
{
	TarxKeysIssuers *area = tarx_keys_area_make();
	const JsonbValue *json = NULL;
	TarxKeysIssuer *issuers;

	if (pg_verify_mbstr(PG_UTF8, text, (int) len, true))
		json = tarx_keys_json_parse(text, len);
	if (json == NULL || json->type != jbvArray)
		refuse_file("it is not a JSON array in UTF-8");
	area->issuers = tarx_keys_area_reserve(area, sizeof(TarxKeysIssuer), json->val.array.nElems);
	issuers = tarx_keys_area_array(area, area->issuers);
	for (int i = 0; i < json->val.array.nElems; i++)
		read_issuer(&(Entry) {area, &issuers[i], &json->val.array.elems[i], i + 1});
	check_pairs(area);
	return area;
}
