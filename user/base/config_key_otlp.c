/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys of what is sent to an OpenTelemetry collector, and its checks. */
#include <stdio.h>
#include "user/base/config_check.h"
#include "user/base/config_key_rows.h"
#include "user/base/pairs.h"

#define OTLP(member)	offsetof(struct sl_config, otlp.member)
#define TRACING(member) offsetof(struct sl_config, tracing.member)
#define PAIRS_MAX	2048u
#define SERVICE_MAX	128u
#define SECOND_MS	1000u

static const char *const keep_choices[] = {"errors", "slow", "degraded", NULL};

static const struct sl_config_key keys[] = {
	{SL_CONFIG_ROOT, SL_CONFIG_SECTION_MAP, "otlp", 0, NULL, SL_CONFIG_OTLP, 0, NULL, false,
	 "a map", "The OpenTelemetry collector that traces and metrics are sent to."},
	{SL_CONFIG_ROOT, SL_CONFIG_SECTION_MAP, "tracing", 0, NULL, SL_CONFIG_TRACING, 0, NULL,
	 false, "a map", "Which requests have their trace sent to `otlp.pool`."},

	{SL_CONFIG_OTLP, SL_CONFIG_POOL_REF, "pool", OTLP(pool), NULL, 0, 0, NULL, false,
	 "a pool's name",
	 "Pool of collectors that take OTLP over HTTP (port 4318), protobuf: POST /v1/traces and "
	 "/v1/metrics, below the pool's `path`. It has what each pool has: TLS, a key, a breaker. "
	 "Without it nothing is sent, and a client's trace context is passed on as it came."},
	{SL_CONFIG_OTLP, SL_CONFIG_CHOICE, "traces", OTLP(traces), "true", 0, 0, sl_config_bools,
	 false, NULL, "Are traces sent?"},
	{SL_CONFIG_OTLP, SL_CONFIG_MS, "metrics", OTLP(metrics_ms), "0", 0, HOUR_MS, NULL, false,
	 NULL, "How often all of /metrics is sent too. 0: never; a scraper reads it."},
	{SL_CONFIG_OTLP, SL_CONFIG_TOKEN, "headers", OTLP(headers), NULL, 0, PAIRS_MAX, NULL, false,
	 "NAME=VALUE,NAME=VALUE, values percent-coded, best with `${NAME}` from the environment",
	 "Header lines of every export, as in OTEL_EXPORTER_OTLP_HEADERS: "
	 "`authorization=Bearer%20${TOKEN}`."},
	{SL_CONFIG_OTLP, SL_CONFIG_TEXT, "service", OTLP(service), "sluice", 0, SERVICE_MAX, NULL,
	 false, "a name", "service.name of this daemon."},
	{SL_CONFIG_OTLP, SL_CONFIG_TEXT, "attributes", OTLP(attributes), NULL, 0, PAIRS_MAX, NULL,
	 false, "NAME=VALUE,NAME=VALUE, values percent-coded",
	 "Further attributes of the resource, as in OTEL_RESOURCE_ATTRIBUTES: "
	 "`deployment.environment.name=production`."},
	{SL_CONFIG_OTLP, SL_CONFIG_MS, "timeout", OTLP(timeout_ms), "10s", 10, 60 * SECOND_MS, NULL,
	 false, NULL, "How long a collector may take to answer one export."},
	{SL_CONFIG_OTLP, SL_CONFIG_MS, "wait", OTLP(wait_ms), "1m", SECOND_MS, HOUR_MS, NULL, false,
	 NULL,
	 "How long traces wait for a collector that does not take them; then they are dropped, and "
	 "counted. Some 4 MB of them wait at most."},

	{SL_CONFIG_TRACING, SL_CONFIG_MONEY, "sample", TRACING(share), "0.01", 0, 1000000000ull,
	 NULL, false, "a share like 0.01, 1 is all of them",
	 "Share of requests whose trace is sent, where who asks has not decided. By the trace's "
	 "id: all who sample the same share take the same traces."},
	{SL_CONFIG_TRACING, SL_CONFIG_CHOICE, "follow", TRACING(follow), "true", 0, 0,
	 sl_config_bools, false, NULL,
	 "`true`: the flag in a client's `traceparent` decides, as the standard wants. `false`: "
	 "`sample` does for all, where clients are strangers who could have everything sent."},
	{SL_CONFIG_TRACING, SL_CONFIG_SET, "keep", TRACING(keep), "errors", 0, 0, keep_choices,
	 false, NULL,
	 "Sent whatever `sample` says. `errors`: ended with 5xx or in a broken stream. `slow`: by "
	 "`slow` or `slow_first`. `degraded`: a ladder stepped down, or a fallback answered. That "
	 "is known at the end, so the nodes were told that they are not sampled."},
	{SL_CONFIG_TRACING, SL_CONFIG_MS, "slow", TRACING(slow_ms), "30s", 1, HOUR_MS, NULL, false,
	 NULL, "A request that takes so long is slow."},
	{SL_CONFIG_TRACING, SL_CONFIG_MS, "slow_first", TRACING(slow_first_ms), "10s", 1, HOUR_MS,
	 NULL, false, NULL, "So is one whose first token (of a whole answer, all of it) does."},
};

const struct sl_config_key_table sl_config_keys_otlp = SL_CONFIG_KEY_TABLE(keys);

/* ---- checks ---------------------------------------------------------------------------------- */

struct checked {
	bool is_header; /* of those looked at */
	bool good;
};

static bool is_header_name(struct sl_span name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.data[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !memchr("-_.", c, 3))
			return false;
	}
	return true;
}

static void check_pair(void *arg, struct sl_span key, struct sl_span value)
{
	struct checked *checked = arg;

	if (!checked->is_header)
		return;
	checked->good &= is_header_name(key);
	for (size_t i = 0; i < value.len; i++)
		checked->good &= value.data[i] >= 0x20 && value.data[i] <= 0x7e;
}

static void check_pairs(const char *name, const char *pairs, bool is_header,
			struct sl_report *report)
{
	struct checked checked = {.is_header = is_header, .good = true};
	struct sl_span bad = SL_SPAN("");

	if (!pairs)
		return;
	if (!sl_pairs_each(sl_span_string(pairs), check_pair, &checked, &bad))
		/* its value may be a secret */
		sl_report_add(
			report, 0, 0,
			"otlp.%s: the pair that begins \"%.*s\" is none (expected NAME=VALUE, "
			"the value percent-coded)",
			name, (int)sl_span_find(bad, '='), bad.data);
	else if (!checked.good)
		sl_report_add(report, 0, 0,
			      "otlp.%s: a name or a value cannot be a header's (expected letters, "
			      "digits, '-', '_' and '.', and visible ASCII)",
			      name);
}

void sl_config_check_otlp(const struct sl_config *config, struct sl_report *report)
{
	check_pairs("headers", config->otlp.headers, true, report);
	check_pairs("attributes", config->otlp.attributes, false, report);
}
