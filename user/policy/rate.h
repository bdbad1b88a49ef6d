/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rate.h - what share of a stream of samples is bad, and how surely.
 *
 * Samples may stand for different numbers of requests (policy/strata.h), so each has a weight. The share is
 * the weighted one; the interval is Wilson's score interval (E. B. Wilson, J. Am. Stat. Assoc. 1927) of that
 * share with Kish's effective number of samples, (sum of weights)^2 / sum of squared weights: with equal
 * weights that is the number of samples, with unequal ones it is less.
 *
 * Old samples fade: at SL_RATE_MEMORY samples half of what is known is forgotten, so that the share is that
 * of the last SL_RATE_MEMORY / 2 to SL_RATE_MEMORY. `count` and `bad_count` are of all time.
 *
 * Pure; the caller's lock.
 */
#ifndef SL_POLICY_RATE_H
#define SL_POLICY_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define SL_RATE_MEMORY 2000u
#define SL_RATE_Z      1.959964 /* of 95 % */

struct sl_rate {
	double weight, weight_squares, bad; /* sums, of what is remembered */
	uint32_t remembered;
	uint64_t count, bad_count;
};

struct sl_interval {
	double low, high;
};

/* Of `share` among n samples; n 0: all is possible. */
struct sl_interval sl_interval_wilson(double share, double n, double z);

/* weight: above 0. */
void sl_rate_add(struct sl_rate *rate, double weight, bool bad);

/* 0 to 1; without samples 0. */
double sl_rate_share(const struct sl_rate *rate);
double sl_rate_samples(const struct sl_rate *rate); /* effective */
struct sl_interval sl_rate_interval(const struct sl_rate *rate);

#endif
