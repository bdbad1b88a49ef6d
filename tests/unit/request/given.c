/* SPDX-License-Identifier: BSD-2-Clause */
/* Whole answers as the chunks of a stream: what each becomes, and what cannot be told so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "user/request/given.h"

#define START                                                                                \
	"data: "                                                                             \
	"{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\"," \
	"\"choices\":["
#define NONE                                                                                   \
	"data: "                                                                               \
	"{\"id\":\"chatcmpl-0\",\"object\":\"chat.completion.chunk\",\"created\":0,\"model\":" \
	"\"\",\"choices\":["
#define HEAD "{\"id\":\"c1\",\"created\":7,\"model\":\"m\",\"choices\":["
#define DONE "data: [DONE]\n\n"

static const struct {
	const char *name, *answer;
	bool usage;
	int rc;
	const char *stream;
} rows[] = {
	{"a text",
	 HEAD "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"a\\nb\"},"
	      "\"finish_reason\":\"length\"}],\"usage\":{\"total_tokens\":3}}",
	 false, 0,
	 START "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"a\\nb\"},"
	       "\"finish_reason\":null}]}\n\n" START
	       "{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\n" DONE},
	{"with its usage",
	 HEAD "{\"index\":0,\"message\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}],"
	      "\"usage\":{\"total_tokens\":3}}",
	 true, 0,
	 START "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"a\"},"
	       "\"finish_reason\":null}]}\n\n" START
	       "{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n" START
	       "],\"usage\":{\"total_tokens\":3}}\n\n" DONE},
	{"wanted, but there is no usage",
	 HEAD "{\"index\":0,\"message\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}],\"usage\":"
	      "null}",
	 true, 0,
	 START "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"a\"},"
	       "\"finish_reason\":null}]}\n\n" START
	       "{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n" DONE},
	{"nothing but the text", "{\"choices\":[{\"message\":{\"content\":\"a\"}}]}", false, 0,
	 NONE "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"a\"},"
	      "\"finish_reason\":null}]}\n\n" NONE
	      "{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n" DONE},
	{"a refusal",
	 HEAD
	 "{\"index\":0,\"message\":{\"content\":null,\"refusal\":\"no\",\"tool_calls\":null}}]}",
	 false, 0,
	 START
	 "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null,\"refusal\":\"no\"},"
	 "\"finish_reason\":null}]}\n\n" START
	 "{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n" DONE},
	{"two choices",
	 HEAD "{\"index\":0,\"message\":{\"content\":\"a\"}},{\"index\":1,\"message\":{\"content\":"
	      "\"b\"}}]}",
	 false, 0,
	 START "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"a\"},"
	       "\"finish_reason\":null}]}\n\n" START
	       "{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n" START
	       "{\"index\":1,\"delta\":{\"role\":\"assistant\",\"content\":\"b\"},"
	       "\"finish_reason\":null}]}\n\n" START
	       "{\"index\":1,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n" DONE},
	{"calls of tools",
	 HEAD "{\"message\":{\"content\":null,\"tool_calls\":[{\"id\":\"x\"}]}}]}", false,
	 -EOPNOTSUPP, NULL},
	{"no choices", HEAD "]}", false, -EOPNOTSUPP, NULL},
	{"no message", HEAD "{\"text\":\"a\"}]}", false, -EOPNOTSUPP, NULL},
	{"a choice that is none", HEAD "1]}", false, -EOPNOTSUPP, NULL},
	{"no chat completion", "{\"data\":[]}", false, -EOPNOTSUPP, NULL},
	{"no JSON", "{\"choices\":[", false, -EOPNOTSUPP, NULL},
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sl_text out;
		int rc;

		sl_text_init(&out, 1u << 20);
		rc = sl_given_write_stream(sl_span_string(rows[i].answer), rows[i].usage, &out);
		if (rc != rows[i].rc ||
		    (rows[i].stream && strcmp(sl_text_string(&out), rows[i].stream) != 0))
			fail_msg("%s: %d\n%s", rows[i].name, rc, sl_text_string(&out));
		sl_text_fini(&out);
	}
}

/* Room runs out at any byte: said, never half a stream that looks whole. */
static void test_no_room(void **state)
{
	const struct sl_span answer = sl_span_string(rows[1].answer);
	size_t whole = strlen(rows[1].stream);

	(void)state;
	for (size_t cap = 1; cap <= whole + 1; cap++) {
		struct sl_text out;

		sl_text_init(&out, cap);
		assert_int_equal(sl_given_write_stream(answer, true, &out),
				 cap < whole ? -ENOMEM : 0);
		sl_text_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
