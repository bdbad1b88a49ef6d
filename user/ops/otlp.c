/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/otlp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/pairs.h"
#include "user/base/random.h"
#include "user/http/h1_write.h"
#include "user/ops/stores.h"
#include "user/request/exposition.h"
#include "user/request/trail_spans.h"
#include "user/upstream/call.h"
#include "user/wire/otlp.h"
#include "user/wire/otlp_metrics.h"

#define BATCHES_MAX	 16u
#define GATHER_MS	 1000u
#define GATHER_BYTES	 (256u << 10)
#define TRACES_BYTES_MAX (1u << 20) /* a batch: what is gathered and one request */
#define METRICS_BYTES	 SL_EXPOSITION_BYTES_MAX
#define ANSWER_BYTES_MAX (64u << 10)
#define ARENA_BYTES_MAX	 (1u << 20) /* heads and the answer of one export */
#define RESOURCE_BYTES	 8192u
#define LINES_BYTES	 4096u
#define RETRY_MS	 500u /* the first bound of the backoff */
#define RETRY_MAX_MS	 10000u
#define METRICS_JOB_MS	 60000u
#define FLUSH_MS	 1000u
#define TURN_MS		 10u
#define WHY_BYTES	 200u
#define ID_BYTES	 37u

/* Why traces do not arrive; each a label of sluice_otlp_dropped_total. */
enum drop {
	DROP_QUEUE_FULL = 0, /* a worker's: everything behind it waits */
	DROP_UNDELIVERED,    /* no collector took it within otlp.wait, or at the end */
	DROP_REFUSED,	     /* a status that is not to be tried again */
	DROP_BAD_ANSWER,     /* of 2xx, but no answer of OTLP: nobody knows */
	DROP_REJECTED,	     /* taken in part */
	DROP_TOO_LARGE,
	DROPS
};

static const char *const drop_names[DROPS] = {"queue_full", "undelivered", "refused",
					      "bad_answer", "rejected",	   "too_large"};

enum result { RESULT_OK = 0, RESULT_AGAIN, RESULT_FAILED, RESULTS };

static const char *const result_names[RESULTS] = {"ok", "retry", "failed"};
static const char *const signal_names[SL_OTLP_SIGNALS] = {"traces", "metrics"};
static const struct sl_span paths[SL_OTLP_SIGNALS] = {
	{"/v1/traces", sizeof("/v1/traces") - 1},
	{"/v1/metrics", sizeof("/v1/metrics") - 1},
};

struct batch {
	struct batch *next;
	struct sl_text text;
	uint32_t items; /* spans */
	uint64_t born_ms;
};

struct otlp {
	struct sl_watch_place place;
	struct sl_routes *routes;
	struct sl_upstream up;
	struct sl_random random;
	char instance[ID_BYTES]; /* service.instance.id: of this process */
	struct sl_text resource; /* its attributes, encoded */
	struct sl_text lines;	 /* header lines of every export */
	struct batch *open;	 /* being gathered; NULL: none */
	struct sl_otlp_marks marks;
	struct batch *first, **last; /* that wait; the first may be on its way */
	uint32_t waiting;
	uint64_t metrics_at_ms, start_wall_ns;
	bool metrics_due;
	struct sl_fiber *fiber; /* while busy */
	bool busy;
	bool writing; /* a job reads the daemon's metrics */
	bool stopped; /* none may any more */
	bool gone;    /* ends it */
	bool failing;
	/* read by any thread */
	uint64_t sent[SL_OTLP_SIGNALS]; /* spans, points */
	uint64_t exports[SL_OTLP_SIGNALS][RESULTS];
	uint64_t dropped[DROPS]; /* spans; of QUEUE_FULL see the workers */
};

static void count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static const struct sl_config *config_of(const struct otlp *otlp)
{
	return otlp->routes->config;
}

/* ---- batches --------------------------------------------------------------------------------- */

static void free_batch(struct batch **ret_batch)
{
	struct batch *batch = *ret_batch;

	*ret_batch = NULL;
	if (!batch)
		return;
	sl_text_fini(&batch->text);
	free(batch);
}

