/* SPDX-License-Identifier: BSD-2-Clause */
/* What nodes say they are: what is a change, what is accepted, what is bounded; and from many threads. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "user/base/log.h"
#include "user/policy/drift.h"
#include "user/upstream/identity.h"

#define THREADS 4
#define ROUNDS	20000

struct world {
	struct sl_drift_board board;
	struct sl_identities *ids;
	struct sl_upstream_pool pool;
	struct sl_upstream_node nodes[3];
};

static void set_up(struct world *w, enum sl_config_expect expect,
		   const struct sl_config_names *names)
{
	memset(w, 0, sizeof(*w));
	sl_drift_add(&w->board, "p");
	assert_int_equal(sl_identities_open(&w->board, &w->ids), 0);
	w->pool = (struct sl_upstream_pool){
		.name = "p", .slot = 1, .expect = expect, .expect_names = names};
	for (uint32_t i = 0; i < 3; i++) {
		w->nodes[i].slot = i + 1;
		w->nodes[i].incarnation = 7;
		snprintf(w->nodes[i].text, sizeof(w->nodes[i].text), "n%u", i);
	}
}

static bool say(struct world *w, uint32_t node, const char *asked, const char *model,
		const char *fingerprint)
{
	const struct sl_identity_said said = {
		.asked = sl_span_string(asked),
		.model = sl_span_string(model),
		.fingerprint = sl_span_string(fingerprint),
	};

	return sl_identity_note(w->ids, &w->pool, &w->nodes[node], &said);
}

/* One node, asked for "m", answer by answer. */
static void test_answers(void **state)
{
	static const char *path[] = {"/m.gguf"};
	static const struct sl_config_names names = {path, 1};
	static const struct {
		const char *what;
		enum sl_config_expect expect;
		const struct sl_config_names *names;
		const char *said[5][2];
		bool changed[5];
		uint64_t models, fingerprints;
	} cases[] = {
		{"the same",
		 SL_CONFIG_EXPECT_WARN,
		 NULL,
		 {{"\"m\"", ""}, {"\"m\"", ""}, {"\"m\"", ""}},
		 {false, false, false},
		 0,
		 0},
		{"another, and back",
		 SL_CONFIG_EXPECT_WARN,
		 NULL,
		 {{"\"m\"", ""}, {"\"x\"", ""}, {"\"x\"", ""}, {"\"m\"", ""}, {"\"m\"", ""}},
		 {false, true, true, false, false},
		 2,
		 0},
		{"a version from the start",
		 SL_CONFIG_EXPECT_WARN,
		 NULL,
		 {{"\"m-1\"", ""}, {"\"m-1\"", ""}, {"\"m-2\"", ""}, {"\"m-1\"", ""}},
		 {false, false, true, false},
		 2,
		 0},
		{"from a version to what was asked for",
		 SL_CONFIG_EXPECT_WARN,
		 NULL,
		 {{"\"m-1\"", ""}, {"\"m\"", ""}, {"\"m-1\"", ""}},
		 {false, false, false},
		 2,
		 0},
		{"wrong from the start",
		 SL_CONFIG_EXPECT_STRICT,
		 NULL,
		 {{"\"x\"", ""}, {"\"x\"", ""}, {"\"m\"", ""}, {"\"x\"", ""}},
		 {true, true, false, true},
		 3,
		 0},
		{"a name that is expected",
		 SL_CONFIG_EXPECT_WARN,
		 &names,
		 {{"\"/m.gguf\"", ""}, {"\"\\/m.gguf\"", ""}, {"\"m\"", ""}, {"\"/n\"", ""}},
		 {false, false, false, true},
		 3,
		 0},
		{"another fingerprint",
		 SL_CONFIG_EXPECT_WARN,
		 NULL,
		 {{"\"m\"", "\"a\""}, {"\"m\"", "\"b\""}, {"\"m\"", "\"b\""}, {"\"m\"", "\"a\""}},
		 {false, true, true, false},
		 0,
		 2},
		{"a fingerprint that is missing",
		 SL_CONFIG_EXPECT_STRICT,
		 NULL,
		 {{"\"m\"", "\"a\""}, {"\"m\"", ""}, {"\"m\"", "\"a\""}, {"\"m\"", "\"b\""}},
		 {false, false, false, true},
		 0,
		 1},
		{"one that comes later",
		 SL_CONFIG_EXPECT_WARN,
		 NULL,
		 {{"\"m\"", ""}, {"\"m\"", "\"a\""}, {"\"m\"", "\"b\""}},
		 {false, false, true},
		 0,
		 1},
	};

	(void)state;
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct sl_identity_counts counts;
		bool last = false;
		struct world w;

		set_up(&w, cases[c].expect, cases[c].names);
		for (int i = 0; i < 5 && cases[c].said[i][0]; i++) {
			last = say(&w, 0, "m", cases[c].said[i][0], cases[c].said[i][1]);
			if (last != cases[c].changed[i])
				fail_msg("%s: answer %d: %d", cases[c].what, i, last);
			if (sl_drift_holds(&w.board, "p") != last)
				fail_msg("%s: answer %d: the board", cases[c].what, i);
		}
		counts = sl_identity_counts(w.ids, 1);
		if (counts.models != cases[c].models ||
		    counts.fingerprints != cases[c].fingerprints || counts.changed != last)
			fail_msg("%s: %lu %lu %u", cases[c].what, (unsigned long)counts.models,
				 (unsigned long)counts.fingerprints, counts.changed);
		sl_identities_close(&w.ids);
	}
}

