/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_trace.c - `sluice trace`: each decision of the packet path with its reason, as it is made.
 *
 * Whatever ends it - Ctrl-C, a signal, --seconds, --count, nobody who reads - switches it off again.
 * SIGKILL leaves it on for SL_TRACE_LEASE_MS.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "loader/command.h"
#include "loader/pins.h"
#include "loader/say.h"
#include "loader/screen.h"
#include "loader/trace.h"
#include "user/base/clock.h"
#include "user/base/unit.h"

#define POLL_MS	    250
#define LINE_BYTES  2048u
#define SECONDS_MAX 86400u

struct tracer {
	const struct sl_view *view;
	struct sl_trace_filter filter;
	uint64_t begun_ns; /* older records are of an earlier trace */
	uint64_t until_ns; /* 0: no end */
	uint64_t count_max;
	uint64_t count;
	uint64_t wall_offset_ns;
	bool json;
	bool deaf; /* nobody reads what is printed */
};

static int take(void *context, void *data, size_t size)
{
	const struct sl_trace *record = data;
	struct tracer *tracer = context;
	char memory[LINE_BYTES];
	struct sl_text line;

	if (size != sizeof(*record) || record->time_ns < tracer->begun_ns ||
	    tracer->count >= tracer->count_max)
		return 0;
	sl_text_init_fixed(&line, memory, sizeof(memory));
	if (tracer->json)
		sl_trace_json(tracer->view, record, tracer->wall_offset_ns, &line);
	else
		sl_trace_say(tracer->view, record, tracer->wall_offset_ns, &line);
	fputs(sl_text_string(&line), stdout);
	tracer->count++;
	return 0;
}

static bool is_over(const struct tracer *tracer)
{
	return sl_screen_interrupted() || tracer->deaf || tracer->count >= tracer->count_max ||
	       (tracer->until_ns && sl_clock_ns() >= tracer->until_ns);
}

/* Until it is over. Returns 0, -ESTALE when the trace was lost, or the error of the ring. */
static int read_ring(struct tracer *tracer, struct ring_buffer *ring, uint32_t number)
{
	int rc = 0;

	while (!is_over(tracer)) {
		rc = ring_buffer__poll(ring, POLL_MS);
		if (rc < 0 && rc != -EINTR)
			return rc;
		tracer->deaf = fflush(stdout) != 0;
		rc = sl_trace_renew(tracer->view, number);
		if (rc)
			return rc;
	}
	return 0;
}

static uint64_t wall_offset_ns(void)
{
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	return (uint64_t)wall.tv_sec * SL_NS_PER_S + (uint64_t)wall.tv_nsec - sl_clock_ns();
}

static int trace_on(struct tracer *tracer)
{
	uint64_t lost = sl_view_counter(tracer->view, SL_COUNTER_TRACE_LOST);
	struct ring_buffer *ring =
		ring_buffer__new(tracer->view->fds[SL_VIEW_TRACE], take, tracer, NULL);
	uint32_t number;
	int error;

	if (!ring)
		return sl_say_error("run as root, or with CAP_BPF", "cannot read the trace: %s",
				    strerror(errno));
	tracer->begun_ns = sl_clock_ns();
	tracer->wall_offset_ns = wall_offset_ns();
	(void)ring_buffer__consume(ring); /* what an earlier one left */
	error = sl_trace_begin(tracer->view, &tracer->filter, &number);
	if (error) {
		ring_buffer__free(ring);
		return sl_say_error("end it, or wait: one that was killed ends by itself within "
				    "5 seconds",
				    "another `sluice trace` runs; there can be one");
	}
	error = read_ring(tracer, ring, number);
	sl_trace_end(tracer->view, number);
	(void)ring_buffer__consume(ring);
	ring_buffer__free(ring);
	lost = sl_view_counter(tracer->view, SL_COUNTER_TRACE_LOST) - lost;
	fflush(stdout);
	fprintf(stderr, "sluice: %llu shown, %llu lost\n", (unsigned long long)tracer->count,
		(unsigned long long)lost);
	if (error == -ESTALE)
		return sl_say_error("sluice trace",
				    "the trace is off: it was not renewed within %u ms, or someone "
				    "switched it off",
				    SL_TRACE_LEASE_MS);
	return error ? sl_say_error("sluice trace", "reading the trace: %s", strerror(-error))
		     : SL_EXIT_OK;
}

