/* SPDX-License-Identifier: BSD-2-Clause */
/* Amounts, prices, periods, and the file of what was spent. */
#include "user/base/money.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include "tests/unit/guard.h"
#include "user/base/config.h"
#include "user/base/spend_file.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void amounts_are_exact(void **state)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t nano;
		const char *shown;
	} cases[] = {
		{"0", 0, 0, "0"},
		{"12", 0, 12000000000, "12"},
		{"0.1", 0, 100000000, "0.1"},
		{"00.10", 0, 100000000, "0.1"},
		{"0.000000001", 0, 1, "0.000000001"},
		{"3.000000000", 0, 3000000000, "3"},
		{"1000000000", 0, SL_MONEY_MAX, "1000000000"},
		{"1000000000.000000001", -ERANGE, 0, NULL},
		{"99999999999999999999", -ERANGE, 0, NULL},
		{"0.0000000001", -EDOM, 0, NULL},
		{"", -EINVAL, 0, NULL},
		{".", -EINVAL, 0, NULL},
		{".5", -EINVAL, 0, NULL},
		{"5.", -EINVAL, 0, NULL},
		{"-1", -EINVAL, 0, NULL},
		{"1e3", -EINVAL, 0, NULL},
		{"1,5", -EINVAL, 0, NULL},
		{"1.2.3", -EINVAL, 0, NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = strlen(cases[i].text);
		char *text = sl_guard_copy(cases[i].text, len);
		char shown[SL_MONEY_TEXT_SIZE];
		uint64_t nano = 77;

		if (sl_money_parse(text, len, &nano) != cases[i].rc)
			fail_msg("%s", cases[i].text);
		if (cases[i].rc == 0) {
			assert_int_equal(nano, cases[i].nano);
			assert_string_equal(sl_money_format(nano, shown), cases[i].shown);
		} else {
			assert_int_equal(nano, 77);
		}
		sl_guard_free(text, len);
	}
}

static void costs_are_rounded_up_once(void **state)
{
	const struct sl_price price = {1000000000, 500000000, 2000000000};
	const struct sl_price fine = {1, 1, 1}, most = {SL_PRICE_MAX, 0, SL_PRICE_MAX};

	(void)state;
	assert_int_equal(sl_price_of(&price, 1000, 400, 500), 1800000);
	assert_int_equal(sl_price_of(&price, 0, 0, 0), 0);
	assert_int_equal(sl_price_of(&price, 3, 7, 0), 1500); /* no more cached than there were */
	assert_int_equal(sl_price_of(&fine, 1, 0, 0), 1);
	assert_int_equal(sl_price_of(&fine, 600000, 0, 400000), 1);
	assert_int_equal(sl_price_of(&fine, 600000, 0, 400001), 2);
	assert_int_equal(sl_price_of(&most, UINT64_MAX, 0, UINT64_MAX), SL_MONEY_MAX);
}

static void periods_are_of_utc(void **state)
{
	(void)state;
	assert_int_equal(sl_money_date(0), 19700101);
	assert_int_equal(sl_money_date(1709164800), 20240229);
	assert_int_equal(sl_budget_left_s(SL_BUDGET_DAY, 1709164800), 86400);
	assert_int_equal(sl_budget_left_s(SL_BUDGET_DAY, 1709164801), 86399);
	assert_int_equal(sl_budget_left_s(SL_BUDGET_MONTH, 1709164801), 86399);
	assert_int_equal(sl_budget_left_s(SL_BUDGET_MONTH, 1709078400), 2 * 86400);
	assert_int_equal(sl_budget_left_s(SL_BUDGET_TOTAL, 1709078400), 0);
}

/* ---- the file -------------------------------------------------------------------------------- */

#define HEAD "sluice-spend 1\ndate 20240229\n"

static void what_was_written_is_read(void **state)
{
	struct sl_spend_file file = {.date = 20240229}, again;
	const struct sl_spend_row *row;
	struct sl_error error;
	char path[] = "/tmp/sluice-spend.XXXXXX";

	(void)state;
	assert_true(mkdtemp(path) != NULL);
	assert_int_equal(chdir(path), 0);
	*sl_spend_file_add(&file) =
		(struct sl_spend_row){SL_SPEND_KEY, "4fXq09ab3Z", 1, 2000000000, 3500000000};
	*sl_spend_file_add(&file) = (struct sl_spend_row){SL_SPEND_TENANT, "acme", 0, 0, 0};
	*sl_spend_file_add(&file) = (struct sl_spend_row){SL_SPEND_MODEL, "org/m:1", 5, 5, 5};
	assert_int_equal(sl_spend_file_write("spend", &file, &error), 0);
	assert_int_equal(sl_spend_file_read("spend", 20240229, &again, &error), 0);
	assert_int_equal(again.count, 2); /* without who has spent nothing */
	row = sl_spend_file_find(&again, SL_SPEND_KEY, "4fXq09ab3Z");
	assert_int_equal(row->day, 1);
	assert_int_equal(row->month, 2000000000);
	assert_int_equal(row->total, 3500000000);
	assert_null(sl_spend_file_find(&again, SL_SPEND_MODEL, "4fXq09ab3Z"));
	assert_non_null(sl_spend_file_find(&again, SL_SPEND_MODEL, "org/m:1"));
	sl_spend_file_fini(&again);
	/* another day of the month, another month */
	assert_int_equal(sl_spend_file_read("spend", 20240201, &again, &error), 0);
	assert_int_equal(again.rows[0].day, 0);
	assert_int_equal(again.rows[0].month, 2000000000);
	sl_spend_file_fini(&again);
	assert_int_equal(sl_spend_file_read("spend", 20240301, &again, &error), 0);
	assert_int_equal(again.rows[0].month, 0);
	assert_int_equal(again.rows[0].total, 3500000000);
	assert_int_equal(again.date, 20240301);
	sl_spend_file_fini(&again);
	sl_spend_file_fini(&file);
	assert_int_equal(sl_spend_file_read("nothing", 20240301, &again, &error), -ENOENT);
	assert_int_equal(unlink("spend"), 0);
	assert_int_equal(rmdir(path), 0);
}

