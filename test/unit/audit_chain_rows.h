/*
 * audit_chain_rows.h
 *	  What the unit tests of the audit log's chains have in common.
 *
 * A chain is written as the server writes it, changed in one thing, and
 * verified.  Every stamp that is read is copied to memory that ends at an
 * inaccessible page.
 */
#ifndef TARX_KEYS_AUDIT_CHAIN_ROWS_H
#define TARX_KEYS_AUDIT_CHAIN_ROWS_H

#include "pure/audit_chain.h"
#include "guarded.h"
#include "tap.h"

#define LANES		4
#define MAX_ROWS	6
#define FIELDS		3
#define FIELD_MAX	20

/* What the tests write, unless they say something else */
#define WRITTEN		4

#define PURPOSE		"tarx.audit-row.1"
#define SCOPE		"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"

/* The reasons, as verify_audit() gives them */
#define MISSING		"row missing or reordered"
#define CHANGED		"row changed"
#define DISPLACED	"row changed, or not the one that followed"
#define SHORT		"row missing at the end"
#define LONG		"row beyond the end"
#define OTHER_END	"row is not the one that was the last"

typedef struct Field
{
	bool		isnull;
	size_t		len;
	char		data[FIELD_MAX];
} Field;

/* A row as it is stored; its number is bound as well. */
typedef struct Row
{
	int64_t		seq;
	Field		fields[FIELDS];
	bool		impossible;		/* nothing of ours can have such fields */
	size_t		stamp_len;
	uint8_t		stamp[TARX_KEYS_MAC_BYTES + 1];
} Row;

typedef struct Chain
{
	uint8_t		key[TARX_KEYS_SUBKEY_BYTES];
	TarxKeysChainEnds ends;
	int			nrows;
	Row			rows[MAX_ROWS];
} Chain;

static inline void
set_field(Field *field, const char *text)
{
	field->isnull = text == NULL;
	field->len = text == NULL ? 0 : strlen(text);
	memset(field->data, 0, sizeof(field->data));
	if (text != NULL)
		memcpy(field->data, text, field->len);
}

/* The number, big-endian, as the server binds it */
static inline void
put_number(uint8_t bytes[8], int64_t number)
{
	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t) ((uint64_t) number >> (56 - 8 * i));
}

static inline TarxKeysBinding
binding_of(const Row *row)
{
	TarxKeysBinding binding;
	uint8_t		number[8];

	tarx_keys_binding_init(&binding, PURPOSE, (const uint8_t *) SCOPE);
	put_number(number, row->seq);
	tarx_keys_binding_add(&binding, number, sizeof(number));
	for (int i = 0; i < FIELDS; i++)
		tarx_keys_binding_add(&binding, row->fields[i].isnull ? NULL : row->fields[i].data,
							  row->fields[i].len);
	return binding;
}

/* Append a row, as the server does: its stamp takes the place of the last one. */
static inline void
write_row(Chain *chain, const char *user, const char *action, const char *name)
{
	Row		   *row = &chain->rows[chain->nrows++];
	TarxKeysBinding binding;

	memset(row, 0, sizeof(*row));
	row->seq = tarx_keys_chain_next(chain->ends.last_seq);
	set_field(&row->fields[0], user);
	set_field(&row->fields[1], action);
	set_field(&row->fields[2], name);
	binding = binding_of(row);
	if (!tarx_keys_chain_stamp(chain->ends.last_stamp, chain->key, chain->ends.last_stamp,
							   &binding))
		ok(false, "a row that can be bound gets a stamp");
	chain->ends.last_seq = row->seq;
	memcpy(row->stamp, chain->ends.last_stamp, TARX_KEYS_MAC_BYTES);
	row->stamp_len = TARX_KEYS_MAC_BYTES;
}

static inline Chain
written(int lane, int nrows)
{
	static const char *const names[] = {NULL, "", "Prod", "Prod", "a name of 20 letters", "x"};
	Chain		chain = {.nrows = 0};

	for (size_t i = 0; i < sizeof(chain.key); i++)
		chain.key[i] = (uint8_t) (i + 32 * (size_t) lane);
	tarx_keys_chain_start(&chain.ends, lane);
	for (int i = 0; i < nrows; i++)
		write_row(&chain, i % 2 == 0 ? "alice" : "bob", "secret.set", names[i]);
	return chain;
}

/* Follow the chain as the server does, and say what it would say. */
static inline const char *
verdict(const Chain *chain)
{
	static char text[128];
	TarxKeysChainBreak why = TARX_KEYS_CHAIN_WHOLE;
	TarxKeysChainWalk walk;

	tarx_keys_chain_walk_begin(&walk, &chain->ends);
	for (int i = 0; i < chain->nrows && why == TARX_KEYS_CHAIN_WHOLE; i++)
	{
		const Row  *row = &chain->rows[i];
		TarxKeysBinding binding = binding_of(row);
		Bytes		stored = guarded_copy(row->stamp, row->stamp_len);
		TarxKeysChainWalk before = walk;

		why = tarx_keys_chain_walk_row(&walk, chain->key, row->seq, stored.data, stored.len,
									   row->impossible ? NULL : &binding);
		sodium_free(stored.data);
		if (why != TARX_KEYS_CHAIN_WHOLE &&
			(walk.seq != before.seq || memcmp(walk.stamp, before.stamp, sizeof(walk.stamp)) != 0))
			return "the walk went on to a row that is not good";
	}
	if (why == TARX_KEYS_CHAIN_WHOLE)
		why = tarx_keys_chain_walk_end(&walk);
	if (why == TARX_KEYS_CHAIN_WHOLE)
		return "whole";
	snprintf(text, sizeof(text), "%s at %lld", tarx_keys_chain_break_text(why),
			 (long long) tarx_keys_chain_broken_at(&walk, why));
	return text;
}

static inline const char *
broken(const char *reason, int64_t at)
{
	static char text[128];

	snprintf(text, sizeof(text), "%s at %lld", reason, (long long) at);
	return text;
}

#endif							/* TARX_KEYS_AUDIT_CHAIN_ROWS_H */
