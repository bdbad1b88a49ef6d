/* SPDX-License-Identifier: BSD-2-Clause */
/* The file of what was spent as the sum of several processes, over days, losses and copies. */
#include "user/ops/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#define DAY_S	86400ull
#define FIRST_S 1709078400ull /* 2024-02-28, 0:00 UTC; then comes the 29th, then March */

static char directory[] = "/tmp/sluice-ledger.XXXXXX";
static char path[64];

static void open_ledger(struct sl_ledger *ledger)
{
	sl_ledger_init(ledger);
	ledger->path = strdup(path);
	assert_non_null(ledger->path);
}

static void charge(struct sl_ledger *ledger, const char *name, uint64_t nano)
{
	struct sl_purse purse = {sl_accounts_get(&ledger->accounts, SL_SPEND_KEY, name), {0}};

	sl_purse_settle(&purse, 0, nano);
}

static void expect_spent(struct sl_ledger *ledger, const char *name, uint64_t day, uint64_t month,
			 uint64_t total)
{
	const struct sl_account *account = sl_accounts_get(&ledger->accounts, SL_SPEND_KEY, name);

	assert_int_equal(sl_account_spent(account, SL_BUDGET_DAY), day);
	assert_int_equal(sl_account_spent(account, SL_BUDGET_MONTH), month);
	assert_int_equal(sl_account_spent(account, SL_BUDGET_TOTAL), total);
}

static void expect_file(uint64_t now_s, const char *name, uint64_t day, uint64_t month,
			uint64_t total)
{
	const struct sl_spend_row *row;
	struct sl_spend_file file;
	struct sl_error error;

	assert_int_equal(sl_spend_file_read(path, sl_money_date(now_s), &file, &error), 0);
	row = sl_spend_file_find(&file, SL_SPEND_KEY, name);
	assert_non_null(row);
	assert_int_equal(row->day, day);
	assert_int_equal(row->month, month);
	assert_int_equal(row->total, total);
	sl_spend_file_fini(&file);
}

static int clean(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static void a_process_finds_what_another_left(void **state)
{
	struct sl_ledger a, b;

	(void)state;
	open_ledger(&a);
	assert_int_equal(sl_ledger_merge(&a, FIRST_S), 0);
	assert_int_equal(access(path, F_OK), -1); /* nothing spent, nothing written */
	charge(&a, "k", 5);
	assert_int_equal(sl_ledger_merge(&a, FIRST_S), 0);
	expect_file(FIRST_S, "k", 5, 5, 5);
	sl_ledger_fini(&a);
	open_ledger(&b);
	assert_int_equal(sl_ledger_merge(&b, FIRST_S + DAY_S), 0);
	expect_spent(&b, "k", 0, 5, 5);
	charge(&b, "k", 2);
	assert_int_equal(sl_ledger_merge(&b, FIRST_S + DAY_S), 0);
	expect_file(FIRST_S + DAY_S, "k", 2, 7, 7);
	sl_ledger_fini(&b);
}

static void two_processes_see_each_other(void **state)
{
	struct sl_ledger a, b;

	(void)state;
	open_ledger(&a);
	open_ledger(&b);
	charge(&a, "k", 10);
	assert_int_equal(sl_ledger_merge(&a, FIRST_S), 0);
	charge(&b, "k", 1);
	charge(&b, "only", 100);
	assert_int_equal(sl_ledger_merge(&b, FIRST_S), 0);
	expect_spent(&b, "k", 11, 11, 11);
	expect_spent(&a, "k", 10, 10, 10);
	assert_int_equal(sl_ledger_merge(&a, FIRST_S), 0); /* the file has changed */
	expect_spent(&a, "k", 11, 11, 11);
	expect_spent(&a, "only", 100, 100, 100);
	charge(&a, "k", 3);
	charge(&b, "k", 4);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(sl_ledger_merge(&a, FIRST_S), 0);
		assert_int_equal(sl_ledger_merge(&b, FIRST_S), 0);
	}
	expect_spent(&a, "k", 18, 18, 18);
	expect_spent(&b, "k", 18, 18, 18);
	expect_file(FIRST_S, "k", 18, 18, 18);
	sl_ledger_fini(&a);
	sl_ledger_fini(&b);
}

