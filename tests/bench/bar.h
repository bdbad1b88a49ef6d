/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bar.h - one line of a benchmark's table: what, the figure, its bar, whether it was reached.
 *
 *	exact hit: digest and look-up                              1.52 us   bar <=     15 us   reached
 *
 * A figure without a bar is there for comparison. Nothing fails for a bar: figures are of a machine.
 */
#ifndef SL_TESTS_BENCH_BAR_H
#define SL_TESTS_BENCH_BAR_H

#include <stdbool.h>
#include <stdio.h>

enum bar { BAR_NONE = 0, BAR_AT_MOST, BAR_AT_LEAST };

static inline void bar_print(const char *what, double figure, const char *unit, enum bar kind,
			     double bar)
{
	bool reached = kind == BAR_AT_MOST ? figure <= bar : figure >= bar;

	printf("%-58s %9.*f %-3s", what, figure < 1 ? 3 : 2, figure, unit);
	if (kind)
		printf("   bar %s %6g %-3s   %s", kind == BAR_AT_MOST ? "<=" : ">=", bar, unit,
		       reached ? "reached" : "MISSED");
	putchar('\n');
}

#endif
