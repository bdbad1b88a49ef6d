/* SPDX-License-Identifier: BSD-2-Clause */
/* The request for the rest of an answer: what it becomes, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include "user/wire/openai_continue.h"

#define USER  "{\"role\":\"user\",\"content\":\"Hi\"}"
#define MSGS  "\"messages\":[" USER "]"
#define FLAGS ",\"continue_final_message\":true,\"add_generation_prompt\":false}"
#define REST  "{\"role\":\"assistant\",\"content\":\"a \\\"b\\\"\\n\"}"

struct continue_case {
	const char *name;
	enum sl_openai_endpoint endpoint;
	const char *body;
	const char *model_json;
	const char *wanted; /* NULL: refused */
};

/* The text so far is: a "b" and a line's end, in 5 tokens. */
static const struct continue_case cases[] = {
	{"plain", SL_OPENAI_CHAT, "{\"model\":\"m\"," MSGS "}", NULL,
	 "{\"model\":\"m\",\"messages\":[" USER "," REST "]" FLAGS},
	{"another name of the model", SL_OPENAI_CHAT, "{" MSGS ",\"model\":\"m\"}", "\"big\"",
	 "{\"messages\":[" USER "," REST "],\"model\":\"big\"" FLAGS},
	{"max_tokens", SL_OPENAI_CHAT, "{\"model\":\"m\",\"max_tokens\":12," MSGS "}", NULL,
	 "{\"model\":\"m\",\"max_tokens\":7,\"messages\":[" USER "," REST "]" FLAGS},
	{"both bounds, and min_tokens below what was sent", SL_OPENAI_CHAT,
	 "{\"max_completion_tokens\":6,\"model\":\"m\",\"min_tokens\":3," MSGS
	 ",\"max_tokens\":1000}",
	 NULL,
	 "{\"max_completion_tokens\":1,\"model\":\"m\",\"min_tokens\":0,\"messages\":[" USER
	 "," REST "],\"max_tokens\":995" FLAGS},
	{"no bound", SL_OPENAI_CHAT, "{\"model\":\"m\",\"max_tokens\":null," MSGS "}", NULL,
	 "{\"model\":\"m\",\"max_tokens\":null,\"messages\":[" USER "," REST "]" FLAGS},
	{"max_tokens used up", SL_OPENAI_CHAT, "{\"model\":\"m\",\"max_tokens\":5," MSGS "}", NULL,
	 NULL},
	{"unknown fields stay", SL_OPENAI_CHAT, "{\"model\":\"m\",\"top_k\":3," MSGS " }", NULL,
	 "{\"model\":\"m\",\"top_k\":3,\"messages\":[" USER "," REST
	 "],\"continue_final_message\":true,\"add_generation_prompt\":false }"},
	{"blanks before the bracket", SL_OPENAI_CHAT, "{\"model\":\"m\",\"messages\":[" USER "\n]}",
	 NULL, "{\"model\":\"m\",\"messages\":[" USER "\n," REST "]" FLAGS},
	{"response_format text", SL_OPENAI_CHAT,
	 "{\"model\":\"m\",\"response_format\":{\"type\":\"text\"}," MSGS "}", NULL,
	 "{\"model\":\"m\",\"response_format\":{\"type\":\"text\"},\"messages\":[" USER "," REST
	 "]" FLAGS},
	{"response_format json", SL_OPENAI_CHAT,
	 "{\"model\":\"m\",\"response_format\":{\"type\":\"json_object\"}," MSGS "}", NULL, NULL},
	{"guided_json", SL_OPENAI_CHAT, "{\"model\":\"m\",\"guided_json\":{}," MSGS "}", NULL,
	 NULL},
	{"guided_choice null", SL_OPENAI_CHAT, "{\"model\":\"m\",\"guided_choice\":null," MSGS "}",
	 NULL, "{\"model\":\"m\",\"guided_choice\":null,\"messages\":[" USER "," REST "]" FLAGS},
	{"structured_outputs", SL_OPENAI_CHAT,
	 "{\"model\":\"m\",\"structured_outputs\":{\"regex\":\"a\"}," MSGS "}", NULL, NULL},
	{"the client's own beginning", SL_OPENAI_CHAT,
	 "{\"model\":\"m\",\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":\"a\"}]}",
	 NULL, NULL},
	{"an answer further up is none", SL_OPENAI_CHAT,
	 "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\"}," USER "]}", NULL,
	 "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\"}," USER "," REST "]" FLAGS},
	{"a field of ours, set by the client", SL_OPENAI_CHAT,
	 "{\"model\":\"m\",\"add_generation_prompt\":false," MSGS "}", NULL, NULL},
	{"the other one", SL_OPENAI_CHAT,
	 "{\"model\":\"m\",\"continue_final_message\":false," MSGS "}", NULL, NULL},
	{"a completion", SL_OPENAI_COMPLETIONS,
	 "{\"model\":\"m\",\"prompt\":\"Say\",\"max_tokens\":9}", NULL,
	 "{\"model\":\"m\",\"prompt\":\"Saya \\\"b\\\"\\n\",\"max_tokens\":4}"},
	{"prompts", SL_OPENAI_COMPLETIONS, "{\"model\":\"m\",\"prompt\":[\"a\",\"b\"]}", NULL,
	 NULL},
	{"tokens for a prompt", SL_OPENAI_COMPLETIONS, "{\"model\":\"m\",\"prompt\":[1,2]}", NULL,
	 NULL},
	{"echo", SL_OPENAI_COMPLETIONS, "{\"model\":\"m\",\"prompt\":\"a\",\"echo\":true}", NULL,
	 NULL},
	{"no echo", SL_OPENAI_COMPLETIONS, "{\"model\":\"m\",\"prompt\":\"a\",\"echo\":false}",
	 NULL, "{\"model\":\"m\",\"prompt\":\"aa \\\"b\\\"\\n\",\"echo\":false}"},
	{"suffix", SL_OPENAI_COMPLETIONS, "{\"model\":\"m\",\"prompt\":\"a\",\"suffix\":\"z\"}",
	 NULL, NULL},
};

static void bodies(void **state)
{
	static const char text[] = "a \"b\"\n";
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct continue_case *c = &cases[i];
		struct sl_openai_continue how = {.text = text,
						 .text_len = sizeof(text) - 1,
						 .tokens = 5,
						 .model_json = c->model_json};
		struct sl_openai_request request;
		struct sl_openai_error error;
		struct sl_text out;
		int rc;

		how.model_json_len = c->model_json ? strlen(c->model_json) : 0;
		sl_text_init(&out, 0);
		assert_int_equal(sl_openai_request_read(c->endpoint, c->body, strlen(c->body),
							&request, &error),
				 SL_OPENAI_OK);
		rc = sl_openai_continue_write(&request, &how, &out);
		if (!c->wanted ? rc != -ENOTSUP : rc || strcmp(sl_text_string(&out), c->wanted))
			fail_msg("%s: %d %s", c->name, rc, sl_text_string(&out));
		if (rc == 0)
			assert_int_equal(sl_json_check(out.data, out.len, NULL), 0);
		if (rc == 0)
			assert_true(sl_openai_continue_may(&request));
		sl_text_fini(&out);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(bodies)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
