/* SPDX-License-Identifier: BSD-2-Clause */
/* What of a request is counted under the names of the conventions for GenAI. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "user/request/genai.h"

static const struct note_case {
	const char *what;
	struct sl_genai_end end;
	int kind; /* -1: nothing is counted */
	uint64_t good, bad, firsts, per_token, tokens;
	uint64_t per_token_us, output;
} cases[] = {
	{"no endpoint", {.duration_us = 5}, -1, 0, 0, 0, 0, 0, 0, 0},
	{"another endpoint", {.endpoint = 4}, -1, 0, 0, 0, 0, 0, 0, 0},
	{"a whole answer", {.endpoint = 1, .duration_us = 5}, 0, 1, 0, 0, 0, 0, 0, 0},
	{"with its usage",
	 {.endpoint = 1, .counted = true, .input = 3, .output = 9},
	 0,
	 1,
	 0,
	 0,
	 0,
	 1,
	 0,
	 9},
	{"an error", {.endpoint = 1, .error = true, .first_us = 4}, 0, 0, 1, 0, 0, 0, 0, 0},
	{"completions", {.endpoint = 2}, 1, 1, 0, 0, 0, 0, 0, 0},
	{"embeddings", {.endpoint = 3}, 2, 1, 0, 0, 0, 0, 0, 0},
	{"Messages API", {.endpoint = 1, .anthropic = true}, 3, 1, 0, 0, 0, 0, 0, 0},
	{"a stream",
	 {.endpoint = 1, .duration_us = 90, .first_us = 30, .streamed = 5},
	 0,
	 1,
	 0,
	 1,
	 1,
	 0,
	 15,
	 0},
	{"a stream of one token",
	 {.endpoint = 1, .duration_us = 90, .first_us = 30, .streamed = 1},
	 0,
	 1,
	 0,
	 1,
	 0,
	 0,
	 0,
	 0},
	{"a clock that went back",
	 {.endpoint = 1, .duration_us = 9, .first_us = 30, .streamed = 5},
	 0,
	 1,
	 0,
	 1,
	 0,
	 0,
	 0,
	 0},
};

static void test_notes(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct note_case *c = &cases[i];
		struct sl_genai_stats *kinds[SL_GENAI_KINDS] = {0};

		sl_genai_note(kinds, &c->end);
		for (int k = 0; k < (int)SL_GENAI_KINDS; k++) {
			const struct sl_genai_stats *s = kinds[k];

			if ((s != NULL) != (k == c->kind))
				fail_msg("%s: kind %d", c->what, k);
			if (!s)
				continue;
			if (s->duration_us[0].count != c->good ||
			    s->duration_us[1].count != c->bad || s->first_us.count != c->firsts ||
			    s->token_us.count != c->per_token ||
			    s->token_us.sum != c->per_token_us || s->tokens[1].count != c->tokens ||
			    s->tokens[1].sum != c->output)
				fail_msg("%s", c->what);
			free(kinds[k]);
		}
	}
}

static void test_names(void **unused)
{
	(void)unused;
	assert_string_equal(sl_genai_operation(1), "text_completion");
	assert_string_equal(sl_genai_operation(4), "text_completion");
	assert_string_equal(sl_genai_provider(2), "openai");
	assert_string_equal(sl_genai_provider(3), "anthropic");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_notes),
					   cmocka_unit_test(test_names)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