/* ---- arguments ----------------------------------------------------------------------------- */

static int usage(const char *option, const char *value, const char *what)
{
	(void)sl_say_error("sluice trace --help", "--%s %s: %s", option, value, what);
	return -EINVAL;
}

static int read_limits(const struct sl_arguments *arguments, struct tracer *tracer)
{
	uint64_t duration_us;

	tracer->count_max = UINT64_MAX;
	if (arguments->count &&
	    (sl_span_u64(sl_span_string(arguments->count), &tracer->count_max) ||
	     !tracer->count_max))
		return usage("count", arguments->count, "is not a number from 1 on");
	if (!arguments->seconds)
		return 0;
	if (sl_unit_parse_us(arguments->seconds, strlen(arguments->seconds), 1000000u,
			     &duration_us) ||
	    !duration_us || duration_us > SECONDS_MAX * 1000000ull)
		return usage("seconds", arguments->seconds, "is not a time up to a day");
	tracer->until_ns = sl_clock_ns() + duration_us * SL_NS_PER_US;
	return 0;
}

static int read_filter(const struct sl_arguments *arguments, struct sl_trace_filter *filter)
{
	struct sl_error error = {0};

	filter->every_packet = arguments->packets;
	if (arguments->client && sl_trace_parse_client(arguments->client, filter, &error))
		return usage("client", arguments->client, error.text);
	if (arguments->service && sl_trace_parse_service(arguments->service, filter, &error))
		return usage("service", arguments->service, error.text);
	return 0;
}

static int run_trace(const struct sl_command *command, const struct sl_arguments *arguments)
{
	struct tracer tracer = {.json = arguments->json};
	int exit_code = SL_EXIT_OK;
	struct sl_view view;

	(void)command;
	if (read_limits(arguments, &tracer) || read_filter(arguments, &tracer.filter))
		return SL_EXIT_USAGE;
	if (sl_view_open(sl_pins_dir(arguments->pin_dir, NULL), false, &view))
		return SL_EXIT_FAILED;
	tracer.view = &view;
	if (!view.trace_filter || view.fds[SL_VIEW_TRACE] < 0)
		exit_code = sl_say_error("sluice up CONFIG --replace",
					 "the kernel plane in \"%s\" is older and cannot trace",
					 view.dir);
	if (exit_code == SL_EXIT_OK && arguments->node) {
		tracer.filter.node = sl_view_find_node(&view, arguments->node);
		exit_code = tracer.filter.node ? SL_EXIT_OK : SL_EXIT_FAILED;
	}
	if (exit_code == SL_EXIT_OK) {
		signal(SIGPIPE, SIG_IGN); /* the trace must be switched off all the same */
		sl_screen_catch();
		exit_code = trace_on(&tracer);
	}
	sl_view_close(&view);
	return exit_code;
}

static const struct sl_option trace_options[] = {
	{SL_OPTION_TEXT, "client", "ADDR[/LEN][:PORT]", NULL, offsetof(struct sl_arguments, client),
	 "only of this client or network"},
	{SL_OPTION_TEXT, "service", "ADDR[:PORT]", NULL, offsetof(struct sl_arguments, service),
	 "only for this service"},
	{SL_OPTION_TEXT, "node", "NODE", NULL, offsetof(struct sl_arguments, node),
	 "only what led to this node or looked at it"},
	{SL_OPTION_FLAG, "packets", NULL, NULL, offsetof(struct sl_arguments, packets),
	 "packets of known flows too, not decisions alone"},
	{SL_OPTION_TEXT, "count", "N", NULL, offsetof(struct sl_arguments, count),
	 "end after so many lines"},
	{SL_OPTION_TEXT, "seconds", "S", NULL, offsetof(struct sl_arguments, seconds),
	 "end after this time"},
	SL_OPTION_JSON,
	SL_OPTION_PIN_DIR,
	SL_OPTION_NONE,
};

const struct sl_command sl_command_trace = {
	.name = "trace",
	.summary = "show each decision of the fast lane with its reason",
	.description =
		"Prints a line for each decision: time, client and service, step, reason (the name "
		"of its\n"
		"counter), node, and where one was chosen both candidates with their loads and "
		"what "
		"their\n"
		"breakers said. Ends by Ctrl-C, --count or --seconds, and then costs nothing.",
	.options = trace_options,
	.run = run_trace,
};
