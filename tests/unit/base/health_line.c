/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of health: there and back; what is not one ends the reading. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "user/base/health_line.h"

static void test_there_and_back(void **unused)
{
	static const struct sl_health_line lines[] = {
		{1, 3, "none", 0, false, 0, "", "", ""},
		{4095, UINT32_MAX, "not_ready", 7, true, 86400000, "region", "b 2", "north"},
		{2, 3, "good", 0, false, 0, "spill", "", "south"},
	};
	struct sl_health_line read;
	struct sl_text text;
	const char *at;
	unsigned i;

	(void)unused;
	sl_text_init(&text, 0);
	for (i = 0; i < 3; i++)
		sl_health_line_write(&lines[i], &text);
	at = sl_text_string(&text);
	for (i = 0; i < 3; i++) {
		assert_true(sl_health_line_read(&at, &read));
		assert_int_equal(read.slot, lines[i].slot);
		assert_int_equal(read.incarnation, lines[i].incarnation);
		assert_string_equal(read.check, lines[i].check);
		assert_int_equal(read.zombies, lines[i].zombies);
		assert_int_equal(read.doubtful, lines[i].doubtful);
		assert_int_equal(read.held_ms, lines[i].held_ms);
		assert_string_equal(read.ring, lines[i].ring);
		assert_string_equal(read.zone, i == 1 ? "b_2" : lines[i].zone);
		assert_string_equal(read.region, lines[i].region);
	}
	assert_false(sl_health_line_read(&at, &read));
	sl_text_fini(&text);
}

static void test_reading(void **unused)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{"", false},
		{"1 2 good 0 0 0", false}, /* cut */
		{"1 2 good 0 0\n", false},
		{"x 2 good 0 0 0\n", false},
		{"1 2 GOOD 0 0 0\n", false},
		{"1 2 good_good_good 0 0 0\n", false},
		{"1 2 good 0 1 0 local a north more words\n", true},
	};
	struct sl_health_line line;
	unsigned i;

	(void)unused;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *at = cases[i].text;

		if (sl_health_line_read(&at, &line) != cases[i].good)
			fail_msg("\"%s\"", cases[i].text);
		if (cases[i].good)
			assert_int_equal(*at, '\0');
		else
			assert_ptr_equal(at, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
