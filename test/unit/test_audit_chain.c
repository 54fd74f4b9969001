/*
 * test_audit_chain.c
 *	  Unit tests of the audit log's chains that nobody has changed, in TAP.
 *
 * Two stamps made by another implementation keep the format from changing
 * unnoticed, and every stamp is compared with one over bytes that this file puts
 * together on its own.
 */
#include "audit_chain_rows.h"
#include "wiped.h"

static void
check_constants(void)
{
	is_int(TARX_KEYS_AUDIT_LANES, LANES, "number of lanes");
	is_int(TARX_KEYS_MAC_BYTES, 32, "length of a stamp");
	ok(sizeof(SCOPE) - 1 == TARX_KEYS_SCOPE_BYTES, "length of a scope");
}

/*
 * from hashlib import blake2b
 *
 * def field(b):
 *     return b'\0' if b is None else b'\1' + len(b).to_bytes(4, 'big') + b
 *
 * def stamp(previous, fields):
 *     row = b'\1' + b'tarx.audit-row.1' + bytes(range(16)) + b''.join(map(field, fields))
 *     return blake2b(row + field(previous), key=bytes(range(64, 96)), digest_size=32).digest()
 *
 * first = stamp(bytes(32), [(3).to_bytes(8, 'big'), b'alice', b'secret.set', None])
 * second = stamp(first, [(7).to_bytes(8, 'big'), b'bob', b'secret.set', b''])
 */
static void
check_fixed(void)
{
	static const char *const stamps[] = {
		"b452f9cb3c9a61624b40d696b3da35a6fecd995b0ea68eaec52151e41a76b592",
		"81a5e05128f52767c27de646221b339d2a052f2a9aae0e6545a85685772a88ef",
	};
	Chain		chain = written(2, lengthof(stamps));
	char		hex[2 * TARX_KEYS_MAC_BYTES + 1];

	for (size_t i = 0; i < lengthof(stamps); i++)
	{
		sodium_bin2hex(hex, sizeof(hex), chain.rows[i].stamp, TARX_KEYS_MAC_BYTES);
		is_str(hex, stamps[i], "stamp of row %lld", (long long) chain.rows[i].seq);
	}
}

static void
put(Bytes *bytes, const void *data, size_t len)
{
	memcpy(bytes->data + bytes->len, data, len);
	bytes->len += len;
}

static void
put_field(Bytes *bytes, const void *data, size_t len)
{
	uint8_t		prefix[] = {1, 0, 0, 0, (uint8_t) len};

	put(bytes, prefix, sizeof(prefix));
	put(bytes, data, len);
}

/* A row's stamp, by libsodium alone */
static void
own_stamp(uint8_t *stamp, const Chain *chain, const Row *row, const uint8_t *previous)
{
	uint8_t		memory[512];
	Bytes		bytes = {memory, 0};
	uint8_t		number[8];

	put_number(number, row->seq);
	put(&bytes, "\x01" PURPOSE SCOPE, 1 + 16 + 16);
	put_field(&bytes, number, sizeof(number));
	for (int i = 0; i < FIELDS; i++)
	{
		if (row->fields[i].isnull)
			put(&bytes, "\0", 1);
		else
			put_field(&bytes, row->fields[i].data, row->fields[i].len);
	}
	put_field(&bytes, previous, 32);
	crypto_generichash(stamp, 32, bytes.data, bytes.len, chain->key, 32);
}

static void
check_stamps(void)
{
	for (int lane = 0; lane < LANES; lane++)
	{
		Chain		chain = written(lane, MAX_ROWS);
		uint8_t		previous[TARX_KEYS_MAC_BYTES] = {0};

		for (int i = 0; i < chain.nrows; i++)
		{
			const Row  *row = &chain.rows[i];
			uint8_t		expected[TARX_KEYS_MAC_BYTES];

			own_stamp(expected, &chain, row, previous);
			ok(memcmp(row->stamp, expected, sizeof(expected)) == 0, "stamp of row %lld, by its bytes",
			   (long long) row->seq);
			memcpy(previous, row->stamp, sizeof(previous));
		}
		ok(memcmp(chain.ends.last_stamp, previous, sizeof(previous)) == 0, "the last stamp is kept");
		ok(sodium_is_zero(chain.ends.first_stamp, TARX_KEYS_MAC_BYTES), "the first stamp is zero");
	}
}

