/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_read.h - from the YAML tree to struct sl_config, driven by the table of keys. Internal to
 * config*.c. One thread.
 */
#ifndef SL_BASE_CONFIG_READ_H
#define SL_BASE_CONFIG_READ_H

#include "user/base/arena.h"
#include "user/base/config.h"
#include "user/base/config_explain.h"
#include "user/base/report.h"
#include "user/base/yaml.h"

/*
 * Fills the zeroed *config with defaults and with what the tree says. Complaints go to the report;
 * what is wrong keeps its default, and an endpoint that is wrong has text == NULL. Strings point
 * into the arena (or are static). explain: NULL, or what each key is, and by whom. Returns 0 (also
 * with complaints) or -ENOMEM; -EINVAL where a profile itself is broken.
 */
int sl_config_read_tree(struct sl_config *config, const struct sl_yaml *root,
			struct sl_arena *arena, struct sl_report *report,
			struct sl_config_explain *explain);

#endif
