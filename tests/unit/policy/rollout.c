/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Roll-outs: how many requests see a bad candidate, how seldom a good one is rolled back, what spoils both arms,
 * steps that are not taken too early.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "user/base/random.h"
#include "user/policy/rollout.h"
#include "user/policy/rollout_board.h"

#define RUNS 400u

static const struct sl_rollout_rules rules = {
	.shares = {100, 1000, 10000},
	.step_count = 3,
	.step_ms = 60000,
	.step_requests = 50,
	.rises = {0.1, 0.1, 0.25},
};

struct arm {
	double failed, invalid;
	uint32_t first_us;
};

static bool chance(struct sl_random *random, double share)
{
	return (double)(sl_random_u64(random) >> 11) * 0x1p-53 < share;
}

static void ask(struct sl_rollout *rollout, struct sl_random *random, bool candidate,
		const struct arm *arm)
{
	struct sl_rollout_request request = {
		.candidate = candidate,
		.failed = chance(random, arm->failed),
		.invalid = chance(random, arm->invalid),
		/* times vary by a half up or down */
		.first_us =
			arm->first_us / 2 + (uint32_t)(sl_random_u64(random) % (arm->first_us + 1)),
	};

	sl_rollout_note(rollout, &rules, &request);
}

/* The candidate's requests until it is gone, at a share of one in ten; `most`: it was not. */
static uint32_t until_back(struct sl_random *random, const struct arm *baseline,
			   const struct arm *candidate, uint32_t most,
			   enum sl_rollout_gate *ret_gate)
{
	struct sl_rollout rollout;
	uint32_t i, k;

	sl_rollout_begin(&rollout, &rules, 0);
	for (i = 0; i < 200; i++)
		ask(&rollout, random, false, baseline);
	for (i = 0; i < most; i++) {
		for (k = 0; k < 9; k++)
			ask(&rollout, random, false, baseline);
		ask(&rollout, random, true, candidate);
		if (sl_rollout_judge(&rollout, &rules, 0, true) == SL_ROLLOUT_BACK) {
			*ret_gate = rollout.breached;
			assert_int_equal(sl_rollout_share(&rollout, &rules), 0);
			return i + 1;
		}
	}
	return most;
}

static double mean_until_back(const struct arm *baseline, const struct arm *candidate,
			      enum sl_rollout_gate gate)
{
	struct sl_random random;
	enum sl_rollout_gate found = SL_ROLLOUT_GATES;
	uint64_t sum = 0;
	uint32_t i;

	sl_random_seed(&random, 42);
	for (i = 0; i < RUNS; i++) {
		uint32_t seen = until_back(&random, baseline, candidate, 5000, &found);

		assert_true(seen < 5000);
		assert_int_equal(found, gate);
		sum += seen;
	}
	return (double)sum / RUNS;
}

static void test_bad(void **unused)
{
	const struct arm good = {0.002, 0.002, 200000};
	const struct arm dead = {1, 0, 200000}, third = {0.33, 0, 200000};
	const struct arm some = {0.11, 0, 200000}, invalid = {0, 0.5, 200000};
	const struct arm slow = {0, 0, 600000};

	(void)unused;
	assert_true(mean_until_back(&good, &dead, SL_ROLLOUT_ERRORS) <= 7);
	assert_true(mean_until_back(&good, &third, SL_ROLLOUT_ERRORS) <= 30);
	assert_true(mean_until_back(&good, &some, SL_ROLLOUT_ERRORS) <= 140);
	assert_true(mean_until_back(&good, &invalid, SL_ROLLOUT_INVALID) <= 18);
	assert_true(mean_until_back(&good, &slow, SL_ROLLOUT_SLOW) <= 30);
}

