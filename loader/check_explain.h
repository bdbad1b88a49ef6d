/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_explain.h - what `sluice check --explain` says: which keys the profile set and why, which of
 * them the file overrode, and what the profile recommends. Writes to standard output. One thread.
 */
#ifndef SL_LOADER_CHECK_EXPLAIN_H
#define SL_LOADER_CHECK_EXPLAIN_H

#include "user/base/config_explain.h"

/* For people, in 100 columns. all: every key, not only what has to do with the profile. */
void sl_check_explain_text(const struct sl_config *config, const struct sl_config_explain *explain,
			   bool all);

/* The members "explain" of check's JSON object, without what is before and behind them. */
void sl_check_explain_json(const struct sl_config *config, const struct sl_config_explain *explain,
			   bool all);

#endif