/* The stamp may be written over the previous one, or elsewhere. */
static void
check_place_of_stamp(void)
{
	Chain		chain = written(0, 2);
	TarxKeysBinding binding = binding_of(&chain.rows[1]);
	Bytes		key = guarded_copy(chain.key, sizeof(chain.key));
	Bytes		previous = guarded_copy(chain.rows[0].stamp, TARX_KEYS_MAC_BYTES);
	Bytes		stamp = guarded_bytes(TARX_KEYS_MAC_BYTES);

	ok(tarx_keys_chain_stamp(stamp.data, key.data, previous.data, &binding), "a stamp elsewhere");
	ok(memcmp(stamp.data, chain.rows[1].stamp, stamp.len) == 0, "is the same");
	ok(memcmp(previous.data, chain.rows[0].stamp, previous.len) == 0,
	   "and leaves the previous one as it is");
	binding = binding_of(&chain.rows[1]);
	ok(tarx_keys_chain_stamp(previous.data, key.data, previous.data, &binding),
	   "a stamp over the previous one");
	ok(memcmp(previous.data, chain.rows[1].stamp, previous.len) == 0, "is the same");
	sodium_free(stamp.data);
	sodium_free(previous.data);
	sodium_free(key.data);
}

/* 33 bytes come before the fields, and 5 before each; the previous stamp takes 37. */
static void
check_room(void)
{
	static const size_t longest = TARX_KEYS_BINDING_MAX - 33 - 5 - 37;
	Bytes		field = guarded_bytes(TARX_KEYS_BINDING_MAX);
	Bytes		stamp = guarded_bytes(TARX_KEYS_MAC_BYTES);
	Chain		chain = written(0, 1);

	for (size_t len = longest - 2; len <= longest + 40; len++)
	{
		TarxKeysBinding binding;
		TarxKeysBinding again;
		TarxKeysChainWalk walk;
		TarxKeysChainBreak why;
		bool		made;

		tarx_keys_binding_init(&binding, PURPOSE, (const uint8_t *) SCOPE);
		tarx_keys_binding_add(&binding, field.data, len);
		again = binding;
		memset(stamp.data, LEFTOVER, stamp.len);
		made = tarx_keys_chain_stamp(stamp.data, chain.key, chain.ends.first_stamp, &binding);
		ok(made == (len <= longest), "a row with a field of %zu bytes: %s", len,
		   len <= longest ? "stamped" : "too long");
		ok(made || is_all(&stamp, LEFTOVER), "%zu bytes: no stamp is left", len);
		tarx_keys_chain_walk_begin(&walk, &chain.ends);
		why = tarx_keys_chain_walk_row(&walk, chain.key, 1, stamp.data, stamp.len, &again);
		is_int(why, made ? TARX_KEYS_CHAIN_WHOLE : TARX_KEYS_CHAIN_CHANGED,
			   "%zu bytes: %s", len, made ? "accepted" : "refused");
	}
	sodium_free(stamp.data);
	sodium_free(field.data);
}

/* Each number from 1 on is in one lane, in ascending order. */
static void
check_lanes(void)
{
	int			times[1 + 5 * LANES] = {0};

	for (int lane = 0; lane < LANES; lane++)
	{
		TarxKeysChainEnds ends;
		int64_t		seq;

		memset(&ends, LEFTOVER, sizeof(ends));
		tarx_keys_chain_start(&ends, lane);
		is_int(ends.first_seq, lane + 1, "first number of lane %d", lane);
		is_int(ends.last_seq, lane + 1 - LANES, "last number of lane %d before its first row", lane);
		ok(sodium_is_zero(ends.first_stamp, sizeof(ends.first_stamp)) &&
		   sodium_is_zero(ends.last_stamp, sizeof(ends.last_stamp)), "its stamps are zero");
		is_int(tarx_keys_chain_next(ends.last_seq), ends.first_seq, "the next one is the first");
		for (seq = ends.first_seq; seq < (int64_t) lengthof(times); seq = tarx_keys_chain_next(seq))
		{
			times[seq]++;
			ok((seq - 1) % LANES == lane, "number %lld is in lane %d", (long long) seq, lane);
		}
	}
	for (size_t seq = 1; seq < lengthof(times); seq++)
		is_int(times[seq], 1, "number %zu is in one lane", seq);
}

