/* SPDX-License-Identifier: BSD-2-Clause */
/* keys.h - the bytes that a terminal sends, as keys. Pure. ECMA-48 section 5.4, and what xterm made of it. */
#ifndef SL_LOADER_KEYS_H
#define SL_LOADER_KEYS_H

#include <stdbool.h>
#include <stddef.h>

/* Other keys are their byte. */
enum sl_key {
	SL_KEY_NONE = 0, /* a sequence that means nothing here */
	SL_KEY_TAB = '\t',
	SL_KEY_ENTER = '\r',
	SL_KEY_ESCAPE = 27,
	SL_KEY_BACKSPACE = 127,
	SL_KEY_UP = 256,
	SL_KEY_DOWN,
	SL_KEY_LEFT,
	SL_KEY_RIGHT,
	SL_KEY_PAGE_UP,
	SL_KEY_PAGE_DOWN,
	SL_KEY_HOME,
	SL_KEY_END,
	SL_KEY_BACK_TAB,
};

/*
 * The first key of the bytes; returns how many they are. 0: it may go on, and `whole` says that no more has come
 * for a while; with `whole`, a lone escape byte is the key.
 */
size_t sl_key_read(const char *bytes, size_t len, bool whole, int *ret_key);

#endif
