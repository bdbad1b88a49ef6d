/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * degrade_body.h - a chat completion with less in it: fewer tokens asked for, fewer messages, some tools
 * taken out and said to be missing. Pure; any thread.
 */
#ifndef SL_STAGE_DEGRADE_BODY_H
#define SL_STAGE_DEGRADE_BODY_H

#include <stdbool.h>
#include <stdint.h>
#include "user/base/text.h"

struct sl_degrade_less {
	uint32_t max_tokens; /* 0: as many as it says */
	uint32_t messages;   /* 0: all */
	/* Is this tool (its name, unescaped) to be taken out? NULL: none is. */
	bool (*is_dead)(void *owner, struct sl_span name);
	void *owner;
};

struct sl_degrade_done {
	bool max_tokens; /* was lowered, or set */
	bool messages;	 /* some are gone */
	uint32_t tools;	 /* that were taken out */
};

/*
 * Appends the body with less in it, which is only of use when *ret_done has anything. The body has been
 * read as a chat completion (sl_openai_request_read). Returns 0, -EINVAL or -ENOMEM.
 */
int sl_degrade_write(struct sl_span body, const struct sl_degrade_less *less, struct sl_text *out,
		     struct sl_degrade_done *ret_done);

#endif
