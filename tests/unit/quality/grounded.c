/* SPDX-License-Identifier: BSD-2-Clause */
/* What single claims are held to be, and why, by their words alone; bounds; judges; any bytes. */
#include "user/quality/grounded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/policy/gates_lexicon.h"

#define YES SL_GROUNDED_SUPPORTED
#define NO  SL_GROUNDED_UNSUPPORTED

static const struct {
	const char *context, *claim;
	enum sl_grounded_verdict verdict;
	const char *reason, *word;
} cases[] = {
	/* numbers, however they are written */
	{"It costs 1,000 dollars.", "It costs $1000.", YES, "none", ""},
	{"It costs 1,000 dollars.", "It costs 1k dollars.", YES, "none", ""},
	{"It costs 1,500 dollars.", "It costs 1.5k dollars.", YES, "none", ""},
	{"It costs 1,000 dollars.", "It costs 1,100 dollars.", NO, "number", "1,100"},
	{"It has 3.4 million users.", "It has 3,400,000 users.", YES, "none", ""},
	{"It has 3.4bn users.", "It has 3.4 billion users.", YES, "none", ""},
	{"It has 3.4 million users.", "It has 3.4 billion users.", NO, "number", "3.4"},
	{"It takes 90 minutes.", "It takes 1.5 hours.", YES, "none", ""},
	{"It takes a year.", "It takes 12 months.", YES, "none", ""},
	{"It takes 30 minutes.", "It takes half an hour.", YES, "none", ""},
	{"It takes 90 minutes.", "It takes 90 hours.", NO, "unit", "90"},
	{"The hose is 2 m long.", "The hose is 200 cm long.", YES, "none", ""},
	{"The hose is 2 m long.", "The hose is 2 km long.", NO, "unit", "2"},
	{"Half of them failed.", "50% of them failed.", YES, "none", ""},
	{"Use about 487 g of flour.", "Use roughly 500 g of flour.", YES, "none", ""},
	{"Use 487 g of flour.", "Use 500 g of flour.", NO, "number", "500"},
	{"The shop opens at 2 pm.", "The shop opens at 14:00.", YES, "none", ""},
	{"The shop opens at 2:30 p.m. on Monday.", "The shop opens on Monday at 14:30.", YES,
	 "none", ""},
	{"The shop opens at 2 pm.", "The shop opens at 2 am.", NO, "number", "2.00"},
	{"It was signed on 2021-03-04.", "It was signed on March 4, 2021.", YES, "none", ""},
	{"It was signed on 2021-03-04.", "It was signed on April 3, 2021.", NO, "number", "3"},
	{"The host is 10.0.0.12.", "The host is 10.0.0.2.", NO, "number", "10.0.0.2"},
	{"It fell to -20 degrees.", "It fell to -20 degrees [1].", YES, "none", ""},
	{"Twenty five people came.", "25 people came.", YES, "none", ""},
	/* numbers of something else */
	{"It holds 6 cars and 80 bikes.", "It holds 80 cars and 6 bikes.", NO, "roles", "80"},
	{"The shop in Lyon closes at 7. The shop in Nice closes at 8.",
	 "The shop in Lyon closes at 8.", NO, "roles", "8"},
	/* names */
	{"The mayor is Ingrid Dahl.", "Ingrid Dahl is the mayor.", YES, "none", ""},
	{"The mayor is Ingrid Dahl.", "The mayor is Otto Dahl.", NO, "name", "otto"},
	{"Aid came from Norway and Chile.", "Aid came from Norway and Canada.", NO, "name",
	 "canada"},
	/* no, and its opposite */
	{"Photographs are not allowed.", "Photographs are allowed.", NO, "negation", "allowed"},
	{"Photographs are not allowed.", "Photographs aren't allowed.", YES, "none", ""},
	{"Do not use soap.", "Use soap for it.", NO, "negation", "use"},
	{"They spread by seeds, not by spores.", "They spread by spores, not by seeds.", NO,
	 "negation", "they"},
	{"Profit rose in May.", "Profit fell in May.", NO, "polarity", "fell"},
	{"Pay before delivery.", "Pay after delivery.", SL_GROUNDED_DOUBTFUL, "polarity", ""},
	/* who did it to whom */
	{"On Monday Acme Foods bought Zenit Oil.", "On Monday Zenit Oil bought Acme Foods.", NO,
	 "roles", "zenit"},
	{"On Monday Acme Foods bought Zenit Oil.", "Zenit Oil was bought by Acme Foods on Monday.",
	 YES, "none", ""},
	{"Lead is heavier than tin.", "Tin is heavier than lead.", NO, "roles", "tin"},
	{"The landlord has appealed. The tenant pays.", "The tenant has appealed.", NO, "roles",
	 "tenant"},
	/* what is not there at all */
	{"The museum is closed on Mondays.", "Guided tours start every hour near the fountain.", NO,
	 "words", "guided"},
	{"", "The museum is closed on Mondays.", NO, "name", "mondays"},
	/* other scripts */
	{"\xe5\x80\x9f\xe6\x9c\x9f\xe4\xb8\xba"
	 "30\xe5\xa4\xa9\xe3\x80\x82",
	 "\xe5\x80\x9f\xe6\x9c\x9f\xe4\xb8\xba"
	 "30\xe5\xa4\xa9\xe3\x80\x82",
	 YES, "none", ""},
	{"\xe5\x80\x9f\xe6\x9c\x9f\xe4\xb8\xba"
	 "30\xe5\xa4\xa9\xe3\x80\x82",
	 "\xe5\x80\x9f\xe6\x9c\x9f\xe4\xb8\xba"
	 "60\xe5\xa4\xa9\xe3\x80\x82",
	 NO, "number", "60"},
};

