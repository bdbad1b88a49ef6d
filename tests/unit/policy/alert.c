/* SPDX-License-Identifier: BSD-2-Clause */
/* Which alert is told to whom and when: groups, repeats, limits, failures, restarts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <stdio.h>

#include "user/base/config_alert.h"
#include "user/policy/alert.h"
#include "user/policy/recovery.h"

#define START 1000000000ull

static struct sl_alert_book book;
static struct sl_alert_receiver phone, desk;
static uint32_t forgotten;

static void on_forgotten(void *owner, uint64_t fingerprint)
{
	(void)owner;
	assert_true(fingerprint);
	forgotten++;
}

static int setup(void **state)
{
	(void)state;
	memset(&book, 0, sizeof(book));
	book.forgotten = on_forgotten;
	forgotten = 0;
	phone = (struct sl_alert_receiver){.who = sl_alert_who("phone"),
					   .severities = 1u << SL_ALERT_PAGE,
					   .group_by = 1u << SL_ALERT_POOL,
					   .group_ms = 1000,
					   .repeat_ms = 60000,
					   .per_hour = 100};
	desk = phone;
	desk.who = sl_alert_who("desk");
	desk.severities = 3;
	return 0;
}

static struct sl_notice notice_of(enum sl_notice_of of, const char *name, const char *pool)
{
	struct sl_notice notice = {.of = of};

	sl_notice_set(notice.name, sizeof(notice.name), name);
	sl_notice_set(notice.pool, sizeof(notice.pool), pool);
	return notice;
}

static void fire(const char *node, const char *pool, enum sl_alert_severity severity,
		 uint64_t number, uint64_t at)
{
	struct sl_notice notice = notice_of(SL_NOTICE_OF_NODE, node, pool);

	sl_alert_fire(&book, &notice, SL_NOTICE_BREAKER, severity, number, START + at);
}

/* What the receiver is told at that moment, as "labels:firing/resolved"; takes it if ok. "" nothing. */
static const char *told(struct sl_alert_receiver *receiver, uint64_t at, bool ok)
{
	static struct sl_alert_group group;
	static char text[512];
	uint32_t firing = 0;
	int len = 0;

	if (!sl_alert_due(&book, receiver, START + at, &group))
		return "";
	for (uint32_t i = 0; i < group.count; i++)
		firing += group.alerts[i].state == SL_ALERT_FIRING;
	for (int label = 0; label < SL_ALERT_LABELS; label++) {
		if (group.by >> label & 1)
			len += snprintf(text + len, sizeof(text) - (size_t)len, "%s%s",
					len ? " " : "", group.labels[label]);
		else
			assert_string_equal(group.labels[label], "");
	}
	snprintf(text + len, sizeof(text) - (size_t)len, ":%u/%u", firing, group.count - firing);
	sl_alert_made(&book, receiver, &group, ok, START + at, 0);
	return text;
}

static void sweep(uint64_t at)
{
	const struct sl_alert_receiver all[] = {phone, desk};

	sl_alert_sweep(&book, all, 2, START + at);
}

static void test_groups(void **state)
{
	(void)state;
	fire("a", "gpu", SL_ALERT_PAGE, 1, 0);
	assert_string_equal(told(&phone, 999, true), ""); /* waits for others */
	fire("b", "gpu", SL_ALERT_PAGE, 2, 900);
	fire("c", "cpu", SL_ALERT_PAGE, 3, 900);
	assert_string_equal(told(&phone, 1000, true),
			    "gpu:2/0"); /* together; the other pool is not due */
	assert_string_equal(told(&phone, 1001, true), "");
	assert_string_equal(told(&phone, 1900, true), "cpu:1/0");
	fire("a", "gpu", SL_ALERT_PAGE, 1, 2000); /* the same again: no news */
	assert_string_equal(told(&phone, 60999, true), "");
	assert_string_equal(told(&phone, 61000, true), "gpu:2/0"); /* still: told again */
	sl_alert_end_incident(&book, 1, SL_ALERT_SEVERITIES, START + 62000);
	assert_string_equal(told(&phone, 63000, true), "gpu:1/1");
	assert_string_equal(told(&phone, 64000, true), "cpu:1/0"); /* still, too */
	assert_string_equal(told(&phone, 64001, true), "");
	sweep(64001);
	assert_int_equal(forgotten, 1); /* desk never heard of it: for it there was nothing */
	assert_int_equal(sl_alert_count(&book, SL_ALERT_PAGE), 2);
}

