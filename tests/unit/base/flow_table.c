/* SPDX-License-Identifier: BSD-2-Clause */
/* Which places of the flow table count as what, at the edges of the idle times and of the clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "user/base/flow_table.h"
#include "user/base/tunables.h"

#define SETS 3u
#define GONE SL_WAY_KINDS /* expired */
#define NOT  99u	  /* counted nowhere */

static struct sl_flow_set sets[SETS];
static uint64_t tunables[SL_TUNABLES_SIZE];

struct way_case {
	const char *description;
	unsigned kind;
	int64_t age_ms;
	unsigned counted_as;
};

/* Default times: opening 20 s, open 300 s, closing 10 s, UDP 60 s; 0.27 s more for a late stamp. */
static const struct way_case cases[] = {
	{"free", SL_WAY_FREE, 0, SL_WAY_FREE},
	{"free since long", SL_WAY_FREE, 3600000, SL_WAY_FREE},
	{"opening", SL_WAY_OPENING, 19000, SL_WAY_OPENING},
	{"opening for too long", SL_WAY_OPENING, 21000, GONE},
	{"open", SL_WAY_OPEN, 0, SL_WAY_OPEN},
	{"open and idle", SL_WAY_OPEN, 299000, SL_WAY_OPEN},
	{"open and idle for too long", SL_WAY_OPEN, 301000, GONE},
	{"closing", SL_WAY_CLOSING, 9000, SL_WAY_CLOSING},
	{"closing for too long", SL_WAY_CLOSING, 11000, GONE},
	{"UDP", SL_WAY_UDP, 59000, SL_WAY_UDP},
	{"UDP for too long", SL_WAY_UDP, 61000, GONE},
	{"a packet after the count began", SL_WAY_OPEN, -5, SL_WAY_OPEN},
	{"a kind of a newer kernel plane", 7, 0, NOT},
};

static uint64_t word_of(unsigned kind, uint32_t stamp)
{
	/* Tag, overflow mark and sequence must not matter. */
	return (uint64_t)stamp << 32 | 0xabcd0000u | (uint64_t)kind << SL_WAY_KIND_SHIFT | 0x1fff;
}

/* Around zero of the 32-bit ticks too. */
static void counts_by_kind(void **unused)
{
	static const uint32_t nows[] = {1000000, 10, 0xfffffff0u};

	(void)unused;
	memset(tunables, 0xff, sizeof(tunables));
	for (size_t n = 0; n < sizeof(nows) / sizeof(nows[0]); n++) {
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			const struct way_case *c = &cases[i];
			int64_t age = c->age_ms * 1000000 / (1 << SL_WAY_STAMP_SHIFT);
			uint64_t expected[SL_WAY_KINDS + 1] = {[SL_WAY_FREE] = SETS * 8 - 1};
			struct sl_flow_counts counts;

			memset(sets, 0, sizeof(sets));
			sets[1].way[5] = word_of(c->kind, nows[n] - (uint32_t)age);
			if (c->counted_as <= SL_WAY_KINDS)
				expected[c->counted_as]++;
			sl_flow_table_count(sets, SETS, tunables,
					    (uint64_t)nows[n] << SL_WAY_STAMP_SHIFT, &counts);
			for (unsigned kind = 0; kind < SL_WAY_KINDS; kind++)
				if (counts.living[kind] != expected[kind])
					fail_msg("%s: kind %u: %u", c->description, kind,
						 (unsigned)counts.living[kind]);
			if (counts.expired != expected[GONE])
				fail_msg("%s: expired", c->description);
			assert_int_equal(counts.places, SETS * 8);
		}
	}
}

static void obeys_the_tunables(void **unused)
{
	struct sl_flow_counts counts;

	(void)unused;
	memset(tunables, 0xff, sizeof(tunables));
	memset(sets, 0, sizeof(sets));
	sets[0].way[0] = word_of(SL_WAY_OPEN, 1000000 - 2000); /* 2.1 s ago */
	sl_flow_table_count(sets, SETS, tunables, 1000000ull << SL_WAY_STAMP_SHIFT, &counts);
	assert_int_equal(counts.living[SL_WAY_OPEN], 1);
	tunables[SL_TUNABLE_FLOW_IDLE_MS] = 1000;
	sl_flow_table_count(sets, SETS, tunables, 1000000ull << SL_WAY_STAMP_SHIFT, &counts);
	assert_int_equal(counts.living[SL_WAY_OPEN], 0);
	assert_int_equal(counts.expired, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_by_kind),
		cmocka_unit_test(obeys_the_tunables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
