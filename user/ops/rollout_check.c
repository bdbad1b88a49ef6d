/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A roll-out's check: a program of rollouts.checks, run before each step (ops/calls.h: a thread of its own, the
 * control thread does not wait). When it is due is policy/rollout_check.h's; here it is started, taken back, told of.
 *
 *   a run that is taken back   its program is killed; its end comes all the same and says nothing. Until then no
 *                              other one of the roll-out is started.
 *   the roll-out is forgotten  nobody has the run any more
 *   promoted by hand           it is run at once, for the step that is left then; `promoter` waits for what it says
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/suggest.h"
#include "user/ops/rollout_parts.h"

struct sl_rollout_run {
	struct sl_rollouts *rollouts;
	const struct sl_config_call *what; /* of the configuration that it was started by */
	uint32_t retry_ms;
	bool taken_back; /* it was taken back */
};

/* ---- names ------------------------------------------------------------------------------------ */

static const struct sl_config_rollout_check *find(const struct sl_rollouts *rollouts,
						  const char *name)
{
	const struct sl_config_items *items = &rollouts->routes->config->rollout_checks;
	const struct sl_config_rollout_check *checks = items->items;

	for (uint32_t i = 0; i < items->count; i++) {
		if (!strcmp(checks[i].item.name, name))
			return &checks[i];
	}
	return NULL;
}

int sl_rollouts_find_check(const struct sl_rollouts *rollouts, const char *name,
			   struct sl_error *error)
{
	const struct sl_config_items *items = &rollouts->routes->config->rollout_checks;
	const struct sl_config_rollout_check *checks = items->items;
	const char *names[SL_CONFIG_ROLLOUT_CHECKS_MAX];
	const char *close;

	if (find(rollouts, name))
		return 0;
	for (uint32_t i = 0; i < items->count; i++)
		names[i] = checks[i].item.name;
	close = sl_suggest(name, names, items->count);
	return sl_error_set(
		error, -ENOENT, "check=%.64s: rollouts.checks has none of that name%s%s%s", name,
		close ? " (did you mean \"" : "", close ? close : "", close ? "\"?)" : "");
}

/* The step that the check comes before: 0, where nobody was given the candidate yet, is before step 1. */
static uint32_t left_step(const struct sl_rollout_entry *entry)
{
	return entry->state.shadowing || entry->state.unchecked ? 0 : entry->state.step + 1;
}

/* As --against of `sluice eval run` takes it. */
static void write_target(const struct sl_rollout_entry *entry, char out[SL_ROLLOUT_TARGET_BYTES])
{
	const struct sl_rollout_item *item = entry->item;

	switch (item->kind) {
	case SL_ROLLOUT_MODEL:
		snprintf(out, SL_ROLLOUT_TARGET_BYTES, "pool:%s", item->candidate);
		break;
	case SL_ROLLOUT_PROMPT:
	case SL_ROLLOUT_INDEX:
		snprintf(out, SL_ROLLOUT_TARGET_BYTES, "%s:%s@%s",
			 item->kind == SL_ROLLOUT_PROMPT ? "prompt" : "index", item->subject,
			 item->candidate);
		break;
	case SL_ROLLOUT_CONFIG:
	default:
		snprintf(out, SL_ROLLOUT_TARGET_BYTES, "%s", entry->file);
	}
}

static void write_env(const struct sl_rollout_entry *entry, struct sl_call_env *env)
{
	char target[SL_ROLLOUT_TARGET_BYTES], step[16];

	write_target(entry, target);
	snprintf(step, sizeof(step), "%u", left_step(entry));
	sl_call_env_add(env, "SLUICE_ROLLOUT", entry->item->name);
	sl_call_env_add(env, "SLUICE_ROLLOUT_KIND", sl_rollouts_kind_words[entry->item->kind]);
	sl_call_env_add(env, "SLUICE_ROLLOUT_SUBJECT", entry->item->subject);
	sl_call_env_add(env, "SLUICE_ROLLOUT_CANDIDATE", entry->item->candidate);
	sl_call_env_add(env, "SLUICE_ROLLOUT_STEP", step);
	sl_call_env_add(env, "SLUICE_ROLLOUT_TARGET", target);
}

/* ---- its end ---------------------------------------------------------------------------------- */

/* NULL: its roll-out is gone. */
static struct sl_rollout_entry *entry_of(struct sl_rollouts *rollouts,
					 const struct sl_rollout_run *run)
{
	for (uint32_t i = 0; i < SL_ROLLOUTS_MAX; i++) {
		if (rollouts->entries[i].used && rollouts->entries[i].run == run)
			return &rollouts->entries[i];
	}
	return NULL;
}

