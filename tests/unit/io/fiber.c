/* SPDX-License-Identifier: BSD-2-Clause */
/* fiber.c - fibers on both back ends: order, wakes, deadlines, limits, stacks. */
#include "tests/unit/io/pair.h"

#include "user/base/clock.h"
#include "user/io/fiber.h"

#define FIBER_TURNS_MAX 2000

struct job {
	struct sl_loop *loop;
	struct sl_fiber *self;
	uint64_t deadline_ns;
	int started, done, result, parks;
	uint32_t sum;
};

#define TURN_LOOP_UNTIL(loop, condition)                                  \
	do {                                                              \
		int turns_ = 0;                                           \
		while (!(condition) && turns_++ < FIBER_TURNS_MAX)        \
			assert_int_equal(sl_loop_turn(loop, TURN_MS), 0); \
		assert_true(condition);                                   \
	} while (0)

static void open_loop(void **state, struct sl_loop **ret_loop)
{
	assert_int_equal(sl_loop_open(options_of(state), ret_loop), 0);
}

static void park_once(void *arg)
{
	struct job *job = arg;

	job->self = sl_fiber_self(job->loop);
	job->started++;
	for (int i = 0; i < job->parks; i++)
		job->result = sl_fiber_park(job->loop, job->deadline_ns);
	job->done++;
}

static void test_park_and_wake(void **state)
{
	struct sl_loop *loop;
	struct job job = {.parks = 3};

	open_loop(state, &loop);
	job.loop = loop;
	assert_null(sl_fiber_self(loop));
	assert_int_equal(sl_fiber_start(loop, park_once, &job), 0);
	assert_int_equal(job.started, 0); /* never from inside start */
	assert_int_equal(sl_fiber_count(loop), 1);
	assert_int_equal(sl_loop_turn(loop, 0), 0);
	assert_int_equal(job.started, 1);
	assert_null(sl_fiber_self(loop));
	for (int i = 0; i < 5; i++)
		assert_int_equal(sl_loop_turn(loop, 0), 0);
	assert_int_equal(job.done, 0);
	sl_fiber_wake(job.self);
	assert_int_equal(sl_loop_turn(loop, 0), 0);
	assert_int_equal(job.done, 0);
	sl_fiber_wake(job.self);
	sl_fiber_wake(job.self); /* ready already: kept for the next park */
	TURN_LOOP_UNTIL(loop, job.done);
	assert_int_equal(job.result, 0);
	assert_int_equal(sl_fiber_count(loop), 0);
	sl_loop_close(&loop);
}

static void wake_self(void *arg)
{
	struct job *job = arg;

	sl_fiber_wake(sl_fiber_self(job->loop));
	job->result = sl_fiber_park(job->loop, 0);
	job->done++;
}

static void test_wake_before_park(void **state)
{
	struct sl_loop *loop;
	struct job job = {.result = 1};

	open_loop(state, &loop);
	job.loop = loop;
	assert_int_equal(sl_fiber_start(loop, wake_self, &job), 0);
	assert_int_equal(sl_loop_turn(loop, 0), 0);
	assert_int_equal(job.done, 1);
	assert_int_equal(job.result, 0);
	sl_loop_close(&loop);
}

static void test_deadline(void **state)
{
	struct sl_loop *loop;
	struct job late = {.parks = 1}, woken = {.parks = 1}, past = {.parks = 1};

	open_loop(state, &loop);
	late.loop = woken.loop = past.loop = loop;
	late.deadline_ns = sl_loop_now_ns(loop) + 5000001;
	woken.deadline_ns = sl_loop_now_ns(loop) + UINT64_C(3600000000000);
	past.deadline_ns = 1;
	assert_int_equal(sl_fiber_start(loop, park_once, &late), 0);
	assert_int_equal(sl_fiber_start(loop, park_once, &woken), 0);
	assert_int_equal(sl_fiber_start(loop, park_once, &past), 0);
	assert_int_equal(sl_loop_turn(loop, 0), 0);
	assert_int_equal(past.result, -ETIMEDOUT);
	sl_fiber_wake(woken.self);
	TURN_LOOP_UNTIL(loop, late.done && woken.done);
	assert_int_equal(late.result, -ETIMEDOUT);
	assert_true(sl_loop_now_ns(loop) >= late.deadline_ns);
	assert_int_equal(woken.done, 1);
	assert_int_equal(woken.result, 0);
	/* Its timer is gone with it. */
	assert_int_equal(sl_wheel_next_ms(&loop->wheel), UINT64_MAX);
	sl_loop_close(&loop);
}

