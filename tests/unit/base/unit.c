/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/unit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void durations(void **state)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t ms;
	} cases[] = {
		{"250ms", 0, 250},
		{"2s", 0, 2000},
		{"1m", 0, 60000},
		{"1h", 0, 3600000},
		{"1d", 0, 86400000},
		{"1m30s", 0, 90000},
		{"1s500ms", 0, 1500},
		{"30", 0, 30},
		{"0", 0, 0},
		{"2000us", 0, 2},
		{"500us", -EDOM, 0},
		{"", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{"-1s", -EINVAL, 0},
		{"1.5s", -EINVAL, 0},
		{"1 s", -EINVAL, 0},
		{"1S", -EINVAL, 0},
		{"1s1m", -EINVAL, 0},
		{"1s2s", -EINVAL, 0},
		{"1m30", -EINVAL, 0},
		{"5x", -EINVAL, 0},
		{"99999999999999999999", -ERANGE, 0},
		{"99999999999999d", -ERANGE, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t ms = 0;
		int rc = sl_unit_parse_ms(cases[i].text, strlen(cases[i].text), &ms);

		if (rc != cases[i].rc || ms != cases[i].ms)
			fail_msg("\"%s\": %d, %llu", cases[i].text, rc, (unsigned long long)ms);
	}
}

static void sizes(void **state)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t bytes;
	} cases[] = {
		{"64k", 0, 65536},
		{"64K", 0, 65536},
		{"1MiB", 0, 1048576},
		{"1mb", 0, 1048576},
		{"2G", 0, 2ull << 30},
		{"1tib", 0, 1ull << 40},
		{"10", 0, 10},
		{"10b", 0, 10},
		{"", -EINVAL, 0},
		{"k", -EINVAL, 0},
		{"1.5k", -EINVAL, 0},
		{"1kk", -EINVAL, 0},
		{"1 k", -EINVAL, 0},
		{"16777216t", -ERANGE, 0},
		{"16777215t", 0, 16777215ull << 40},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t bytes = 0;
		int rc = sl_unit_parse_bytes(cases[i].text, strlen(cases[i].text), &bytes);

		if (rc != cases[i].rc || bytes != cases[i].bytes)
			fail_msg("\"%s\": %d, %llu", cases[i].text, rc, (unsigned long long)bytes);
	}
}

static void forms_read_back(void **state)
{
	static const uint64_t values[] = {0,	   1,	    999,      1000,	 1500,
					  60000,   90000,   1024,     65536,	 1048576,
					  3600000, 4194304, 86400000, 1ull << 33};
	char text[SL_UNIT_TEXT_SIZE];
	uint64_t back;

	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		sl_unit_format_ms(values[i], text);
		assert_int_equal(sl_unit_parse_ms(text, strlen(text), &back), 0);
		assert_true(back == values[i]);
		sl_unit_format_bytes(values[i], text);
		assert_int_equal(sl_unit_parse_bytes(text, strlen(text), &back), 0);
		assert_true(back == values[i]);
	}
	assert_string_equal(sl_unit_format_ms(300000, text), "5m");
	assert_string_equal(sl_unit_format_ms(1500, text), "1500ms");
	assert_string_equal(sl_unit_format_bytes(4194304, text), "4MiB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),
		cmocka_unit_test(sizes),
		cmocka_unit_test(forms_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
