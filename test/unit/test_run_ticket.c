/*
 * test_run_ticket.c
 *	  Unit tests of src/pure/run_ticket.c: known bytes, round trips, and refusal of
 *	  everything that is not what was written.
 */
#include "pure/run_ticket.h"

#include "pure/ascii.h"
#include "guarded.h"
#include "tap.h"

/* 00 01 .. 1f */
static const uint8_t numbers[32] = {
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
	16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
};

static TarxKeysRunTicket
agent_ticket(void)
{
	TarxKeysRunTicket ticket = {.kind = TARX_KEYS_RUN_OF_AGENT};

	ticket.id = numbers;
	ticket.project_id = numbers + 1;
	ticket.object_id = numbers + 2;
	ticket.project_epoch = numbers + 3;
	ticket.agent_epoch = numbers + 4;
	ticket.user_id = tarx_keys_span_of("alice");
	ticket.issued = 1;
	ticket.expires = 0x0102030405060708;
	ticket.renewable_until = -1;
	ticket.nsecrets = 2;
	ticket.secret_names[0] = tarx_keys_span_of("A");
	ticket.secret_names[1] = tarx_keys_span_of("B");
	return ticket;
}

static TarxKeysRunTicket
key_ticket(void)
{
	TarxKeysRunTicket ticket = agent_ticket();

	ticket.kind = TARX_KEYS_RUN_OF_KEY;
	ticket.agent_epoch = NULL;
	ticket.proven = 1;
	ticket.platform_key_id = numbers + 5;
	ticket.runner_role = tarx_keys_span_of("runner");
	ticket.recipient_hash = numbers;
	ticket.nsecrets = 0;
	return ticket;
}

static Bytes
written(const TarxKeysRunTicket *ticket)
{
	Bytes		bytes = guarded_bytes(tarx_keys_run_ticket_size(ticket));

	tarx_keys_run_ticket_write(bytes.data, ticket);
	return bytes;
}

static bool
reads(const Bytes *bytes)
{
	TarxKeysRunTicket ticket;

	return tarx_keys_run_ticket_read(bytes->data, bytes->len, &ticket);
}

/* from the description in run_ticket.c, by hand */
static void
known_bytes(void)
{
	TarxKeysRunTicket ticket = agent_ticket();
	Bytes		bytes = written(&ticket);
	Bytes		expected = from_hex("01" "01"
									"000102030405060708090a0b0c0d0e0f" "0102030405060708090a0b0c0d0e0f10"
									"02030405060708090a0b0c0d0e0f1011" "030405060708090a0b0c0d0e0f101112"
									"0100000010" "0405060708090a0b0c0d0e0f10111213"
									"0100000005" "616c696365" "00" "00"
									"0000000000000001" "0102030405060708" "ffffffffffffffff"
									"00" "00" "02" "0100000001" "41" "0100000001" "42");

	ok(bytes.len == expected.len && memcmp(bytes.data, expected.data, bytes.len) == 0, "known bytes");
	sodium_free(bytes.data);
	sodium_free(expected.data);
}

static void
round_trip(TarxKeysRunTicket given, const char *what)
{
	Bytes		bytes = written(&given);
	TarxKeysRunTicket ticket;

	ok(tarx_keys_run_ticket_read(bytes.data, bytes.len, &ticket), "%s: read", what);
	ok(ticket.kind == given.kind && ticket.proven == given.proven && ticket.issued == given.issued &&
	   ticket.expires == given.expires && ticket.renewable_until == given.renewable_until &&
	   ticket.nsecrets == given.nsecrets, "%s: numbers", what);
	ok(memcmp(ticket.id, given.id, TARX_KEYS_RUN_ID_BYTES) == 0 &&
	   memcmp(ticket.project_id, given.project_id, TARX_KEYS_RUN_ID_BYTES) == 0 &&
	   memcmp(ticket.object_id, given.object_id, TARX_KEYS_RUN_ID_BYTES) == 0 &&
	   memcmp(ticket.project_epoch, given.project_epoch, TARX_KEYS_RUN_ID_BYTES) == 0, "%s: ids", what);
	ok((ticket.agent_epoch == NULL) == (given.agent_epoch == NULL) &&
	   (ticket.platform_key_id == NULL) == (given.platform_key_id == NULL) &&
	   (ticket.recipient_hash == NULL) == (given.recipient_hash == NULL) &&
	   (ticket.runner_role.data == NULL) == (given.runner_role.data == NULL), "%s: what may be none", what);
	ok(tarx_keys_compare_spans(ticket.user_id, given.user_id) == 0, "%s: user", what);
	sodium_free(bytes.data);
}

