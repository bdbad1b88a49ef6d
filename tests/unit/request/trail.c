/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trails: what is kept, what is lost, and which.
 *
 *	build/unit/request/trail --measure	prints what they cost
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "user/base/clock.h"
#include "user/request/trail.h"
#include "user/request/trail_check.h"

#define MEASURED_REQUESTS 2000000u
#define MEASURED_NOTES	  6u

static void note(const struct sl_trail_ref *ref, enum sl_trail_kind kind, uint64_t now_ns)
{
	sl_trail_note(ref, now_ns, &(struct sl_trail_event){.kind = (uint8_t)kind});
}

static void test_kept(void **unused)
{
	struct sl_trails trails;
	struct sl_trail_ref ref;
	struct sl_trail trail;

	(void)unused;
	sl_trails_init(&trails);
	assert_false(sl_trails_find(&trails, "a", &trail));
	ref = sl_trail_begin(&trails, "a", 1000000);
	assert_true(sl_trails_find(&trails, "a", &trail));
	assert_int_equal(trail.event_count, 0);
	note(&ref, SL_TRAIL_ADMITTED, 1000000);
	note(&ref, SL_TRAIL_ATTEMPT, 3500999);
	note(&ref, SL_TRAIL_ENDING, 999999); /* a clock that went back */
	assert_true(sl_trails_find(&trails, "a", &trail));
	assert_int_equal(trail.event_count, 3);
	/* by their times, those of one time as they came */
	assert_int_equal(trail.events[0].kind, SL_TRAIL_ADMITTED);
	assert_int_equal(trail.events[1].kind, SL_TRAIL_ENDING);
	assert_int_equal(trail.events[1].at_us, 0);
	assert_int_equal(trail.events[2].kind, SL_TRAIL_ATTEMPT);
	assert_int_equal(trail.events[2].at_us, 2500);
	assert_false(sl_trails_find(&trails, "ab", &trail));
	/* Of two requests with one id the newer. */
	ref = sl_trail_begin(&trails, "a", 2000000);
	assert_true(sl_trails_find(&trails, "a", &trail));
	assert_int_equal(trail.event_count, 0);
	sl_trails_fini(&trails);
}

static void test_recent(void **unused)
{
	struct sl_trails trails;
	struct sl_trail trail;

	(void)unused;
	sl_trails_init(&trails);
	assert_false(sl_trails_recent(&trails, 0, &trail));
	for (int i = 0; i < (int)SL_TRAIL_ENTRIES + 2; i++) {
		char id[16];

		snprintf(id, sizeof(id), "r%d", i);
		sl_trail_begin(&trails, id, 1000000);
	}
	assert_true(sl_trails_recent(&trails, 0, &trail));
	assert_string_equal(trail.id, "r1025");
	assert_true(sl_trails_recent(&trails, SL_TRAIL_ENTRIES - 1, &trail));
	assert_string_equal(trail.id, "r2");
	assert_false(sl_trails_recent(&trails, SL_TRAIL_ENTRIES, &trail));
	sl_trails_fini(&trails);
}

/* Steps that do not fit are counted, and how it ended is kept all the same. */
static void test_too_many(void **unused)
{
	struct sl_trails trails;
	struct sl_trail_ref ref;
	struct sl_trail trail;
	unsigned i;

	(void)unused;
	sl_trails_init(&trails);
	ref = sl_trail_begin(&trails, "many", 0);
	for (i = 0; i < SL_TRAIL_EVENTS_MAX + 10; i++)
		note(&ref, SL_TRAIL_ATTEMPT, i);
	note(&ref, SL_TRAIL_ANSWER, i);
	assert_true(sl_trails_find(&trails, "many", &trail));
	assert_int_equal(trail.event_count, SL_TRAIL_EVENTS_MAX);
	assert_int_equal(trail.lost, 11);
	assert_int_equal(trail.events[SL_TRAIL_EVENTS_MAX - 1].kind, SL_TRAIL_ANSWER);
	assert_int_equal(trail.events[SL_TRAIL_EVENTS_MAX - 2].kind, SL_TRAIL_ATTEMPT);
	sl_trails_fini(&trails);
}

/* A request that outlives its trail writes into nobody else's. */
static void test_overtaken(void **unused)
{
	struct sl_trails trails;
	struct sl_trail_ref old, none = {0};
	struct sl_trail trail;
	char id[16];
	unsigned i;

	(void)unused;
	sl_trails_init(&trails);
	old = sl_trail_begin(&trails, "old", 0);
	for (i = 0; i < SL_TRAIL_ENTRIES; i++) {
		assert_non_null(sl_trail_of(&old));
		snprintf(id, sizeof(id), "new%u", i);
		sl_trail_begin(&trails, id, 0);
	}
	assert_null(sl_trail_of(&old));
	note(&old, SL_TRAIL_ANSWER, 1);
	note(&none, SL_TRAIL_ANSWER, 1);
	assert_false(sl_trails_find(&trails, "old", &trail));
	for (i = 0; i < SL_TRAIL_ENTRIES; i++) {
		snprintf(id, sizeof(id), "new%u", i);
		assert_true(sl_trails_find(&trails, id, &trail));
		assert_int_equal(trail.event_count, 0);
	}
	sl_trails_fini(&trails);
}