static void bad_files_are_refused_with_their_line(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{"", "f:1: "},
		{"sluice-keys 1\nend\n", "f:1: "},
		{"sluice-spend 1\nend\n", "f:2: "},
		{"sluice-spend 1\ndate 2024\nend\n", "f:2: "},
		{HEAD, "f:3: "},
		{HEAD "key a 1 2 3\n", "f:4: "},
		{HEAD "key a 1 2\nend\n", "f:3: "},
		{HEAD "key a 1 2 3 4\nend\n", "f:3: "},
		{HEAD "key  1 2 3\nend\n", "f:3: "},
		{HEAD "user a 1 2 3\nend\n", "f:3: "},
		{HEAD "# note\n\nkey a 1 2 x\nend\n", "f:5: "},
		{HEAD "end\nkey a 1 2 3\n", "f:4: "},
	};
	struct sl_spend_file file;
	struct sl_error error;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = strlen(cases[i].text);
		char *text = sl_guard_copy(cases[i].text, len);

		assert_int_equal(sl_spend_file_parse("f", text, len, 20240229, &file, &error),
				 -EINVAL);
		if (strncmp(error.text, cases[i].said, 5) != 0)
			fail_msg("%zu: %s", i, error.text);
		sl_guard_free(text, len);
	}
	/* each beginning of a good file is cut */
	for (size_t len = 0; len < strlen(HEAD "key a 1 2 3\nend"); len++)
		assert_int_equal(sl_spend_file_parse("f", HEAD "key a 1 2 3\nend", len, 20240229,
						     &file, &error),
				 -EINVAL);
}

/* ---- the configuration ------------------------------------------------------------------------ */

#define REST "pools: {p: {nodes: [10.0.0.7:80], model: inner}}\nroutes: [{model: m, pools: p}]\n"

static void prices_and_budgets_are_read(void **state)
{
	static const char text[] =
		"prices: {inner: {input: 0.15, output: 0.6}, m: {input: 1, cached_input: 0}}\n"
		"keys: {budget_day: 0.5}\ntenants: {t: {budget_month: 20}}\n"
		"pools: {p: {nodes: [10.0.0.7:80], model: inner}}\n"
		"routes: [{model: m, pools: p, limits: {budget_total: 1000}}]\n";
	struct sl_config *config = NULL;
	const struct sl_price *price;
	char *errors = NULL;

	(void)state;
	assert_int_equal(sl_config_parse("t", text, strlen(text), &config, &errors), 0);
	price = sl_config_find_price(config, "inner");
	assert_int_equal(price->input, 150000000);
	assert_int_equal(price->cached_input, 150000000);
	assert_int_equal(price->output, 600000000);
	price = sl_config_find_price(config, "m");
	assert_int_equal(price->cached_input, 0);
	assert_int_equal(price->output, 0);
	assert_null(sl_config_find_price(config, "p"));
	assert_int_equal(config->key_budget.day, 500000000);
	assert_int_equal(config->tenants[0].budget.month, 20000000000);
	assert_int_equal(config->routes[0].budget.total, 1000000000000);
	assert_string_equal(config->currency, "USD");
	assert_null(config->spend_file);
	sl_config_close(&config);
}

static void bad_prices_are_refused(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{"prices: {inner: {input: 1e3}}\n" REST,
		 "t:1:25: error: prices.inner.input: \"1e3\" is no amount"},
		{"prices: {inner: {input: 0.0000000001}}\n" REST, "is finer than a billionth"},
		{"prices: {inner: {output: 1000001}}\n" REST, "is too large"},
		{"prices: {innner: {input: 1}}\n" REST,
		 "no pool or route has the model \"innner\" (did you mean \"inner\"?)"},
		{"prices: {inner: {inpt: 1}}\n" REST, "unknown key (did you mean \"input\"?)"},
		{"keys: {budget_day: 1}\n" REST, "there are budgets and no \"prices\""},
		{"tenants: {t: {budget_total: 1}}\n" REST, "there are budgets and no \"prices\""},
		{"spend: {file: /x}\n" REST, "there are no \"prices\""},
		{"spend: {currency: 'a b'}\n" REST, "has a character that no name may have"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sl_config *config = NULL;
		char *errors = NULL;

		assert_int_equal(sl_config_parse("t", cases[i].text, strlen(cases[i].text), &config,
						 &errors),
				 -EINVAL);
		if (!strstr(errors, cases[i].said))
			fail_msg("%s", errors);
		free(errors);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(amounts_are_exact),
		cmocka_unit_test(costs_are_rounded_up_once),
		cmocka_unit_test(periods_are_of_utc),
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(bad_files_are_refused_with_their_line),
		cmocka_unit_test(prices_and_budgets_are_read),
		cmocka_unit_test(bad_prices_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
