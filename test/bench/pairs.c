/*
 * pairs.c
 *	  Measures pairs of calls, one in clear and one of ours, on one connection.
 *
 *	  pairs FILE CONNINFO GROUP PATTERN [DUMPS]
 *
 * For each pair of the file that is of the group and whose name matches the pattern,
 * an extended regular expression, a line of fields with tabs between them: name,
 * ratio, bar, limit, server CPU per call in clear and of ours in microseconds, the
 * ratio of wall times, and wall time in clear and of ours. A ratio is what it takes in
 * clear by what ours takes. BENCH_ROUNDS (5) is the number of rounds, each on a
 * connection of its own, and BENCH_BLOCKS (100) how many blocks of either kind a round
 * has. Blocks of the two kinds take turns. The figures of a round are medians over its
 * blocks, those that are printed medians over the rounds.
 *
 * With DUMPS the server runs under callgrind, which writes DUMPS.PID.N when the
 * process has called pg_backend_pid() for the N-th time. Then the fields are name,
 * ratio, and instructions per call in clear and of ours.
 *
 * A pair in the file is a line with its name, and indented lines: a word and what
 * it says.
 *
 *	  group		the group of the pair, else "keys"
 *	  as		the role that connects
 *	  with		a query whose rows are the parameters of the calls, one row each in
 *				turn; a column c is :c in the statements
 *	  clear		a statement of the call in clear; further such lines are sent after it
 *	  ours		the same for ours
 *	  bar		what the ratio must reach, and limit what it cannot surpass
 *	  calls		calls in a block (20)
 *	  per		how many calls a statement counts for, if it makes them itself (1)
 *	  parsed	"each time": the statements are not prepared
 */
#include <ctype.h>
#include <regex.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <libpq-fe.h>

#define MAX_STATEMENTS 8
#define MAX_PARAMS 16
#define MAX_BLOCKS 10000
#define MAX_ROUNDS 100
#define WARM_CALLS 200
#define WARM_CALLS_COUNTED 30	/* of those whose instructions are counted */
#define COUNTED_CALLS 100

typedef enum
{
	CLEAR,
	OURS,
	KINDS
} Kind;

static const char *const kind_names[KINDS] = {"clear", "ours"};

typedef struct
{
	char	   *sql;
	char	   *numbered;		/* with $1 for the first parameter */
	char		name[16];		/* of the prepared statement */
	int			nparams;
	int			columns[MAX_PARAMS];	/* of the parameters' query */
} Statement;

typedef struct
{
	char	   *name;
	char	   *group;
	char	   *role;
	char	   *with;
	char	   *bar;
	char	   *limit;
	int			calls;
	int			per;
	bool		is_parsed;		/* each time */
	int			nstatements[KINDS];
	Statement	statements[KINDS][MAX_STATEMENTS];
} Pair;

typedef struct
{
	PGconn	   *conn;
	PGresult   *params;
	int			next_row;
	long		rows[KINDS];	/* that the calls have returned */
	char		stat_path[64];
	char		schedstat_path[64];
} Session;

typedef struct
{
	double		cpu;
	double		wall;
} Cost;

