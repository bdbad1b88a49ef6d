/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/money.h"

#include <errno.h>
#include <time.h>
#include "user/base/text.h"

#define TOKENS_OF_PRICE 1000000u
#define DAY_S		86400u

__extension__ typedef unsigned __int128 wide; /* pedantic compilers do not know it */

uint64_t sl_budget_of(const struct sl_budget *budget, enum sl_budget_period period)
{
	switch (period) {
	case SL_BUDGET_DAY:
		return budget->day;
	case SL_BUDGET_MONTH:
		return budget->month;
	case SL_BUDGET_TOTAL:
		return budget->total;
	default:
		return 0;
	}
}

const char *sl_budget_period_name(enum sl_budget_period period)
{
	static const char *const names[SL_BUDGET_PERIODS] = {"", "day", "month", "total"};

	return (unsigned)period < SL_BUDGET_PERIODS ? names[period] : "";
}

int sl_money_parse(const char *text, size_t len, uint64_t *ret_nano)
{
	struct sl_span rest = {text, len};
	struct sl_span whole = sl_span_cut(&rest, '.');
	uint64_t units, part = 0;
	int rc = sl_span_u64(whole, &units);

	if (rc)
		return rc;
	if (rest.data) {
		rc = sl_span_u64(rest, &part);
		if (rc || rest.len > SL_MONEY_DIGITS)
			return rc == -EINVAL ? rc : -EDOM;
		for (size_t i = rest.len; i < SL_MONEY_DIGITS; i++)
			part *= 10;
	}
	if (units > SL_MONEY_MAX / SL_MONEY_UNIT || units * SL_MONEY_UNIT + part > SL_MONEY_MAX)
		return -ERANGE;
	*ret_nano = units * SL_MONEY_UNIT + part;
	return 0;
}

const char *sl_money_format(uint64_t nano, char out[SL_MONEY_TEXT_SIZE])
{
	struct sl_text text;

	sl_text_init_fixed(&text, out, SL_MONEY_TEXT_SIZE);
	sl_text_append_scaled(&text, nano, SL_MONEY_DIGITS);
	return out;
}

uint64_t sl_price_of(const struct sl_price *price, uint64_t input, uint64_t cached, uint64_t output)
{
	wide sum;

	if (cached > input)
		cached = input;
	sum = (wide)(input - cached) * price->input + (wide)cached * price->cached_input +
	      (wide)output * price->output;
	sum = (sum + TOKENS_OF_PRICE - 1) / TOKENS_OF_PRICE;
	return sum < SL_MONEY_MAX ? (uint64_t)sum : SL_MONEY_MAX;
}

uint32_t sl_money_date(uint64_t now_s)
{
	time_t now = (time_t)now_s;
	struct tm tm;

	gmtime_r(&now, &tm);
	return (uint32_t)(tm.tm_year + 1900) * 10000u + (uint32_t)(tm.tm_mon + 1) * 100u +
	       (uint32_t)tm.tm_mday;
}

uint64_t sl_budget_left_s(enum sl_budget_period period, uint64_t now_s)
{
	uint64_t left_s = DAY_S - now_s % DAY_S;
	uint32_t month = sl_money_date(now_s) / 100u;

	if (period != SL_BUDGET_DAY && period != SL_BUDGET_MONTH)
		return 0;
	while (period == SL_BUDGET_MONTH && sl_money_date(now_s + left_s) / 100u == month)
		left_s += DAY_S;
	return left_s;
}
