/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * money.h - amounts of money, exactly: whole billionths ("nano") of the unit of one currency.
 *
 * Which currency it is, nobody here knows. A price is nano for a million tokens, so that 0.075 a
 * million is a whole number too; the cost of a request is summed before it is divided, and what is
 * left of the division is rounded up: a thousand small requests never cost less than one large one.
 * No floating point. Pure; any thread.
 */
#ifndef SL_BASE_MONEY_H
#define SL_BASE_MONEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_MONEY_UNIT	   1000000000ull
#define SL_MONEY_DIGITS	   9u
#define SL_MONEY_MAX	   (1000000000ull * SL_MONEY_UNIT) /* sums of several fit 64 bits */
#define SL_PRICE_MAX	   (1000000ull * SL_MONEY_UNIT)	   /* of a million tokens */
#define SL_MONEY_TEXT_SIZE 32u

/* Nano for a million tokens. All 0: free. */
struct sl_price {
	uint64_t input;
	uint64_t cached_input; /* of the prompt, what the server had in its cache */
	uint64_t output;
};

/* What may be spent in a period, in nano; 0: as much as one likes. */
struct sl_budget {
	uint64_t day;	/* of UTC, as the month */
	uint64_t month; /* of the calendar */
	uint64_t total; /* ever */
};

enum sl_budget_period {
	SL_BUDGET_NONE = 0,
	SL_BUDGET_DAY,
	SL_BUDGET_MONTH,
	SL_BUDGET_TOTAL,
	SL_BUDGET_PERIODS
};

static inline bool sl_budget_any(const struct sl_budget *budget)
{
	return budget->day || budget->month || budget->total;
}

/* The budget of a period. */
uint64_t sl_budget_of(const struct sl_budget *budget, enum sl_budget_period period);

/* "day", "month", "total". */
const char *sl_budget_period_name(enum sl_budget_period period);

/* "12", "0.075": -EINVAL for anything else, -EDOM for more than nine places, -ERANGE over
 * SL_MONEY_MAX. */
int sl_money_parse(const char *text, size_t len, uint64_t *ret_nano);

/* "0.075", "12": no useless digits. Returns out. */
const char *sl_money_format(uint64_t nano, char out[SL_MONEY_TEXT_SIZE]);

/* What the tokens cost; cached ones are among the input. At most SL_MONEY_MAX. */
uint64_t sl_price_of(const struct sl_price *price, uint64_t input, uint64_t cached,
		     uint64_t output);

/* 20260131 of a Unix time, UTC. */
uint32_t sl_money_date(uint64_t now_s);

/* Seconds until the day or month of that time is over; 0 for another period. */
uint64_t sl_budget_left_s(enum sl_budget_period period, uint64_t now_s);

#endif
