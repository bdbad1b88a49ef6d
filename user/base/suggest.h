/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * suggest.h - "did you mean": the known name that is closest to what was typed. Pure, any thread.
 */
#ifndef SL_BASE_SUGGEST_H
#define SL_BASE_SUGGEST_H

#include <stddef.h>

#define SL_SUGGEST_LEN_MAX 63u /* longer words get no suggestion */

/*
 * Edits (insert, delete, replace, swap neighbours; letters without case) that turn a into b:
 * "optimal string alignment". Words over SL_SUGGEST_LEN_MAX give UINT_MAX.
 */
unsigned sl_suggest_distance(const char *a, const char *b);

/* The closest of the names, or NULL when none is within a third of the word's length. */
const char *sl_suggest(const char *word, const char *const *names, size_t name_count);

#endif
