/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/calls.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/base/digest.h"
#include "user/base/log.h"
#include "user/io/fiber.h"
#include "user/io/process.h"
#include "user/request/worker.h"
#include "user/upstream/attempt.h"

#define ARENA_BYTES_MAX (64u << 10)
#define HEAD_BYTES	(2u * SL_CONFIG_URL_MAX + SL_CONFIG_TOKEN_MAX + 512u)
#define OUTPUT_BYTES	2048u
#define CLOSE_TURNS_MAX 300
#define CLOSE_TURN_MS	10

struct call;

struct sl_calls {
	struct sl_loop *loop;
	struct sl_upstream up;
	struct call *under_way; /* a list */
	uint32_t running;
	bool gone;
};

struct call {
	struct sl_calls *calls;
	struct sl_routes *routes;
	const struct sl_config_call *what;
	char *body;
	size_t body_len;
	struct sl_call_env env;
	void (*done)(void *owner, const struct sl_call_result *result);
	void *owner;
	struct sl_call_result result;
	bool gone; /* atomic: its thread looks at it */
	struct call *next, **pprev;
	struct sl_fiber *fiber; /* of a POST */
	pthread_t thread;	/* of a program */
	struct sl_loop_post post;
};

void sl_call_env_add(struct sl_call_env *env, const char *name, const char *value)
{
	size_t room = sizeof(env->bytes) - env->len;
	int len = snprintf(env->bytes + env->len, room, "%s=%s", name, value);

	if (len < 0 || (size_t)len >= room || env->count >= SL_PROCESS_ENV_MAX)
		return;
	env->len += (uint32_t)len + 1;
	env->count++;
}

static void list(struct call *call)
{
	struct sl_calls *calls = call->calls;

	call->next = calls->under_way;
	call->pprev = &calls->under_way;
	if (call->next)
		call->next->pprev = &call->next;
	calls->under_way = call;
	calls->running++;
}

static void unlist(struct call *call)
{
	*call->pprev = call->next;
	if (call->next)
		call->next->pprev = call->pprev;
	call->calls->running--;
}

/* On the control thread: nobody else holds the call any more. */
static void finish(struct call *call)
{
	unlist(call);
	call->done(call->owner, &call->result);
	sl_routes_put(&call->routes);
	free(call->body);
	free(call);
}

/* ---- a program ------------------------------------------------------------------------------- */

/* A line goes into logs and timelines: no control bytes. */
static void make_printable(char *line)
{
	for (; *line && *line != '\n'; line++) {
		if ((unsigned char)*line < ' ' || *line == 0x7f)
			*line = ' ';
	}
	*line = 0;
}

static void say_end(struct sl_call_result *result, const struct sl_process_end *end, char *output)
{
	make_printable(output);
	make_printable(result->last);
	result->status = end->error || end->timed_out ? -1 : end->status;
	result->ok = !end->error && !end->timed_out && end->status == 0;
	result->timed_out = end->timed_out;
	result->took_ms = end->took_ms;
	if (end->error && end->timed_out)
		snprintf(result->text, sizeof(result->text),
			 "could not be killed after %u ms: left running", end->took_ms);
	else if (end->error)
		snprintf(result->text, sizeof(result->text), "cannot be run: %s",
			 strerror(-end->error));
	else if (end->timed_out)
		snprintf(result->text, sizeof(result->text), "killed after %u ms%s%.100s",
			 end->took_ms, output[0] ? ": " : "", output);
	else if (end->status < 0)
		snprintf(result->text, sizeof(result->text), "ended by signal %d", end->signal);
	else
		snprintf(result->text, sizeof(result->text), "exit %d%s%.150s", end->status,
			 output[0] ? ": " : "", output);
}

static void on_process_end(void *arg)
{
	struct call *call = arg;

	pthread_join(call->thread, NULL);
	finish(call);
}

static void *run_process(void *arg)
{
	struct call *call = arg;
	const char *env[SL_PROCESS_ENV_MAX];
	const char *at = call->env.bytes;
	char output[OUTPUT_BYTES];
	struct sl_process_plan plan = {
		.words = call->what->exec.names,
		.word_count = call->what->exec.count,
		.env = env,
		.env_count = call->env.count,
		.input = call->body,
		.input_len = call->body_len,
		.timeout_ms = call->what->timeout_ms,
		.cancel = &call->gone,
		.output = output,
		.output_size = sizeof(output),
		.last = call->result.last,
		.last_size = sizeof(call->result.last),
	};
	struct sl_process_end end;

	for (uint32_t i = 0; i < call->env.count; i++) {
		env[i] = at;
		at += strlen(at) + 1;
	}
	sl_process_run(&plan, &end);
	say_end(&call->result, &end, output);
	call->post = (struct sl_loop_post){.fn = on_process_end, .arg = call};
	sl_loop_post_lent(call->calls->loop, &call->post);
	return NULL;
}

static int start_process(struct call *call)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all); /* signals are the main thread's */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = -pthread_create(&call->thread, NULL, run_process, call);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

/* ---- a POST ---------------------------------------------------------------------------------- */

static void write_signature(const struct call *call, char out[128])
{
	uint8_t digest[SL_DIGEST_BYTES];
	int len;

	out[0] = 0;
	if (!call->what->hmac)
		return;
	sl_digest_hmac_sha256(sl_span_string(call->what->hmac),
			      sl_span_make(call->body, call->body_len), digest);
	len = snprintf(out, 128, "x-sluice-signature: sha256=");
	for (uint32_t i = 0; i < SL_DIGEST_BYTES; i++)
		len += snprintf(out + len, 128 - (size_t)len, "%02x", digest[i]);
	snprintf(out + len, 128 - (size_t)len, "\r\n");
}

