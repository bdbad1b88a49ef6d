/* SPDX-License-Identifier: BSD-2-Clause */
/* The status page's sentence: states and what is said of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "user/ops/page_verdict.h"

#define CLUSTER .pools = 2, .nodes = 4, .routes = 3

static const struct {
	const char *name;
	struct sl_page_facts facts;
	enum sl_page_level level;
	const char *says;
} cases[] = {
	{"well",
	 {CLUSTER, .available = 4},
	 SL_PAGE_WELL,
	 "Well: 4 of 4 nodes in 2 pools take requests."},
	{"one of each",
	 {.pools = 1, .nodes = 1, .available = 1},
	 SL_PAGE_WELL,
	 "Well: 1 of 1 node in 1 pool take requests."},
	{"what is done on purpose",
	 {CLUSTER, .available = 3, .draining = 1, .rollouts = 1, .experiments = 2},
	 SL_PAGE_WELL,
	 "Well: 3 of 4 nodes in 2 pools take requests; 1 node drains; 1 roll-out is under way; 2 "
	 "experiments run."},
	{"the daemon ends",
	 {CLUSTER, .available = 4, .ends = true},
	 SL_PAGE_WELL,
	 "Well: 4 of 4 nodes in 2 pools take requests; the daemon ends, its open requests go on."},
	{"a node is out",
	 {CLUSTER, .available = 3, .out = 1, .node = "10.0.0.7:8000", .why = "breaker open, reset"},
	 SL_PAGE_DEGRADED,
	 "Degraded: node 10.0.0.7:8000 is out (breaker open, reset)."},
	{"several",
	 {CLUSTER, .available = 2, .out = 2, .node = "a:1", .why = "its checks fail",
	  .incidents = 1},
	 SL_PAGE_DEGRADED,
	 "Degraded: 2 of 4 nodes are out, a:1 first (its checks fail); 1 incident is open."},
	{"a pool is down, another stands in",
	 {CLUSTER, .available = 2, .out = 2, .node = "a:1", .why = "x", .pools_down = 1,
	  .pool = "chat"},
	 SL_PAGE_DEGRADED,
	 "Degraded: 2 of 4 nodes are out, a:1 first (x); pool \"chat\" takes nothing, others stand "
	 "in for it."},
	{"a route is down",
	 {CLUSTER, .out = 4, .node = "a:1", .why = "x", .pools_down = 2, .pool = "chat",
	  .routes_down = 1, .route = "gpt"},
	 SL_PAGE_DOWN,
	 "Not well: route \"gpt\" has nobody to answer it; 4 of 4 nodes are out, a:1 first (x)."},
	{"all routes are",
	 {CLUSTER, .draining = 4, .routes_down = 3, .route = "gpt"},
	 SL_PAGE_DOWN,
	 "Not well: 3 of 3 routes have nobody to answer them, \"gpt\" first; 4 nodes drain."},
	{"a budget burns",
	 {CLUSTER, .available = 4, .burning = 1, .burns = "availability of route \"gpt\""},
	 SL_PAGE_DOWN,
	 "Not well: availability of route \"gpt\" burns its error budget."},
	{"slowly",
	 {CLUSTER, .available = 4, .smouldering = 2},
	 SL_PAGE_DEGRADED,
	 "Degraded: 2 error budgets will not last."},
	{"keys",
	 {CLUSTER, .available = 4, .no_keys = true},
	 SL_PAGE_DOWN,
	 "Not well: the API keys cannot be read."},
	{"a reload was refused",
	 {CLUSTER, .available = 4, .reload_refused = true},
	 SL_PAGE_DEGRADED,
	 "Degraded: the last reload was refused, the configuration before it is in force."},
	{"a queue and a rule",
	 {CLUSTER, .available = 4, .waiting = 1, .rules = 1},
	 SL_PAGE_DEGRADED,
	 "Degraded: 1 request waits in an overloaded queue; 1 rule of degradation is in force."},
	{"more than is told",
	 {CLUSTER, .available = 1, .no_keys = true, .out = 3, .node = "a:1", .why = "x",
	  .waiting = 7, .rules = 2, .smouldering = 1, .incidents = 3},
	 SL_PAGE_DOWN,
	 "Not well: the API keys cannot be read; 3 of 4 nodes are out, a:1 first (x); 7 requests "
	 "wait "
	 "in an overloaded queue; 2 rules of degradation are in force; and 2 more."},
};

static void test_sentences(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char memory[1024];
		struct sl_text text;
		enum sl_page_level level;

		sl_text_init_fixed(&text, memory, sizeof(memory));
		level = sl_page_judge(&cases[i].facts, &text);
		if (level != cases[i].level || strcmp(sl_text_string(&text), cases[i].says) != 0)
			fail_msg("%s: %s: %s", cases[i].name, sl_page_level_name(level),
				 sl_text_string(&text));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_sentences)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