static void tell_nothing(struct sl_rollout_entry *entry, const char *text, uint32_t retry_ms)
{
	snprintf(entry->check_why, sizeof(entry->check_why),
		 "check \"%.64s\" cannot be run, and is tried again after %u ms: %.80s",
		 entry->check_name, retry_ms, text);
	if (entry->check.misses == 1)
		sl_rollouts_tell(entry, SL_NOTICE_WARN, "daemon", "held: %s", entry->check_why);
	else
		sl_log_limited(SL_LOG_WARN, "rollout \"%s\": held: %s", entry->item->name,
			       entry->check_why);
}

static void take_pass(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry,
		      uint32_t took_ms)
{
	char who[SL_NOTICE_WHO_BYTES];

	entry->has_passed = true;
	entry->passed_step = left_step(entry);
	sl_rollouts_tell(entry, SL_NOTICE_INFO, "daemon",
			 "check \"%s\" has passed at step %u (%u ms)", entry->check_name,
			 entry->passed_step, took_ms);
	if (!entry->promoter[0])
		return;
	memcpy(who, entry->promoter, sizeof(who));
	sl_rollouts_end(rollouts, entry, SL_ROLLOUT_FULL, who, "promoted, its check has passed");
}

static void take_end(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry,
		     enum sl_rollout_check_end end, const struct sl_call_result *result,
		     uint32_t retry_ms)
{
	const char *last = result->last + strspn(result->last, " ");
	char reason[SL_NOTICE_TEXT_BYTES];

	pthread_mutex_lock(&rollouts->lock);
	sl_rollout_check_end(&entry->check, end, sl_clock_ms(), retry_ms);
	pthread_mutex_unlock(&rollouts->lock);
	entry->check_why[0] = 0;
	if (end == SL_ROLLOUT_CHECK_SAYS_NOTHING) {
		tell_nothing(entry, result->text, retry_ms);
	} else if (end == SL_ROLLOUT_CHECK_SAYS_BAD) {
		snprintf(reason, sizeof(reason),
			 "gate suite: check \"%.64s\" before step %u: %.120s", entry->check_name,
			 left_step(entry) + 1, *last ? last : "it failed, and said nothing");
		sl_rollouts_end(rollouts, entry, SL_ROLLOUT_ROLLED_BACK, "daemon", reason);
	} else {
		take_pass(rollouts, entry, result->took_ms);
	}
	rollouts->dirty = true;
}

static void on_ran(void *owner, const struct sl_call_result *result)
{
	struct sl_rollout_run *run = owner;
	struct sl_rollouts *rollouts = run->rollouts;
	struct sl_rollout_entry *entry = entry_of(rollouts, run);

	if (entry) {
		entry->run = NULL;
		if (!run->taken_back && !rollouts->stopped)
			take_end(rollouts, entry, sl_rollout_check_end_of(result->status), result,
				 run->retry_ms);
	}
	free(run);
}

/* ---- starting, taking back ---------------------------------------------------------------------- */

static void start(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry,
		  const struct sl_config_rollout_check *config)
{
	static const struct sl_call_result none = {.status = -1,
						   .text = "too many programs run, or no memory"};
	struct sl_rollout_run *run = malloc(sizeof(*run));
	struct sl_call_env env = {.len = 0};
	int rc = -1;

	pthread_mutex_lock(&rollouts->lock);
	sl_rollout_check_start(&entry->check);
	pthread_mutex_unlock(&rollouts->lock);
	write_env(entry, &env);
	if (run) {
		*run = (struct sl_rollout_run){
			.rollouts = rollouts, .what = &config->call, .retry_ms = config->retry_ms};
		rc = sl_calls_start(rollouts->calls, rollouts->routes, &config->call, SL_SPAN(""),
				    &env, on_ran, run);
	}
	if (rc) {
		free(run);
		take_end(rollouts, entry, SL_ROLLOUT_CHECK_SAYS_NOTHING, &none, config->retry_ms);
		return;
	}
	entry->run = run;
	sl_log(SL_LOG_INFO, "rollout \"%s\": check \"%s\" runs at step %u", entry->item->name,
	       entry->check_name, left_step(entry));
}

static void take_back(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry)
{
	if (!entry->run || entry->run->taken_back)
		return;
	entry->run->taken_back = true;
	sl_calls_cancel(rollouts->calls, entry->run);
}

void sl_rollouts_rest_check(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry)
{
	take_back(rollouts, entry);
	pthread_mutex_lock(&rollouts->lock);
	sl_rollout_check_rest(&entry->check);
	pthread_mutex_unlock(&rollouts->lock);
	entry->check_why[0] = 0;
}

