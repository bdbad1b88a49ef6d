/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/metrics_affinity.h"

#include <inttypes.h>
#include "user/ops/metrics_telemetry.h"
#include "user/request/near.h"

void sl_metrics_write_affinity(const struct sl_metrics_source *source, struct sl_text *text)
{
	static const char name[] = "sluice_affinity_total";
	const struct sl_kernel_plane *plane = source->plane;
	uint32_t pool, i, count = plane->settings->pool_count;
	int verdict;

	sl_text_printf(
		text,
		"# HELP %s Attempts whose prompt or session had a say, by what decided: a "
		"node that knows it (prefix, session), load as nobody did (miss), or load as "
		"those who do have too much of it (load).\n# TYPE %s counter\n",
		name, name);
	for (pool = 1; pool < count && pool < SL_POOLS_MAX; pool++) {
		for (verdict = SL_AFFINITY_NONE + 1; verdict < SL_AFFINITY_VERDICTS; verdict++) {
			uint64_t sum = 0;

			for (i = 0; i < source->worker_count; i++)
				sum += __atomic_load_n(
					&source->workers[i]->stats.affinity[pool][verdict],
					__ATOMIC_RELAXED);
			if (plane->pools[pool].present)
				sl_text_printf(text, "%s{pool=\"%s\",by=\"%s\"} %" PRIu64 "\n",
					       name, plane->pools[pool].name,
					       sl_near_word((enum sl_affinity_verdict)verdict),
					       sum);
		}
	}
	sl_metrics_write_telemetry(source, text);
}
