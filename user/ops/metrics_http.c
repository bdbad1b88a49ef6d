/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/metrics_http.h"

#include <inttypes.h>

#define LOAD(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)

#define SUM(expression)                                                  \
	({                                                               \
		uint64_t sum_ = 0;                                       \
		for (uint32_t i_ = 0; i_ < source->worker_count; i_++) { \
			const struct sl_worker *w = source->workers[i_]; \
			sum_ += LOAD(w->expression);                     \
		}                                                        \
		sum_;                                                    \
	})

static void family(struct sl_text *text, const char *name, const char *type, const char *help)
{
	sl_text_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void single(struct sl_text *text, const char *name, const char *type, const char *help,
		   uint64_t value)
{
	family(text, name, type, help);
	sl_text_printf(text, "%s %" PRIu64 "\n", name, value);
}

/* Bodies of requests that we do not pass on. */
static void write_bodies(const struct sl_metrics_source *source, struct sl_text *text)
{
	static const struct {
		const char *reason;
		enum sl_json_bad from, to;
	} rows[] = {
		{"parameter", SL_JSON_BAD_NONE, SL_JSON_BAD_NONE},
		{"syntax", SL_JSON_BAD_EMPTY, SL_JSON_BAD_UTF8},
		{"depth", SL_JSON_BAD_DEPTH, SL_JSON_BAD_DEPTH},
		{"duplicate", SL_JSON_BAD_DUPLICATE, SL_JSON_BAD_DUPLICATE},
		{"letter_case", SL_JSON_BAD_CASE, SL_JSON_BAD_CASE},
		{"trailing", SL_JSON_BAD_TRAILING, SL_JSON_BAD_TRAILING},
		{"not_object", SL_JSON_BAD_NOT_OBJECT, SL_JSON_BAD_NOT_OBJECT},
	};

	family(text, "sluice_bodies_refused_total", "counter",
	       "Inference requests refused for their body, by reason.");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t sum = 0;

		for (int bad = (int)rows[i].from; bad <= (int)rows[i].to; bad++)
			sum += SUM(stats.refused_bodies[bad]);
		sl_text_printf(text, "sluice_bodies_refused_total{reason=\"%s\"} %" PRIu64 "\n",
			       rows[i].reason, sum);
	}
}

static void write_h2(const struct sl_metrics_source *source, struct sl_text *text)
{
	int i;

	single(text, "sluice_http2_connections", "gauge",
	       "Open client connections that speak HTTP/2.", SUM(server.h2.conns));
	single(text, "sluice_http2_connections_total", "counter",
	       "Client connections that went on as HTTP/2.", SUM(server.h2.accepted));
	single(text, "sluice_http2_streams", "gauge", "Open streams of those connections.",
	       SUM(server.h2.streams));
	single(text, "sluice_http2_resets_total", "counter", "Streams that clients gave up.",
	       SUM(server.h2.resets));
	family(text, "sluice_http2_refused_total", "counter",
	       "HTTP/2 streams refused and connections ended for what the client did, by reason.");
	for (i = 0; i < SL_H2_REFUSED_COUNT; i++)
		sl_text_printf(text, "sluice_http2_refused_total{reason=\"%s\"} %" PRIu64 "\n",
			       sl_h2_refusal_names[i], SUM(server.h2.refused[i]));
}

void sl_metrics_write_http(const struct sl_metrics_source *source, struct sl_text *text)
{
	static const char *const reasons[SL_SERVER_REFUSED_COUNT] = {
		"bad_head", "bad_body", "too_large", "too_slow", "too_many_connections"};
	int i;

	single(text, "sluice_http_connections", "gauge", "Open client connections.",
	       SUM(server.conn_count));
	single(text, "sluice_http_connections_accepted_total", "counter",
	       "Client connections accepted.", SUM(server.accepted));
	family(text, "sluice_http_requests_total", "counter",
	       "Complete HTTP requests received, on any path, by protocol.");
	sl_text_printf(text, "sluice_http_requests_total{protocol=\"http/1\"} %" PRIu64 "\n",
		       SUM(server.requests));
	sl_text_printf(text, "sluice_http_requests_total{protocol=\"http/2\"} %" PRIu64 "\n",
		       SUM(server.h2.requests));
	single(text, "sluice_requests_in_flight", "gauge",
	       "Inference requests and streams under way.", SUM(stats.in_flight));
	family(text, "sluice_http_refused_total", "counter",
	       "Requests or connections refused before a request was complete.");
	for (i = 0; i < SL_SERVER_REFUSED_COUNT; i++)
		sl_text_printf(text, "sluice_http_refused_total{reason=\"%s\"} %" PRIu64 "\n",
			       reasons[i], SUM(server.refused[i]));
	sl_text_printf(text, "sluice_http_refused_total{reason=\"overload\"} %" PRIu64 "\n",
		       SUM(stats.refused_overload));
	write_bodies(source, text);
	write_h2(source, text);
	single(text, "sluice_http_slow_readers_cut_total", "counter",
	       "Connections or streams reset because the client did not take its answer.",
	       SUM(server.cut));
	single(text, "sluice_upstream_connections", "gauge", "Open connections to nodes.",
	       SUM(upstream.conn_count));
	single(text, "sluice_upstream_connects_total", "counter", "Connections opened to nodes.",
	       SUM(upstream.connects));
	single(text, "sluice_upstream_reuses_total", "counter",
	       "Attempts that found an idle connection.", SUM(upstream.reuses));
}