/* Good ones, and what spoils both arms alike, are not rolled back. */
static void test_no_false_breach(void **unused)
{
	static const struct arm arms[] = {
		{0, 0, 200000}, {0.01, 0.01, 200000}, {0.05, 0.1, 1000}, {0.3, 0.3, 5000000}};
	struct sl_random random;
	enum sl_rollout_gate gate;
	size_t i;

	(void)unused;
	sl_random_seed(&random, 7);
	for (i = 0; i < sizeof(arms) / sizeof(arms[0]); i++)
		assert_int_equal(until_back(&random, &arms[i], &arms[i], 50000, &gate), 50000);
}

/* An outage of everything in the middle of it: the baseline's share follows. */
static void test_outage_of_both(void **unused)
{
	const struct arm good = {0.002, 0, 200000}, out = {0.6, 0, 200000};
	struct sl_random random;
	struct sl_rollout rollout;
	uint32_t i, k;

	(void)unused;
	sl_random_seed(&random, 3);
	sl_rollout_begin(&rollout, &rules, 0);
	for (i = 0; i < 2000; i++) {
		for (k = 0; k < 99; k++) /* a step of one per cent */
			ask(&rollout, &random, false, i < 1000 ? &good : &out);
		ask(&rollout, &random, true, i < 1000 ? &good : &out);
		assert_int_equal(sl_rollout_judge(&rollout, &rules, 0, true), SL_ROLLOUT_STAY);
	}
}

static void test_steps(void **unused)
{
	const struct arm good = {0, 0, 200000};
	struct sl_random random;
	struct sl_rollout rollout;
	uint32_t i;

	(void)unused;
	sl_random_seed(&random, 1);
	sl_rollout_begin(&rollout, &rules, 1000);
	assert_int_equal(sl_rollout_share(&rollout, &rules), 100);
	assert_int_equal(sl_rollout_judge(&rollout, &rules, 100000, false), SL_ROLLOUT_STAY);
	for (i = 0; i < 49; i++)
		ask(&rollout, &random, true, &good);
	assert_int_equal(sl_rollout_judge(&rollout, &rules, 100000, false), SL_ROLLOUT_STAY);
	ask(&rollout, &random, true, &good);
	assert_int_equal(sl_rollout_judge(&rollout, &rules, 60999, false), SL_ROLLOUT_STAY);
	assert_int_equal(sl_rollout_judge(&rollout, &rules, 61000, true), SL_ROLLOUT_STAY);
	assert_int_equal(sl_rollout_judge(&rollout, &rules, 61000, false), SL_ROLLOUT_NEXT);
	assert_int_equal(sl_rollout_share(&rollout, &rules), 1000);
	for (i = 0; i < 50; i++)
		ask(&rollout, &random, true, &good);
	rollout.phase = SL_ROLLOUT_PAUSED;
	assert_int_equal(sl_rollout_judge(&rollout, &rules, 200000, false), SL_ROLLOUT_STAY);
	assert_int_equal(sl_rollout_share(&rollout, &rules), 1000);
	rollout.phase = SL_ROLLOUT_RUNNING;
	assert_int_equal(sl_rollout_judge(&rollout, &rules, 200000, false), SL_ROLLOUT_NEXT);
	assert_int_equal(sl_rollout_share(&rollout, &rules), 10000);
	for (i = 0; i < 50; i++)
		ask(&rollout, &random, true, &good);
	assert_int_equal(sl_rollout_judge(&rollout, &rules, 260000, false), SL_ROLLOUT_DONE);
	assert_int_equal(rollout.phase, SL_ROLLOUT_FULL);
	assert_int_equal(sl_rollout_share(&rollout, &rules), 10000);
	assert_int_equal(sl_rollout_judge(&rollout, &rules, 900000, false), SL_ROLLOUT_STAY);
}

