/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/metrics_fit.h"

#include <inttypes.h>
#include "user/request/fit.h"

void sl_metrics_write_fit(const struct sl_metrics_source *source, struct sl_text *text)
{
	static const char name[] = "sluice_pool_passed_over_total";
	const struct sl_kernel_plane *plane = source->plane;
	uint32_t pool, i, count = plane->settings->pool_count;
	int fit;

	sl_text_printf(text,
		       "# HELP %s Requests that the pool's servers could not be asked, by why: "
		       "their API lacks the endpoint, or cannot say the request.\n"
		       "# TYPE %s counter\n",
		       name, name);
	for (pool = 1; pool < count && pool < SL_POOLS_MAX; pool++) {
		for (fit = SL_FIT_GOOD + 1; fit < SL_FITS; fit++) {
			uint64_t sum = 0;

			for (i = 0; i < source->worker_count; i++)
				sum += __atomic_load_n(&source->workers[i]->stats.unfit[pool][fit],
						       __ATOMIC_RELAXED);
			if (plane->pools[pool].present && sum)
				sl_text_printf(text, "%s{pool=\"%s\",reason=\"%s\"} %" PRIu64 "\n",
					       name, plane->pools[pool].name,
					       sl_fit_word((enum sl_fit)fit), sum);
		}
	}
}
