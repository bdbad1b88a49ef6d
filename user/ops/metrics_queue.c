/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/metrics_queue.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define NS_DIGITS   9u
#define LABELS_SIZE (SL_CONFIG_NAME_MAX + 64u)

/* What a queue said at one moment, so that no lock is held while text is made. */
struct sample {
	uint32_t depth[SL_QUEUE_CLASSES];
	uint64_t bytes, estimate_ns;
	bool overloaded;
	uint64_t counts[SL_QUEUE_VERDICTS][SL_QUEUE_CLASSES];
};

static void family(struct sl_text *text, const char *name, const char *type, const char *help)
{
	sl_text_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static struct sl_room *room_of(const struct sl_metrics_source *source, uint32_t pool)
{
	const struct sl_rooms *rooms = source->workers[0]->desk.rooms;

	if (!rooms || !source->plane->pools[pool].present)
		return NULL;
	return __atomic_load_n(&rooms->by_pool[pool], __ATOMIC_ACQUIRE);
}

static void take(struct sl_room *room, struct sample *sample)
{
	int c, v;

	pthread_mutex_lock(&room->lock);
	for (c = 0; c < SL_QUEUE_CLASSES; c++) {
		sample->depth[c] = room->queue.classes[c].count;
		for (v = 0; v < SL_QUEUE_VERDICTS; v++)
			sample->counts[v][c] = room->queue.counts[v][c];
	}
	sample->bytes = room->queue.bytes;
	sample->overloaded = room->queue.overloaded;
	sample->estimate_ns = sl_queue_estimate_ns(&room->queue, SL_KEY_CLASS_BATCH, 0);
	pthread_mutex_unlock(&room->lock);
}

static const char *class_name(int class)
{
	return sl_key_class_name((enum sl_key_class) class);
}

static void write_results(const char *pool, const struct sample *sample, struct sl_text *text)
{
	int c, v;

	for (v = SL_QUEUE_GRANTED; v < SL_QUEUE_VERDICTS; v++) {
		for (c = 0; c < SL_QUEUE_CLASSES; c++) {
			if (!sample->counts[v][c])
				continue;
			sl_text_printf(text,
				       "sluice_queue_requests_total{pool=\"%s\",class=\"%s\","
				       "result=\"%s\"} %" PRIu64 "\n",
				       pool, class_name(c),
				       sl_queue_verdict_name((enum sl_queue_verdict)v),
				       sample->counts[v][c]);
		}
	}
}

enum gauge { GAUGE_DEPTH, GAUGE_BYTES, GAUGE_ESTIMATE, GAUGE_OVERLOADED, GAUGES };

static const struct {
	const char *name, *help;
} gauges[GAUGES] = {
	[GAUGE_DEPTH] = {"sluice_queue_depth", "Requests that wait for the pool, by class."},
	[GAUGE_BYTES] = {"sluice_queue_bytes", "Memory of the requests that wait."},
	[GAUGE_ESTIMATE] = {"sluice_queue_estimate_seconds",
			    "How long a new request of the lowest class would wait."},
	[GAUGE_OVERLOADED] = {"sluice_queue_overloaded",
			      "1 while the newest go first and the lowest class is shed."},
};

static void write_gauge(enum gauge gauge, const char *pool, const struct sample *sample,
			struct sl_text *text)
{
	int c;

	for (c = 0; gauge == GAUGE_DEPTH && c < SL_QUEUE_CLASSES; c++)
		sl_text_printf(text, "sluice_queue_depth{pool=\"%s\",class=\"%s\"} %u\n", pool,
			       class_name(c), sample->depth[c]);
	if (gauge == GAUGE_DEPTH)
		return;
	sl_text_printf(text, "%s{pool=\"%s\"} ", gauges[gauge].name, pool);
	if (gauge == GAUGE_ESTIMATE)
		sl_text_append_scaled(text, sample->estimate_ns, NS_DIGITS);
	else
		sl_text_append_u64(text, gauge == GAUGE_BYTES ? sample->bytes : sample->overloaded);
	sl_text_append_char(text, '\n');
}

static void write_waits(const struct sl_metrics_source *source, uint32_t count,
			struct sl_text *text)
{
	char labels[LABELS_SIZE];
	uint32_t pool;
	int c;

	family(text, "sluice_queue_wait_seconds", "histogram",
	       "Waits of the requests that got a place, by class.");
	for (pool = 1; pool < count; pool++) {
		const struct sl_room *room = room_of(source, pool);

		for (c = 0; room && c < SL_QUEUE_CLASSES; c++) {
			if (!room->wait_us[c].count)
				continue;
			snprintf(labels, sizeof(labels), "pool=\"%s\",class=\"%s\"",
				 source->plane->pools[pool].name, class_name(c));
			sl_histogram_append_prometheus(
				&room->wait_us[c], text, "sluice_queue_wait_seconds", labels,
				sl_histogram_latency_edges_us, SL_HISTOGRAM_LATENCY_EDGES, 6);
		}
	}
}

/* Pools for which nobody has waited yet have no samples. */
void sl_metrics_write_queue(const struct sl_metrics_source *source, struct sl_text *text)
{
	uint32_t pool, count = source->plane->settings->pool_count;
	struct sample *samples;
	int gauge;

	if (count > SL_POOLS_MAX)
		count = SL_POOLS_MAX;
	samples = calloc(count, sizeof(*samples));
	if (!samples)
		return;
	for (pool = 1; pool < count; pool++) {
		struct sl_room *room = room_of(source, pool);

		if (room)
			take(room, &samples[pool]);
	}
	for (gauge = 0; gauge < GAUGES; gauge++) {
		family(text, gauges[gauge].name, "gauge", gauges[gauge].help);
		for (pool = 1; pool < count; pool++) {
			if (room_of(source, pool))
				write_gauge((enum gauge)gauge, source->plane->pools[pool].name,
					    &samples[pool], text);
		}
	}
	family(text, "sluice_queue_requests_total", "counter",
	       "Requests for which a pool had no place at once, by what came of it.");
	for (pool = 1; pool < count; pool++) {
		if (room_of(source, pool))
			write_results(source->plane->pools[pool].name, &samples[pool], text);
	}
	write_waits(source, count, text);
	free(samples);
}
