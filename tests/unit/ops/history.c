/* SPDX-License-Identifier: BSD-2-Clause */
/* Histories whose truth is known by hand, and what /metrics says of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "user/ops/dwells.h"
#include "user/ops/incidents_parts.h"
#include "user/ops/metrics_outcomes.h"
#include "user/policy/dwell.h"

static void expect_line(const struct sl_text *text, const char *line)
{
	const char *at = text->data ? strstr(text->data, line) : NULL;

	if (!at || at[strlen(line)] != '\n' || (at != text->data && at[-1] != '\n'))
		fail_msg("no line \"%s\" in:\n%s", line, text->data ? text->data : "");
}

static void expect_none(const struct sl_text *text, const char *part)
{
	if (strstr(text->data, part))
		fail_msg("\"%s\" in:\n%s", part, text->data);
}

/* ---- how long in which state ----------------------------------------------------------------- */

static void test_dwell(void **state)
{
	static const struct {
		uint32_t whose, state;
		uint64_t now_ms;
	} looks[] = {
		{1, 0, 1000}, /* nothing is known of before */
		{1, 0, 1500}, /* closed 500 */
		{1, 2, 1600}, /* closed 100 */
		{1, 2, 6600}, /* open 5000 */
		{1, 1, 6700}, /* open 100 */
		{1, 0, 7000}, /* half-open 300 */
		{1, 0, 6000}, /* the clock was set back: nothing */
		{1, 9, 6100}, /* closed 100 */
		{1, 0, 6300}, /* a state that nobody knows: the last one, 200 */
	};
	struct sl_dwell dwell = {.looked_ms = 0};

	(void)state;
	for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++)
		sl_dwell_look(&dwell, looks[i].whose, looks[i].state, looks[i].now_ms);
	assert_int_equal(dwell.ms[0], 700);
	assert_int_equal(dwell.ms[1], 300);
	assert_int_equal(dwell.ms[2], 5100);
	assert_int_equal(dwell.ms[SL_DWELL_STATES - 1], 200);
	sl_dwell_look(&dwell, 2, 2, 9000); /* another node has the slot */
	sl_dwell_look(&dwell, 2, 2, 9400);
	assert_int_equal(dwell.ms[0], 0);
	assert_int_equal(dwell.ms[2], 400);
}

/* ---- what became of requests ----------------------------------------------------------------- */

static void test_outcomes(void **state)
{
	static struct sl_worker first, second;
	static struct sl_worker *workers[] = {&first, &second};
	static struct sl_route_stats none, here, there;
	static struct sl_route_names names;
	struct sl_metrics_source source = {.workers = workers, .worker_count = 2, .names = &names};
	char model[] = "chat \"x\"", empty[] = "";
	struct sl_text text;

	(void)state;
	names.names[0] = empty;
	names.names[1] = model;
	names.count = 2;
	first.stats.routes[0] = &none;
	first.stats.routes[1] = &here;
	second.stats.routes[1] = &there;
	none.outcomes[SL_FEED_REFUSED][SL_ENDING_UNSET] = 4;
	here.outcomes[SL_FEED_GOOD][SL_ENDING_OK] = 90;
	there.outcomes[SL_FEED_GOOD][SL_ENDING_OK] = 5;
	here.outcomes[SL_FEED_FAILED][SL_ENDING_CONNECT_ERROR] = 2;
	there.outcomes[SL_FEED_FAILED][SL_ENDING_UNSET] = 1;
	there.outcomes[SL_FEED_BROKEN][SL_ENDING_STALL] = 2;
	sl_text_init(&text, 0);
	sl_metrics_write_outcomes(&source, &text);
	expect_line(&text,
		    "sluice_outcomes_total{route=\"\",outcome=\"refused\",cause=\"no_attempt\"} 4");
	expect_line(
		&text,
		"sluice_outcomes_total{route=\"chat \\\"x\\\"\",outcome=\"good\",cause=\"ok\"} 95");
	expect_line(&text, "sluice_outcomes_total{route=\"chat "
			   "\\\"x\\\"\",outcome=\"failed\",cause=\"connect_error\"} 2");
	expect_line(&text, "sluice_outcomes_total{route=\"chat "
			   "\\\"x\\\"\",outcome=\"failed\",cause=\"no_attempt\"} 1");
	expect_line(&text, "sluice_outcomes_total{route=\"chat "
			   "\\\"x\\\"\",outcome=\"broken\",cause=\"stall\"} 2");
	expect_none(&text, "} 0");
	sl_text_fini(&text);
}

