/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/flight.h"

#include <stdlib.h>
#include <string.h>

struct sl_flight *sl_flight_find(struct sl_worker *worker, const struct sl_cache_key *key)
{
	struct sl_flight *flight = worker->flights[key->bytes[0] % SL_WORKER_FLIGHT_LISTS];

	while (flight && memcmp(&flight->key, key, sizeof(*key)) != 0)
		flight = flight->next;
	return flight;
}

struct sl_flight *sl_flight_new(struct sl_worker *worker, const struct sl_cache_key *key,
				size_t bytes_max)
{
	struct sl_flight **list = &worker->flights[key->bytes[0] % SL_WORKER_FLIGHT_LISTS];
	struct sl_flight *flight = calloc(1, sizeof(*flight));

	if (!flight)
		return NULL;
	flight->worker = worker;
	flight->key = *key;
	flight->end = &flight->first;
	sl_text_init(&flight->bytes, bytes_max);
	flight->next = *list;
	flight->pprev = list;
	if (flight->next)
		flight->next->pprev = &flight->next;
	*list = flight;
	return flight;
}

/* ---- followers ------------------------------------------------------------------------------- */

void sl_flight_join(struct sl_flight *flight, struct sl_follower *follower, struct sl_fiber *fiber)
{
	*follower = (struct sl_follower){.flight = flight, .fiber = fiber, .pprev = flight->end};
	*flight->end = follower;
	flight->end = &follower->next;
}

void sl_flight_leave(struct sl_follower *follower)
{
	*follower->pprev = follower->next;
	if (follower->next)
		follower->next->pprev = follower->pprev;
	else
		follower->flight->end = follower->pprev;
	follower->flight = NULL;
}

static void tell(struct sl_follower *follower, enum sl_follower_state state)
{
	follower->state = state;
	sl_fiber_wake(follower->fiber);
}

void sl_flight_land(struct sl_flight **flight, struct sl_cache_value *value)
{
	struct sl_flight *old = *flight;
	struct sl_follower *follower;

	*flight = NULL;
	if (!old)
		return;
	while ((follower = old->first)) {
		sl_flight_leave(follower);
		if (value)
			follower->value = sl_cache_value_get(value);
		tell(follower, value ? SL_FOLLOWER_SERVED : SL_FOLLOWER_RELEASED);
	}
	*old->pprev = old->next;
	if (old->next)
		old->next->pprev = old->pprev;
	sl_text_fini(&old->bytes);
	free(old);
}

void sl_flight_fail(struct sl_flight **flight)
{
	struct sl_flight *old = *flight;
	struct sl_follower *follower = old ? old->first : NULL;

	if (!follower) {
		sl_flight_land(flight, NULL);
		return;
	}
	*flight = NULL;
	sl_flight_leave(follower);
	old->finished = 0;
	old->spoilt = false;
	sl_text_fini(&old->bytes);
	follower->flight = old;
	tell(follower, SL_FOLLOWER_LEADS);
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
		sl_cache_insert(f->worker->cache, &f->key, value, f->ttl_ns, now_ns);
	sl_flight_land(flight, value);
	sl_cache_value_put(&value);
}
