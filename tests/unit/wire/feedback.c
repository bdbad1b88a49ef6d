/* SPDX-License-Identifier: BSD-2-Clause */
/* The body of POST /v1/feedback: a table of bodies and what is read, or refused by which member. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "user/wire/feedback.h"

#define ID "\"request_id\":\"r1\""

static void test_read(void **state)
{
	static const struct {
		const char *body;
		bool has_score;
		int32_t score;
		const char *label, *comment;
	} cases[] = {
		{"{" ID ",\"score\":1}", true, 1000, "", ""},
		{"{" ID ",\"score\":-1}", true, -1000, "", ""},
		{"{" ID ",\"score\":0}", true, 0, "", ""},
		{"{" ID ",\"score\":-0.25}", true, -250, "", ""},
		{"{" ID ",\"score\":1e-1}", true, 100, "", ""},
		{"{" ID ",\"rating\":0}", true, -1000, "", ""},
		{"{" ID ",\"rating\":0.75}", true, 500, "", ""},
		{"{" ID ",\"rating\":1}", true, 1000, "", ""},
		{"{" ID ",\"thumbs\":\"up\"}", true, 1000, "", ""},
		{"{" ID ",\"thumbs\":\"down\"}", true, -1000, "", ""},
		{"{" ID ",\"thumbs\":true}", true, 1000, "", ""},
		{"{" ID ",\"thumbs\":false}", true, -1000, "", ""},
		{"{" ID ",\"label\":\"hallucination\"}", true, -1000, "hallucination", ""},
		{"{" ID ",\"label\":\"helpful\"}", true, 1000, "helpful", ""},
		{"{" ID ",\"label\":\"too_long-1\"}", false, 0, "too_long-1", ""},
		{"{" ID ",\"label\":\"bad\",\"score\":0.5}", true, 500, "bad", ""},
		{"{" ID ",\"score\":null,\"thumbs\":\"up\",\"comment\":null}", true, 1000, "", ""},
		{"{" ID ",\"score\":1,\"comment\":\"so\\u00fc\\n\\u0000x\",\"other\":[1]}", true,
		 1000, "", "so\xc3\xbc\nx"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_feedback_said said;
		struct sl_openai_error error;

		if (sl_feedback_read(cases[i].body, strlen(cases[i].body), &said, &error))
			fail_msg("%s: refused: %s", cases[i].body, error.object);
		assert_string_equal(said.request_id, "r1");
		if (said.has_score != cases[i].has_score || said.score != cases[i].score)
			fail_msg("%s: score %d", cases[i].body, said.score);
		assert_string_equal(said.label, cases[i].label);
		assert_string_equal(said.comment, cases[i].comment);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *body;
		enum sl_openai_error_id id;
		const char *param;
	} cases[] = {
		{"", SL_OPENAI_ERROR_JSON, NULL},
		{"[]", SL_OPENAI_ERROR_JSON, NULL},
		{"{" ID ",\"score\":1", SL_OPENAI_ERROR_JSON, NULL},
		{"{" ID ",\"score\":1,\"score\":0}", SL_OPENAI_ERROR_JSON, NULL},
		{"{\"score\":1}", SL_OPENAI_ERROR_MISSING, "request_id"},
		{"{\"request_id\":null,\"score\":1}", SL_OPENAI_ERROR_MISSING, "request_id"},
		{"{\"request_id\":\"\",\"score\":1}", SL_OPENAI_ERROR_VALUE, "request_id"},
		{"{\"request_id\":7,\"score\":1}", SL_OPENAI_ERROR_VALUE, "request_id"},
		{"{\"request_id\":"
		 "\"01234567890123456789012345678901234567890123456789012345678901234\""
		 ",\"score\":1}",
		 SL_OPENAI_ERROR_VALUE, "request_id"},
		{"{" ID "}", SL_OPENAI_ERROR_MISSING, "score"},
		{"{" ID ",\"comment\":\"good\"}", SL_OPENAI_ERROR_MISSING, "score"},
		{"{" ID ",\"score\":1.01}", SL_OPENAI_ERROR_VALUE, "score"},
		{"{" ID ",\"score\":-1.01}", SL_OPENAI_ERROR_VALUE, "score"},
		{"{" ID ",\"score\":\"1\"}", SL_OPENAI_ERROR_VALUE, "score"},
		{"{" ID ",\"score\":1e400}", SL_OPENAI_ERROR_VALUE, "score"},
		{"{" ID ",\"rating\":-0.01}", SL_OPENAI_ERROR_VALUE, "rating"},
		{"{" ID ",\"rating\":1.01}", SL_OPENAI_ERROR_VALUE, "rating"},
		{"{" ID ",\"thumbs\":\"Up\"}", SL_OPENAI_ERROR_VALUE, "thumbs"},
		{"{" ID ",\"thumbs\":1}", SL_OPENAI_ERROR_VALUE, "thumbs"},
		{"{" ID ",\"score\":1,\"thumbs\":\"up\"}", SL_OPENAI_ERROR_VALUE, "score"},
		{"{" ID ",\"label\":\"\"}", SL_OPENAI_ERROR_VALUE, "label"},
		{"{" ID ",\"label\":\"two words\"}", SL_OPENAI_ERROR_VALUE, "label"},
		{"{" ID ",\"label\":\"a\\u0000b\"}", SL_OPENAI_ERROR_VALUE, "label"},
		{"{" ID ",\"label\":\"a23456789012345678901234567890123\"}", SL_OPENAI_ERROR_VALUE,
		 "label"},
		{"{" ID ",\"label\":[\"bad\"]}", SL_OPENAI_ERROR_VALUE, "label"},
		{"{" ID ",\"score\":1,\"comment\":7}", SL_OPENAI_ERROR_TYPE, "comment"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_feedback_said said;
		struct sl_openai_error error;
		enum sl_openai_error_id id =
			sl_feedback_read(cases[i].body, strlen(cases[i].body), &said, &error);

		if (id != cases[i].id)
			fail_msg("%s: %d", cases[i].body, id);
		if (cases[i].param)
			assert_string_equal(error.param, cases[i].param);
		else
			assert_null(error.param);
	}
}

/* A comment is cut at a character's end, never within. */
static void test_cut(void **state)
{
	char body[4096];
	struct sl_feedback_said said;
	struct sl_openai_error error;

	(void)state;
	for (uint32_t before = 990; before < 1003; before++) {
		int len = snprintf(body, sizeof(body), "{" ID ",\"score\":1,\"comment\":\"%.*s",
				   (int)before, "");

		memset(body + len, 'x', before);
		snprintf(body + len + before, sizeof(body) - (size_t)len - before,
			 "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\"}");
		assert_int_equal(sl_feedback_read(body, strlen(body), &said, &error), SL_OPENAI_OK);
		assert_true(strlen(said.comment) <= SL_FEEDBACK_COMMENT_MAX);
		if (before < 1000)
			assert_int_equal((strlen(said.comment) - before) % 3, 0);
		else
			assert_int_equal(strlen(said.comment), SL_FEEDBACK_COMMENT_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests_name("wire/feedback", tests, NULL, NULL);
}
