/* SPDX-License-Identifier: BSD-2-Clause */
/* Which notices make an incident, which join one, when it is over; and that its events say it all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "user/policy/incident.h"

#define EVENTS_MAX 512u

static const struct sl_incident_limits limits = {
	.join_ms = 10000, .hold_ms = 5000, .count_ms = 60000};

static struct sl_incidents book, copy;
static struct {
	uint64_t id;
	struct sl_incident_event event;
	struct sl_incident_counts counts;
} told[EVENTS_MAX];
static uint32_t told_count;

static void on_event(void *owner, const struct sl_incident *incident,
		     const struct sl_incident_event *event)
{
	(void)owner;
	assert_true(told_count < EVENTS_MAX);
	told[told_count].id = incident->id;
	told[told_count].counts = incident->counts;
	told[told_count++].event = *event;
}

static int setup(void **state)
{
	(void)state;
	told_count = 0;
	sl_incidents_init(&book, &limits);
	book.on_event = on_event;
	sl_incidents_init(&copy, &limits);
	return 0;
}

/* What was told makes the same book. */
static int teardown(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < told_count; i++)
		assert_int_equal(
			sl_incidents_apply(&copy, told[i].id, &told[i].event, &told[i].counts), 0);
	assert_int_equal(copy.open_count, book.open_count);
	for (uint32_t i = 0; i < book.count; i++) {
		const struct sl_incident *a = book.list[i], *b = sl_incidents_find(&copy, a->id);

		if (!b)
			continue; /* an old one that made room */
		assert_int_equal(a->open, b->open);
		assert_int_equal(a->level, b->level);
		assert_int_equal(a->recovered_ms, b->recovered_ms);
		assert_int_equal(a->cause_count, b->cause_count);
		assert_int_equal(a->event_count, b->event_count);
	}
	sl_incidents_fini(&book);
	sl_incidents_fini(&copy);
	return 0;
}

static void tell(uint64_t at_ms, enum sl_notice_kind kind, enum sl_notice_of of, const char *name,
		 const char *pool, enum sl_notice_level level, bool over)
{
	struct sl_notice notice = {
		.kind = kind, .level = level, .of = of, .over = over, .wall_ms = at_ms};

	sl_notice_set(notice.name, sizeof(notice.name), name);
	sl_notice_set(notice.pool, sizeof(notice.pool), pool);
	sl_incidents_notice(&book, &notice, &(struct sl_incident_facts){0});
}

static void breaker(uint64_t at_ms, const char *node, const char *pool, bool over)
{
	tell(at_ms, SL_NOTICE_BREAKER, SL_NOTICE_OF_NODE, node, pool, SL_NOTICE_WARN, over);
}

/* A breaker that opens, is tried, closes and opens again is one incident; closed after the hold. */
static void test_flaps(void **state)
{
	(void)state;
	breaker(1000, "n1", "gpu", false);
	breaker(2000, "n1", "gpu", false);
	breaker(3000, "n1", "gpu", true);
	sl_incidents_poll(&book, 7999);
	assert_int_equal(book.open_count, 1);
	breaker(7999, "n1", "gpu", false);
	sl_incidents_poll(&book, 60000);
	assert_int_equal(book.open_count, 1); /* it goes on */
	breaker(61000, "n1", "gpu", true);
	sl_incidents_poll(&book, 65999);
	assert_int_equal(book.open_count, 1);
	sl_incidents_poll(&book, 66000);
	assert_int_equal(book.open_count, 0);
	assert_int_equal(book.count, 1);
	assert_int_equal(book.list[0]->recovered_ms, 61000);
	assert_int_equal(book.list[0]->closed_ms, 66000);
	assert_int_equal(book.list[0]->causes[0].times, 3);
	breaker(70000, "n1", "gpu", false); /* another one */
	assert_int_equal(book.list[1]->id, 2);
}