static void drop_batch(struct otlp *otlp, struct batch **batch, enum drop why)
{
	count(&otlp->dropped[why], (*batch)->items);
	free_batch(batch);
}

static bool open_batch(struct otlp *otlp)
{
	struct batch *batch = otlp->open ? NULL : calloc(1, sizeof(*batch));

	if (otlp->open || !batch)
		return otlp->open != NULL;
	sl_text_init(&batch->text, TRACES_BYTES_MAX);
	batch->born_ms = sl_clock_ms();
	sl_otlp_begin(&batch->text, sl_text_span(&otlp->resource), &otlp->marks);
	otlp->open = batch;
	return true;
}

/* What is gathered begins to wait. */
static void close_batch(struct otlp *otlp)
{
	struct batch *batch = otlp->open;

	if (!batch)
		return;
	otlp->open = NULL;
	sl_otlp_end(&batch->text, &otlp->marks);
	if (batch->text.error) {
		drop_batch(otlp, &batch, DROP_TOO_LARGE);
		return;
	}
	*otlp->last = batch;
	otlp->last = &batch->next;
	otlp->waiting++;
}

static struct batch *take_batch(struct otlp *otlp)
{
	struct batch *batch = otlp->first;

	otlp->first = batch->next;
	if (!otlp->first)
		otlp->last = &otlp->first;
	otlp->waiting--;
	return batch;
}

static void gather_record(struct otlp *otlp, const struct sl_trace_record *record,
			  uint64_t offset_ns)
{
	struct batch *batch;

	if (!open_batch(otlp)) {
		count(&otlp->dropped[DROP_TOO_LARGE], 1);
		return;
	}
	batch = otlp->open;
	batch->items += sl_trail_spans_write(record, offset_ns, &otlp->place.state, &batch->text);
	if (batch->text.error) { /* no memory: the marks inside would not close */
		otlp->open = NULL;
		drop_batch(otlp, &batch, DROP_TOO_LARGE);
	} else if (batch->text.len >= GATHER_BYTES) {
		close_batch(otlp);
	}
}

/* No more than one ring of each worker: the control thread has other things to do. */
static void gather(struct otlp *otlp)
{
	uint64_t offset_ns = sl_clock_wall_offset_ns();
	struct sl_trace_record record;

	for (uint32_t k = 0; k < otlp->place.threads->count; k++) {
		struct sl_traces *traces = &otlp->place.threads->workers[k]->traces;

		for (uint32_t i = 0; i < SL_TRACES_RECORDS && otlp->waiting < BATCHES_MAX &&
				     sl_traces_take(traces, &record);
		     i++)
			gather_record(otlp, &record, offset_ns);
	}
	if (otlp->open && sl_clock_ms() - otlp->open->born_ms >= GATHER_MS)
		close_batch(otlp);
}

/* ---- one export ------------------------------------------------------------------------------ */

struct reading {
	uint64_t rejected;
	char why[WHY_BYTES];
};

static enum sl_ending accept_answer(void *owner, const char *body, size_t body_len,
				    const char **ret_detail)
{
	struct reading *reading = owner;
	struct sl_span why;

	if (sl_otlp_read_answer(sl_span_make(body, body_len), &reading->rejected, &why)) {
		*ret_detail = "the answer is none of OTLP";
		return SL_ENDING_BAD;
	}
	snprintf(reading->why, sizeof(reading->why), "%.*s",
		 (int)(why.len < WHY_BYTES ? why.len : WHY_BYTES - 1), why.data);
	return SL_ENDING_OK;
}

static enum result result_of(const struct sl_call_answer *answer)
{
	switch (answer->ending) {
	case SL_ENDING_OK:
		return RESULT_OK;
	case SL_ENDING_BAD: /* of a whole answer: sending it again could send it twice */
		return answer->status ? RESULT_FAILED : RESULT_AGAIN;
	case SL_ENDING_STATUS_4XX:
	case SL_ENDING_LOCAL:
		return RESULT_FAILED;
	default:
		break;
	}
	if (answer->status < 400 || answer->status == 429 || answer->status == 502 ||
	    answer->status == 503 || answer->status == 504)
		return RESULT_AGAIN;
	return RESULT_FAILED;
}

