/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames that wait: in which order they come out, and what does not go in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include "loader/lag_queue.h"
#include "user/base/random.h"

#define ROOM	200u
#define ROUNDS	20000u
#define TIMES	50u /* few, so that many frames are due at once */
#define BYTES	64u
#define SEED	7u
#define FEW	4u
#define ALL_LEN 100u

static void add(struct sl_lag_queue *queue, uint64_t due_ns, uint32_t mark)
{
	assert_int_equal(
		sl_lag_queue_add(queue, due_ns, mark, (const uint8_t *)&mark, sizeof(mark)), 0);
}

/* Frames of any times go in and out; each that comes out is the first of those that are in. */
static void test_order(void **state)
{
	uint64_t due[ROOM] = {0};
	uint32_t marks[ROOM] = {0}, count = 0, mark = 0;
	struct sl_lag_queue queue;
	struct sl_random random;

	(void)state;
	sl_random_seed(&random, SEED);
	assert_int_equal(sl_lag_queue_init(&queue, ROOM, ROOM * BYTES), 0);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint32_t first = 0;
		const struct sl_lag_frame *frame;

		if (count < ROOM && (!count || sl_random_u32(&random) % 2)) {
			due[count] = sl_random_u32(&random) % TIMES;
			marks[count] = mark;
			add(&queue, due[count++], mark++);
			continue;
		}
		for (uint32_t i = 1; i < count; i++) {
			if (due[i] < due[first])
				first = i;
		}
		frame = sl_lag_queue_peek(&queue);
		assert_non_null(frame);
		assert_int_equal(frame->due_ns, due[first]);
		assert_int_equal(frame->way, marks[first]);
		assert_memory_equal(frame->bytes, &marks[first], sizeof(mark));
		sl_lag_queue_drop(&queue);
		count--;
		memmove(&due[first], &due[first + 1], (count - first) * sizeof(due[0]));
		memmove(&marks[first], &marks[first + 1], (count - first) * sizeof(marks[0]));
	}
	assert_int_equal(queue.count, count);
	sl_lag_queue_fini(&queue);
}

static void test_room(void **state)
{
	uint8_t bytes[ALL_LEN] = {0};
	struct sl_lag_queue queue;

	(void)state;
	assert_int_equal(sl_lag_queue_init(&queue, FEW, ALL_LEN), 0);
	assert_null(sl_lag_queue_peek(&queue));
	assert_int_equal(sl_lag_queue_add(&queue, 1, 0, bytes, ALL_LEN), 0);
	assert_int_equal(sl_lag_queue_add(&queue, 1, 0, bytes, 1), -ENOBUFS);
	sl_lag_queue_drop(&queue);
	assert_true(sl_lag_queue_has_room(&queue, ALL_LEN));
	for (uint32_t i = 0; i < FEW; i++)
		add(&queue, i, i);
	assert_int_equal(sl_lag_queue_add(&queue, 1, 0, bytes, 1), -ENOBUFS);
	sl_lag_queue_fini(&queue); /* with what waits */
}

/* One that cannot be sent now waits behind those of its new time. */
static void test_defer(void **state)
{
	static const uint32_t wanted[] = {1, 0, 2};
	struct sl_lag_queue queue;

	(void)state;
	assert_int_equal(sl_lag_queue_init(&queue, FEW, ALL_LEN), 0);
	add(&queue, 10, 0);
	add(&queue, 20, 1);
	add(&queue, 30, 2);
	sl_lag_queue_defer(&queue, 20);
	for (uint32_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		assert_int_equal(sl_lag_queue_peek(&queue)->way, wanted[i]);
		sl_lag_queue_drop(&queue);
	}
	sl_lag_queue_fini(&queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_order),
					   cmocka_unit_test(test_room),
					   cmocka_unit_test(test_defer)};

	return cmocka_run_group_tests_name("lag_queue", tests, NULL, NULL);
}