/* None of its beginnings is a ticket, nor is more than it; and each byte counts. */
static void
exact(TarxKeysRunTicket given, const char *what)
{
	Bytes		bytes = written(&given);
	int			accepted = 0;
	Bytes		longer = guarded_bytes(bytes.len + 1);

	for (size_t len = 0; len < bytes.len; len++)
	{
		Bytes		cut = guarded_copy(bytes.data, len);

		accepted += reads(&cut);
		sodium_free(cut.data);
	}
	ok(accepted == 0, "%s: no beginning is one", what);
	memcpy(longer.data, bytes.data, bytes.len);
	longer.data[bytes.len] = 0;
	ok(!reads(&longer), "%s: nothing is left behind it", what);
	sodium_free(longer.data);
	sodium_free(bytes.data);
}

static void
refused(TarxKeysRunTicket given, const char *what)
{
	Bytes		bytes = written(&given);

	ok(!reads(&bytes), "refused: %s", what);
	sodium_free(bytes.data);
}

/* A name more than there is room for, and all of them are there */
static void
refuse_names(void)
{
	TarxKeysRunTicket ticket = agent_ticket();
	size_t		start;
	Bytes		bytes;

	ticket.nsecrets = 0;
	start = tarx_keys_run_ticket_size(&ticket);
	bytes = guarded_bytes(start + (TARX_KEYS_RUN_TICKET_MAX_SECRETS + 1) * 6);
	tarx_keys_run_ticket_write(bytes.data, &ticket);
	bytes.data[start - 1] = TARX_KEYS_RUN_TICKET_MAX_SECRETS + 1;
	for (int i = 0; i <= TARX_KEYS_RUN_TICKET_MAX_SECRETS; i++)
	{
		uint8_t    *name = bytes.data + start + i * 6;

		memset(name, 0, 6);
		name[0] = name[4] = 1;
		name[5] = (uint8_t) i;
	}
	ok(!reads(&bytes), "refused: too many names that are there");
	bytes.data[start - 1]--;
	bytes.len -= 6;
	ok(reads(&bytes), "as many as there may be");
	sodium_free(bytes.data);
}

/* An epoch without its last byte */
static void
refuse_short_epoch(void)
{
	const size_t end = 2 + 4 * TARX_KEYS_RUN_ID_BYTES + 5 + TARX_KEYS_RUN_ID_BYTES;
	TarxKeysRunTicket ticket = agent_ticket();
	Bytes		bytes = written(&ticket);

	bytes.data[end - TARX_KEYS_RUN_ID_BYTES - 1]--;
	memmove(bytes.data + end - 1, bytes.data + end, bytes.len - end);
	bytes.len--;
	ok(!reads(&bytes), "refused: a short epoch");
	sodium_free(bytes.data);
}

static void
refusals(void)
{
	TarxKeysRunTicket ticket = agent_ticket();
	Bytes		bytes = written(&ticket);

	bytes.data[0] = 2;
	ok(!reads(&bytes), "refused: another version");
	sodium_free(bytes.data);
	ticket.kind = 0;
	refused(ticket, "no kind");
	ticket.kind = 3;
	refused(ticket, "an unknown kind");
	ticket = key_ticket();
	ticket.kind = 0;
	refused(ticket, "no kind, without an epoch");
	ticket.kind = 3;
	refused(ticket, "an unknown kind, without an epoch");
	ticket = agent_ticket();
	ticket.agent_epoch = NULL;
	refused(ticket, "an agent without an epoch");
	ticket = key_ticket();
	ticket.agent_epoch = numbers;
	refused(ticket, "a key with an epoch");
	ticket = key_ticket();
	ticket.nsecrets = 1;
	refused(ticket, "a key with secrets");
	ticket = key_ticket();
	ticket.proven = 0;
	refused(ticket, "a platform key that proves nobody");
	ticket.proven = 2;
	refused(ticket, "proven twice");
	ticket = agent_ticket();
	ticket.secret_names[1] = ticket.secret_names[0];
	refused(ticket, "a name twice");
	ticket.secret_names[0] = tarx_keys_span_of("B");
	refused(ticket, "names out of order");
	ticket.secret_names[0] = (TarxKeysSpan) {NULL, 0};
	refused(ticket, "a name that is null");
	ticket = agent_ticket();
	ticket.user_id = (TarxKeysSpan) {NULL, 0};
	refused(ticket, "no user");
	/* then the count of names is the last byte */
	ticket = agent_ticket();
	ticket.nsecrets = 0;
	bytes = written(&ticket);
	bytes.data[bytes.len - 1] = TARX_KEYS_RUN_TICKET_MAX_SECRETS + 1;
	ok(!reads(&bytes), "refused: too many names");
	sodium_free(bytes.data);
	refuse_names();
	refuse_short_epoch();
}

