/* SPDX-License-Identifier: BSD-2-Clause */
/* traceparent and tracestate: what the standard takes and refuses (its own cases), shares, ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "user/base/random.h"
#include "user/base/trace_context.h"

#define ID   "12345678901234567890123456789012"
#define SPAN "1234567890123456"

static const struct parent_case {
	const char *what;
	const char *value;
	bool good;
	uint8_t flags;
} parents[] = {
	{"of the standard", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true, 1},
	{"not sampled", "00-" ID "-" SPAN "-00", true, 0},
	{"random", "00-" ID "-" SPAN "-03", true, 3},
	{"flags that nobody knows", "00-" ID "-" SPAN "-ff", true, 3},
	{"a higher version", "cc-" ID "-" SPAN "-01", true, 1},
	{"a higher version with more", "cc-" ID "-" SPAN "-01-what-the-future-will-be-like", true,
	 1},
	{"a higher version, its end", "cc-" ID "-" SPAN "-01-", true, 1},
	{"a higher version with more at once", "cc-" ID "-" SPAN "-01.what-the-future", false, 0},
	{"version ff", "ff-" ID "-" SPAN "-01", false, 0},
	{"version 00 with more", "00-" ID "-" SPAN "-01-what", false, 0},
	{"version 00 with a dash", "00-" ID "-" SPAN "-01-", false, 0},
	{"version too long", "000-" ID "-" SPAN "-01", false, 0},
	{"version too short", "0-" ID "-" SPAN "-01", false, 0},
	{"version of no digits", ".0-" ID "-" SPAN "-01", false, 0},
	{"version in upper case", "AA-" ID "-" SPAN "-01", false, 0},
	{"trace id of zeros", "00-00000000000000000000000000000000-" SPAN "-01", false, 0},
	{"trace id with a dot", "00-.2345678901234567890123456789012-" SPAN "-01", false, 0},
	{"trace id in upper case", "00-ABCDEF01234567890123456789012345-" SPAN "-01", false, 0},
	{"trace id too long", "00-" ID "3-" SPAN "-01", false, 0},
	{"trace id too short", "00-1234567890123456789012345678901-" SPAN "-01", false, 0},
	{"parent of zeros", "00-" ID "-0000000000000000-01", false, 0},
	{"parent with a dot", "00-" ID "-123456789012345.-01", false, 0},
	{"parent in upper case", "00-" ID "-123456789012345A-01", false, 0},
	{"parent too long", "00-" ID "-" SPAN "7-01", false, 0},
	{"parent too short", "00-" ID "-123456789012345-01", false, 0},
	{"flags with a dot", "00-" ID "-" SPAN "-.0", false, 0},
	{"flags too long", "00-" ID "-" SPAN "-001", false, 0},
	{"flags too short", "00-" ID "-" SPAN "-1", false, 0},
	{"flags in upper case", "00-" ID "-" SPAN "-0A", false, 0},
	{"no flags", "00-" ID "-" SPAN, false, 0},
	{"underscores", "00_" ID "_" SPAN "_01", false, 0},
	{"two in one", "00-" ID "-" SPAN "-01,00-" ID "-" SPAN "-01", false, 0},
	{"empty", "", false, 0},
};

static void test_parents(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(parents) / sizeof(parents[0]); i++) {
		const struct parent_case *c = &parents[i];
		struct sl_trace_context trace = {.parent = 7};
		bool good = sl_trace_read(sl_span_string(c->value), &trace);

		if (good != c->good || (good && trace.flags != c->flags))
			fail_msg("%s: %s", c->what, c->value);
		if (!good)
			assert_int_equal(trace.parent, 7); /* untouched */
	}
}

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A   A64 A64 A64 A64						    /* 256 */
#define T   A64 A64 A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 241 */
#define S8  "a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1"
#define S32 S8 "," S8 "," S8 "," S8

