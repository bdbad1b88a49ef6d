/* SPDX-License-Identifier: BSD-2-Clause */
/* Notices: kept in order, cut, counted when there is no room, and nothing before the queue is open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <pthread.h>
#include <cmocka.h>
#include "user/base/notice.h"

#define TELLERS	 4
#define EACH_ONE 200

static void tell(uint32_t number)
{
	sl_notice_tell(&(struct sl_notice){.kind = SL_NOTICE_CHAOS, .name = "n"}, "%u", number);
}

static void test_order(void **unused)
{
	struct sl_notice notice;

	(void)unused;
	tell(7); /* closed: nobody keeps it */
	assert_int_equal(sl_notice_open(), 0);
	assert_false(sl_notice_take(&notice));
	tell(1);
	sl_notice_tell(&(struct sl_notice){.wall_ms = 42, .over = true}, "two");
	assert_true(sl_notice_take(&notice));
	assert_string_equal(notice.text, "1");
	assert_int_equal(notice.kind, SL_NOTICE_CHAOS);
	assert_true(notice.wall_ms > 1700000000000ull);
	assert_true(sl_notice_take(&notice));
	assert_string_equal(notice.text, "two");
	assert_int_equal(notice.wall_ms, 42);
	assert_true(notice.over);
	assert_false(sl_notice_take(&notice));
	sl_notice_close();
}

static void test_full(void **unused)
{
	struct sl_notice notice;
	uint32_t i;

	(void)unused;
	assert_int_equal(sl_notice_open(), 0);
	for (i = 0; i < SL_NOTICES_MAX + 3; i++)
		tell(i);
	assert_int_equal(sl_notice_lost(), 3);
	for (i = 0; i < SL_NOTICES_MAX; i++)
		assert_true(sl_notice_take(&notice));
	assert_string_equal(notice.text, "1023"); /* the new ones were lost, not the old */
	assert_false(sl_notice_take(&notice));
	sl_notice_close();
}

static void test_cut(void **unused)
{
	struct sl_notice notice = {.kind = SL_NOTICE_KEY};
	char name[2 * SL_NOTICE_NAME_BYTES], text[2 * SL_NOTICE_TEXT_BYTES];

	(void)unused;
	memset(name, 'n', sizeof(name) - 1);
	memset(text, 't', sizeof(text) - 1);
	name[sizeof(name) - 1] = text[sizeof(text) - 1] = '\0';
	assert_int_equal(sl_notice_open(), 0);
	sl_notice_set(notice.name, sizeof(notice.name), name);
	sl_notice_set(notice.pool, sizeof(notice.pool), NULL);
	sl_notice_tell(&notice, "%s", text);
	assert_true(sl_notice_take(&notice));
	assert_int_equal(strlen(notice.name), SL_NOTICE_NAME_BYTES - 1);
	assert_int_equal(strlen(notice.text), SL_NOTICE_TEXT_BYTES - 1);
	assert_string_equal(notice.pool, "");
	sl_notice_close();
}

static void *teller(void *unused)
{
	uint32_t i;

	for (i = 0; i < EACH_ONE; i++)
		tell(i);
	return unused;
}

static void test_threads(void **unused)
{
	pthread_t threads[TELLERS];
	struct sl_notice notice;
	uint32_t i, count = 0;

	(void)unused;
	assert_int_equal(sl_notice_open(), 0);
	for (i = 0; i < TELLERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, teller, NULL), 0);
	for (i = 0; i < TELLERS; i++)
		pthread_join(threads[i], NULL);
	while (sl_notice_take(&notice))
		count++;
	assert_int_equal(count, TELLERS * EACH_ONE);
	assert_int_equal(sl_notice_lost(), 0);
	sl_notice_close();
}

static void test_names(void **unused)
{
	uint32_t i, k;

	(void)unused;
	for (i = 0; i < SL_NOTICE_COUNT; i++) {
		assert_non_null(sl_notice_kind_name((enum sl_notice_kind)i));
		for (k = 0; k < i; k++)
			assert_string_not_equal(sl_notice_kind_name((enum sl_notice_kind)i),
						sl_notice_kind_name((enum sl_notice_kind)k));
	}
	assert_string_equal(sl_notice_level_name(SL_NOTICE_BAD), "bad");
	for (i = 0; i < SL_NOTICE_OFS; i++)
		assert_non_null(sl_notice_of_name((enum sl_notice_of)i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order), cmocka_unit_test(test_full),
		cmocka_unit_test(test_cut),   cmocka_unit_test(test_threads),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
