/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_ask.h - one question of a health check: what is sent, and what the answer means.
 *
 *   question   sent                         good          not ready   failed            unclear
 *   live       GET path, or a connection    any but 5xx   503         other 5xx, none   -
 *   ready      GET ready                    2xx           any other   none              -
 *   models     GET /v1/models       any list      -           -                 all else
 *   generate   POST of one token            2xx, whole    -           5xx, none, bad    4xx, busy
 *
 * The probe of generation names a model, one message of one letter and max_tokens 1, nothing else: no
 * temperature, no sampling, no format, so that no server has a reason to refuse. A model that reasons
 * spends its token on a thought and answers with empty content and finish_reason "length"; that is
 * good. Unclear is what says something about the request or the load rather than the engine.
 *
 * The list of models says what the node serves (upstream/identity.h): a server that was started with
 * another model is found out before a request meets it. It changes nothing of the node's health, for there
 * are servers whose list has other names than their answers.
 *
 * All go where the pool's requests go: with its key, and with its path where theirs begins with
 * /v1. Of a pool with `api: anthropic` the probe asks for a message.
 *
 * Thread: the loop's; on a fiber.
 */
#ifndef SL_OPS_CHECK_ASK_H
#define SL_OPS_CHECK_ASK_H

#include "user/base/config.h"
#include "user/upstream/attempt.h"

enum sl_check_question {
	SL_CHECK_LIVE = 0,
	SL_CHECK_READINESS,
	SL_CHECK_MODELS,
	SL_CHECK_GENERATE,
	SL_CHECK_QUESTIONS
};

enum sl_check_reply {
	SL_CHECK_GOOD = 0,
	SL_CHECK_NOT_READY,
	SL_CHECK_FAILED,
	SL_CHECK_UNCLEAR,
	SL_CHECK_REPLIES
};

struct sl_check_ask {
	enum sl_check_question question;
	const struct sl_config_health *config;
	const struct sl_upstream_pool *pool; /* its path, key and API */
	const char *model_json; /* generate, models: the model's name as a JSON string */
	size_t model_json_len;
	uint64_t timeout_ms;
	const bool *gone; /* ends it early */
};

/* Asks the node and waits. attempt: initialised; its status, ending and detail tell the rest. */
enum sl_check_reply sl_check_ask(struct sl_attempt *attempt, const struct sl_upstream_grant *grant,
				 const struct sl_check_ask *ask);

/* The head and body of the question. Returns 0, or -ENOSPC when they are larger than the room. */
int sl_check_ask_write(const struct sl_check_ask *ask, const char *host, char *room,
		       size_t room_len, size_t *ret_head_len, size_t *ret_body_len);

#endif