static void sleep_once(void *arg)
{
	struct job *job = arg;

	job->self = sl_fiber_self(job->loop);
	job->result = sl_fiber_sleep(job->loop, job->deadline_ns);
	job->done++;
}

static void test_sleep(void **state)
{
	static const uint64_t delays_ms[] = {0, 3, 60000};
	struct sl_loop *loop;
	struct job jobs[3];

	open_loop(state, &loop);
	for (int i = 0; i < 3; i++) {
		jobs[i] = (struct job){.loop = loop, .deadline_ns = delays_ms[i]};
		assert_int_equal(sl_fiber_start(loop, sleep_once, &jobs[i]), 0);
	}
	TURN_LOOP_UNTIL(loop, jobs[0].done && jobs[1].done);
	assert_int_equal(jobs[0].result, 0);
	assert_int_equal(jobs[1].result, 0);
	assert_int_equal(jobs[2].done, 0);
	sl_fiber_wake(jobs[2].self);
	TURN_LOOP_UNTIL(loop, jobs[2].done);
	assert_int_equal(jobs[2].result, -EINTR);
	sl_loop_close(&loop);
}

/* All that are allowed, then one more; twice, so that the second time runs on pooled stacks. */
static void test_limit(void **state)
{
	struct sl_loop *loop;
	struct job *jobs = calloc(SL_FIBERS_MAX, sizeof(*jobs));
	struct job over = {.parks = 1};

	open_loop(state, &loop);
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < SL_FIBERS_MAX; i++) {
			jobs[i] = (struct job){.loop = loop, .parks = 1};
			assert_int_equal(sl_fiber_start(loop, park_once, &jobs[i]), 0);
		}
		assert_int_equal(sl_fiber_start(loop, park_once, &over), -EAGAIN);
		assert_int_equal(sl_loop_turn(loop, 0), 0);
		assert_int_equal(sl_fiber_count(loop), SL_FIBERS_MAX);
		for (uint32_t i = 0; i < SL_FIBERS_MAX; i++)
			sl_fiber_wake(jobs[i].self);
		assert_int_equal(sl_loop_turn(loop, 0), 0);
		assert_int_equal(sl_fiber_count(loop), 0);
		for (uint32_t i = 0; i < SL_FIBERS_MAX; i++)
			assert_int_equal(jobs[i].done, 1);
	}
	assert_int_equal(over.started, 0);
	sl_loop_close(&loop);
	free(jobs);
}

static __attribute__((noinline)) uint32_t use_stack(struct sl_loop *loop, int depth)
{
	volatile char room[1000];

	memset((char *)room, depth, sizeof(room));
	if (depth == 20)
		sl_fiber_sleep(loop, 1);
	return (uint32_t)room[500] + (depth ? use_stack(loop, depth - 1) : 0);
}

static void go_deep(void *arg)
{
	struct job *job = arg;

	job->sum = use_stack(job->loop, 40);
	job->done++;
}

static void test_deep_stacks(void **state)
{
	enum { JOBS = 200 };
	struct sl_loop *loop;
	struct job jobs[JOBS];

	open_loop(state, &loop);
	for (int round = 0; round < 3; round++) {
		int done = 0;

		for (int i = 0; i < JOBS; i++) {
			jobs[i] = (struct job){.loop = loop};
			assert_int_equal(sl_fiber_start(loop, go_deep, &jobs[i]), 0);
		}
		TURN_LOOP_UNTIL(loop, !sl_fiber_count(loop));
		for (int i = 0; i < JOBS; i++)
			done += jobs[i].done && jobs[i].sum == 820;
		assert_int_equal(done, JOBS);
	}
	sl_loop_close(&loop);
}

