/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys of canary questions: canary, pools.NAME.canary. */
#include "user/base/config_key_rows.h"

#define POOL(member) offsetof(struct sl_config_pool, canary.member)

static const struct sl_config_key keys[] = {
	{SL_CONFIG_ROOT, SL_CONFIG_SECTION_MAP, "canary", 0, NULL, SL_CONFIG_CANARY, 0, NULL, false,
	 "a map", "What pools' canary questions share."},
	{SL_CONFIG_CANARY, SL_CONFIG_PATH, "path", offsetof(struct sl_config, canary_path), NULL, 0,
	 PATH_LEN_MAX, NULL, false, "an absolute path",
	 "Database of the recorded baselines, for the daemon alone. Without it they are forgotten "
	 "with "
	 "the process."},
	{SL_CONFIG_POOL, SL_CONFIG_SECTION_MAP, "canary", 0, NULL, SL_CONFIG_POOL_CANARY, 0, NULL,
	 false, "a map", "Questions that tell whether its model has changed."},
	{SL_CONFIG_POOL_CANARY, SL_CONFIG_PATH, "file", POOL(file), NULL, 0, PATH_LEN_MAX, NULL,
	 false, "an absolute path",
	 "File of the questions, a JSON object a line; read at each run. Without it none are "
	 "asked."},
	{SL_CONFIG_POOL_CANARY, SL_CONFIG_MS, "every", POOL(every_ms), "15m", 100, DAY_MS, NULL,
	 false, NULL, "Between two runs, a quarter more or less by chance."},
	{SL_CONFIG_POOL_CANARY, SL_CONFIG_MS, "timeout", POOL(timeout_ms), "60s", 10, HOUR_MS, NULL,
	 false, NULL, "For the answer to one question."},
	{SL_CONFIG_POOL_CANARY, SL_CONFIG_U32, "samples", POOL(samples), "3", 1, 20, NULL, false,
	 NULL, "Times that a baseline asks each question."},
	{SL_CONFIG_POOL_CANARY, SL_CONFIG_U32, "load", POOL(load), "70", 1, 100, NULL, false, NULL,
	 "A run waits while more percent of the pool's places are in use; after an hour it is left "
	 "out."},
};

const struct sl_config_key_table sl_config_keys_canary = SL_CONFIG_KEY_TABLE(keys);
