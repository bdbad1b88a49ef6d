/* SPDX-License-Identifier: BSD-2-Clause */
/* What `sluice eval run` asks: targets as they are written, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "user/ops/eval_target.h"

#define HERE "http://127.0.0.1:8080/v1"

static void test_read(void **state)
{
	static const struct {
		const char *word, *model, *prompt; /* as --model and --prompt say */
		const char *read; /* "url model prompt version lines", or the error */
	} rows[] = {
		{"http://10.0.0.7:8000/v1", "m", NULL, "http://10.0.0.7:8000/v1|m|||"},
		{"https://api.example.com", "m", "p@1", "https://api.example.com|m|p|1|"},
		{"model:chat", NULL, NULL, HERE "|chat|||"},
		{"model:chat", "other", "p", HERE "|chat|p||"},
		{"model:org/name:tag", NULL, NULL, HERE "|org/name:tag|||"},
		{"prompt:support@8d96", "chat", NULL, HERE "|chat|support|8d96|"},
		{"prompt:support", "chat", "other@1", HERE "|chat|support||"},
		{"pool:b", "chat", NULL, HERE "|chat|||x-sluice-pick: pool=b\r\n"},
		{"index:h@3,model:chat,pool:b", NULL, NULL,
		 HERE "|chat|||x-sluice-pick: index=h@3, pool=b\r\n"},
		{"pool:b", NULL, NULL, "pool:b: which model?"},
		{"node:b", "m", NULL, "node:b: expected http://"},
		{"pool:", "m", NULL, "pool:: expected"},
		{"", "m", NULL, ": expected"},
		{"pool:a,", "m", NULL, HERE "|m|||x-sluice-pick: pool=a\r\n"},
		{"pool:a\r\nx-evil: 1", "m", NULL, "expected http://"},
		{"prompt:\"x", "m", NULL, "expected http://"},
		{"chat", "m", NULL, "chat: expected"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sl_eval_target_else other = {
			.url = HERE, .model = rows[i].model, .prompt = rows[i].prompt};
		struct sl_eval_target target;
		struct sl_error error = {""};
		char read[6 * SL_EVAL_TARGET_BYTES];
		int rc = sl_eval_target_read(rows[i].word, &other, &target, &error);

		if (rc)
			snprintf(read, sizeof(read), "%s", error.text);
		else
			snprintf(read, sizeof(read), "%s|%s|%s|%s|%s", target.url, target.model,
				 target.prompt, target.version, target.lines);
		if (rc ? !strstr(read, rows[i].read) : strcmp(read, rows[i].read) != 0)
			fail_msg("row %zu: %s", i, read);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
	};

	return cmocka_run_group_tests_name("eval_target", tests, NULL, NULL);
}
