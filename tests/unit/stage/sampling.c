/* SPDX-License-Identifier: BSD-2-Clause */
/* Fixed sampling: bodies before and after, and those that are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include "user/stage/sampling.h"

#define T(which) (1u << SL_SAMPLING_##which)

struct body {
	const char *what;
	struct sl_config_sampling sampling;
	const char *before;
	const char *after; /* "": as it was */
	int rc;
	struct sl_sampling_done done;
};

#define PIN                                                 \
	{                                                   \
		.mode = SL_CONFIG_SAMPLING_PIN, .values = { \
			[SL_SAMPLING_TEMPERATURE] = "0",    \
			[SL_SAMPLING_SEED] = "7"            \
		}                                           \
	}
#define DEFAULT                                                 \
	{                                                       \
		.mode = SL_CONFIG_SAMPLING_DEFAULT, .values = { \
			[SL_SAMPLING_TEMPERATURE] = "0",        \
			[SL_SAMPLING_SEED] = "7"                \
		}                                               \
	}
#define REFUSE                                                 \
	{                                                      \
		.mode = SL_CONFIG_SAMPLING_REFUSE, .values = { \
			[SL_SAMPLING_TEMPERATURE] = "0",       \
			[SL_SAMPLING_SEED] = "7"               \
		}                                              \
	}

static const struct body bodies[] = {
	{"said nothing",
	 PIN,
	 "{\"model\":\"m\"}",
	 "{\"model\":\"m\",\"temperature\":0,\"seed\":7}",
	 0,
	 {.set = T(TEMPERATURE) | T(SEED)}},
	{"an empty object",
	 PIN,
	 "{}",
	 "{\"temperature\":0,\"seed\":7}",
	 0,
	 {.set = T(TEMPERATURE) | T(SEED)}},
	{"null is nothing",
	 PIN,
	 "{\"seed\":null,\"x\":1}",
	 "{\"seed\":7,\"x\":1,\"temperature\":0}",
	 0,
	 {.set = T(TEMPERATURE) | T(SEED)}},
	{"overruled, whatever it is",
	 PIN,
	 "{\"seed\":\"a\",\"temperature\":1.5,\"top_p\":0.5}",
	 "{\"seed\":7,\"temperature\":0,\"top_p\":0.5}",
	 0,
	 {.overruled = T(TEMPERATURE) | T(SEED)}},
	{"the same number, as others write it",
	 PIN,
	 "{\"seed\":7,\"temperature\":0.0e3}",
	 "",
	 0,
	 {0}},
	{"one of each",
	 PIN,
	 " {\"temperature\" : 1 } ",
	 " {\"temperature\" : 0,\"seed\":7 } ",
	 0,
	 {.set = T(SEED), .overruled = T(TEMPERATURE)}},
	{"inside of something else it is nothing of ours",
	 PIN,
	 "{\"a\":{\"seed\":1},\"seed\":7,\"temperature\":0}",
	 "",
	 0,
	 {0}},
	{"default: the request has its way",
	 DEFAULT,
	 "{\"temperature\":1.5}",
	 "{\"temperature\":1.5,\"seed\":7}",
	 0,
	 {.set = T(SEED)}},
	{"default: nothing to do", DEFAULT, "{\"temperature\":1,\"seed\":1}", "", 0, {0}},
	{"refuse: said nothing",
	 REFUSE,
	 "{\"a\":1}",
	 "{\"a\":1,\"temperature\":0,\"seed\":7}",
	 0,
	 {.set = T(TEMPERATURE) | T(SEED)}},
	{"refuse: the same", REFUSE, "{\"seed\":7.0,\"temperature\":-0}", "", 0, {0}},
	{"refuse: another", REFUSE, "{\"seed\":8}", "", -EPERM, {.what = SL_SAMPLING_SEED}},
	{"refuse: no number",
	 REFUSE,
	 "{\"temperature\":\"0\"}",
	 "",
	 -EPERM,
	 {.what = SL_SAMPLING_TEMPERATURE}},
	{"twice", PIN, "{\"seed\":7,\"seed\":8}", "", -EINVAL, {.what = SL_SAMPLING_SEED}},
	{"in other letters",
	 PIN,
	 "{\"Temperature\":1}",
	 "",
	 -EINVAL,
	 {.what = SL_SAMPLING_TEMPERATURE}},
	{"its name with escapes",
	 PIN,
	 "{\"s\\u0065ed\":8,\"temperature\":0}",
	 "{\"s\\u0065ed\":7,\"temperature\":0}",
	 0,
	 {.overruled = T(SEED)}},
};

static void test_bodies(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		const struct body *body = &bodies[i];
		struct sl_sampling_done done = {0};
		struct sl_text out;
		int rc;

		sl_text_init(&out, 4096);
		rc = sl_sampling_write(sl_span_string(body->before), &body->sampling, &out, &done);
		if (rc != body->rc || strcmp(sl_text_string(&out), body->after) ||
		    done.set != body->done.set || done.overruled != body->done.overruled ||
		    done.what != body->done.what)
			fail_msg("%s: %d, %s, set %x overruled %x what %d", body->what, rc,
				 sl_text_string(&out), done.set, done.overruled, done.what);
		sl_text_fini(&out);
	}
}

/* Every parameter at once, each at its longest, has room. */
static void test_all(void **state)
{
	static const char longest[] = "0.123456789012345678901234567890";
	struct sl_config_sampling sampling = {.mode = SL_CONFIG_SAMPLING_PIN};
	struct sl_sampling_done done;
	struct sl_text out, again;

	(void)state;
	assert_int_equal(sizeof(longest) - 1, SL_SAMPLING_VALUE_MAX);
	for (int i = 0; i < SL_SAMPLINGS; i++)
		sampling.values[i] = longest;
	sl_text_init(&out, 4096);
	sl_text_init(&again, 4096);
	assert_int_equal(sl_sampling_write(SL_SPAN("{\"a\":1}"), &sampling, &out, &done), 0);
	assert_int_equal(done.set, (1u << SL_SAMPLINGS) - 1);
	assert_int_equal(sl_json_check(out.data, out.len, NULL), 0);
	/* what was fixed is as it is to be */
	assert_int_equal(sl_sampling_write(sl_text_span(&out), &sampling, &again, &done), 0);
	assert_int_equal(done.set | done.overruled | again.len, 0);
	sl_text_fini(&out);
	sl_text_fini(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
