/* SPDX-License-Identifier: BSD-2-Clause */
/* The estimate of tokens: what is counted, that it learns a model's factor, and errs to the safe side. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/policy/tokens.h"

static const struct {
	const char *text;
	uint64_t raw;
} rows[] = {
	{"", 0},	  {"a", 1},
	{"word", 1},	  {"words", 2},
	{"two words", 3}, {"1234567", 3},
	{"a+b==c", 6},	  {"\xe4\xbd\xa0\xe5\xa5\xbd", 3}, /* two characters */
	{"    x", 1},	  {"                x", 3},
	{"{\"a\":1}", 7},
};

static void test_raw(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (sl_tokens_raw(rows[i].text, strlen(rows[i].text)) != rows[i].raw)
			fail_msg("%s: %lu", rows[i].text,
				 (unsigned long)sl_tokens_raw(rows[i].text, strlen(rows[i].text)));
	}
}

/* actual = raw * factor / 1024, give or take `noise` percent. */
static uint64_t noisy(uint64_t raw, uint32_t factor, int noise, unsigned *seed)
{
	int percent = 100 + (noise ? rand_r(seed) % (2 * noise + 1) - noise : 0);

	return raw * factor / SL_TOKENS_ONE * (uint64_t)percent / 100;
}

static void test_learns(void **state)
{
	static const uint32_t factors[] = {300, 700, 1024, 2000, 6000};
	unsigned seed = 1;

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		struct sl_tokens tokens = {0};
		uint64_t under = 0, over = 0, sum = 0, real = 0;

		assert_int_equal(sl_tokens_estimate(&tokens, 1000), 1300);
		for (int n = 0; n < 400; n++) {
			uint64_t raw = 100 + (uint64_t)rand_r(&seed) % 20000;
			uint64_t actual = noisy(raw, factors[i], 15, &seed);
			uint64_t estimate = sl_tokens_estimate(&tokens, raw);

			assert_true(sl_tokens_least(&tokens, raw) <= estimate);
			if (n >= 50) {
				over += sl_tokens_least(&tokens, raw) > actual;
				under += estimate < actual;
				sum += estimate;
				real += actual;
			}
			sl_tokens_learn(&tokens, raw, actual);
		}
		assert_true(under <= 350 / 20); /* at most one in twenty is too small */
		assert_true(over <= 350 / 20);
		assert_true(sum < real * 125 / 100); /* and no wild guess */
	}
}

static void test_follows_a_change(void **state)
{
	struct sl_tokens tokens = {0};
	uint32_t count;

	(void)state;
	for (int i = 0; i < 1000; i++)
		sl_tokens_learn(&tokens, 1000, 1000);
	assert_in_range(sl_tokens_factor(&tokens, &count), 1024, 1040);
	assert_int_equal(count, 1000);
	for (int i = 0; i < 100; i++) { /* another tokenizer behind the same name */
		assert_true(sl_tokens_estimate(&tokens, 1000) >= 1000);
		sl_tokens_learn(&tokens, 1000, 2000);
	}
	assert_in_range(sl_tokens_factor(&tokens, &count), 2000, 2200);
}

static void test_what_teaches_nothing(void **state)
{
	struct sl_tokens tokens = {0};
	uint32_t count;

	(void)state;
	sl_tokens_learn(&tokens, 10, 10);	/* too short */
	sl_tokens_learn(&tokens, 1000, 0);	/* not told */
	sl_tokens_learn(&tokens, 1000, 100000); /* images */
	sl_tokens_learn(&tokens, 1000000, 10);
	assert_int_equal(sl_tokens_factor(&tokens, &count), SL_TOKENS_FIRST);
	assert_int_equal(count, 0);
	assert_int_equal(sl_tokens_estimate(NULL, 1000), 1300);
	assert_int_equal(sl_tokens_least(NULL, 1000), 500);
}

static void test_table(void **state)
{
	struct sl_tokens_table *table = calloc(1, sizeof(*table));
	struct sl_tokens *a, *b;
	char name[32];

	(void)state;
	a = sl_tokens_of(table, "a");
	b = sl_tokens_of(table, "b");
	assert_ptr_not_equal(a, b);
	assert_ptr_equal(sl_tokens_of(table, "a"), a);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		assert_non_null(sl_tokens_of(table, name));
	}
	assert_int_equal(table->count, SL_TOKENS_MODELS);
	assert_ptr_equal(sl_tokens_of(table, "one more"), a);
	assert_ptr_equal(sl_tokens_of(table, "b"), b);
	free(table);
}

/* What a template puts around each message, where the text itself is counted. */
static void test_frame(void **state)
{
	struct sl_tokens frame = {0};

	(void)state;
	assert_int_equal(sl_tokens_frame(NULL), SL_TOKENS_FRAME_FIRST);
	for (uint64_t n = 1; n <= 30; n++) {
		/* five for each of n messages, and five more */
		sl_tokens_learn(&frame, sl_tokens_sample(100 * n, n), 100 * n + 5 * (n + 1));
		assert_int_equal(sl_tokens_frame(&frame), n < SL_TOKENS_FRAME_SURE ? 8 : 5);
	}
	/* a server that counts something else teaches nothing */
	sl_tokens_learn(&frame, sl_tokens_sample(10, 1), 100000);
	assert_int_equal(sl_tokens_frame(&frame), 5);
	/* fewer than the text: nothing is around it */
	for (int n = 0; n < 400; n++)
		sl_tokens_learn(&frame, sl_tokens_sample(1000, 3), 990);
	assert_in_range(sl_tokens_frame(&frame), 0, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_raw),
		cmocka_unit_test(test_learns),
		cmocka_unit_test(test_follows_a_change),
		cmocka_unit_test(test_what_teaches_nothing),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
