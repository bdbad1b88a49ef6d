/* SPDX-License-Identifier: BSD-2-Clause */
/* Canary questions: files, what is read from answers, baselines and runs made of that. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "user/ops/canary_judge.h"

static const struct {
	const char *text, *complaint,
		*body; /* complaint NULL: is right, and its first body is this */
} files[] = {
	{"{\"id\":\"a\",\"input\":\"x\\\"y\"}\n", NULL,
	 "{\"model\":\"m\",\"max_tokens\":256,\"temperature\":0,\"seed\":1,\"messages\":[{\"role\":"
	 "\"user\",\"content\":\"x\\\"y\"}]}"},
	{"# note\r\n\r\n {\"id\":\"a.b-c_1\",\"messages\":[1],\"max_tokens\":5,\"parameters\":{ } "
	 "}\r\n",
	 NULL, "{\"model\":\"m\",\"max_tokens\":5,\"messages\":[1]}"},
	{"{\"id\":\"a\",\"input\":\"x\",\"parameters\":{\"top_p\":1}}", NULL,
	 "{\"model\":\"m\",\"max_tokens\":256,\"top_p\":1,\"messages\":[{\"role\":\"user\","
	 "\"content\":"
	 "\"x\"}]}"},
	{"", "there is no question in it", NULL},
	{"\n\n{\"id\":\"a\"}", "line 3: expected either input", NULL},
	{"{\"id\":\"a\",\"input\":\"x\",\"messages\":[]}", "expected either input", NULL},
	{"{\"id\":\"a b\",\"input\":\"x\"}", "id: expected", NULL},
	{"{\"input\":\"x\"}", "id: expected", NULL},
	{"{\"id\":\"a\",\"input\":\"x\"}\n{\"id\":\"a\",\"input\":\"y\"}",
	 "line 2: the id \"a\" is there twice", NULL},
	{"{\"id\":\"a\",\"input\":\"x\",\"max_tokens\":0}", "max_tokens: expected", NULL},
	{"{\"id\":\"a\",\"input\":\"x\",\"parameters\":1}", "parameters: expected", NULL},
	{"{\"id\":\"a\",\"input\":\"x\",\"checks\":[{\"say\":1}]}", "line 1: ", NULL},
	{"nonsense", "line 1: ", NULL},
};

static void test_files(void **state)
{
	static struct sl_canary_file file;
	struct sl_arena arena;

	(void)state;
	sl_arena_init(&arena, 0, 1u << 20);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct sl_error error = {""};
		int rc = sl_canary_file_parse(sl_span_string(files[i].text), SL_SPAN("\"m\""),
					      &arena, &file, &error);

		if (!files[i].complaint) {
			if (rc || file.questions[0].body.len != strlen(files[i].body) ||
			    memcmp(file.questions[0].body.data, files[i].body,
				   file.questions[0].body.len))
				fail_msg("%s: %s %.*s", files[i].text, error.text,
					 (int)file.questions[0].body.len,
					 file.questions[0].body.data);
		} else if (!rc || !strstr(error.text, files[i].complaint)) {
			fail_msg("%s: %s", files[i].text, error.text);
		}
	}
	sl_arena_fini(&arena);
}

#define SAYS(members) "{\"model\":\"m\",\"choices\":[{" members "}]}"

static const struct {
	const char *body;
	bool answered, bad_format, refusal;
	double tokens;
} answers[] = {
	{SAYS("\"message\":{\"content\":\"It is Paris.\"}"), true, false, false, 3},
	{SAYS("\"message\":{\"content\":\"It is Rome.\"}"), true, true, false, 2},
	{SAYS("\"message\":{\"content\":\"I can't say Paris\"}"), true, false, true, 4},
	{SAYS("\"message\":{\"content\":null,\"refusal\":\"no\"}"), true, true, true, 0},
	{SAYS("\"finish_reason\":\"content_filter\",\"message\":{\"content\":\"Paris\"}"), true,
	 false, true, 1},
	{"{\"usage\":{\"completion_tokens\":40},\"choices\":[{\"message\":{\"content\":\"Paris\"}}]"
	 "}",
	 true, false, false, 40},
	{SAYS(""), false, false, false, 0},
	{"{\"choices\":[]}", false, false, false, 0},
	{"[]", false, false, false, 0},
	{"{", false, false, false, 0},
};

