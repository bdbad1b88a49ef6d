/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bpf/lib/fixture_data.h"

static const struct sl_fixture_table *const files[] = {
	sl_fixture_life,
	sl_fixture_ways,
	sl_fixture_udp,
	sl_fixture_odd,
};

const struct sl_fixture_table *sl_fixture_table(size_t number)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		for (const struct sl_fixture_table *table = files[i]; table->name; table++) {
			if (number-- == 0)
				return table;
		}
	}
	return NULL;
}
