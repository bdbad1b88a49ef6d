/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/flight.h"

#include <stdlib.h>
#include <string.h>

struct sl_follower {
	struct sl_flights_waiter waiter; /* first */
	struct sl_worker *worker;
	struct sl_fiber *fiber; /* NULL: it has left, and what it is told is for nobody */
	struct sl_loop_post post;
	bool told;
};

/* ---- entering -------------------------------------------------------------------------------- */

/* On its own thread: the outcome is there. */
static void on_told(void *arg)
{
	struct sl_follower *follower = arg;
	struct sl_cache_value *value;
	struct sl_flight *flight;

	follower->told = true;
	if (follower->fiber) {
		sl_fiber_wake(follower->fiber);
		return;
	}
	sl_flight_part(&follower, &value, &flight);
	sl_cache_value_put(&value);
	sl_flight_fail(&flight); /* the next one, if it has come to lead */
}

/* On the thread of who landed or gave up. */
static void tell(struct sl_flights_waiter *waiter)
{
	struct sl_follower *follower = (struct sl_follower *)waiter;

	sl_loop_post_lent(follower->worker->loop, &follower->post);
}

struct sl_flight *sl_flight_enter(struct sl_worker *worker, const struct sl_cache_key *key,
				  size_t bytes_max, struct sl_follower **ret_follower)
{
	struct sl_flight *flight = calloc(1, sizeof(*flight));
	struct sl_follower *follower = calloc(1, sizeof(*follower));

	*ret_follower = NULL;
	if (!flight || !follower) {
		free(flight);
		free(follower);
		return NULL;
	}
	flight->worker = worker;
	flight->entry.key = *key;
	sl_text_init(&flight->bytes, bytes_max);
	follower->worker = worker;
	follower->fiber = sl_fiber_self(worker->loop);
	follower->waiter.tell = tell;
	follower->post = (struct sl_loop_post){.fn = on_told, .arg = follower};
	if (sl_flights_enter(worker->flights, &flight->entry, &follower->waiter)) {
		free(follower);
		return flight;
	}
	free(flight);
	*ret_follower = follower;
	return NULL;
}

/* ---- followers ------------------------------------------------------------------------------- */

bool sl_flight_is_told(const struct sl_follower *follower)
{
	return follower->told;
}

enum sl_flights_outcome sl_flight_part(struct sl_follower **follower,
				       struct sl_cache_value **ret_value,
				       struct sl_flight **ret_flight)
{
	struct sl_follower *old = *follower;
	struct sl_flights *flights = old->worker->flights;
	enum sl_flights_outcome outcome = SL_FLIGHTS_WAITING;

	*follower = NULL;
	*ret_value = NULL;
	*ret_flight = NULL;
	if (old->told) {
		sl_flights_done(flights, &old->waiter);
		outcome = old->waiter.outcome;
		*ret_value = old->waiter.value;
		if (outcome == SL_FLIGHTS_LEADS) {
			*ret_flight = (struct sl_flight *)old->waiter.entry;
			(*ret_flight)->worker = old->worker;
		}
	} else if (!sl_flights_leave(flights, &old->waiter)) {
		old->fiber = NULL; /* on its way: on_told() frees it */
		return outcome;
	}
	free(old);
	return outcome;
}

void sl_flight_land(struct sl_flight **flight, struct sl_cache_value *value)
{
	struct sl_flight *old = *flight;

	*flight = NULL;
	if (!old)
		return;
	sl_flights_land(old->worker->flights, &old->entry, value);
	sl_text_fini(&old->bytes);
	free(old);
}

void sl_flight_fail(struct sl_flight **flight)
{
	struct sl_flight *old = *flight;
	struct sl_flights *flights;

	*flight = NULL;
	if (!old)
		return;
	flights = old->worker->flights;
	old->worker = NULL;
	old->finished = 0;
	old->spoilt = false;
	sl_text_fini(&old->bytes);
	if (!sl_flights_pass(flights, &old->entry))
		free(old);
}