/* The next generation begins above a number, whichever lane it begins with. */
static void
check_generations(void)
{
	static const int64_t numbers[] = {
		0, 1, 2, 3, 4, 5, 37, 1000000, TARX_KEYS_AUDIT_MAX_SEQ - 2 * LANES - 1, TARX_KEYS_AUDIT_MAX_SEQ - 2 * LANES
	};
	static const int64_t odd[] = {
		INT64_MIN, -1, TARX_KEYS_AUDIT_MAX_SEQ + 1, INT64_MAX - 1, INT64_MAX
	};

	for (size_t i = 0; i < lengthof(numbers); i++)
	{
		int64_t		sum = 0;

		for (int lane = 0; lane < LANES; lane++)
		{
			Chain		chain = written(lane, 0);
			TarxKeysChainEnds *ends = &chain.ends;

			memset(ends, LEFTOVER, sizeof(*ends));
			ok(tarx_keys_chain_start_above(ends, lane, numbers[i]), "lane %d begins above %lld",
			   lane, (long long) numbers[i]);
			ok(ends->first_seq > numbers[i] && ends->first_seq <= numbers[i] + 2 * LANES &&
			   (ends->first_seq - 1) % LANES == lane, "and not far above, with a number of its own");
			ok(tarx_keys_chain_can_go_on(ends, lane), "it can go on");
			ok(!tarx_keys_chain_can_go_on(ends, (lane + 1) % LANES), "and is no other lane's");
			sum += ends->last_seq;
			is_str(verdict(&chain), "whole", "it is whole without a row");
			write_row(&chain, "alice", "secret.set", NULL);
			is_str(verdict(&chain), "whole", "and with one");
		}
		ok(sum > numbers[i], "the sum of the last numbers does not fall");
	}
	for (size_t i = 0; i < lengthof(odd); i++)
	{
		TarxKeysChainEnds ends;

		ok(!tarx_keys_chain_start_above(&ends, 0, odd[i]), "nothing begins above %lld",
		   (long long) odd[i]);
		ends.last_seq = odd[i];
		for (int lane = 0; lane < LANES; lane++)
			ok(!tarx_keys_chain_can_go_on(&ends, lane) || odd[i] == -1, "nor goes on there");
	}
}

/* A note says all of a chain's ends; it is of a chain that ends there. */
static void
check_notes(void)
{
	static const uint8_t fingerprint[TARX_KEYS_FINGERPRINT_BYTES] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
	char		notes[2 * TARX_KEYS_CHAIN_NOTE_BYTES];
	char		note[TARX_KEYS_CHAIN_NOTE_BYTES];
	char		expected[TARX_KEYS_CHAIN_NOTE_BYTES];
	char		stamp[2 * TARX_KEYS_MAC_BYTES + 1];
	Chain		first = written(0, 2);
	Chain		second = written(1, 3);
	TarxKeysChainEnds ends;

	sodium_bin2hex(stamp, sizeof(stamp), first.ends.last_stamp, TARX_KEYS_MAC_BYTES);
	tarx_keys_chain_note(notes, 0, fingerprint, &first.ends);
	snprintf(expected, sizeof(expected),
			 "lane 0: master key 0123456789abcdef, from row 1 behind %064d, to row 5 with %s", 0, stamp);
	is_str(notes, expected, "a note");
	tarx_keys_chain_note(note, 1, fingerprint, &second.ends);
	strcat(strcat(notes, "; "), note);
	ok(tarx_keys_chain_is_noted(notes, &first.ends), "the first chain is noted");
	ok(tarx_keys_chain_is_noted(notes, &second.ends), "and the second");
	for (int lane = 0; lane < LANES; lane++)
		ok(tarx_keys_chain_lane_is_noted(notes, lane) == (lane < 2), "lane %d is noted or not", lane);
	ok(!tarx_keys_chain_lane_is_noted(note, 0), "a note is of its own lane only");
	ok(!tarx_keys_chain_lane_is_noted("", 0), "no note is of none");
	ends = written(0, 1).ends;
	ok(!tarx_keys_chain_is_noted(notes, &ends), "one with a row less is not");
	ends = written(0, 3).ends;
	ok(!tarx_keys_chain_is_noted(notes, &ends), "nor one with a row more");
	ends = first.ends;
	ends.last_stamp[0] ^= 1;
	ok(!tarx_keys_chain_is_noted(notes, &ends), "nor one with another stamp");
	ends = first.ends;
	ends.first_seq = 5;
	memset(ends.first_stamp, 7, sizeof(ends.first_stamp));
	ok(tarx_keys_chain_is_noted(notes, &ends), "one that was purged is");

	ends.first_seq = ends.last_seq = INT64_MIN;
	tarx_keys_chain_note(note, LANES - 1, fingerprint, &ends);
	ok(strlen(note) < TARX_KEYS_CHAIN_NOTE_BYTES - 1, "the longest note fits");
	ok(tarx_keys_chain_is_noted(note, &ends), "and is whole");
}

