/* SPDX-License-Identifier: BSD-2-Clause */
/* What `sluice rollout` asks, and how it is told. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/ops/rollout_parts.h"

/* ---- the other verbs ------------------------------------------------------------------------- */

static void set_phase(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry,
		      enum sl_rollout_phase phase)
{
	pthread_mutex_lock(&rollouts->lock);
	entry->state.phase = phase;
	pthread_mutex_unlock(&rollouts->lock);
}

/* words: behind the name; NULL: none. */
static int promote(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry, const char *words,
		   const char *who, struct sl_error *error)
{
	bool force = words && !strcmp(words, "force");

	if (words && words[0] && !force)
		return sl_error_set(error, -EINVAL, "promote: \"%.64s\": expected `force` alone",
				    words);
	sl_rollouts_give_to_all(rollouts, entry, force, who);
	return 0;
}

/* words: behind the name, for `promote`. */
static int change(struct sl_rollouts *rollouts, const char *verb, const char *name,
		  const char *words, const char *who, struct sl_error *error)
{
	struct sl_rollout_entry *entry = sl_rollouts_find(rollouts, name);
	enum sl_rollout_phase phase;

	if (!entry)
		return sl_error_set(error, -ENOENT, "there is no roll-out \"%.64s\"", name);
	phase = entry->state.phase;
	if (!strcmp(verb, "pause") && phase == SL_ROLLOUT_RUNNING) {
		set_phase(rollouts, entry, SL_ROLLOUT_PAUSED);
		entry->promoter[0] = '\0'; /* that too is not to be */
		sl_rollouts_tell(entry, SL_NOTICE_INFO, who, "paused");
	} else if (!strcmp(verb, "resume") && phase == SL_ROLLOUT_PAUSED) {
		set_phase(rollouts, entry, SL_ROLLOUT_RUNNING);
		sl_rollouts_tell(entry, SL_NOTICE_INFO, who, "goes on");
	} else if (!strcmp(verb, "promote") && phase <= SL_ROLLOUT_PAUSED) {
		return promote(rollouts, entry, words, who, error);
	} else if (!strcmp(verb, "abort") && phase <= SL_ROLLOUT_FULL) {
		sl_rollouts_end(rollouts, entry, SL_ROLLOUT_ABORTED, who, "aborted");
	} else if (!strcmp(verb, "forget") && phase >= SL_ROLLOUT_FULL) {
		sl_rollouts_tell(entry, SL_NOTICE_INFO, who, "forgotten");
		__atomic_store_n(&entry->item->share, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&entry->item->shadow, 0, __ATOMIC_RELAXED);
		/* what ended otherwise was dropped then, and another one of its subject may be under way */
		if (phase == SL_ROLLOUT_FULL)
			sl_rollouts_drop(rollouts, entry);
		sl_rollouts_set_used(rollouts, entry, false);
		(void)sl_rollouts_publish(rollouts);
	} else {
		return sl_error_set(error, -EINVAL, "roll-out \"%s\" is %s: it cannot be %s", name,
				    sl_rollout_phase_name(phase),
				    !strcmp(verb, "forget")   ? "forgotten: abort it first"
				    : !strcmp(verb, "pause")  ? "paused"
				    : !strcmp(verb, "resume") ? "resumed"
				    : !strcmp(verb, "abort")  ? "aborted"
							      : "promoted");
	}
	rollouts->dirty = true;
	return 0;
}

/* ---- showing --------------------------------------------------------------------------------- */

/* How much was asked beside, and why not more. */
static void put_shadow(const struct sl_rollout_entry *entry, struct sl_text *text)
{
	if (!entry->rules.shadow)
		return;
	sl_text_printf(
		text, "  asked beside: %" PRIu64 ", which nobody got; not asked:", entry->shadowed);
	for (int why = 0; why < SL_ROLLOUT_SPAREDS; why++)
		sl_text_printf(text, " %s %" PRIu64,
			       sl_rollout_spared_name((enum sl_rollout_spared)why),
			       __atomic_load_n(&entry->item->spared[why], __ATOMIC_RELAXED));
	sl_text_append_string(text, "\n");
}

