/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * counting.h - what is known of the lengths of prompts beside an estimate: tokenizers of the pools' models,
 * contexts that servers have told, counts that they have made, and how often each was of use.
 *
 *   tokenizers   read by jobs from the paths of the configuration, kept until the end; a path that is named
 *                again is not read again. At most SL_COUNTING_FILES; what is not read (yet) is NULL
 *   pools        by name: the context that its servers told, and whether they count; asked again after
 *                SL_COUNTING_AGAIN_MS, or SL_COUNTING_FAILED_MS where they did not say
 *   counts       by the digests of conversations (sl_summary_chain), so that one that goes on finds its
 *                beginning; a later one takes the place of an earlier
 *
 * Any thread; one lock, held for a few lines, none for a tokenizer.
 */
#ifndef SL_STORE_COUNTING_H
#define SL_STORE_COUNTING_H

#include "user/base/config.h"
#include "user/base/digest.h"
#include "user/io/work.h"
#include "user/store/tokenizer.h"

#define SL_COUNTING_FILES     32u
#define SL_COUNTING_CHAINS    4096u
#define SL_COUNTING_AGAIN_MS  600000u
#define SL_COUNTING_FAILED_MS 60000u

/* What a length that mattered rested on. */
enum sl_counting_way {
	SL_COUNTING_ESTIMATE = 0,
	SL_COUNTING_TOKENIZER, /* a tokenizer.json */
	SL_COUNTING_SERVER,    /* a node has counted */
	SL_COUNTING_KNOWN,     /* a node has counted its beginning before */
	SL_COUNTING_FAILED,    /* a node was asked and did not say */
	SL_COUNTING_WAYS
};

struct sl_counting;

/* work: for reading files; outlives it. 0 or -ENOMEM. */
int sl_counting_open(struct sl_work *work, struct sl_counting **ret_counting);

/*
 * Reads the tokenizers that a configuration names and that are not there; servers that did not count or
 * tell may be asked again at once. Control thread.
 */
void sl_counting_apply(struct sl_counting *counting, const struct sl_config *config);

/* After the jobs have ended. */
void sl_counting_close(struct sl_counting **counting);

/* NULL: none of that path, or it could not be read, or not yet. path NULL: NULL. */
const struct sl_tokenizer *sl_counting_tokenizer(const struct sl_counting *counting,
						 const char *path);

/*
 * The context that the pool's servers told; 0: it is not known. *ret_ask: the caller is to ask them now,
 * and to tell what came (0: nothing of use).
 */
uint32_t sl_counting_context(struct sl_counting *counting, const char *pool, uint64_t now_ms,
			     bool *ret_ask);
void sl_counting_tell_context(struct sl_counting *counting, const char *pool, uint32_t tokens,
			      uint64_t now_ms);

/* May the pool's servers be asked to count? Not for a while after they failed to. */
bool sl_counting_may_ask(struct sl_counting *counting, const char *pool, uint64_t now_ms);
void sl_counting_tell_failed(struct sl_counting *counting, const char *pool, uint64_t now_ms);

void sl_counting_keep(struct sl_counting *counting, const uint8_t chain[SL_DIGEST_BYTES],
		      uint64_t tokens);
/* 0: none of that chain. */
uint64_t sl_counting_find(struct sl_counting *counting, const uint8_t chain[SL_DIGEST_BYTES]);

void sl_counting_note(struct sl_counting *counting, enum sl_counting_way way);
uint64_t sl_counting_noted(const struct sl_counting *counting, enum sl_counting_way way);

/* As metrics: the tokenizers that are named and whether they are read, and the contexts that were told. */
void sl_counting_write(struct sl_counting *counting, struct sl_text *text);

#endif
