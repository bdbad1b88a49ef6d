/* SPDX-License-Identifier: BSD-2-Clause */
/* Names, inheritance and ranges of the tunables; and that docs/tunables.md is what the table says. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "user/base/tunables.h"

static uint64_t map[SL_TUNABLES_SIZE];

static void test_find(void **unused)
{
	(void)unused;
	assert_int_equal(sl_tunable_find("breaker.open_ms"), SL_TUNABLE_BREAKER_OPEN_MS);
	assert_int_equal(sl_tunable_find("fast_lane.enabled"), SL_TUNABLE_FAST_LANE);
	assert_int_equal(sl_tunable_find("breaker.open"), -ENOENT);
	assert_int_equal(sl_tunable_find(""), -ENOENT);
	for (int id = 0; id < SL_TUNABLE_COUNT; id++) {
		assert_int_equal(sl_tunable_find(sl_tunable_info[id].name), id);
		assert_true(sl_tunable_info[id].initial >= sl_tunable_info[id].min);
		assert_true(sl_tunable_info[id].initial <= sl_tunable_info[id].max);
	}
}

static void test_get(void **unused)
{
	struct sl_breaker_config config;

	(void)unused;
	memset(map, 0xff, sizeof(map));
	assert_int_equal(sl_tunable_get(map, 0, SL_TUNABLE_BREAKER_OPEN_MS), 5000);
	assert_int_equal(sl_tunable_get(map, 9, SL_TUNABLE_BREAKER_OPEN_MS), 5000);
	map[SL_TUNABLE_BREAKER_OPEN_MS] = 700;
	map[9 * SL_TUNABLE_KEYS + SL_TUNABLE_BREAKER_OPEN_MS] = 900;
	assert_int_equal(sl_tunable_get(map, 0, SL_TUNABLE_BREAKER_OPEN_MS), 700);
	assert_int_equal(sl_tunable_get(map, 8, SL_TUNABLE_BREAKER_OPEN_MS), 700);
	assert_int_equal(sl_tunable_get(map, 9, SL_TUNABLE_BREAKER_OPEN_MS), 900);
	assert_int_equal(sl_tunable_get(map, 70000, SL_TUNABLE_BREAKER_OPEN_MS), 700);
	map[9 * SL_TUNABLE_KEYS + SL_TUNABLE_BREAKER_OPEN_MS] = 0; /* bpftool checks nothing */
	assert_int_equal(sl_tunable_get(map, 9, SL_TUNABLE_BREAKER_OPEN_MS), 10);
	map[9 * SL_TUNABLE_KEYS + SL_TUNABLE_BREAKER_OPEN_MS] = 1ull << 40;
	assert_int_equal(sl_tunable_get(map, 9, SL_TUNABLE_BREAKER_OPEN_MS), 600000);
	sl_breaker_config_fill(map, 9, &config);
	assert_int_equal(config.open_ms, 600000);
	assert_int_equal(config.consecutive, 5);
	assert_int_equal(config.failure_percent, 50);
	assert_int_equal(config.volume, 20);
	assert_int_equal(config.open_max_ms, 120000);
	assert_int_equal(config.probe_ms, 10000);
	assert_int_equal(config.successes, 3);
	assert_int_equal(config.eject_percent, 50);
	assert_int_equal(config.slow_percent + config.metrics_only, 0);
}

static void test_clamp(void **unused)
{
	struct sl_breaker_config zero = {0}, full;

	(void)unused;
	memset(&full, 0xff, sizeof(full));
	sl_breaker_config_clamp(&zero);
	sl_breaker_config_clamp(&full);
	assert_int_equal(zero.consecutive, 1);
	assert_int_equal(zero.open_ms, 10);
	assert_int_equal(full.successes, 15);
	assert_int_equal(full.open_max_ms, 3600000);
	assert_int_equal(full.metrics_only, 1);
}

/* The page is committed; this fails when the table has moved on. Run from the repository's root. */
static void test_page_is_current(void **unused)
{
	char *made = NULL, *kept;
	size_t made_len = 0, kept_len;
	FILE *file = open_memstream(&made, &made_len);

	(void)unused;
	sl_tunables_write_markdown(file);
	fclose(file);
	if (getenv("SL_WRITE_PAGES")) {
		file = fopen("docs/tunables.md", "w");
		assert_non_null(file);
		fwrite(made, 1, made_len, file);
		fclose(file);
	}
	file = fopen("docs/tunables.md", "r");
	if (!file)
		fail_msg("docs/tunables.md: not found; run from the repository's root");
	kept = malloc(made_len + 2);
	kept_len = fread(kept, 1, made_len + 1, file);
	fclose(file);
	if (kept_len != made_len || memcmp(kept, made, made_len) != 0)
		fail_msg("docs/tunables.md is not what the table says; "
			 "SL_WRITE_PAGES=1 build/unit/base/tunables writes it");
	free(kept);
	free(made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_clamp),
		cmocka_unit_test(test_page_is_current),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
