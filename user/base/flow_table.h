/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flow_table.h - counting what is in the flow table of the kernel plane.
 *
 * Only the words of the ways are read, never the rows: one cache line for eight places. Packets
 * change them meanwhile, so the counts belong to no single instant. Any thread.
 */
#ifndef SL_BASE_FLOW_TABLE_H
#define SL_BASE_FLOW_TABLE_H

#include <stdint.h>
#include "bpf/abi.h"

struct sl_flow_counts {
	uint64_t living[SL_WAY_KINDS]; /* by enum sl_way_kind; [SL_WAY_FREE]: free places */
	uint64_t expired;	       /* over their idle time, and nobody needed their place yet */
	uint64_t places;
};

/*
 * Counts over `set_count` sets. Idle times are the global numbers of the tunables: where a pool has
 * its own, the split between living and expired is near, not exact. See tests/bench/maglev.c for
 * what a walk costs.
 */
void sl_flow_table_count(const struct sl_flow_set *sets, uint32_t set_count,
			 const uint64_t *tunables, uint64_t now_ns,
			 struct sl_flow_counts *ret_counts);

#endif
