/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/upstream/provider.h"

#include <stdio.h>
#include <string.h>
#include "user/wire/messages.h"

struct sl_span sl_provider_target(const struct sl_upstream_pool *pool, struct sl_span path,
				  char room[SL_PROVIDER_TARGET_BYTES])
{
	static const struct sl_span ours = {"/v1/", 4};
	int len;

	if (!pool->path || !sl_span_starts(path, ours))
		return path;
	len = snprintf(room, SL_PROVIDER_TARGET_BYTES, "%s%.*s", pool->path,
		       (int)(path.len - (ours.len - 1)), path.data + ours.len - 1);
	return sl_span_make(room, len > 0 ? (size_t)len : 0);
}

struct sl_span sl_provider_version(const struct sl_upstream_pool *pool)
{
	if (pool->api != SL_CONFIG_API_ANTHROPIC)
		return SL_SPAN("");
	return SL_SPAN("anthropic-version: " SL_MESSAGES_VERSION "\r\n");
}

uint64_t sl_provider_dropped_fields(const struct sl_upstream_pool *pool)
{
	if (pool->api != SL_CONFIG_API_ANTHROPIC)
		return 0;
	return SL_H1_ID_BIT(SL_H1_ID_ANTHROPIC) | SL_H1_ID_BIT(SL_H1_ID_REQUEST_ID);
}