struct order {
	struct sl_loop *loop;
	char seen[8];
	size_t count;
};

static void see(struct order *order, char what)
{
	if (order->count + 1 < sizeof(order->seen))
		order->seen[order->count++] = what;
}

static void see_event(void *arg)
{
	see(arg, 'e');
}
static void see_fiber(void *arg)
{
	see(arg, 'f');
}

static void yield_twice(void *arg)
{
	struct order *order = arg;

	see(order, '1');
	sl_loop_post(order->loop, see_event, order);
	sl_fiber_start(order->loop, see_fiber, order);
	sl_fiber_wake(sl_fiber_self(order->loop)); /* none of its own: kept */
	sl_fiber_yield(order->loop);
	see(order, '2');
	sl_fiber_yield(order->loop); /* nothing else is there: the turn does not wait */
	see(order, sl_fiber_park(order->loop, 0) ? 'x' : '3');
}

static void share_late(void *arg)
{
	struct order *order = arg;
	uint64_t end_ns = sl_loop_now_ns(order->loop) + SL_FIBER_SHARE_NS;

	sl_fiber_start(order->loop, see_fiber, order);
	while (sl_clock_ns() < end_ns)
		;
	sl_fiber_share(order->loop); /* however fast the machine is, the turn has lasted */
	see(order, '1');
}

static void test_share(void **state)
{
	struct order order = {.count = 0};

	open_loop(state, &order.loop);
	assert_int_equal(sl_fiber_start(order.loop, share_late, &order), 0);
	assert_int_equal(sl_loop_turn(order.loop, -1), 0);
	assert_string_equal(order.seen, "f1");
	sl_loop_close(&order.loop);
}

static void test_yield(void **state)
{
	struct order order = {.count = 0};

	open_loop(state, &order.loop);
	assert_int_equal(sl_fiber_start(order.loop, yield_twice, &order), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(sl_loop_turn(order.loop, -1), 0);
	assert_string_equal(order.seen, "1fe23");
	assert_int_equal(sl_fiber_count(order.loop), 0);
	sl_loop_close(&order.loop);
}

static void start_child(void *arg)
{
	struct job *job = arg;

	job->started++;
	if (job->parks-- > 0)
		assert_int_equal(sl_fiber_start(job->loop, start_child, job), 0);
	job->done++;
}

static void test_start_from_fiber(void **state)
{
	struct sl_loop *loop;
	struct job job = {.parks = 100};

	open_loop(state, &loop);
	job.loop = loop;
	assert_int_equal(sl_fiber_start(loop, start_child, &job), 0);
	TURN_LOOP_UNTIL(loop, job.done == 101);
	assert_int_equal(job.started, 101);
	sl_loop_close(&loop);
}

/* Parked for ever when the loop closes: the stack is released. */
static void test_close_with_parked(void **state)
{
	struct sl_loop *loop;
	struct job job = {.parks = 1};

	open_loop(state, &loop);
	job.loop = loop;
	assert_int_equal(sl_fiber_start(loop, park_once, &job), 0);
	assert_int_equal(sl_loop_turn(loop, 0), 0);
	sl_loop_close(&loop);
	assert_int_equal(job.done, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BACKENDS(test_park_and_wake),
		ON_BACKENDS(test_wake_before_park),
		ON_BACKENDS(test_deadline),
		ON_BACKENDS(test_sleep),
		ON_BACKENDS(test_yield),
		ON_BACKENDS(test_share),
		ON_BACKENDS(test_limit),
		ON_BACKENDS(test_deep_stacks),
		ON_BACKENDS(test_start_from_fiber),
		ON_BACKENDS(test_close_with_parked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
