/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * provider.h - what the nodes of a pool want in the head of whatever is sent to them, requests and
 * health checks alike: the path of their API, their key, the version of the API. Pure.
 */
#ifndef SL_UPSTREAM_PROVIDER_H
#define SL_UPSTREAM_PROVIDER_H

#include "user/base/text.h"
#include "user/upstream/upstream.h"

#define SL_PROVIDER_TARGET_BYTES (2u * SL_CONFIG_URL_MAX + 2u)

/* Lines that may stand in a head beside its request line, for a buffer's size. */
#define SL_PROVIDER_LINES_BYTES (SL_CONFIG_TOKEN_MAX + 128u)

/*
 * The target of a request to the pool: what stands for /v1 at its beginning is the pool's path. A
 * path of at most SL_CONFIG_URL_MAX bytes; the result is it, or lies in room.
 */
struct sl_span sl_provider_target(const struct sl_upstream_pool *pool, struct sl_span path,
				  char room[SL_PROVIDER_TARGET_BYTES]);

/* "anthropic-version: ...\r\n" for a pool of that API, else empty. */
struct sl_span sl_provider_version(const struct sl_upstream_pool *pool);

/* Bits of the header fields of an answer that speak of the provider's account, not of ours. */
uint64_t sl_provider_dropped_fields(const struct sl_upstream_pool *pool);

#endif
