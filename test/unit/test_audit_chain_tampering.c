/*
 * test_audit_chain_tampering.c
 *	  Unit tests of the audit log's chains that somebody has changed, in TAP.
 *
 * Each way to change a chain in one thing must be found, for the right reason
 * and at the right row.
 */
#include "audit_chain_rows.h"

/* NULL if the chain breaks for this reason at this row, else what else is said. */
static const char *
other_verdict(const Chain *chain, const char *reason, int64_t at)
{
	const char *said = verdict(chain);

	return strcmp(said, broken(reason, at)) == 0 ? NULL : said;
}

/* Flip each bit of some bytes of the chain in turn. */
static void
check_flips(Chain *chain, void *memory, size_t len, const char *reason, int64_t at, const char *name)
{
	uint8_t    *bytes = memory;
	const char *fault = NULL;
	size_t		bit;

	for (bit = 0; bit < 8 * len && fault == NULL; bit++)
	{
		bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
		fault = other_verdict(chain, reason, at);
		bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	is_str(fault, NULL, "%s of row %lld, each of %zu bits flipped", name, (long long) at, bit);
}

/* Give a field other values that are not far from its own. */
static void
check_other_fields(Chain *chain, Row *row, Field *field)
{
	Field		right = *field;

	check_flips(chain, field->data, field->len, DISPLACED, row->seq, "a field");
	if (!right.isnull && right.len > 0)
	{
		field->len--;
		is_str(verdict(chain), broken(DISPLACED, row->seq), "a field is shorter");
		*field = right;
	}
	if (right.len < FIELD_MAX)
	{
		field->isnull = false;
		field->len++;
		is_str(verdict(chain), broken(DISPLACED, row->seq), "a field is longer by a zero byte");
		*field = right;
	}
	field->isnull = !right.isnull;
	field->len = 0;
	is_str(verdict(chain), broken(DISPLACED, row->seq), "a field is NULL, or '' for NULL");
	*field = right;
}

static void
check_changed_rows(void)
{
	Chain		chain = written(1, WRITTEN);

	for (int i = 0; i < WRITTEN; i++)
	{
		Row		   *row = &chain.rows[i];
		Row			right = *row;

		for (int f = 0; f < FIELDS; f++)
			check_other_fields(&chain, row, &row->fields[f]);
		row->fields[0] = right.fields[1];
		row->fields[1] = right.fields[0];
		is_str(verdict(&chain), broken(DISPLACED, row->seq), "two fields are swapped");
		*row = right;
		check_flips(&chain, row->stamp, TARX_KEYS_MAC_BYTES, DISPLACED, row->seq, "the stamp");
		for (row->stamp_len = 0; row->stamp_len <= sizeof(row->stamp); row->stamp_len++)
		{
			if (row->stamp_len != TARX_KEYS_MAC_BYTES)
				is_str(verdict(&chain), broken(CHANGED, row->seq), "a stamp of %zu bytes",
					   row->stamp_len);
		}
		*row = right;
		row->impossible = true;
		is_str(verdict(&chain), broken(CHANGED, row->seq), "fields that cannot be bound");
		*row = right;
		check_flips(&chain, &row->seq, sizeof(row->seq), MISSING, right.seq, "the number");
	}
	is_str(verdict(&chain), "whole", "and all as it was");
}

static void
remove_row(Chain *chain, int at)
{
	memmove(&chain->rows[at], &chain->rows[at + 1],
			sizeof(Row) * (size_t) (chain->nrows - at - 1));
	chain->nrows--;
}

static void
insert_row(Chain *chain, int at, const Row *row)
{
	Row			copy = *row;

	memmove(&chain->rows[at + 1], &chain->rows[at], sizeof(Row) * (size_t) (chain->nrows - at));
	chain->rows[at] = copy;
	chain->nrows++;
}

static void
check_dropped_rows(void)
{
	const Chain right = written(3, WRITTEN);

	for (int i = 0; i < WRITTEN; i++)
	{
		Chain		chain = right;

		remove_row(&chain, i);
		is_str(verdict(&chain), broken(i == WRITTEN - 1 ? SHORT : MISSING, right.rows[i].seq),
			   "row %lld is dropped", (long long) right.rows[i].seq);
		/* the rows behind it move up */
		for (int j = i; j < chain.nrows; j++)
			chain.rows[j].seq = right.rows[j].seq;
		is_str(verdict(&chain), broken(i == WRITTEN - 1 ? SHORT : DISPLACED, right.rows[i].seq),
			   "and those behind it are renumbered");
		chain = right;
		chain.nrows = i;
		is_str(verdict(&chain), broken(SHORT, right.rows[i].seq), "row %lld and all behind it are dropped",
			   (long long) right.rows[i].seq);
	}
}

static void
check_swapped_rows(void)
{
	const Chain right = written(0, WRITTEN);

	for (int i = 0; i < WRITTEN; i++)
	{
		for (int j = i + 1; j < WRITTEN; j++)
		{
			Chain		chain = right;

			chain.rows[i] = right.rows[j];
			chain.rows[j] = right.rows[i];
			is_str(verdict(&chain), broken(MISSING, right.rows[i].seq),
				   "rows %d and %d are read in another order", i, j);
			chain.rows[i].seq = right.rows[i].seq;
			chain.rows[j].seq = right.rows[j].seq;
			is_str(verdict(&chain), broken(DISPLACED, right.rows[i].seq),
				   "rows %d and %d have each other's number", i, j);
			chain = right;
			memcpy(chain.rows[i].stamp, right.rows[j].stamp, TARX_KEYS_MAC_BYTES);
			memcpy(chain.rows[j].stamp, right.rows[i].stamp, TARX_KEYS_MAC_BYTES);
			is_str(verdict(&chain), broken(DISPLACED, right.rows[i].seq),
				   "rows %d and %d have each other's stamp", i, j);
		}
	}
}

/* A row that is added is found in its place; its twin behind it is, if it is good there. */
static void
check_added_rows(void)
{
	const Chain right = written(2, WRITTEN);
	const int64_t behind = tarx_keys_chain_next(right.ends.last_seq);

	for (int from = 0; from < WRITTEN; from++)
	{
		for (int at = 0; at <= WRITTEN; at++)
		{
			Chain		chain = right;
			int			bad = at == from ? at + 1 : at;

			insert_row(&chain, at, &right.rows[from]);
			is_str(verdict(&chain), bad == WRITTEN ? broken(LONG, behind) :
				   broken(MISSING, right.rows[bad].seq), "row %d is in place %d as well", from, at);
			for (int i = 0; i < chain.nrows; i++)
				chain.rows[i].seq = right.rows[0].seq + (int64_t) LANES * i;
			is_str(verdict(&chain), bad == WRITTEN ? broken(LONG, behind) :
				   broken(DISPLACED, right.rows[bad].seq), "and has the number that belongs there");
		}
	}
}

/* A good row before the first one, as a purge removed it, or behind the last one */
static void
check_rows_beyond_ends(void)
{
	Chain		chain = written(1, WRITTEN);
	TarxKeysChainEnds older = written(1, WRITTEN - 1).ends;

	chain.ends = older;
	is_str(verdict(&chain), broken(LONG, tarx_keys_chain_next(older.last_seq)),
		   "a row behind older ends");
	chain.rows[WRITTEN - 1].stamp[0] ^= 1;
	is_str(verdict(&chain), broken(LONG, tarx_keys_chain_next(older.last_seq)),
		   "even if it is not good");
	chain = written(1, 1);
	chain.ends = written(1, 0).ends;
	is_str(verdict(&chain), broken(LONG, 2), "a row in an empty chain");

	for (int purged = 1; purged <= WRITTEN; purged++)
	{
		chain = written(1, WRITTEN);
		chain.ends.first_seq = tarx_keys_chain_next(chain.rows[purged - 1].seq);
		memcpy(chain.ends.first_stamp, chain.rows[purged - 1].stamp, TARX_KEYS_MAC_BYTES);
		is_str(verdict(&chain), purged == WRITTEN ? broken(LONG, chain.ends.first_seq) :
			   broken(MISSING, chain.ends.first_seq), "%d rows that ought to be purged", purged);
		memmove(chain.rows, chain.rows + purged, sizeof(Row) * (size_t) (WRITTEN - purged));
		chain.nrows = WRITTEN - purged;
		is_str(verdict(&chain), "whole", "%d rows are purged", purged);
		write_row(&chain, "alice", "secret.set", NULL);
		is_str(verdict(&chain), "whole", "and another one is written");
		remove_row(&chain, 0);
		is_str(verdict(&chain), broken(chain.nrows == 0 ? SHORT : MISSING, chain.ends.first_seq),
			   "and the first one is dropped");
	}
}

/* A row of one lane in the place of one of another lane */
static void
check_other_lanes(void)
{
	for (int from = 0; from < LANES; from++)
	{
		for (int to = 0; to < LANES; to++)
		{
			Chain		other = written(from, WRITTEN);
			const Chain right = written(to, WRITTEN);
			Chain		chain = right;

			if (from == to)
				continue;
			chain.rows[1] = other.rows[1];
			is_str(verdict(&chain), broken(MISSING, right.rows[1].seq),
				   "a row of lane %d in lane %d", from, to);
			chain.rows[1].seq = right.rows[1].seq;
			is_str(verdict(&chain), broken(DISPLACED, right.rows[1].seq), "with the number of its place");
			insert_row(&other, 1, &right.rows[1]);
			is_str(verdict(&other), broken(MISSING, other.rows[2].seq), "a row of lane %d among those of lane %d",
				   to, from);
			chain = right;
			memcpy(chain.key, other.key, sizeof(chain.key));
			is_str(verdict(&chain), broken(DISPLACED, right.rows[0].seq), "the key of lane %d for lane %d",
				   from, to);
		}
	}
}

static void
check_changed_ends(void)
{
	for (int nrows = 0; nrows <= WRITTEN; nrows++)
	{
		Chain		chain = written(0, nrows);
		TarxKeysChainEnds *ends = &chain.ends;
		const int64_t first = ends->first_seq;
		const int64_t last = ends->last_seq;

		check_flips(&chain, ends->first_stamp, TARX_KEYS_MAC_BYTES,
					nrows == 0 ? OTHER_END : DISPLACED, nrows == 0 ? last : first, "the first stamp");
		check_flips(&chain, ends->last_stamp, TARX_KEYS_MAC_BYTES, OTHER_END, last, "the last stamp");
		ends->last_seq = last + LANES;
		is_str(verdict(&chain), broken(SHORT, last + LANES), "%d rows: last_seq of a row more", nrows);
		ends->last_seq = last + 1;
		is_str(verdict(&chain), broken(SHORT, last + LANES), "%d rows: last_seq of another lane", nrows);
		ends->last_seq = last - LANES;
		is_str(verdict(&chain), nrows == 0 ? broken(LONG, last) : broken(OTHER_END, last - LANES),
			   "%d rows: last_seq of a row less", nrows);
		ends->last_seq = last;
		ends->first_seq = first + LANES;
		is_str(verdict(&chain), nrows == 0 ? broken(LONG, last + LANES) :
			   nrows == 1 ? broken(OTHER_END, last) : broken(MISSING, first + LANES),
			   "%d rows: first_seq of the second row", nrows);
		ends->first_seq = first - LANES;
		is_str(verdict(&chain), broken(nrows == 0 ? SHORT : MISSING, first - LANES),
			   "%d rows: first_seq of a row before", nrows);
		ends->first_seq = first + 1;
		is_str(verdict(&chain), nrows == 0 ? broken(LONG, last + LANES) : broken(MISSING, first + 1),
			   "%d rows: first_seq of another lane", nrows);
	}
}

int
main(void)
{
	if (sodium_init() < 0)
	{
		fprintf(stderr, "# cannot initialise libsodium\n");
		return EXIT_FAILURE;
	}

	check_changed_rows();
	check_dropped_rows();
	check_swapped_rows();
	check_added_rows();
	check_rows_beyond_ends();
	check_other_lanes();
	check_changed_ends();

	return done_testing();
}