static void checked(const struct sl_trail_ref *ref, enum sl_check check, enum sl_check_done done,
		    bool is_answer, uint32_t number, const char *what)
{
	sl_trail_check_note(ref, 0, &(struct sl_checked){check, done, is_answer, number, what});
}

/* The event in words: "pii answer redacted email times=3". */
static const char *words_of(const struct sl_trail *trail, uint16_t event)
{
	static char text[256];
	struct sl_trail_check_words words = sl_trail_check_words_of(trail, &trail->events[event]);

	assert_int_equal(trail->events[event].kind, SL_TRAIL_CHECK);
	snprintf(text, sizeof(text), "%s %s %s %s %s=%u", words.check, words.of, words.done,
		 words.what ? words.what : "-", words.number_name ? words.number_name : "-",
		 words.number);
	return text;
}

/* What is taken out again and again is one event; what is done once is one each. */
static void test_checks(void **unused)
{
	struct sl_trails trails;
	struct sl_trail_ref ref, none = {0};
	struct sl_trail trail;
	char longest[2 * SL_TRAIL_TEXTS_BYTES];

	(void)unused;
	sl_trails_init(&trails);
	ref = sl_trail_begin(&trails, "a", 0);
	checked(&none, SL_CHECK_PII, SL_CHECK_REDACTED, true, 1, "email");
	checked(&ref, SL_CHECK_PII, SL_CHECK_REDACTED, false, 1, "email");
	checked(&ref, SL_CHECK_PII, SL_CHECK_REDACTED, true, 1, "email");
	checked(&ref, SL_CHECK_PII, SL_CHECK_REDACTED, true, 2, "email");
	checked(&ref, SL_CHECK_PII, SL_CHECK_REDACTED, true, 1, "card");
	checked(&ref, SL_CHECK_LIST, SL_CHECK_REDACTED, true, 70000, "names");
	checked(&ref, SL_CHECK_LIST, SL_CHECK_REDACTED, true, 1, "names");
	checked(&ref, SL_CHECK_SCHEMA, SL_CHECK_REPAIRED, true, 1, "type at /{1}");
	checked(&ref, SL_CHECK_SCHEMA, SL_CHECK_REPAIRED, true, 2, "type at /{1}");
	checked(&ref, SL_CHECK_REFUSAL, SL_CHECK_REFUSED, true, 0, NULL);
	assert_true(sl_trails_find(&trails, "a", &trail));
	assert_int_equal(trail.event_count, 7);
	assert_string_equal(words_of(&trail, 0), "pii question redacted email times=1");
	assert_string_equal(words_of(&trail, 1), "pii answer redacted email times=3");
	assert_string_equal(words_of(&trail, 2), "pii answer redacted card times=1");
	assert_string_equal(words_of(&trail, 3), "list answer redacted names times=65535");
	assert_string_equal(words_of(&trail, 4), "schema answer repaired type at /{1} repair=1");
	assert_string_equal(words_of(&trail, 5), "schema answer repaired type at /{1} repair=2");
	assert_string_equal(words_of(&trail, 6), "refusal answer refused - -=0");
	/* a name longer than its room is cut, and the next one has none; a new request has all of it */
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	ref = sl_trail_begin(&trails, "b", 0);
	checked(&ref, SL_CHECK_LIST, SL_CHECK_BLOCKED, false, 0, longest);
	checked(&ref, SL_CHECK_LIST, SL_CHECK_BLOCKED, false, 0, "names");
	assert_true(sl_trails_find(&trails, "b", &trail));
	assert_int_equal(trail.event_count, 2);
	assert_int_equal(strlen(sl_trail_check_words_of(&trail, &trail.events[0]).what),
			 SL_TRAIL_TEXTS_BYTES - 1);
	assert_null(sl_trail_check_words_of(&trail, &trail.events[1]).what);
	sl_trails_fini(&trails);
}

static int measure(void)
{
	struct sl_trails trails;
	uint64_t start_ns;
	unsigned i, k;

	sl_trails_init(&trails);
	start_ns = sl_clock_ns();
	for (i = 0; i < MEASURED_REQUESTS; i++) {
		struct sl_trail_ref ref =
			sl_trail_begin(&trails, "req_0123456789abcdef0123456789abcdef", start_ns);

		for (k = 0; k < MEASURED_NOTES; k++)
			note(&ref, SL_TRAIL_ATTEMPT, start_ns + k);
	}
	printf("%.1f ns a request of %u notes, %zu bytes a trail\n",
	       (double)(sl_clock_ns() - start_ns) / MEASURED_REQUESTS, MEASURED_NOTES,
	       sizeof(struct sl_trail));
	sl_trails_fini(&trails);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept),	 cmocka_unit_test(test_recent),
		cmocka_unit_test(test_too_many), cmocka_unit_test(test_overtaken),
		cmocka_unit_test(test_checks),
	};

	if (argc == 2 && strcmp(argv[1], "--measure") == 0)
		return measure();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
