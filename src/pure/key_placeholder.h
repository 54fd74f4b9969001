/*
 * key_placeholder.h
 *	  What stands for a key in examples and settings.
 *
 * No postgres.h here, so that fuzzers and sanitizers reach it.
 */
#ifndef TARX_KEYS_KEY_PLACEHOLDER_H
#define TARX_KEYS_KEY_PLACEHOLDER_H

#include "pure/key_form.h"

extern TarxKeysKeyProblem tarx_keys_recognize_placeholder(TarxKeysSpan text);

#endif							/* TARX_KEYS_KEY_PLACEHOLDER_H */
