/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/stores.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/log.h"
#include "user/policy/tokens.h"
#include "user/store/prompts.h"
#include "user/store/summaries.h"
#include "user/stage/degrade.h"
#include "user/wire/schema.h"

static void open_prompts(struct sl_stores *stores, const struct sl_config *config)
{
	struct sl_error error = {""};

	if (config->prompts.dir && sl_prompts_open(config->prompts.dir, &stores->prompts, &error))
		sl_log(SL_LOG_ERROR, "%s (requests with prompts are refused)", error.text);
}

static int open_context(struct sl_stores *stores)
{
	stores->tokens = calloc(1, sizeof(*stores->tokens));
	return stores->tokens ? sl_summaries_open(&stores->summaries) : -ENOMEM;
}

int sl_stores_open(const struct sl_config *config, struct sl_stores *ret_stores)
{
	int rc;

	*ret_stores = (struct sl_stores){0};
	ret_stores->schemas = sl_schema_cache_open();
	if (!ret_stores->schemas)
		return -ENOMEM;
	rc = sl_work_open(0, &ret_stores->work);
	if (!rc)
		rc = open_context(ret_stores);
	if (!rc)
		rc = sl_degrade_open(&ret_stores->degrade);
	if (!rc)
		open_prompts(ret_stores, config);
	return rc;
}

static void apply_prompts(struct sl_stores *stores, const struct sl_config *config)
{
	const char *dir = config->prompts.dir;
	struct sl_error error = {""};

	if (!stores->prompts && !dir)
		return;
	if (!stores->prompts || !dir || strcmp(sl_prompts_dir(stores->prompts), dir) != 0)
		sl_log(SL_LOG_WARN, "prompts.dir takes effect at the next start");
	else if (sl_prompts_reload(stores->prompts, &error))
		sl_log(SL_LOG_ERROR, "%s (the prompts before stay)", error.text);
}

void sl_stores_apply(struct sl_stores *stores, const struct sl_config *config)
{
	apply_prompts(stores, config);
}

void sl_stores_close(struct sl_stores *stores)
{
	sl_work_close(&stores->work);
	sl_schema_cache_close(&stores->schemas);
	sl_prompts_close(&stores->prompts);
	sl_summaries_close(&stores->summaries);
	free(stores->tokens);
	stores->tokens = NULL;
	sl_degrade_close(&stores->degrade);
}
