/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tunables.h - reading the `tunables` map and naming its keys.
 *
 * The map is an array of rows of SL_TUNABLE_KEYS numbers: row 0 is global, row P belongs to pool
 * slot P and holds SL_TUNABLE_INHERIT where the global number counts. It is memory-mapped, and an
 * operator may write it with bpftool at any moment, unchecked: every reader here loads a number
 * once and brings it into its range. The names and ranges are SL_TUNABLES in bpf/limits.h.
 * Any thread.
 */
#ifndef SL_BASE_TUNABLES_H
#define SL_BASE_TUNABLES_H

#include <stdint.h>
#include <stdio.h>
#include "bpf/breaker.h"

struct sl_tunable_info {
	const char *name; /* "breaker.open_ms" */
	uint64_t initial;
	uint64_t min;
	uint64_t max;
	const char *unit;
	const char *help;
};

/* By enum sl_tunable. */
extern const struct sl_tunable_info sl_tunable_info[SL_TUNABLE_COUNT];

#define SL_TUNABLES_SIZE (SL_POOLS_MAX * SL_TUNABLE_KEYS) /* numbers in the whole map */

/* The key of that name, or -ENOENT. */
int sl_tunable_find(const char *name);

/* The number that counts for the pool slot (0: the global one), within its range. */
uint64_t sl_tunable_get(const uint64_t *tunables, uint32_t pool, enum sl_tunable id);

/* What the breaker needs, for one pool slot. 20 loads: per request, not per packet. */
void sl_breaker_config_fill(const uint64_t *tunables, uint32_t pool,
			    struct sl_breaker_config *ret_config);

/* docs/tunables.md, from the table. */
void sl_tunables_write_markdown(FILE *file);

#endif
