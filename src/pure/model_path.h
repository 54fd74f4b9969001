/*
 * model_path.h
 *	  The path of a request about one model.
 *
 * No postgres.h here, so that fuzzers and sanitizers reach it.
 */
#ifndef TARX_KEYS_MODEL_PATH_H
#define TARX_KEYS_MODEL_PATH_H

#include "pure/text_rules.h"

/* The most bytes that a path can have */
#define TARX_KEYS_MODEL_PATH_MAX(template_len, model_len)	((template_len) + 3 * (model_len))

extern size_t tarx_keys_model_path(char *out, TarxKeysSpan path, TarxKeysSpan model);

#endif							/* TARX_KEYS_MODEL_PATH_H */
