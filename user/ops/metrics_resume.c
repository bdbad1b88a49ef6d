/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/metrics_resume.h"

#include <inttypes.h>
#include <string.h>
#include "user/request/resume.h"

static void write_sample(const struct sl_metrics_source *source, struct sl_text *text,
			 const char *name, uint32_t route, const char *label, uint64_t value)
{
	const char *model = source->names->names[route];

	sl_text_printf(text, "%s{route=\"", name);
	sl_text_append_json(text, model, strlen(model));
	sl_text_printf(text, "\"%s} %" PRIu64 "\n", label, value);
}

static void write_results(const struct sl_metrics_source *source, struct sl_text *text,
			  const char *name, const char *label, int first, int end)
{
	uint32_t route, count = __atomic_load_n(&source->names->count, __ATOMIC_ACQUIRE);
	char labels[64];

	for (route = 1; route < count; route++) {
		for (int r = first; r < end; r++) {
			uint64_t sum = sl_metrics_route_sum(
				source, route, offsetof(struct sl_route_stats, resumptions[r]));

			if (!sum)
				continue;
			snprintf(labels, sizeof(labels), ",%s=\"%s\"", label,
				 sl_resume_word((enum sl_resumption)r));
			write_sample(source, text, name, route, labels, sum);
		}
	}
}

void sl_metrics_write_resume(const struct sl_metrics_source *source, struct sl_text *text)
{
	static const char held[] = "sluice_stream_held_back_bytes_total";
	uint32_t route, count = __atomic_load_n(&source->names->count, __ATOMIC_ACQUIRE);

	sl_text_append_string(text,
			      "# HELP sluice_streams_resumed_total Streams that broke and went "
			      "on, on another node, by how.\n"
			      "# TYPE sluice_streams_resumed_total counter\n");
	write_results(source, text, "sluice_streams_resumed_total", "how", SL_RESUMPTION_CONTINUED,
		      SL_RESUMPTION_RESTARTED + 1);
	sl_text_append_string(text,
			      "# HELP sluice_streams_not_resumed_total Streams that broke and "
			      "could have gone on but for the reason.\n"
			      "# TYPE sluice_streams_not_resumed_total counter\n");
	write_results(source, text, "sluice_streams_not_resumed_total", "reason",
		      SL_RESUMPTION_RESTARTED + 1, SL_RESUMPTIONS);
	sl_text_printf(
		text,
		"# HELP %s Text that restarted streams sent once more and the client did not "
		"get again.\n# TYPE %s counter\n",
		held, held);
	for (route = 1; route < count; route++) {
		uint64_t sum = sl_metrics_route_sum(
			source, route, offsetof(struct sl_route_stats, held_back_bytes));

		if (sum)
			write_sample(source, text, held, route, "", sum);
	}
}
