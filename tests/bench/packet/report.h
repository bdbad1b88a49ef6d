/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * report.h - the lines that the packet benchmark prints.
 *
 *   WHAT                     NS   [RATIO x WHOM (NS)   bar BAR: reached | missed]
 */
#ifndef SL_TESTS_BENCH_REPORT_H
#define SL_TESTS_BENCH_REPORT_H

#include "tests/bench/packet/lab.h"

void sl_report_title(const char *format, ...) __attribute__((format(printf, 1, 2)));
void sl_report_ns(const struct sl_lab_subject *subject);

/* The cost of `a` beside `b`; a bar of 0: none was set. */
void sl_report_ratio(const struct sl_lab *lab, const struct sl_lab_subject *a,
		     const struct sl_lab_subject *b, double bar);

/* Bars missed so far in this process. */
uint32_t sl_report_missed(void);

#endif