static void put_text(const struct sl_rollout_entry *entry, struct sl_text *text)
{
	const struct sl_rollout *state = &entry->state;
	const struct sl_rollout_arm *arms[] = {&state->candidate, &state->baseline};
	int gate, arm;

	sl_text_printf(text, "%s: %s %s -> %s: %s, ", entry->item->name,
		       sl_rollouts_kind_name(entry->item->kind), entry->item->subject,
		       entry->item->candidate, sl_rollout_phase_name(state->phase));
	if (sl_rollout_shadow(state, &entry->rules))
		sl_text_printf(text, "in the shadow: asked beside %.2f %% of the requests\n",
			       entry->rules.shadow / 100.0);
	else if (state->unchecked && !entry->ended_ms)
		sl_text_printf(text, "before step 1 of %u: nobody gets it before its check\n",
			       entry->rules.step_count);
	else
		sl_text_printf(text, "step %u of %u, %.2f %% of the requests\n", state->step + 1,
			       entry->rules.step_count,
			       sl_rollout_share(state, &entry->rules) / 100.0);
	put_shadow(entry, text);
	sl_rollouts_put_check(entry, text);
	if (entry->reason[0])
		sl_text_printf(text, "  ended: %s\n", entry->reason);
	if (entry->held && !entry->ended_ms)
		sl_text_printf(text, "  no step is taken now: %s\n", entry->held);
	sl_text_printf(text, "  %-10s %9s %9s %9s %9s %9s %9s %9s %9s\n", "arm", "requests",
		       "errors", "invalid", "slow", "missed", "score", "judged", "quality");
	for (arm = 0; arm < 2; arm++) {
		const struct sl_rollout_arm *of = arms[arm];

		sl_text_printf(text, "  %-10s %9" PRIu64, arm ? "baseline" : "candidate",
			       of->requests);
		for (gate = 0; gate < SL_ROLLOUT_QUALITY; gate++)
			sl_text_printf(text, " %9" PRIu64, of->bad[gate]);
		sl_text_printf(text, " %9" PRIu64 " %9" PRIu64 "\n", of->judged,
			       of->bad[SL_ROLLOUT_QUALITY]);
	}
	sl_text_append_string(text, "  evidence against it (a breach at 100 %):");
	for (gate = 0; gate < SL_ROLLOUT_GATES; gate++)
		sl_text_printf(text, " %s %.0f %%",
			       sl_rollout_gate_name((enum sl_rollout_gate)gate),
			       100 * state->sums[gate] / SL_ROLLOUT_BREACH);
	sl_text_append_string(text, "\n");
}

static int status(const struct sl_rollouts *rollouts, const char *name, bool json,
		  struct sl_text *text, struct sl_error *error)
{
	const char *between = "";
	uint32_t i, count = 0;

	sl_text_append_string(text, json ? "{\"rollouts\":[" : "");
	for (i = 0; i < SL_ROLLOUTS_MAX; i++) {
		const struct sl_rollout_entry *entry = &rollouts->entries[i];

		if (!entry->used || (name && strcmp(name, entry->item->name) != 0))
			continue;
		count++;
		if (json) {
			sl_text_append_string(text, between);
			sl_rollouts_put_json(entry, text);
			between = ",";
		} else {
			put_text(entry, text);
		}
	}
	if (name && !count)
		return sl_error_set(error, -ENOENT, "there is no roll-out \"%.64s\"", name);
	if (json)
		sl_text_append_string(text, "]}\n");
	else if (!count)
		sl_text_append_string(text, "nothing is rolled out\n");
	return 0;
}

void sl_rollouts_say(void *part, const struct sl_admin_ask *ask, struct sl_text *text)
{
	struct sl_rollouts *rollouts = part;
	struct sl_error error = {""};
	char *rest = NULL, *format = strtok_r(ask->words, " ", &rest);
	char *verb = strtok_r(NULL, " ", &rest), *name = strtok_r(NULL, " ", &rest);
	struct sl_text answer;
	int rc;

	sl_text_init(&answer, text->cap);
	if (!verb || (!name && strcmp(verb, "status") != 0))
		rc = sl_error_set(
			&error, -EINVAL,
			"expected start, status, pause, resume, promote, abort or forget, "
			"and a name");
	else if (rollouts->stopped)
		rc = sl_error_set(&error, -ESHUTDOWN, "the daemon ends");
	else if (!rollouts->path[0])
		rc = sl_error_set(&error, -ENOENT, "nothing can be rolled out: set rollouts.file");
	else if (!strcmp(verb, "status"))
		rc = status(rollouts, name, !strcmp(format, "json"), &answer, &error);
	else if (!strcmp(verb, "start"))
		rc = sl_rollouts_start(rollouts, name, rest, ask->who, &error);
	else
		rc = change(rollouts, verb, name, rest, ask->who, &error);
	if (!rc && sl_rollouts_write_now(rollouts))
		sl_text_append_string(&answer, "done, but rollouts.file cannot be written (see the "
					       "log): a restart would not know\n");
	if (!rc && strcmp(verb, "status") != 0 && strcmp(verb, "forget") != 0)
		rc = status(rollouts, name, !strcmp(format, "json"), &answer, &error);
	if (rc)
		sl_text_printf(text, "!%s", error.text[0] ? error.text : strerror(-rc));
	else
		sl_text_append_span(text, sl_text_span(&answer));
	sl_text_fini(&answer);
}
