/*
 * text_rules.h
 *	  What names, user ids and secrets may look like.
 *
 * No postgres.h here, so that fuzzers and sanitizers reach it.
 */
#ifndef TARX_KEYS_TEXT_RULES_H
#define TARX_KEYS_TEXT_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TARX_KEYS_NAME_MAX_CHARS		100
#define TARX_KEYS_USER_ID_MAX_CHARS		200
#define TARX_KEYS_SECRET_NAME_MAX_CHARS	128
#define TARX_KEYS_SECRET_MAX_BYTES		65536
#define TARX_KEYS_DESCRIPTION_MAX_CHARS	1000

/*
 * An excerpt for a message: this many characters of up to 4 bytes, and "...".  That
 * is too few for a key that somebody has put there.
 */
#define TARX_KEYS_EXCERPT_CHARS			24
#define TARX_KEYS_EXCERPT_MAX			(4 * TARX_KEYS_EXCERPT_CHARS + 3)

/* A text that is not NUL-terminated */
typedef struct TarxKeysSpan
{
	const char *data;
	size_t		len;
} TarxKeysSpan;

/* What the user id of a service account begins with, and nobody else's */
#define TARX_KEYS_SERVICE_ACCOUNT_PREFIX	"sa:"

typedef enum TarxKeysTextProblem
{
	TARX_KEYS_TEXT_OK = 0,
	TARX_KEYS_TEXT_NOT_UTF8,
	TARX_KEYS_TEXT_EMPTY,
	TARX_KEYS_TEXT_TOO_LONG,
	TARX_KEYS_TEXT_CONTROL,
	TARX_KEYS_TEXT_MISLEADING,
	TARX_KEYS_TEXT_BLANKS,
	TARX_KEYS_TEXT_NUL,
	TARX_KEYS_TEXT_TOKEN,
	TARX_KEYS_TEXT_TICKET,
	TARX_KEYS_TEXT_NOT_IDENTIFIER
} TarxKeysTextProblem;

extern size_t tarx_keys_utf8_next(const char *s, size_t len, uint32_t *codepoint);
extern bool tarx_keys_is_word(char c);
extern TarxKeysTextProblem tarx_keys_check_token_text(const char *s, size_t len);
extern TarxKeysTextProblem tarx_keys_check_name_text(const char *s, size_t len);
extern TarxKeysTextProblem tarx_keys_check_user_id_text(const char *s, size_t len);
extern bool tarx_keys_is_service_account_id(const char *s, size_t len);
extern TarxKeysTextProblem tarx_keys_check_secret_name_text(const char *s, size_t len);
extern TarxKeysTextProblem tarx_keys_check_secret_value_text(const char *s, size_t len);
extern TarxKeysTextProblem tarx_keys_check_description_text(const char *s, size_t len);
extern size_t tarx_keys_excerpt(char out[TARX_KEYS_EXCERPT_MAX], const char *s, size_t len);
extern const char *tarx_keys_text_problem(TarxKeysTextProblem problem);

#endif							/* TARX_KEYS_TEXT_RULES_H */