static void test_answers(void **state)
{
	static struct sl_canary_file file;
	struct sl_error error = {""};
	struct sl_arena arena;

	(void)state;
	sl_arena_init(&arena, 0, 1u << 20);
	assert_int_equal(sl_canary_file_parse(SL_SPAN("{\"id\":\"a\",\"input\":\"x\",\"checks\":[{"
						      "\"contains\":\"Paris\"}]}"),
					      SL_SPAN("\"m\""), &arena, &file, &error),
			 0);
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct sl_canary_reading reading = {0};

		sl_canary_read(&file.questions[0], sl_span_string(answers[i].body), &arena,
			       &reading);
		if (reading.answered != answers[i].answered ||
		    reading.bad_format != answers[i].bad_format ||
		    reading.refusal != answers[i].refusal ||
		    (reading.answered && fabs(reading.length - log(1 + answers[i].tokens)) > 1e-9))
			fail_msg("%s: %d %d %d %f", answers[i].body, reading.answered,
				 reading.bad_format, reading.refusal, exp(reading.length) - 1);
	}
	sl_arena_fini(&arena);
}

static struct sl_canary_reading says(double length, float *vector)
{
	struct sl_canary_reading reading = {.answered = true, .length = length, .model = "m"};

	reading.text = SL_SPAN("text");
	reading.embedding = (struct sl_embedding){.vector = vector, .dimensions = 2, .model = "v"};
	return reading;
}

/* Two answers each; the second question has none and goes. */
static void test_judge(void **state)
{
	static struct sl_baseline baseline;
	static struct sl_canary_samples samples[3];
	const struct sl_canary_question a = {.id = "a"}, b = {.id = "b"}, c = {.id = "c"};
	float x[2] = {1, 0}, y[2] = {0, 1};
	struct sl_canary_reading none = {0};
	struct sl_canary_reading one = says(1, x), three = says(3, y), two = says(2, x);
	struct sl_drift_run run = {0};

	(void)state;
	sl_canary_record(&baseline, 0, &samples[0], &a, &one);
	sl_canary_record(&baseline, 1, &samples[1], &b, &none);
	sl_canary_record(&baseline, 2, &samples[2], &c, &two);
	sl_canary_record(&baseline, 0, &samples[0], &a, &three);
	sl_canary_record(&baseline, 2, &samples[2], &c, &two);
	sl_canary_record_end(&baseline, samples, 3);
	assert_int_equal(baseline.count, 2);
	assert_string_equal(baseline.questions[1].id, "c");
	assert_int_equal(baseline.base.answers, 4);
	assert_true(baseline.base.has_meaning);
	assert_true(fabs(baseline.questions[0].length - 2) < 1e-9);
	assert_true(fabs(baseline.base.length_spread - 1) < 1e-9); /* 1 + 1 + 0 + 0, of 2 degrees */
	/* x and y are both 1 - sqrt(1/2) from their mean; a third of their kind would be three times that */
	assert_true(fabs(baseline.questions[0].distance - 3 * (1 - sqrt(0.5))) < 1e-6);
	assert_true(fabs(baseline.questions[1].distance) < 1e-6);

	sl_canary_add(&baseline, &b, &one, &run);
	sl_canary_add(&baseline, &a, &none, &run);
	assert_int_equal(run.answers, 0);
	sl_canary_add(&baseline, &c, &three, &run);
	assert_int_equal(run.answers, 1);
	assert_true(fabs(run.length_sum - 1) < 1e-9);
	assert_int_equal(run.meanings, 1);
	assert_true(fabs(run.meaning_sum - 1) < 1e-6);
	one.embedding.model = "another"; /* vectors of different models never meet */
	sl_canary_add(&baseline, &c, &one, &run);
	assert_int_equal(run.answers, 2);
	assert_int_equal(run.meanings, 1);
}

static void test_fingerprints(void **state)
{
	char list[SL_BASELINE_PRINTS_BYTES] = "", word[16];

	(void)state;
	assert_false(sl_canary_fingerprint(list, "fp", true));
	assert_true(sl_canary_fingerprint(list, "fp", true));
	assert_false(sl_canary_fingerprint(list, "f", false));
	assert_false(sl_canary_fingerprint(list, "fp2", false));
	for (int i = 0; i < 100; i++) { /* more than there is room for */
		snprintf(word, sizeof(word), "fp%d", i);
		sl_canary_fingerprint(list, word, true);
	}
	assert_true(strlen(list) < sizeof(list));
	assert_true(sl_canary_fingerprint(list, "fp", false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_judge),
		cmocka_unit_test(test_fingerprints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
