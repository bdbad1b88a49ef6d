/* SPDX-License-Identifier: BSD-2-Clause */
/* Balance, weights, stability and limits of the lookup tables. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include "bpf/hash.h"
#include "user/base/maglev.h"

static struct sl_maglev_node nodes[SL_POOL_NODES_MAX];
static uint32_t table[SL_MAGLEV_SIZE_MAX], other[SL_MAGLEV_SIZE_MAX];
static uint32_t slots[SL_POOL_NODES_MAX + 2];

static void fill_nodes(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		nodes[i] = (struct sl_maglev_node){sl_mix64(i + 77), 1, i + 1};
}

static void count_slots(const uint32_t *t, uint32_t size)
{
	memset(slots, 0, sizeof(slots));
	for (uint32_t i = 0; i < size; i++)
		slots[t[i]]++;
}

static void test_size(void **unused)
{
	(void)unused;
	assert_int_equal(sl_maglev_size(0), 251);
	assert_int_equal(sl_maglev_size(2), 251);
	assert_int_equal(sl_maglev_size(3), 509);
	assert_int_equal(sl_maglev_size(655), 65537);
	assert_int_equal(sl_maglev_size(SL_POOL_NODES_MAX), 65537);
	for (uint32_t n = 1; n <= SL_POOL_NODES_MAX; n++) {
		uint32_t size = sl_maglev_size(n);

		assert_true(size >= n * 100 || size == SL_MAGLEV_SIZE_MAX);
		for (uint32_t d = 2; d * d <= size; d++)
			assert_int_not_equal(size % d, 0);
	}
}

static void test_balance(void **unused)
{
	(void)unused;
	for (uint32_t count = 1; count <= 655; count += count < 20 ? 1 : 53) {
		uint32_t size = sl_maglev_size(count);

		fill_nodes(count);
		assert_int_equal(sl_maglev_build(nodes, count, size, table), 0);
		count_slots(table, size);
		assert_int_equal(slots[0], 0);
		for (uint32_t i = 1; i <= count; i++) /* within one slot, which is one percent */
			assert_in_range(slots[i], size / count, size / count + 1);
	}
}

static void test_weights(void **unused)
{
	static const uint32_t weights[] = {1, 2, 3, 10, 0, 100, 1000, 7};
	uint64_t sum = 0;

	(void)unused;
	fill_nodes(8);
	for (uint32_t i = 0; i < 8; i++) {
		nodes[i].weight = weights[i];
		sum += weights[i];
	}
	assert_int_equal(sl_maglev_build(nodes, 8, 65537, table), 0);
	count_slots(table, 65537);
	assert_int_equal(slots[5], 0); /* weight 0 */
	for (uint32_t i = 0; i < 8; i++) {
		uint64_t fair = 65537ull * weights[i] / sum;

		if (weights[i] != 0)
			assert_in_range(slots[i + 1], fair - 8, fair + 2);
	}
	/* The lightest of heavy company still has a slot. */
	fill_nodes(100);
	for (uint32_t i = 1; i < 100; i++)
		nodes[i].weight = 1000;
	assert_int_equal(sl_maglev_build(nodes, 100, 16381, table), 0);
	count_slots(table, 16381);
	assert_true(slots[1] >= 1);
}

static void test_order_does_not_matter(void **unused)
{
	(void)unused;
	fill_nodes(50);
	nodes[7].weight = 9;
	assert_int_equal(sl_maglev_build(nodes, 50, 8191, table), 0);
	for (uint32_t i = 0; i < 25; i++) {
		struct sl_maglev_node swap = nodes[i];

		nodes[i] = nodes[49 - i];
		nodes[49 - i] = swap;
	}
	assert_int_equal(sl_maglev_build(nodes, 50, 8191, other), 0);
	assert_memory_equal(table, other, 8191 * sizeof(table[0]));
}

/* How many slots hold another node, of those whose node is in both tables. */
static uint32_t moved(uint32_t size, uint32_t gone)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < size; i++)
		count += table[i] != other[i] && table[i] != gone && other[i] != gone;
	return count;
}

static void test_disruption(void **unused)
{
	uint32_t size = 65537, most = 0;

	(void)unused;
	for (uint32_t victim = 0; victim < 100; victim += 33) {
		fill_nodes(100);
		assert_int_equal(sl_maglev_build(nodes, 100, size, table), 0);
		nodes[victim].weight = 0;
		assert_int_equal(sl_maglev_build(nodes, 100, size, other), 0);
		/* A hundredth of the slots must move. A few others do too, as in the paper. */
		if (moved(size, victim + 1) > most)
			most = moved(size, victim + 1);
		count_slots(other, size);
		for (uint32_t i = 0; i < 100; i++)
			if (i != victim)
				assert_in_range(slots[i + 1], size / 99, size / 99 + 1);
	}
	print_message("one of 100 nodes leaves or comes: %u of %u other slots move\n", most, size);
	assert_true(most < size * 3 / 100);
}

static void test_limits(void **unused)
{
	(void)unused;
	fill_nodes(3);
	memset(table, 7, sizeof(table));
	assert_int_equal(sl_maglev_build(nodes, 0, 251, table), 0);
	for (uint32_t i = 0; i < 251; i++)
		assert_int_equal(table[i], 0);
	assert_int_equal(table[251], 0x07070707);
	assert_int_equal(sl_maglev_build(nodes, 3, 250, table), -EINVAL);
	assert_int_equal(sl_maglev_build(nodes, 3, 0, table), -EINVAL);
	assert_int_equal(sl_maglev_build(nodes, 3, 65539, table), -EINVAL);
	assert_int_equal(sl_maglev_build(nodes, SL_POOL_NODES_MAX + 1, 251, table), -E2BIG);
	assert_int_equal(sl_maglev_build(nodes, 3, 2, table), 0); /* fewer slots than nodes */
	nodes[1].value = 0;
	assert_int_equal(sl_maglev_build(nodes, 3, 251, table), -EINVAL);
}

/* Prints what it costs; does not judge, for machines differ. */
static void test_cost(void **unused)
{
	struct timespec start, end;

	(void)unused;
	for (int skewed = 0; skewed < 2; skewed++) {
		fill_nodes(SL_POOL_NODES_MAX);
		if (skewed)
			nodes[0].weight = 1000;
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
		assert_int_equal(
			sl_maglev_build(nodes, SL_POOL_NODES_MAX, SL_MAGLEV_SIZE_MAX, table), 0);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
		print_message("4096 nodes, 65537 slots%s: %ld us\n", skewed ? ", one of 1000" : "",
			      (end.tv_sec - start.tv_sec) * 1000000 +
				      (end.tv_nsec - start.tv_nsec) / 1000);
		count_slots(table, SL_MAGLEV_SIZE_MAX);
		for (uint32_t i = 1; i <= SL_POOL_NODES_MAX; i++)
			assert_true(slots[i] >= 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_size),	   cmocka_unit_test(test_balance),
		cmocka_unit_test(test_weights),	   cmocka_unit_test(test_order_does_not_matter),
		cmocka_unit_test(test_disruption), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_cost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
