/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>
#include "user/base/clock.h"

/* What is written to standard error between begin and end. */
static int saved_fd;
static int pipe_fds[2];

static void begin(void)
{
	assert_int_equal(pipe(pipe_fds), 0);
	saved_fd = dup(STDERR_FILENO);
	dup2(pipe_fds[1], STDERR_FILENO);
	close(pipe_fds[1]);
}

static void end(char *out, size_t size)
{
	ssize_t got;
	size_t len = 0;

	dup2(saved_fd, STDERR_FILENO);
	close(saved_fd);
	while ((got = read(pipe_fds[0], out + len, size - 1 - len)) > 0)
		len += (size_t)got;
	out[len] = '\0';
	close(pipe_fds[0]);
}

static void record_is_one_line(void **state)
{
	char out[8192];
	char *body;

	(void)state;
	begin();
	sl_log(SL_LOG_WARN, "pool \"%s\": bad\nline\r\x1b[31m %s trips=%d", "chat", "h\xc3\xa9\xff",
	       3);
	end(out, sizeof(out));
	assert_int_equal(strncmp(out, "time=2", 6), 0);
	body = strchr(out, ' ');
	assert_non_null(body);
	assert_string_equal(body,
			    " level=warn pool \"chat\": bad\\nline\\x0d\\x1b[31m h\xc3\xa9\\xff "
			    "trips=3\n");
}

static void long_record_is_cut(void **state)
{
	static char many[5000];
	char out[8192];

	(void)state;
	memset(many, '\n', sizeof(many) - 1); /* each becomes two bytes */
	begin();
	sl_log(SL_LOG_ERROR, "%s", many);
	end(out, sizeof(out));
	assert_true(strlen(out) <= SL_LOG_RECORD_BYTES_MAX);
	assert_string_equal(out + strlen(out) - 4, "...\n");
	assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
}

static int evaluated;

static int evaluate(void)
{
	return ++evaluated;
}

static void level_decides(void **state)
{
	enum sl_log_level level;
	char out[8192];

	(void)state;
	begin();
	sl_log(SL_LOG_DEBUG, "%d", evaluate());
	sl_log_set_level(SL_LOG_DEBUG);
	sl_log(SL_LOG_DEBUG, "%d", evaluate());
	sl_log_set_level(SL_LOG_INFO);
	end(out, sizeof(out));
	assert_int_equal(evaluated, 1);
	assert_non_null(strstr(out, "level=debug 1\n"));
	assert_int_equal(sl_log_parse_level("warn", &level), 0);
	assert_int_equal(level, SL_LOG_WARN);
	assert_true(sl_log_parse_level("loud", &level) < 0);
}

static void site_limit_counts(void **state)
{
	struct sl_log_limit limit = {0};
	uint32_t suppressed = 9;
	unsigned passed = 0;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		passed += sl_log_limit_pass(&limit, 5000 + i, &suppressed);
	assert_int_equal(passed, SL_LOG_LIMIT_RECORDS);
	assert_true(sl_log_limit_pass(&limit, 5000 + SL_LOG_LIMIT_PERIOD_MS, &suppressed));
	assert_int_equal(suppressed, 100 - SL_LOG_LIMIT_RECORDS);
	assert_true(sl_log_limit_pass(&limit, 5001 + SL_LOG_LIMIT_PERIOD_MS, &suppressed));
	assert_int_equal(suppressed, 0);
}

static void limited_macro_stops(void **state)
{
	char out[8192];
	unsigned lines = 0;

	(void)state;
	begin();
	for (unsigned i = 0; i < 50; i++)
		sl_log_limited(SL_LOG_WARN, "again");
	end(out, sizeof(out));
	for (const char *at = out; (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	/* A period may end in between on a slow machine. */
	assert_in_range(lines, SL_LOG_LIMIT_RECORDS, 3 * SL_LOG_LIMIT_RECORDS);
}

static void iso_times(void **state)
{
	char out[SL_CLOCK_ISO_SIZE];

	(void)state;
	sl_clock_format_iso(0, out);
	assert_string_equal(out, "1970-01-01T00:00:00.000Z");
	sl_clock_format_iso(1709210096007ull, out);
	assert_string_equal(out, "2024-02-29T12:34:56.007Z");
	sl_clock_format_iso(UINT64_MAX, out);
	assert_int_equal(strncmp(out, "9999-", 5), 0);
	assert_true(sl_clock_ns() <= sl_clock_ns());
	assert_true(sl_clock_wall_ms() > 1600000000000ull);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(record_is_one_line),  cmocka_unit_test(long_record_is_cut),
		cmocka_unit_test(level_decides),       cmocka_unit_test(site_limit_counts),
		cmocka_unit_test(limited_macro_stops), cmocka_unit_test(iso_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