static void test_joins(void **state)
{
	const char *const pools[] = {"gpu", "spare"};
	struct sl_notice burn = {.kind = SL_NOTICE_BURN,
				 .level = SL_NOTICE_BAD,
				 .of = SL_NOTICE_OF_ROUTE,
				 .wall_ms = 5000,
				 .name = "chat"};

	(void)state;
	breaker(1000, "n1", "gpu", false);
	breaker(2000, "m1", "other", false); /* another pool */
	assert_int_equal(book.open_count, 2);
	tell(3000, SL_NOTICE_NO_NODE, SL_NOTICE_OF_POOL, "gpu", "", SL_NOTICE_BAD, false);
	assert_int_equal(book.open_count, 2);
	assert_int_equal(book.list[0]->level, SL_NOTICE_BAD); /* worse */
	assert_int_equal(book.list[1]->level, SL_NOTICE_WARN);
	sl_incidents_notice(&book, &burn, &(struct sl_incident_facts){pools, 2, 0});
	assert_int_equal(book.open_count, 2);
	assert_int_equal(book.list[0]->cause_count, 3);
	assert_true(sl_incident_concerns(book.list[0], "chat", NULL, 0));
	assert_true(sl_incident_concerns(book.list[0], "x", pools, 2));
	assert_false(sl_incident_concerns(book.list[1], "chat", pools, 2));
	breaker(15001, "n2", "gpu", false); /* too late to have to do with it */
	assert_int_equal(book.open_count, 3);
}

/* A region that is lost is an incident under its own name, whatever its nodes have opened; what comes later of
 * its pools joins it. */
static void test_places(void **state)
{
	const char *const pools[] = {"gpu", "spare"};
	struct sl_notice lost = {.kind = SL_NOTICE_REGION_LOST,
				 .level = SL_NOTICE_BAD,
				 .of = SL_NOTICE_OF_REGION,
				 .wall_ms = 2000,
				 .name = "north"};

	(void)state;
	breaker(1000, "n1", "gpu", false);
	sl_incidents_notice(&book, &lost, &(struct sl_incident_facts){pools, 2, 0});
	assert_int_equal(book.open_count, 2);
	assert_int_equal(book.list[1]->of, SL_NOTICE_OF_REGION);
	assert_string_equal(book.list[1]->name, "north");
	assert_true(sl_incident_concerns(book.list[1], "x", pools, 1));
	breaker(3000, "n2", "gpu", false);
	assert_int_equal(book.open_count, 2);
	assert_int_equal(book.list[1]->cause_count, 2);
	lost.wall_ms = 9000;
	lost.over = true;
	lost.level = SL_NOTICE_INFO;
	sl_incidents_notice(&book, &lost, &(struct sl_incident_facts){pools, 2, 0});
	breaker(9500, "n2", "gpu", true);
	sl_incidents_poll(&book, 60000);
	assert_false(book.list[1]->open);
	assert_int_equal(book.list[1]->recovered_ms, 9500);
	assert_true(book.list[0]->open);
}

static void test_deeds(void **state)
{
	(void)state;
	tell(500, SL_NOTICE_CONFIG, SL_NOTICE_OF_DAEMON, "", "", SL_NOTICE_INFO, true);
	assert_int_equal(book.count, 0); /* a deed opens nothing */
	breaker(1000, "n1", "gpu", false);
	tell(2000, SL_NOTICE_OVERRIDE, SL_NOTICE_OF_NODE, "n1", "gpu", SL_NOTICE_WARN, false);
	tell(2500, SL_NOTICE_OVERRIDE, SL_NOTICE_OF_NODE, "m1", "other", SL_NOTICE_WARN, false);
	tell(3000, SL_NOTICE_CONFIG, SL_NOTICE_OF_DAEMON, "", "", SL_NOTICE_INFO, true);
	assert_int_equal(book.count, 1);
	assert_int_equal(book.list[0]->event_count, 4); /* opened, seen, two deeds */
	assert_int_equal(book.list[0]->events[2].what, SL_INCIDENT_DONE);
	assert_int_equal(book.list[0]->cause_count, 1);
}

