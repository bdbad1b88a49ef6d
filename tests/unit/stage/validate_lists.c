/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of files: good, bad, gone and changed; what is held outlives a change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/log.h"
#include "user/stage/validate_lists.h"

static char dir[64];
static char paths[3][96];
static struct sl_config config;
static struct sl_validate_lists *lists;

static void write_file(const char *path, const char *text)
{
	char fresh[128];
	FILE *file;

	/* another inode: what is written within one tick of the clock looks different too */
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	file = fopen(fresh, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(rename(fresh, path), 0);
}

static bool finds(const char *path, const char *text)
{
	struct sl_validate_list list;
	size_t at, len;
	bool found;

	assert_true(sl_validate_lists_get(lists, path, &list));
	found = sl_pattern_find(list.patterns, text, strlen(text), 0, &at, &len) == 1;
	sl_pattern_free(&list.patterns);
	return found;
}

static struct sl_validate_list_stats stats_of(uint32_t number)
{
	struct sl_validate_list_stats stats;

	assert_true(sl_validate_lists_read_stats(lists, number, &stats));
	return stats;
}

/* Two routes; the first list is named three times, and read once. */
static int set_up(void **state)
{
	static struct sl_config_route routes[2];

	(void)state;
	sl_log_set_level(SL_LOG_ERROR);
	strcpy(dir, "/tmp/sluice-lists-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	for (int i = 0; i < 3; i++)
		snprintf(paths[i], sizeof(paths[i]), "%s/%c", dir, 'a' + i);
	routes[0].validate.lists_in = (struct sl_config_paths){{paths[0], paths[1]}, 2};
	routes[0].validate.lists_out = (struct sl_config_paths){{paths[0]}, 1};
	routes[1].validate.lists_out = (struct sl_config_paths){{paths[2], paths[0]}, 2};
	config = (struct sl_config){.routes = routes, .route_count = 2};
	write_file(paths[0], "one\n");
	write_file(paths[1], "two\n");
	lists = sl_validate_lists_open();
	return lists ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	sl_validate_lists_close(&lists);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command) == 0 ? 0 : -1;
}

static void test_load(void **state)
{
	struct sl_validate_list list;
	struct sl_validate_list_stats stats;

	(void)state;
	/* the third is not there */
	assert_int_equal(sl_validate_lists_load(lists, &config, false), 1);
	assert_true(finds(paths[0], "one"));
	assert_true(finds(paths[1], "two"));
	assert_false(sl_validate_lists_get(lists, paths[2], &list));
	assert_false(sl_validate_lists_get(lists, "/nowhere", &list));
	assert_string_equal(stats_of(0).path, paths[0]);
	assert_int_equal(stats_of(2).loads_failed, 1);
	assert_false(stats_of(2).is_current);
	assert_false(sl_validate_lists_read_stats(lists, 3, &stats));
}

static void test_change(void **state)
{
	struct sl_validate_list old;
	size_t at, len;
	uint64_t version;

	(void)state;
	assert_int_equal(sl_validate_lists_load(lists, &config, false), 1);
	assert_true(sl_validate_lists_get(lists, paths[0], &old));
	version = old.version;
	(*old.matches)++;

	/* nothing has changed; the missing one is not said again */
	assert_int_equal(sl_validate_lists_load(lists, &config, true), 0);
	assert_int_equal(stats_of(2).loads_failed, 1);

	write_file(paths[0], "three\n");
	write_file(paths[2], "four\n");
	assert_int_equal(sl_validate_lists_load(lists, &config, true), 0);
	assert_true(finds(paths[0], "three"));
	assert_false(finds(paths[0], "one"));
	assert_true(finds(paths[2], "four"));
	/* who began with the old one ends with it, and counts on */
	assert_int_equal(sl_pattern_find(old.patterns, "one", 3, 0, &at, &len), 1);
	(*old.matches)++;
	sl_pattern_free(&old.patterns);
	assert_int_equal(stats_of(0).matches, 2);
	assert_true(sl_validate_lists_get(lists, paths[0], &old));
	assert_true(old.version != version);
	sl_pattern_free(&old.patterns);
}

static void test_bad(void **state)
{
	(void)state;
	write_file(paths[2], "\n");
	assert_int_equal(sl_validate_lists_load(lists, &config, false), 0);
	write_file(paths[0], "one\n/(/\n");
	assert_int_equal(unlink(paths[1]), 0);
	assert_int_equal(sl_validate_lists_load(lists, &config, true), 2);
	assert_true(finds(paths[0], "one"));
	assert_true(finds(paths[1], "two"));
	assert_false(stats_of(0).is_current);
	assert_false(stats_of(1).is_current);
	write_file(paths[0], "five\n");
	write_file(paths[1], "two\n");
	assert_int_equal(sl_validate_lists_load(lists, &config, true), 0);
	assert_true(finds(paths[0], "five"));
	assert_true(stats_of(1).is_current);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_load, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_change, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bad, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
