/* SPDX-License-Identifier: BSD-2-Clause */
/* What the judges' answers are taken for: the verdicts, and all that is none; and whose failure that is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "user/stage/retrieve_judge.h"
#include "user/stage/semantic_parts.h"

#define SAYS(text) \
	"{\"choices\":[{\"message\":{\"content\":\"" text "\"},\"finish_reason\":\"stop\"}]}"

static void grounded_verdicts(void **state)
{
	static const struct {
		const char *body;
		int said;
	} cases[] = {
		{SAYS("Yes."), 1},	    {SAYS("yes"), 1},  {SAYS(" **No**"), 0},
		{SAYS("\\\"No\\\""), 0},    {SAYS("NO"), 0},   {SAYS("Perhaps."), -EIO},
		{SAYS(""), -EIO},	    {SAYS("."), -EIO}, {SAYS("I cannot say that"), -EIO},
		{"{\"choices\":[]}", -EIO}, {"{}", -EIO},      {"", -EIO},
		{"[\"yes\"]", -EIO},	    {"yes", -EIO},     {"{\"choices\":[{}]}", -EIO},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (sl_retrieve_judge_read(sl_span_string(cases[i].body)) != cases[i].said)
			fail_msg("case %zu: %s", i, cases[i].body);
}

static void shadow_verdicts(void **state)
{
	static const struct {
		const char *body;
		enum sl_semantic_judgement said;
	} cases[] = {
		{SAYS("SAME"), SL_SEMANTIC_SAME},
		{SAYS(" *different*.\\n"), SL_SEMANTIC_DIFFERENT},
		{SAYS("I would say that they are the same"), SL_SEMANTIC_UNJUDGED},
		{SAYS("SAME DIFFERENT"), SL_SEMANTIC_UNJUDGED},
		{SAYS(""), SL_SEMANTIC_UNJUDGED},
		{SAYS(" . "), SL_SEMANTIC_UNJUDGED},
		{"{\"choices\":[]}", SL_SEMANTIC_UNJUDGED},
		{"{}", SL_SEMANTIC_UNJUDGED},
		{"", SL_SEMANTIC_UNJUDGED},
		{"SAME", SL_SEMANTIC_UNJUDGED},
	};
	struct sl_arena arena;

	(void)state;
	sl_arena_init(&arena, 0, 1u << 20);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (sl_semantic_judge_read(sl_span_string(cases[i].body), &arena) != cases[i].said)
			fail_msg("case %zu: %s", i, cases[i].body);
	sl_arena_fini(&arena);
}

/* Pools of clients' requests, by whatever chain, and others. */
static void pools_that_are_asked(void **state)
{
	static const char text[] =
		"listen: 127.0.0.1:1\n"
		"pools:\n"
		"  first: {nodes: [127.0.0.1:9001]}\n"
		"  fallback: {nodes: [127.0.0.1:9002]}\n"
		"  judge: {nodes: [127.0.0.1:9003]}\n"
		"  larger: {nodes: [127.0.0.1:9004]}\n"
		"routes:\n"
		"  - {model: a, pools: first}\n"
		"  - {model: b, pools: [first, fallback], fallbacks: {context_length: larger},\n"
		"     retrieve: {index: docs, judge: judge}}\n"
		"indexes: {docs: {directory: /nonexistent}}\n";
	static const struct {
		const char *pool;
		bool asked;
	} cases[] = {{"first", true}, {"fallback", true}, {"larger", true}, {"judge", false}};
	struct sl_upstream_pool pools[4];
	struct sl_config *config = NULL;
	char *errors = NULL;

	(void)state;
	if (sl_config_parse("test", text, strlen(text), &config, &errors))
		fail_msg("%s", errors);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct sl_stage stage = {.config = config, .pools = pools};
		uint32_t at = 0;

		while (strcmp(config->pools[at].name, cases[i].pool) != 0)
			at++;
		if (sl_stage_pool_is_asked(&stage, &pools[at]) != cases[i].asked)
			fail_msg("%s", cases[i].pool);
	}
	sl_config_close(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grounded_verdicts),
		cmocka_unit_test(shadow_verdicts),
		cmocka_unit_test(pools_that_are_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
