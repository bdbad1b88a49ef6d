/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/chaos_run.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "bpf/breaker.h"
#include "loader/chaos_daemon.h"
#include "loader/chaos_say.h"
#include "loader/lag.h"
#include "loader/say.h"
#include "loader/screen.h"
#include "user/base/clock.h"

#define NS_PER_S      1e9
#define VERDICT_BYTES 2048u
#define LATE_US	      10000u /* between looks at what is to end now */

/* What stood in the maps and at the daemon when the experiment began: everything measured is a difference. */
struct baseline {
	uint64_t counters[SL_COUNTER_COUNT];
	uint64_t trips;				    /* of all nodes */
	uint32_t first_byte[SL_CHAOS_TTFT_BUCKETS]; /* of all nodes; wraps as they do */
	bool daemon;				    /* one answered */
	struct sl_chaos_facts facts;
};

struct watch {
	const struct sl_view *view;
	const struct sl_chaos_plan *plan;
	struct sl_chaos_result *result;
	struct baseline before;
	struct sl_chaos_ticket ticket;	       /* of packets */
	struct sl_lag_holder *holder;	       /* of `lag`; NULL: nothing is held back */
	uint32_t number;		       /* of requests */
	uint64_t begun_ns;		       /* or when it will */
	uint64_t began_requests, began_errors; /* of what the samples count, when it began */
	uint64_t ttft[SL_CHAOS_TTFT_BUCKETS];  /* at the sample before */
	bool before_begin;
	struct sl_chaos_deed usual[SL_CHAOS_DEEDS_MAX]; /* done before it began, too */
	uint32_t usual_count;
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

/* Below 0: until then. */
static double seconds_since(uint64_t begun_ns)
{
	return ((double)sl_clock_ns() - (double)begun_ns) / NS_PER_S;
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

static uint64_t count_trips(const struct sl_view *view)
{
	uint64_t trips = 0;

	for (uint32_t slot = 1; slot < sl_view_node_slots(view); slot++)
		trips += __atomic_load_n(&view->nodes[slot].trips, __ATOMIC_RELAXED);
	return trips;
}

static void take_baseline(const struct sl_view *view, const char *daemon_socket,
			  struct baseline *before)
{
	for (uint32_t i = 0; i < SL_COUNTER_COUNT; i++)
		before->counters[i] = sl_view_counter(view, i);
	before->trips = count_trips(view);
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

static uint64_t deeds_of(const struct sl_chaos_facts *facts, const char *name)
{
	for (uint32_t i = 0; i < facts->deed_count; i++) {
		if (!strcmp(facts->deeds[i].name, name))
			return facts->deeds[i].count;
	}
	return 0;
}

/* What sluice has done since. */
static void measure_deeds(const struct sl_chaos_facts *before, const struct sl_chaos_facts *now,
			  struct sl_chaos_measure *measure)
{
	measure->probes = now->probes - before->probes;
	measure->deed_count = 0;
	for (uint32_t i = 0; i < now->deed_count; i++) {
		uint64_t was = deeds_of(before, now->deeds[i].name);

		if (now->deeds[i].count <= was)
			continue;
		measure->deeds[measure->deed_count] = now->deeds[i];
		measure->deeds[measure->deed_count++].count -= was;
	}
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
	measure_deeds(before, &watch->facts, measure);
}

static uint32_t count_in(const struct sl_view *view, enum sl_breaker_state state)
{
	uint32_t count = 0;

	for (uint32_t slot = 1; slot < sl_view_node_slots(view); slot++) {
		const struct sl_node_state *node = &view->nodes[slot];

		count += (node->admin & SL_NODE_PRESENT) &&
			 sl_breaker_state(sl_breaker_load(&node->breaker)) == state;
	}
	return count;
}

/* Is a node that was meant left alone? Without a node of its own, any. */
static bool is_left_alone(const struct watch *watch)
{
	const struct sl_chaos_aim *aim = &watch->result->aim;

	for (uint32_t slot = 1; slot < sl_view_node_slots(watch->view); slot++) {
		const struct sl_node_state *node = &watch->view->nodes[slot];

		if ((!aim->count || sl_chaos_aim_has(aim, slot)) &&
		    (node->admin & SL_NODE_PRESENT) &&
		    sl_breaker_state(sl_breaker_load(&node->breaker)) != SL_BREAKER_CLOSED)
			return true;
	}
	return false;
}

/* Something that it did not do before, as far as somebody looked. */
static bool does_something(const struct watch *watch)
{
	const struct sl_chaos_measure *measure = &watch->result->measure;

	for (uint32_t i = 0; i < measure->deed_count; i++) {
		const char *name = measure->deeds[i].name;
		bool usual = !strcmp(name, "cached") || !strcmp(name, "hedges");

		for (uint32_t j = 0; j < watch->usual_count; j++)
			usual |= !strcmp(name, watch->usual[j].name);
		if (!usual)
			return true;
	}
	return false;
}

static void measure(struct watch *watch)
{
	struct sl_chaos_measure *measure = &watch->result->measure;
	uint32_t first_byte[SL_CHAOS_TTFT_BUCKETS];
	uint32_t open = count_in(watch->view, SL_BREAKER_OPEN);

	measure->no_counters = watch->view->alone;
	measure->opens = count_trips(watch->view) - watch->before.trips;
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
	if (!measure->detected && !watch->before_begin &&
	    (is_left_alone(watch) || does_something(watch))) {
		measure->detected = true;
		measure->detection_s = seconds_since(watch->begun_ns);
	}
}

/* What the holder says, for others to see, too. */
static void say_lag(struct watch *watch)
{
	struct sl_lag *row = &watch->view->lags[watch->ticket.row];

	if (watch->holder)
		sl_lag_look(watch->holder, &watch->result->lag);
	*row = watch->result->lag;
	__atomic_store_n(&row->number, watch->ticket.number, __ATOMIC_RELEASE);
}

/* What the row has counted, while it is ours; of requests the daemon says it when the lease is renewed. */
static void count_hits(struct watch *watch)
{
	const struct sl_chaos *row;

	if (watch->plan->word->level != SL_CHAOS_PACKETS || watch->before_begin)
		return;
	if (watch->holder)
		say_lag(watch);
	row = &watch->view->chaos[watch->ticket.row];
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

/* The first tokens since the sample before. */
static void put_percentiles(struct watch *watch, struct sl_chaos_sample *sample)
{
	uint64_t since[SL_CHAOS_TTFT_BUCKETS];
	const uint64_t *ttft = watch->result->measure.ttft;

	for (uint32_t i = 0; i < SL_CHAOS_TTFT_BUCKETS; i++)
		since[i] = ttft[i] - watch->ttft[i];
	memcpy(watch->ttft, ttft, sizeof(watch->ttft));
	if (!sl_chaos_percentile(since, 50, &sample->p50_s))
		sample->p50_s = 0;
	if (!sl_chaos_percentile(since, 99, &sample->p99_s))
		sample->p99_s = 0;
}

static void sample(struct watch *watch)
{
	struct sl_chaos_result *result = watch->result;
	struct sl_chaos_sample *sample;

	measure(watch);
	count_hits(watch);
	if (watch->ticks++ % result->sample_every)
		return;
	if (result->sample_count == SL_CHAOS_SAMPLES_MAX)
		forget_every_other(result);
	sample = &result->samples[result->sample_count++];
	*sample = (struct sl_chaos_sample){
		.at_s = seconds_since(watch->begun_ns),
		.hits = result->hits,
		.requests = watch->began_requests + result->measure.requests,
		.errors = watch->began_errors + result->measure.errors,
		.open = count_in(watch->view, SL_BREAKER_OPEN),
		.half_open = count_in(watch->view, SL_BREAKER_HALF_OPEN),
	};
	put_percentiles(watch, sample);
}

/* What is usual: the counts start anew behind it. */
static void look_before(struct watch *watch)
{
	struct sl_chaos_result *result = watch->result;
	struct sl_chaos_steady *steady = &result->steady;
	uint64_t us = watch->plan->before_us, start_ns = sl_clock_ns();

	watch->before_begin = true;
	watch->begun_ns = start_ns + us * SL_NS_PER_US;
	while (sl_clock_ns() < watch->begun_ns && !sl_screen_interrupted()) {
		sample(watch);
		sl_screen_sleep_us(SL_CHAOS_TICK_MS * 1000u);
	}
	measure(watch);
	steady->for_s = seconds_since(start_ns);
	steady->requests = watch->began_requests = result->measure.requests;
	steady->errors = watch->began_errors = result->measure.errors;
	if (!sl_chaos_percentile(result->measure.ttft, 50, &steady->p50_s))
		steady->p50_s = 0;
	if (!sl_chaos_percentile(result->measure.ttft, 99, &steady->p99_s))
		steady->p99_s = 0;
	memcpy(watch->usual, result->measure.deeds, sizeof(watch->usual));
	watch->usual_count = result->measure.deed_count;
	watch->before_begin = false;
	memset(&result->measure, 0, sizeof(result->measure));
	memset(watch->ttft, 0, sizeof(watch->ttft));
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

/* One holds packets back at a time: it would not know whose they are. */
static int begin_holding(const struct sl_view *view, const struct sl_chaos_plan *plan,
			 struct sl_lag_holder **ret_holder)
{
	uint64_t now_ns = sl_clock_ns();

	if (view->fds[SL_VIEW_LAG_TAPS] < 0 || !view->lags)
		return sl_say_error("sluice up CONFIG --replace",
				    "the kernel plane in \"%s\" is older and holds no packets "
				    "back",
				    view->dir);
	for (uint32_t row = 0; row < SL_CHAOS_MAX; row++) {
		if (view->chaos[row].kind == SL_CHAOS_LAG && sl_chaos_runs(view, row, now_ns))
			return sl_say_error("wait, or sluice chaos stop NUMBER",
					    "experiment %u holds packets back: one does at a time",
					    view->chaos[row].number);
	}
	return sl_lag_open(view, plan->delay_us, plan->jitter_us, ret_holder);
}

/* `ret_holder` is for experiments that hold packets back: who gives none begins no such. */
static int begin_packets(const struct sl_view *view, const struct sl_chaos_plan *plan,
			 uint64_t lease, struct sl_chaos_ticket *ret_ticket,
			 struct sl_lag_holder **ret_holder)
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
	if (plan->word->kind == SL_CHAOS_LAG && begin_holding(view, plan, ret_holder))
		return SL_EXIT_FAILED;
	lock_fd = sl_chaos_lock(view);
	if (lock_fd < 0) {
		exit_code = sl_say_error("run as root", "cannot lock the experiments of \"%s\": %s",
					 view->dir, strerror(-lock_fd));
	} else {
		exit_code = begin_locked(view, plan, &spec, lease, ret_ticket);
		close(lock_fd);
	}
	if (exit_code)
		sl_lag_close(ret_holder, NULL);
	return exit_code;
}

static int begin_requests(const struct sl_chaos_plan *plan, uint64_t lease, uint32_t *ret_number,
			  struct sl_chaos_aim *ret_aim)
{
	char order[SL_CHAOS_ORDER_BYTES + SL_CHAOS_TITLE_BYTES + 64];

	snprintf(order, sizeof(order), "%s for=%llums lease=%llums name=%.80s", plan->order,
		 (unsigned long long)(plan->duration_us / 1000u),
		 (unsigned long long)(lease / SL_NS_PER_MS), plan->title);
	return sl_chaos_daemon_begin(plan->daemon_socket, order, ret_number, ret_aim);
}

/* A command of the file's owner, who may run it; it is waited for. */
static int run_command(const char *command)
{
	int status = system(command); /* NOLINT(cert-env33-c): that is what the file asks for */

	if (status)
		return sl_say_error(NULL, "\"%s\" ended with status %d", command,
				    WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	return SL_EXIT_OK;
}

/* The daemon itself says of experiments on requests when they begin and end. */
static void note(const struct sl_chaos_plan *plan, bool over)
{
	if (plan->word->level != SL_CHAOS_REQUESTS)
		sl_chaos_daemon_note(plan->daemon_socket, over, plan->title);
}

static int begin(struct watch *watch, uint64_t lease)
{
	const struct sl_chaos_plan *plan = watch->plan;
	int exit_code;

	if (plan->word->level == SL_CHAOS_REQUESTS)
		return begin_requests(plan, lease, &watch->number, &watch->result->aim);
	watch->result->aim = plan->aim;
	exit_code =
		plan->word->level == SL_CHAOS_COMMANDS
			? run_command(plan->begin)
			: begin_packets(watch->view, plan, lease, &watch->ticket, &watch->holder);
	if (!exit_code)
		note(plan, false);
	return exit_code;
}

static const char burning[] = "an objective burns its budget";

/* *ret_ending: how it is over already, where it is. */
static bool renew(struct watch *watch, uint64_t lease, enum sl_chaos_ending *ret_ending)
{
	*ret_ending = SL_CHAOS_STOPPED;
	if (watch->plan->word->level == SL_CHAOS_PACKETS)
		return !sl_chaos_renew(watch->view, &watch->ticket, lease);
	if (watch->plan->word->level == SL_CHAOS_COMMANDS)
		return true;
	switch (sl_chaos_daemon_renew(watch->plan->daemon_socket, watch->number,
				      &watch->result->seen, &watch->result->hits)) {
	case SL_CHAOS_STATE_RUNS:
		return true;
	case SL_CHAOS_STATE_RAN:
		*ret_ending = SL_CHAOS_RAN;
		return false;
	case SL_CHAOS_STATE_SPENT:
		*ret_ending = SL_CHAOS_SPENT;
		return false;
	case SL_CHAOS_STATE_BURNED:
		*ret_ending = SL_CHAOS_ABORTED;
		snprintf(watch->result->why, sizeof(watch->result->why), "%s", burning);
		return false;
	default:
		return false;
	}
}

static void end(struct watch *watch)
{
	const struct sl_chaos_plan *plan = watch->plan;

	if (plan->word->level == SL_CHAOS_REQUESTS) {
		sl_chaos_daemon_renew(plan->daemon_socket, watch->number, &watch->result->seen,
				      &watch->result->hits);
		sl_chaos_daemon_end(plan->daemon_socket, watch->number);
	} else if (plan->word->level == SL_CHAOS_PACKETS) {
		sl_chaos_end(watch->view, &watch->ticket);
		if (watch->holder) {
			sl_lag_close(&watch->holder, &watch->result->lag);
			say_lag(watch);
		}
	} else if (plan->end) {
		run_command(plan->end);
	}
	note(plan, true);
}

int sl_chaos_leave(const struct sl_view *view, const struct sl_chaos_plan *plan,
		   uint32_t *ret_number)
{
	struct sl_chaos_ticket ticket = {0};
	struct sl_chaos_aim aim;
	int exit_code;

	if (plan->word->level == SL_CHAOS_REQUESTS)
		return begin_requests(plan, plan->duration_us * SL_NS_PER_US, ret_number, &aim);
	if (plan->word->kind == SL_CHAOS_LAG)
		return sl_say_error("without --detach",
				    "lag: this command holds the packets back, and cannot leave "
				    "them");
	exit_code = begin_packets(view, plan, plan->duration_us * SL_NS_PER_US, &ticket, NULL);
	if (exit_code == SL_EXIT_OK)
		sl_chaos_daemon_note(plan->daemon_socket, false, plan->title);
	*ret_number = ticket.number;
	return exit_code;
}

static bool aborts(struct watch *watch)
{
	const struct sl_chaos_conditions *conditions = &watch->plan->abort;

	if (watch->facts.burns > watch->before.facts.burns && !watch->plan->despite_burn) {
		snprintf(watch->result->why, sizeof(watch->result->why), "%s", burning);
		return true;
	}
	for (uint32_t i = 0; i < conditions->count; i++) {
		const struct sl_chaos_condition *condition = &conditions->list[i];

		if (sl_chaos_condition_judge(condition, &watch->result->measure) != SL_CHAOS_HELD)
			continue;
		snprintf(watch->result->why, sizeof(watch->result->why), "%s", condition->text);
		return true;
	}
	return false;
}

/* A tick, or what is left where that is less. */
static void sleep_until_end(uint64_t left_ns)
{
	uint64_t us = left_ns / SL_NS_PER_US;

	us = us < SL_CHAOS_TICK_MS * 1000u ? us : SL_CHAOS_TICK_MS * 1000u;
	sl_screen_sleep_us(us > LATE_US ? us : LATE_US);
}

/* An experiment on requests began at the daemon, later than here: the daemon says when its time is over. */
static enum sl_chaos_ending watch_it(struct watch *watch)
{
	uint64_t end_ns = watch->begun_ns + watch->plan->duration_us * SL_NS_PER_US;
	enum sl_chaos_ending ending;
	uint64_t now_ns, left_ns;

	for (;;) {
		sample(watch);
		if (sl_screen_interrupted())
			return SL_CHAOS_INTERRUPTED;
		if (aborts(watch))
			return SL_CHAOS_ABORTED;
		if (watch->result->hits >= watch->plan->hits_max)
			return SL_CHAOS_SPENT;
		now_ns = sl_clock_ns();
		left_ns = end_ns > now_ns + SL_NS_PER_MS ? end_ns - now_ns : 0;
		if (!left_ns && watch->plan->word->level != SL_CHAOS_REQUESTS)
			return SL_CHAOS_RAN;
		if (!renew(watch, lease_ns(left_ns), &ending)) {
			sample(watch);
			return ending;
		}
		sleep_until_end(left_ns);
	}
}

/* Goes on to take samples until no node that was meant is left alone. */
static void await_recovery(struct watch *watch)
{
	struct sl_chaos_measure *measure = &watch->result->measure;
	uint64_t ended_ns = sl_clock_ns();
	uint64_t until_ns = ended_ns + watch->plan->recover_us * SL_NS_PER_US;

	for (;;) {
		sample(watch);
		measure->recovered = !is_left_alone(watch);
		measure->recovery_s = seconds_since(ended_ns);
		if (measure->recovered || sl_screen_interrupted() || sl_clock_ns() >= until_ns)
			break;
		sl_screen_sleep_us(SL_CHAOS_TICK_MS * 1000u);
	}
	measure->waiting = false;
}

static void tell_verdict(const struct sl_chaos_result *result)
{
	char room[VERDICT_BYTES];
	struct sl_text verdict;

	sl_text_init_fixed(&verdict, room, sizeof(room));
	sl_chaos_say_verdict(result, &verdict);
	sl_chaos_daemon_verdict(result->plan->daemon_socket, sl_text_string(&verdict));
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
	sl_screen_catch();
	take_baseline(view, plan->daemon_socket, &watch.before);
	watch.facts = watch.before.facts;
	if (plan->before_us) {
		look_before(&watch);
		take_baseline(view, plan->daemon_socket, &watch.before);
		watch.facts = watch.before.facts;
	}
	ret_result->measure.waiting = true;
	watch.begun_ns = sl_clock_ns();
	exit_code = begin(&watch, lease_ns(plan->duration_us * SL_NS_PER_US));
	if (exit_code)
		return exit_code;
	ret_result->ending = watch_it(&watch);
	end(&watch);
	ret_result->ran_s = seconds_since(watch.begun_ns);
	count_hits(&watch);
	await_recovery(&watch);
	ret_result->verdict = sl_chaos_conditions_judge(&plan->hypothesis, &ret_result->measure);
	tell_verdict(ret_result);
	return SL_EXIT_OK;
}
