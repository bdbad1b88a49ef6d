/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * regex.h - regular expressions of strangers: those that a schema's `pattern` brings along.
 *
 * The dialect is ECMA-262 with the u flag, as JSON Schema wants it, without what no automaton can
 * do (back references, look-around) and without \p{...}: such a pattern is refused with a sentence,
 * never taken for something else. Search is the parallel simulation of all states (K. Thompson,
 * CACM 11(6), 1968): time is at most length times size of the program, whatever the pattern, so
 * there is none that explodes; the caller's budget of steps bounds that product too.
 *
 * Compiled programs are immutable; any thread, with work memory of its own.
 */
#ifndef SL_WIRE_REGEX_H
#define SL_WIRE_REGEX_H

#include <stddef.h>
#include <stdint.h>

#include "user/base/arena.h"
#include "user/base/error.h"

#define SL_REGEX_PATTERN_BYTES_MAX 2048u
#define SL_REGEX_PROGRAM_MAX	   4096u /* instructions; x{100} is a hundred times x */
#define SL_REGEX_REPEAT_MAX	   1000u
#define SL_REGEX_GROUPS_DEEP_MAX   24u

struct sl_regex;

/*
 * The program lives in the arena. Returns 0, -EINVAL (malformed, or not supported), -E2BIG (over one
 * of the limits above), -ENOMEM.
 */
int sl_regex_compile(const char *pattern, size_t len, struct sl_arena *arena,
		     struct sl_regex **ret_regex, struct sl_error *error);

/* Words of work memory that a search needs. */
size_t sl_regex_work_count(const struct sl_regex *regex);

/*
 * Is there a match anywhere in text (UTF-8; bytes that are none count as U+FFFD)? Takes what it
 * needs from *steps. Returns 1 or 0, or -E2BIG when the steps are used up.
 */
int sl_regex_search(const struct sl_regex *regex, const char *text, size_t len, uint32_t *work,
		    uint64_t *steps);

#endif
