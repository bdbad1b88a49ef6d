/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/recovery.h"

#include <string.h>

#define HOUR_MS 3600000u

static struct sl_recovery_target *find(struct sl_recovery *recovery, const char *name)
{
	for (uint32_t i = 0; i < SL_RECOVERY_TARGETS_MAX; i++) {
		if (!strcmp(recovery->targets[i].name, name))
			return &recovery->targets[i];
	}
	return NULL;
}

/* every_ms, doubled with each failure in a row. */
static uint64_t pause_of(const struct sl_recovery_rule *rule,
			 const struct sl_recovery_target *target)
{
	uint64_t pause_ms = rule->every_ms;

	for (uint32_t i = 0; i < target->failures && pause_ms < SL_RECOVERY_BACKOFF_MAX; i++)
		pause_ms *= 2;
	if (pause_ms <= SL_RECOVERY_BACKOFF_MAX)
		return pause_ms;
	return rule->every_ms > SL_RECOVERY_BACKOFF_MAX ? rule->every_ms : SL_RECOVERY_BACKOFF_MAX;
}

/* Is there nothing left of it that could refuse a run? */
static bool is_forgettable(const struct sl_recovery_rule *rule,
			   const struct sl_recovery_target *target, uint64_t now_ms)
{
	uint64_t pause_ms = pause_of(rule, target);

	if (pause_ms < HOUR_MS)
		pause_ms = HOUR_MS; /* its runs of this hour */
	return !target->runs && now_ms - target->began_ms >= pause_ms &&
	       (!target->good_ms || now_ms - target->good_ms >= rule->cooldown_ms);
}

/* A free place, or, when there is none, one of whom nothing counts any more. */
static struct sl_recovery_target *make_room(struct sl_recovery *recovery,
					    const struct sl_recovery_rule *rule, uint64_t now_ms)
{
	struct sl_recovery_target *target = find(recovery, "");

	for (uint32_t i = 0; i < SL_RECOVERY_TARGETS_MAX && !target; i++) {
		if (is_forgettable(rule, &recovery->targets[i], now_ms))
			target = &recovery->targets[i];
	}
	if (target)
		memset(target, 0, sizeof(*target));
	return target;
}

enum sl_recovery_verdict sl_recovery_ask(struct sl_recovery *recovery,
					 const struct sl_recovery_rule *rule, const char *name,
					 uint64_t now_ms)
{
	struct sl_recovery_target *target = find(recovery, name);

	if (!target) {
		target = make_room(recovery, rule, now_ms);
		if (!target)
			return SL_RECOVERY_FULL;
		sl_notice_set(target->name, sizeof(target->name), name);
	}
	if (target->runs)
		return SL_RECOVERY_BUSY;
	if (target->began_ms && now_ms - target->began_ms < pause_of(rule, target))
		return SL_RECOVERY_SOON;
	if (target->good_ms && now_ms - target->good_ms < rule->cooldown_ms)
		return SL_RECOVERY_COOLING;
	if (!target->hour_ms || now_ms - target->hour_ms >= HOUR_MS) {
		target->hour_ms = now_ms;
		target->in_hour = 0;
	}
	if (target->in_hour >= rule->per_hour)
		return SL_RECOVERY_HOUR;
	target->in_hour++;
	target->began_ms = now_ms;
	target->runs = true;
	return SL_RECOVERY_RUN;
}

void sl_recovery_ran(struct sl_recovery *recovery, const char *name, bool ok, uint64_t now_ms)
{
	struct sl_recovery_target *target = find(recovery, name);

	if (!target)
		return;
	target->runs = false;
	target->failures = ok ? 0 : target->failures + 1;
	target->good_ms = ok ? now_ms : 0;
}

const char *sl_recovery_verdict_name(enum sl_recovery_verdict verdict)
{
	static const char *const names[SL_RECOVERY_VERDICTS] = {
		[SL_RECOVERY_RUN] = "run",   [SL_RECOVERY_BUSY] = "busy",
		[SL_RECOVERY_SOON] = "soon", [SL_RECOVERY_COOLING] = "cooling",
		[SL_RECOVERY_HOUR] = "hour", [SL_RECOVERY_FULL] = "full",
	};

	return names[verdict];
}
