/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reply.h - is a model's answer one? Refusals by what they begin with, citations by their form. Pure; any
 * thread.
 */
#ifndef SL_POLICY_REPLY_H
#define SL_POLICY_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#define SL_REPLY_REFUSAL_MAX \
	1000u /* bytes; a longer text that begins so goes on to say something */

/*
 * Does the text say, as models do, that they will not or cannot answer? English, German, French, Spanish,
 * Italian, Portuguese. "I cannot find it in the document" is an answer.
 */
bool sl_reply_is_refusal(const char *text, size_t len);

/* Is there a citation by number, [1] or [2, 3]? */
bool sl_reply_has_number(const char *text, size_t len);

/* Is there a link, http:// or https:// and a host? */
bool sl_reply_has_link(const char *text, size_t len);

/* Blanks alone? */
bool sl_reply_is_blank(const char *text, size_t len);

#endif
