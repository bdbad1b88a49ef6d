/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/unit.h"

#include <errno.h>
#include <stdio.h>

#include "user/base/text.h"

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit durations[] = {
	/* Largest first: a compound names each unit once, in this order. */
	{"d", 86400000000ull}, {"h", 3600000000ull}, {"m", 60000000ull},
	{"s", 1000000ull},     {"ms", 1000ull},	     {"us", 1ull},
};

static const struct unit sizes[] = {
	{"b", 1},	    {"k", 1ull << 10},	 {"kb", 1ull << 10},  {"kib", 1ull << 10},
	{"m", 1ull << 20},  {"mb", 1ull << 20},	 {"mib", 1ull << 20}, {"g", 1ull << 30},
	{"gb", 1ull << 30}, {"gib", 1ull << 30}, {"t", 1ull << 40},   {"tib", 1ull << 40},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Takes the run of bytes that are digits (or are not) off *rest. */
static struct sl_span take_run(struct sl_span *rest, bool digits)
{
	struct sl_span run = {rest->data, 0};

	while (run.len < rest->len &&
	       (rest->data[run.len] >= '0' && rest->data[run.len] <= '9') == digits)
		run.len++;
	rest->data += run.len;
	rest->len -= run.len;
	return run;
}

static int add_product(uint64_t number, uint64_t factor, uint64_t *total)
{
	uint64_t product;

	if (__builtin_mul_overflow(number, factor, &product) ||
	    __builtin_add_overflow(*total, product, total))
		return -ERANGE;
	return 0;
}

int sl_unit_parse_us(const char *text, size_t len, uint64_t bare_us, uint64_t *ret_us)
{
	struct sl_span rest = {text, len};
	uint64_t total = 0;
	size_t next = 0; /* units before this one are used up */

	if (len == 0)
		return -EINVAL;
	while (rest.len > 0) {
		struct sl_span digits = take_run(&rest, true);
		struct sl_span name = take_run(&rest, false);
		uint64_t number = 0;
		int rc = sl_span_u64(digits, &number);
		size_t at = next;

		if (rc != 0)
			return rc;
		if (name.len == 0 && digits.len == len) {
			rc = add_product(number, bare_us, &total);
			if (rc != 0)
				return rc;
			break;
		}
		while (at < COUNT(durations) &&
		       !sl_span_equal(name, sl_span_string(durations[at].name)))
			at++;
		if (at == COUNT(durations))
			return -EINVAL;
		rc = add_product(number, durations[at].factor, &total);
		if (rc != 0)
			return rc;
		next = at + 1;
	}
	*ret_us = total;
	return 0;
}

int sl_unit_parse_ms(const char *text, size_t len, uint64_t *ret_ms)
{
	uint64_t us;
	int rc = sl_unit_parse_us(text, len, 1000, &us);

	if (rc != 0)
		return rc;
	if (us % 1000 != 0)
		return -EDOM;
	*ret_ms = us / 1000;
	return 0;
}

int sl_unit_parse_bytes(const char *text, size_t len, uint64_t *ret_bytes)
{
	struct sl_span rest = {text, len};
	struct sl_span digits = take_run(&rest, true);
	uint64_t total = 0;
	uint64_t number;
	int rc = sl_span_u64(digits, &number);

	if (rc != 0)
		return rc;
	if (rest.len == 0) {
		*ret_bytes = number;
		return 0;
	}
	for (size_t i = 0; i < COUNT(sizes); i++) {
		if (!sl_span_equal_case(rest, sl_span_string(sizes[i].name)))
			continue;
		rc = add_product(number, sizes[i].factor, &total);
		if (rc == 0)
			*ret_bytes = total;
		return rc;
	}
	return -EINVAL;
}

const char *sl_unit_format_ms(uint64_t ms, char out[SL_UNIT_TEXT_SIZE])
{
	static const struct unit steps[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}};

	for (size_t i = 0; i < COUNT(steps); i++) {
		if (ms >= steps[i].factor && ms % steps[i].factor == 0) {
			snprintf(out, SL_UNIT_TEXT_SIZE, "%llu%s",
				 (unsigned long long)(ms / steps[i].factor), steps[i].name);
			return out;
		}
	}
	snprintf(out, SL_UNIT_TEXT_SIZE, "%llums", (unsigned long long)ms);
	return out;
}

const char *sl_unit_format_bytes(uint64_t bytes, char out[SL_UNIT_TEXT_SIZE])
{
	static const struct unit steps[] = {
		{"GiB", 1ull << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}};

	for (size_t i = 0; i < COUNT(steps); i++) {
		if (bytes >= steps[i].factor && bytes % steps[i].factor == 0) {
			snprintf(out, SL_UNIT_TEXT_SIZE, "%llu%s",
				 (unsigned long long)(bytes / steps[i].factor), steps[i].name);
			return out;
		}
	}
	snprintf(out, SL_UNIT_TEXT_SIZE, "%llu", (unsigned long long)bytes);
	return out;
}