static struct sl_gates_lexicon *lexicon;

static void run(const char *context, const char *answer, struct sl_grounded *grounded)
{
	struct sl_grounded_ask ask = {.lexicon = lexicon,
				      .context = sl_span_string(context),
				      .answer = sl_span_string(answer)};

	assert_int_equal(sl_grounded_run(&ask, grounded), 0);
}

static void test_cases(void **state)
{
	struct sl_grounded g;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct sl_grounded_claim *claim = &g.claims[0];

		run(cases[i].context, cases[i].claim, &g);
		if (g.count != 1 || claim->verdict != cases[i].verdict ||
		    strcmp(sl_grounded_feature_name(claim->reason), cases[i].reason) != 0 ||
		    strcmp(claim->word, cases[i].word) != 0)
			fail_msg("\"%s\" of \"%s\": %s %.2f for %s \"%s\", expected %s \"%s\"",
				 cases[i].claim, cases[i].context,
				 sl_grounded_verdict_name(claim->verdict), claim->probability,
				 sl_grounded_feature_name(claim->reason), claim->word,
				 cases[i].reason, cases[i].word);
	}
}

/* They neither count nor fail. */
static void test_silent(void **state)
{
	static const char *const silent[] = {
		"I hope this helps!",
		"Of course!",
		"Is there anything else?",
		"These are the steps:",
		"The documents do not say who pays for it.",
		"```\nrm -r 17 files in Paris\n```",
		"[1] ...",
		"Let me know if you need more.",
		"",
	};
	struct sl_grounded g;

	(void)state;
	for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++) {
		run("The museum is closed.", silent[i], &g);
		if (g.count != 0 || g.score != 1 || g.probability != 1)
			fail_msg("\"%s\" claims something", silent[i]);
	}
	run("The museum is closed.", "Sure! The museum is closed. I hope this helps!", &g);
	assert_int_equal(g.count, 1);
	assert_int_equal(g.silent, 2);
	assert_int_equal(g.supported, 1);
	run("The museum is closed.", "Sure, the museum has 400 paintings.", &g);
	assert_int_equal(g.unsupported, 1);
}

