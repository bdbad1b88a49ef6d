/* SPDX-License-Identifier: BSD-2-Clause */
/* Which requests are traced: by who asks, by the share, by how they end; what the queue keeps and loses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "user/request/traces.h"

#define PARENT "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-"
#define LOW    0xa3ce929d0e0e4736ull

static struct sl_config config;
static struct sl_random random_state;

static struct sl_trace_context begin(const char *lines)
{
	static struct sl_h1_head head;
	char request[1024];

	snprintf(request, sizeof(request), "POST / HTTP/1.1\r\nhost: a\r\n%s\r\n", lines);
	assert_true(sl_h1_parse_request(request, strlen(request), 0, &head) > 0);
	return sl_traces_begin(&config, &head, &random_state);
}

static void set(bool on, uint64_t share, bool follow)
{
	memset(&config, 0, sizeof(config));
	config.otlp.pool = on;
	config.otlp.traces = 1;
	config.tracing.share = share;
	config.tracing.follow = follow;
	config.tracing.slow_ms = 100;
	config.tracing.slow_first_ms = 50;
	sl_random_seed(&random_state, 1);
}

static const struct begin_case {
	const char *what;
	bool on;
	uint64_t share;
	bool follow;
	const char *lines;
	bool theirs; /* the trace is the client's */
	bool span, sampled, state;
} begins[] = {
	{"off, nothing came", false, 1000000000, true, "", false, false, false, false},
	{"off, for explain alone", false, 1000000000, true, PARENT "01\r\n", true, false, true,
	 false},
	{"of its own, all", true, 1000000000, true, "", false, true, true, false},
	{"of its own, none", true, 0, true, "", false, true, false, false},
	{"who asks says yes", true, 0, true, PARENT "01\r\n", true, true, true, false},
	{"who asks says no", true, 1000000000, true, PARENT "00\r\n", true, true, false, false},
	{"who asks is not heard: no", true, 0, false, PARENT "01\r\n", true, true, false, false},
	{"who asks is not heard: yes", true, 1000000000, false, PARENT "00\r\n", true, true, true,
	 false},
	{"with a state", true, 0, true, PARENT "01\r\ntracestate: a=1\r\n", true, true, true, true},
	{"with two states", true, 0, true, PARENT "01\r\ntracestate: a=1\r\ntracestate: b=2\r\n",
	 true, true, true, true},
	{"one of them bad", true, 0, true, PARENT "01\r\ntracestate: a=1\r\ntracestate: B=2\r\n",
	 true, true, true, false},
	{"a state without a parent", true, 0, true, "tracestate: a=1\r\n", false, true, false,
	 false},
	{"two parents", true, 0, true, PARENT "01\r\n" PARENT "01\r\n", false, true, false, false},
	{"a bad parent", true, 0, true, PARENT "0x\r\ntracestate: a=1\r\n", false, true, false,
	 false},
};

static void test_begin(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		const struct begin_case *c = &begins[i];
		struct sl_trace_context trace;

		set(c->on, c->share, c->follow);
		trace = begin(c->lines);
		if ((trace.low == LOW) != c->theirs || (trace.span != 0) != c->span ||
		    ((trace.flags & SL_TRACE_SAMPLED) != 0) != c->sampled ||
		    trace.state != c->state || (c->on && !sl_trace_is(&trace)) ||
		    (c->theirs ? trace.parent != 0xf067aa0ba902b7ull : trace.parent != 0))
			fail_msg("%s", c->what);
	}
}

