/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * topology_former.c - the lookup tables that a pool had before, this host's own place in its pools,
 * and whom the node role believes.
 */
#include "tests/unit/base/topology_fake.h"

#define POOL 1u /* the slot of the first pool */

static void apply_as(struct fake *f, const char *spec, enum sl_role role)
{
	struct sl_topology t;
	struct file file;

	file_init(&file, spec);
	file.config.role = role;
	apply(f, &file, &t);
	sl_topology_fini(&t);
}

/* The pool's table `ago` changes ago, and its size. NULL: none. */
static const uint32_t *former(const struct fake *f, uint32_t ago, uint32_t *ret_size)
{
	uint32_t generation = f->pools[POOL].generation - ago;
	uint32_t size = f->pools[POOL].old_size[generation % SL_OLD_TABLES];
	uint32_t key = sl_old_table(POOL, generation);

	*ret_size = size;
	assert_int_equal(size == 0 ? 0 : f->former_sizes[key], size);
	return size == 0 ? NULL : f->former[key];
}

static bool has(const uint32_t *table, uint32_t size, uint32_t slot)
{
	for (uint32_t i = 0; i < size; i++)
		if (table[i] == slot)
			return true;
	return false;
}

/* A change keeps the table that was; doing it again keeps nothing. */
static void test_change(void **unused)
{
	struct fake *f = fake_open();
	const uint32_t *table;
	uint32_t size;

	(void)unused;
	apply_as(f, "chat:1,2", SL_ROLE_BALANCER);
	assert_null(former(f, 1, &size));
	apply_as(f, "chat:1,2", SL_ROLE_BALANCER);
	assert_null(former(f, 1, &size));
	apply_as(f, "chat:1,2,3", SL_ROLE_BALANCER); /* the table grows with it */
	table = former(f, 1, &size);
	assert_int_equal(size, sl_maglev_size(2));
	assert_true(has(table, size, 1) && has(table, size, 2) && !has(table, size, 3));
	apply_as(f, "chat:1,2,3", SL_ROLE_BALANCER);
	assert_ptr_equal(former(f, 1, &size), table);
	apply_as(f, "chat:1,3", SL_ROLE_BALANCER);
	table = former(f, 1, &size);
	assert_int_equal(size, sl_maglev_size(3));
	assert_true(has(table, size, 2) && has(table, size, 3));
	table = former(f, 2, &size);
	assert_int_equal(size, sl_maglev_size(2));
	fake_close(f);
}

/* The oldest goes when there is no room, whatever the sizes. */
static void test_many_changes(void **unused)
{
	static const char *const specs[] = {
		"chat:1,2,3,4,5,6,7", "chat:1,2",     "chat:1,2,3,4", "chat:1",
		"chat:1,2",	      "chat:3,4,5,6", "chat:1,2,3"};
	static const uint32_t counts[] = {7, 2, 4, 1, 2, 4, 3};
	struct fake *f = fake_open();
	uint32_t size;

	(void)unused;
	for (uint32_t i = 0; i < 7; i++) {
		apply_as(f, specs[i], SL_ROLE_BALANCER);
		for (uint32_t ago = 1; ago <= SL_OLD_TABLES; ago++) {
			if (ago > i)
				assert_null(former(f, ago, &size));
			else
				assert_non_null(former(f, ago, &size));
			assert_int_equal(size, ago > i ? 0 : sl_maglev_size(counts[i - ago]));
		}
	}
	fake_close(f);
}

/* A pool that leaves takes them along; another one in its slot has none. */
static void test_pool_leaves(void **unused)
{
	struct fake *f = fake_open();
	uint32_t size;

	(void)unused;
	apply_as(f, "chat:1,2", SL_ROLE_BALANCER);
	apply_as(f, "chat:1,2,3", SL_ROLE_BALANCER);
	assert_non_null(former(f, 1, &size));
	apply_as(f, "other:4,5", SL_ROLE_BALANCER);
	for (uint32_t i = 0; i < SL_OLD_TABLES; i++) {
		assert_int_equal(f->pools[POOL].old_size[i], 0);
		assert_null(f->former[sl_old_table(POOL, i)]);
	}
	apply_as(f, "new:1,2", SL_ROLE_BALANCER);
	assert_null(former(f, 1, &size));
	fake_close(f);
}

/* A node's host knows itself, and what its pool was before it came. */
static void test_local(void **unused)
{
	struct fake *f = fake_open();
	const uint32_t *table;
	uint32_t size;

	(void)unused;
	apply_as(f, "chat:1,2,254", SL_ROLE_NODE);
	assert_int_equal(f->pools[POOL].local, 3);
	table = former(f, 1, &size);
	assert_int_equal(size, sl_maglev_size(2));
	assert_true(has(table, size, 1) && has(table, size, 2) && !has(table, size, 3));
	assert_true(has(f->tables[POOL], f->table_sizes[POOL], 3));
	apply_as(f, "chat:1,2", SL_ROLE_NODE);
	assert_int_equal(f->pools[POOL].local, 0);
	table = former(f, 1, &size);
	assert_true(has(table, size, 3));
	fake_close(f);

	f = fake_open(); /* a balancer is no node of its own */
	apply_as(f, "chat:1,2,254", SL_ROLE_BALANCER);
	assert_null(former(f, 1, &size));
	fake_close(f);
	f = fake_open(); /* the first and only node of its pool */
	apply_as(f, "chat:254", SL_ROLE_NODE);
	assert_null(former(f, 1, &size));
	fake_close(f);
}

static void test_allow_count(void **unused)
{
	struct fake *f = fake_open();
	struct sl_topology t;
	struct file file;

	(void)unused;
	file_init(&file, "chat:1,2");
	file.prefixes[0] = (struct sl_config_prefix){.rule = SL_PREFIX_ALLOW};
	file.prefixes[1] = (struct sl_config_prefix){.rule = SL_PREFIX_DENY};
	assert_int_equal(sl_prefix_parse("10.0.0.0/8", &file.prefixes[0].prefix, NULL), 0);
	assert_int_equal(sl_prefix_parse("fd00::/8", &file.prefixes[1].prefix, NULL), 0);
	file.config.prefix_count = 2;
	apply(f, &file, &t);
	sl_topology_fini(&t);
	assert_int_equal(f->settings.allow_count, 1);
	apply_as(f, "chat:1,2", SL_ROLE_BALANCER);
	assert_int_equal(f->settings.allow_count, 0);
	fake_close(f);
}

/* Cut short anywhere, the next call finishes: see check_maps(). */
static void test_cut_short(void **unused)
{
	(void)unused;
	for (uint32_t at = 1; at < 20; at++) {
		struct fake *f = fake_open();
		struct sl_error error = {0};
		struct sl_topology t;
		struct file file;
		uint32_t size;

		apply_as(f, "chat:1,2,254", SL_ROLE_NODE);
		file_init(&file, "chat:2,3,4,254");
		file.config.role = SL_ROLE_NODE;
		f->writes = 0;
		f->fail_at = at;
		if (sl_topology_apply(&f->view, &file.config, &t, &error) == 0)
			sl_topology_fini(&t);
		check_maps(f);
		f->fail_at = 0;
		apply_as(f, "chat:2,3,4,254", SL_ROLE_NODE);
		assert_non_null(former(f, 1, &size));
		fake_close(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_change),	    cmocka_unit_test(test_many_changes),
		cmocka_unit_test(test_pool_leaves), cmocka_unit_test(test_local),
		cmocka_unit_test(test_allow_count), cmocka_unit_test(test_cut_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
