/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/flow_table.h"

#include "user/base/tunables.h"

#define KIND_MASK 7u
/* A stamp may be that old while packets come: it is refreshed once in so many ticks. */
#define TICKS_LATE 256u

/* Ticks without a packet after which a flow of that kind is forgotten. */
static uint64_t idle_ticks(const uint64_t *tunables, enum sl_way_kind kind)
{
	enum sl_tunable id = kind == SL_WAY_OPENING   ? SL_TUNABLE_FLOW_SYN_MS
			     : kind == SL_WAY_CLOSING ? SL_TUNABLE_FLOW_CLOSING_MS
			     : kind == SL_WAY_UDP     ? SL_TUNABLE_FLOW_UDP_MS
						      : SL_TUNABLE_FLOW_IDLE_MS;

	return (sl_tunable_get(tunables, 0, id) * 1000000 >> SL_WAY_STAMP_SHIFT) + TICKS_LATE;
}

void sl_flow_table_count(const struct sl_flow_set *sets, uint32_t set_count,
			 const uint64_t *tunables, uint64_t now_ns,
			 struct sl_flow_counts *ret_counts)
{
	struct sl_flow_counts counts = {.places = (uint64_t)set_count * SL_FLOW_WAYS};
	uint32_t now = (uint32_t)(now_ns >> SL_WAY_STAMP_SHIFT);
	uint64_t idle[SL_WAY_KINDS];

	for (unsigned kind = 0; kind < SL_WAY_KINDS; kind++)
		idle[kind] = idle_ticks(tunables, (enum sl_way_kind)kind);
	for (uint32_t set = 0; set < set_count; set++) {
		for (unsigned way = 0; way < SL_FLOW_WAYS; way++) {
			uint64_t word = __atomic_load_n(&sets[set].way[way], __ATOMIC_RELAXED);
			unsigned kind = word >> SL_WAY_KIND_SHIFT & KIND_MASK;
			/* Signed: a packet on another CPU may have come after now_ns. */
			int32_t age = (int32_t)(now - (uint32_t)(word >> 32));

			if (kind >= SL_WAY_KINDS)
				continue; /* of a newer kernel plane */
			if (kind != SL_WAY_FREE && age > 0 && (uint32_t)age > idle[kind])
				counts.expired++;
			else
				counts.living[kind]++;
		}
	}
	*ret_counts = counts;
}