static void test_whole(void **state)
{
	const char *context = "The pass costs 40 euros. Dogs are not allowed in the park.";
	const char *answer = "The pass costs 40 euros. Dogs are allowed in the park.";
	struct sl_grounded g;

	(void)state;
	run(context, answer, &g);
	assert_int_equal(g.count, 2);
	assert_int_equal(g.supported, 1);
	assert_int_equal(g.unsupported, 1);
	assert_true(g.score == 0.5);
	assert_true(g.probability < 0.5);
	assert_ptr_equal(g.claims[1].text.data, answer + 25);
	assert_true(sl_span_equal(g.claims[1].text, SL_SPAN("Dogs are allowed in the park.")));
	run(context, "The pass costs 40 euros.", &g);
	assert_true(g.probability > 0.8);
	assert_true(sl_span_equal(g.claims[0].passage, SL_SPAN("The pass costs 40 euros.")));
}

/* ---- bounds ---------------------------------------------------------------------------------- */

static void test_bounds(void **state)
{
	size_t len = 0, size = 64 * 1024;
	char *text = malloc(size);
	struct sl_grounded g;

	(void)state;
	for (int i = 0; i < (int)SL_GROUNDED_CLAIMS_MAX + 1; i++)
		len += (size_t)sprintf(text + len, "The park is open. ");
	run("The park is open.", text, &g);
	assert_int_equal(g.count, SL_GROUNDED_CLAIMS_MAX);
	assert_true(g.cut);
	assert_int_equal(g.supported, SL_GROUNDED_CLAIMS_MAX);
	/* What may be in the part of the context that was not read is doubtful. */
	len = 0;
	for (int i = 0; i < (int)SL_GROUNDED_PASSAGES_MAX; i++)
		len += (size_t)sprintf(text + len, "The park is open.\n\n");
	run(text, "The pass costs 40 euros.", &g);
	assert_false(g.cut);
	assert_int_equal(g.unsupported, 1);
	sprintf(text + len, "The pass costs 40 euros.");
	run(text, "The pass costs 40 euros.", &g);
	assert_true(g.cut);
	assert_int_equal(g.unsupported, 0);
	assert_int_equal(g.doubtful, 1);
	free(text);
}

/* `count` times "word1 word2 ..." of no meaning for the claims, each another one. */
static size_t put_words(char *text, int count)
{
	static const char *const words[] = {"basin", "copper", "yellow", "mountain", "paper"};
	size_t len = 0;

	for (int i = 0; i < count; i++)
		len += (size_t)sprintf(text + len, "%s ", words[i % 5]);
	return len;
}

/* A sentence of the context with more words than are read at once is read to its end. */
static void test_long_passage(void **state)
{
	static const char fee[] = "and the fee for a permit is 45 euro. The park is open.";
	char text[4096];
	struct sl_grounded g;

	(void)state;
	for (int count = 40; count < 100; count++) {
		size_t len = put_words(text, count);

		memcpy(text + len, fee, sizeof(fee));
		run(text, "The fee for a permit is 45 euro.", &g);
		if (g.supported != 1)
			fail_msg("behind %d words: %s", count,
				 sl_grounded_verdict_name(g.claims[0].verdict));
		assert_false(g.cut);
		run(text, "The fee for a permit is 54 euro.", &g);
		assert_int_equal(g.unsupported, 1);
		assert_string_equal(g.claims[0].word, "54");
	}
	/* Of a block that is no sentence as well, and of a script that is longer when it is read. */
	strcpy(text, "```\n");
	sprintf(text + 4 + put_words(text + 4, 300), "the fee for a permit is 45 euro\n```");
	run(text, "The fee for a permit is 45 euro.", &g);
	assert_int_equal(g.supported, 1);
	text[0] = '\0';
	for (int i = 0; i < 150; i++)
		strcat(text, i % 2 ? "\xe5\x80\x9f" : "\xe6\x9c\x9f");
	strcat(text, " 45 euro\xe3\x80\x82");
	run(text, "45 euro.", &g);
	assert_int_equal(g.supported, 1);
}

