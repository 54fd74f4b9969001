/*
 * fuzz_audit_chain.c
 *	  Chains of the audit log: only rows that are byte for byte what was
 *	  written, in the places where they were written, are accepted.
 *
 * Input: a byte for the lane and the number of rows; the rows; then what
 * somebody does to the chain, in up to 16 steps: a byte that chooses the step,
 * and what it needs.  A row is a byte that says how often its field is bound, and its field
 * with the length in front, of which 255 stands for NULL.
 */
#include "pure/audit_chain.h"
#include "fuzz.h"

#define MAX_WRITTEN		6
#define MAX_ROWS		12
#define MAX_FIELD		254
#define MAX_CHANGES		16

typedef struct Row
{
	int64_t		seq;
	uint8_t		times;
	bool		isnull;
	uint8_t		len;
	uint8_t		field[MAX_FIELD];
	uint8_t		stamp_len;
	uint8_t		stamp[TARX_KEYS_MAC_BYTES];
} Row;

typedef struct Chain
{
	uint8_t		key[TARX_KEYS_SUBKEY_BYTES];
	TarxKeysChainEnds ends;
	size_t		nrows;
	Row			rows[MAX_ROWS];
} Chain;

static TarxKeysBinding
binding_of(const Row *row)
{
	static const uint8_t scope[TARX_KEYS_SCOPE_BYTES] = {1};
	TarxKeysBinding binding;
	uint8_t		number[8];

	for (int i = 0; i < 8; i++)
		number[i] = (uint8_t) ((uint64_t) row->seq >> (56 - 8 * i));
	tarx_keys_binding_init(&binding, "tarx.audit-row.1", scope);
	tarx_keys_binding_add(&binding, number, sizeof(number));
	for (int i = 0; i < row->times; i++)
		tarx_keys_binding_add(&binding, row->isnull ? NULL : row->field, row->len);
	return binding;
}

static void
read_fields(FuzzInput *in, Row *row)
{
	uint8_t		len;
	FuzzPiece	field;

	row->times = fuzz_byte(in);
	len = fuzz_byte(in);
	row->isnull = len == UINT8_MAX;
	field = fuzz_bytes(in, row->isnull ? 0 : len);
	row->len = (uint8_t) field.len;
	memset(row->field, 0, sizeof(row->field));
	memcpy(row->field, field.data, field.len);
	free(field.data);
}

/* Write a row, as the server does; one that is too long changes nothing. */
static void
write_row(Chain *chain, const Row *fields)
{
	TarxKeysChainEnds ends = chain->ends;
	Row		   *row = &chain->rows[chain->nrows];
	TarxKeysBinding binding;

	*row = *fields;
	row->seq = tarx_keys_chain_next(chain->ends.last_seq);
	binding = binding_of(row);
	if (!tarx_keys_chain_stamp(chain->ends.last_stamp, chain->key, chain->ends.last_stamp,
							   &binding))
	{
		must(binding.overflow);
		must(memcmp(&chain->ends, &ends, sizeof(ends)) == 0);
		return;
	}
	must(!binding.overflow);
	chain->ends.last_seq = row->seq;
	row->stamp_len = TARX_KEYS_MAC_BYTES;
	memcpy(row->stamp, chain->ends.last_stamp, TARX_KEYS_MAC_BYTES);
	chain->nrows++;
}

static bool
same_row(const Row *a, const Row *b)
{
	return a->seq == b->seq && a->times == b->times &&
		(a->times == 0 || (a->isnull == b->isnull && a->len == b->len &&
						   memcmp(a->field, b->field, a->len) == 0)) &&
		a->stamp_len == b->stamp_len && memcmp(a->stamp, b->stamp, a->stamp_len) == 0;
}

/* The number of the row before, as the chain has it */
static int64_t
before(int64_t seq)
{
	return (int64_t) ((uint64_t) seq - TARX_KEYS_AUDIT_LANES);
}

/*
 * How many rows are to be accepted: those that were written, from the one that
 * the ends name as the first, with the stamp before it, to the last.
 */
