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
#include "user/policy/share.h"

#define STEP_MS_DEFAULT	 600000u
#define REQUESTS_DEFAULT 50u
#define STEP_MS_MAX	 (7u * 86400000u)
#define SHADOW_DEFAULT	 1000u /* of 10,000 */
#define ASKS_DEFAULT	 60u   /* a minute */
#define ASKS_MAX	 1000000u

static const char steps_default[] = "1,5,25,100";

/* The words of `start`, before it is known what they mean together. */
struct words {
	const char *subjects[SL_ROLLOUT_KINDS];
	const char *pool, *version, *steps;
	struct sl_rollout_order order;
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

static int read_what(struct words *words, const char *key, const char *value,
		     struct sl_error *error)
{
	for (int kind = 0; kind < SL_ROLLOUT_KINDS; kind++) {
		if (!strcmp(key, sl_rollouts_kind_name((enum sl_rollout_kind)kind))) {
			words->subjects[kind] = value;
			return 0;
		}
	}
	if (!strcmp(key, "pool"))
		words->pool = value;
	else if (!strcmp(key, "version"))
		words->version = value;
	else if (!strcmp(key, "steps"))
		words->steps = value;
	else if (!strcmp(key, "check"))
		words->order.check = value;
	else
		return sl_error_set(
			error, -EINVAL,
			"\"%.32s\": expected route, pool, prompt, index, version, config, steps, "
			"shadow, "
			"asks, check, step, requests, judged, errors, invalid, slow, missed, score "
			"or "
			"quality",
			key);
	return 0;
}

/* Exactly one subject, with what belongs to it. */
static int settle_kind(struct words *words, struct sl_error *error)
{
	struct sl_rollout_order *order = &words->order;
	uint32_t count = 0;

	for (int kind = 0; kind < SL_ROLLOUT_KINDS; kind++) {
		if (!words->subjects[kind])
			continue;
		count++;
		order->kind = (enum sl_rollout_kind)kind;
		order->subject = words->subjects[kind];
	}
	if (count == 1 && order->kind == SL_ROLLOUT_CONFIG && !words->pool && !words->version)
		return 0;
	if (count == 1 && !words->pool != !words->version && order->kind != SL_ROLLOUT_CONFIG) {
		bool pool = !strcmp(sl_rollouts_candidate_name(order->kind), "pool");
		const char *candidate = pool ? words->pool : words->version;

		if (candidate && strlen(candidate) < sizeof(order->candidate)) {
			snprintf(order->candidate, sizeof(order->candidate), "%s", candidate);
			return 0;
		}
	}
	return sl_error_set(error, -EINVAL,
			    "expected route=MODEL pool=POOL, or prompt=ID version=VERSION, or "
			    "index=NAME version=NUMBER, or config=FILE");
}

static int read_pair(struct words *words, const char *key, const char *value,
		     struct sl_error *error)
{
	struct sl_rollout_order *order = &words->order;
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
	return read_what(words, key, value, error);
}

static int read_order(char *text, struct words *words, struct sl_error *error)
{
	char *rest = NULL, *word;
	int rc = 0;

	*words = (struct words){.steps = NULL,
				.order = {.asks = ASKS_DEFAULT,
					  .rules = {.step_ms = STEP_MS_DEFAULT,
						    .step_requests = REQUESTS_DEFAULT,
						    .rises = {0.1, 0.1, 0.25, 0.1, 0.25, 0.1}}}};
	for (word = strtok_r(text, " ", &rest); word && !rc; word = strtok_r(NULL, " ", &rest)) {
		char *equals = strchr(word, '=');

		if (!strcmp(word, "blue-green")) {
			words->order.blue_green = true;
			continue;
		}
		if (!strcmp(word, "force")) {
			words->order.force = true;
			continue;
		}
		if (!equals)
			return sl_error_set(error, -EINVAL, "\"%.64s\": expected KEY=VALUE", word);
		*equals = '\0';
		rc = read_pair(words, word, equals + 1, error);
	}
	if (!rc)
		rc = settle_kind(words, error);
	if (!rc && words->order.blue_green && words->steps)
		rc = sl_error_set(error, -EINVAL,
				  "blue-green is all at once: expected no steps=%.64s",
				  words->steps);
	if (!words->steps)
		words->steps = words->order.blue_green ? "100" : steps_default;
	return rc ? rc : read_steps(words->steps, &words->order.rules, error);
}

static bool is_name(const char *name)
{
	return name[0] && strlen(name) < SL_ROLLOUT_NAME_BYTES &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		       strlen(name);
}

/* Is something of that subject rolled out already? */
static bool is_taken(const struct sl_rollouts *rollouts, const struct sl_rollout_order *order)
{
	uint32_t i;

	for (i = 0; i < SL_ROLLOUTS_MAX; i++) {
		const struct sl_rollout_entry *entry = &rollouts->entries[i];

		if (entry->used && entry->item->kind == order->kind &&
		    (!entry->ended_ms || entry->state.phase == SL_ROLLOUT_FULL) &&
		    (order->kind == SL_ROLLOUT_CONFIG || /* there is one configuration */
		     !strcmp(entry->item->subject, order->subject)))
			return true;
	}
	return false;
}

/* NULL, or why its candidate cannot be given to anybody. */
static const char *fill(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry,
			const char *name, const struct sl_rollout_order *order, const char *who)
{
	struct sl_rollout_item *item = entry->item;

	item->kind = order->kind;
	entry->started_ms = sl_clock_wall_ms();
	snprintf(item->name, sizeof(item->name), "%s", name);
	snprintf(item->salt, sizeof(item->salt), "%s %" PRIu64, name, entry->started_ms);
	snprintf(item->subject, sizeof(item->subject), "%s", order->subject);
	snprintf(item->candidate, sizeof(item->candidate), "%s", order->candidate);
	snprintf(entry->who, sizeof(entry->who), "%s", who);
	snprintf(entry->file, sizeof(entry->file), "%s", order->file);
	entry->rules = order->rules;
	if (order->check) {
		snprintf(entry->check_name, sizeof(entry->check_name), "%s", order->check);
		entry->check.state = SL_ROLLOUT_CHECK_WAITING;
		entry->rules.checked = true;
	}
	sl_rollout_begin(&entry->state, &entry->rules, sl_clock_ms());
	item->asks_max = order->asks;
	item->shadow = sl_rollout_shadow(&entry->state, &entry->rules);
	item->share = sl_rollout_share(&entry->state, &entry->rules);
	return sl_rollouts_resolve(rollouts, entry);
}

static int begin(struct sl_rollouts *rollouts, const char *name,
		 const struct sl_rollout_order *order, const char *who, struct sl_error *error)
{
	struct sl_rollout_entry *entry;
	const char *gone = NULL;

	pthread_mutex_lock(&rollouts->lock);
	entry = sl_rollouts_new(rollouts);
	if (entry)
		gone = fill(rollouts, entry, name, order, who);
	if (gone)
		entry->used = false;
	pthread_mutex_unlock(&rollouts->lock);
	if (gone)
		return sl_error_set(error, -EINVAL, "nothing was started: %s", gone);
	if (!entry)
		return sl_error_set(
			error, -ENOSPC,
			"%u roll-outs are kept: sluice rollout forget one that has ended",
			SL_ROLLOUTS_MAX);
	if (sl_rollouts_publish(rollouts)) {
		sl_rollouts_drop(rollouts, entry);
		sl_rollouts_set_used(rollouts, entry, false);
		return sl_error_set(error, -ENOMEM, "no memory: nothing was started");
	}
	rollouts->dirty = true;
	if (entry->item->shadow)
		sl_rollouts_tell(entry, SL_NOTICE_INFO, who,
				 "started: %s, in the shadow of %.2f %% of the requests",
				 order->candidate, entry->item->shadow / 100.0);
	else if (entry->state.unchecked)
		sl_rollouts_tell(entry, SL_NOTICE_INFO, who,
				 "started: %s, check \"%s\" comes before step 1 of %u",
				 order->candidate, entry->check_name, entry->rules.step_count);
	else if (order->blue_green)
		sl_rollouts_tell(entry, SL_NOTICE_INFO, who,
				 "started: %s, all at once (blue-green)", order->candidate);
	else
		sl_rollouts_tell(entry, SL_NOTICE_INFO, who, "started: %s, step 1 of %u: %.2f %%",
				 order->candidate, entry->rules.step_count,
				 entry->item->share / 100.0);
	return 0;
}

int sl_rollouts_start(struct sl_rollouts *rollouts, const char *name, char *text, const char *who,
		      struct sl_error *error)
{
	struct words words;
	int rc = read_order(text, &words, error);

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
	if (is_taken(rollouts, &words.order))
		return sl_error_set(error, -EEXIST,
				    "%s is being rolled out, or was and is not forgotten (sluice "
				    "rollout status)",
				    words.order.subject);
	rc = words.order.check ? sl_rollouts_find_check(rollouts, words.order.check, error) : 0;
	if (!rc)
		rc = sl_rollouts_check(rollouts, &words.order, error);
	return rc ? rc : begin(rollouts, name, &words.order, who, error);
}
