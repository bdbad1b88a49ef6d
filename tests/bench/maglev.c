/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cost of building lookup tables, and of a walk over the flow table: the median of ROUNDS runs in
 * ms of CPU time. Prints one line each; no test depends on the figures.
 *
 *	build/bench/maglev
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "user/base/flow_table.h"
#include "user/base/maglev.h"
#include "user/base/random.h"
#include "user/base/tunables.h"

#define ROUNDS	  15
#define BAR_MS	  20.0 /* for as many nodes as there may be */
#define NODES_MAX SL_POOL_NODES_MAX

enum weights { EQUAL, MIXED, SKEWED, WEIGHTS };

static const char *const weight_names[WEIGHTS] = {"equal", "mixed, 1 to 1000", "one of 1000"};

static struct sl_maglev_node nodes[NODES_MAX];
static uint32_t table[SL_MAGLEV_SIZE_MAX];
static uint64_t tunables[SL_TUNABLES_SIZE];

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int compare_doubles(const void *left, const void *right)
{
	const double *a = left, *b = right;

	return *a < *b ? -1 : *a > *b;
}

static double median(double *samples)
{
	qsort(samples, ROUNDS, sizeof(*samples), compare_doubles);
	return samples[ROUNDS / 2];
}

static void fill_nodes(uint32_t count, enum weights weights)
{
	struct sl_random random;

	sl_random_seed(&random, count);
	for (uint32_t i = 0; i < count; i++)
		nodes[i] = (struct sl_maglev_node){
			.key = sl_random_u64(&random),
			.weight = weights == MIXED		? 1 + sl_random_below(&random, 1000)
				  : weights == SKEWED && i == 0 ? 1000
								: 1,
			.value = i + 1,
		};
}

static int bench_build(uint32_t count, enum weights weights)
{
	uint32_t size = sl_maglev_size(count);
	double samples[ROUNDS];

	fill_nodes(count, weights);
	for (int round = 0; round < ROUNDS; round++) {
		double start = now_ms();

		if (sl_maglev_build(nodes, count, size, table))
			return 1;
		samples[round] = now_ms() - start;
	}
	double median_ms = median(samples);

	printf("maglev build  %4u nodes %6u slots  weights %-16s %8.3f ms", count, size,
	       weight_names[weights], median_ms);
	if (count == NODES_MAX)
		printf("   bar %.0f ms: %s", BAR_MS, median_ms < BAR_MS ? "reached" : "missed");
	printf("\n");
	return 0;
}

static int bench_walk(uint32_t flows)
{
	uint32_t count = SL_FLOW_SETS(flows);
	struct sl_flow_set *sets = calloc(count, sizeof(*sets));
	struct sl_flow_counts counts;
	double samples[ROUNDS];

	if (sets == NULL)
		return 1;
	memset(sets, 0x41, (size_t)count * sizeof(*sets)); /* pages of its own, not the zero page */
	for (int round = 0; round < ROUNDS; round++) {
		double start = now_ms();

		sl_flow_table_count(sets, count, tunables, 0, &counts);
		samples[round] = now_ms() - start;
	}
	printf("flow table walk  %8u flows %8.3f ms\n", flows, median(samples));
	free(sets);
	return counts.places != (uint64_t)count * SL_FLOW_WAYS;
}

int main(void)
{
	static const uint32_t counts[] = {16, 256, NODES_MAX};
	int failed = 0;

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		for (int weights = 0; weights < WEIGHTS; weights++)
			failed |= bench_build(counts[i], (enum weights)weights);
	failed |= bench_walk(SL_FLOWS_MAX_DEFAULT);
	failed |= bench_walk(4 * 1024 * 1024);
	return failed;
}
