/* SPDX-License-Identifier: BSD-2-Clause */
/* Roll-outs as metrics. */
#include <inttypes.h>
#include "user/ops/rollout_parts.h"

static void put_arm(struct sl_text *text, const char *name, const char *arm,
		    const struct sl_rollout_arm *counts)
{
	int gate;

	sl_text_printf(text,
		       "sluice_rollout_requests_total{rollout=\"%s\",arm=\"%s\"} %" PRIu64 "\n",
		       name, arm, counts->requests);
	sl_text_printf(text, "sluice_rollout_judged_total{rollout=\"%s\",arm=\"%s\"} %" PRIu64 "\n",
		       name, arm, counts->judged);
	for (gate = 0; gate < SL_ROLLOUT_GATES; gate++)
		sl_text_printf(
			text,
			"sluice_rollout_bad_total{rollout=\"%s\",arm=\"%s\",gate=\"%s\"} %" PRIu64
			"\n",
			name, arm, sl_rollout_gate_name((enum sl_rollout_gate)gate),
			counts->bad[gate]);
}

static void put_shadows(const struct sl_rollouts *rollouts, struct sl_text *text)
{
	static const char head[] = "# HELP sluice_rollout_shadowed_total Requests that the "
				   "candidate was asked beside.\n"
				   "# TYPE sluice_rollout_shadowed_total counter\n";
	static const char spared[] =
		"# HELP sluice_rollout_spared_total Those that it was not asked beside, by why.\n"
		"# TYPE sluice_rollout_spared_total counter\n";

	sl_text_append_string(text, head);
	for (uint32_t i = 0; i < SL_ROLLOUTS_MAX; i++) {
		const struct sl_rollout_entry *entry = &rollouts->entries[i];

		if (entry->used)
			sl_text_printf(
				text, "sluice_rollout_shadowed_total{rollout=\"%s\"} %" PRIu64 "\n",
				entry->item->name, entry->shadowed);
	}
	sl_text_append_string(text, spared);
	for (uint32_t i = 0; i < SL_ROLLOUTS_MAX; i++) {
		const struct sl_rollout_entry *entry = &rollouts->entries[i];

		for (int why = 0; entry->used && why < SL_ROLLOUT_SPAREDS; why++)
			sl_text_printf(
				text,
				"sluice_rollout_spared_total{rollout=\"%s\",why=\"%s\"} %" PRIu64
				"\n",
				entry->item->name,
				sl_rollout_spared_name((enum sl_rollout_spared)why),
				__atomic_load_n(&entry->item->spared[why], __ATOMIC_RELAXED));
	}
}

/* Names are of letters, digits, '.', '_' and '-': no label has to be escaped. */
void sl_rollouts_write_metrics(void *part, struct sl_text *text)
{
	static const char head[] =
		"# HELP sluice_rollout_share Share of the requests that get the candidate.\n"
		"# TYPE sluice_rollout_share gauge\n";
	static const char arms[] =
		"# HELP sluice_rollout_requests_total Ended requests of a roll-out, by arm.\n"
		"# TYPE sluice_rollout_requests_total counter\n"
		"# HELP sluice_rollout_judged_total Those whose quality was judged.\n"
		"# TYPE sluice_rollout_judged_total counter\n"
		"# HELP sluice_rollout_bad_total Those that were bad, by gate.\n"
		"# TYPE sluice_rollout_bad_total counter\n";
	static const char ends[] =
		"# HELP sluice_rollouts_ended_total Roll-outs that ended, by how.\n"
		"# TYPE sluice_rollouts_ended_total counter\n";
	struct sl_rollouts *rollouts = part;
	uint32_t i;

	pthread_mutex_lock(&rollouts->lock);
	sl_text_append_string(text, head);
	for (i = 0; i < SL_ROLLOUTS_MAX; i++) {
		const struct sl_rollout_entry *entry = &rollouts->entries[i];

		if (entry->used)
			sl_text_printf(text, "sluice_rollout_share{rollout=\"%s\"} %.4f\n",
				       entry->item->name,
				       sl_rollout_share(&entry->state, &entry->rules) / 10000.0);
	}
	put_shadows(rollouts, text);
	sl_rollouts_put_check_metrics(rollouts, text);
	sl_text_append_string(text, arms);
	for (i = 0; i < SL_ROLLOUTS_MAX; i++) {
		const struct sl_rollout_entry *entry = &rollouts->entries[i];

		if (!entry->used)
			continue;
		put_arm(text, entry->item->name, "candidate", &entry->state.candidate);
		put_arm(text, entry->item->name, "baseline", &entry->state.baseline);
	}
	sl_text_append_string(text, ends);
	for (i = SL_ROLLOUT_FULL; i < SL_ROLLOUT_PHASES; i++)
		sl_text_printf(text, "sluice_rollouts_ended_total{how=\"%s\"} %" PRIu64 "\n",
			       sl_rollout_phase_name((enum sl_rollout_phase)i), rollouts->ended[i]);
	pthread_mutex_unlock(&rollouts->lock);
	sl_text_printf(
		text,
		"# HELP sluice_rollout_file_failures_total Writes of rollouts.file that failed.\n"
		"# TYPE sluice_rollout_file_failures_total counter\n"
		"sluice_rollout_file_failures_total %" PRIu64 "\n",
		__atomic_load_n(&rollouts->failures, __ATOMIC_RELAXED));
}
