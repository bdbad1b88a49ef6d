/* SPDX-License-Identifier: BSD-2-Clause */
/* Accounts and budgets: reservations, periods, and threads that spend at once. */
#include "user/policy/spend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define THREADS 4u
#define TURNS	20000u

static struct sl_accounts accounts;

static int open_accounts(void **state)
{
	(void)state;
	sl_accounts_init(&accounts);
	return 0;
}

static int close_accounts(void **state)
{
	(void)state;
	sl_accounts_fini(&accounts);
	return 0;
}

static void an_account_has_one_name_and_kind(void **state)
{
	struct sl_account *a = sl_accounts_get(&accounts, SL_SPEND_KEY, "a");
	char longest[SL_SPEND_NAME_MAX + 2];

	(void)state;
	assert_non_null(a);
	assert_ptr_equal(sl_accounts_get(&accounts, SL_SPEND_KEY, "a"), a);
	assert_ptr_not_equal(sl_accounts_get(&accounts, SL_SPEND_TENANT, "a"), a);
	assert_ptr_not_equal(sl_accounts_get(&accounts, SL_SPEND_KEY, "b"), a);
	assert_int_equal(accounts.count, 3);
	memset(longest, 'x', sizeof(longest));
	longest[SL_SPEND_NAME_MAX + 1] = '\0';
	assert_null(sl_accounts_get(&accounts, SL_SPEND_KEY, longest));
	longest[SL_SPEND_NAME_MAX] = '\0';
	assert_non_null(sl_accounts_get(&accounts, SL_SPEND_KEY, longest));
}

static void a_budget_bounds_what_is_spent_and_reserved(void **state)
{
	struct sl_purse purse = {sl_accounts_get(&accounts, SL_SPEND_KEY, "a"), {.total = 100}};

	(void)state;
	assert_int_equal(sl_purse_reserve(&purse, 60), SL_BUDGET_NONE);
	assert_int_equal(sl_purse_reserve(&purse, 41), SL_BUDGET_TOTAL);
	assert_int_equal(sl_purse_reserve(&purse, 40), SL_BUDGET_NONE);
	assert_int_equal(sl_purse_reserve(&purse, 1), SL_BUDGET_TOTAL);
	sl_purse_settle(&purse, 60, 10); /* less than was thought */
	assert_int_equal(sl_purse_reserve(&purse, 50), SL_BUDGET_NONE);
	assert_int_equal(sl_purse_reserve(&purse, 1), SL_BUDGET_TOTAL);
	sl_purse_settle(&purse, 40, 0);	 /* nothing was had */
	sl_purse_settle(&purse, 50, 95); /* more than was thought */
	assert_int_equal(sl_account_spent(purse.account, SL_BUDGET_TOTAL), 105);
	assert_int_equal(purse.account->reserved, 0);
	assert_int_equal(sl_purse_reserve(&purse, 1), SL_BUDGET_TOTAL);
	assert_int_equal(sl_purse_reserve(&purse, 0), SL_BUDGET_NONE); /* costs nothing */
}

static void each_period_counts_by_itself(void **state)
{
	struct sl_account *account = sl_accounts_get(&accounts, SL_SPEND_TENANT, "t");
	struct sl_purse purse = {account, {.day = 10, .month = 25}};

	(void)state;
	sl_purse_settle(&purse, 0, 10);
	assert_int_equal(sl_purse_reserve(&purse, 1), SL_BUDGET_DAY);
	account->day_base = account->total; /* the next day */
	assert_int_equal(sl_purse_reserve(&purse, 10), SL_BUDGET_NONE);
	sl_purse_settle(&purse, 10, 10);
	account->day_base = account->total;
	assert_int_equal(sl_purse_reserve(&purse, 6), SL_BUDGET_MONTH);
	assert_int_equal(sl_purse_reserve(&purse, 5), SL_BUDGET_NONE);
	sl_purse_settle(&purse, 5, 5);
	account->day_base = account->month_base = account->total; /* the next month */
	assert_int_equal(sl_account_spent(account, SL_BUDGET_MONTH), 0);
	assert_int_equal(sl_account_spent(account, SL_BUDGET_TOTAL), 25);
	assert_int_equal(sl_purse_reserve(&purse, 10), SL_BUDGET_NONE);
	sl_purse_settle(&purse, 10, 0);
}

static void *spend(void *arg)
{
	const struct sl_purse *purse = arg;
	uintptr_t admitted = 0;

	for (unsigned i = 0; i < TURNS; i++) {
		if (sl_purse_reserve(purse, 3) != SL_BUDGET_NONE)
			continue;
		sl_purse_settle(purse, 3, 2);
		admitted++;
	}
	return (void *)admitted;
}

static void threads_never_exceed_it(void **state)
{
	struct sl_purse purse = {sl_accounts_get(&accounts, SL_SPEND_MODEL, "m"),
				 {.day = THREADS * TURNS}};
	pthread_t threads[THREADS];
	uint64_t admitted = 0;
	void *each;

	(void)state;
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, spend, &purse), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &each);
		admitted += (uintptr_t)each;
	}
	assert_int_equal(purse.account->reserved, 0);
	assert_int_equal(purse.account->total, 2 * admitted);
	assert_true(purse.account->total <= purse.budget.day);
	assert_true(purse.account->total + 3 * THREADS >= purse.budget.day);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_accounts, close_accounts)
	const struct CMUnitTest tests[] = {
		TEST(an_account_has_one_name_and_kind),
		TEST(a_budget_bounds_what_is_spent_and_reserved),
		TEST(each_period_counts_by_itself),
		TEST(threads_never_exceed_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
