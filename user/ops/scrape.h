/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scrape.h - reads how busy an inference server is, and which LoRA adapters it has in use, from the
 * page of its metrics.
 *
 * Prometheus text format 0.0.4, piece by piece as it arrives; a line may be cut anywhere. Known are
 * the names of vLLM, SGLang, TGI, llama.cpp and TensorRT-LLM (scrape.c has the table). A server of
 * several engines shows a line for each: running and waiting requests are added up, of the KV cache
 * the fullest counts. What a server shows of its adapters under several sets of labels, as vLLM does
 * with old ones, is true where the value, a time, is the latest. Bytes of a peer: what is no number or no metric is skipped, lines beyond
 * SL_SCRAPE_LINE_MAX are skipped, numbers are cut to their range. No allocation, no state but the
 * struct. One thread.
 */
#ifndef SL_OPS_SCRAPE_H
#define SL_OPS_SCRAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/policy/load.h"

#define SL_SCRAPE_LINE_MAX 2048u

struct sl_scrape {
	double running;
	double waiting;
	double kv_share; /* 0..1 */
	double kv_tokens;
	double adapters_s;		     /* when the adapters below were in use */
	double adapters_used, adapters_most; /* of servers that do not name them */
	uint32_t known;			     /* lines that were understood */
	uint32_t adapter_count;
	uint32_t adapter_max;
	uint64_t adapters[SL_LOAD_ADAPTERS_MAX];
	size_t line_len;
	bool too_long;
	char line[SL_SCRAPE_LINE_MAX];
};

void sl_scrape_begin(struct sl_scrape *scrape);

/* The next bytes of the page. */
void sl_scrape_feed(struct sl_scrape *scrape, const char *data, size_t len);

/*
 * The page is complete. Zeros where it did not say anything. Returns false when it showed no metric
 * that is known: *ret_load is all zero then.
 */
bool sl_scrape_end(struct sl_scrape *scrape, struct sl_load_reading *ret_load);

#endif
