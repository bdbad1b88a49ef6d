/* SPDX-License-Identifier: BSD-2-Clause */
/* A file's text replaced whole; what a killed writer left is in nobody's way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/replace.h"

static char dir[64], path[96], beside[128];

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/sluice-replace-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/file", dir);
	snprintf(beside, sizeof(beside), "%s.new.%ld", path, (long)getpid());
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rmdir(beside);
	unlink(path);
	return rmdir(dir); /* fails when anything is left */
}

static int replace(const char *text)
{
	struct sl_span part = sl_span_string(text);

	return sl_replace_file_parts(path, &part, 1);
}

static void has(const char *text)
{
	char got[64] = "";
	FILE *file = fopen(path, "r");
	size_t len;

	assert_non_null(file);
	len = fread(got, 1, sizeof(got) - 1, file);
	fclose(file);
	got[len] = 0;
	assert_string_equal(got, text);
}

static void test_replaces(void **state)
{
	(void)state;
	assert_int_equal(replace("one"), 0);
	assert_int_equal(replace("two"), 0);
	has("two");
}

/* Killed between open and rename: the next process may have the same number. */
static void test_leftover(void **state)
{
	struct stat stat_of;
	FILE *file = fopen(beside, "w");

	(void)state;
	assert_non_null(file);
	fputs("half of what", file);
	fclose(file);
	assert_int_equal(chmod(beside, 0644), 0);
	assert_int_equal(replace("whole"), 0);
	has("whole");
	assert_int_equal(stat(path, &stat_of), 0);
	assert_int_equal(stat_of.st_mode & 0777, 0600);
	assert_int_equal(access(beside, F_OK), -1);
}

/* What is no file of ours is not removed, and said. */
static void test_in_the_way(void **state)
{
	(void)state;
	assert_int_equal(replace("old"), 0);
	assert_int_equal(mkdir(beside, 0700), 0);
	assert_true(replace("new") < 0);
	has("old");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_replaces),
		TEST(test_leftover),
		TEST(test_in_the_way),
	};

	return cmocka_run_group_tests_name("replace", tests, NULL, NULL);
}