/* As the configuration would have it: n1 and n2 in zone a, n3 in b; "rank" is no pool of routes. */
static void place(void *owner, struct sl_alert *alert)
{
	(void)owner;
	if (alert->of == SL_NOTICE_OF_NODE)
		sl_notice_set(alert->zone, sizeof(alert->zone),
			      strcmp(alert->name, "n3") != 0 ? "a" : "b");
	if (!strcmp(alert->pool, "rank"))
		sl_notice_set(alert->dependency, sizeof(alert->dependency), "rank");
}

/* Who is told what together, by the labels of `group_by`: first all that is due, then nothing. */
static void test_labels(void **state)
{
	static const struct {
		const char *what;
		uint32_t by;
		const char *told[6];
	} rows[] = {
		{"by pool", 1u << SL_ALERT_POOL, {"gpu:2/0", "cpu:1/0", "rank:2/0", ":1/0"}},
		{"by zone: a rack is one", 1u << SL_ALERT_ZONE, {"a:3/0", "b:1/0", ":2/0"}},
		{"by node", 1u << SL_ALERT_NODE, {"n1:1/0", "n2:1/0", "n3:1/0", "r1:1/0", ":2/0"}},
		{"by route", 1u << SL_ALERT_ROUTE, {":5/0", "chat:1/0"}},
		{"by dependency", 1u << SL_ALERT_DEPENDENCY, {":4/0", "rank:2/0"}},
		{"by kind", 1u << SL_ALERT_KIND, {"breaker:4/0", "dependency:1/0", "burn:1/0"}},
		{"by severity", 1u << SL_ALERT_SEVERITY, {"page:4/0", "ticket:2/0"}},
		{"by two",
		 1u << SL_ALERT_POOL | 1u << SL_ALERT_ZONE,
		 {"gpu a:2/0", "cpu b:1/0", "rank a:1/0", "rank :1/0", ":1/0"}},
		{"all of them", 0, {":6/0"}},
	};
	struct sl_notice rank = notice_of(SL_NOTICE_OF_POOL, "rank", "");
	struct sl_notice chat = notice_of(SL_NOTICE_OF_ROUTE, "chat", "");

	for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
		setup(state);
		book.place = place;
		desk.group_by = rows[row].by;
		fire("n1", "gpu", SL_ALERT_PAGE, 1, 0);
		fire("n2", "gpu", SL_ALERT_PAGE, 2, 0);
		fire("n3", "cpu", SL_ALERT_PAGE, 3, 0);
		fire("r1", "rank", SL_ALERT_TICKET, 4, 0);
		sl_alert_fire(&book, &rank, SL_NOTICE_DEPENDENCY, SL_ALERT_TICKET, 5, START);
		sl_alert_fire(&book, &chat, SL_NOTICE_BURN, SL_ALERT_PAGE, 0, START);
		for (size_t i = 0; i < 6; i++) {
			const char *wanted = rows[row].told[i] ? rows[row].told[i] : "";
			const char *got = told(&desk, 1000, true);

			if (strcmp(got, wanted) != 0)
				fail_msg("%s, %zu: told \"%s\", wanted \"%s\"", rows[row].what, i,
					 got, wanted);
		}
	}
	for (int label = 0; label <= SL_ALERT_LABELS; label++) {
		if (label == SL_ALERT_LABELS)
			assert_null(sl_config_alert_labels[label]);
		else
			assert_string_equal(sl_alert_label_names[label],
					    sl_config_alert_labels[label]);
	}
}

static void test_nothing(void **state)
{
	(void)state;
	fire("a", "gpu", SL_ALERT_TICKET, 1, 0);
	sl_alert_end_incident(&book, 1, SL_ALERT_SEVERITIES, START + 500);
	assert_string_equal(told(&desk, 5000, true), ""); /* over before anybody was told */
	sweep(5000);
	assert_int_equal(forgotten, 1);
}

static void test_severity(void **state)
{
	(void)state;
	fire("a", "gpu", SL_ALERT_TICKET, 1, 0);
	assert_string_equal(told(&phone, 5000, true), "");
	assert_string_equal(told(&desk, 5000, true), "gpu:1/0");
	/* it got worse: the ticket is over, a page fires */
	sl_alert_end_incident(&book, 1, SL_ALERT_TICKET, START + 6000);
	fire("a", "gpu", SL_ALERT_PAGE, 1, 6000);
	assert_string_equal(told(&phone, 7000, true), "gpu:1/0");
	assert_string_equal(told(&desk, 7000, true), "gpu:1/1");
}

