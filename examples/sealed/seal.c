/*
 * seal.c
 *	  Seals values to a tarx_keys server, and opens what it sealed to us.
 *
 *	  seal llm-key [-e EXPIRES_AT] [-d DESTINATION [-o FILE]] PUBLIC_KEY PROJECT_ID PROVIDER NAME [BASE_URL]
 *	  seal replacement [-e EXPIRES_AT] -d DESTINATION [-o FILE] PUBLIC_KEY PROJECT_ID OLD_KEY_ID PROVIDER
 *	  seal secret [-e EXPIRES_AT] PUBLIC_KEY PROJECT_ID NAME
 *	  seal search [-e EXPIRES_AT] PUBLIC_KEY
 *		  The value on standard input, all of it, becomes a box in hexadecimal
 *		  on standard output: the parameter "sealed" of add_sealed_llm_key(),
 *		  replace_sealed_llm_key(), set_sealed_secret() or find_sealed_key().
 *		  PUBLIC_KEY is that of
 *		  sealing_public_key(), in hexadecimal, with or without \x.  EXPIRES_AT,
 *		  in seconds since 1970, is five minutes from now by default, and at most
 *		  a day from now.  DESTINATION is the base URL that the key's requests go
 *		  to: BASE_URL, or the provider's default; the key is not added for
 *		  another one.  FILE has the call's options as a JSON object, which may
 *		  have secret headers.
 *	  seal new-key FILE
 *		  Writes a new secret key to FILE; its public key on standard output.
 *	  seal open-key FILE PROJECT_ID ID
 *	  seal open-provider-key FILE PROJECT_ID PROVIDER [TRIED ...]
 *	  seal open-secret FILE PROJECT_ID NAME
 *		  Opens a box, in hexadecimal on standard input, by the key in FILE, if it
 *		  is what a resolve call returns for this ID, of a key or an agent, for
 *		  this PROVIDER, or for the secret of this NAME.  TRIED are the ids of keys
 *		  that the call has as tried.  Prints a secret as it is.  Of a key it
 *		  prints provider, base URL, auth header, auth scheme, value and headers,
 *		  a line each, which is empty where there is none; open-provider-key
 *		  prints the key's id first.
 *
 * Build it with: cc -o seal seal.c -lsodium
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BOX_MAX		262144
#define PAYLOAD_MAX (BOX_MAX - crypto_box_SEALBYTES)
#define LIFETIME	300
#define ID_BYTES	16

static void
fail(const char *problem)
{
	fprintf(stderr, "seal: %s\n", problem);
	exit(1);
}

/* What may precede the arguments; NULL where it does not */
typedef struct Switches
{
	const char *expires_at;
	const char *destination;
	const char *options;
} Switches;

/* Bytes under construction */
typedef struct Bytes
{
	unsigned char *data;
	size_t		len;
	size_t		size;
} Bytes;

static void
append(Bytes *bytes, const void *data, size_t len)
{
	if (len > bytes->size - bytes->len)
		fail("too long");
	memcpy(bytes->data + bytes->len, data, len);
	bytes->len += len;
}

static void
append_number(Bytes *bytes, uint64_t number, int width)
{
	while (width-- > 0)
	{
		unsigned char byte = (unsigned char) (number >> (8 * width));

		append(bytes, &byte, 1);
	}
}

static void
append_field(Bytes *bytes, const void *field, size_t len)
{
	append_number(bytes, 1, 1);
	append_number(bytes, len, 4);
	append(bytes, field, len);
}

/* A text as a field; NULL is one of its own. */
static void
append_text(Bytes *bytes, const char *text)
{
	if (text != NULL)
		append_field(bytes, text, strlen(text));
	else
		append_number(bytes, 0, 1);
}

/* Hexadecimal digits that stand for exactly so many bytes, with ignored characters */
static void
from_hex(unsigned char *out, size_t len, const char *hex, const char *ignore)
{
	size_t		got;
	const char *end;

	if (strncmp(hex, "\\x", 2) == 0)
		hex += 2;
	if (sodium_hex2bin(out, len, hex, strlen(hex), ignore, &got, &end) != 0 ||
		got != len || *end != '\0')
		fail("not the hexadecimal digits that were expected");
}

