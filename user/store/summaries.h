/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * summaries.h - summaries of beginnings of conversations, so that each is made once.
 *
 * A beginning is known by a chain of digests, one a message (sl_summary_chain), so that a longer
 * conversation finds the longest beginning of it that was summarised. Bounded in entries and bytes; the
 * one that was used longest ago goes. Any thread; one lock, held for a walk over the table.
 */
#ifndef SL_STORE_SUMMARIES_H
#define SL_STORE_SUMMARIES_H

#include "user/base/digest.h"
#include "user/base/text.h"

#define SL_SUMMARIES_MAX       512u
#define SL_SUMMARY_BYTES_MAX   (32u << 10)
#define SL_SUMMARIES_BYTES_MAX (8u << 20) /* of all of them */

struct sl_summaries;

int sl_summaries_open(struct sl_summaries **ret_summaries);
void sl_summaries_close(struct sl_summaries **summaries);

/* The chain with one more part; at first of zeros. */
void sl_summary_chain(uint8_t chain[SL_DIGEST_BYTES], struct sl_span part);

/* Appends the summary of that chain. False: there is none. summaries NULL: there is none. */
bool sl_summaries_find(struct sl_summaries *summaries, const uint8_t chain[SL_DIGEST_BYTES],
		       struct sl_text *out);

/* Keeps it; one that is too long, or without memory, is not kept. */
void sl_summaries_keep(struct sl_summaries *summaries, const uint8_t chain[SL_DIGEST_BYTES],
		       struct sl_span summary);

#endif