/* A word over the limit hides nothing behind it; one of a script without blanks may hide what is in it. */
static void test_long_word(void **state)
{
	char text[512] = "The key ";
	struct sl_grounded g;

	(void)state;
	memset(text + 8, 'a', 64);
	strcpy(text + 72, " costs 45 euro.");
	run(text, "The key costs 45 euro.", &g);
	assert_int_equal(g.supported, 1);
	run(text, "The key costs 54 euro.", &g);
	assert_int_equal(g.unsupported, 1);
	for (int i = 0; i < 20; i++)
		memcpy(text + 8 + 3 * i, "\xe0\xb8\x81", 3);
	run(text, "The key costs 45 euro.", &g);
	assert_int_equal(g.supported, 1);
	run(text, "The key costs 54 euro.", &g);
	assert_int_equal(g.doubtful, 1);
}

/* Nothing but the ends of sentences, signs and denials, up to a whole answer of them. */
static void test_degenerate(void **state)
{
	static const char *const fills[] = {
		".",	"?!",		"$", "not use soap ", "a ", "\xe5\x80\x9f", "1,",
		"``` ", "\xe2\x80\x9d."};
	size_t size = 64 * 1024;
	char *text = malloc(size + 1), *denied = malloc(size + 1);
	struct sl_grounded g;

	(void)state;
	for (size_t i = 0; i < sizeof(fills) / sizeof(fills[0]); i++) {
		size_t len = strlen(fills[i]), at;

		for (at = 0; at + len < size; at += len)
			memcpy(text + at, fills[i], len);
		strcpy(text + at, "x");
		run("The park is open.", text, &g);
		assert_true(g.count <= SL_GROUNDED_CLAIMS_MAX);
		run(text, "The park is open.", &g);
		assert_int_equal(g.count, 1);
		assert_int_equal(g.supported, 0);
	}
	/* The most words and the most passages, each with its no. */
	for (size_t at = 0, i = 0; at + 300 < size; i++) {
		at += put_words(denied + at, 20 + (int)(i % 20));
		at += (size_t)sprintf(denied + at, "do not use soap.\n\n");
	}
	run(denied, "Use soap for it.", &g);
	assert_string_equal(sl_grounded_feature_name(g.claims[0].reason), "negation");
	assert_string_equal(g.claims[0].word, "use");
	free(denied);
	free(text);
}

/* Any bytes, whose end is the end of the memory. */
static void test_anything(void **state)
{
	static const char signs[] = "aTe5'.% -n,;:[1]\n$not \xe2\x80\x99\xe5\x80\x9f\xd8\x9f";
	struct sl_grounded g;
	unsigned seed = 3;

	(void)state;
	for (int round = 0; round < 400; round++) {
		size_t len = 1 + seed % 150;
		char *exact = malloc(2 * len);

		for (size_t i = 0; i < 2 * len; i++) {
			seed = seed * 1664525u + 1013904223u;
			exact[i] = seed >> 30 ? signs[(seed >> 8) % (sizeof(signs) - 1)]
					      : (char)(seed >> 16);
		}
		struct sl_grounded_ask ask = {
			.lexicon = lexicon, .context = {exact, len}, .answer = {exact + len, len}};

		assert_int_equal(sl_grounded_run(&ask, &g), 0);
		assert_int_equal(g.count, g.supported + g.doubtful + g.unsupported);
		assert_true(g.score >= 0 && g.score <= 1);
		assert_true(g.probability >= 0 && g.probability <= 1);
		free(exact);
	}
}

/* ---- meaning --------------------------------------------------------------------------------- */

struct meanings {
	uint32_t asked;
	bool fails;
};

/* Texts of the same first letter are near. */
static int embed(void *owner, struct sl_span text, float *ret_vector)
{
	struct meanings *meanings = owner;

	meanings->asked++;
	if (meanings->fails)
		return -1;
	memset(ret_vector, 0, 32 * sizeof(*ret_vector));
	ret_vector[text.data[0] % 32] = 1;
	return 0;
}