/* Said once in each direction. */
static void tell(struct otlp *otlp, const char *pool, enum sl_otlp_signal signal,
		 enum result result, const char *why)
{
	bool failing = result != RESULT_OK;

	if (failing == otlp->failing)
		return;
	otlp->failing = failing;
	if (failing)
		sl_log(SL_LOG_WARN,
		       "otlp: pool \"%s\": %s are not taken: %s (traces wait as long as otlp.wait "
		       "says; "
		       "see sluice_otlp_dropped_total)",
		       pool, signal_names[signal], why);
	else
		sl_log(SL_LOG_INFO, "otlp: pool \"%s\": %s are taken again", pool,
		       signal_names[signal]);
}

/* On the fiber. items: spans or points. */
static enum result export_one(struct otlp *otlp, enum sl_otlp_signal signal, struct sl_span body,
			      uint32_t items, bool *ret_bad)
{
	struct sl_routes *routes = sl_routes_get(otlp->routes);
	const struct sl_config_otlp *config = &routes->config->otlp;
	const struct sl_upstream_pool *pool = &routes->pools[config->pool - 1];
	struct reading reading = {0};
	struct sl_call call = {
		.pool = pool,
		.path = paths[signal],
		.lines = sl_text_span(&otlp->lines),
		.body = body,
		.deadline_ns = sl_loop_now_ns(otlp->place.loop) + config->timeout_ms * SL_NS_PER_MS,
		.attempts_max = 1,
		.answer_bytes_max = ANSWER_BYTES_MAX,
		.gone = &otlp->gone,
		.accept = accept_answer,
		.owner = &reading,
	};
	struct sl_call_answer answer;
	struct sl_arena arena;
	enum result result;

	sl_arena_init(&arena, 0, ARENA_BYTES_MAX);
	sl_call_run(&otlp->up, &arena, &call, &answer);
	result = result_of(&answer);
	*ret_bad = answer.ending == SL_ENDING_BAD;
	count(&otlp->exports[signal][result], 1);
	if (!otlp->gone)
		tell(otlp, pool->name, signal, result, answer.detail);
	if (result == RESULT_OK) {
		if (reading.rejected > items)
			reading.rejected = items;
		count(&otlp->sent[signal], items - reading.rejected);
		if (signal == SL_OTLP_TRACES)
			count(&otlp->dropped[DROP_REJECTED], reading.rejected);
		if (reading.why[0])
			sl_log(SL_LOG_DEBUG, "otlp: pool \"%s\": %s: %s", pool->name,
			       signal_names[signal], reading.why);
	}
	sl_arena_fini(&arena);
	sl_routes_put(&routes);
	return result;
}

/* ---- metrics --------------------------------------------------------------------------------- */

/* Written and turned on a thread of the pool of work: a fleet's take some ms. */
struct job {
	void (*metrics)(void *owner, struct sl_text *text);
	void *owner;
	struct sl_text resource; /* a copy */
	uint64_t start_ns, now_ns;
	struct sl_text text;
	uint32_t points;
};

static void drop_job(void *arg)
{
	struct job *job = arg;

	sl_text_fini(&job->resource);
	sl_text_fini(&job->text);
	free(job);
}

static void run_job(void *arg)
{
	struct job *job = arg;
	struct sl_text body;

	sl_text_init(&body, METRICS_BYTES);
	job->metrics(job->owner, &body);
	if (!body.error)
		job->points =
			sl_otlp_metrics_write(sl_text_span(&body), sl_text_span(&job->resource),
					      job->start_ns, job->now_ns, &job->text);
	sl_text_fini(&body);
}

