/*
 * fuzz_run_ticket.c
 *	  Run tickets: whatever is read is what would be written, and there is one text
 *	  for it.
 *
 * Input: a byte that says whether the rest is a text or what is in a ticket.
 */
#include "pure/run_ticket.h"
#include "fuzz.h"

static void
read_ticket(const uint8_t *data, size_t size)
{
	TarxKeysRunTicket ticket;
	uint8_t    *again;

	if (!tarx_keys_run_ticket_read(data, size, &ticket))
		return;
	must(tarx_keys_run_ticket_size(&ticket) == size);
	again = malloc(size);
	must(again != NULL);
	tarx_keys_run_ticket_write(again, &ticket);
	must(memcmp(again, data, size) == 0);
	must(ticket.kind == TARX_KEYS_RUN_OF_AGENT || ticket.nsecrets == 0);
	for (int i = 0; i < ticket.nsecrets; i++)
		must(tarx_keys_run_ticket_names(&ticket, ticket.secret_names[i]));
	free(again);
}

static void
read_text(const char *text, size_t size)
{
	uint8_t    *bytes = malloc(size + 1);
	char	   *again;
	size_t		len;

	must(bytes != NULL);
	if (tarx_keys_run_ticket_from_text(bytes, &len, text, size))
	{
		must(tarx_keys_run_ticket_text_size(len) == size);
		again = malloc(size + 1);
		must(again != NULL);
		tarx_keys_run_ticket_to_text(again, bytes, len);
		must(memcmp(again, text, size) == 0);
		free(again);
	}
	(void) tarx_keys_run_ticket_is_within(text, size);
	free(bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzPiece	given;

	if (size == 0)
		return 0;
	given = fuzz_copy(data + 1, size - 1);
	if (data[0] % 2 == 0)
		read_ticket(given.data, given.len);
	else
		read_text((const char *) given.data, given.len);
	free(given.data);
	return 0;
}