/* Numbers at the ends of what an int64 holds wrap around. */
static void
check_last_numbers(void)
{
	Chain		chain = written(0, 0);

	ok(tarx_keys_chain_next(INT64_MAX) == INT64_MIN + 3, "the number after the greatest");
	ok(tarx_keys_chain_next(INT64_MAX - 3) == INT64_MIN, "the number after the greatest but 3");
	ok(tarx_keys_chain_next(INT64_MAX - 4) == INT64_MAX, "the number before the greatest");
	ok(tarx_keys_chain_next(INT64_MIN) == INT64_MIN + 4, "the number after the least");
	ok(tarx_keys_chain_next(-4) == 0 && tarx_keys_chain_next(-1) == 3, "numbers below 0");

	chain.ends.first_seq = INT64_MAX - 4;
	chain.ends.last_seq = INT64_MAX - 8;
	is_str(verdict(&chain), "whole", "an empty chain of the greatest numbers");
	write_row(&chain, "alice", "secret.set", NULL);
	write_row(&chain, "alice", "secret.set", NULL);
	is_str(verdict(&chain), "whole", "a chain up to the greatest number");
	chain.nrows = 1;
	is_str(verdict(&chain), broken(SHORT, INT64_MAX), "without its last row");
	chain = written(0, 0);
	chain.ends.first_seq = INT64_MIN;
	chain.ends.last_seq = INT64_MAX - 3;
	is_str(verdict(&chain), "whole", "an empty chain of the least numbers");
	write_row(&chain, "alice", "secret.set", NULL);
	ok(strcmp(verdict(&chain), "whole") != 0, "no row follows the greatest number");
}

/* Whatever the numbers of the ends are, only the right ones make a whole chain. */
static void
check_odd_ends(void)
{
	static const int64_t numbers[] = {
		INT64_MIN, INT64_MIN + 1, INT64_MIN + 4, -5, -4, -3, -1, 0, 1, 2, 3, 4, 5, 9, 13, 17,
		INT64_MAX - 4, INT64_MAX - 3, INT64_MAX - 1, INT64_MAX
	};

	for (int nrows = 0; nrows <= 3; nrows++)
	{
		Chain		right = written(0, nrows);

		for (size_t i = 0; i < lengthof(numbers); i++)
		{
			for (size_t j = 0; j < lengthof(numbers); j++)
			{
				Chain		chain = right;
				bool		is_right;

				chain.ends.first_seq = numbers[i];
				chain.ends.last_seq = numbers[j];
				is_right = nrows == 0 ? numbers[i] == tarx_keys_chain_next(numbers[j]) :
					numbers[i] == right.ends.first_seq && numbers[j] == right.ends.last_seq;
				if ((strcmp(verdict(&chain), "whole") == 0) != is_right)
					ok(false, "%d rows with ends at %lld and %lld", nrows, (long long) numbers[i],
					   (long long) numbers[j]);
			}
		}
		ok(true, "%d rows with odd numbers of their ends", nrows);
	}
}

static void
check_whole(void)
{
	for (int lane = 0; lane < LANES; lane++)
	{
		for (int nrows = 0; nrows <= MAX_ROWS; nrows++)
		{
			Chain		chain = written(lane, nrows);

			is_str(verdict(&chain), "whole", "%d rows in lane %d", nrows, lane);
			if (nrows > 0)
				is_int(chain.rows[nrows - 1].seq, 1 + lane + LANES * (nrows - 1),
					   "the number of the last one");
		}
	}
}

