/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/stores.h"

#include <errno.h>
#include "user/wire/schema.h"

int sl_stores_open(const struct sl_config *config, struct sl_stores *ret_stores)
{
	(void)config;
	*ret_stores = (struct sl_stores){0};
	ret_stores->schemas = sl_schema_cache_open();
	if (!ret_stores->schemas)
		return -ENOMEM;
	return sl_work_open(0, &ret_stores->work);
}

void sl_stores_apply(struct sl_stores *stores, const struct sl_config *config)
{
	(void)stores;
	(void)config;
}

void sl_stores_close(struct sl_stores *stores)
{
	sl_work_close(&stores->work);
	sl_schema_cache_close(&stores->schemas);
}
