/*
 * key_wrapping.h
 *	  What stands around a key where people copy it.
 *
 * No postgres.h here, so that fuzzers and sanitizers reach it.
 */
#ifndef TARX_KEYS_KEY_WRAPPING_H
#define TARX_KEYS_KEY_WRAPPING_H

#include "pure/key_form.h"

extern TarxKeysKeyProblem tarx_keys_recognize_wrapping(TarxKeysSpan text);

#endif							/* TARX_KEYS_KEY_WRAPPING_H */