/* A walk that a row has not passed goes on with the right one. */
static void
check_walk(void)
{
	Chain		chain = written(0, 1);
	Row			row = chain.rows[0];
	TarxKeysBinding binding;
	TarxKeysChainWalk walk;

	tarx_keys_chain_walk_begin(&walk, &chain.ends);
	is_int(tarx_keys_chain_walk_end(&walk), TARX_KEYS_CHAIN_SHORT, "no row yet");
	for (int i = 0; i < 3; i++)
	{
		binding = binding_of(&row);
		row.stamp[i] ^= 1;
		is_int(tarx_keys_chain_walk_row(&walk, chain.key, 1, row.stamp, row.stamp_len, &binding),
			   TARX_KEYS_CHAIN_DISPLACED, "not the row");
		row.stamp[i] ^= 1;
		is_int(tarx_keys_chain_walk_end(&walk), TARX_KEYS_CHAIN_SHORT, "still no row");
	}
	binding = binding_of(&row);
	is_int(tarx_keys_chain_walk_row(&walk, chain.key, 1, row.stamp, row.stamp_len, &binding),
		   TARX_KEYS_CHAIN_WHOLE, "the row");
	is_int(tarx_keys_chain_walk_end(&walk), TARX_KEYS_CHAIN_WHOLE, "that was all");
	is_int(walk.seq, 1, "its number");
	ok(memcmp(walk.stamp, row.stamp, TARX_KEYS_MAC_BYTES) == 0, "its stamp");
}

/* The stamp that a changed row would need does not stay in memory. */
static void
check_wiping(void)
{
	Chain		chain = written(0, 1);
	uint8_t		right[TARX_KEYS_MAC_BYTES];

	memcpy(right, chain.rows[0].stamp, sizeof(right));
	watch(right, sizeof(right));
	is_str(verdict(&chain), "whole", "a good row");
	is_int(wiped, 1, "its stamp is wiped");
	chain.rows[0].stamp[0] ^= 1;
	is_str(verdict(&chain), broken(DISPLACED, 1), "another stamp");
	is_int(wiped, 2, "the right stamp is wiped");
	watch(NULL, 0);
}

static void
check_keys(void)
{
	uint8_t		keys[3][TARX_KEYS_SUBKEY_BYTES] = {{0}};

	tarx_keys_chain_draw_key(keys[1]);
	tarx_keys_chain_draw_key(keys[2]);
	for (int half = 0; half < TARX_KEYS_SUBKEY_BYTES; half += TARX_KEYS_SUBKEY_BYTES / 2)
	{
		for (int i = 0; i < 3; i++)
			ok(memcmp(&keys[i][half], &keys[(i + 1) % 3][half], TARX_KEYS_SUBKEY_BYTES / 2) != 0,
			   "all of a key is drawn");
	}
}

static void
check_texts(void)
{
	is_str(tarx_keys_chain_break_text(TARX_KEYS_CHAIN_WHOLE), "whole", "text of WHOLE");
	is_str(tarx_keys_chain_break_text(TARX_KEYS_CHAIN_MISSING), MISSING, "text of MISSING");
	is_str(tarx_keys_chain_break_text(TARX_KEYS_CHAIN_CHANGED), CHANGED, "text of CHANGED");
	is_str(tarx_keys_chain_break_text(TARX_KEYS_CHAIN_DISPLACED), DISPLACED, "text of DISPLACED");
	is_str(tarx_keys_chain_break_text(TARX_KEYS_CHAIN_SHORT), SHORT, "text of SHORT");
	is_str(tarx_keys_chain_break_text(TARX_KEYS_CHAIN_LONG), LONG, "text of LONG");
	is_str(tarx_keys_chain_break_text(TARX_KEYS_CHAIN_OTHER_END), OTHER_END, "text of OTHER_END");
	is_str(tarx_keys_chain_break_text((TarxKeysChainBreak) 99), "whole", "text of no reason");
}

int
main(void)
{
	if (sodium_init() < 0)
	{
		fprintf(stderr, "# cannot initialise libsodium\n");
		return EXIT_FAILURE;
	}

	check_constants();
	check_fixed();
	check_stamps();
	check_place_of_stamp();
	check_room();
	check_lanes();
	check_generations();
	check_notes();
	check_last_numbers();
	check_odd_ends();
	check_whole();
	check_walk();
	check_wiping();
	check_keys();
	check_texts();

	return done_testing();
}
