/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pattern.h - lists of words and expressions, all of them looked for at once: a shim over Vectorscan
 * (Hyperscan's API), which alone is included by pattern.c.
 *
 * A list is a text, a line each:
 *
 *   # a comment; empty lines are none
 *   John Appleseed       a word or words as they are, whole words only, letters of any case
 *   /proj-[0-9]{4}/      an expression (PCRE without what no automaton can do), of bytes, ASCII
 *                        letters of any case; ^ and $ are those of lines
 *
 * Whole words: in scripts that part words. Cases: of Latin, Greek, Cyrillic and Armenian letters. What is
 * written otherwise for the eye alone (combining accents, letters of other scripts, blanks within) is
 * not the same word. No match is longer than SL_PATTERN_WIDTH_MAX: an expression that could match more
 * is refused, so that a stream knows what it must hold back. Compiling takes some ten milliseconds, for
 * long lists seconds: at the start and when a file changes. A compiled list is immutable; any thread;
 * searching takes work memory from a pool of its own.
 */
#ifndef SL_WIRE_PATTERN_H
#define SL_WIRE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/base/error.h"

#define SL_PATTERN_TEXT_MAX  (4u << 20)
#define SL_PATTERN_LINES_MAX 20000u
#define SL_PATTERN_WIDTH_MAX 256u
#define SL_PATTERN_CHAR_MAX  4u /* bytes beside a match that are looked at */

struct sl_pattern_list;

/*
 * Returns 0; -EINVAL with a sentence that names the line; -E2BIG, -ENOMEM. An empty list matches
 * nothing. The caller frees.
 */
int sl_pattern_compile(const char *text, size_t len, struct sl_pattern_list **ret_list,
		       struct sl_error *error);

/* One more owner; any thread. */
struct sl_pattern_list *sl_pattern_hold(struct sl_pattern_list *list);
/* Frees and nulls; NULL is fine. */
void sl_pattern_free(struct sl_pattern_list **list);

/*
 * The first match that begins at `from` or behind it, of those that begin there the longest. Up to
 * SL_PATTERN_CHAR_MAX bytes before `from` are looked at to see where words begin. Takes time by where the
 * match is, not by how long the text is. Returns 1 or 0, -ENOMEM.
 */
int sl_pattern_find(struct sl_pattern_list *list, const char *text, size_t len, size_t from,
		    size_t *ret_at, size_t *ret_len);

/* Bytes at the end of a growing text before which all is settled; 0: an empty list. */
uint32_t sl_pattern_hold_back(const struct sl_pattern_list *list);

/* Its patterns. */
uint32_t sl_pattern_count(const struct sl_pattern_list *list);

#endif