static void test_routing(void **state)
{
	static const char *const pools[] = {"cpu"};

	(void)state;
	desk.pools = pools;
	desk.pool_count = 1;
	phone.kinds = 1u << SL_NOTICE_NO_NODE;
	fire("a", "gpu", SL_ALERT_PAGE, 1, 0);
	fire("b", "cpu", SL_ALERT_PAGE, 2, 0);
	assert_string_equal(told(&desk, 5000, true), "cpu:1/0");
	assert_string_equal(told(&desk, 5000, true), "");
	assert_string_equal(told(&phone, 5000, true), "");
}

/* It ends while the first message is under way, or that one had no answer: it may have been heard. */
static void test_ends_under_way(void **state)
{
	static const struct {
		bool ok;
		const char *after; /* what it is told then */
	} rows[] = {{true, "gpu:0/1"}, {false, "gpu:0/1"}};
	static struct sl_alert_group group;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		setup(state);
		fire("a", "gpu", SL_ALERT_PAGE, 1, 0);
		assert_true(sl_alert_due(&book, &phone, START + 1000, &group));
		sl_alert_begun(&book, &phone, &group, START + 1000);
		assert_true(sl_alert_due(&book, &phone, START + 1001, &group)); /* not told yet */
		sl_alert_end_incident(&book, 1, SL_ALERT_SEVERITIES, START + 2000);
		sweep(2000);
		assert_int_equal(forgotten, 0);
		sl_alert_made(&book, &phone, &group, rows[i].ok, START + 3000, 0);
		assert_string_equal(told(&phone, 63000, true), rows[i].after);
		sweep(64000);
		assert_int_equal(forgotten, 1);
	}
}

/* Failures end with what there was to tell, not with the first quiet moment between two tries. */
static void test_settles(void **state)
{
	(void)state;
	fire("a", "gpu", SL_ALERT_PAGE, 1, 0);
	assert_string_equal(told(&phone, 1000, false), "gpu:1/0");
	sl_alert_settle(&book, &phone, START + 1100);
	assert_int_equal(phone.failures, 1); /* it is still to be told */
	sl_alert_end_incident(&book, 1, SL_ALERT_SEVERITIES, START + 1200);
	sl_alert_settle(&book, &phone, START + 1300);
	assert_int_equal(phone.failures, 0); /* nothing is left to tell */
	assert_int_equal(phone.next_ms, 0);
	fire("b", "gpu", SL_ALERT_PAGE, 2, 2000);
	assert_string_equal(told(&phone, 3000, true), "gpu:1/0");
	assert_string_equal(told(&phone, 63000, false), "gpu:1/0"); /* the repetition fails */
	sl_alert_settle(&book, &phone, START + 63001);
	assert_int_equal(phone.failures, 1);
}

/* A receiver that is dead: tried again, later each time; it comes back, and hears what is so by then. */
static void test_dead(void **state)
{
	uint32_t tries = 0;

	(void)state;
	fire("a", "gpu", SL_ALERT_PAGE, 1, 0);
	for (uint64_t at = 1000; at < 600000; at += 100)
		tries += told(&phone, at, false)[0] != 0;
	/* 0.5 s, 1, 2, 4, 8, 16, then each 30 s */
	assert_in_range(tries, 20, 30);
	assert_string_equal(told(&desk, 1000, true),
			    "gpu:1/0"); /* the other one was told at once */
	fire("b", "gpu", SL_ALERT_PAGE, 2, 600000);
	assert_string_equal(told(&phone, 700000, true), "gpu:2/0");
	assert_int_equal(phone.failures, 0);
	assert_int_equal(phone.failed, tries);
}

static void test_limit(void **state)
{
	(void)state;
	phone.per_hour = 2;
	phone.repeat_ms = 10000;
	fire("a", "gpu", SL_ALERT_PAGE, 1, 0);
	assert_string_equal(told(&phone, 1000, true), "gpu:1/0");
	assert_string_equal(told(&phone, 11000, true), "gpu:1/0");
	for (uint64_t at = 21000; at < 3601000; at += 10000)
		assert_string_equal(told(&phone, at, true), "");
	assert_int_equal(phone.held, 1);
	assert_string_equal(told(&phone, 3601000, true), "gpu:1/0");
}

