/* SPDX-License-Identifier: BSD-2-Clause */
/* When an autoscaler is called: thresholds, hysteresis, pace, failures. A second is one step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "user/policy/autoscale.h"

#define SECOND_MS 1000u

static const struct sl_autoscale_config config = {
	.depth = 10, .wait_ms = 2000, .calm_ms = 20000, .every_ms = 30000};

struct step {
	uint32_t seconds; /* so long it is so */
	uint32_t depth;
	uint32_t oldest_ms;
	bool fails;	   /* calls made meanwhile */
	const char *calls; /* made meanwhile, and when since the step began: "u0 u30" */
};

static void run(const char *name, const struct step *steps, size_t count)
{
	struct sl_autoscale state = {0};
	uint64_t now_ms = 5000;
	size_t s;

	for (s = 0; s < count; s++) {
		char calls[256] = "";
		size_t len = 0;
		uint32_t i;

		for (i = 0; i < steps[s].seconds; i++, now_ms += SECOND_MS) {
			enum sl_autoscale_call call = sl_autoscale_look(
				&state, &config, steps[s].depth, steps[s].oldest_ms, now_ms);

			if (call == SL_AUTOSCALE_NONE)
				continue;
			len += (size_t)snprintf(calls + len, sizeof(calls) - len, "%s%c%u",
						len ? " " : "", call == SL_AUTOSCALE_UP ? 'u' : 'd',
						i);
			assert_true(len < sizeof(calls));
			/* the shortest pause of each */
			sl_autoscale_made(&state, &config, call, !steps[s].fails, now_ms, 0);
		}
		if (strcmp(calls, steps[s].calls) != 0)
			fail_msg("%s: step %zu: %s, wanted %s", name, s, calls, steps[s].calls);
	}
}

#define RUN(name, ...)                                                 \
	do {                                                           \
		static const struct step steps_[] = {__VA_ARGS__};     \
		run(name, steps_, sizeof(steps_) / sizeof(steps_[0])); \
	} while (0)

static void test_thresholds(void **unused)
{
	(void)unused;
	RUN("below both", {100, 9, 1999, false, ""});
	RUN("depth", {1, 10, 0, false, "u0"});
	RUN("wait", {1, 1, 2000, false, "u0"});
	RUN("while it lasts", {70, 50, 0, false, "u0 u30 u60"});
}

static void test_hysteresis(void **unused)
{
	(void)unused;
	RUN("not before it is calm for a while", {40, 10, 0, false, "u0 u30"},
	    {25, 5, 1000, false, "d20"});
	RUN("half is not low enough", {10, 10, 0, false, "u0"}, {100, 6, 0, false, "u20 u50 u80"});
	RUN("a relapse begins anew", {31, 10, 0, false, "u0 u30"}, {19, 0, 0, false, ""},
	    {1, 6, 0, false, ""}, {25, 0, 0, false, "u9"});
}

static void test_pace(void **unused)
{
	(void)unused;
	/* calm after 20 s, but the call before is less than 30 s old */
	RUN("never two within every", {1, 10, 0, false, "u0"}, {40, 0, 0, false, "d29"},
	    {1, 10, 0, false, ""}, {20, 10, 0, false, "u18"});
	RUN("taken back before it was told", {1, 10, 0, false, "u0"}, {22, 0, 0, false, ""},
	    {3, 10, 0, false, ""}, {5, 10, 0, false, "u4"});
}

static void test_failures(void **unused)
{
	(void)unused;
	RUN("again, more and more slowly",
	    {200, 10, 0, true, "u0 u1 u2 u4 u8 u16 u32 u62 u92 u122 u152 u182"},
	    {100, 10, 0, false, "u12 u42 u72"});
	RUN("with what is so by then", {2, 10, 0, true, "u0 u1"}, {60, 0, 0, false, "u0 d30"});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_thresholds),
		cmocka_unit_test(test_hysteresis),
		cmocka_unit_test(test_pace),
		cmocka_unit_test(test_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