/* It began with the first request that was harmed; who was, is counted. */
static void test_requests(void **state)
{
	struct sl_notice notice = {.kind = SL_NOTICE_BREAKER,
				   .level = SL_NOTICE_WARN,
				   .of = SL_NOTICE_OF_NODE,
				   .wall_ms = 5000,
				   .name = "n1",
				   .pool = "gpu"};
	char key[8];

	(void)state;
	sl_incidents_notice(&book, &notice, &(struct sl_incident_facts){.harmed_ms = 4200});
	assert_int_equal(book.list[0]->began_ms, 4200);
	assert_int_equal(book.list[0]->opened_ms, 5000);
	sl_incident_count(book.list[0], false, 1, false, "a");
	sl_incident_count(book.list[0], false, 3, true, "a");
	for (uint32_t i = 0; i < SL_INCIDENT_KEYS_MAX + 2; i++) {
		snprintf(key, sizeof(key), "k%u", i / 2 * 2); /* each twice */
		sl_incident_count(book.list[0], true, 1, false, key);
	}
	assert_int_equal(book.list[0]->counts.requests, SL_INCIDENT_KEYS_MAX + 4);
	assert_int_equal(book.list[0]->counts.harmed, SL_INCIDENT_KEYS_MAX + 2);
	assert_int_equal(book.list[0]->counts.saved, 1);
	assert_int_equal(book.list[0]->counts.retries, 2);
	assert_int_equal(book.list[0]->counts.key_count, SL_INCIDENT_KEYS_MAX / 2 + 1);
	assert_false(book.list[0]->counts.more_keys);
	breaker(6000, "n1", "gpu", true);
	sl_incidents_poll(&book, 11000);
	assert_int_equal(told[told_count - 2].event.what, SL_INCIDENT_COUNTED);
	assert_int_equal(told[told_count - 1].event.what, SL_INCIDENT_CLOSED);
}

static bool lasts(void *owner, const struct sl_incident_cause *cause)
{
	return strcmp(cause->name, owner) == 0;
}

/* After a restart: one breaker is still open, the other was closed meanwhile. */
static void test_recheck(void **state)
{
	(void)state;
	breaker(1000, "n1", "gpu", false);
	breaker(2000, "m1", "other", false);
	sl_incidents_recheck(&book, 9000, "not so any more", lasts, "n1");
	sl_incidents_poll(&book, 20000);
	assert_true(book.list[0]->open);
	assert_false(book.list[1]->open);
	assert_int_equal(book.list[1]->recovered_ms, 9000);
}

static void test_limits(void **state)
{
	char name[16];

	(void)state;
	for (uint32_t i = 0; i < SL_INCIDENTS_OPEN_MAX + 3; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		breaker(1000, name, name, false);
	}
	assert_int_equal(book.open_count, SL_INCIDENTS_OPEN_MAX);
	assert_int_equal(book.refused, 3);
	for (uint32_t i = 0; i < SL_INCIDENT_EVENTS_MAX; i++)
		tell(2000 + i, SL_NOTICE_TUNE, SL_NOTICE_OF_NODE, "n0", "n0", SL_NOTICE_INFO,
		     false);
	assert_int_equal(book.list[0]->event_count, SL_INCIDENT_EVENTS_MAX - 1);
	assert_int_equal(book.list[0]->left_out, 3);
	breaker(3000, "n0", "n0", true);
	sl_incidents_poll(&book, 9000);
	assert_int_equal(book.list[0]->event_count, SL_INCIDENT_EVENTS_MAX); /* its end */
}

