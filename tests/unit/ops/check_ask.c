/* SPDX-License-Identifier: BSD-2-Clause */
/* What health checks send: requests that every server takes, whatever its model is called. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "user/ops/check_ask.h"
#include "user/wire/json_scan.h"

struct row {
	const char *description;
	enum sl_check_question question;
	enum sl_config_generate generate_as;
	const char *model; /* JSON */
	const struct sl_upstream_pool *pool;
	const char *head; /* how it begins */
	const char *body;
};

static const struct sl_upstream_pool plain = {.name = "p"};
static const struct sl_upstream_pool hosted = {
	.name = "h", .path = "/openai/v1", .key_line = "authorization: Bearer k-1\r\n"};
static const struct sl_upstream_pool claude = {
	.name = "c", .api = SL_CONFIG_API_ANTHROPIC, .key_line = "x-api-key: k-2\r\n"};

static const struct row rows[] = {
	{"liveness", SL_CHECK_LIVE, SL_CONFIG_GENERATE_CHAT, NULL, &plain,
	 "GET /health HTTP/1.1\r\n", ""},
	{"readiness", SL_CHECK_READINESS, SL_CONFIG_GENERATE_CHAT, NULL, &plain,
	 "GET /v1/ready?full HTTP/1.1\r\n", ""},
	{"models", SL_CHECK_MODELS, SL_CONFIG_GENERATE_CHAT, NULL, &plain,
	 "GET /v1/models HTTP/1.1\r\n", ""},
	{"models, below another path", SL_CHECK_MODELS, SL_CONFIG_GENERATE_CHAT, NULL, &hosted,
	 "GET /openai/v1/models HTTP/1.1\r\n", ""},
	{"a token of a chat", SL_CHECK_GENERATE, SL_CONFIG_GENERATE_CHAT, "\"org/m\"", &plain,
	 "POST /v1/chat/completions HTTP/1.1\r\n",
	 "{\"model\":\"org/"
	 "m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"max_tokens\":1}"},
	{"a token of a completion", SL_CHECK_GENERATE, SL_CONFIG_GENERATE_COMPLETIONS, "\"a\\\"b\"",
	 &plain, "POST /v1/completions HTTP/1.1\r\n",
	 "{\"model\":\"a\\\"b\",\"prompt\":\"a\",\"max_tokens\":1}"},
	{"a vector", SL_CHECK_GENERATE, SL_CONFIG_GENERATE_EMBEDDINGS, "\"e\"", &plain,
	 "POST /v1/embeddings HTTP/1.1\r\n", "{\"model\":\"e\",\"input\":\"a\"}"},
	{"liveness, hosted: no path of the API", SL_CHECK_LIVE, SL_CONFIG_GENERATE_CHAT, NULL,
	 &hosted, "GET /health HTTP/1.1\r\n", ""},
	{"readiness, hosted", SL_CHECK_READINESS, SL_CONFIG_GENERATE_CHAT, NULL, &hosted,
	 "GET /openai/v1/ready?full HTTP/1.1\r\n", ""},
	{"a token, hosted", SL_CHECK_GENERATE, SL_CONFIG_GENERATE_CHAT, "\"m\"", &hosted,
	 "POST /openai/v1/chat/completions HTTP/1.1\r\n",
	 "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],"
	 "\"max_tokens\":1}"},
	{"a token of a message", SL_CHECK_GENERATE, SL_CONFIG_GENERATE_CHAT, "\"m\"", &claude,
	 "POST /v1/messages HTTP/1.1\r\n",
	 "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],"
	 "\"max_tokens\":1}"},
};

static void test_requests(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct sl_config_health config = {
			.live_path = "/health",
			.ready_path = "/v1/ready?full",
			.generate_as = row->generate_as,
		};
		struct sl_check_ask ask = {
			.question = row->question,
			.config = &config,
			.pool = row->pool,
			.model_json = row->model,
			.model_json_len = row->model ? strlen(row->model) : 0,
		};
		size_t head_len = 0, body_len = 0;
		char room[1024], length[64];

		if (sl_check_ask_write(&ask, "10.0.0.7:8000", room, sizeof(room), &head_len,
				       &body_len))
			fail_msg("%s: not written", row->description);
		room[head_len + body_len] = '\0';
		if (strncmp(room, row->head, strlen(row->head)) != 0 ||
		    strcmp(room + head_len, row->body) != 0)
			fail_msg("%s: %s", row->description, room);
		assert_int_equal(memcmp(room + head_len - 4, "\r\n\r\n", 4), 0);
		assert_non_null(strstr(room, "\r\nhost: 10.0.0.7:8000\r\n"));
		if (row->pool->key_line) {
			const char *key = strstr(room, row->pool->key_line);

			assert_true(key && key < room + head_len && key[-1] == '\n');
		}
		assert_int_equal(strstr(room, "\r\nanthropic-version: 2023-06-01\r\n") != NULL,
				 row->pool->api == SL_CONFIG_API_ANTHROPIC);
		snprintf(length, sizeof(length), "\r\ncontent-length: %zu\r\n", body_len);
		assert_int_equal(strstr(room, length) != NULL, body_len != 0);
		if (body_len)
			assert_int_equal(sl_json_check(room + head_len, body_len, NULL), 0);
	}
}

/* Nothing that a server may not know, and nothing that a model that reasons refuses. */
static void test_members(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static const char *const wrong[] = {"temperature", "top_p",	      "stop",
						    "stream",	   "response_format", "logprobs"};

		for (size_t w = 0; w < sizeof(wrong) / sizeof(wrong[0]); w++)
			assert_null(strstr(rows[i].body, wrong[w]));
	}
}

static void test_no_room(void **unused)
{
	struct sl_config_health config = {.live_path = "/health"};
	struct sl_check_ask ask = {.question = SL_CHECK_LIVE, .config = &config, .pool = &plain};
	size_t head_len, body_len;
	char room[40];

	(void)unused;
	assert_int_equal(
		sl_check_ask_write(&ask, "10.0.0.7:8000", room, sizeof(room), &head_len, &body_len),
		-ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
