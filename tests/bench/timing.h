/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * timing.h - CPU time of one call, for the benchmarks of small parts.
 *
 *	double ns = timing_ns(run);
 *
 * The median of TIMING_ROUNDS rounds, each as many calls as take about TIMING_ROUND_NS. What run()
 * returns is added up, so that the compiler cannot leave out what it comes from.
 */
#ifndef SL_TESTS_BENCH_TIMING_H
#define SL_TESTS_BENCH_TIMING_H

#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#define TIMING_ROUNDS	 15
#define TIMING_ROUND_NS	 20000000
#define TIMING_TRY_CALLS 100 /* that tell how many a round takes */

static inline double timing_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static inline double timing_round_ns(size_t (*run)(void), size_t calls)
{
	static volatile size_t sum;
	double begin = timing_cpu_ns();

	for (size_t i = 0; i < calls; i++)
		sum += run();
	return (timing_cpu_ns() - begin) / (double)calls;
}

static inline int timing_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static inline double timing_ns(size_t (*run)(void))
{
	double once_ns = timing_round_ns(run, TIMING_TRY_CALLS);
	size_t calls = (size_t)(TIMING_ROUND_NS / (once_ns + 1)) + 1;
	double rounds[TIMING_ROUNDS];

	for (int i = 0; i < TIMING_ROUNDS; i++)
		rounds[i] = timing_round_ns(run, calls);
	qsort(rounds, TIMING_ROUNDS, sizeof(rounds[0]), timing_compare);
	return rounds[TIMING_ROUNDS / 2];
}

#endif