static size_t
good_rows(const Chain *chain, const Chain *written)
{
	const uint8_t *previous = chain->ends.first_stamp;
	int64_t		seq = chain->ends.first_seq;
	size_t		good = 0;

	for (; good < chain->nrows && before(seq) < chain->ends.last_seq; good++)
	{
		const Row  *row = &chain->rows[good];
		size_t		at = 0;

		while (at < written->nrows && written->rows[at].seq != seq)
			at++;
		if (at == written->nrows || !same_row(row, &written->rows[at]) ||
			memcmp(previous, at == 0 ? written->ends.first_stamp : written->rows[at - 1].stamp,
				   TARX_KEYS_MAC_BYTES) != 0)
			break;
		previous = row->stamp;
		seq += TARX_KEYS_AUDIT_LANES;
	}
	return good;
}

/* Are the good rows all there are, and the last of them the end? */
static bool
is_whole(const Chain *chain, size_t good)
{
	const Row  *last = good > 0 ? &chain->rows[good - 1] : NULL;
	int64_t		seq = last != NULL ? last->seq : before(chain->ends.first_seq);
	const uint8_t *stamp = last != NULL ? last->stamp : chain->ends.first_stamp;

	return good == chain->nrows && seq == chain->ends.last_seq &&
		memcmp(stamp, chain->ends.last_stamp, TARX_KEYS_MAC_BYTES) == 0;
}

static TarxKeysChainBreak
follow(const Chain *chain, size_t *accepted)
{
	TarxKeysChainBreak why = TARX_KEYS_CHAIN_WHOLE;
	TarxKeysChainWalk walk;

	*accepted = 0;
	tarx_keys_chain_walk_begin(&walk, &chain->ends);
	while (*accepted < chain->nrows)
	{
		const Row  *row = &chain->rows[*accepted];
		TarxKeysBinding binding = binding_of(row);
		FuzzPiece	stored = fuzz_copy(row->stamp, row->stamp_len);
		TarxKeysChainWalk good = walk;

		why = tarx_keys_chain_walk_row(&walk, chain->key, row->seq, stored.data, stored.len,
									   &binding);
		free(stored.data);
		if (why != TARX_KEYS_CHAIN_WHOLE)
		{
			must(walk.seq == good.seq && memcmp(walk.stamp, good.stamp, sizeof(good.stamp)) == 0);
			break;
		}
		(*accepted)++;
	}
	if (why == TARX_KEYS_CHAIN_WHOLE)
		why = tarx_keys_chain_walk_end(&walk);
	if (why != TARX_KEYS_CHAIN_WHOLE)
		must(tarx_keys_chain_broken_at(&walk, why) == walk.seq ||
			 tarx_keys_chain_broken_at(&walk, why) == tarx_keys_chain_next(walk.seq) ||
			 why == TARX_KEYS_CHAIN_LONG);
	return why;
}

static void
check(const Chain *chain, const Chain *written)
{
	size_t		good = good_rows(chain, written);
	size_t		accepted;
	bool		whole = follow(chain, &accepted) == TARX_KEYS_CHAIN_WHOLE;

	must(accepted == good);
	must(whole == is_whole(chain, good));
}

/* A number that is near to those that are written, or anything */
static int64_t
read_number(FuzzInput *in)
{
	uint8_t		near = fuzz_byte(in);
	uint64_t	number = 0;

	if (near != UINT8_MAX)
		return (int64_t) near - 8;
	for (int i = 0; i < 8; i++)
		number = number << 8 | fuzz_byte(in);
	return (int64_t) number;
}

static void
insert_row(Chain *chain, size_t at, const Row *row)
{
	Row			copy = *row;

	if (chain->nrows == MAX_ROWS)
		return;
	memmove(&chain->rows[at + 1], &chain->rows[at], sizeof(Row) * (chain->nrows - at));
	chain->rows[at] = copy;
	chain->nrows++;
}

static void
remove_row(Chain *chain, size_t at)
{
	chain->nrows--;
	memmove(&chain->rows[at], &chain->rows[at + 1], sizeof(Row) * (chain->nrows - at));
}

