/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * template_suite.h - the regression suite of a prompt: what its answers must be.
 *
 *	{"name": "...", "variables": {...}, "input": "...", "messages": [...], "checks": [CHECK, ...]}
 *
 *   name        for reports; in a template @test has it
 *   variables   of the template; absent: none
 *   input       a user's message behind the template's; absent: none
 *   messages    the same, as they are: a conversation
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
 *   {"schema": {...}}          is JSON that this JSON Schema allows (schema.h)
 *   {"length_max": N}          has at most so many bytes
 *   {"tokens_max": N}          the same in tokens, as the server has counted, else a quarter of the bytes
 *   {"similar": {"text": "...", "percent": N}}
 *                              means nearly the same: the product of their vectors is at least N / 100
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
	struct sl_json_field messages;	/* ABSENT or an array */
	struct sl_json_field name;	/* ABSENT or a string */
	struct sl_json_field checks;	/* an array, each element checked */
};

/* What is checked. */
struct sl_suite_answer {
	struct sl_span text;
	int64_t tokens; /* -1: not known */
	/* How near two texts are in meaning, in percent, or -errno. NULL: nobody can tell. */
	int (*likeness)(void *owner, struct sl_span a, struct sl_span b);
	void *owner;
};

/* Reads and checks a case. -EINVAL with an error; any other bytes are taken as a case's body. */
int sl_suite_read(const char *body, size_t len, struct sl_suite_case *ret_case,
		  struct sl_error *error);

/*
 * Does an answer hold? 1; 0 with *ret_check the index of the first check that it fails and error the
 * reason, which names the check and shows the beginning of the answer; or -errno where it cannot be told,
 * with both.
 */
int sl_suite_holds(const struct sl_suite_case *of, const struct sl_suite_answer *answer,
		   size_t *ret_check, struct sl_error *error);

#endif
