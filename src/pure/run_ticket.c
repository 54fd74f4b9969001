/*
 * run_ticket.c
 *	  Writes and reads what is in a run ticket, and its text.
 *
 * What an envelope seals for a ticket is
 *
 *		version (1) | kind (1) | ticket's id (16) | project (16) | agent or key (16) |
 *		project's epoch (16) | agent's epoch | user | proven (1) | platform key |
 *		issued (8) | expires (8) | renewable until (8) | runner's role |
 *		hash of the recipient's key | count of secrets (1) | their names
 *
 * What has no size here is a field (see fields.h), in UTF-8 if it is a text.  Numbers
 * are big-endian.  Names are in ascending order, each once.  There is one way to write
 * a ticket, and nothing is left behind it.
 *
 * The text is "tarx-run-" and the envelope in base64url without padding (RFC 4648,
 * section 5).
 */
#include "pure/run_ticket.h"

#include <sodium.h>
#include <string.h>

#include "pure/ascii.h"
#include "pure/base64url.h"
#include "pure/fields.h"

#define PREFIX_LEN	(sizeof(TARX_KEYS_RUN_TICKET_PREFIX) - 1)
#define ENCODING	sodium_base64_VARIANT_URLSAFE_NO_PADDING

/* So many characters behind the prefix, and it may be a ticket. */
#define SHORTEST	40

/*
 * What is in it
 */

static void
put_number(TarxKeysFieldWriter *writer, int64_t number)
{
	uint8_t		bytes[8];

	tarx_keys_write_number(bytes, (uint64_t) number, sizeof(bytes));
	tarx_keys_fields_put_bytes(writer, bytes, sizeof(bytes));
}

static int64_t
take_number(TarxKeysFieldReader *reader)
{
	const uint8_t *bytes = tarx_keys_fields_take_bytes(reader, 8);

	return bytes != NULL ? (int64_t) tarx_keys_read_number(bytes, 8) : 0;
}

static const uint8_t *
take_id(TarxKeysFieldReader *reader)
{
	return tarx_keys_fields_take_bytes(reader, TARX_KEYS_RUN_ID_BYTES);
}

/* Bytes that may be NULL, and that are so many if they are not */
static const uint8_t *
take_or_null(TarxKeysFieldReader *reader, size_t len)
{
	TarxKeysSpan field = tarx_keys_fields_take(reader);

	if (field.data != NULL && field.len != len)
		reader->broken = true;
	return (const uint8_t *) field.data;
}

static void
put_ticket(TarxKeysFieldWriter *writer, const TarxKeysRunTicket *ticket)
{
	static const uint8_t version = TARX_KEYS_RUN_TICKET_VERSION;

	tarx_keys_fields_put_bytes(writer, &version, 1);
	tarx_keys_fields_put_bytes(writer, &ticket->kind, 1);
	tarx_keys_fields_put_bytes(writer, ticket->id, TARX_KEYS_RUN_ID_BYTES);
	tarx_keys_fields_put_bytes(writer, ticket->project_id, TARX_KEYS_RUN_ID_BYTES);
	tarx_keys_fields_put_bytes(writer, ticket->object_id, TARX_KEYS_RUN_ID_BYTES);
	tarx_keys_fields_put_bytes(writer, ticket->project_epoch, TARX_KEYS_RUN_ID_BYTES);
	tarx_keys_fields_put(writer, ticket->agent_epoch, TARX_KEYS_RUN_ID_BYTES);
	tarx_keys_fields_put_span(writer, ticket->user_id);
	tarx_keys_fields_put_bytes(writer, &ticket->proven, 1);
	tarx_keys_fields_put(writer, ticket->platform_key_id, TARX_KEYS_RUN_ID_BYTES);
	put_number(writer, ticket->issued);
	put_number(writer, ticket->expires);
	put_number(writer, ticket->renewable_until);
	tarx_keys_fields_put_span(writer, ticket->runner_role);
	tarx_keys_fields_put(writer, ticket->recipient_hash, TARX_KEYS_HASH_BYTES);
	tarx_keys_fields_put_bytes(writer, &ticket->nsecrets, 1);
	for (int i = 0; i < ticket->nsecrets; i++)
		tarx_keys_fields_put_span(writer, ticket->secret_names[i]);
}

/* The size of what is in a ticket, in bytes */
size_t
tarx_keys_run_ticket_size(const TarxKeysRunTicket *ticket)
{
	TarxKeysFieldWriter counter = {.size = SIZE_MAX};

	put_ticket(&counter, ticket);
	return counter.len;
}

/* Write it to out[0 .. tarx_keys_run_ticket_size()). */
void
tarx_keys_run_ticket_write(uint8_t *out, const TarxKeysRunTicket *ticket)
{
	TarxKeysFieldWriter writer = {.size = tarx_keys_run_ticket_size(ticket)};

	writer.out = out;
	put_ticket(&writer, ticket);
}

