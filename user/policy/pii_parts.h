/* SPDX-License-Identifier: BSD-2-Clause */
/* pii_parts.h - what the files of pii.h share: bytes by class, and the parts of the search. */
#ifndef SL_POLICY_PII_PARTS_H
#define SL_POLICY_PII_PARTS_H

#include <string.h>

#include "user/policy/pii.h"

/* The text in which is searched. */
struct sl_pii_text {
	const char *data;
	size_t len;
	struct sl_pii_memo *memo;
};

static inline void sl_pii_look(const struct sl_pii_text *text, size_t bytes)
{
	text->memo->looked += bytes;
}

static inline bool sl_pii_digit(char b)
{
	return b >= '0' && b <= '9';
}

static inline bool sl_pii_upper(char b)
{
	return b >= 'A' && b <= 'Z';
}

static inline bool sl_pii_alnum(char b)
{
	return sl_pii_digit(b) || ((b | 0x20) >= 'a' && (b | 0x20) <= 'z');
}

static inline bool sl_pii_word(char b)
{
	return sl_pii_alnum(b) || b == '_';
}

/* The byte at an offset, a space behind the end and before the beginning. */
static inline char sl_pii_byte(const struct sl_pii_text *text, size_t at)
{
	return at < text->len ? text->data[at] : ' ';
}

/* A secret that begins at a word (pii_secret.c). */
bool sl_pii_secret_at(const struct sl_pii_text *text, size_t at, struct sl_pii_match *ret_match);

/* A number, or what begins like one, at a word, a plus or a parenthesis (pii_number.c). */
bool sl_pii_number_at(const struct sl_pii_text *text, size_t at, unsigned int kinds,
		      struct sl_pii_match *ret_match);

#endif
