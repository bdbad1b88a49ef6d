/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/metrics_turns.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "user/io/turns.h"

#define NAMES_MAX (2 * SL_TURNS_PARTS_MAX)
#define ALL	  "all" /* the whole turn */

/* A part of all threads together. */
struct sums {
	const char *name;
	uint64_t long_count;
	struct sl_histogram ns;
};

struct table {
	uint32_t count;
	uint64_t slept;
	struct sums rows[NAMES_MAX];
};

static void add(struct table *table, const char *name, const struct sl_histogram *ns,
		const uint64_t *long_count)
{
	uint32_t i = 0;

	while (i < table->count && strcmp(table->rows[i].name, name))
		i++;
	if (i == NAMES_MAX)
		return;
	table->rows[i].name = name;
	table->count += i == table->count;
	table->rows[i].long_count += __atomic_load_n(long_count, __ATOMIC_RELAXED);
	sl_histogram_merge(&table->rows[i].ns, ns);
}

/* False: no thread measures. */
static bool gather(const struct sl_metrics_source *source, struct table *table)
{
	for (uint32_t i = 0; i < source->worker_count; i++) {
		const struct sl_loop *loop =
			__atomic_load_n(&source->workers[i]->loop, __ATOMIC_ACQUIRE);
		const struct sl_turns *turns = loop ? sl_turns_of(loop) : NULL;
		uint32_t count = turns ? __atomic_load_n(&turns->part_count, __ATOMIC_ACQUIRE) : 0;

		if (!turns)
			continue;
		add(table, ALL, &turns->ns, &turns->long_count);
		table->slept += __atomic_load_n(&turns->slept, __ATOMIC_RELAXED);
		for (uint32_t k = 0; k < count; k++)
			add(table, turns->parts[k].name, &turns->parts[k].ns,
			    &turns->parts[k].long_count);
	}
	return table->count > 0;
}

static void write_times(const struct table *table, struct sl_text *text)
{
	static const struct {
		const char *name;
		uint32_t per_mille;
	} quantiles[] = {{"0.5", 500}, {"0.99", 990}, {"0.999", 999}, {"1", 1000}};

	sl_text_append_string(text, "# HELP sluice_turn_cpu_seconds CPU time for which a turn of a "
				    "thread's loop, or one part of it, held the thread.\n"
				    "# TYPE sluice_turn_cpu_seconds summary\n");
	for (uint32_t i = 0; i < table->count; i++) {
		const struct sums *row = &table->rows[i];

		for (uint32_t q = 0; q < sizeof(quantiles) / sizeof(quantiles[0]); q++) {
			uint64_t ns =
				quantiles[q].per_mille == 1000
					? row->ns.max
					: sl_histogram_quantile(&row->ns, quantiles[q].per_mille);

			sl_text_printf(text,
				       "sluice_turn_cpu_seconds{part=\"%s\",quantile=\"%s\"} ",
				       row->name, quantiles[q].name);
			sl_text_append_scaled(text, ns, 9);
			sl_text_append_char(text, '\n');
		}
		sl_text_printf(text, "sluice_turn_cpu_seconds_sum{part=\"%s\"} ", row->name);
		sl_text_append_scaled(text, row->ns.sum, 9);
		sl_text_printf(text, "\nsluice_turn_cpu_seconds_count{part=\"%s\"} %" PRIu64 "\n",
			       row->name, row->ns.count);
	}
}

void sl_metrics_write_turns(const struct sl_metrics_source *source, struct sl_text *text)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table || !gather(source, table)) {
		free(table);
		return;
	}
	write_times(table, text);
	sl_text_append_string(text, "# HELP sluice_turns_long_total Turns, or times of a part, of "
				    "more than 50 us.\n"
				    "# TYPE sluice_turns_long_total counter\n");
	for (uint32_t i = 0; i < table->count; i++)
		sl_text_printf(text, "sluice_turns_long_total{part=\"%s\"} %" PRIu64 "\n",
			       table->rows[i].name, table->rows[i].long_count);
	sl_text_printf(text,
		       "# HELP sluice_turns_slept_total Turns in which the kernel put the thread "
		       "to sleep.\n# TYPE sluice_turns_slept_total counter\n"
		       "sluice_turns_slept_total %" PRIu64 "\n",
		       table->slept);
	free(table);
}
