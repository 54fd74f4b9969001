/*
 * seal.c
 *	  Seals values to a tarx_keys server, and opens what it sealed to us.
 *
 *	  seal llm-key [-e EXPIRES_AT] PUBLIC_KEY PROJECT_ID PROVIDER NAME [BASE_URL]
 *	  seal secret [-e EXPIRES_AT] PUBLIC_KEY PROJECT_ID NAME
 *		  The value on standard input, all of it, becomes a box in hexadecimal
 *		  on standard output: the parameter "sealed" of add_sealed_llm_key() or
 *		  set_sealed_secret().  PUBLIC_KEY is that of sealing_public_key(), in
 *		  hexadecimal, with or without \x.  EXPIRES_AT, in seconds since 1970,
 *		  is five minutes from now by default.
 *	  seal new-key FILE
 *		  Writes a new secret key to FILE; its public key on standard output.
 *	  seal open FILE
 *		  Opens a box, in hexadecimal on standard input, by the key in FILE.
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

#define VALUE_MAX	65536
#define HEADER_MAX	8192
#define PAYLOAD_MAX (HEADER_MAX + 8 + VALUE_MAX)
#define BOX_MAX		(PAYLOAD_MAX + crypto_box_SEALBYTES)
#define LIFETIME	300

static void
fail(const char *problem)
{
	fprintf(stderr, "seal: %s\n", problem);
	exit(1);
}

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

/* A field of the header; NULL is one of its own. */
static void
append_field(Bytes *bytes, const char *field)
{
	append_number(bytes, field != NULL, 1);
	if (field == NULL)
		return;
	append_number(bytes, strlen(field), 4);
	append(bytes, field, strlen(field));
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

/* Standard input as it is, without a copy in a buffer that nobody wipes */
static void
append_input(Bytes *bytes)
{
	for (;;)
	{
		unsigned char *at = bytes->data + bytes->len;
		ssize_t		got = read(STDIN_FILENO, at, bytes->size - bytes->len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			fail("could not read standard input");
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
 * header: format version 1, purpose, project, fields; then the expiry, then
 * the value.
 */
static void
seal(const char *purpose, const char *expires_at, char **args, int nfields, int max_fields)
{
	unsigned char public_key[crypto_box_PUBLICKEYBYTES];
	unsigned char project_id[16];
	unsigned char *box = malloc(BOX_MAX);
	Bytes		payload = private_bytes(PAYLOAD_MAX);

	from_hex(public_key, sizeof(public_key), args[0], NULL);
	from_hex(project_id, sizeof(project_id), args[1], "-");
	append_number(&payload, 1, 1);
	append(&payload, purpose, 16);
	append(&payload, project_id, sizeof(project_id));
	for (int i = 0; i < max_fields; i++)
		append_field(&payload, i < nfields ? args[2 + i] : NULL);
	append_number(&payload, expires_at != NULL ? strtoull(expires_at, NULL, 10) :
				  (uint64_t) time(NULL) + LIFETIME, 8);
	append_input(&payload);
	if (box == NULL || crypto_box_seal(box, payload.data, payload.len, public_key) != 0)
		fail("could not seal");
	print_hex(box, payload.len + crypto_box_SEALBYTES);
	sodium_free(payload.data);
	free(box);
}

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

static void
open_box(const char *path)
{
	unsigned char public_key[crypto_box_PUBLICKEYBYTES];
	Bytes		secret_key = private_bytes(crypto_box_SECRETKEYBYTES);
	Bytes		hex = private_bytes(2 * BOX_MAX + 8);
	Bytes		value = private_bytes(PAYLOAD_MAX);
	unsigned char *box = malloc(BOX_MAX);
	size_t		len;
	int			fd = open(path, O_RDONLY);

	if (fd < 0 || read(fd, secret_key.data, secret_key.size) != (ssize_t) secret_key.size)
		fail("could not read the key file");
	close(fd);
	append_input(&hex);
	append(&hex, "", 1);
	len = strspn((char *) hex.data + 2 * (hex.data[0] == '\\'), "0123456789abcdefABCDEF") / 2;
	if (box == NULL || len < crypto_box_SEALBYTES || len > BOX_MAX)
		fail("no box");
	from_hex(box, len, (char *) hex.data, "\n");
	crypto_scalarmult_base(public_key, secret_key.data);
	if (crypto_box_seal_open(value.data, box, len, public_key, secret_key.data) != 0)
		fail("the box does not open");
	if (write(STDOUT_FILENO, value.data, len - crypto_box_SEALBYTES) < 0)
		fail("could not write the value");
	sodium_free(secret_key.data);
	sodium_free(value.data);
	sodium_free(hex.data);
	free(box);
}

int
main(int argc, char **argv)
{
	const char *expires_at = NULL;
	const char *what = argc > 1 ? argv[1] : "";
	char	  **args = argv + 2;
	int			nargs = argc - 2;

	if (sodium_init() < 0)
		fail("libsodium does not work here");
	if (nargs >= 2 && strcmp(args[0], "-e") == 0)
	{
		expires_at = args[1];
		args += 2;
		nargs -= 2;
	}
	if (strcmp(what, "llm-key") == 0 && (nargs == 4 || nargs == 5))
		seal("tarx.box-llm...1", expires_at, args, nargs - 2, 3);
	else if (strcmp(what, "secret") == 0 && nargs == 3)
		seal("tarx.box-sec...1", expires_at, args, 1, 1);
	else if (strcmp(what, "new-key") == 0 && nargs == 1)
		new_key(args[0]);
	else if (strcmp(what, "open") == 0 && nargs == 1)
		open_box(args[0]);
	else
		fail("usage: seal llm-key|secret [-e EXPIRES_AT] PUBLIC_KEY PROJECT_ID ..., seal new-key|open FILE");
	return 0;
}
