/* SPDX-License-Identifier: BSD-2-Clause */
/* What `sluice rollout start` is told: read, checked against what there is, begun. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/base/unit.h"
#include "user/ops/rollout_parts.h"
#include "user/policy/drift.h"
#include "user/policy/share.h"
#include "user/stage/stage.h"
#include "user/store/prompts.h"

#define STEP_MS_DEFAULT	 600000u
#define REQUESTS_DEFAULT 50u
#define STEP_MS_MAX	 (7u * 86400000u)
#define SHADOW_DEFAULT	 1000u /* of 10,000 */
#define ASKS_DEFAULT	 60u   /* a minute */
#define ASKS_MAX	 1000000u

static const char steps_default[] = "1,5,25,100";

/* What `start` was told. */
struct order {
	const char *route, *pool, *prompt, *version, *steps;
	bool force;
	uint32_t asks;
	struct sl_rollout_rules rules;
};

/* ---- start ----------------------------------------------------------------------------------- */

/* "shadow,1,5,25,100": per cent, rising; what follows is all of them. */
static int read_steps(const char *text, struct sl_rollout_rules *rules, struct sl_error *error)
{
	const char *at = text;
	uint32_t share = 0, last = 0;

	if (!strncmp(at, "shadow,", 7)) {
		at += 7;
		if (!rules->shadow)
			rules->shadow = SHADOW_DEFAULT;
	}
	for (;;) {
		char *end;
		double percent = strtod(at, &end);

		if (end == at || !(percent >= 0.01 && percent <= 100) || (*end && *end != ',') ||
		    rules->step_count == SL_ROLLOUT_STEPS_MAX)
			break;
		share = (uint32_t)(percent * 100 + 0.5);
		if (share <= last)
			break;
		rules->shares[rules->step_count++] = last = share;
		if (*end && end[1]) {
			at = end + 1;
			continue;
		}
		if (*end)
			break;
		if (share < SL_SHARE_WHOLE && rules->step_count == SL_ROLLOUT_STEPS_MAX)
			break;
		if (share < SL_SHARE_WHOLE)
			rules->shares[rules->step_count++] = SL_SHARE_WHOLE;
		return 0;
	}
	return sl_error_set(error, -EINVAL,
			    "steps=%.64s: expected rising per cents with commas between, like %s "
			    "(0.01 to 100, at most %u; \"shadow\" may come first)",
			    text, steps_default, SL_ROLLOUT_STEPS_MAX);
}

static int read_rise(const char *name, const char *text, double *ret_rise, struct sl_error *error)
{
	char *end;
	double percent = strtod(text, &end);

	if (end == text || *end || !(percent >= 0 && percent <= 100))
		return sl_error_set(error, -EINVAL,
				    "%s=%.32s: expected per cent, 0 to 100 (0: it does not count)",
				    name, text);
	*ret_rise = percent / 100;
	return 0;
}

static int read_shadow(const char *text, uint32_t *ret_share, struct sl_error *error)
{
	char *end;
	double percent = strtod(text, &end);

	if (end == text || (*end && strcmp(end, "%") != 0) || !(percent >= 0.01 && percent <= 100))
		return sl_error_set(error, -EINVAL,
				    "shadow=%.32s: expected per cent of the requests, 0.01 to 100",
				    text);
	*ret_share = (uint32_t)(percent * 100 + 0.5);
	return 0;
}

static int read_pair(struct order *order, const char *key, const char *value,
		     struct sl_error *error)
{
	struct sl_rollout_rules *rules = &order->rules;
	int gate;

	for (gate = 0; gate < SL_ROLLOUT_GATES; gate++) {
		if (!strcmp(key, sl_rollout_gate_name((enum sl_rollout_gate)gate)))
			return read_rise(key, value, &rules->rises[gate], error);
	}
	if (!strcmp(key, "step")) {
		if (sl_unit_parse_ms(value, strlen(value), &rules->step_ms) ||
		    rules->step_ms > STEP_MS_MAX)
			return sl_error_set(error, -EINVAL,
					    "step=%.32s: expected a time like 10m, at most 7d",
					    value);
		return 0;
	}
	if (!strcmp(key, "shadow"))
		return read_shadow(value, &rules->shadow, error);
	if (!strcmp(key, "asks")) {
		uint64_t count;

		if (sl_span_u64(sl_span_string(value), &count) || !count || count > ASKS_MAX)
			return sl_error_set(error, -EINVAL,
					    "asks=%.32s: expected a number a minute, 1 to %u",
					    value, ASKS_MAX);
		order->asks = (uint32_t)count;
		return 0;
	}
	if (!strcmp(key, "requests")) {
		uint64_t count;

		if (sl_span_u64(sl_span_string(value), &count) || !count || count > UINT32_MAX)
			return sl_error_set(error, -EINVAL,
					    "requests=%.32s: expected a number from 1", value);
		rules->step_requests = (uint32_t)count;
		return 0;
	}
	if (!strcmp(key, "judged")) {
		uint64_t count;

		if (sl_span_u64(sl_span_string(value), &count) || count > UINT32_MAX)
			return sl_error_set(error, -EINVAL,
					    "judged=%.32s: expected a number (0: none has to be)",
					    value);
		rules->step_judged = (uint32_t)count;
		return 0;
	}
	if (!strcmp(key, "route"))
		order->route = value;
	else if (!strcmp(key, "pool"))
		order->pool = value;
	else if (!strcmp(key, "prompt"))
		order->prompt = value;
	else if (!strcmp(key, "version"))
		order->version = value;
	else if (!strcmp(key, "steps"))
		order->steps = value;
	else
		return sl_error_set(
			error, -EINVAL,
			"\"%.32s\": expected route, pool, prompt, version, steps, shadow, "
			"asks, step, requests, judged, errors, invalid, slow or quality",
			key);
	return 0;
}

