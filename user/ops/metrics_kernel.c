/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/metrics_kernel.h"

#include <inttypes.h>

void sl_metrics_write_kernel(const struct sl_metrics_source *source, struct sl_text *text)
{
	static const struct {
		const char *name;
		const char *help;
	} counters[SL_COUNTER_COUNT] = {
#define X(id, name, help) [SL_COUNTER_##id] = {"sluice_kernel_" name "_total", help},
#include "bpf/counters.def"
#undef X
	};
	uint32_t cpu, cpu_count = source->plane->settings->cpu_count;
	int c;

	if (!source->plane->counters)
		return;
	for (c = 0; c < SL_COUNTER_COUNT; c++) {
		const char *name = counters[c].name;
		uint64_t sum = 0;

		for (cpu = 0; cpu < cpu_count && cpu < SL_CPUS_MAX; cpu++)
			sum += __atomic_load_n(&source->plane->counters[cpu].v[c],
					       __ATOMIC_RELAXED);
		sl_text_printf(text, "# HELP %s %s\n# TYPE %s counter\n%s %" PRIu64 "\n", name,
			       counters[c].help, name, name, sum);
	}
}
