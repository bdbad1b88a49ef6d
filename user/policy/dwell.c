/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/dwell.h"

void sl_dwell_look(struct sl_dwell *dwell, uint32_t whose, uint32_t state, uint64_t now_ms)
{
	uint64_t *ms = &dwell->ms[dwell->state];

	if (dwell->looked_ms && dwell->whose != whose) {
		for (uint32_t i = 0; i < SL_DWELL_STATES; i++)
			__atomic_store_n(&dwell->ms[i], 0, __ATOMIC_RELAXED);
		dwell->looked_ms = 0;
	}
	if (dwell->looked_ms && now_ms > dwell->looked_ms)
		__atomic_store_n(ms, *ms + now_ms - dwell->looked_ms, __ATOMIC_RELAXED);
	dwell->looked_ms = now_ms;
	dwell->whose = whose;
	dwell->state = (uint8_t)(state < SL_DWELL_STATES ? state : SL_DWELL_STATES - 1);
}
