/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/chaos_run.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "bpf/breaker.h"
#include "loader/chaos_daemon.h"
#include "loader/say.h"
#include "loader/screen.h"
#include "user/base/clock.h"

#define NS_PER_S 1e9

/* What stood in the maps when the experiment began: everything measured is a difference. */
struct baseline {
	uint64_t counters[SL_COUNTER_COUNT];
	uint32_t first_byte[SL_CHAOS_TTFT_BUCKETS]; /* of all nodes; wraps as they do */
	bool daemon;				    /* one answered */
	struct sl_chaos_facts facts;
};

struct watch {
	const struct sl_view *view;
	const struct sl_chaos_plan *plan;
	struct sl_chaos_result *result;
	struct baseline before;
	struct sl_chaos_ticket ticket;
	uint64_t begun_ns;
	uint32_t ticks;
	struct sl_chaos_facts facts; /* of the daemon, when it answered last */
	bool daemon_anew;	     /* another one answers: for good */
};

const char *sl_chaos_ending_name(enum sl_chaos_ending ending)
{
	static const char *const names[] = {
		[SL_CHAOS_RAN] = "ran",
		[SL_CHAOS_SPENT] = "spent",
		[SL_CHAOS_ABORTED] = "aborted",
		[SL_CHAOS_STOPPED] = "stopped",
		[SL_CHAOS_INTERRUPTED] = "interrupted",
	};

	return names[ending];
}

/* ---- what is measured ---------------------------------------------------------------------- */

static void add_first_bytes(const struct sl_view *view, uint32_t sums[SL_CHAOS_TTFT_BUCKETS])
{
	memset(sums, 0, SL_CHAOS_TTFT_BUCKETS * sizeof(*sums));
	for (uint32_t slot = 1; view->latencies && slot < sl_view_node_slots(view); slot++) {
		for (uint32_t i = 0; i < SL_CHAOS_TTFT_BUCKETS; i++)
			sums[i] += __atomic_load_n(&view->latencies[slot].first_byte[i],
						   __ATOMIC_RELAXED);
	}
}

static void take_baseline(const struct sl_view *view, const char *daemon_socket,
			  struct baseline *before)
{
	for (uint32_t i = 0; i < SL_COUNTER_COUNT; i++)
		before->counters[i] = sl_view_counter(view, i);
	add_first_bytes(view, before->first_byte);
	before->daemon = sl_chaos_daemon_facts(daemon_socket, &before->facts);
}

/* Counts of one daemon only rise. */
static bool went_back(const struct sl_chaos_facts *was, const struct sl_chaos_facts *is)
{
	bool back = is->requests < was->requests || is->errors < was->errors;

	for (uint32_t i = 0; i < SL_CHAOS_TTFT_BUCKETS; i++)
		back |= is->ttft[i] < was->ttft[i];
	return back;
}

/*
 * With a daemon its clients count too; and of times to the first token its own alone, because the kernel
 * plane's are of nodes. When it is silent, or another one answers, its last counts stand, and are said to
 * be no measure: what happened to clients since is not in them.
 */
static void measure_daemon(struct watch *watch, struct sl_chaos_measure *measure)
{
	const struct sl_chaos_facts *before = &watch->before.facts;
	struct sl_chaos_facts now;

	if (!watch->before.daemon)
		return;
	measure->daemon_lost =
		watch->daemon_anew || !sl_chaos_daemon_facts(watch->plan->daemon_socket, &now);
	if (!measure->daemon_lost && went_back(&watch->facts, &now))
		watch->daemon_anew = measure->daemon_lost = true;
	if (!measure->daemon_lost)
		watch->facts = now;
	measure->requests += watch->facts.requests - before->requests;
	measure->errors += watch->facts.errors - before->errors;
	for (uint32_t i = 0; i < SL_CHAOS_TTFT_BUCKETS; i++)
		measure->ttft[i] = watch->facts.ttft[i] - before->ttft[i];
}

static uint32_t count_open(const struct sl_view *view)
{
	uint32_t open = 0;

	for (uint32_t slot = 1; slot < sl_view_node_slots(view); slot++) {
		const struct sl_node_state *node = &view->nodes[slot];

		open += (node->admin & SL_NODE_PRESENT) &&
			sl_breaker_state(sl_breaker_load(&node->breaker)) == SL_BREAKER_OPEN;
	}
	return open;
}

