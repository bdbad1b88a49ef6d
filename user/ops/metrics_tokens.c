/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/metrics_tokens.h"

#include <inttypes.h>
#include "user/stage/stage.h"
#include "user/store/counting.h"

void sl_metrics_write_tokens(const struct sl_metrics_source *source, struct sl_text *text)
{
	static const char *const ways[SL_COUNTING_WAYS] = {"estimate", "tokenizer", "server",
							   "server_before", "failed"};
	static const char name[] = "sluice_token_counts_total";
	const struct sl_stores *stores = source->worker_count ? source->workers[0]->stores : NULL;

	if (!stores || !stores->counting)
		return;
	sl_text_printf(
		text,
		"# HELP %s Lengths of conversations near a limit, by what told them; failed: "
		"a node was asked and did not say.\n# TYPE %s counter\n",
		name, name);
	for (int way = 0; way < SL_COUNTING_WAYS; way++)
		sl_text_printf(text, "%s{by=\"%s\"} %" PRIu64 "\n", name, ways[way],
			       sl_counting_noted(stores->counting, (enum sl_counting_way)way));
	sl_counting_write(stores->counting, text);
}
