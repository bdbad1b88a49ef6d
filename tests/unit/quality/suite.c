/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Suites: verdicts, reports as JSON and as text, bounds. Cases here cannot be asked, so that no node is
 * needed; asking is for tests/e2e/prompts_suite.sh.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/io/loop.h"
#include "user/quality/suite.h"

static void count_done(void *owner, struct sl_suite *suite)
{
	(void)suite;
	++*(uint32_t *)owner;
}

static struct sl_suite *make(uint32_t *dones)
{
	struct sl_suite_options options = {.name = "shop@0123456789ab",
					   .model = "chat \"x\"",
					   .parallel = 1000,
					   .case_ms = 1000,
					   .total_ms = 1000,
					   .done = count_done,
					   .owner = dones};
	struct sl_suite *suite = sl_suite_make(&options);

	assert_non_null(suite);
	return suite;
}

static void add(struct sl_suite *suite, const char *name, const char *fault)
{
	assert_int_equal(sl_suite_add(suite, name, SL_SPAN("{}"), SL_SPAN("{}"), fault), 0);
}

/* Nothing to ask: done is called at once, and once. */
static void test_nothing_to_ask(void **state)
{
	struct sl_loop_options options = {.backend = SL_IO_EPOLL};
	struct sl_suite_place place = {0};
	uint32_t dones = 0, part, whole;
	struct sl_suite *suite = make(&dones);

	(void)state;
	assert_int_equal(sl_loop_open(&options, &place.loop), 0);
	add(suite, "a", "variable \"x\" is missing");
	sl_suite_progress(suite, &part, &whole);
	assert_int_equal(part, 1);
	assert_int_equal(whole, 1);
	assert_int_equal(sl_suite_start(suite, &place), 0);
	assert_int_equal(dones, 1);
	assert_int_equal(sl_suite_verdict(suite), SL_SUITE_FAILED);
	assert_false(sl_suite_was_stopped(suite));
	sl_suite_free(&suite);
	assert_null(suite);
	suite = make(&dones);
	assert_int_equal(sl_suite_start(suite, &place), 0);
	assert_int_equal(dones, 2);
	assert_int_equal(sl_suite_verdict(suite), SL_SUITE_PASSED);
	sl_suite_free(&suite);
	sl_loop_close(&place.loop);
}

static void test_reports(void **state)
{
	struct sl_suite *suite = make(NULL);
	struct sl_text json, text;

	(void)state;
	add(suite, "says \"Ann\"", "no such\nvariable");
	add(suite, "open", NULL);
	assert_int_equal(sl_suite_verdict(suite), SL_SUITE_FAILED);
	sl_text_init(&json, 1u << 20);
	sl_text_init(&text, 1u << 20);
	sl_suite_report_json(suite, "\"suite\":\"\",", &json);
	assert_string_equal(
		sl_text_string(&json),
		"{\"verdict\":\"failed\",\"suite\":\"\",\"name\":\"shop@0123456789ab\","
		"\"model\":\"chat \\\"x\\\"\",\"passed\":0,\"failed\":1,\"unsure\":1,\"cases\":["
		"{\"name\":\"says \\\"Ann\\\"\",\"verdict\":\"failed\",\"ms\":0,"
		"\"why\":\"no "
		"such\\nvariable\"},{\"name\":\"open\",\"verdict\":\"pending\",\"ms\":0}]}"
		"\n");
	assert_int_equal(sl_suite_report_text(sl_text_span(&json), &text), 0);
	assert_string_equal(
		sl_text_string(&text),
		"failed  shop@0123456789ab by chat \"x\": 0 passed, 1 failed, 1 unsure\n"
		"  failed  says \"Ann\" (0 ms)\n          no such\nvariable\n"
		"  pending  open (0 ms)\n");
	sl_text_fini(&json);
	sl_text_fini(&text);
	sl_suite_free(&suite);
}

static void test_no_report(void **state)
{
	static const char *const wrong[] = {
		"",
		"[]",
		"{}",
		"{\"verdict\":\"passed\",\"cases\":[]}",
		"{\"verdict\":\"passed\",\"passed\":1,\"failed\":0,\"unsure\":0,\"cases\":[1]}",
		"{\"verdict\":\"passed\",\"passed\":1,\"failed\":0,\"unsure\":0,\"cases\":[{}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct sl_text text;

		sl_text_init(&text, 1u << 20);
		if (sl_suite_report_text(sl_span_string(wrong[i]), &text) != -EINVAL)
			fail_msg("%s was taken", wrong[i]);
		sl_text_fini(&text);
	}
}

/* As many cases as are allowed, with long reasons: the report stays within its bound and is JSON. */
static void test_bounds(void **state)
{
	struct sl_suite *suite = make(NULL);
	struct sl_text json, text;
	char why[600];

	(void)state;
	memset(why, '"', sizeof(why) - 1);
	why[sizeof(why) - 1] = '\0';
	memcpy(why + 380, "\xc3\xa9\xc3\xa9\xc3\xa9", 6); /* the bound is inside of a character */
	for (uint32_t i = 0; i < SL_SUITE_CASES_MAX; i++)
		add(suite, "a case", why);
	assert_int_equal(sl_suite_add(suite, "one more", SL_SPAN(""), SL_SPAN(""), NULL), -E2BIG);
	sl_text_init(&json, 2 * SL_SUITE_REPORT_BYTES);
	sl_text_init(&text, 2 * SL_SUITE_REPORT_BYTES);
	sl_suite_report_json(suite, "", &json);
	assert_true(json.len <= SL_SUITE_REPORT_BYTES);
	assert_int_equal(sl_suite_report_text(sl_text_span(&json), &text), 0);
	assert_non_null(strstr(sl_text_string(&text), "0 passed, 1000 failed, 0 unsure"));
	sl_text_fini(&json);
	sl_text_fini(&text);
	sl_suite_free(&suite);
}

/* Of an answer there may be a piece in why it is wrong, and who asks may sit at a terminal. */
static void test_controls(void **state)
{
	struct sl_suite_options options = {.name = "p", .model = "m"};
	struct sl_suite *suite = sl_suite_make(&options);
	struct sl_suite_result result;

	(void)state;
	add(suite, "a case",
	    "it says \"\033[2J\xc2\x9b"
	    "1m\r\n\x7f\xc3\xa9\xc2\xa9\"");
	assert_true(sl_suite_result(suite, 0, &result));
	assert_string_equal(result.detail, "it says \" [2J  1m \n \xc3\xa9\xc2\xa9\"");
	sl_suite_free(&suite);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_to_ask), cmocka_unit_test(test_reports),
		cmocka_unit_test(test_no_report),      cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_controls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