static void send_metrics(struct otlp *otlp)
{
	struct job *job = calloc(1, sizeof(*job));
	bool bad;
	int rc;

	if (!job)
		return;
	job->metrics = otlp->place.metrics;
	job->owner = otlp->place.owner;
	job->start_ns = otlp->start_wall_ns;
	job->now_ns = sl_clock_ns() + sl_clock_wall_offset_ns();
	sl_text_init(&job->resource, RESOURCE_BYTES);
	sl_text_append_span(&job->resource, sl_text_span(&otlp->resource));
	sl_text_init(&job->text, METRICS_BYTES);
	/* Never left alone: it reads what the daemon frees at its end. */
	otlp->writing = true;
	rc = sl_work_run(otlp->place.stores->work, otlp->place.loop, run_job, drop_job, job,
			 sl_loop_now_ns(otlp->place.loop) + METRICS_JOB_MS * SL_NS_PER_MS, NULL);
	otlp->writing = rc == -ETIMEDOUT || rc == -ECANCELED;
	if (rc == -ETIMEDOUT || rc == -ECANCELED)
		return;
	if (!rc && !otlp->gone && job->text.len && !job->text.error)
		export_one(otlp, SL_OTLP_METRICS, sl_text_span(&job->text), job->points, &bad);
	drop_job(job);
}

/* ---- the fiber ------------------------------------------------------------------------------- */

/* Until it is taken, or may be kept no longer. */
static void send_batch(struct otlp *otlp, struct batch *batch)
{
	enum result result = RESULT_AGAIN;
	bool bad = false;

	for (uint32_t tries = 0;
	     !otlp->gone && result == RESULT_AGAIN && config_of(otlp)->otlp.pool; tries++) {
		uint32_t wait_ms;

		result = export_one(otlp, SL_OTLP_TRACES, sl_text_span(&batch->text), batch->items,
				    &bad);
		if (result != RESULT_AGAIN)
			break;
		wait_ms = RETRY_MS / 2 +
			  sl_random_backoff_ms(&otlp->random, RETRY_MS, RETRY_MAX_MS, tries);
		if (sl_clock_ms() + wait_ms >= batch->born_ms + config_of(otlp)->otlp.wait_ms)
			break;
		while (wait_ms &&
		       !otlp->gone) { /* in pieces: the end of the process waits for it */
			uint32_t piece = wait_ms < GATHER_MS / 4 ? wait_ms : GATHER_MS / 4;

			sl_fiber_sleep(otlp->place.loop, piece);
			wait_ms -= piece;
			if (otlp->metrics_due)
				break;
		}
		if (otlp->metrics_due && !otlp->gone) {
			otlp->metrics_due = false;
			send_metrics(otlp);
		}
	}
	if (result == RESULT_OK)
		free_batch(&batch);
	else
		drop_batch(otlp, &batch,
			   result == RESULT_AGAIN ? DROP_UNDELIVERED
			   : bad		  ? DROP_BAD_ANSWER
						  : DROP_REFUSED);
}

static void work(void *arg)
{
	struct otlp *otlp = arg;

	otlp->fiber = sl_fiber_self(otlp->place.loop);
	while (!otlp->gone && (otlp->first || otlp->metrics_due)) {
		if (otlp->metrics_due) {
			otlp->metrics_due = false;
			send_metrics(otlp);
		} else {
			send_batch(otlp, take_batch(otlp));
		}
	}
	otlp->busy = false;
}

static void wake(struct otlp *otlp)
{
	if (otlp->busy || otlp->gone || !(otlp->first || otlp->metrics_due))
		return;
	otlp->busy = true;
	if (sl_fiber_start(otlp->place.loop, work, otlp))
		otlp->busy = false; /* at the next poll */
}

static void poll_part(void *owner, uint64_t now_ms)
{
	struct otlp *otlp = owner;
	const struct sl_config *config = config_of(otlp);

	if (!config->otlp.pool)
		return;
	gather(otlp);
	if (config->otlp.metrics_ms && !otlp->stopped && now_ms >= otlp->metrics_at_ms) {
		otlp->metrics_at_ms = now_ms + config->otlp.metrics_ms;
		otlp->metrics_due = true;
	}
	wake(otlp);
}

