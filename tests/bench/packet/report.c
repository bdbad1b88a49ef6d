/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bench/packet/report.h"

#include <stdarg.h>
#include <stdio.h>

static uint32_t missed;

void sl_report_title(const char *format, ...)
{
	va_list args;

	printf("\n");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

void sl_report_ns(const struct sl_lab_subject *subject)
{
	printf("  %-44s %6.0f ns\n", subject->name, subject->ns);
	fflush(stdout);
}

void sl_report_ratio(const struct sl_lab *lab, const struct sl_lab_subject *a,
		     const struct sl_lab_subject *b, double bar)
{
	double ratio = sl_lab_ratio(lab, a, b);

	printf("  %-44s %6.0f ns  %5.2f x %s (%.0f ns)", a->name, a->ns, ratio, b->name, b->ns);
	if (bar > 0) {
		printf("   bar %.2f: %s", bar, ratio <= bar ? "reached" : "missed");
		missed += ratio > bar;
	}
	printf("\n");
	fflush(stdout);
}

uint32_t sl_report_missed(void)
{
	return missed;
}