/* Three bad ones at the end of a step: not enough to go back, too many to go on. */
static void test_not_calm(void **unused)
{
	const struct arm good = {0, 0, 200000}, bad = {1, 0, 200000};
	struct sl_random random;
	struct sl_rollout rollout;
	uint32_t i;

	(void)unused;
	sl_random_seed(&random, 1);
	sl_rollout_begin(&rollout, &rules, 0);
	for (i = 0; i < 60; i++)
		ask(&rollout, &random, true, i < 57 ? &good : &bad);
	assert_int_equal(sl_rollout_judge(&rollout, &rules, 90000, false), SL_ROLLOUT_STAY);
	for (i = 0; i < 60; i++)
		ask(&rollout, &random, true, &good);
	assert_int_equal(sl_rollout_judge(&rollout, &rules, 90000, false), SL_ROLLOUT_NEXT);
}

/* A breach of a paused one counts as well; a gate that is off says nothing. */
static void test_paused_and_off(void **unused)
{
	struct sl_rollout_rules off = rules;
	const struct arm bad = {1, 1, 200000};
	struct sl_random random;
	struct sl_rollout rollout;
	uint32_t i;

	(void)unused;
	sl_random_seed(&random, 1);
	sl_rollout_begin(&rollout, &rules, 0);
	rollout.phase = SL_ROLLOUT_PAUSED;
	for (i = 0; i < 10; i++)
		ask(&rollout, &random, true, &bad);
	assert_int_equal(sl_rollout_judge(&rollout, &rules, 0, false), SL_ROLLOUT_BACK);

	memset(off.rises, 0, sizeof(off.rises));
	sl_rollout_begin(&rollout, &rules, 0);
	for (i = 0; i < 100; i++)
		sl_rollout_note(&rollout, &off,
				&(struct sl_rollout_request){
					.candidate = true, .failed = true, .invalid = true});
	assert_int_equal(sl_rollout_judge(&rollout, &off, 90000, false), SL_ROLLOUT_NEXT);
	assert_int_equal(rollout.candidate.bad[SL_ROLLOUT_ERRORS], 100);
}

/* Judged answers, nine of the baseline to one of the candidate: of the candidate until it is rolled back. */
static uint32_t judged_until_back(struct sl_random *random, uint32_t base_percent,
				  uint32_t candidate_percent, uint32_t most)
{
	struct sl_rollout_rules quality = rules;
	struct sl_rollout rollout;
	uint32_t i, k;

	quality.rises[SL_ROLLOUT_QUALITY] = 0.1;
	sl_rollout_begin(&rollout, &rules, 0);
	for (i = 0; i < most; i++) {
		for (k = 0; k < 9; k++)
			sl_rollout_note_quality(&rollout, &quality, false,
						sl_random_below(random, 100) < base_percent);
		sl_rollout_note_quality(&rollout, &quality, true,
					sl_random_below(random, 100) < candidate_percent);
		if (sl_rollout_judge(&rollout, &quality, 0, true) != SL_ROLLOUT_BACK)
			continue;
		assert_int_equal(rollout.breached, SL_ROLLOUT_QUALITY);
		return i + 1;
	}
	return most;
}

static void test_quality(void **unused)
{
	static const struct {
		uint32_t base_percent, candidate_percent, mean_most; /* answers judged */
	} cases[] = {{2, 100, 14}, {2, 50, 30}, {5, 30, 70}, {10, 40, 80}};
	struct sl_random random;

	(void)unused;
	sl_random_seed(&random, 9);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t sum = 0;

		for (uint32_t run = 0; run < RUNS; run++)
			sum += judged_until_back(&random, cases[i].base_percent,
						 cases[i].candidate_percent, 5000);
		if (sum > (uint64_t)cases[i].mean_most * RUNS)
			fail_msg("%u %% against %u %%: %.1f judged answers",
				 cases[i].candidate_percent, cases[i].base_percent,
				 (double)sum / RUNS);
	}
	/* as bad as the baseline, whatever that is: 50,000 judged answers without a breach */
	assert_int_equal(judged_until_back(&random, 0, 0, 50000), 50000);
	assert_int_equal(judged_until_back(&random, 5, 5, 50000), 50000);
	assert_int_equal(judged_until_back(&random, 30, 30, 50000), 50000);
}