/* A file as it is, without a copy in a buffer that nobody wipes */
static void
append_file(Bytes *bytes, int fd)
{
	for (;;)
	{
		unsigned char *at = bytes->data + bytes->len;
		ssize_t		got = read(fd, at, bytes->size - bytes->len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			fail("could not read a file or standard input");
		if (got == 0)
			return;
		bytes->len += (size_t) got;
		if (bytes->len == bytes->size)
			fail("too long");
	}
}

/* sodium_malloc()'s memory is kept from swap and core dumps, and wiped when freed. */
static Bytes
private_bytes(size_t size)
{
	Bytes		bytes = {sodium_malloc(size), 0, size};

	if (bytes.data == NULL)
		fail("out of memory");
	return bytes;
}

static void
print_hex(const unsigned char *data, size_t len)
{
	while (len-- > 0)
		printf("%02x", *data++);
	putchar('\n');
}

/*
 * Sealing
 */

/* What a box begins with: its format, what it is for, and the project */
static void
append_header(Bytes *payload, int format, const char *purpose, const char *project)
{
	unsigned char project_id[ID_BYTES];

	from_hex(project_id, sizeof(project_id), project, "-");
	append_number(payload, (uint64_t) format, 1);
	append(payload, purpose, 16);
	append(payload, project_id, sizeof(project_id));
}

static void
append_expiry(Bytes *payload, const char *expires_at)
{
	append_number(payload, expires_at != NULL ? strtoull(expires_at, NULL, 10) :
				  (uint64_t) time(NULL) + LIFETIME, 8);
}

/* The options in a file; none without one */
static void
append_options(Bytes *payload, const char *path)
{
	Bytes		options = private_bytes(PAYLOAD_MAX);
	int			fd = path != NULL ? open(path, O_RDONLY) : -1;

	if (path == NULL)
		append(&options, "{}", 2);
	else if (fd < 0)
		fail("could not open the file of options");
	else
		append_file(&options, fd);
	if (fd >= 0)
		close(fd);
	append_field(payload, options.data, options.len);
	sodium_free(options.data);
}

/* Seal what is there and the value, which is the rest of a box. */
static void
print_sealed(Bytes *payload, const char *key)
{
	unsigned char public_key[crypto_box_PUBLICKEYBYTES];
	unsigned char *box = malloc(BOX_MAX);

	from_hex(public_key, sizeof(public_key), key, NULL);
	append_file(payload, STDIN_FILENO);
	if (box == NULL || crypto_box_seal(box, payload->data, payload->len, public_key) != 0)
		fail("could not seal");
	print_hex(box, payload->len + crypto_box_SEALBYTES);
	sodium_free(payload->data);
	free(box);
}

static void
seal_llm_key(const Switches *switches, char **args, int nargs)
{
	Bytes		payload = private_bytes(PAYLOAD_MAX);
	bool		has_options = switches->destination != NULL;

	append_header(&payload, has_options ? 2 : 1, has_options ? "tarx.box-llm...2" : "tarx.box-llm...1", args[1]);
	append_text(&payload, args[2]);
	append_text(&payload, args[3]);
	append_text(&payload, nargs > 4 ? args[4] : NULL);
	if (has_options)
		append_text(&payload, switches->destination);
	append_expiry(&payload, switches->expires_at);
	if (has_options)
		append_options(&payload, switches->options);
	print_sealed(&payload, args[0]);
}

static void
seal_replacement(const Switches *switches, char **args)
{
	Bytes		payload = private_bytes(PAYLOAD_MAX);
	unsigned char old_key_id[ID_BYTES];

	from_hex(old_key_id, sizeof(old_key_id), args[2], "-");
	append_header(&payload, 2, "tarx.box-rep...2", args[1]);
	append_field(&payload, old_key_id, sizeof(old_key_id));
	append_text(&payload, args[3]);
	append_text(&payload, switches->destination);
	append_expiry(&payload, switches->expires_at);
	append_options(&payload, switches->options);
	print_sealed(&payload, args[0]);
}

static void
seal_secret(const Switches *switches, char **args)
{
	Bytes		payload = private_bytes(PAYLOAD_MAX);

	append_header(&payload, 1, "tarx.box-sec...1", args[1]);
	append_text(&payload, args[2]);
	append_expiry(&payload, switches->expires_at);
	print_sealed(&payload, args[0]);
}

static void
seal_search(const Switches *switches, char **args)
{
	Bytes		payload = private_bytes(PAYLOAD_MAX);

	append_header(&payload, 1, "tarx.box-find..1", "00000000000000000000000000000000");
	append_expiry(&payload, switches->expires_at);
	print_sealed(&payload, args[0]);
}

/*
 * Opening
 */

static void
new_key(const char *path)
{
	unsigned char public_key[crypto_box_PUBLICKEYBYTES];
	Bytes		secret_key = private_bytes(crypto_box_SECRETKEYBYTES);
	int			fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	crypto_box_keypair(public_key, secret_key.data);
	if (fd < 0 || write(fd, secret_key.data, secret_key.size) != (ssize_t) secret_key.size ||
		close(fd) != 0)
		fail("could not write the key file");
	print_hex(public_key, sizeof(public_key));
	sodium_free(secret_key.data);
}

/* The payload of the box on standard input */
static Bytes
open_box(const char *path)
{
	unsigned char public_key[crypto_box_PUBLICKEYBYTES];
	Bytes		secret_key = private_bytes(crypto_box_SECRETKEYBYTES);
	Bytes		hex = private_bytes(2 * BOX_MAX + 8);
	Bytes		payload = private_bytes(PAYLOAD_MAX);
	unsigned char *box = malloc(BOX_MAX);
	size_t		len;
	int			fd = open(path, O_RDONLY);

	if (fd < 0 || read(fd, secret_key.data, secret_key.size) != (ssize_t) secret_key.size)
		fail("could not read the key file");
	close(fd);
	append_file(&hex, STDIN_FILENO);
	append(&hex, "", 1);
	len = strspn((char *) hex.data + 2 * (hex.data[0] == '\\'), "0123456789abcdefABCDEF") / 2;
	if (box == NULL || len < crypto_box_SEALBYTES || len > BOX_MAX)
		fail("no box");
	from_hex(box, len, (char *) hex.data, "\n");
	crypto_scalarmult_base(public_key, secret_key.data);
	if (crypto_box_seal_open(payload.data, box, len, public_key, secret_key.data) != 0)
		fail("the box does not open");
	payload.len = len - crypto_box_SEALBYTES;
	sodium_free(secret_key.data);
	sodium_free(hex.data);
	free(box);
	return payload;
}

/* Take bytes off the front of what is left. */
static const unsigned char *
take(Bytes *rest, size_t len)
{
	const unsigned char *bytes = rest->data;

	if (len > rest->len)
		fail("the box ends too early");
	rest->data += len;
	rest->len -= len;
	return bytes;
}

/* Take a field off the front, which stays where it is; its data is NULL for NULL. */
static Bytes
take_field(Bytes *rest)
{
	Bytes		field = {NULL, 0, 0};
	unsigned char tag = *take(rest, 1);

	if (tag > 1)
		fail("the box has no field where one must be");
	if (tag == 0)
		return field;
	for (int i = 0; i < 4; i++)
		field.len = field.len << 8 | *take(rest, 1);
	field.data = (unsigned char *) take(rest, field.len);
	return field;
}

/* A box must begin with the project that was asked for. */
static void
take_header(Bytes *rest, const char *project)
{
	Bytes		expected = private_bytes(PAYLOAD_MAX);

	append_header(&expected, 2, "tarx.box-out...2", project);
	if (expected.len > rest->len || memcmp(take(rest, expected.len), expected.data, expected.len) != 0)
		fail("the box is for something else");
	sodium_free(expected.data);
}

static void
check_field(const Bytes *field, const void *expected, size_t len)
{
	if (field->data == NULL || field->len != len || memcmp(field->data, expected, len) != 0)
		fail("the box is for something else");
}

/* The fields of a box, in their order; ASKED is the id or name that the box is for */
enum
{
	ASKED, PROVIDER, BASE_URL, AUTH_HEADER, AUTH_SCHEME, VALUE, HEADERS, FIELDS
};

static void
take_fields(Bytes *rest, Bytes *fields)
{
	for (int i = 0; i < FIELDS; i++)
		fields[i] = take_field(rest);
	if (rest->len > 0)
		fail("the box goes on behind its end");
}

static void
print_bytes(const Bytes *bytes)
{
	for (size_t done = 0; done < bytes->len;)
	{
		ssize_t		written = write(STDOUT_FILENO, bytes->data + done, bytes->len - done);

		if (written < 0 && errno != EINTR)
			fail("could not write the value");
		done += written > 0 ? (size_t) written : 0;
	}
}

/* The server returns no key that was tried. */
static void
check_not_tried(const unsigned char *key_id, char **tried, int ntried)
{
	unsigned char id[ID_BYTES];

	for (int i = 0; i < ntried; i++)
	{
		from_hex(id, sizeof(id), tried[i], "-");
		if (memcmp(id, key_id, sizeof(id)) == 0)
			fail("the box has a key that was tried");
	}
}

static void
print_id(const unsigned char *id)
{
	for (int i = 0; i < ID_BYTES; i++)
		printf(i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", id[i]);
	putchar('\n');
	fflush(stdout);
}

static void
check_key(const Bytes *fields)
{
	if (fields[PROVIDER].data == NULL || fields[BASE_URL].data == NULL ||
		fields[AUTH_HEADER].data == NULL || fields[VALUE].data == NULL)
		fail("the box has no key");
}

static void
print_key(const Bytes *fields)
{
	static unsigned char newline[] = {'\n'};
	const Bytes end = {newline, 1, 1};

	for (int i = PROVIDER; i < FIELDS; i++)
	{
		print_bytes(&fields[i]);
		print_bytes(&end);
	}
}

static void
open_key(char **args)
{
	unsigned char id[ID_BYTES];
	Bytes		payload = open_box(args[0]);
	Bytes		rest = payload;
	Bytes		fields[FIELDS];

	from_hex(id, sizeof(id), args[2], "-");
	take_header(&rest, args[1]);
	take_fields(&rest, fields);
	check_field(&fields[ASKED], id, sizeof(id));
	check_key(fields);
	print_key(fields);
	sodium_free(payload.data);
}

/* The box for a provider is for the id of the key that the server has chosen. */
static void
open_provider_key(char **args, int nargs)
{
	Bytes		payload = open_box(args[0]);
	Bytes		rest = payload;
	Bytes		fields[FIELDS];

	take_header(&rest, args[1]);
	take_fields(&rest, fields);
	check_field(&fields[PROVIDER], args[2], strlen(args[2]));
	if (fields[ASKED].len != ID_BYTES)
		fail("the box has no id where one must be");
	check_key(fields);
	check_not_tried(fields[ASKED].data, args + 3, nargs - 3);
	print_id(fields[ASKED].data);
	print_key(fields);
	sodium_free(payload.data);
}

static void
open_secret(char **args)
{
	Bytes		payload = open_box(args[0]);
	Bytes		rest = payload;
	Bytes		fields[FIELDS];

	take_header(&rest, args[1]);
	take_fields(&rest, fields);
	check_field(&fields[ASKED], args[2], strlen(args[2]));
	for (int i = PROVIDER; i < FIELDS; i++)
	{
		if ((fields[i].data != NULL) != (i == VALUE))
			fail("the box has no secret");
	}
	print_bytes(&fields[VALUE]);
	sodium_free(payload.data);
}

/*
 * Arguments
 */

/* Take the switches off the front of the arguments; returns how many those are. */
static int
take_switches(Switches *switches, char **args, int nargs)
{
	int			taken = 0;

	for (; taken + 1 < nargs && args[taken][0] == '-' && strlen(args[taken]) == 2; taken += 2)
	{
		const char **place = args[taken][1] == 'e' ? &switches->expires_at :
		args[taken][1] == 'd' ? &switches->destination :
		args[taken][1] == 'o' ? &switches->options : NULL;

		if (place == NULL)
			fail("unknown switch");
		*place = args[taken + 1];
	}
	return taken;
}

int
main(int argc, char **argv)
{
	Switches	switches = {NULL, NULL, NULL};
	const char *what = argc > 1 ? argv[1] : "";
	int			taken = take_switches(&switches, argv + 2, argc - 2);
	char	  **args = argv + 2 + taken;
	int			nargs = argc - 2 - taken;

	if (sodium_init() < 0)
		fail("libsodium does not work here");
	if (switches.options != NULL && switches.destination == NULL)
		fail("options need a destination");
	if (strcmp(what, "llm-key") == 0 && (nargs == 4 || nargs == 5))
		seal_llm_key(&switches, args, nargs);
	else if (strcmp(what, "replacement") == 0 && nargs == 4 && switches.destination != NULL)
		seal_replacement(&switches, args);
	else if (strcmp(what, "secret") == 0 && nargs == 3)
		seal_secret(&switches, args);
	else if (strcmp(what, "search") == 0 && nargs == 1)
		seal_search(&switches, args);
	else if (strcmp(what, "new-key") == 0 && nargs == 1)
		new_key(args[0]);
	else if (strcmp(what, "open-key") == 0 && nargs == 3)
		open_key(args);
	else if (strcmp(what, "open-provider-key") == 0 && nargs >= 3)
		open_provider_key(args, nargs);
	else if (strcmp(what, "open-secret") == 0 && nargs == 3)
		open_secret(args);
	else
		fail("usage: see the beginning of seal.c");
	return 0;
}
