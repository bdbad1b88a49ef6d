/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scrape.h - reads how busy an inference server is from the page of its metrics.
 *
 * Prometheus text format 0.0.4, piece by piece as it arrives; a line may be cut anywhere. Known are
 * the names of vLLM, SGLang, TGI, llama.cpp and TensorRT-LLM (scrape.c has the table). A server of
 * several engines shows a line for each: running and waiting requests are added up, of the KV cache
 * the fullest counts. Bytes of a peer: what is no number or no metric is skipped, lines beyond
 * SL_SCRAPE_LINE_MAX are skipped, numbers are cut to their range. No allocation, no state but the
 * struct. One thread.
 */
#ifndef SL_OPS_SCRAPE_H
#define SL_OPS_SCRAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_SCRAPE_LINE_MAX 1024u

struct sl_scrape {
	double running;
	double waiting;
	double kv_share; /* 0..1 */
	uint32_t known;	 /* lines that were understood */
	size_t line_len;
	bool too_long;
	char line[SL_SCRAPE_LINE_MAX];
};

/* What the page said; zeros where it did not. */
struct sl_scrape_load {
	uint32_t running;
	uint32_t waiting;
	uint32_t kv_permille; /* 0..1000 */
};

void sl_scrape_begin(struct sl_scrape *scrape);

/* The next bytes of the page. */
void sl_scrape_feed(struct sl_scrape *scrape, const char *data, size_t len);

/*
 * The page is complete. Returns false when it showed no metric that is known: *ret_load is all zero
 * then.
 */
bool sl_scrape_end(struct sl_scrape *scrape, struct sl_scrape_load *ret_load);

#endif
