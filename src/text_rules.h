/*
 * text_rules.h
 *	  What names, user ids and key values may look like.
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
#define TARX_KEYS_VALUE_MIN_BYTES		4
#define TARX_KEYS_VALUE_MAX_BYTES		8192

typedef enum TarxKeysTextProblem
{
	TARX_KEYS_TEXT_OK = 0,
	TARX_KEYS_TEXT_NOT_UTF8,
	TARX_KEYS_TEXT_EMPTY,
	TARX_KEYS_TEXT_TOO_SHORT,
	TARX_KEYS_TEXT_TOO_LONG,
	TARX_KEYS_TEXT_CONTROL,
	TARX_KEYS_TEXT_MISLEADING,
	TARX_KEYS_TEXT_BLANKS
} TarxKeysTextProblem;

extern size_t tarx_keys_utf8_next(const char *s, size_t len, uint32_t *codepoint);
extern TarxKeysTextProblem tarx_keys_check_name_text(const char *s, size_t len);
extern TarxKeysTextProblem tarx_keys_check_user_id_text(const char *s, size_t len);
extern TarxKeysTextProblem tarx_keys_check_value_text(const char *s, size_t len);
extern const char *tarx_keys_text_problem(TarxKeysTextProblem problem);

#endif							/* TARX_KEYS_TEXT_RULES_H */
