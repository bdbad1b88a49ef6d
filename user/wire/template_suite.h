/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * template_suite.h - the regression suite of a prompt: what its answers must be.
 *
 *	{"variables": {...}, "input": "...", "checks": [CHECK, ...]}
 *
 *   variables   of the template; absent: none
 *   input       a user's message behind the template's; absent: none
 *   checks      1 to 16, all of which must hold
 *
 *   check                      holds when the answer
 *   {"exact": "text"}          is that text, blanks at both ends aside
 *   {"contains": "text"}       has it
 *   {"not_contains": "text"}   has it not
 *   {"regex": "pattern"}       has a match: POSIX extended, without {n,m} and \1, which could take
 *                              any time and memory
 *   {"json": true}             is valid JSON
 *   {"json": ["key", ...]}     is a JSON object with those keys
 *   {"length_max": N}          has at most so many bytes
 *
 * Pure; any thread.
 */
#ifndef SL_WIRE_TEMPLATE_SUITE_H
#define SL_WIRE_TEMPLATE_SUITE_H

#include "user/base/error.h"
#include "user/base/text.h"
#include "user/wire/json_scan.h"

#define SL_SUITE_CHECKS_MAX	   16u
#define SL_SUITE_TEXT_BYTES_MAX	   4096u
#define SL_SUITE_PATTERN_BYTES_MAX 256u

struct sl_suite_case {
	struct sl_json_field variables; /* ABSENT or an object; points into the body */
	struct sl_json_field input;	/* ABSENT or a string */
	struct sl_json_field checks;	/* an array, each element checked */
};

/* Reads and checks a case. -EINVAL with an error; any other bytes are taken as a case's body. */
int sl_suite_read(const char *body, size_t len, struct sl_suite_case *ret_case,
		  struct sl_error *error);

/*
 * Does an answer hold? False with *ret_check the index of the first check that it fails and error the
 * reason, which names the check and shows the beginning of the answer.
 */
bool sl_suite_holds(const struct sl_suite_case *of, const char *answer, size_t len,
		    size_t *ret_check, struct sl_error *error);

#endif