/* Nothing is said before the baseline is known; a step may ask for judged answers. */
static void test_quality_evidence(void **unused)
{
	struct sl_rollout_rules quality = rules;
	struct sl_rollout rollout;
	struct sl_random random;
	const struct arm good = {0, 0, 200000};
	uint32_t i;

	(void)unused;
	sl_random_seed(&random, 1);
	quality.rises[SL_ROLLOUT_QUALITY] = 0.1;
	quality.step_judged = 30;
	sl_rollout_begin(&rollout, &rules, 0);
	for (i = 0; i < 200; i++)
		sl_rollout_note_quality(&rollout, &quality, true, true);
	assert_int_equal(sl_rollout_judge(&rollout, &quality, 0, false), SL_ROLLOUT_STAY);
	sl_rollout_begin(&rollout, &rules, 0);
	for (i = 0; i < 60; i++)
		ask(&rollout, &random, true, &good);
	for (i = 0; i < 29; i++)
		sl_rollout_note_quality(&rollout, &quality, true, false);
	assert_int_equal(sl_rollout_judge(&rollout, &quality, 90000, false), SL_ROLLOUT_STAY);
	sl_rollout_note_quality(&rollout, &quality, true, false);
	assert_int_equal(sl_rollout_judge(&rollout, &quality, 90000, false), SL_ROLLOUT_NEXT);
	assert_int_equal(rollout.step_judged, 0);
}

/* In the shadow nobody gets it; its answers count as any, then the first step begins. */
static void test_shadow(void **unused)
{
	const struct arm good = {0, 0, 200000}, bad = {1, 0, 200000};
	struct sl_rollout_rules shadow = rules;
	struct sl_random random;
	struct sl_rollout rollout;
	uint32_t i;

	(void)unused;
	shadow.shadow = 3000;
	sl_random_seed(&random, 1);
	sl_rollout_begin(&rollout, &shadow, 0);
	assert_int_equal(sl_rollout_share(&rollout, &shadow), 0);
	assert_int_equal(sl_rollout_shadow(&rollout, &shadow), 3000);
	for (i = 0; i < 50; i++) {
		assert_int_equal(sl_rollout_judge(&rollout, &shadow, 90000, false),
				 SL_ROLLOUT_STAY);
		ask(&rollout, &random, true, &good);
	}
	assert_int_equal(sl_rollout_judge(&rollout, &shadow, 59999, false), SL_ROLLOUT_STAY);
	assert_int_equal(sl_rollout_judge(&rollout, &shadow, 90000, true), SL_ROLLOUT_STAY);
	assert_int_equal(sl_rollout_judge(&rollout, &shadow, 90000, false), SL_ROLLOUT_NEXT);
	assert_int_equal(rollout.step, 0);
	assert_int_equal(sl_rollout_share(&rollout, &shadow), 100);
	assert_int_equal(sl_rollout_shadow(&rollout, &shadow), 0);
	assert_int_equal(sl_rollout_judge(&rollout, &shadow, 150000, false), SL_ROLLOUT_STAY);

	sl_rollout_begin(&rollout, &shadow, 0);
	for (i = 0; i < 10; i++)
		ask(&rollout, &random, true, &bad);
	assert_int_equal(sl_rollout_judge(&rollout, &shadow, 0, false), SL_ROLLOUT_BACK);
	assert_int_equal(sl_rollout_shadow(&rollout, &shadow), 0);
	assert_int_equal(sl_rollout_share(&rollout, &shadow), 0);

	sl_rollout_begin(&rollout, &shadow, 0);
	rollout.phase = SL_ROLLOUT_FULL; /* promoted out of the shadow */
	assert_int_equal(sl_rollout_shadow(&rollout, &shadow), 0);
	assert_int_equal(sl_rollout_share(&rollout, &shadow), 10000);
}