static void test_meaning(void **state)
{
	struct meanings meanings = {0};
	struct sl_grounded_ask ask = {.lexicon = lexicon,
				      .context = SL_SPAN("The park is open. Dogs are allowed."),
				      .answer = SL_SPAN("The park is open."),
				      .embed = embed,
				      .owner = &meanings,
				      .dimensions = 32};
	struct sl_grounded g;

	(void)state;
	assert_int_equal(sl_grounded_run(&ask, &g), 0);
	assert_true(g.claims[0].has_meaning);
	assert_true(g.claims[0].features[SL_GROUNDED_FAR] == 0);
	assert_int_equal(meanings.asked, 3);
	assert_int_equal(g.embedded, 3);
	ask.answer = SL_SPAN("Xenon lamps everywhere glow. Xenon lamps everywhere glow.");
	assert_int_equal(sl_grounded_run(&ask, &g), 0);
	assert_int_equal(meanings.asked, 3 + 4); /* passages once */
	assert_true(g.claims[0].features[SL_GROUNDED_FAR] == 1);
	meanings.fails = true;
	assert_int_equal(sl_grounded_run(&ask, &g), 0);
	assert_false(g.claims[0].has_meaning);
	assert_int_equal(g.unsupported, 2);
}

/* ---- the judge ------------------------------------------------------------------------------- */

struct bench {
	int says;
	uint32_t asked;
	double last;
};

static int judge(void *owner, const struct sl_grounded_claim *claim)
{
	struct bench *bench = owner;

	assert_int_equal(claim->verdict, SL_GROUNDED_DOUBTFUL);
	bench->asked++;
	bench->last = claim->probability;
	return bench->says;
}

static void doubt(struct sl_grounded *g)
{
	memset(g, 0, sizeof(*g));
	g->count = 3;
	g->claims[0].probability = 0.7;
	g->claims[1].probability = 0.55;
	g->claims[2].probability = 0.95;
	g->claims[2].verdict = SL_GROUNDED_SUPPORTED;
}

static void test_judge(void **state)
{
	struct bench bench = {.says = 1};
	struct sl_grounded g;

	(void)state;
	doubt(&g);
	assert_int_equal(sl_grounded_settle(&g, 1, judge, &bench), 1);
	assert_true(bench.last == 0.55); /* the most doubtful */
	assert_int_equal(g.supported, 2);
	assert_int_equal(g.doubtful, 1);
	assert_int_equal(sl_grounded_settle(&g, 9, judge, &bench), 1);
	assert_int_equal(g.supported, 3);
	assert_true(g.score == 1);
	assert_int_equal(sl_grounded_settle(&g, 9, judge, &bench), 0);
	assert_int_equal(bench.asked, 2);
	doubt(&g);
	bench.says = 0;
	assert_int_equal(sl_grounded_settle(&g, 9, judge, &bench), 2);
	assert_int_equal(g.unsupported, 2);
	assert_true(g.probability < 0.2);
	/* One that cannot tell is not asked again. */
	doubt(&g);
	bench = (struct bench){.says = -1};
	assert_int_equal(sl_grounded_settle(&g, 9, judge, &bench), 0);
	assert_int_equal(bench.asked, 1);
	assert_int_equal(g.doubtful, 2);
	assert_true(g.score > 0.7 && g.score < 0.8); /* (1 + 0.7 + 0.55) / 3 */
}

static int set_up(void **state)
{
	(void)state;
	return sl_gates_lexicon_open(&lexicon);
}

static int tear_down(void **state)
{
	(void)state;
	sl_gates_lexicon_close(&lexicon);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),	  cmocka_unit_test(test_silent),
		cmocka_unit_test(test_whole),	  cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_anything),  cmocka_unit_test(test_meaning),
		cmocka_unit_test(test_judge),	  cmocka_unit_test(test_long_passage),
		cmocka_unit_test(test_long_word), cmocka_unit_test(test_degenerate),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
