/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decimal arithmetic on what JSON calls numbers: 0.1 divides 0.3, which binary fractions would
 * deny. Up to 18 digits are exact; beyond, the nearest double decides.
 */
#include "user/wire/schema_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX     18
#define MANTISSA_EXACT (INT64_C(1) << 53)
#define POWER_EXACT    22
#define EXPONENT_MAX   100000
#define NUMBER_BYTES   400 /* what strtod gets to see; longer ones are cut, which keeps the size */
#define SCALE_MAX      18  /* 10^18 times 10^18 fits 128 bits */
#define REDUCE_MAX     700 /* from the smallest double to the largest */

static int32_t exponent_of(const char *at, const char *end)
{
	bool negative = at < end && *at == '-';
	int32_t value = 0;

	if (at < end && (*at == '-' || *at == '+'))
		at++;
	for (; at < end; at++)
		if (value < EXPONENT_MAX)
			value = value * 10 + (*at - '0');
	return negative ? -value : value;
}

static double nearest(struct sl_span text)
{
	char copy[NUMBER_BYTES + 1];
	size_t len = text.len < NUMBER_BYTES ? text.len : NUMBER_BYTES;

	memcpy(copy, text.data, len);
	copy[len] = '\0';
	return strtod(copy, NULL);
}

/*
 * Mantissa and power of ten are both doubles without a rounding, so one operation rounds right (W. D.
 * Clinger, How to read floating point numbers accurately, 1990).
 */
static bool exactly(const struct sl_schema_number *n)
{
	return n->exact && n->mantissa <= MANTISSA_EXACT && n->mantissa >= -MANTISSA_EXACT &&
	       n->exponent <= POWER_EXACT && n->exponent >= -POWER_EXACT;
}

static double quotient(const struct sl_schema_number *n)
{
	static const double powers[] = {1e0,  1e1,  1e2,  1e3,	1e4,  1e5,  1e6,  1e7,
					1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
					1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

	return n->exponent < 0 ? (double)n->mantissa / powers[-n->exponent]
			       : (double)n->mantissa * powers[n->exponent];
}

/* The digits before an exponent: mantissa and exponent, and the weight of the last that is not 0. */
static const char *parse_digits(const char *at, const char *end, struct sl_schema_number *n,
				int32_t *ret_last)
{
	int32_t behind = 0, whole = -1, last = 0; /* digits behind the point, before it */
	int32_t digits = 0;			  /* that count, the first zeros do not */

	for (; at < end && (*at | 0x20) != 'e'; at++) {
		if (*at == '.') {
			whole = digits;
			continue;
		}
		behind += whole >= 0;
		digits += digits > 0 || *at != '0';
		if (digits > DIGITS_MAX) {
			n->exponent += whole < 0;
			n->exact = n->exact && *at == '0';
		} else {
			n->mantissa = n->mantissa * 10 + (*at - '0');
			n->exponent -= whole >= 0;
		}
		if (*at != '0')
			last = whole >= 0 ? -behind : digits;
	}
	*ret_last = last > 0 ? (whole >= 0 ? whole : digits) - last : last;
	return at;
}

void sl_schema_number_parse(struct sl_span text, struct sl_schema_number *ret_number)
{
	const char *at = text.data, *end = text.data + text.len;
	bool negative = *at == '-';
	struct sl_schema_number n = {.exact = true};
	int32_t last;

	at = parse_digits(at + negative, end, &n, &last);
	if (at < end) {
		int32_t more = exponent_of(at + 1, end);

		n.exponent += more;
		last += more;
	}
	n.whole = n.mantissa == 0 || last >= 0;
	while (n.mantissa && n.mantissa % 10 == 0) {
		n.mantissa /= 10;
		n.exponent++;
	}
	if (n.mantissa == 0)
		n.exponent = 0;
	if (negative)
		n.mantissa = -n.mantissa;
	n.value = exactly(&n) ? quotient(&n) : nearest(text);
	*ret_number = n;
}

static __int128 power(int32_t exponent)
{
	__int128 value = 1;

	while (exponent-- > 0)
		value *= 10;
	return value;
}

int sl_schema_number_compare(const struct sl_schema_number *a, const struct sl_schema_number *b)
{
	int32_t apart = a->exponent - b->exponent;

	if (a->exact && b->exact && apart <= SCALE_MAX && apart >= -SCALE_MAX) {
		__int128 x = (__int128)a->mantissa * power(apart);
		__int128 y = (__int128)b->mantissa * power(-apart);

		return (x > y) - (x < y);
	}
	if (a->mantissa == 0 || b->mantissa == 0)
		return (a->mantissa > b->mantissa) - (a->mantissa < b->mantissa);
	/* both beyond what a double holds, or far apart */
	return (a->value > b->value) - (a->value < b->value);
}

bool sl_schema_number_divides(const struct sl_schema_number *divisor,
			      const struct sl_schema_number *number)
{
	int32_t apart = number->exponent - divisor->exponent;
	int64_t d = divisor->mantissa < 0 ? -divisor->mantissa : divisor->mantissa;
	__int128 rest = number->mantissa;

	if (number->mantissa == 0)
		return true;
	if (!divisor->exact || !number->exact || apart > REDUCE_MAX)
		return fmod(number->value, divisor->value) == 0;
	/* no mantissa ends in a zero, so no smaller exponent can be made up for */
	if (apart < 0)
		return false;
	rest %= d;
	for (int32_t i = 0; i < apart && rest; i++)
		rest = rest * 10 % d;
	return rest == 0;
}