static void
names(void)
{
	TarxKeysRunTicket ticket = agent_ticket();

	ok(tarx_keys_run_ticket_names(&ticket, tarx_keys_span_of("A")), "names the first");
	ok(tarx_keys_run_ticket_names(&ticket, tarx_keys_span_of("B")), "names the last");
	ok(!tarx_keys_run_ticket_names(&ticket, tarx_keys_span_of("a")), "in its case");
	ok(!tarx_keys_run_ticket_names(&ticket, tarx_keys_span_of("AB")), "as a whole");
}

static bool
is_text(const char *text)
{
	Bytes		given = guarded_copy(text, strlen(text));
	Bytes		bytes = guarded_bytes(given.len);
	size_t		len;
	bool		result = tarx_keys_run_ticket_from_text(bytes.data, &len, (const char *) given.data, given.len);

	sodium_free(given.data);
	sodium_free(bytes.data);
	return result;
}

static void
texts(void)
{
	static const uint8_t bytes[] = {0xfb, 0xff, 0xfe, 0x00};
	char		text[32];
	char	   *longest = malloc(TARX_KEYS_RUN_TICKET_MAX_TEXT + 2);

	tarx_keys_run_ticket_to_text(text, bytes, sizeof(bytes));
	is_str(text, "tarx-run--__-AA", "base64url without padding");
	ok(strlen(text) == tarx_keys_run_ticket_text_size(sizeof(bytes)), "its size");
	ok(is_text(text), "is a text");
	ok(!is_text("tarx-run-"), "nothing behind the prefix");
	ok(!is_text("tarx-run"), "no prefix");
	ok(!is_text(""), "nothing");
	ok(!is_text("Tarx-run--__-AA"), "another prefix");
	ok(!is_text("tarx-run-+//+AA"), "not base64url");
	ok(!is_text("tarx-run--__-AA=="), "padding");
	ok(!is_text("tarx-run--__-AB"), "bits that mean nothing");
	ok(!is_text("tarx-run--__-A"), "half a byte");
	ok(!is_text("tarx-run--__-AA\xff\xff\xff\xff"), "bytes that are no ASCII");
	ok(!is_text("tarx-run--__-AA\n"), "a line end");
	ok(!is_text(" tarx-run--__-AA"), "a blank");
	memset(longest, 'A', TARX_KEYS_RUN_TICKET_MAX_TEXT + 1);
	memcpy(longest, TARX_KEYS_RUN_TICKET_PREFIX, 9);
	longest[TARX_KEYS_RUN_TICKET_MAX_TEXT + 1] = '\0';
	ok(!is_text(longest), "too long");
	longest[TARX_KEYS_RUN_TICKET_MAX_TEXT - 1] = '\0';
	ok(is_text(longest), "long");
	free(longest);
}

static bool
is_within(const char *text)
{
	Bytes		given = guarded_copy(text, strlen(text));
	bool		result = tarx_keys_run_ticket_is_within((const char *) given.data, given.len);

	sodium_free(given.data);
	return result;
}

static void
within(void)
{
	ok(is_within("tarx-run-0123456789012345678901234567890123456789"), "a ticket");
	ok(is_within("my tarx-run-0123456789012345678901234567890123-_aZaa.."), "within a text");
	ok(is_within("tarx-run-tarx-run-0123456789012345678901234567890123456789"), "behind half of one");
	ok(!is_within("tarx-run-012345678901234567890123456789012345678"), "too short");
	ok(!is_within("tarx-run-0123456789 0123456789 0123456789 0123456789"), "words");
	ok(!is_within("tarx-run-"), "the prefix");
}

int
main(void)
{
	if (sodium_init() < 0)
		return EXIT_FAILURE;
	known_bytes();
	round_trip(agent_ticket(), "of an agent");
	round_trip(key_ticket(), "of a key");
	exact(agent_ticket(), "of an agent");
	exact(key_ticket(), "of a key");
	refusals();
	names();
	texts();
	within();
	return done_testing();
}