/* Flip bits of a stamp at one place. */
static void
change_stamp(FuzzInput *in, uint8_t *stamp)
{
	uint8_t		at = fuzz_byte(in);

	stamp[at % TARX_KEYS_MAC_BYTES] ^= fuzz_byte(in);
}

/* Do something to the ends. */
static void
change_ends(FuzzInput *in, TarxKeysChainEnds *ends, const Row *row)
{
	switch (fuzz_byte(in) % 6)
	{
		case 0:
			ends->first_seq = read_number(in);
			break;
		case 1:
			ends->last_seq = read_number(in);
			break;
		case 2:
			change_stamp(in, ends->first_stamp);
			break;
		case 3:
			change_stamp(in, ends->last_stamp);
			break;
		case 4:
			ends->first_seq = tarx_keys_chain_next(row->seq);
			memcpy(ends->first_stamp, row->stamp, TARX_KEYS_MAC_BYTES);
			break;
		case 5:
			ends->last_seq = row->seq;
			memcpy(ends->last_stamp, row->stamp, TARX_KEYS_MAC_BYTES);
			break;
	}
}

/* Do something to the chain; other is one of another lane. */
static void
tamper(FuzzInput *in, Chain *chain, const Chain *other)
{
	uint8_t		what = fuzz_byte(in);
	size_t		at = chain->nrows > 0 ? fuzz_byte(in) % chain->nrows : 0;
	size_t		to = chain->nrows > 0 ? fuzz_byte(in) % chain->nrows : 0;
	Row			row = chain->rows[at];

	switch (chain->nrows > 0 ? what % 11 : 9 + what % 2)
	{
		case 0:
			remove_row(chain, at);
			break;
		case 1:
			insert_row(chain, to, &row);
			break;
		case 2:					/* swapped, with their numbers */
			chain->rows[at] = chain->rows[to];
			chain->rows[to] = row;
			break;
		case 3:					/* swapped, all but their numbers */
			chain->rows[at] = chain->rows[to];
			chain->rows[to] = row;
			chain->rows[to].seq = chain->rows[at].seq;
			chain->rows[at].seq = row.seq;
			break;
		case 4:
			memcpy(chain->rows[to].stamp, row.stamp, TARX_KEYS_MAC_BYTES);
			break;
		case 5:
			change_stamp(in, chain->rows[at].stamp);
			break;
		case 6:
			chain->rows[at].stamp_len = fuzz_byte(in) % (TARX_KEYS_MAC_BYTES + 1);
			break;
		case 7:
			read_fields(in, &chain->rows[at]);
			break;
		case 8:
			chain->rows[at].seq = read_number(in);
			break;
		case 9:
			change_ends(in, &chain->ends, &row);
			break;
		case 10:
			insert_row(chain, to, &other->rows[at]);
			break;
	}
}

static void
start(Chain *chain, int lane)
{
	memset(chain, 0, sizeof(*chain));
	memset(chain->key, lane + 1, sizeof(chain->key));
	tarx_keys_chain_start(&chain->ends, lane);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	in = {data, size};
	static Chain written;
	static Chain other;
	static Chain chain;
	uint8_t		choice;

	fuzz_init();
	choice = fuzz_byte(&in);
	start(&written, choice % TARX_KEYS_AUDIT_LANES);
	start(&other, (choice + 1) % TARX_KEYS_AUDIT_LANES);
	for (size_t i = choice / TARX_KEYS_AUDIT_LANES % (MAX_WRITTEN + 1); i > 0; i--)
	{
		Row			fields = {0};

		read_fields(&in, &fields);
		write_row(&written, &fields);
		write_row(&other, &fields);
	}
	chain = written;
	check(&chain, &written);
	must(is_whole(&chain, chain.nrows));
	for (int i = 0; i < MAX_CHANGES && in.len > 0; i++)
	{
		tamper(&in, &chain, &other);
		check(&chain, &written);
	}
	return 0;
}
