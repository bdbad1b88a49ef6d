/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's line on its admin socket: what is read of it, and that every cut of it is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "user/base/admin_answer.h"

struct answer_case {
	const char *line;
	int error;
	struct sl_admin_answer expected;
};

static const struct answer_case cases[] = {
	{"{\"pid\":4711,\"abi\":1,\"kernel_plane\":\"memory\",\"io\":\"epoll\",\"draining\":true}"
	 "\n",
	 0,
	 {4711, 1, true, true, "epoll", ""}},
	{"{\"abi\":2,\"kernel_plane\":\"bpf\"}", 0, {0, 2, false, false, "", ""}},
	{" { \"kernel_plane\" : \"bpf\" ,\t\"abi\" : 3 } \r\n", 0, {0, 3, false, false, "", ""}},
	/* members of a later daemon, with everything that could end a value too early */
	{"{\"new\":{\"abi\":9,\"a\":[1,{\"b\":\"}\"}]},\"abi\":1,\"s\":\"\\\"},{\\\\\",\"n\":null,"
	 "\"kernel_plane\":\"memory\",\"l\":[],\"f\":-1.5e3}",
	 0,
	 {0, 1, true, false, "", ""}},
	{"{\"abi\":1,\"kernel_plane\":\"bpf\",\"io\":\"a-name-that-is-too-long\"}",
	 0,
	 {0, 1, false, false, "a-name-that-is-", ""}},
	{"{\"abi\":1,\"kernel_plane\":\"bpf\",\"profile\":\"critical\"}",
	 0,
	 {0, 1, false, false, "", "critical"}},
	{"", -EPROTO, {0}},
	{"\n", -EPROTO, {0}},
	{"{}", -EPROTO, {0}},
	{"[1]", -EPROTO, {0}},
	{"HTTP/1.1 400 Bad Request\r\n", -EPROTO, {0}},
	{"{\"abi\":1}", -EPROTO, {0}},
	{"{\"kernel_plane\":\"bpf\"}", -EPROTO, {0}},
	{"{\"abi\":\"1\",\"kernel_plane\":\"bpf\"}", -EPROTO, {0}},
	{"{\"abi\":4294967296,\"kernel_plane\":\"bpf\"}", -EPROTO, {0}},
	{"{\"abi\":-1,\"kernel_plane\":\"bpf\"}", -EPROTO, {0}},
	{"{\"abi\":1,\"kernel_plane\":\"none\"}", -EPROTO, {0}},
	{"{\"abi\":1,\"kernel_plane\":memory}", -EPROTO, {0}},
	{"{\"abi\":1,\"kernel_plane\":\"bpf\"} {}", -EPROTO, {0}},
	{"{\"abi\":1,\"kernel_plane\":\"bpf\"]", -EPROTO, {0}},
	{"{\"abi\":1,\"kernel_plane\":\"bpf\",}", -EPROTO, {0}},
	{"{\"abi\" 1,\"kernel_plane\":\"bpf\"}", -EPROTO, {0}},
};

static void test_parse(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct sl_admin_answer *expected = &cases[i].expected;
		struct sl_admin_answer answer = {.pid = 99};
		int error = sl_admin_answer_parse(cases[i].line, strlen(cases[i].line), &answer);

		if (error != cases[i].error)
			print_error("case %zu: %s\n", i, cases[i].line);
		assert_int_equal(error, cases[i].error);
		if (error) {
			assert_int_equal(answer.pid, 99); /* untouched */
			continue;
		}
		assert_int_equal(answer.pid, expected->pid);
		assert_int_equal(answer.abi, expected->abi);
		assert_int_equal(answer.memory, expected->memory);
		assert_int_equal(answer.draining, expected->draining);
		assert_string_equal(answer.io, expected->io);
		assert_string_equal(answer.profile, expected->profile);
	}
}

/* A line cut at any byte is refused, and not a byte behind the cut is read. */
static void test_cut(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_admin_answer answer;
		const char *line = cases[i].line;
		size_t len = cases[i].error ? 0 : (size_t)(strrchr(line, '}') - line);

		for (size_t cut = 0; cut < len; cut++) {
			char *copy = malloc(cut + 1);

			assert_non_null(copy);
			memcpy(copy, line, cut);
			assert_int_equal(sl_admin_answer_parse(copy, cut, &answer), -EPROTO);
			free(copy);
		}
	}
}

static void test_many(void **unused)
{
	char line[SL_ADMIN_ANSWER_BYTES_MAX] = "{\"abi\":1,\"kernel_plane\":\"bpf\"";
	struct sl_admin_answer answer;

	(void)unused;
	for (unsigned i = 2; i < SL_ADMIN_ANSWER_PARTS_MAX; i++)
		strcat(line, ",\"a\":0");
	strcat(line, "}");
	assert_int_equal(sl_admin_answer_parse(line, strlen(line), &answer), 0);
	line[strlen(line) - 1] = '\0';
	strcat(line, ",\"a\":0}");
	assert_int_equal(sl_admin_answer_parse(line, strlen(line), &answer), -EPROTO);
}

static void test_format(void **unused)
{
	static const struct sl_admin_answer said = {4294967295u, 1,	     true,
						    true,	 "io_uring", "enterprise"};
	struct sl_admin_answer heard;
	char line[SL_ADMIN_ANSWER_BYTES_MAX];
	size_t len = sl_admin_answer_format(&said, line, sizeof(line));

	(void)unused;
	assert_int_equal(len, strlen(line));
	assert_int_equal(line[len - 1], '\n');
	assert_int_equal(sl_admin_answer_parse(line, len, &heard), 0);
	assert_int_equal(heard.pid, said.pid);
	assert_int_equal(heard.abi, said.abi);
	assert_true(heard.memory && heard.draining);
	assert_string_equal(heard.io, said.io);
	assert_string_equal(heard.profile, said.profile);
	assert_int_equal(sl_admin_answer_format(&said, line, len), 0);
	assert_int_equal(sl_admin_answer_format(&said, line, len + 1), len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
