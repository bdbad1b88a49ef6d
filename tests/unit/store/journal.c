/* SPDX-License-Identifier: BSD-2-Clause */
/* A journal keeps rows in order and the last values; a disk that fails; another process takes over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/store/scratch.h"
#include "user/base/notice.h"
#include "user/store/journal.h"

static char directory[64], path[256];
static struct sl_text seen;

static void on_row(void *owner, uint64_t number, uint64_t at_ms, struct sl_span text)
{
	sl_text_printf(owner, "%d@%d=%.*s ", (int)number, (int)at_ms, (int)text.len, text.data);
}

static void on_value(void *owner, struct sl_span name, struct sl_span bytes)
{
	sl_text_printf(owner, "%.*s=%.*s ", (int)name.len, name.data, (int)bytes.len, bytes.data);
}

static const struct sl_journal_reader reader = {&seen, on_row, on_value};

static struct sl_journal *open_it(uint64_t before_ms)
{
	struct sl_journal *journal = NULL;

	sl_text_reset(&seen);
	assert_int_equal(sl_journal_open(path, "test", before_ms, &reader, &journal), 0);
	return journal;
}

static int setup(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/sluice-journal.XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/journal.db", directory);
	sl_text_init(&seen, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sl_text_fini(&seen);
	scratch_remove(directory);
	return 0;
}

static void test_keeps(void **state)
{
	struct sl_journal *journal = open_it(0);

	(void)state;
	assert_int_equal(seen.len, 0);
	sl_journal_add(journal, 7, 100, SL_SPAN("a"));
	sl_journal_keep(journal, "x", "old", 3);
	sl_journal_keep(journal, "y", "", 0);
	sl_journal_add(journal, 8, 90, SL_SPAN(""));
	sl_journal_keep(journal, "x", "new", 3);
	sl_journal_add(journal, 7, 200, SL_SPAN("it's"));
	sl_journal_close(&journal);
	journal = open_it(0);
	assert_string_equal(sl_text_string(&seen), "7@100=a 8@90= 7@200=it's x=new y= ");
	sl_journal_close(&journal);
	journal = open_it(150); /* 8 is old as a whole, 7 is not */
	assert_string_equal(sl_text_string(&seen), "7@100=a 7@200=it's x=new y= ");
	sl_journal_close(&journal);
}

static void test_without_path(void **state)
{
	struct sl_journal *journal = NULL;
	struct sl_journal_stats stats;

	(void)state;
	assert_int_equal(sl_journal_open(NULL, "test", 0, &reader, &journal), 0);
	sl_journal_add(journal, 1, 1, SL_SPAN("a"));
	sl_journal_read_stats(journal, &stats);
	assert_int_equal(stats.pending + stats.lost, 0);
	sl_journal_close(&journal);
	assert_null(journal);
	sl_journal_close(&journal);
	sl_journal_add(NULL, 1, 1, SL_SPAN("a"));
}

static void await(struct sl_journal *journal, bool failing)
{
	struct timespec pause = {.tv_nsec = 5000000};
	struct sl_journal_stats stats;

	do {
		nanosleep(&pause, NULL);
		sl_journal_read_stats(journal, &stats);
	} while (stats.failing != failing || (!failing && stats.pending));
}

/* Nobody is told of what did not change. */
static void expect_store(bool lost)
{
	struct sl_notice notice;

	assert_true(sl_notice_take(&notice));
	assert_int_equal(notice.kind, SL_NOTICE_STORE);
	assert_int_equal(notice.of, SL_NOTICE_OF_STORE);
	assert_string_equal(notice.name, "test");
	assert_int_equal(notice.over, !lost);
	assert_int_equal(notice.level, lost ? SL_NOTICE_WARN : SL_NOTICE_INFO);
	assert_false(sl_notice_take(&notice));
}

/* The directory is not there; then it is. */
static void test_disk_fails(void **state)
{
	char later[128];
	struct sl_journal *journal;
	struct sl_journal_stats stats;

	(void)state;
	snprintf(later, sizeof(later), "%s/later", directory);
	snprintf(path, sizeof(path), "%s/journal.db", later);
	assert_int_equal(sl_notice_open(), 0);
	journal = open_it(0);
	for (uint32_t i = 0; i < 3; i++)
		sl_journal_add(journal, i, i, SL_SPAN("r"));
	await(journal, true);
	expect_store(true);
	for (uint32_t i = 3; i < SL_JOURNAL_PENDING_MAX + 5; i++)
		sl_journal_add(journal, i, i, SL_SPAN("r"));
	sl_journal_read_stats(journal, &stats);
	assert_int_equal(stats.pending, SL_JOURNAL_PENDING_MAX);
	assert_int_equal(stats.lost, 5);
	assert_int_equal(mkdir(later, 0700), 0);
	await(journal, false);
	expect_store(false);
	sl_notice_close();
	sl_journal_read_stats(journal, &stats);
	assert_int_equal(stats.written, SL_JOURNAL_PENDING_MAX);
	sl_journal_close(&journal);
	journal = open_it(0);
	assert_memory_equal(sl_text_string(&seen), "0@0=r 1@1=r 2@2=r 3@3=r 4@4=r ", 30);
	sl_journal_close(&journal);
}

static void test_ends_without_disk(void **state)
{
	struct sl_journal *journal;

	(void)state;
	snprintf(path, sizeof(path), "%s/none/journal.db", directory);
	journal = open_it(0);
	sl_journal_add(journal, 1, 1, SL_SPAN("r"));
	sl_journal_close(&journal); /* must not wait for ever */
}

/* At a take-over the new process owns it. */
static void test_taken_over(void **state)
{
	struct sl_journal *old = open_it(0), *new;

	(void)state;
	sl_journal_add(old, 1, 1, SL_SPAN("before"));
	await(old, false);
	new = open_it(0);
	assert_string_equal(sl_text_string(&seen), "1@1=before ");
	sl_journal_add(old, 1, 2, SL_SPAN("late"));
	sl_journal_keep(old, "x", "late", 4);
	sl_journal_close(&old);
	sl_journal_add(new, 1, 3, SL_SPAN("mine"));
	sl_journal_close(&new);
	new = open_it(0);
	assert_string_equal(sl_text_string(&seen), "1@1=before 1@3=mine ");
	sl_journal_close(&new);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_keeps),      TEST(test_without_path),
		TEST(test_disk_fails), TEST(test_ends_without_disk),
		TEST(test_taken_over),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
