/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/metrics_tls.h"

#include <inttypes.h>
#include "user/base/address.h"

static const char *const sides[SL_TLS_ROLES] = {
	[SL_TLS_SERVER] = "clients",
	[SL_TLS_CLIENT] = "nodes",
};

/* offset: of the counter within struct sl_tls_stats. */
static uint64_t sum_of(const struct sl_metrics_source *source, size_t offset)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < source->worker_count; i++) {
		const struct sl_loop *loop =
			__atomic_load_n(&source->workers[i]->loop, __ATOMIC_ACQUIRE);
		const uint64_t *counter;

		if (!loop) /* its thread is starting */
			continue;
		counter =
			(const uint64_t *)(const void *)((const char *)sl_tls_stats(loop) + offset);
		sum += __atomic_load_n(counter, __ATOMIC_RELAXED);
	}
	return sum;
}

/* Seconds until the first certificate of a listener ends; reloads change it. */
static void write_ends(const struct sl_metrics_source *source, struct sl_text *text)
{
	char address[SL_ADDRESS_TEXT_SIZE];
	uint32_t i;

	sl_text_append_string(text,
			      "# HELP sluice_tls_certificate_end_seconds Unix time at which the "
			      "first certificate of a listener ends.\n"
			      "# TYPE sluice_tls_certificate_end_seconds gauge\n");
	for (i = 0; i < SL_CONFIG_LISTEN_MAX; i++) {
		int64_t end = __atomic_load_n(&source->certificate_ends[i], __ATOMIC_RELAXED);

		if (end)
			sl_text_printf(text,
				       "sluice_tls_certificate_end_seconds{listen=\"%s\"} %" PRId64
				       "\n",
				       sl_address_format(&source->listen[i], address), end);
	}
}

void sl_metrics_write_tls(const struct sl_metrics_source *source, struct sl_text *text)
{
	int side, failure;

	sl_text_append_string(text,
			      "# HELP sluice_tls_handshakes_total TLS handshakes, by how they "
			      "ended.\n# TYPE sluice_tls_handshakes_total counter\n");
	for (side = 0; side < SL_TLS_ROLES; side++) {
		sl_text_printf(
			text,
			"sluice_tls_handshakes_total{with=\"%s\",result=\"ok\"} %" PRIu64 "\n",
			sides[side], sum_of(source, offsetof(struct sl_tls_stats, ok[side])));
		for (failure = 0; failure < SL_TLS_FAILED_COUNT; failure++)
			sl_text_printf(
				text,
				"sluice_tls_handshakes_total{with=\"%s\",result=\"%s\"} %" PRIu64
				"\n",
				sides[side], sl_tls_failure_names[failure],
				sum_of(source,
				       offsetof(struct sl_tls_stats, failed[side][failure])));
	}
	sl_text_append_string(text, "# HELP sluice_tls_resumed_total Handshakes that resumed an "
				    "earlier session.\n# TYPE sluice_tls_resumed_total counter\n");
	for (side = 0; side < SL_TLS_ROLES; side++)
		sl_text_printf(text, "sluice_tls_resumed_total{with=\"%s\"} %" PRIu64 "\n",
			       sides[side],
			       sum_of(source, offsetof(struct sl_tls_stats, resumed[side])));
	write_ends(source, text);
}
