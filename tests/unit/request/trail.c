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
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_recent),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_overtaken),
	};

	if (argc == 2 && strcmp(argv[1], "--measure") == 0)
		return measure();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