/* ---- configuration --------------------------------------------------------------------------- */

static void add_attribute(void *arg, struct sl_span key, struct sl_span value)
{
	sl_otlp_span_string(arg, SL_OTLP_OF_RESOURCE, key, value);
}

static void add_line(void *arg, struct sl_span name, struct sl_span value)
{
	struct sl_text *lines = arg;

	sl_text_append_span(lines, name);
	sl_text_append_string(lines, ": ");
	sl_text_append_span(lines, value);
	sl_text_append_string(lines, "\r\n");
}

static void apply(void *owner, struct sl_routes *routes)
{
	struct otlp *otlp = owner;
	struct sl_routes *old = otlp->routes;
	const struct sl_config_otlp *config;
	struct sl_span bad;
	char host[256] = "";

	otlp->routes = sl_routes_get(routes);
	if (old)
		sl_routes_put(&old);
	config = &config_of(otlp)->otlp;
	gethostname(host, sizeof(host) - 1);
	sl_text_reset(&otlp->resource);
	sl_otlp_string(&otlp->resource, SL_OTLP_OF_RESOURCE, "service.name", config->service);
	sl_otlp_string(&otlp->resource, SL_OTLP_OF_RESOURCE, "service.instance.id", otlp->instance);
	sl_otlp_string(&otlp->resource, SL_OTLP_OF_RESOURCE, "host.name", host);
	sl_otlp_int(&otlp->resource, SL_OTLP_OF_RESOURCE, "process.pid", getpid());
	if (config->attributes) /* they were checked with the configuration */
		sl_pairs_each(sl_span_string(config->attributes), add_attribute, &otlp->resource,
			      &bad);
	sl_text_reset(&otlp->lines);
	sl_text_append_string(&otlp->lines, "content-type: application/x-protobuf\r\n");
	if (config->headers)
		sl_pairs_each(sl_span_string(config->headers), add_line, &otlp->lines, &bad);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void on_changed(void *owner, const struct sl_upstream_node *node,
		       const struct sl_breaker_change *change)
{
	struct otlp *otlp = owner;

	sl_worker_log_change(otlp->up.state.pools[node->state->pool].name, node->text, change);
}

/* A random UUID, as the specification proposes. */
static void name_instance(struct otlp *otlp)
{
	uint64_t a = sl_random_u64(&otlp->random), b = sl_random_u64(&otlp->random);

	snprintf(otlp->instance, sizeof(otlp->instance), "%08x-%04x-4%03x-%04x-%012" PRIx64,
		 (unsigned)(a >> 32), (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff),
		 (unsigned)(b >> 48 & 0x3fff) | 0x8000u, (uint64_t)(b & 0xffffffffffffull));
}

static int open_part(const struct sl_watch_place *place, struct sl_routes *routes, void **ret_part)
{
	struct otlp *otlp = calloc(1, sizeof(*otlp));
	int rc = otlp ? sl_upstream_init(&otlp->up, place->loop, &place->state) : -ENOMEM;

	if (rc) {
		free(otlp);
		return rc;
	}
	otlp->place = *place;
	otlp->last = &otlp->first;
	otlp->up.changed = on_changed;
	otlp->up.owner = otlp;
	otlp->start_wall_ns = sl_clock_ns() + sl_clock_wall_offset_ns();
	sl_random_init(&otlp->random);
	name_instance(otlp);
	sl_text_init(&otlp->resource, RESOURCE_BYTES);
	sl_text_init(&otlp->lines, LINES_BYTES);
	apply(otlp, routes);
	*ret_part = otlp;
	return 0;
}

static void turn_until_idle(struct otlp *otlp, uint32_t most_ms)
{
	uint64_t until_ms = sl_clock_ms() + most_ms;

	while ((otlp->busy || otlp->up.conn_count) && sl_clock_ms() < until_ms) {
		if (!otlp->busy)
			sl_upstream_drain(&otlp->up);
		sl_loop_turn(otlp->place.loop, TURN_MS);
	}
}

/* What metrics are made of goes away before the parts do. */
static void stop_part(void *owner, bool leaving)
{
	struct otlp *otlp = owner;
	uint64_t until_ms = sl_clock_ms() + METRICS_JOB_MS;

	(void)leaving;
	otlp->stopped = true;
	otlp->metrics_due = false;
	while (otlp->writing && sl_clock_ms() < until_ms)
		sl_loop_turn(otlp->place.loop, TURN_MS);
}

static void close_part(void *owner)
{
	struct otlp *otlp = owner;

	if (config_of(otlp)->otlp.pool) { /* what the workers left was gathered by the last turn */
		close_batch(otlp);
		wake(otlp);
		turn_until_idle(otlp, FLUSH_MS);
	}
	otlp->gone = true;
	if (otlp->busy && !otlp->writing) /* it may wait for a collector that says nothing */
		sl_fiber_wake(otlp->fiber);
	turn_until_idle(otlp, FLUSH_MS);
	while (otlp->first) {
		struct batch *batch = take_batch(otlp);

		drop_batch(otlp, &batch, DROP_UNDELIVERED);
	}
	free_batch(&otlp->open);
	sl_routes_put(&otlp->routes);
	sl_upstream_drain(&otlp->up); /* its timer goes with it, also where nothing was ever sent */
	if (otlp->busy || otlp->up.conn_count)
		return; /* left to the end of the process */
	sl_upstream_fini(&otlp->up);
	sl_text_fini(&otlp->resource);
	sl_text_fini(&otlp->lines);
	free(otlp);
}

/* ---- metrics of its own ---------------------------------------------------------------------- */

static uint64_t load(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void family(struct sl_text *text, const char *name, const char *type, const char *help)
{
	sl_text_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Traces that the workers' queues lost, and those whose trail was gone. */
static uint64_t sum_lost(const struct otlp *otlp, bool overtaken)
{
	uint64_t sum = 0;

	for (uint32_t k = 0; k < otlp->place.threads->count; k++) {
		const struct sl_traces *traces = &otlp->place.threads->workers[k]->traces;

		sum += load(overtaken ? &traces->overtaken : &traces->lost);
	}
	return sum;
}

static void write_metrics(void *owner, struct sl_text *text)
{
	const struct otlp *otlp = owner;

	family(text, "sluice_otlp_sent_total", "counter",
	       "Spans and points of metrics that a collector took.");
	for (int i = 0; i < SL_OTLP_SIGNALS; i++)
		sl_text_printf(text, "sluice_otlp_sent_total{signal=\"%s\"} %" PRIu64 "\n",
			       signal_names[i], load(&otlp->sent[i]));
	family(text, "sluice_otlp_exports_total", "counter",
	       "Exports to a collector, by what came of them.");
	for (int i = 0; i < SL_OTLP_SIGNALS; i++) {
		for (int k = 0; k < RESULTS; k++)
			sl_text_printf(text,
				       "sluice_otlp_exports_total{signal=\"%s\",result=\"%s\"} "
				       "%" PRIu64 "\n",
				       signal_names[i], result_names[k],
				       load(&otlp->exports[i][k]));
	}
	family(text, "sluice_otlp_dropped_total", "counter",
	       "Spans that no collector has, by reason; of queue_full whole traces.");
	for (int i = 0; i < DROPS; i++)
		sl_text_printf(text, "sluice_otlp_dropped_total{reason=\"%s\"} %" PRIu64 "\n",
			       drop_names[i],
			       i == DROP_QUEUE_FULL ? sum_lost(otlp, false)
						    : load(&otlp->dropped[i]));
	family(text, "sluice_otlp_trails_lost_total", "counter",
	       "Traces of the request alone: a thousand later ones had taken its trail.");
	sl_text_printf(text, "sluice_otlp_trails_lost_total %" PRIu64 "\n", sum_lost(otlp, true));
}

const struct sl_watch_part sl_otlp_part = {
	.open = open_part,
	.apply = apply,
	.poll = poll_part,
	.write_metrics = write_metrics,
	.stop = stop_part,
	.close = close_part,
};
