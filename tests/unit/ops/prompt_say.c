/* SPDX-License-Identifier: BSD-2-Clause */
/* What is said of prompts: the words of the command, and the same over HTTP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/ops/prompt_http.h"
#include "user/ops/prompt_say.h"

#define A "@system\nBe kind.\n"
#define B "@system\nBe short.\n"

static char dir[64];
static struct sl_prompts *prompts;
static struct sl_text text;

static int open_all(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/sluice-prompt-say-XXXXXX");
	sl_text_init(&text, 1u << 20);
	return mkdtemp(dir) && !sl_prompts_open(dir, &prompts, NULL) ? 0 : -1;
}

static int close_all(void **state)
{
	char command[128];

	(void)state;
	sl_prompts_close(&prompts);
	sl_text_fini(&text);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command) == 0 ? 0 : -1;
}

/* What comes of a line; text is lent until the next one. */
static const char *say(const char *line, const char *body)
{
	struct sl_prompt_ask ask = {.who = "uid 7", .body = sl_span_string(body)};
	char copy[256];

	snprintf(copy, sizeof(copy), "%s", line);
	sl_text_reset(&text);
	sl_prompt_say(prompts, copy, &ask, &text);
	return sl_text_string(&text);
}

/* The hash that a push or a promote says, which has to be a whole one. */
static void keep_hash(const char *answer, char hash[SL_PROMPT_HASH_SIZE])
{
	assert_int_equal(sscanf(answer, "p %64[0-9a-f]", hash), 1);
	assert_int_equal(strlen(hash), SL_PROMPT_HASH_SIZE - 1);
}

static void test_life(void **state)
{
	char a[SL_PROMPT_HASH_SIZE], b[SL_PROMPT_HASH_SIZE], again[SL_PROMPT_HASH_SIZE], line[256];
	char wanted[512];

	(void)state;
	keep_hash(say("text push p", A), a);
	keep_hash(say("text push p", A), again);
	assert_string_equal(a, again);
	snprintf(line, sizeof(line), "text promote p %.8s", a);
	keep_hash(say(line, ""), again);
	keep_hash(say("text push p", B), b);
	assert_string_equal(say("text show p", ""), A);
	snprintf(line, sizeof(line), "text show p@%.8s", b);
	assert_string_equal(say(line, ""), B);
	snprintf(wanted, sizeof(wanted),
		 "--- p@%.12s\n+++ p@%.12s\n@@ -1,2 +1,2 @@\n @system\n-Be kind.\n+Be short.\n", a,
		 b);
	assert_string_equal(say("text diff p", ""), wanted);
	snprintf(line, sizeof(line), "text diff p %.8s stable", b);
	assert_non_null(strstr(say(line, ""), "\n-Be short.\n+Be kind.\n"));
	assert_string_equal(say("text diff p stable stable", ""), "");
	snprintf(line, sizeof(line), "text promote p@%.8s canary", b);
	keep_hash(say(line, ""), again);
	keep_hash(say("text promote p canary stable", ""), again); /* a label for a version */
	assert_string_equal(again, b);
	assert_string_equal(say("text show p", ""), B);
	assert_non_null(strstr(say("text list p", ""), "stable  good"));
	keep_hash(say("text rollback p", ""), again);
	assert_string_equal(again, a);
	assert_non_null(strstr(say("json show p", ""), "\"text\":\"@system\\nBe kind.\\n\"}"));
}

static const struct {
	const char *line, *body, *wanted;
} wrong[] = {
	{"text", "", "!expected list, show"},
	{"text do it", "", "!expected list, show"},
	{"text push p", "", "!prompt \"p\": its text is empty"},
	{"text push p", "@usr\n", "!prompt \"p\": line 1, column 1:"},
	{"text push p/q", A, "!prompt \"p/q\": an id is"},
	{"text push", A, "!expected push ID"},
	{"text show q", "", "!prompt \"q\" is not known"},
	{"text show", "", "!expected show ID [VERSION]"},
	{"text show k@000000", "", "!prompt \"k\": there is no version \"000000\""},
	{"text show k@canary", "", "!prompt \"k\": no version has the label \"canary\""},
	{"text promote k", "", "!expected promote ID VERSION [LABEL]"},
	{"text promote k canary best", "", "!label \"best\": expected stable"},
	{"text rollback k", "", "!prompt \"k\": stable was no other version"},
	{"text list a b", "", "!expected list [ID]"},
	{"text list "
	 "0123456789012345678901234567890123456789012345678901234567890123",
	 "", "!prompt \"0123"},
};

