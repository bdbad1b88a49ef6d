/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chat_gather.h - the text of a streamed chat completion, put together from its chunks.
 *
 * Only what is one choice's text, to its own end (finish_reason stop): an answer that calls tools, has other
 * choices, is cut or is too long is none. Pure but for its memory; one thread.
 */
#ifndef SL_WIRE_CHAT_GATHER_H
#define SL_WIRE_CHAT_GATHER_H

#include <stdbool.h>
#include "user/base/text.h"

struct sl_chat_gather {
	struct sl_text text; /* inside of a JSON string; its error -E2BIG: the answer is too long */
	bool stopped, spoilt;
};

void sl_chat_gather_init(struct sl_chat_gather *gather, size_t bytes_max);
void sl_chat_gather_fini(struct sl_chat_gather *gather);

/* One chunk, valid JSON. */
void sl_chat_gather_chunk(struct sl_chat_gather *gather, const char *data, size_t len);

/* Did it come to its own end? */
bool sl_chat_gather_is_whole(const struct sl_chat_gather *gather);

/*
 * The text, unescaped, on the heap and the caller's, with a NUL behind it; NULL: it is empty, or there is no
 * memory.
 */
char *sl_chat_gather_take(const struct sl_chat_gather *gather, size_t *ret_len);

#endif