static void days_and_months_turn(void **state)
{
	struct sl_ledger a;

	(void)state;
	open_ledger(&a);
	assert_int_equal(sl_ledger_merge(&a, FIRST_S), 0);
	charge(&a, "k", 5); /* of the 28th, saved when it is over */
	assert_int_equal(sl_ledger_merge(&a, FIRST_S + DAY_S), 0);
	expect_spent(&a, "k", 0, 5, 5);
	expect_file(FIRST_S + DAY_S, "k", 0, 5, 5);
	charge(&a, "k", 2);
	expect_spent(&a, "k", 2, 7, 7);
	assert_int_equal(sl_ledger_merge(&a, FIRST_S + DAY_S), 0);
	assert_int_equal(sl_ledger_merge(&a, FIRST_S + 2 * DAY_S), 0); /* March */
	expect_spent(&a, "k", 0, 0, 7);
	charge(&a, "k", 1);
	assert_int_equal(sl_ledger_merge(&a, FIRST_S + 2 * DAY_S), 0);
	expect_file(FIRST_S + 2 * DAY_S, "k", 1, 1, 8);
	sl_ledger_fini(&a);
}

static void days_turn_without_a_file(void **state)
{
	struct sl_ledger a;

	(void)state;
	sl_ledger_init(&a);
	assert_int_equal(sl_ledger_merge(&a, FIRST_S), 0);
	charge(&a, "k", 5);
	assert_int_equal(sl_ledger_merge(&a, FIRST_S + DAY_S), 0);
	expect_spent(&a, "k", 0, 5, 5);
	assert_int_equal(a.saves_ok + a.saves_failed, 0);
	sl_ledger_fini(&a);
}

static void write_file(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void a_lost_file_is_made_again(void **state)
{
	struct sl_ledger a;

	(void)state;
	open_ledger(&a);
	charge(&a, "k", 5);
	charge(&a, "other", 7);
	assert_int_equal(sl_ledger_merge(&a, FIRST_S), 0);
	unlink(path);
	charge(&a, "k", 1);
	assert_int_equal(sl_ledger_merge(&a, FIRST_S), 0);
	expect_file(FIRST_S, "k", 6, 6, 6);
	expect_file(FIRST_S, "other", 7, 7, 7);
	write_file("sluice-spend 1\ndate 20240228\nkey k 0 0 0.000000001\nend\n"); /* a copy */
	assert_int_equal(sl_ledger_merge(&a, FIRST_S), 0);
	expect_spent(&a, "k", 6, 6, 6);
	expect_file(FIRST_S, "k", 6, 6, 6);
	sl_ledger_fini(&a);
}

static void a_bad_file_is_left_alone(void **state)
{
	struct sl_ledger a;
	char line[64] = "";
	FILE *file;

	(void)state;
	write_file("my notes\n");
	open_ledger(&a);
	charge(&a, "k", 5);
	assert_int_not_equal(sl_ledger_merge(&a, FIRST_S), 0);
	assert_int_not_equal(sl_ledger_merge(&a, FIRST_S), 0);
	assert_int_equal(a.saves_failed, 2);
	assert_true(a.failing);
	file = fopen(path, "r");
	assert_non_null(fgets(line, sizeof(line), file));
	fclose(file);
	assert_string_equal(line, "my notes\n");
	expect_spent(&a, "k", 5, 5, 5); /* counts on */
	write_file("sluice-spend 1\ndate 20240228\nkey k 0.000000002 0.000000003 0.000000004\n"
		   "end\n");
	assert_int_equal(sl_ledger_merge(&a, FIRST_S), 0); /* mended: both count */
	assert_false(a.failing);
	expect_spent(&a, "k", 7, 8, 9);
	expect_file(FIRST_S, "k", 7, 8, 9);
	sl_ledger_fini(&a);
}

static void the_thread_saves_at_the_end(void **state)
{
	struct sl_config config = {.spend_file = path};
	struct sl_ledger a;
	uint64_t total = 0;
	struct sl_spend_file file;
	struct sl_error error;

	(void)state;
	sl_ledger_init(&a);
	assert_int_equal(sl_ledger_open(&a, &config), 0);
	charge(&a, "k", 5);
	sl_ledger_stop(&a);
	assert_int_equal(sl_spend_file_read(path, 20240228, &file, &error), 0);
	total = file.count ? file.rows[0].total : 0;
	sl_spend_file_fini(&file);
	assert_int_equal(total, 5);
	sl_ledger_fini(&a);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, clean)
	const struct CMUnitTest tests[] = {
		TEST(a_process_finds_what_another_left),
		TEST(two_processes_see_each_other),
		TEST(days_and_months_turn),
		TEST(days_turn_without_a_file),
		TEST(a_lost_file_is_made_again),
		TEST(a_bad_file_is_left_alone),
		TEST(the_thread_saves_at_the_end),
	};
	int status;

	if (!mkdtemp(directory))
		return 1;
	snprintf(path, sizeof(path), "%s/spend", directory);
	status = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(path, sizeof(path), "%s/spend.lock", directory);
	unlink(path);
	rmdir(directory);
	return status;
}