static void count_views(void *arg, const struct sl_identity_view *view)
{
	uint32_t *counts = arg;

	counts[0]++;
	counts[1] += view->differs;
	counts[2] += view->model_changed || view->fingerprint_changed;
}

static bool keep_first(void *arg, uint32_t slot, uint32_t incarnation, const char *pool)
{
	(void)arg;
	return slot == 1 && incarnation == 7 && !strcmp(pool, "p");
}

static void test_operators(void **state)
{
	uint32_t counts[3] = {0};
	struct world w;

	(void)state;
	set_up(&w, SL_CONFIG_EXPECT_WARN, NULL);
	for (uint32_t i = 0; i < 3; i++)
		assert_false(say(&w, i, "m", "\"m\"", "\"a\""));
	assert_true(say(&w, 1, "m", "\"x\"", "\"a\""));
	assert_true(say(&w, 2, "m", "\"m\"", "\"b\""));
	sl_identities_each(w.ids, count_views, counts);
	assert_int_equal(counts[0], 3);
	assert_int_equal(counts[1], 3); /* each from another one */
	assert_int_equal(counts[2], 2);
	assert_int_equal(sl_identities_accept(w.ids, "q"), 0);
	assert_true(sl_drift_holds(&w.board, "p"));
	assert_int_equal(sl_identities_accept(w.ids, "p"), 2);
	assert_false(sl_drift_holds(&w.board, "p"));
	assert_false(say(&w, 1, "m", "\"x\"", "\"a\""));
	assert_false(say(&w, 2, "m", "\"m\"", "\"a\"")); /* both are right now */
	assert_false(say(&w, 2, "m", "\"m\"", "\"b\""));
	assert_true(say(&w, 2, "m", "\"m\"", "\"c\""));
	assert_true(say(&w, 1, "m", "\"y\"", ""));
	sl_identities_sweep(w.ids, keep_first, NULL);
	assert_false(sl_drift_holds(&w.board, "p"));
	assert_false(say(&w, 1, "m", "\"y\"", "")); /* begins anew */
	assert_true(say(&w, 0, "m", "\"y\"", ""));
	w.nodes[0].incarnation++; /* another server in its place */
	assert_false(say(&w, 0, "m", "\"z\"", ""));
	assert_false(sl_drift_holds(&w.board, "p"));
	assert_false(sl_identity_note(
		NULL, &w.pool, &w.nodes[0],
		&(struct sl_identity_said){.asked = SL_SPAN("m"), .model = SL_SPAN("\"m\"")}));
	sl_identities_close(&w.ids);
}

/* Names that alternate, and more of them than there is room for. */
static void test_bounds(void **state)
{
	char text[64];
	struct world w;

	(void)state;
	set_up(&w, SL_CONFIG_EXPECT_WARN, NULL);
	for (uint32_t i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "m%u", i);
		assert_false(say(&w, 0, text, "\"one\"", ""));
	}
	assert_int_equal(sl_identity_counts(w.ids, 1).unwatched, 20 - SL_IDENTITY_ASKED_MAX);
	assert_true(say(&w, 0, "m3", "\"two\"", ""));
	assert_false(say(&w, 0, "m19", "\"two\"", ""));
	w.nodes[0].incarnation++;
	assert_false(say(&w, 0, "m19", "\"one\"", "")); /* there is room again */
	assert_true(say(&w, 0, "m19", "\"two\"", ""));
	for (uint32_t i = 0; i < SL_IDENTITY_SEEN_MAX; i++) {
		snprintf(text, sizeof(text), "\"f%u\"", i);
		assert_true(say(&w, 1, "m", "\"m\"", text) == (i > 0));
	}
	/* so many that they say nothing: the model is looked at, still */
	assert_false(say(&w, 1, "m", "\"m\"", "\"f99\""));
	assert_false(say(&w, 1, "m", "\"m\"", "\"f98\""));
	assert_true(say(&w, 1, "m", "\"x\"", "\"f97\""));
	assert_int_equal(sl_identity_counts(w.ids, 2).fingerprints, SL_IDENTITY_SEEN_MAX);
	memset(text, 'x', sizeof(text));
	text[0] = text[62] = '"';
	text[63] = '\0';
	assert_false(say(&w, 2, "m", text, ""));
	sl_identities_close(&w.ids);
}

static void *talk(void *arg)
{
	struct world *w = arg;

	for (int i = 0; i < ROUNDS; i++) {
		say(w, 0, "m", i % 64 ? "\"m\"" : "\"x\"", "");
		say(w, 1, i % 2 ? "a" : "b", "\"m\"", "");
		if (i % 512 == 0)
			sl_identities_sweep(w->ids, keep_first, NULL);
	}
	return NULL;
}

/* Under the thread sanitizer this is where a race shows; else that counts and board agree at the end. */
static void test_threads(void **state)
{
	pthread_t threads[THREADS];
	struct world w;

	(void)state;
	set_up(&w, SL_CONFIG_EXPECT_WARN, NULL);
	say(&w, 0, "m", "\"m\"", "");
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, talk, &w), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_true(say(&w, 0, "m", "\"x\"", ""));
	assert_true(sl_drift_holds(&w.board, "p"));
	assert_false(say(&w, 0, "m", "\"m\"", ""));
	assert_int_equal(sl_identity_counts(w.ids, 1).changed, 0);
	assert_false(sl_drift_holds(&w.board, "p"));
	assert_int_equal(sl_identity_counts(w.ids, 1).models % 2, 0); /* each has its way back */
	sl_identities_close(&w.ids);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_operators),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_threads),
	};

	sl_log_set_level(SL_LOG_ERROR); /* what is told is the e2e test's */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