static bool is_same(const struct sl_config_call *a, const struct sl_config_call *b)
{
	bool same = a->exec.count == b->exec.count;

	for (uint32_t i = 0; same && i < a->exec.count; i++)
		same = !strcmp(a->exec.names[i], b->exec.names[i]);
	return same;
}

static void hold(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry)
{
	char why[sizeof(entry->check_why)];

	snprintf(why, sizeof(why),
		 "rollouts.checks has no \"%.64s\" any more: bring it back and reload, or abort",
		 entry->check_name);
	if (!strcmp(entry->check_why, why))
		return;
	take_back(rollouts, entry);
	pthread_mutex_lock(&rollouts->lock);
	sl_rollout_check_hold(&entry->check);
	pthread_mutex_unlock(&rollouts->lock);
	snprintf(entry->check_why, sizeof(entry->check_why), "%s", why);
	sl_rollouts_tell(entry, SL_NOTICE_WARN, "daemon", "held: %s", why);
}

void sl_rollouts_turn_check(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry,
			    bool ready, uint64_t now_ms)
{
	const struct sl_config_rollout_check *config;

	if (entry->check.state == SL_ROLLOUT_CHECK_NONE)
		return;
	config = find(rollouts, entry->check_name);
	if (!config) {
		hold(rollouts, entry);
		return;
	}
	if (entry->run && !entry->run->taken_back && !is_same(entry->run->what, &config->call))
		sl_rollouts_rest_check(rollouts, entry);
	if (!entry->run && sl_rollout_check_is_due(&entry->check, ready, now_ms))
		start(rollouts, entry, config);
}

/* ---- promoted by hand --------------------------------------------------------------------------- */

void sl_rollouts_give_to_all(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry,
			     bool force, const char *who)
{
	char reason[SL_NOTICE_TEXT_BYTES] = "promoted";
	bool passed = sl_rollout_check_allows(&entry->check);

	if (!passed && force)
		snprintf(reason, sizeof(reason), "promoted by force, without check \"%.64s\"",
			 entry->check_name);
	else if (entry->check.state != SL_ROLLOUT_CHECK_NONE)
		snprintf(reason, sizeof(reason), "promoted, its check has passed");
	if (passed || force) {
		sl_rollouts_end(rollouts, entry, SL_ROLLOUT_FULL, who, reason);
		return;
	}
	pthread_mutex_lock(&rollouts->lock);
	entry->state.phase = SL_ROLLOUT_RUNNING; /* one that was paused, too */
	pthread_mutex_unlock(&rollouts->lock);
	snprintf(entry->promoter, sizeof(entry->promoter), "%s", who[0] ? who : "(unknown)");
	rollouts->dirty = true;
	sl_rollouts_tell(entry, SL_NOTICE_INFO, who,
			 "is to be promoted, once check \"%s\" has passed", entry->check_name);
}

/* ---- told ------------------------------------------------------------------------------------- */

void sl_rollouts_put_check(const struct sl_rollout_entry *entry, struct sl_text *text)
{
	if (entry->check.state == SL_ROLLOUT_CHECK_NONE)
		return;
	sl_text_printf(text, "  check %s: %s", entry->check_name,
		       sl_rollout_check_state_name(entry->check.state));
	if (entry->has_passed)
		sl_text_printf(text, "%s at step %u",
			       entry->check.state == SL_ROLLOUT_CHECK_PASSED ? "" : ", passed",
			       entry->passed_step);
	if (entry->promoter[0])
		sl_text_printf(text, "; once it has passed all requests get the candidate (%s)",
			       entry->promoter);
	sl_text_append_string(text, "\n");
}

void sl_rollouts_put_check_metrics(const struct sl_rollouts *rollouts, struct sl_text *text)
{
	sl_text_append_string(text,
			      "# HELP sluice_rollout_checks_total Runs of a roll-out's check.\n"
			      "# TYPE sluice_rollout_checks_total counter\n");
	for (uint32_t i = 0; i < SL_ROLLOUTS_MAX; i++) {
		const struct sl_rollout_entry *entry = &rollouts->entries[i];

		for (int end = 0; entry->used && entry->check.state != SL_ROLLOUT_CHECK_NONE &&
				  end < SL_ROLLOUT_CHECK_ENDS;
		     end++)
			sl_text_printf(
				text,
				"sluice_rollout_checks_total{rollout=\"%s\",result=\"%s\"} %" PRIu64
				"\n",
				entry->item->name,
				sl_rollout_check_end_name((enum sl_rollout_check_end)end),
				entry->check.ends[end]);
	}
}