/* The ledger may not grow by what repeats itself: a trip denied each second, a breaker that flaps. */
static void test_repeats(void **state)
{
	uint32_t rows;

	(void)state;
	for (uint32_t i = 0; i < 2 * SL_INCIDENT_AGAIN_MAX; i++) {
		tell(1000 + i * 1000, SL_NOTICE_CAP, SL_NOTICE_OF_NODE, "n1", "gpu", SL_NOTICE_WARN,
		     false);
		breaker(1000 + i * 1000, "m1", "other", false);
		breaker(1500 + i * 1000, "m1", "other", true);
	}
	rows = told_count;
	for (uint32_t i = 0; i < 100; i++) {
		tell(9000 + i * 1000, SL_NOTICE_CAP, SL_NOTICE_OF_NODE, "n1", "gpu", SL_NOTICE_WARN,
		     false);
		breaker(9000 + i * 1000, "m1", "other", false);
		sl_incidents_poll(&book, 9400 + i * 1000);
		breaker(9500 + i * 1000, "m1", "other", true);
		sl_incidents_poll(&book, 9600 + i * 1000);
	}
	assert_int_equal(told_count, rows);
	assert_int_equal(rows, 2 + 3 * SL_INCIDENT_AGAIN_MAX);
	assert_int_equal(book.open_count, 2); /* each has gone on */
	assert_int_equal(book.list[0]->seen_ms, 108000);
	sl_incidents_poll(&book, 113000);
	assert_false(book.list[0]->open);
	assert_int_equal(book.list[0]->recovered_ms, 108000);
	sl_incidents_poll(&book, 113500);
	assert_int_equal(book.list[1]->recovered_ms, 108500);
}

/* What gets worse is told however often it was before; so is the end of what was told to go on. */
static void test_repeats_worse(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < SL_INCIDENT_AGAIN_MAX + 1; i++)
		breaker(1000 + i, "n1", "gpu", false);
	tell(2000, SL_NOTICE_BREAKER, SL_NOTICE_OF_NODE, "n1", "gpu", SL_NOTICE_BAD, false);
	assert_int_equal(told[told_count - 1].event.what, SL_INCIDENT_WORSE);
	breaker(3000, "n1", "gpu", true);
	assert_int_equal(told[told_count - 1].event.what, SL_INCIDENT_EASED);
}

static void test_full(void **state)
{
	char name[16];
	uint32_t rows;

	(void)state;
	breaker(1000, "n0", "gpu", false);
	for (uint32_t i = 1; i < SL_INCIDENT_CAUSES_MAX; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		breaker(1000, name, "gpu", false);
	}
	rows = told_count;
	breaker(1000, "one more", "gpu", false);
	assert_int_equal(told_count, rows);
	assert_int_equal(book.list[0]->left_out, 1);
	for (uint32_t i = 0; i < 2 * SL_INCIDENT_EVENTS_MAX; i++)
		tell(2000, SL_NOTICE_HOOK, SL_NOTICE_OF_POOL, "gpu", "", SL_NOTICE_INFO, false);
	assert_int_equal(told_count, SL_INCIDENT_EVENTS_MAX - 1);
}

/* Only the newest rows are read after a restart: an id that has rows is not given again. */
static void test_lost_beginning(void **state)
{
	struct sl_incident_event seen = {.what = SL_INCIDENT_SEEN, .at_ms = 1000};

	(void)state;
	assert_int_equal(sl_incidents_apply(&book, 41, &seen, NULL), -EINVAL);
	assert_int_equal(sl_incidents_apply(&book, 7, &seen, NULL), -EINVAL);
	breaker(2000, "n1", "gpu", false);
	assert_int_equal(book.list[0]->id, 42);
}

/* It does not wait for a time that was, before the clock was set back. */
static void test_clock_back(void **state)
{
	(void)state;
	breaker(1000000, "n1", "gpu", false);
	breaker(1001000, "n1", "gpu", true);
	sl_incidents_poll(&book, 2000);
	assert_int_equal(book.open_count, 1); /* it holds on, by the clock as it is now */
	sl_incidents_poll(&book, 6999);
	assert_int_equal(book.open_count, 1);
	sl_incidents_poll(&book, 7000);
	assert_int_equal(book.open_count, 0);
	assert_int_equal(book.list[0]->recovered_ms, 2000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_flaps),  TEST(test_joins),	      TEST(test_deeds),
		TEST(test_places), TEST(test_requests),	      TEST(test_recheck),
		TEST(test_limits), TEST(test_repeats),	      TEST(test_repeats_worse),
		TEST(test_full),   TEST(test_lost_beginning), TEST(test_clock_back),
	};

	return cmocka_run_group_tests_name("incident", tests, NULL, NULL);
}