static const struct end_case {
	const char *what;
	uint32_t keep;
	bool sampled;
	struct sl_trace_end end;
	bool kept;
} ends[] = {
	{"sampled", 0, true, {.outcome = SL_FEED_GOOD}, true},
	{"not sampled", 0, false, {.outcome = SL_FEED_FAILED}, false},
	{"failed", SL_CONFIG_KEEP_ERRORS, false, {.outcome = SL_FEED_FAILED}, true},
	{"broken", SL_CONFIG_KEEP_ERRORS, false, {.outcome = SL_FEED_BROKEN}, true},
	{"refused is no error", SL_CONFIG_KEEP_ERRORS, false, {.outcome = SL_FEED_REFUSED}, false},
	{"its client left", SL_CONFIG_KEEP_ERRORS, false, {.outcome = SL_FEED_GONE}, false},
	{"slow", SL_CONFIG_KEEP_SLOW, false, {.duration_us = 100000}, true},
	{"just fast", SL_CONFIG_KEEP_SLOW, false, {.duration_us = 99999}, false},
	{"slow to begin",
	 SL_CONFIG_KEEP_SLOW,
	 false,
	 {.duration_us = 60000, .first_us = 50000},
	 true},
	{"slow, but nobody asks", SL_CONFIG_KEEP_ERRORS, false, {.duration_us = 100000}, false},
	{"a step down", SL_CONFIG_KEEP_DEGRADED, false, {.degraded = 4}, true},
	{"a fallback", SL_CONFIG_KEEP_DEGRADED, false, {.fell_back = true}, true},
	{"neither", SL_CONFIG_KEEP_DEGRADED, false, {.outcome = SL_FEED_FAILED}, false},
};

static void test_end(void **unused)
{
	struct sl_trace_record record;
	struct sl_traces traces;
	struct sl_trails trails;

	(void)unused;
	sl_traces_init(&traces);
	sl_trails_init(&trails);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		const struct end_case *c = &ends[i];
		struct sl_trail_ref ref = sl_trail_begin(&trails, "a", 0);
		struct sl_trace_end end = c->end;

		set(true, 0, true);
		config.tracing.keep = c->keep;
		ref.trace = (struct sl_trace_context){
			.low = 1, .span = 1, .flags = c->sampled ? SL_TRACE_SAMPLED : 0};
		end.id = "a";
		sl_traces_end(&traces, &config, &ref, &end);
		if (sl_traces_take(&traces, &record) != c->kept)
			fail_msg("%s", c->what);
	}
	sl_traces_fini(&traces);
	sl_trails_fini(&trails);
}

/* Full: the new one is lost and counted, those before it are there, in their order. */
static void test_full(void **unused)
{
	struct sl_trace_record record;
	struct sl_traces traces;
	struct sl_trails trails;

	(void)unused;
	set(true, 0, true);
	sl_traces_init(&traces);
	sl_trails_init(&trails);
	for (uint32_t i = 0; i < SL_TRACES_RECORDS + 3; i++) {
		struct sl_trail_ref ref = sl_trail_begin(&trails, "a", 0);

		ref.trace =
			(struct sl_trace_context){.low = 1, .span = 1, .flags = SL_TRACE_SAMPLED};
		sl_traces_end(&traces, &config, &ref,
			      &(struct sl_trace_end){.id = "a", .duration_us = i});
	}
	assert_int_equal(traces.lost, 3);
	for (uint32_t i = 0; i < SL_TRACES_RECORDS; i++) {
		assert_true(sl_traces_take(&traces, &record));
		assert_int_equal(record.duration_us, i);
	}
	assert_false(sl_traces_take(&traces, &record));
	sl_traces_fini(&traces);
	sl_trails_fini(&trails);
}

/* A stream that outlives a thousand requests has lost its trail: its ids and its end are told. */
static void test_overtaken(void **unused)
{
	struct sl_trace_record record;
	struct sl_traces traces;
	struct sl_trails trails;
	struct sl_trail_ref ref;

	(void)unused;
	set(true, 0, true);
	sl_traces_init(&traces);
	sl_trails_init(&trails);
	ref = sl_trail_begin(&trails, "long", 0);
	ref.trace = (struct sl_trace_context){.high = 7, .low = 8, .span = 9, .flags = 1};
	for (uint32_t i = 0; i < SL_TRAIL_ENTRIES; i++)
		sl_trail_begin(&trails, "short", 0);
	sl_traces_end(&traces, &config, &ref,
		      &(struct sl_trace_end){
			      .id = "long", .model = "m", .duration_us = 5000, .status = 200});
	assert_int_equal(traces.overtaken, 1);
	assert_true(sl_traces_take(&traces, &record));
	assert_true(record.overtaken);
	assert_string_equal(record.trail.id, "long");
	assert_string_equal(record.trail.model, "m");
	assert_true(record.trail.trace.high == 7 && record.trail.trace.span == 9);
	assert_int_equal(record.trail.event_count, 0);
	assert_int_equal(record.duration_us, 5000);
	sl_traces_fini(&traces);
	sl_trails_fini(&trails);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_begin),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_overtaken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