/* ---- what may be kept ------------------------------------------------------------------------ */

/* A choice that the model brought to an end of its own. */
static bool is_good_end(const struct sl_flight *flight, const struct sl_json_field *reason)
{
	return sl_json_string_equal(reason, "stop", 4) ||
	       sl_json_string_equal(reason, "tool_calls", 10) ||
	       (flight->may_be_cut && sl_json_string_equal(reason, "length", 6));
}

/* Counts the ends among the choices; false for any that is not good, or when one is missing. */
static bool count_ends(const struct sl_flight *flight, const struct sl_json_field *choices,
		       bool all_must, uint32_t *count)
{
	struct sl_json_field choice, reason = SL_JSON_FIELD("finish_reason");
	const char *cursor = NULL;

	if (choices->type != SL_JSON_ARRAY)
		return false;
	while (sl_json_each(choices, &cursor, &choice)) {
		if (choice.type != SL_JSON_OBJECT ||
		    sl_json_scan(choice.value, choice.value_len, &reason, 1))
			return false;
		if (reason.type == SL_JSON_STRING && is_good_end(flight, &reason))
			(*count)++;
		else if (all_must || reason.type == SL_JSON_STRING)
			return false;
	}
	return true;
}

/* Servers may say more than they were asked ("gpt-4o-2024-08-06" for "gpt-4o"), not another name. */
static bool is_model(const struct sl_flight *flight, const struct sl_json_field *model)
{
	char name[2 * SL_OPENAI_MODEL_BYTES_MAX + 1];

	return sl_json_string(model, name, sizeof(name)) >= 0 &&
	       !strncmp(name, flight->model, strlen(flight->model));
}

bool sl_flight_judge(const struct sl_flight *flight, enum sl_openai_endpoint endpoint,
		     const char *body, size_t len)
{
	struct sl_json_field f[] = {SL_JSON_FIELD("choices"), SL_JSON_FIELD("model"),
				    SL_JSON_FIELD("data")};
	const char *cursor = NULL;
	struct sl_json_field item;
	uint32_t count = 0;

	if (len > flight->bytes.cap || sl_json_scan(body, len, f, 3) || !is_model(flight, &f[1]))
		return false;
	if (endpoint == SL_OPENAI_EMBEDDINGS)
		return f[2].type == SL_JSON_ARRAY && sl_json_each(&f[2], &cursor, &item);
	return count_ends(flight, &f[0], true, &count) && count >= flight->choices;
}

void sl_flight_finish(struct sl_flight *flight, const char *data, size_t len)
{
	struct sl_json_field f[] = {SL_JSON_FIELD("choices"), SL_JSON_FIELD("model")};

	if (sl_json_scan(data, len, f, 2) || !is_model(flight, &f[1]) ||
	    !count_ends(flight, &f[0], false, &flight->finished))
		flight->spoilt = true;
}

void sl_flight_capture(struct sl_flight *flight, const char *bytes, size_t len)
{
	if (!flight->spoilt && !sl_text_append(&flight->bytes, bytes, len))
		return;
	flight->spoilt = true;
	sl_text_fini(&flight->bytes);
}

void sl_flight_commit(struct sl_flight **flight)
{
	struct sl_flight *f = *flight;
	uint64_t now_ns = sl_loop_now_ns(f->worker->loop);
	struct sl_cache_value *value = NULL;

	if (!f->spoilt && f->finished == f->choices)
		value = sl_cache_value_new(sl_text_string(&f->bytes), f->bytes.len, now_ns);
	if (value)
		value->label = f->label;
	if (value && !sl_upstream_is_down(&f->worker->upstream, SL_STRIKE_STORE_CACHE, NULL))
		sl_cache_insert(f->worker->cache, &f->entry.key, value, f->ttl_ns, now_ns);
	sl_flight_land(flight, value);
	sl_cache_value_put(&value);
}
