/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys of roll-outs, and of the programs that they ask before a step. */
#include "user/base/config_check.h"
#include "user/base/config_key_rows.h"

#define ROOT(member)  offsetof(struct sl_config, member)
#define CHECK(member) offsetof(struct sl_config_rollout_check, member)

static const struct sl_config_key keys[] = {
	{SL_CONFIG_ROLLOUTS, SL_CONFIG_PATH, "file", ROOT(rollouts_file), NULL, 0, PATH_LEN_MAX,
	 NULL, false, "an absolute path",
	 "Where they are kept, like /var/lib/sluice/rollouts, so that a restart goes on where they "
	 "were. Without it `sluice rollout` refuses. Takes effect at the next start."},
	{SL_CONFIG_ROLLOUTS, SL_CONFIG_ITEM_MAP, "checks", ROOT(rollout_checks), NULL,
	 SL_CONFIG_ROLLOUT_CHECK, SL_CONFIG_ROLLOUT_CHECKS_MAX, NULL, false,
	 "a map of up to 16 checks",
	 "Programs, by name, of which `sluice rollout start ... check=NAME` has one run before "
	 "each "
	 "step: a regression suite."},
	{SL_CONFIG_ROLLOUT_CHECK, SL_CONFIG_NAMES, "exec", CHECK(call.exec), NULL, SL_CONFIG_TEXT,
	 SL_CONFIG_WORDS_MAX, NULL, true,
	 "a program's absolute path, or a list of it and its words",
	 "It is run without a shell, with what is rolled out in its environment as "
	 "SLUICE_ROLLOUT*. Exit 0: the step may be taken; 1: the roll-out is rolled back, with its "
	 "last line as the reason; anything else: it says nothing, no step is taken."},
	{SL_CONFIG_ROLLOUT_CHECK, SL_CONFIG_MS, "timeout", CHECK(call.timeout_ms), "5m", 1, DAY_MS,
	 NULL, false, NULL, "Longest that it may take; then it is killed, and has said nothing."},
	{SL_CONFIG_ROLLOUT_CHECK, SL_CONFIG_MS, "retry", CHECK(retry_ms), "1m", 100, DAY_MS, NULL,
	 false, NULL, "Pause before one that said nothing is run again."},
};

const struct sl_config_key_table sl_config_keys_rollout = SL_CONFIG_KEY_TABLE(keys);

void sl_config_check_rollout(const struct sl_config *config, struct sl_report *report)
{
	const struct sl_config_rollout_check *checks = config->rollout_checks.items;

	for (uint32_t i = 0; i < config->rollout_checks.count; i++) {
		const struct sl_config_item *item = &checks[i].item;
		const struct sl_config_names *exec = &checks[i].call.exec;

		if (exec->count && exec->names[0][0] != '/')
			sl_report_add(report, item->line, item->column,
				      "rollouts.checks.%s.exec: \"%.64s\" is not absolute (there "
				      "is no shell and no search)",
				      item->name, exec->names[0]);
	}
}
