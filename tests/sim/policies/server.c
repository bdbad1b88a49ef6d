/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/sim/policies/world.h"

#include <string.h>

#define REPLY_US (2 * W_MS) /* of one that does not serve */

static struct w_server *server_of(uint32_t node)
{
	return &w->servers[node];
}

/* One that is busy takes nothing new, and goes on with what it has. */
static bool is_serving(const struct w_server *server)
{
	return server->health == W_WELL || server->health == W_BUSY;
}

static void plan_step(uint32_t node)
{
	struct w_server *server = server_of(node);
	const struct w_server_kind *kind = &server->kind;
	uint64_t step_us;

	if (server->stepping || !is_serving(server))
		return;
	step_us = kind->a_us;
	while (server->running < kind->slots && server->waiting) {
		const struct w_attempt *attempt = &w->attempts[server->jobs[server->running]];

		step_us += (uint64_t)kind->prefill_us * w->requests[attempt->request].prompt;
		server->running++;
		server->waiting--;
	}
	if (!server->running)
		return;
	step_us += (uint64_t)kind->b_us * server->running;
	server->stepping = true;
	w_push(w->now_us + step_us * server->pace_percent / 100, W_STEP, node, server->era);
}

void w_server_take(uint32_t node, uint32_t attempt)
{
	struct w_server *server = server_of(node);
	uint32_t jobs = server->running + server->waiting;

	if (server->health == W_REFUSES || server->health == W_FAILS || server->health == W_BUSY ||
	    jobs >= server->kind.slots + server->kind.waits || jobs == W_JOBS_MAX) {
		w_push(w->now_us + REPLY_US, W_REPLY, attempt, 0);
		return;
	}
	server->jobs[jobs] = attempt;
	server->waiting++;
	plan_step(node);
}

/* What it says now; it may be well again by then. */
void w_server_reply(uint32_t index)
{
	const struct w_attempt *attempt = &w->attempts[index];
	struct w_server *server = server_of(attempt->node);

	if (!attempt->live)
		return;
	switch (server->health) {
	case W_REFUSES:
		w_on_failure(index, SL_ENDING_CONNECT_ERROR, 0);
		break;
	case W_FAILS:
		w_on_failure(index, SL_ENDING_STATUS_5XX, 0);
		break;
	default:
		server->busy_answers++;
		w_this_second()->busy++;
		w_on_failure(index, SL_ENDING_BUSY, server->kind.after_ms);
		break;
	}
}

static void drop_job(struct w_server *server, uint32_t at)
{
	uint32_t jobs = server->running + server->waiting;

	memmove(&server->jobs[at], &server->jobs[at + 1],
		(jobs - at - 1) * sizeof(server->jobs[0]));
	if (at < server->running)
		server->running--;
	else
		server->waiting--;
}

void w_server_leave(uint32_t node, uint32_t attempt)
{
	struct w_server *server = server_of(node);
	uint32_t i;

	if (server->kind.works_on)
		return;
	for (i = 0; i < server->running + server->waiting; i++) {
		if (server->jobs[i] == attempt) {
			drop_job(server, i);
			return;
		}
	}
}

/* Each stream gets a token. Those who are told may leave, or bring others: not before all have it. */
void w_server_step(uint32_t node, uint32_t era)
{
	static uint32_t told[W_JOBS_MAX];
	struct w_server *server = server_of(node);
	uint32_t i, count = server->running;

	if (server->era != era)
		return;
	server->stepping = false;
	if (!is_serving(server))
		return;
	memcpy(told, server->jobs, count * sizeof(told[0]));
	for (i = count; i > 0; i--) {
		struct w_attempt *attempt = &w->attempts[server->jobs[i - 1]];

		server->tokens++;
		if (!--attempt->left)
			drop_job(server, i - 1);
	}
	for (i = 0; i < count; i++) {
		struct w_attempt *attempt = &w->attempts[told[i]];

		if (attempt->live && !attempt->first)
			w_on_first_token(told[i]);
		else if (attempt->live)
			w_on_token(told[i]);
		if (attempt->live && !attempt->left)
			w_on_end(told[i]);
	}
	plan_step(node);
}

/* One that dies forgets its work, and tells all clients at once; one that is silent tells nobody. */
void w_server_set(uint32_t node, enum w_health health, uint32_t pace_percent)
{
	struct w_server *server = server_of(node);
	uint32_t i, jobs = server->running + server->waiting;
	static uint32_t lost[W_JOBS_MAX];

	if (pace_percent)
		server->pace_percent = pace_percent;
	server->health = health;
	server->era++;
	server->stepping = false;
	if (health == W_REFUSES || health == W_FAILS) {
		memcpy(lost, server->jobs, jobs * sizeof(lost[0]));
		server->running = server->waiting = 0;
		for (i = 0; i < jobs; i++) {
			if (w->attempts[lost[i]].live)
				w_on_failure(lost[i], SL_ENDING_RESET, 0);
		}
	}
	plan_step(node);
}
