/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * paired.h - is the second of two runs of the same cases worse than the first?
 *
 * The exact sign test (McNemar's for outcomes of yes and no): cases that differ are worse or better; were the
 * runs alike, either would be as likely. The p-value is the chance of that many worse ones or more among
 * those that differ. Cases that do not differ say nothing.
 *
 * And by how much? The mean of the cases' differences with Student's interval of 95 %, after Agresti and Min
 * (Statistics in Medicine 24, 2005): two cases are added that say nothing but that either may happen, half a
 * case each of better, worse and twice alike. Without them ten cases that do not differ would have an interval
 * of nothing at all; with them it covers what it says from some five cases on. Pure.
 */
#ifndef SL_POLICY_PAIRED_H
#define SL_POLICY_PAIRED_H

#include <stdint.h>

/* One-sided. Without cases that differ 1. */
double sl_paired_worse(uint32_t worse, uint32_t better);

/* All zero at first. */
struct sl_paired {
	double weights, squares; /* sums: of the weights, of their squares */
	double sum, sum_squares; /* weighted: of the differences, of their squares */
};

struct sl_paired_interval {
	double mean, low, high; /* -1 to 1 */
};

/* One case; difference: its score now less that of before, -1 to 1. weight 0: it does not count. */
void sl_paired_add(struct sl_paired *paired, double weight, double difference);

/* Without cases 0, -1 to 1. */
struct sl_paired_interval sl_paired_difference(const struct sl_paired *paired);

#endif