/* Names, in ascending order */
static void
take_names(TarxKeysFieldReader *reader, TarxKeysRunTicket *ticket)
{
	ticket->nsecrets = tarx_keys_fields_take_byte(reader);
	if (ticket->nsecrets > TARX_KEYS_RUN_TICKET_MAX_SECRETS)
	{
		reader->broken = true;
		ticket->nsecrets = 0;
	}
	for (int i = 0; i < ticket->nsecrets && !reader->broken; i++)
	{
		ticket->secret_names[i] = tarx_keys_fields_take_not_null(reader);
		if (i > 0 && !reader->broken &&
			tarx_keys_compare_spans(ticket->secret_names[i - 1], ticket->secret_names[i]) >= 0)
			reader->broken = true;
	}
}

/* Only an agent has an epoch of its own, and only proven users a platform key. */
static bool
is_consistent(const TarxKeysRunTicket *ticket)
{
	if (ticket->kind != TARX_KEYS_RUN_OF_AGENT && ticket->kind != TARX_KEYS_RUN_OF_KEY)
		return false;
	return (ticket->agent_epoch != NULL) == (ticket->kind == TARX_KEYS_RUN_OF_AGENT) &&
		(ticket->kind == TARX_KEYS_RUN_OF_AGENT || ticket->nsecrets == 0) &&
		ticket->proven <= 1 && (ticket->proven == 1 || ticket->platform_key_id == NULL);
}

/*
 * Read what is in a ticket; its fields stay where they are.  Returns false if these
 * bytes are no ticket of a version that we know.
 */
bool
tarx_keys_run_ticket_read(const uint8_t *bytes, size_t len, TarxKeysRunTicket *ticket)
{
	TarxKeysFieldReader reader = {.at = bytes, .left = len};

	if (tarx_keys_fields_take_byte(&reader) != TARX_KEYS_RUN_TICKET_VERSION)
		return false;
	ticket->kind = tarx_keys_fields_take_byte(&reader);
	ticket->id = take_id(&reader);
	ticket->project_id = take_id(&reader);
	ticket->object_id = take_id(&reader);
	ticket->project_epoch = take_id(&reader);
	ticket->agent_epoch = take_or_null(&reader, TARX_KEYS_RUN_ID_BYTES);
	ticket->user_id = tarx_keys_fields_take_not_null(&reader);
	ticket->proven = tarx_keys_fields_take_byte(&reader);
	ticket->platform_key_id = take_or_null(&reader, TARX_KEYS_RUN_ID_BYTES);
	ticket->issued = take_number(&reader);
	ticket->expires = take_number(&reader);
	ticket->renewable_until = take_number(&reader);
	ticket->runner_role = tarx_keys_fields_take(&reader);
	ticket->recipient_hash = take_or_null(&reader, TARX_KEYS_HASH_BYTES);
	take_names(&reader, ticket);
	return !reader.broken && reader.left == 0 && is_consistent(ticket);
}

/* Does the ticket name this secret? */
bool
tarx_keys_run_ticket_names(const TarxKeysRunTicket *ticket, TarxKeysSpan name)
{
	for (int i = 0; i < ticket->nsecrets; i++)
	{
		if (tarx_keys_span_equals(ticket->secret_names[i], name))
			return true;
	}
	return false;
}

/*
 * Its text
 */

/* The length of the text of so many bytes, without a NUL */
size_t
tarx_keys_run_ticket_text_size(size_t len)
{
	return PREFIX_LEN + sodium_base64_ENCODED_LEN(len, ENCODING) - 1;
}

/* Write it to text[0 .. tarx_keys_run_ticket_text_size()], with a NUL behind. */
void
tarx_keys_run_ticket_to_text(char *text, const uint8_t *bytes, size_t len)
{
	memcpy(text, TARX_KEYS_RUN_TICKET_PREFIX, PREFIX_LEN);
	sodium_bin2base64(text + PREFIX_LEN, sodium_base64_ENCODED_LEN(len, ENCODING), bytes, len, ENCODING);
}

/*
 * The bytes of a text, which has to be exactly one.  There is room for textlen of
 * them.
 */
bool
tarx_keys_run_ticket_from_text(uint8_t *bytes, size_t *len, const char *text, size_t textlen)
{
	if (textlen > TARX_KEYS_RUN_TICKET_MAX_TEXT || textlen < PREFIX_LEN ||
		memcmp(text, TARX_KEYS_RUN_TICKET_PREFIX, PREFIX_LEN) != 0)
		return false;
	return tarx_keys_base64url_decode((TarxKeysSpan) {text + PREFIX_LEN, textlen - PREFIX_LEN}, bytes, textlen,
									  len) && *len > 0;
}

/* Is there something of this form anywhere in the text? */
bool
tarx_keys_run_ticket_is_within(const char *text, size_t len)
{
	for (size_t at = 0; at + PREFIX_LEN + SHORTEST <= len; at++)
	{
		size_t		count = 0;

		if (memcmp(text + at, TARX_KEYS_RUN_TICKET_PREFIX, PREFIX_LEN) != 0)
			continue;
		while (count < SHORTEST && tarx_keys_is_base64url(text[at + PREFIX_LEN + count]))
			count++;
		if (count == SHORTEST)
			return true;
	}
	return false;
}