static void measure(struct watch *watch)
{
	struct sl_chaos_measure *measure = &watch->result->measure;
	uint32_t first_byte[SL_CHAOS_TTFT_BUCKETS];
	uint32_t open = count_open(watch->view);

	for (uint32_t i = 0; i < SL_COUNTER_COUNT; i++)
		measure->counters[i] = sl_view_counter(watch->view, i) - watch->before.counters[i];
	add_first_bytes(watch->view, first_byte);
	for (uint32_t i = 0; i < SL_CHAOS_TTFT_BUCKETS; i++)
		measure->ttft[i] = first_byte[i] - watch->before.first_byte[i];
	measure->errors = measure->counters[SL_COUNTER_DROP_REFUSED] +
			  measure->counters[SL_COUNTER_DROP_NO_NODE] +
			  measure->counters[SL_COUNTER_DROP_RETIRED];
	measure->requests = measure->counters[SL_COUNTER_FLOW_OPENED] +
			    measure->counters[SL_COUNTER_DROP_REFUSED] +
			    measure->counters[SL_COUNTER_DROP_NO_NODE];
	measure_daemon(watch, measure);
	if (open > measure->open_max)
		measure->open_max = open;
}

static double seconds_since(uint64_t begun_ns)
{
	return (double)(sl_clock_ns() - begun_ns) / NS_PER_S;
}

/* What the row has counted, while it is ours. */
static void count_hits(struct watch *watch)
{
	const struct sl_chaos *row = &watch->view->chaos[watch->ticket.row];

	if (__atomic_load_n(&row->number, __ATOMIC_RELAXED) != watch->ticket.number)
		return;
	watch->result->hits = __atomic_load_n(&row->hits, __ATOMIC_RELAXED);
	watch->result->seen = __atomic_load_n(&row->seen, __ATOMIC_RELAXED);
}

static void forget_every_other(struct sl_chaos_result *result)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < result->sample_count; i += 2)
		result->samples[kept++] = result->samples[i];
	result->sample_count = kept;
	result->sample_every *= 2;
}

static void sample(struct watch *watch)
{
	struct sl_chaos_result *result = watch->result;

	measure(watch);
	count_hits(watch);
	if (watch->ticks++ % result->sample_every)
		return;
	if (result->sample_count == SL_CHAOS_SAMPLES_MAX)
		forget_every_other(result);
	result->samples[result->sample_count++] = (struct sl_chaos_sample){
		.at_s = seconds_since(watch->begun_ns),
		.hits = result->hits,
		.requests = result->measure.requests,
		.errors = result->measure.errors,
		.open = count_open(watch->view),
	};
}

/* ---- begin and end ------------------------------------------------------------------------- */

static uint64_t lease_ns(uint64_t left_ns)
{
	uint64_t most_ns = SL_CHAOS_LEASE_MS * SL_NS_PER_MS;

	return left_ns < most_ns ? left_ns : most_ns;
}

static int begin_locked(const struct sl_view *view, const struct sl_chaos_plan *plan,
			const struct sl_chaos_spec *spec, uint64_t lease,
			struct sl_chaos_ticket *ret_ticket)
{
	struct sl_error error = {{0}};

	if (sl_chaos_limit(view, &plan->aim, plan->limit_percent, &error))
		return sl_say_error("aim at less, or say --limit PERCENT", "refused: %s",
				    error.text);
	if (sl_chaos_begin(view, spec, lease, ret_ticket))
		return sl_say_error("sluice chaos list, sluice chaos stop NUMBER",
				    "%u experiments run: there is no room for another",
				    SL_CHAOS_MAX);
	return SL_EXIT_OK;
}

static int begin(const struct sl_view *view, const struct sl_chaos_plan *plan, uint64_t lease,
		 struct sl_chaos_ticket *ret_ticket)
{
	int lock_fd, exit_code;
	char name[SL_CHAOS_TITLE_BYTES];
	struct sl_chaos_spec spec = {
		.kind = plan->word->kind,
		.ways = plan->ways,
		.share = plan->share,
		.hits_max = plan->hits_max,
		.duration_ns = plan->duration_us * SL_NS_PER_US,
		.name = name,
		.aim = plan->aim,
	};

	snprintf(name, sizeof(name), "%s %s", plan->word->name, plan->aimed_at);
	if (!view->chaos)
		return sl_say_error("sluice up CONFIG --replace",
				    "the kernel plane in \"%s\" is older and knows no experiments",
				    view->dir);
	if (!plan->aim.count)
		return sl_say_error("sluice status", "%s: has no node", plan->aimed_at);
	lock_fd = sl_chaos_lock(view);
	if (lock_fd < 0)
		return sl_say_error("run as root", "cannot lock the experiments of \"%s\": %s",
				    view->dir, strerror(-lock_fd));
	exit_code = begin_locked(view, plan, &spec, lease, ret_ticket);
	close(lock_fd);
	return exit_code;
}