static void
fail(const char *format,...)
{
	va_list		args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static char *
copy(const char *text)
{
	char	   *result = strdup(text);

	if (result == NULL)
		fail("out of memory");
	return result;
}

static int
setting(const char *name, int otherwise, int most)
{
	const char *text = getenv(name);
	int			value = text && *text ? atoi(text) : otherwise;

	if (value < 1 || value > most)
		fail("%s must be from 1 to %d", name, most);
	return value;
}

/*
 * Reading the file
 */

static void
add_statement(Pair *pair, Kind kind, const char *sql)
{
	if (pair->nstatements[kind] == MAX_STATEMENTS)
		fail("\"%s\" has more than %d statements", pair->name, MAX_STATEMENTS);
	pair->statements[kind][pair->nstatements[kind]++].sql = copy(sql);
}

static void
set_field(Pair *pair, const char *word, const char *value)
{
	if (strcmp(word, "group") == 0)
		pair->group = copy(value);
	else if (strcmp(word, "as") == 0)
		pair->role = copy(value);
	else if (strcmp(word, "with") == 0)
		pair->with = copy(value);
	else if (strcmp(word, "bar") == 0)
		pair->bar = copy(value);
	else if (strcmp(word, "limit") == 0)
		pair->limit = copy(value);
	else if (strcmp(word, "calls") == 0)
		pair->calls = atoi(value);
	else if (strcmp(word, "per") == 0)
		pair->per = atoi(value);
	else if (strcmp(word, "parsed") == 0)
		pair->is_parsed = true;
	else if (strcmp(word, "clear") == 0)
		add_statement(pair, CLEAR, value);
	else if (strcmp(word, "ours") == 0)
		add_statement(pair, OURS, value);
	else
		fail("\"%s\" has a line \"%s\", which means nothing", pair->name, word);
}

/* Reads the rest of a pair whose name has been read; *line becomes the next name. */
static bool
read_pair(FILE *file, Pair *pair, char **line, size_t *size)
{
	memset(pair, 0, sizeof(*pair));
	pair->group = copy("keys");
	pair->calls = 20;
	pair->per = 1;
	pair->name = copy(*line);
	while (getline(line, size, file) > 0)
	{
		char	   *word = *line;
		char	   *value;

		word[strcspn(word, "\n")] = '\0';
		if (*word == '\0' || *word == '#')
			continue;
		if (!isspace((unsigned char) *word))
			return true;
		word += strspn(word, " \t");
		value = word + strcspn(word, " \t");
		if (*value)
			*value++ = '\0';
		set_field(pair, word, value + strspn(value, " \t"));
	}
	return false;
}

/*
 * Sessions
 */

static PGresult *
checked(PGconn *conn, PGresult *result, const char *what)
{
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		fail("%s\n%s", what, PQerrorMessage(conn));
	return result;
}

/* The statement with $1, $2, ... for :name; finds which column each is. */
static char *
number_params(Statement *statement, PGresult *params)
{
	char	   *result = malloc(2 * strlen(statement->sql) + 1);
	char	   *out = result;

	if (result == NULL)
		fail("out of memory");
	statement->nparams = 0;
	for (const char *in = statement->sql; *in;)
	{
		char		name[64];
		int			len = 0;

		if (in[0] == ':' && in[1] == ':')
			*out++ = *in++;
		else if (in[0] == ':' && isalpha((unsigned char) in[1]))
		{
			while (len < 63 && (isalnum((unsigned char) in[1 + len]) || in[1 + len] == '_'))
			{
				name[len] = in[1 + len];
				len++;
			}
			name[len] = '\0';
			if (params == NULL || PQfnumber(params, name) < 0 || statement->nparams == MAX_PARAMS)
				fail("no parameter \"%s\" for: %s", name, statement->sql);
			statement->columns[statement->nparams++] = PQfnumber(params, name);
			out += sprintf(out, "$%d", statement->nparams);
			in += 1 + len;
			continue;
		}
		*out++ = *in++;
	}
	*out = '\0';
	return result;
}

static void
prepare(Session *session, Pair *pair)
{
	for (Kind kind = 0; kind < KINDS; kind++)
	{
		for (int i = 0; i < pair->nstatements[kind]; i++)
		{
			Statement  *statement = &pair->statements[kind][i];

			free(statement->numbered);
			statement->numbered = number_params(statement, session->params);
			snprintf(statement->name, sizeof(statement->name), "%s_%d", kind_names[kind], i);
			PQclear(checked(session->conn, PQprepare(session->conn, statement->name, statement->numbered, 0, NULL),
							statement->sql));
		}
	}
}

static void
open_session(Session *session, Pair *pair, const char *conninfo)
{
	char		with_role[1024];

	memset(session, 0, sizeof(*session));
	snprintf(with_role, sizeof(with_role), "%s user=%s", conninfo, pair->role ? pair->role : "postgres");
	session->conn = PQconnectdb(with_role);
	if (PQstatus(session->conn) != CONNECTION_OK)
		fail("%s", PQerrorMessage(session->conn));
	snprintf(session->stat_path, sizeof(session->stat_path), "/proc/%d/stat", PQbackendPID(session->conn));
	snprintf(session->schedstat_path, sizeof(session->schedstat_path), "/proc/%d/schedstat", PQbackendPID(session->conn));
	if (pair->with)
	{
		session->params = checked(session->conn, PQexec(session->conn, pair->with), pair->with);
		if (PQntuples(session->params) == 0)
			fail("\"%s\": no parameters", pair->name);
	}
	prepare(session, pair);
}

static void
close_session(Session *session)
{
	PQclear(session->params);
	PQfinish(session->conn);
}

/* One call, with the next row of parameters */
static void
call(Session *session, Pair *pair, Kind kind)
{
	int			row = session->params ? session->next_row++ % PQntuples(session->params) : 0;

	for (int i = 0; i < pair->nstatements[kind]; i++)
	{
		Statement  *statement = &pair->statements[kind][i];
		const char *values[MAX_PARAMS];
		PGresult   *result;

		for (int p = 0; p < statement->nparams; p++)
			values[p] = PQgetvalue(session->params, row, statement->columns[p]);
		result = pair->is_parsed
			? PQexecParams(session->conn, statement->numbered, statement->nparams, NULL, values, NULL, NULL, 0)
			: PQexecPrepared(session->conn, statement->name, statement->nparams, values, NULL, NULL, 0);
		checked(session->conn, result, statement->sql);
		session->rows[kind] += PQntuples(result);
		PQclear(result);
	}
}

/* Calls before those that are measured. Both kinds must return as many rows. */
static void
warm_up(Session *session, Pair *pair, int calls)
{
	for (Kind kind = 0; kind < KINDS; kind++)
	{
		session->next_row = 0;
		for (int i = 0; i < calls; i++)
			call(session, pair, kind);
	}
	if (session->rows[CLEAR] != session->rows[OURS] || session->rows[OURS] == 0)
		fail("\"%s\" returns %ld rows in clear and %ld of ours", pair->name,
			 session->rows[CLEAR], session->rows[OURS]);
}

/*
 * Measuring
 */

static void
read_file(const char *path, char *text, size_t size)
{
	FILE	   *file = fopen(path, "r");

	if (file == NULL || fgets(text, (int) size, file) == NULL)
		fail("could not read \"%s\"", path);
	fclose(file);
}

/*
 * CPU time of the server's process, in microseconds. The kernel counts it when the
 * process goes to sleep, which it does soon after it has answered.
 */
static double
server_cpu(const Session *session)
{
	char		text[1024];

	do
	{
		read_file(session->stat_path, text, sizeof(text));
	} while (strncmp(strrchr(text, ')'), ") S", 3) != 0);
	read_file(session->schedstat_path, text, sizeof(text));
	return strtod(text, NULL) / 1000;
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static Cost
measure_block(Session *session, Pair *pair, Kind kind)
{
	Cost		cost = {server_cpu(session), now()};

	for (int i = 0; i < pair->calls; i++)
		call(session, pair, kind);
	cost.wall = (now() - cost.wall) / pair->calls / pair->per;
	cost.cpu = (server_cpu(session) - cost.cpu) / pair->calls / pair->per;
	return cost;
}

static int
compare(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

static double
median(double *values, int n)
{
	qsort(values, n, sizeof(double), compare);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static Cost
median_cost(const Cost *costs, int n)
{
	static double cpu[MAX_BLOCKS];
	static double wall[MAX_BLOCKS];

	for (int i = 0; i < n; i++)
	{
		cpu[i] = costs[i].cpu;
		wall[i] = costs[i].wall;
	}
	return (Cost) {median(cpu, n), median(wall, n)};
}

static void
measure_round(Session *session, Pair *pair, int blocks, Cost *result)
{
	static Cost costs[KINDS][MAX_BLOCKS];

	for (int block = 0; block < blocks; block++)
		for (Kind kind = 0; kind < KINDS; kind++)
			costs[kind][block] = measure_block(session, pair, kind);
	for (Kind kind = 0; kind < KINDS; kind++)
		result[kind] = median_cost(costs[kind], blocks);
}

static void
measure(Pair *pair, const char *conninfo)
{
	int			rounds = setting("BENCH_ROUNDS", 5, MAX_ROUNDS);
	int			blocks = setting("BENCH_BLOCKS", 100, MAX_BLOCKS);
	Cost		costs[KINDS][MAX_ROUNDS];
	Cost		ratios[MAX_ROUNDS];
	Cost		clear;
	Cost		ours;
	Cost		ratio;

	/* a statement that makes many calls itself is a block */
	if (pair->per > 1)
	{
		pair->calls = 1;
		blocks = 3;
	}
	for (int round = 0; round < rounds; round++)
	{
		Session		session;
		Cost		result[KINDS];

		open_session(&session, pair, conninfo);
		warm_up(&session, pair, pair->per > 1 ? 1 : WARM_CALLS);
		measure_round(&session, pair, blocks, result);
		close_session(&session);
		costs[CLEAR][round] = result[CLEAR];
		costs[OURS][round] = result[OURS];
		ratios[round] = (Cost) {result[CLEAR].cpu / result[OURS].cpu, result[CLEAR].wall / result[OURS].wall};
	}
	clear = median_cost(costs[CLEAR], rounds);
	ours = median_cost(costs[OURS], rounds);
	ratio = median_cost(ratios, rounds);
	printf("%s\t%.3f\t%s\t%s\t%.2f\t%.2f\t%.3f\t%.2f\t%.2f\n", pair->name, ratio.cpu,
		   pair->bar ? pair->bar : "", pair->limit ? pair->limit : "",
		   clear.cpu, ours.cpu, ratio.wall, clear.wall, ours.wall);
	fflush(stdout);
}

/* Instructions since the dump before, from a dump that is written now */
static double
dumped_instructions(Session *session, const char *dumps, int number)
{
	char		path[1024];
	char		line[1024];
	double		count = -1;
	FILE	   *file;

	PQclear(checked(session->conn, PQexec(session->conn, "SELECT pg_backend_pid()"), "SELECT pg_backend_pid()"));
	snprintf(path, sizeof(path), "%s.%d.%d", dumps, PQbackendPID(session->conn), number);
	file = fopen(path, "r");
	if (file == NULL)
		fail("could not read \"%s\"", path);
	while (fgets(line, sizeof(line), file) != NULL)
		sscanf(line, "totals: %lf", &count);
	fclose(file);
	if (count < 0)
		fail("\"%s\" has no totals", path);
	return count;
}

static void
count_instructions(Pair *pair, const char *conninfo, const char *dumps)
{
	Session		session;
	double		counts[KINDS];
	double		nothing;

	open_session(&session, pair, conninfo);
	warm_up(&session, pair, WARM_CALLS_COUNTED);
	dumped_instructions(&session, dumps, 1);
	nothing = dumped_instructions(&session, dumps, 2);
	for (Kind kind = 0; kind < KINDS; kind++)
	{
		for (int i = 0; i < COUNTED_CALLS; i++)
			call(&session, pair, kind);
		counts[kind] = (dumped_instructions(&session, dumps, 3 + kind) - nothing) / COUNTED_CALLS;
	}
	close_session(&session);
	printf("%s\t%.4f\t%.0f\t%.0f\n", pair->name, counts[CLEAR] / counts[OURS], counts[CLEAR], counts[OURS]);
	fflush(stdout);
}

static bool
is_wanted(const Pair *pair, const char *group, const char *pattern)
{
	regex_t		compiled;
	bool		result;

	if (regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		fail("not a regular expression: %s", pattern);
	result = strcmp(pair->group, group) == 0 && regexec(&compiled, pair->name, 0, NULL, 0) == 0;
	regfree(&compiled);
	return result;
}

int
main(int argc, char **argv)
{
	FILE	   *file;
	char	   *line = NULL;
	size_t		size = 0;
	bool		more;

	if (argc < 5 || argc > 6)
		fail("usage: pairs FILE CONNINFO GROUP PATTERN [DUMPS]");
	file = fopen(argv[1], "r");
	if (file == NULL)
		fail("could not open \"%s\"", argv[1]);
	do
	{
		if (getline(&line, &size, file) <= 0)
			fail("\"%s\" has no pairs", argv[1]);
	} while (*line == '#' || isspace((unsigned char) *line));
	line[strcspn(line, "\n")] = '\0';
	do
	{
		Pair		pair;

		more = read_pair(file, &pair, &line, &size);
		if (!is_wanted(&pair, argv[3], argv[4]))
			continue;
		if (argc > 5)
			count_instructions(&pair, argv[2], argv[5]);
		else
			measure(&pair, argv[2]);
	} while (more);
	return 0;
}