/* ---- how reliable it was ---------------------------------------------------------------------- */

static void tell(struct sl_incidents *book, enum sl_notice_kind kind, enum sl_notice_of of,
		 const char *name, const char *pool, uint64_t at_s, bool over, uint64_t harmed_s)
{
	struct sl_notice notice = {.kind = kind, .of = of, .over = over, .wall_ms = at_s * 1000};
	struct sl_incident_facts facts = {.harmed_ms = harmed_s * 1000};

	notice.level = over ? SL_NOTICE_INFO : SL_NOTICE_WARN;
	sl_notice_set(notice.name, sizeof(notice.name), name);
	sl_notice_set(notice.pool, sizeof(notice.pool), pool);
	sl_incidents_notice(book, &notice, &facts);
	sl_incidents_poll(book, at_s * 1000 + 500);
}

/*
 *   from 1000 s to 5000 s          1000  ...                                          5000
 *   node a     down 1990 to 2100, found out at 2000; down 3000 to 3040, found out at once
 *   pool docs  (nobody's route)  down since 4800
 *
 *   node a: up 4000 - 150 = 3850, two outages: MTBF 1925 s, MTTR (110 + 40) / 2 = 75 s, MTTD 5 s
 *   docs:   up 3800, one: MTBF 3800 s, none has ended, found out at once
 */
static void test_reliability(void **state)
{
	static const struct sl_incident_limits limits = {0, 0, 1000000};
	struct sl_incident_part *part = calloc(1, sizeof(*part));
	static struct sl_routes routes;
	struct sl_text text;

	(void)state;
	assert_non_null(part);
	part->routes = &routes;
	part->begun_ms = 1000000;
	sl_incidents_init(&part->book, &limits);
	tell(&part->book, SL_NOTICE_BREAKER, SL_NOTICE_OF_NODE, "a:1", "gpu", 2000, false, 1990);
	tell(&part->book, SL_NOTICE_BREAKER, SL_NOTICE_OF_NODE, "a:1", "gpu", 2100, true, 0);
	tell(&part->book, SL_NOTICE_BREAKER, SL_NOTICE_OF_NODE, "a:1", "gpu", 3000, false, 0);
	tell(&part->book, SL_NOTICE_BREAKER, SL_NOTICE_OF_NODE, "a:1", "gpu", 3040, true, 0);
	tell(&part->book, SL_NOTICE_NO_NODE, SL_NOTICE_OF_POOL, "docs", "", 4800, false, 0);
	sl_text_init(&text, 0);
	sl_incidents_write_metrics(part, 5000000, &text);
	expect_line(&text, "sluice_incidents_open{level=\"warn\"} 1");
	expect_line(&text, "sluice_incidents_total 3");
	expect_line(&text, "sluice_reliability_outages{kind=\"node\",name=\"a:1\"} 2");
	expect_line(&text, "sluice_reliability_down_seconds{kind=\"node\",name=\"a:1\"} 150");
	expect_line(&text, "sluice_reliability_mtbf_seconds{kind=\"node\",name=\"a:1\"} 1925");
	expect_line(&text, "sluice_reliability_mttr_seconds{kind=\"node\",name=\"a:1\"} 75");
	expect_line(&text, "sluice_reliability_mttd_seconds{kind=\"node\",name=\"a:1\"} 5");
	expect_line(&text,
		    "sluice_reliability_down_seconds{kind=\"dependency\",name=\"docs\"} 200");
	expect_line(&text,
		    "sluice_reliability_mtbf_seconds{kind=\"dependency\",name=\"docs\"} 3800");
	expect_line(&text, "sluice_reliability_mttd_seconds{kind=\"dependency\",name=\"docs\"} 0");
	expect_none(&text, "mttr_seconds{kind=\"dependency\"");
	sl_text_fini(&text);
	sl_incidents_fini(&part->book);
	free(part);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dwell),
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_reliability),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