static const struct state_case {
	const char *what;
	const char *value;
	bool good;
} states[] = {
	{"one", "foo=1", true},
	{"two", "foo=1,bar=2", true},
	{"blanks around the comma", "foo=1 \t , \t bar=2", true},
	{"a blank in the value", "foo=a b", true},
	{"a key of two parts", "foo@bar=1", true},
	{"a tenant that begins with a digit", "0foo@bar=1", true},
	{"all characters of a key", "a0_-*/=1", true},
	{"all kinds of a value", "foo=!\"#$%&'()*+-./0:;<>?@A[\\]^_`a{|}~", true},
	{"empty", "", true},
	{"only commas", ",,", true},
	{"an empty member", "foo=1,,bar=2", true},
	{"the longest key", A "=1", true},
	{"the longest tenant and system", T "@aaaaaaaaaaaaaa=1", true},
	{"the longest value", "foo=" A, true},
	{"32 members", S32, true},
	{"33 members", S32 ",i=1", false},
	{"a key too long", A "a=1", false},
	{"a tenant too long", T "a@v=1", false},
	{"a system too long", "t@aaaaaaaaaaaaaaa=1", false},
	{"a value too long", "foo=" A "a", false},
	{"a key in upper case", "FOO=1", false},
	{"a key with a blank", "foo =1", false},
	{"a key with a dot", "foo.bar=1", false},
	{"a key that begins with a digit", "0foo=1", false},
	{"an empty tenant", "@foo=1", false},
	{"an empty system", "foo@=1", false},
	{"two at signs", "foo@@bar=1", false},
	{"three parts", "foo@bar@baz=1", false},
	{"a system that begins with a digit", "foo@0bar=1", false},
	{"no value", "foo=", false},
	{"no key", "=1", false},
	{"no equals sign", "foo", false},
	{"two equals signs", "foo=bar=baz", false},
	{"a semicolon for a comma", "foo=1;bar=2", false},
	{"a tab in the value", "foo=a\tb", false},
	{"not ASCII", "foo=\xc3\xa9", false},
};

static void test_states(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		uint32_t members = 0;

		if (sl_trace_state_is_valid(sl_span_string(states[i].value), &members) !=
		    states[i].good)
			fail_msg("%s: %s", states[i].what, states[i].value);
	}
}

/* Fields of one head count together. */
static void test_state_fields(void **unused)
{
	uint32_t members = 0;

	(void)unused;
	assert_true(sl_trace_state_is_valid(SL_SPAN(S32), &members));
	assert_true(sl_trace_state_is_valid(SL_SPAN(""), &members));
	assert_false(sl_trace_state_is_valid(SL_SPAN("a=1"), &members));
}

static void test_written(void **unused)
{
	struct sl_trace_context trace = {.high = 0x4bf92f3577b34da6ull,
					 .low = 0xa3ce929d0e0e4736ull,
					 .span = 0xf067aa0ba902b7ull,
					 .flags = SL_TRACE_SAMPLED};
	struct sl_trace_context again = {0};
	char text[SL_TRACE_PARENT_LEN + 1], id[SL_TRACE_ID_TEXT];
	uint64_t high, low;

	(void)unused;
	sl_trace_write(&trace, trace.span, text);
	assert_string_equal(text, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
	assert_true(sl_trace_read(sl_span_string(text), &again));
	assert_true(again.high == trace.high && again.low == trace.low);
	assert_true(again.parent == trace.span && again.flags == SL_TRACE_SAMPLED);
	sl_trace_write_id(&trace, id);
	assert_string_equal(id, "4bf92f3577b34da6a3ce929d0e0e4736");
	assert_true(sl_trace_read_id(sl_span_string(id), &high, &low));
	assert_true(high == trace.high && low == trace.low);
	assert_false(sl_trace_read_id(SL_SPAN("4bf92f3577b34da6"), &high, &low));
	assert_false(sl_trace_read_id(SL_SPAN("00000000000000000000000000000000"), &high, &low));
}

/* Children of one span, and of neighbours, do not meet. */
static void test_children(void **unused)
{
	struct sl_trace_context a = {.span = 1}, b = {.span = 2};

	(void)unused;
	for (uint32_t i = 0; i < 300; i++) {
		assert_int_not_equal(sl_trace_child(&a, i), 0);
		assert_int_not_equal(sl_trace_child(&a, i), a.span);
		for (uint32_t k = 0; k < 300; k++) {
			if (i != k)
				assert_int_not_equal(sl_trace_child(&a, i), sl_trace_child(&a, k));
			assert_int_not_equal(sl_trace_child(&a, i), sl_trace_child(&b, k));
		}
	}
}

static void test_share(void **unused)
{
	static const struct {
		uint64_t billionths;
		uint32_t least, most;
	} cases[] = {{0, 0, 0},
		     {10000000, 800, 1200},
		     {250000000, 24000, 26000},
		     {999999999, 99990, 100000},
		     {1000000000, 100000, 100000}};
	struct sl_random random;

	(void)unused;
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		uint32_t taken = 0;

		sl_random_seed(&random, 1);
		for (uint32_t i = 0; i < 100000; i++) {
			struct sl_trace_context trace = {.high = 1, .low = sl_random_u64(&random)};

			taken += sl_trace_is_in_share(&trace, cases[c].billionths);
		}
		assert_in_range(taken, cases[c].least, cases[c].most);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parents),	     cmocka_unit_test(test_states),
		cmocka_unit_test(test_state_fields), cmocka_unit_test(test_written),
		cmocka_unit_test(test_children),     cmocka_unit_test(test_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
