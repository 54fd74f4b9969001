/*
 * run_texts.c
 *	  The text of a run ticket: what is in it, in an envelope of the master key.
 *
 * The envelope is bound to the cluster and the database.  So a ticket of a copy that
 * was restored elsewhere, with the same master key, counts for nothing here.  Replicas
 * have both in common.
 */
#include "postgres.h"
#include "base/compat.h"

#include "access/xlog.h"
#include "miscadmin.h"

#include "credentials/credentials.h"

#define PURPOSE		"tarx.runticket.1"

/* A ticket is opened before anybody knows its project, so the scope is none. */
static void
bind(TarxKeysBinding *binding)
{
	static const uint8 no_scope[TARX_KEYS_SCOPE_BYTES] = {0};

	tarx_keys_binding_init(binding, PURPOSE, no_scope);
	tarx_keys_binding_add_number(binding, GetSystemIdentifier(), sizeof(uint64));
	tarx_keys_binding_add_number(binding, MyDatabaseId, sizeof(Oid));
}

/* The text of a ticket.  TK005 without a keyring, 22023 if it would be too long. */
text *
tarx_keys_run_ticket_seal(const TarxKeysRunTicket *ticket)
{
	size_t		len = tarx_keys_run_ticket_size(ticket);
	uint8	   *bytes = palloc(len);
	TarxKeysBinding *binding = palloc(sizeof(TarxKeysBinding));
	size_t		textlen = tarx_keys_run_ticket_text_size(len + TARX_KEYS_ENVELOPE_OVERHEAD);
	TarxKeysText plain = {(char *) bytes, len, NULL};
	bytea	   *envelope;
	text	   *result;

	if (textlen > TARX_KEYS_RUN_TICKET_MAX_TEXT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 tarx_keys_errarg("secret_names"),
				 errmsg("secret_names are too long"),
				 errhint("A run ticket has at most %d characters: name fewer secrets.", TARX_KEYS_RUN_TICKET_MAX_TEXT)));
	tarx_keys_run_ticket_write(bytes, ticket);
	bind(binding);
	envelope = tarx_keys_seal(binding, &plain);
	/* with room for a NUL */
	result = palloc(VARHDRSZ + textlen + 1);
	SET_VARSIZE(result, VARHDRSZ + textlen);
	tarx_keys_run_ticket_to_text(VARDATA(result), (const uint8 *) VARDATA(envelope), VARSIZE_ANY_EXHDR(envelope));
	return result;
}

/*
 * Open argument n as a run ticket: what is in it, which *ticket points to.  TK016 for
 * whatever is none of this database, TK005 without a keyring.
 */
TarxKeysText
tarx_keys_run_ticket_open(FunctionCallInfo fcinfo, int n, TarxKeysRunTicket *ticket)
{
	text	   *given = tarx_keys_arg_text(fcinfo, n, "ticket");
	size_t		len = VARSIZE_ANY_EXHDR(given);
	bytea	   *envelope;
	TarxKeysBinding *binding = palloc(sizeof(TarxKeysBinding));
	TarxKeysText plain;
	size_t		envelope_len;

	/* the ticket is not at fault, so this error may be another one */
	if (!tarx_keys_page_has_keyring())
		tarx_keys_fail_no_keyring();
	if (len > TARX_KEYS_RUN_TICKET_MAX_TEXT)
		tarx_keys_fail_ticket();
	envelope = palloc(VARHDRSZ + len);
	if (!tarx_keys_run_ticket_from_text((uint8 *) VARDATA(envelope), &envelope_len, VARDATA_ANY(given), len))
		tarx_keys_fail_ticket();
	SET_VARSIZE(envelope, VARHDRSZ + envelope_len);
	bind(binding);
	if (tarx_keys_try_open(NULL, binding, envelope, &plain) != TARX_KEYS_ROW_OK ||
		!tarx_keys_run_ticket_read((const uint8 *) plain.data, plain.len, ticket))
		tarx_keys_fail_ticket();
	return plain;
}