/* With a check nobody gets it before that has passed; then the first step begins, as long as any. */
static void test_unchecked(void **unused)
{
	const struct arm good = {0, 0, 200000}, bad = {1, 0, 200000};
	struct sl_rollout_rules checked = rules;
	struct sl_random random;
	struct sl_rollout rollout;
	uint32_t i;

	(void)unused;
	checked.checked = true;
	sl_random_seed(&random, 1);
	sl_rollout_begin(&rollout, &checked, 1000);
	assert_int_equal(sl_rollout_share(&rollout, &checked), 0);
	assert_int_equal(sl_rollout_shadow(&rollout, &checked), 0);
	assert_true(sl_rollout_is_ready(&rollout, &checked, 1000));
	assert_int_equal(sl_rollout_judge(&rollout, &checked, 900000, true), SL_ROLLOUT_STAY);
	assert_int_equal(sl_rollout_share(&rollout, &checked), 0);
	rollout.phase = SL_ROLLOUT_PAUSED;
	assert_false(sl_rollout_is_ready(&rollout, &checked, 900000));
	assert_int_equal(sl_rollout_judge(&rollout, &checked, 900000, false), SL_ROLLOUT_STAY);
	rollout.phase = SL_ROLLOUT_RUNNING;
	assert_int_equal(sl_rollout_judge(&rollout, &checked, 900000, false), SL_ROLLOUT_NEXT);
	assert_int_equal(rollout.step, 0);
	assert_int_equal(sl_rollout_share(&rollout, &checked), 100);
	for (i = 0; i < 50; i++)
		ask(&rollout, &random, true, &good);
	assert_false(sl_rollout_is_ready(&rollout, &checked, 959999));
	assert_true(sl_rollout_is_ready(&rollout, &checked, 960000));
	for (i = 0; i < 3; i++)
		ask(&rollout, &random, true, &bad);
	assert_false(sl_rollout_is_ready(&rollout, &checked, 960000));

	/* behind a shadow the check comes before it is left: nothing else is before */
	checked.shadow = 3000;
	sl_rollout_begin(&rollout, &checked, 0);
	assert_int_equal(sl_rollout_shadow(&rollout, &checked), 3000);
	assert_false(sl_rollout_is_ready(&rollout, &checked, 900000));
	for (i = 0; i < 50; i++)
		ask(&rollout, &random, true, &good);
	assert_true(sl_rollout_is_ready(&rollout, &checked, 900000));
	assert_int_equal(sl_rollout_judge(&rollout, &checked, 900000, false), SL_ROLLOUT_NEXT);
	assert_int_equal(sl_rollout_share(&rollout, &checked), 100);
}

/* Which requests it is asked beside: a share, by their ids; so many a minute. */
static void test_asks(void **unused)
{
	static struct sl_rollout_item item = {.salt = "a 1", .shadow = 5000, .asks_max = 10};
	uint32_t i, asked = 0;

	(void)unused;
	for (i = 0; i < 1000; i++) {
		char id[16];

		snprintf(id, sizeof(id), "r%u", i);
		asked += sl_rollout_item_shadows(&item, sl_span_string(id), 59999);
	}
	assert_int_equal(asked, 10);
	assert_in_range(item.spared[SL_ROLLOUT_SPARED_BUDGET], 400, 580);
	for (i = 0, asked = 0; i < 100; i++) {
		char id[16];

		snprintf(id, sizeof(id), "r%u", i);
		asked += sl_rollout_item_shadows(&item, sl_span_string(id), 60000);
	}
	assert_int_equal(asked, 10);
	item.shadow = 0;
	assert_false(sl_rollout_item_shadows(&item, SL_SPAN("r1"), 120000));
}

