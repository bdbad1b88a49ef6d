/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include "user/base/error.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void numbers_are_decimal(void **state)
{
	static const uint64_t values[] = {
		0,	   7, 10, 99, 100, 101, 999, 12345, 1000000, UINT32_MAX, UINT64_MAX - 1,
		UINT64_MAX};
	static const int64_t signed_values[] = {0, -1, -10, 5, INT64_MIN, INT64_MAX};
	char expected[32];
	struct sl_text text;

	(void)state;
	sl_text_init(&text, 0);
	for (size_t i = 0; i < COUNT(values); i++) {
		sl_text_reset(&text);
		assert_int_equal(sl_text_append_u64(&text, values[i]), 0);
		snprintf(expected, sizeof(expected), "%llu", (unsigned long long)values[i]);
		assert_string_equal(sl_text_string(&text), expected);
	}
	for (size_t i = 0; i < COUNT(signed_values); i++) {
		sl_text_reset(&text);
		assert_int_equal(sl_text_append_i64(&text, signed_values[i]), 0);
		snprintf(expected, sizeof(expected), "%lld", (long long)signed_values[i]);
		assert_string_equal(sl_text_string(&text), expected);
	}
	sl_text_fini(&text);
}

static void scaled_numbers_have_no_useless_digits(void **state)
{
	static const struct {
		uint64_t value;
		unsigned digits;
		const char *expected;
	} cases[] = {
		{1500, 3, "1.5"},
		{20, 1, "2"},
		{5, 3, "0.005"},
		{0, 6, "0"},
		{123, 0, "123"},
		{1000001, 6, "1.000001"},
		{UINT64_MAX, 18, "18.446744073709551615"},
	};
	struct sl_text text;

	(void)state;
	sl_text_init(&text, 0);
	for (size_t i = 0; i < COUNT(cases); i++) {
		sl_text_reset(&text);
		sl_text_append_scaled(&text, cases[i].value, cases[i].digits);
		assert_string_equal(sl_text_string(&text), cases[i].expected);
	}
	sl_text_fini(&text);
}

