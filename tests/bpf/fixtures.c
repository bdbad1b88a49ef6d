/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fixtures.c - every fixture (lib/fixture_*.c) at both hooks: verdict, bytes, counters, state.
 */
#include "tests/bpf/lib/fixture.h"

int main(void)
{
	const struct sl_fixture_table *table;
	struct sl_rig rig;

	sl_rig_open(&rig);
	for (size_t i = 0; (table = sl_fixture_table(i)) != NULL; i++) {
		for (size_t row = 0; row < table->count; row++) {
			for (int hook = 0; hook < SL_RIG_HOOKS; hook++)
				sl_fixture_run(&rig, table->name, &table->rows[row],
					       (enum sl_rig_hook)hook);
		}
	}
	return sl_rig_close(&rig);
}