static void test_shadowed_list(void **unused)
{
	struct sl_rollout_board board = {.set = NULL};
	struct sl_rollout_shadowed *said, *next;
	uint32_t sum = 0;
	uint8_t i;

	(void)unused;
	assert_null(sl_rollout_board_take(&board));
	for (i = 1; i <= 3; i++)
		assert_true(
			sl_rollout_board_shadowed(&board, &(struct sl_rollout_shadowed){.id = i}));
	for (said = sl_rollout_board_take(&board); said; said = next) {
		next = said->next;
		sum += said->id;
		free(said);
	}
	assert_int_equal(sum, 6);
	assert_null(sl_rollout_board_take(&board));
}

/* Questions of an index, nine of the baseline to one of the candidate, until it is rolled back; `most`: it was not. */
static uint32_t looked_up_until_back(uint32_t seed, double base, double candidate, double missed,
				     uint32_t most, enum sl_rollout_gate *ret_gate)
{
	static const double kinds[] = {0.5, 0.75, 1}; /* some questions have better documents */
	struct sl_rollout_rules of = rules;
	struct sl_random random;
	struct sl_rollout rollout;
	uint32_t i, k;

	sl_random_seed(&random, seed);
	of.rises[SL_ROLLOUT_MISSED] = 0.1;
	of.rises[SL_ROLLOUT_SCORE] = 0.25;
	sl_rollout_begin(&rollout, &of, 0);
	for (i = 0; i < most; i++) {
		for (k = 0; k < 10; k++) {
			bool new = k == 9;
			double score = (new ? candidate : base) *
				       kinds[sl_random_below(&random, 3)] *
				       (0.95 + 0.1 * (double)sl_random_below(&random, 100) / 100);
			struct sl_rollout_request request = {
				.candidate = new,
				.looked_up = true,
				.missed = new &&chance(&random, missed),
				.score = (float)score,
			};

			sl_rollout_note(&rollout, &of, &request);
		}
		if (sl_rollout_judge(&rollout, &of, 0, true) == SL_ROLLOUT_BACK) {
			*ret_gate = rollout.breached;
			return i + 1;
		}
	}
	return most;
}

static void test_looked_up(void **unused)
{
	static const struct {
		const char *what;
		double base, candidate, missed;
		uint32_t least, most; /* of the candidate's until it is gone; most 0: it is not */
		enum sl_rollout_gate gate;
	} cases[] = {
		{"alike", 0.8, 0.8, 0, 0, 0, SL_ROLLOUT_GATES},
		{"alike, by words: scores of another scale", 25, 25, 0, 0, 0, SL_ROLLOUT_GATES},
		{"better", 0.6, 0.8, 0, 0, 0, SL_ROLLOUT_GATES},
		{"other documents", 0.8, 0.2, 0, 6, 20, SL_ROLLOUT_SCORE},
		{"other documents, none near enough", 0.8, 0.2, 1, 6, 6, SL_ROLLOUT_MISSED},
		{"a third of the questions finds none", 0.8, 0.8, 0.33, 6, 60, SL_ROLLOUT_MISSED},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (uint32_t seed = 1; seed <= 20; seed++) {
			enum sl_rollout_gate gate = SL_ROLLOUT_GATES;
			uint32_t seen =
				looked_up_until_back(seed, cases[i].base, cases[i].candidate,
						     cases[i].missed, 2000, &gate);

			if (cases[i].most ? seen < cases[i].least || seen > cases[i].most
					  : seen < 2000)
				fail_msg("%s: seed %u: %u, by %d", cases[i].what, seed, seen, gate);
			if (gate != cases[i].gate)
				fail_msg("%s: by %d", cases[i].what, gate);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_no_false_breach),
		cmocka_unit_test(test_outage_of_both),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_not_calm),
		cmocka_unit_test(test_paused_and_off),
		cmocka_unit_test(test_quality),
		cmocka_unit_test(test_quality_evidence),
		cmocka_unit_test(test_shadow),
		cmocka_unit_test(test_unchecked),
		cmocka_unit_test(test_asks),
		cmocka_unit_test(test_shadowed_list),
		cmocka_unit_test(test_looked_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