/* What fires goes on in the next process: told is told; what nobody confirms is over. */
static void test_restart(void **state)
{
	(void)state;
	fire("a", "gpu", SL_ALERT_PAGE, 1, 0);
	fire("b", "gpu", SL_ALERT_PAGE, 2, 0);
	assert_string_equal(told(&phone, 1000, true), "gpu:2/0");
	phone.sent = phone.in_hour = 0; /* the book was kept, the receiver's state was not */
	for (uint32_t i = 0; i < SL_ALERTS_MAX; i++)
		book.list[i].confirmed = false;
	fire("a", "gpu", SL_ALERT_PAGE, 1, 20000);
	assert_string_equal(told(&phone, 30000, true), "");
	sl_alert_end_unconfirmed(&book, START + 40000);
	assert_string_equal(told(&phone, 41000, true), "gpu:1/1");
	assert_int_equal(sl_alert_count(&book, SL_ALERT_PAGE), 1);
}

static void test_full(void **state)
{
	char name[16];

	(void)state;
	for (uint32_t i = 0; i < SL_ALERTS_MAX + 3; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		fire(name, "gpu", SL_ALERT_PAGE, i + 1, 0);
	}
	assert_int_equal(book.refused, 3);
	snprintf(name, sizeof(name), "gpu:%u/0", SL_ALERTS_MAX);
	assert_string_equal(told(&phone, 1000, true), name);
}

/* ---- recovery -------------------------------------------------------------------------------- */

static void test_recovery(void **state)
{
	static const struct sl_recovery_rule rule = {
		.every_ms = 10000, .cooldown_ms = 60000, .per_hour = 5};
	static const struct {
		uint64_t at;
		char what; /* a: asks; g, b: ended, good or bad */
		enum sl_recovery_verdict verdict;
	} steps[] = {
		{1000, 'a', SL_RECOVERY_RUN},
		{2000, 'a', SL_RECOVERY_BUSY},
		{3000, 'b', 0},
		{11000, 'a', SL_RECOVERY_SOON}, /* failed once: 20 s */
		{21000, 'a', SL_RECOVERY_RUN},
		{22000, 'b', 0},
		{60999, 'a', SL_RECOVERY_SOON}, /* twice: 40 s */
		{61000, 'a', SL_RECOVERY_RUN},
		{62000, 'g', 0},
		{72000, 'a', SL_RECOVERY_COOLING},
		{122000, 'a', SL_RECOVERY_RUN},
		{122100, 'g', 0},
		{190000, 'a', SL_RECOVERY_RUN},
		{190100, 'g', 0},
		{260000, 'a', SL_RECOVERY_HOUR},
		{3601000, 'a', SL_RECOVERY_RUN},
	};
	struct sl_recovery *recovery = calloc(1, sizeof(*recovery));
	char name[16];

	(void)state;
	assert_non_null(recovery);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (steps[i].what != 'a')
			sl_recovery_ran(recovery, "n", steps[i].what == 'g', steps[i].at);
		else if (sl_recovery_ask(recovery, &rule, "n", steps[i].at) != steps[i].verdict)
			fail_msg("at %d", (int)steps[i].at);
	}
	/* another one is another one; until there are too many */
	for (uint32_t i = 1; i < SL_RECOVERY_TARGETS_MAX; i++) {
		snprintf(name, sizeof(name), "m%u", i);
		assert_int_equal(sl_recovery_ask(recovery, &rule, name, 3601000), SL_RECOVERY_RUN);
	}
	assert_int_equal(sl_recovery_ask(recovery, &rule, "more", 3601000), SL_RECOVERY_FULL);
	sl_recovery_ran(recovery, "m1", true, 3602000);
	assert_int_equal(sl_recovery_ask(recovery, &rule, "more", 3601000 + 3600000),
			 SL_RECOVERY_RUN);
	free(recovery);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_groups, setup),
		cmocka_unit_test_setup(test_labels, setup),
		cmocka_unit_test_setup(test_nothing, setup),
		cmocka_unit_test_setup(test_severity, setup),
		cmocka_unit_test_setup(test_routing, setup),
		cmocka_unit_test_setup(test_ends_under_way, setup),
		cmocka_unit_test_setup(test_settles, setup),
		cmocka_unit_test_setup(test_dead, setup),
		cmocka_unit_test_setup(test_limit, setup),
		cmocka_unit_test_setup(test_restart, setup),
		cmocka_unit_test_setup(test_full, setup),
		cmocka_unit_test(test_recovery),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