int sl_chaos_leave(const struct sl_view *view, const struct sl_chaos_plan *plan,
		   struct sl_chaos_ticket *ret_ticket)
{
	int exit_code = begin(view, plan, plan->duration_us * SL_NS_PER_US, ret_ticket);

	if (exit_code == SL_EXIT_OK)
		sl_chaos_daemon_note(plan->daemon_socket, false, plan->title);
	return exit_code;
}

static bool aborts(struct watch *watch)
{
	const struct sl_chaos_conditions *conditions = &watch->plan->abort;

	for (uint32_t i = 0; i < conditions->count; i++) {
		const struct sl_chaos_condition *condition = &conditions->list[i];

		if (sl_chaos_condition_judge(condition, &watch->result->measure) != SL_CHAOS_HELD)
			continue;
		snprintf(watch->result->why, sizeof(watch->result->why), "%s", condition->text);
		return true;
	}
	return false;
}

static enum sl_chaos_ending watch_it(struct watch *watch)
{
	uint64_t end_ns = watch->begun_ns + watch->plan->duration_us * SL_NS_PER_US;
	uint64_t now_ns;

	for (;;) {
		sample(watch);
		if (sl_screen_interrupted())
			return SL_CHAOS_INTERRUPTED;
		if (aborts(watch))
			return SL_CHAOS_ABORTED;
		if (watch->result->hits >= watch->plan->hits_max)
			return SL_CHAOS_SPENT;
		now_ns = sl_clock_ns();
		if (now_ns + SL_NS_PER_MS >= end_ns)
			return SL_CHAOS_RAN;
		if (sl_chaos_renew(watch->view, &watch->ticket, lease_ns(end_ns - now_ns)))
			return SL_CHAOS_STOPPED;
		sl_screen_sleep_us(SL_CHAOS_TICK_MS * 1000u);
	}
}

static bool all_used(const struct watch *watch)
{
	for (uint32_t slot = 1; slot < sl_view_node_slots(watch->view); slot++) {
		const struct sl_node_state *node = &watch->view->nodes[slot];

		if (sl_chaos_aim_has(&watch->plan->aim, slot) && (node->admin & SL_NODE_PRESENT) &&
		    sl_breaker_state(sl_breaker_load(&node->breaker)) != SL_BREAKER_CLOSED)
			return false;
	}
	return true;
}

/* Goes on to take samples until no node that was meant is left alone. */
static void await_recovery(struct watch *watch)
{
	struct sl_chaos_measure *measure = &watch->result->measure;
	uint64_t ended_ns = sl_clock_ns();
	uint64_t until_ns = ended_ns + watch->plan->recover_us * SL_NS_PER_US;

	for (;;) {
		sample(watch);
		measure->recovered = all_used(watch);
		measure->recovery_s = seconds_since(ended_ns);
		if (measure->recovered || sl_screen_interrupted() || sl_clock_ns() >= until_ns)
			break;
		sl_screen_sleep_us(SL_CHAOS_TICK_MS * 1000u);
	}
	measure->waiting = false;
}

int sl_chaos_run(const struct sl_view *view, const struct sl_chaos_plan *plan,
		 struct sl_chaos_result *ret_result)
{
	struct watch watch = {.view = view, .plan = plan, .result = ret_result};
	int exit_code;

	memset(ret_result, 0, sizeof(*ret_result));
	ret_result->plan = plan;
	ret_result->sample_every = 1;
	ret_result->wall_s = (uint64_t)time(NULL);
	ret_result->measure.waiting = true;
	take_baseline(view, plan->daemon_socket, &watch.before);
	watch.facts = watch.before.facts;
	sl_screen_catch();
	exit_code = begin(view, plan, lease_ns(plan->duration_us * SL_NS_PER_US), &watch.ticket);
	if (exit_code)
		return exit_code;
	watch.begun_ns = sl_clock_ns();
	sl_chaos_daemon_note(plan->daemon_socket, false, plan->title);
	ret_result->ending = watch_it(&watch);
	sl_chaos_end(view, &watch.ticket);
	sl_chaos_daemon_note(plan->daemon_socket, true, plan->title);
	ret_result->ran_s = seconds_since(watch.begun_ns);
	count_hits(&watch);
	await_recovery(&watch);
	ret_result->verdict = sl_chaos_conditions_judge(&plan->hypothesis, &ret_result->measure);
	return SL_EXIT_OK;
}
