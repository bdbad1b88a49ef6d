/* SPDX-License-Identifier: BSD-2-Clause */
/* Shares: as large as they are said to be, the same each time, growing without a change of members. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "user/policy/share.h"

#define NAMES 20000u

static uint32_t count(const char *form, const char *salt, uint32_t share)
{
	uint32_t taken = 0;
	char name[32];

	for (uint32_t i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), form, i);
		taken += sl_share_takes(sl_span_string(name), sl_span_string(salt), share);
	}
	return taken;
}

static void test_size(void **state)
{
	static const char *const forms[] = {"%u", "user-%u", "\"conv_%08x\"", "%uaaaaaaaaaaaaaaaa"};

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		assert_int_equal(count(forms[i], "p", 0), 0);
		assert_int_equal(count(forms[i], "p", SL_SHARE_WHOLE), NAMES);
		assert_in_range(count(forms[i], "p", 500), NAMES / 20 - 150, NAMES / 20 + 150);
		assert_in_range(count(forms[i], "p", 5000), NAMES / 2 - 400, NAMES / 2 + 400);
	}
}

static void test_grows(void **state)
{
	uint32_t both = 0, of_other = 0;
	char name[32];

	(void)state;
	for (uint32_t i = 0; i < NAMES; i++) {
		struct sl_span n;
		bool small;

		snprintf(name, sizeof(name), "u%u", i);
		n = sl_span_string(name);
		small = sl_share_takes(n, SL_SPAN("p"), 1000);
		assert_true(!small || sl_share_takes(n, SL_SPAN("p"), 1001));
		assert_true(!small || sl_share_takes(n, SL_SPAN("p"), 5000));
		of_other += sl_share_takes(n, SL_SPAN("q"), 1000);
		both += small && sl_share_takes(n, SL_SPAN("q"), 1000);
	}
	/* another salt is another choice: a tenth of a tenth is in both */
	assert_in_range(of_other, NAMES / 10 - 200, NAMES / 10 + 200);
	assert_in_range(both, NAMES / 100 - 70, NAMES / 100 + 70);
}

static void test_parts(void **state)
{
	uint32_t differ = 0;

	(void)state;
	for (uint32_t share = 0; share <= SL_SHARE_WHOLE; share += 100)
		differ += sl_share_takes(SL_SPAN("ab"), SL_SPAN("c"), share) !=
			  sl_share_takes(SL_SPAN("bc"), SL_SPAN("a"), share);
	assert_int_not_equal(differ, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_grows),
		cmocka_unit_test(test_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
