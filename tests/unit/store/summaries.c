/* SPDX-License-Identifier: BSD-2-Clause */
/* Summaries: found by their chain, bounded, the one used longest ago goes first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "user/store/summaries.h"

static void chain_of(int number, uint8_t chain[SL_DIGEST_BYTES])
{
	char part[16];

	memset(chain, 0, SL_DIGEST_BYTES);
	snprintf(part, sizeof(part), "%d", number);
	sl_summary_chain(chain, sl_span_string(part));
}

static bool has(struct sl_summaries *summaries, int number, const char *expected)
{
	uint8_t chain[SL_DIGEST_BYTES];
	struct sl_text out;
	bool found;

	chain_of(number, chain);
	sl_text_init(&out, 0);
	found = sl_summaries_find(summaries, chain, &out);
	if (found && expected)
		assert_string_equal(out.data, expected);
	sl_text_fini(&out);
	return found;
}

static void keep(struct sl_summaries *summaries, int number, struct sl_span text)
{
	uint8_t chain[SL_DIGEST_BYTES];

	chain_of(number, chain);
	sl_summaries_keep(summaries, chain, text);
}

static void test_find(void **state)
{
	struct sl_summaries *summaries;
	uint8_t one[SL_DIGEST_BYTES] = {0}, two[SL_DIGEST_BYTES] = {0};

	(void)state;
	assert_int_equal(sl_summaries_open(&summaries), 0);
	assert_false(has(summaries, 1, NULL));
	keep(summaries, 1, SL_SPAN("first"));
	keep(summaries, 2, SL_SPAN("second"));
	assert_true(has(summaries, 1, "first"));
	keep(summaries, 1, SL_SPAN("anew"));
	assert_true(has(summaries, 1, "anew"));
	assert_true(has(summaries, 2, "second"));
	sl_summary_chain(one, SL_SPAN("ab"));
	sl_summary_chain(one, SL_SPAN("c"));
	sl_summary_chain(two, SL_SPAN("a"));
	sl_summary_chain(two, SL_SPAN("bc"));
	assert_memory_not_equal(one, two, sizeof(one)); /* borders count */
	assert_false(has(NULL, 1, NULL));
	keep(NULL, 1, SL_SPAN("x"));
	sl_summaries_close(&summaries);
}

static void test_bounds(void **state)
{
	static char large[SL_SUMMARY_BYTES_MAX + 1];
	struct sl_summaries *summaries;

	(void)state;
	memset(large, 'x', sizeof(large));
	assert_int_equal(sl_summaries_open(&summaries), 0);
	keep(summaries, 0, sl_span_make(large, sizeof(large)));
	assert_false(has(summaries, 0, NULL));
	for (int i = 0; i < 600; i++) {
		keep(summaries, i, SL_SPAN("short"));
		assert_true(has(summaries, 0, NULL)); /* used all the time */
	}
	assert_false(has(summaries, 1, NULL));
	assert_true(has(summaries, 599, "short"));
	for (int i = 1000; i < 1300; i++) /* 300 of 32 KiB: more than all may have */
		keep(summaries, i, sl_span_make(large, SL_SUMMARY_BYTES_MAX));
	assert_false(has(summaries, 1000, NULL));
	assert_true(has(summaries, 1299, NULL));
	assert_false(has(summaries, 1299 - 256, NULL));
	assert_true(has(summaries, 1299 - 255, NULL));
	sl_summaries_close(&summaries);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