static enum sl_ending post(struct call *call, struct sl_attempt *attempt,
			   const struct sl_upstream_pool *to, struct sl_upstream_grant *grant)
{
	uint64_t until_ns =
		sl_loop_now_ns(call->calls->loop) + call->what->timeout_ms * SL_NS_PER_MS;
	char head[HEAD_BYTES], signature[128];
	struct sl_attempt_plan plan = {
		.head = head,
		.body = call->body,
		.body_len = call->body_len,
		.connect_ms = call->what->timeout_ms,
		.answer_ns = until_ns,
		.deadline_ns = until_ns,
		.gone = &call->gone,
	};
	int len;

	write_signature(call, signature);
	len = snprintf(head, sizeof(head),
		       "POST %s HTTP/1.1\r\nhost: %s\r\nuser-agent: sluiced-alerts\r\n%s%s"
		       "content-type: application/json\r\ncontent-length: %zu\r\n\r\n",
		       call->what->path, sl_upstream_host(grant->node),
		       to->key_line ? to->key_line : "", signature, call->body_len);
	plan.head_len = len > 0 && (size_t)len < sizeof(head) ? (size_t)len : 0;
	return sl_attempt_run(attempt, grant, &plan);
}

static void run_post(void *arg)
{
	struct call *call = arg;
	struct sl_calls *calls = call->calls;
	const struct sl_upstream_pool *to = &call->routes->pools[call->what->pool - 1];
	struct sl_upstream_grant grant = sl_upstream_acquire(&calls->up, to, NULL, 0, true);
	uint64_t since_ms = sl_clock_ms();
	struct sl_call_result *result = &call->result;
	struct sl_attempt attempt;
	struct sl_arena arena;
	enum sl_ending ending;

	call->fiber = sl_fiber_self(calls->loop);
	if (!grant.node) {
		snprintf(result->text, sizeof(result->text), "no node may be asked");
		finish(call);
		return;
	}
	sl_arena_init(&arena, 0, ARENA_BYTES_MAX);
	sl_attempt_init(&attempt, &calls->up, &arena);
	ending = post(call, &attempt, to, &grant);
	result->ok = ending == SL_ENDING_OK;
	result->timed_out = ending == SL_ENDING_TTFT_TIMEOUT || ending == SL_ENDING_TOTAL_TIMEOUT;
	result->took_ms = (uint32_t)(sl_clock_ms() - since_ms);
	snprintf(result->text, sizeof(result->text), "%.150s",
		 result->ok	     ? "taken"
		 : attempt.detail[0] ? attempt.detail
				     : sl_outcome_of(ending)->name);
	sl_attempt_fini(&attempt);
	sl_arena_fini(&arena);
	call->fiber = NULL;
	finish(call);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void on_changed(void *owner, const struct sl_upstream_node *node,
		       const struct sl_breaker_change *change)
{
	struct sl_calls *calls = owner;

	sl_worker_log_change(calls->up.state.pools[node->state->pool].name, node->text, change);
}

int sl_calls_open(struct sl_loop *loop, const struct sl_upstream_state *state,
		  struct sl_calls **ret_calls)
{
	struct sl_calls *calls = calloc(1, sizeof(*calls));
	int rc;

	if (!calls)
		return -ENOMEM;
	calls->loop = loop;
	rc = sl_upstream_init(&calls->up, loop, state);
	if (rc) {
		free(calls);
		return rc;
	}
	calls->up.changed = on_changed;
	calls->up.owner = calls;
	*ret_calls = calls;
	return 0;
}

int sl_calls_start(struct sl_calls *calls, struct sl_routes *routes,
		   const struct sl_config_call *what, struct sl_span body,
		   const struct sl_call_env *env,
		   void (*done)(void *owner, const struct sl_call_result *result), void *owner)
{
	struct call *call;
	int rc;

	if (calls->running >= SL_CALLS_MAX || calls->gone)
		return -EAGAIN;
	call = calloc(1, sizeof(*call));
	if (!call)
		return -ENOMEM;
	*call = (struct call){.calls = calls, .what = what, .done = done, .owner = owner};
	call->result.status = -1;
	call->env = *env;
	call->body = malloc(body.len + 1);
	if (!call->body) {
		free(call);
		return -ENOMEM;
	}
	memcpy(call->body, body.data ? body.data : "", body.len);
	call->body_len = body.len;
	call->routes = sl_routes_get(routes);
	list(call);
	rc = what->exec.count ? start_process(call) : sl_fiber_start(calls->loop, run_post, call);
	if (!rc)
		return 0;
	unlist(call);
	sl_routes_put(&call->routes);
	free(call->body);
	free(call);
	return -EAGAIN;
}

static void cancel(struct call *call)
{
	__atomic_store_n(&call->gone, true, __ATOMIC_RELAXED);
	if (call->fiber)
		sl_fiber_wake(call->fiber);
}

void sl_calls_cancel(struct sl_calls *calls, const void *owner)
{
	for (struct call *call = calls->under_way; call; call = call->next) {
		if (call->owner == owner)
			cancel(call);
	}
}

void sl_calls_stop(struct sl_calls *calls)
{
	if (!calls)
		return;
	calls->gone = true;
	for (struct call *call = calls->under_way; call; call = call->next)
		cancel(call);
	sl_upstream_drain(&calls->up);
	for (int turn = 0; turn < CLOSE_TURNS_MAX && (calls->running || calls->up.conn_count);
	     turn++)
		sl_loop_turn(calls->loop, CLOSE_TURN_MS);
}

void sl_calls_close(struct sl_calls **calls_ref)
{
	struct sl_calls *calls = *calls_ref;

	*calls_ref = NULL;
	if (!calls || calls->running || calls->up.conn_count)
		return; /* left to the end of the process */
	sl_upstream_fini(&calls->up);
	free(calls);
}