static int read_order(char *words, struct order *order, struct sl_error *error)
{
	char *rest = NULL, *word;
	bool model, text;
	int rc = 0;

	*order = (struct order){.steps = steps_default,
				.asks = ASKS_DEFAULT,
				.rules = {.step_ms = STEP_MS_DEFAULT,
					  .step_requests = REQUESTS_DEFAULT,
					  .rises = {0.1, 0.1, 0.25, 0.1}}};
	for (word = strtok_r(words, " ", &rest); word && !rc; word = strtok_r(NULL, " ", &rest)) {
		char *equals = strchr(word, '=');

		if (!strcmp(word, "force")) {
			order->force = true;
			continue;
		}
		if (!equals)
			return sl_error_set(error, -EINVAL, "\"%.64s\": expected KEY=VALUE", word);
		*equals = '\0';
		rc = read_pair(order, word, equals + 1, error);
	}
	model = order->route && order->pool && !order->prompt && !order->version;
	text = order->prompt && order->version && !order->route && !order->pool;
	if (!rc && !model && !text)
		rc = sl_error_set(error, -EINVAL,
				  "expected route=MODEL pool=POOL, or prompt=ID version=VERSION");
	return rc ? rc : read_steps(order->steps, &order->rules, error);
}

static int check_model(const struct sl_rollouts *rollouts, const struct order *order,
		       struct sl_error *error)
{
	const struct sl_config *config = rollouts->routes->config;
	uint32_t i;

	for (i = 0; i < config->route_count; i++) {
		if (!strcmp(config->routes[i].model, order->route))
			break;
	}
	if (i == config->route_count)
		return sl_error_set(error, -ENOENT, "there is no route \"%.64s\"", order->route);
	if (!sl_config_find_pool(config, order->pool))
		return sl_error_set(error, -ENOENT, "there is no pool \"%.64s\"", order->pool);
	if (!strcmp(config->pools[config->routes[i].chains[SL_CAUSE_ERROR].pools[0]].name,
		    order->pool))
		return sl_error_set(error, -EEXIST,
				    "pool \"%.64s\" is the first of the route already",
				    order->pool);
	if (!order->force && sl_drift_holds(rollouts->place.stores->drift, order->pool))
		return sl_error_set(
			error, -EBUSY,
			"pool \"%.64s\" has drifted (sluice canary show %.64s); `force` "
			"starts all the same, and takes no step before that is over",
			order->pool, order->pool);
	return 0;
}

/* hash: gets the whole one of the version. */
static int check_prompt(const struct sl_rollouts *rollouts, const struct order *order,
			char hash[SL_PROMPT_HASH_SIZE], struct sl_error *error)
{
	struct sl_prompts *prompts = rollouts->place.stores->prompts;
	struct sl_prompt_set *set = prompts ? sl_prompts_get(prompts) : NULL;
	const struct sl_prompt *prompt =
		set ? sl_prompt_find(set, sl_span_string(order->prompt)) : NULL;
	struct sl_prompt_version *version = NULL;
	enum sl_prompt_suite suite;
	bool many = false;
	int rc = 0;

	if (prompt)
		version = sl_prompt_version_find(prompt, sl_span_string(order->version), &many);
	suite = version ? sl_prompt_suite_of(prompt, version) : SL_PROMPT_SUITE_NONE;
	if (!version)
		rc = sl_error_set(error, -ENOENT, "prompt \"%.64s\" has no version \"%.64s\"%s",
				  order->prompt, order->version,
				  many ? " alone: say more of its digits" : "");
	else if (!prompt->labels[SL_PROMPT_STABLE])
		rc = sl_error_set(error, -ENOENT,
				  "prompt \"%.64s\" has no stable version to compare",
				  order->prompt);
	else if (prompt->labels[SL_PROMPT_STABLE] == version)
		rc = sl_error_set(error, -EEXIST, "that version is the stable one already");
	else if (!order->force && suite != SL_PROMPT_SUITE_NONE && suite != SL_PROMPT_SUITE_PASSED)
		rc = sl_error_set(error, -EPERM,
				  "its regression suite: %s (sluice prompt test %.64s@%.12s)",
				  sl_prompt_suite_names[suite], order->prompt, order->version);
	else
		snprintf(hash, SL_PROMPT_HASH_SIZE, "%s", version->hash);
	sl_prompt_set_put(&set);
	return rc;
}