static void test_wrong(void **state)
{
	(void)state;
	say("text push k", A);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const char *got = say(wrong[i].line, wrong[i].body);

		if (strncmp(got, wrong[i].wanted, strlen(wrong[i].wanted)) != 0)
			fail_msg("%s: got %s", wrong[i].line, got);
	}
}

/* ---- over HTTP ---- */

static const char *type;

static int http(enum sl_h1_method method, const char *path, const char *query, const char *body)
{
	struct sl_admin_request request = {.method = method,
					   .path = sl_span_string(path),
					   .query = sl_span_string(query),
					   .body = sl_span_string(body)};

	sl_text_reset(&text);
	type = "application/json";
	return sl_prompt_http(prompts, &request, &(struct sl_prompt_ask){.who = "uid 7"}, &text,
			      &type);
}

static void test_http(void **state)
{
	char query[256], b[SL_PROMPT_HASH_SIZE];

	(void)state;
	assert_int_equal(http(SL_H1_METHOD_PUT, "/prompts/p", "", A), 200);
	assert_int_equal(
		sscanf(strstr(sl_text_string(&text), "version"), "version\":\"%64[0-9a-f]", b), 1);
	snprintf(query, sizeof(query), "version=%.10s", b);
	assert_int_equal(http(SL_H1_METHOD_POST, "/prompts/p/promote", query, ""), 200);
	assert_int_equal(http(SL_H1_METHOD_PUT, "/prompts/p", "", B), 200);
	sscanf(strstr(sl_text_string(&text), "version"), "version\":\"%64[0-9a-f]", b);
	snprintf(query, sizeof(query), "version=%.10s&label=canary", b);
	assert_int_equal(http(SL_H1_METHOD_POST, "/prompts/p/promote", query, ""), 200);
	assert_int_equal(http(SL_H1_METHOD_GET, "/prompts/p/canary", "", ""), 200);
	assert_string_equal(sl_text_string(&text), B);
	assert_string_equal(type, "text/plain; charset=utf-8");
	assert_int_equal(http(SL_H1_METHOD_GET, "/prompts/p/diff", "to=canary", ""), 200);
	assert_non_null(strstr(sl_text_string(&text), "\n-Be kind.\n+Be short.\n"));
	assert_int_equal(
		http(SL_H1_METHOD_GET, "/prompts/p/diff", "from=canary&to=stable&json", ""), 200);
	assert_non_null(strstr(sl_text_string(&text), "\\n-Be short.\\n+Be kind.\\n\"}"));
	assert_int_equal(http(SL_H1_METHOD_GET, "/prompts", "", ""), 200);
	assert_non_null(strstr(sl_text_string(&text), "{\"prompts\":[{\"id\":\"p\""));
	assert_string_equal(type, "application/json");
	assert_int_equal(http(SL_H1_METHOD_POST, "/prompts/p/promote", "version=canary", ""), 200);
	assert_int_equal(http(SL_H1_METHOD_POST, "/prompts/p/rollback", "", ""), 200);
	assert_int_equal(http(SL_H1_METHOD_GET, "/prompts/p/stable", "", ""), 200);
	assert_string_equal(sl_text_string(&text), A);
}

static void test_http_wrong(void **state)
{
	(void)state;
	assert_int_equal(http(SL_H1_METHOD_GET, "/", "", ""), 404);
	assert_int_equal(http(SL_H1_METHOD_GET, "/promptsx", "", ""), 404);
	assert_int_equal(http(SL_H1_METHOD_GET, "/prompts/p/a/b", "", ""), 404);
	assert_int_equal(http(SL_H1_METHOD_GET, "/prompts/p", "", ""), 404);
	assert_int_equal(http(SL_H1_METHOD_PUT, "/prompts", "", A), 405);
	assert_int_equal(http(SL_H1_METHOD_DELETE, "/prompts/p", "", ""), 405);
	assert_int_equal(http(SL_H1_METHOD_POST, "/prompts/p/push", "", A), 405);
	assert_int_equal(http(SL_H1_METHOD_PUT, "/prompts/p", "", "@usr\n"), 400);
	assert_non_null(
		strstr(sl_text_string(&text), "{\"error\":{\"message\":\"prompt \\\"p\\\": line"));
	assert_int_equal(http(SL_H1_METHOD_PUT, "/prompts/p", "", A), 200);
	assert_int_equal(http(SL_H1_METHOD_POST, "/prompts/p/promote", "version=000000", ""), 404);
	assert_int_equal(http(SL_H1_METHOD_POST, "/prompts/p/promote", "", ""), 400);
	assert_int_equal(http(SL_H1_METHOD_POST, "/prompts/p/rollback", "", ""), 404);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_life), TEST(test_wrong), TEST(test_http),
					   TEST(test_http_wrong)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
