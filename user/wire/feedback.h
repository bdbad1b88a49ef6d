/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * feedback.h - the body of POST /v1/feedback: what a client thinks of an answer.
 *
 *	{"request_id": "req-...", "score": 0.5, "comment": "..."}
 *
 *   member       is
 *   request_id   the answer's x-request-id
 *   score        -1 (bad) to 1 (good)
 *   rating       0 (bad) to 1 (good)
 *   thumbs       "up" or "down", true or false
 *   label        a word: letters, digits, '_', '-', at most SL_FEEDBACK_LABEL_MAX. Some mean a score where
 *                none is given: good, correct, helpful 1; bad, wrong, incorrect, unhelpful, unsafe,
 *                hallucination -1
 *   comment      a text; what is over SL_FEEDBACK_COMMENT_MAX bytes is cut off, at a character
 *
 * One of score, rating and thumbs at most, and one of these or a label at least. Other members are left
 * alone. Pure; any thread, but no fiber: a number is read as floating point.
 */
#ifndef SL_WIRE_FEEDBACK_H
#define SL_WIRE_FEEDBACK_H

#include "user/wire/openai.h"

#define SL_FEEDBACK_LABEL_MAX	32u
#define SL_FEEDBACK_COMMENT_MAX 1000u
#define SL_FEEDBACK_ID_MAX	64u
#define SL_FEEDBACK_ONE		1000 /* a score of 1 */

struct sl_feedback_said {
	char request_id[SL_FEEDBACK_ID_MAX + 1];
	bool has_score;
	int32_t score; /* thousandths, -SL_FEEDBACK_ONE to SL_FEEDBACK_ONE */
	char label[SL_FEEDBACK_LABEL_MAX + 1]; /* "": none */
	char comment[SL_FEEDBACK_COMMENT_MAX + 1];
};

/* SL_OPENAI_OK, or the error, for sl_openai_error_write(). */
enum sl_openai_error_id sl_feedback_read(const char *body, size_t len,
					 struct sl_feedback_said *ret_said,
					 struct sl_openai_error *ret_error);

#endif