static bool is_name(const char *name)
{
	return name[0] && strlen(name) < SL_ROLLOUT_NAME_BYTES &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		       strlen(name);
}

/* Is something of that subject rolled out already? */
static bool is_taken(const struct sl_rollouts *rollouts, const struct order *order)
{
	uint32_t i;

	for (i = 0; i < SL_ROLLOUTS_MAX; i++) {
		const struct sl_rollout_entry *entry = &rollouts->entries[i];
		enum sl_rollout_kind kind = order->route ? SL_ROLLOUT_MODEL : SL_ROLLOUT_PROMPT;

		if (entry->used && entry->item->kind == kind &&
		    (!entry->ended_ms || entry->state.phase == SL_ROLLOUT_FULL) &&
		    !strcmp(entry->item->subject, order->route ? order->route : order->prompt))
			return true;
	}
	return false;
}

static void fill(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry, const char *name,
		 const struct order *order, const char *candidate, const char *who)
{
	struct sl_rollout_item *item = entry->item;

	item->kind = order->route ? SL_ROLLOUT_MODEL : SL_ROLLOUT_PROMPT;
	entry->started_ms = sl_clock_wall_ms();
	snprintf(item->name, sizeof(item->name), "%s", name);
	snprintf(item->salt, sizeof(item->salt), "%s %" PRIu64, name, entry->started_ms);
	snprintf(item->subject, sizeof(item->subject), "%s",
		 order->route ? order->route : order->prompt);
	snprintf(item->candidate, sizeof(item->candidate), "%s", candidate);
	snprintf(entry->who, sizeof(entry->who), "%s", who);
	entry->rules = order->rules;
	sl_rollout_begin(&entry->state, &entry->rules, sl_clock_ms());
	item->asks_max = order->asks;
	item->shadow = sl_rollout_shadow(&entry->state, &entry->rules);
	item->share = sl_rollout_share(&entry->state, &entry->rules);
	sl_rollouts_resolve(rollouts, entry);
}

static int begin(struct sl_rollouts *rollouts, const char *name, const struct order *order,
		 const char *candidate, const char *who, struct sl_error *error)
{
	struct sl_rollout_entry *entry;

	pthread_mutex_lock(&rollouts->lock);
	entry = sl_rollouts_new(rollouts);
	if (entry)
		fill(rollouts, entry, name, order, candidate, who);
	pthread_mutex_unlock(&rollouts->lock);
	if (!entry)
		return sl_error_set(
			error, -ENOSPC,
			"%u roll-outs are kept: sluice rollout forget one that has ended",
			SL_ROLLOUTS_MAX);
	if (sl_rollouts_publish(rollouts)) {
		sl_rollouts_set_used(rollouts, entry, false);
		return sl_error_set(error, -ENOMEM, "no memory: nothing was started");
	}
	rollouts->dirty = true;
	if (entry->item->shadow)
		sl_rollouts_tell(entry, SL_NOTICE_INFO, who,
				 "started: %s, in the shadow of %.2f %% of the requests", candidate,
				 entry->item->shadow / 100.0);
	else
		sl_rollouts_tell(entry, SL_NOTICE_INFO, who, "started: %s, step 1 of %u: %.2f %%",
				 candidate, entry->rules.step_count, entry->item->share / 100.0);
	return 0;
}

int sl_rollouts_start(struct sl_rollouts *rollouts, const char *name, char *words, const char *who,
		      struct sl_error *error)
{
	char hash[SL_PROMPT_HASH_SIZE];
	struct order order;
	int rc = read_order(words, &order, error);

	if (rc)
		return rc;
	if (!is_name(name))
		return sl_error_set(
			error, -EINVAL,
			"\"%.64s\": a roll-out's name has letters, digits, '.', '_', '-', at "
			"most %u",
			name, SL_ROLLOUT_NAME_BYTES - 1);
	if (sl_rollouts_find(rollouts, name))
		return sl_error_set(error, -EEXIST,
				    "there is a roll-out \"%s\" (sluice rollout forget %s)", name,
				    name);
	if (is_taken(rollouts, &order))
		return sl_error_set(error, -EEXIST,
				    "%s is being rolled out, or was and is not forgotten (sluice "
				    "rollout status)",
				    order.route ? order.route : order.prompt);
	rc = order.route ? check_model(rollouts, &order, error)
			 : check_prompt(rollouts, &order, hash, error);
	return rc ? rc : begin(rollouts, name, &order, order.route ? order.pool : hash, who, error);
}
