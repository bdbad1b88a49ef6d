/* SPDX-License-Identifier: BSD-2-Clause */
/* Which differences two configurations may have, that are to answer side by side. */
#include "user/base/config_differ.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define POOLS                                                \
	"pools:\n"                                           \
	"  a: {nodes: [\"127.0.0.1:9001\"], model: small}\n" \
	"  b: {nodes: [\"127.0.0.1:9002\"]}\n"
#define ROUTES                                       \
	"routes:\n"                                  \
	"  - {model: chat, pools: a, attempts: 2}\n" \
	"  - {model: code, pools: b}\n"
#define BASE "listen: \"127.0.0.1:8080\"\n" POOLS ROUTES

static const struct {
	const char *what, *to;
	uint32_t may;
	const char *may_not;
} cases[] = {
	{"the same", BASE, 0, ""},
	{"the same, in another order and form",
	 "# a comment\n" ROUTES "pools:\n"
	 "  b:\n    nodes: [127.0.0.1:9002]\n"
	 "  a:\n    model: small\n    nodes: [\"127.0.0.1:9001\"]\n"
	 "listen: 127.0.0.1:8080\n",
	 0, ""},
	{"routes in another order",
	 "listen: \"127.0.0.1:8080\"\n" POOLS "routes:\n"
	 "  - {model: code, pools: b}\n"
	 "  - {model: chat, pools: a, attempts: 2}\n",
	 0, ""},
	{"what requests take with them",
	 "listen: \"127.0.0.1:8080\"\n"
	 "pools:\n"
	 "  a: {nodes: [\"127.0.0.1:9001\"], model: large, max_tokens: 7}\n"
	 "  b: {nodes: [\"127.0.0.1:9002\"]}\n"
	 "routes:\n"
	 "  - {model: chat, pools: [b, a], timeouts: {ttft: 1s}}\n"
	 "  - {model: code, pools: b, validate: {schema: true}}\n",
	 6, ""},
	{"another listener", "listen: \"127.0.0.1:8081\"\n" POOLS ROUTES, 0, "listen"},
	{"a key that the one has not", BASE "threads: 2\n", 0, "threads"},
	{"a node more",
	 "listen: \"127.0.0.1:8080\"\npools:\n"
	 "  a: {nodes: [\"127.0.0.1:9001\", \"127.0.0.1:9003\"], model: small}\n"
	 "  b: {nodes: [\"127.0.0.1:9002\"]}\n" ROUTES,
	 0, "pools.a.nodes"},
	{"a pool more",
	 "listen: \"127.0.0.1:8080\"\n" POOLS "  c: {nodes: [\"127.0.0.1:9003\"]}\n" ROUTES, 0,
	 "pools.c"},
	{"a route more", BASE "  - {model: more, pools: b}\n", 0, "routes[more]"},
	{"a route of another name",
	 "listen: \"127.0.0.1:8080\"\n" POOLS
	 "routes:\n  - {model: chat, pools: a, attempts: 2}\n  - {model: coder, pools: b}\n",
	 0, "routes[code], routes[coder]"},
	{"limits, objectives, what is looked at: tables of all requests",
	 "listen: \"127.0.0.1:8080\"\n" POOLS
	 "routes:\n  - {model: chat, pools: a, attempts: 3, limits: {concurrent: 1}}\n"
	 "  - {model: code, pools: b, evaluate: {sample: 1}}\n",
	 1, "routes[chat].limits, routes[code].evaluate"},
	{"files that answers are held against",
	 "listen: \"127.0.0.1:8080\"\n" POOLS "routes:\n  - {model: chat, pools: a, attempts: 2, "
	 "validate: {lists_out: /x, empty: true}}\n"
	 "  - {model: code, pools: b}\n",
	 1, "routes[chat].validate.lists_out"},
};

static struct sl_config *parse(const char *text)
{
	struct sl_config *config = NULL;
	char *errors = NULL;

	if (sl_config_parse("test", text, strlen(text), &config, &errors))
		fail_msg("%s", errors ? errors : "?");
	free(errors);
	return config;
}

static void test_differ(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_config *from = parse(BASE), *to = parse(cases[i].to);
		struct sl_config_differ found, back;
		struct sl_text text, other;

		sl_text_init(&text, 4096);
		sl_text_init(&other, 4096);
		found = sl_config_differ(from, to, &text);
		back = sl_config_differ(to, from, &other);
		if (found.may != cases[i].may ||
		    strcmp(sl_text_string(&text), cases[i].may_not) != 0)
			fail_msg("%s: %u may, and not: \"%s\"", cases[i].what, found.may,
				 sl_text_string(&text));
		/* the other way round as many */
		assert_int_equal(back.may, found.may);
		assert_int_equal(back.may_not, found.may_not);
		sl_text_fini(&text);
		sl_text_fini(&other);
		sl_config_close(&from);
		sl_config_close(&to);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_differ)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
