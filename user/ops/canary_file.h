/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * canary_file.h - a file of canary questions: one JSON object a line, empty lines and those that begin
 * with # apart.
 *
 *	{"id": "capital", "input": "The capital of France, in one word.", "checks": [{"contains": "Paris"}]}
 *
 *   id          names it; letters, digits and ._-, each once
 *   input       a user's message; or
 *   messages    a chat's, as they are
 *   checks      as in a prompt's regression suite (wire/template_suite.h); absent: an answer is there
 *   max_tokens  of the answer; absent: 256
 *   parameters  an object that goes into the request; absent: {"temperature": 0, "seed": 1}
 *
 * Thread: any; reads a file.
 */
#ifndef SL_OPS_CANARY_FILE_H
#define SL_OPS_CANARY_FILE_H

#include "user/base/arena.h"
#include "user/base/error.h"
#include "user/store/baselines.h"
#include "user/wire/template_suite.h"

#define SL_CANARY_FILE_BYTES_MAX (1u << 20)

struct sl_canary_question {
	const char *id;
	struct sl_span body; /* a chat completion */
	bool has_checks;
	struct sl_suite_case suite;
};

struct sl_canary_file {
	uint32_t count;
	struct sl_canary_question questions[SL_BASELINE_QUESTIONS_MAX];
};

/* model: its name as a JSON string. All is the arena's. Returns 0 or -errno with an error that names the
 * line. */
int sl_canary_file_read(const char *path, struct sl_span model, struct sl_arena *arena,
			struct sl_canary_file *ret_file, struct sl_error *error);

/* The same of text, which is not kept. */
int sl_canary_file_parse(struct sl_span text, struct sl_span model, struct sl_arena *arena,
			 struct sl_canary_file *ret_file, struct sl_error *error);

#endif
