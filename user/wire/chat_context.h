/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chat_context.h - the question of a chat completion, and a system message that is added to it without
 * building the rest anew. Pure; any thread.
 */
#ifndef SL_WIRE_CHAT_CONTEXT_H
#define SL_WIRE_CHAT_CONTEXT_H

#include <stdbool.h>
#include "user/base/text.h"
#include "user/wire/openai.h"

#define SL_CHAT_QUESTION_BYTES_MAX 8192u /* of it are looked at */

/*
 * Appends the text of the last message of the user (its text parts). Returns 0; -ENOENT: there is none,
 * it has no text, or the request is no chat completion; -ENOMEM, -E2BIG.
 */
int sl_chat_question(const struct sl_openai_request *facts, struct sl_text *out);

/*
 * Appends what the conversation says beside the assistant: system messages and results of tools; with `user`
 * the user's messages, too. Empty lines between them. Returns 0; -ENOENT: no chat completion with messages;
 * -ENOMEM, -E2BIG.
 */
int sl_chat_material(const struct sl_openai_request *facts, bool user, struct sl_text *out);

/*
 * Appends the body with one more system message of that text, behind the ones it begins with: what the
 * operator and the application said first stays first. Returns 0; -ENOENT: no chat completion with
 * messages; -ENOMEM, -E2BIG.
 */
int sl_chat_add_system(const struct sl_openai_request *facts, struct sl_span text,
		       struct sl_text *out);

/* Is a member absent, null, or an empty list? */
bool sl_chat_is_none(const struct sl_json_field *field);

/* Is it a chat completion: is there a first choice, and a message in it? */
bool sl_chat_answer_has_message(struct sl_span body);

/* Appends the text of the first choice. False: there is none but blanks, or no room for it in out, which is
 * as it was then. */
bool sl_chat_answer_text(struct sl_span body, struct sl_text *out);

/* A chat completion that is whole, all of it text: each choice ended by itself, calls no tool and refuses
 * nothing. What may be shown to another who asks the same. */
bool sl_chat_answer_is_plain(struct sl_span body);
/* The same of an answer with one choice, whose content, a string, is handed out. */
bool sl_chat_answer_plain_one(struct sl_span body, struct sl_json_field *ret_content);

#endif