static void json_is_escaped_and_valid(void **state)
{
	static const struct {
		const char *input;
		size_t len;
		const char *expected;
	} cases[] = {
		{"plain", 5, "plain"},
		{"a\"b\\c", 5, "a\\\"b\\\\c"},
		{"\n\r\t\b\f", 5, "\\n\\r\\t\\b\\f"},
		{"\0\x1f", 2, "\\u0000\\u001f"},
		{"\x7f", 1, "\x7f"},
		{"h\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 10,
		 "h\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
		{"a\xff"
		 "b",
		 3,
		 "a\xef\xbf\xbd"
		 "b"},
		{"\xc3", 1, "\xef\xbf\xbd"},				     /* cut */
		{"\xc0\xaf", 2, "\xef\xbf\xbd\xef\xbf\xbd"},		     /* overlong */
		{"\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* surrogate */
		{"\xf4\x90\x80\x80", 1, "\xef\xbf\xbd"},
	};
	struct sl_text text;

	(void)state;
	sl_text_init(&text, 0);
	for (size_t i = 0; i < COUNT(cases); i++) {
		sl_text_reset(&text);
		sl_text_append_json(&text, cases[i].input, cases[i].len);
		assert_string_equal(sl_text_string(&text), cases[i].expected);
	}
	sl_text_reset(&text);
	sl_text_append_json_string(&text, "x\"");
	assert_string_equal(sl_text_string(&text), "\"x\\\"\"");
	sl_text_fini(&text);
}

static void cap_is_kept_and_error_sticks(void **state)
{
	struct sl_text text;

	(void)state;
	sl_text_init(&text, 10);
	assert_int_equal(sl_text_append_string(&text, "0123456789"), 0);
	assert_int_equal(sl_text_append_char(&text, 'x'), -E2BIG);
	sl_text_truncate(&text, 2);
	assert_int_equal(sl_text_printf(&text, "%d", 1), -E2BIG);
	assert_string_equal(sl_text_string(&text), "01");
	assert_null(sl_text_take(&text));
	sl_text_reset(&text);
	assert_int_equal(sl_text_printf(&text, "%s-%d", "ab", 7), 0);
	assert_string_equal(sl_text_string(&text), "ab-7");
	sl_text_fini(&text);
	sl_text_fini(&text);
}

static void fixed_memory_is_never_left(void **state)
{
	char *memory = malloc(4); /* the sanitizer sees a byte too many */
	struct sl_text text;

	(void)state;
	sl_text_init_fixed(&text, memory, 4);
	assert_int_equal(sl_text_append_string(&text, "abc"), 0);
	assert_int_equal(sl_text_append_string(&text, "d"), -E2BIG);
	assert_string_equal(memory, "abc");
	sl_text_reset(&text);
	assert_int_equal(sl_text_append_u64(&text, 1234), -E2BIG);
	sl_text_reset(&text);
	assert_int_equal(sl_text_append_u64(&text, 123), 0);
	assert_string_equal(memory, "123");
	free(memory);
}

static void take_moves(void **state)
{
	struct sl_text text;
	char *taken;

	(void)state;
	sl_text_init(&text, 0);
	for (int i = 0; i < 1000; i++)
		sl_text_append_u64(&text, 7);
	taken = sl_text_take(&text);
	assert_int_equal(strlen(taken), 1000);
	assert_string_equal(sl_text_string(&text), "");
	free(taken);
	taken = sl_text_take(&text);
	assert_string_equal(taken, "");
	free(taken);
}

static void spans_cut_and_compare(void **state)
{
	struct sl_span rest = SL_SPAN("a,,b");
	uint64_t value = 1;

	(void)state;
	assert_true(sl_span_equal(sl_span_cut(&rest, ','), SL_SPAN("a")));
	assert_true(sl_span_equal(sl_span_cut(&rest, ','), SL_SPAN("")));
	assert_true(sl_span_equal(sl_span_cut(&rest, ','), SL_SPAN("b")));
	assert_null(rest.data);
	assert_true(sl_span_equal(sl_span_trim(SL_SPAN(" \tx y ")), SL_SPAN("x y")));
	assert_int_equal(sl_span_trim(SL_SPAN("  ")).len, 0);
	assert_true(sl_span_equal_case(SL_SPAN("Host"), SL_SPAN("hOST")));
	assert_false(sl_span_equal_case(SL_SPAN("@"), SL_SPAN("`")));
	assert_true(sl_span_starts(SL_SPAN("abc"), SL_SPAN("ab")));
	assert_false(sl_span_starts(SL_SPAN("a"), SL_SPAN("ab")));
	assert_int_equal(sl_span_u64(SL_SPAN("18446744073709551615"), &value), 0);
	assert_true(value == UINT64_MAX);
	assert_int_equal(sl_span_u64(SL_SPAN("18446744073709551616"), &value), -ERANGE);
	assert_int_equal(sl_span_u64(SL_SPAN("99999999999999999999x"), &value), -EINVAL);
	assert_int_equal(sl_span_u64(SL_SPAN(""), &value), -EINVAL);
	assert_int_equal(sl_span_u64(SL_SPAN("-1"), &value), -EINVAL);
	assert_int_equal(sl_span_u64(SL_SPAN(" 1"), &value), -EINVAL);
}

static void errors_name_and_prefix(void **state)
{
	struct sl_error error;
	char many[1000];

	(void)state;
	assert_int_equal(sl_error_set_errno(&error, -ECONNREFUSED, "node %s", "10.0.0.7:8000"),
			 -ECONNREFUSED);
	assert_int_equal(sl_error_prefix(&error, -EIO, "pool \"%s\"", "chat"), -EIO);
	assert_string_equal(error.text, "pool \"chat\": node 10.0.0.7:8000: Connection refused");
	assert_int_equal(sl_error_set(NULL, -EINVAL, "unseen"), -EINVAL);
	memset(many, 'x', sizeof(many));
	many[sizeof(many) - 1] = '\0';
	sl_error_set(&error, -1, "%s", many);
	assert_int_equal(strlen(error.text), SL_ERROR_TEXT_SIZE - 1);
	sl_error_prefix(&error, -1, "%s", many);
	assert_int_equal(strlen(error.text), SL_ERROR_TEXT_SIZE - 1);
	assert_string_equal(sl_error_words(123456), "unknown error");
}

/* Eight bytes are looked at together: each byte at each place is what it is alone. */
static void json_anywhere(void **state)
{
	(void)state;
	for (size_t at = 0; at < 24; at++)
		for (unsigned int byte = 0; byte < 256; byte++) {
			struct sl_text whole, pieces;
			char data[24];

			memset(data, 'a' + (int)(at % 26), sizeof(data));
			data[at] = (char)byte;
			sl_text_init(&whole, 0);
			sl_text_init(&pieces, 0);
			sl_text_append_json(&whole, data, sizeof(data));
			for (size_t i = 0; i < sizeof(data); i++)
				sl_text_append_json(&pieces, data + i, 1);
			assert_string_equal(sl_text_string(&whole), sl_text_string(&pieces));
			sl_text_fini(&whole);
			sl_text_fini(&pieces);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_decimal),
		cmocka_unit_test(scaled_numbers_have_no_useless_digits),
		cmocka_unit_test(json_is_escaped_and_valid),
		cmocka_unit_test(cap_is_kept_and_error_sticks),
		cmocka_unit_test(fixed_memory_is_never_left),
		cmocka_unit_test(take_moves),
		cmocka_unit_test(spans_cut_and_compare),
		cmocka_unit_test(errors_name_and_prefix),
		cmocka_unit_test(json_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
