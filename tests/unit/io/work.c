/* SPDX-License-Identifier: BSD-2-Clause */
/* work.c - jobs of fibers on threads of their own: results, refusals, who owns what. */
#include "tests/unit/io/pair.h"

#include <pthread.h>
#include <semaphore.h>
#include "user/base/clock.h"
#include "user/io/fiber.h"
#include "user/io/work.h"

#define FIBER_TURNS_MAX 100000
#define THREADS		2u
#define FAR_MS		600000u

#define TURN_LOOP_UNTIL(loop, condition)                                  \
	do {                                                              \
		int turns_ = 0;                                           \
		while (!(condition) && turns_++ < FIBER_TURNS_MAX)        \
			assert_int_equal(sl_loop_turn(loop, TURN_MS), 0); \
		assert_true(condition);                                   \
	} while (0)

/* What a job is given; on the heap, as the pool may keep it. */
struct errand {
	sem_t *may_go; /* NULL: at once */
	uint32_t in, out;
	int *ran, *dropped; /* of the test */
	int *begun;	    /* NULL: nobody asks */
};

struct call {
	struct sl_work *work;
	struct sl_loop *loop;
	sem_t *may_go;
	uint64_t deadline_ns;
	bool gone;
	struct sl_fiber *fiber;
	uint32_t number;
	int ran, dropped, begun;
	bool returned;
	int rc;
	uint32_t out;
};

static void run_errand(void *arg)
{
	struct errand *errand = arg;

	if (errand->begun)
		__atomic_add_fetch(errand->begun, 1, __ATOMIC_SEQ_CST);
	while (errand->may_go && sem_wait(errand->may_go))
		;
	errand->out = errand->in * 2;
	__atomic_add_fetch(errand->ran, 1, __ATOMIC_SEQ_CST);
}

static void drop_errand(void *arg)
{
	struct errand *errand = arg;

	__atomic_add_fetch(errand->dropped, 1, __ATOMIC_SEQ_CST);
	free(errand);
}

static struct errand *new_errand(struct call *call)
{
	struct errand *errand = calloc(1, sizeof(*errand));

	errand->may_go = call->may_go;
	errand->in = call->number;
	errand->ran = &call->ran;
	errand->dropped = &call->dropped;
	return errand;
}

static bool is_ours(int rc)
{
	return rc != -ETIMEDOUT && rc != -ECANCELED;
}

static void call_it(void *arg)
{
	struct call *call = arg;
	struct errand *errand = new_errand(call);

	call->fiber = sl_fiber_self(call->loop);
	call->rc = sl_work_run(call->work, call->loop, run_errand, drop_errand, errand,
			       call->deadline_ns, &call->gone);
	if (is_ours(call->rc)) {
		call->out = errand->out;
		free(errand);
	}
	call->fiber = NULL;
	call->returned = true;
}

static struct call call_of(struct sl_work *work, struct sl_loop *loop, sem_t *may_go)
{
	return (struct call){
		.work = work,
		.loop = loop,
		.may_go = may_go,
		.deadline_ns = sl_loop_now_ns(loop) + FAR_MS * SL_NS_PER_MS,
		.number = 21,
	};
}

static int count_of(int *count)
{
	return __atomic_load_n(count, __ATOMIC_SEQ_CST);
}

static struct sl_work_stats stats_of(struct sl_work *work)
{
	struct sl_work_stats stats;

	sl_work_read_stats(work, &stats);
	return stats;
}

static void open_both(void **state, struct sl_loop **ret_loop, struct sl_work **ret_work)
{
	assert_int_equal(sl_loop_open(options_of(state), ret_loop), 0);
	assert_int_equal(sl_work_open(THREADS, ret_work), 0);
}

static void results_come_back(void **state)
{
	struct call calls[100];
	struct sl_loop *loop;
	struct sl_work *work;
	int i, done = 0;

	open_both(state, &loop, &work);
	for (i = 0; i < 100; i++) {
		calls[i] = call_of(work, loop, NULL);
		calls[i].number = (uint32_t)i;
		assert_int_equal(sl_fiber_start(loop, call_it, &calls[i]), 0);
	}
	for (i = 0; i < 100; i++) {
		TURN_LOOP_UNTIL(loop, calls[i].returned);
		assert_int_equal(calls[i].rc, 0);
		assert_int_equal(calls[i].out, 2 * i);
		assert_int_equal(calls[i].dropped, 0);
		done += calls[i].ran;
	}
	assert_int_equal(done, 100);
	assert_int_equal(stats_of(work).done, 100);
	assert_int_equal(stats_of(work).queued, 0);
	sl_work_close(&work);
	assert_null(work);
	sl_loop_close(&loop);
}

/* Every thread busy, the queue full: the next is refused at once, and has its argument back. */
static void full_is_refused(void **state)
{
	struct call held = {0}, over;
	struct sl_loop *loop;
	struct sl_work *work;
	sem_t may_go;
	uint32_t i, posted = 0;

	sem_init(&may_go, 0, 0);
	open_both(state, &loop, &work);
	held = call_of(work, loop, &may_go);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(sl_work_post(work, run_errand, drop_errand, new_errand(&held)), 0);
	while (stats_of(work).running < THREADS)
		usleep(1000);
	for (i = 0; i < SL_WORK_QUEUE_MAX; i++)
		posted += !sl_work_post(work, run_errand, drop_errand, new_errand(&held));
	assert_int_equal(posted, SL_WORK_QUEUE_MAX);
	over = call_of(work, loop, NULL);
	assert_int_equal(sl_fiber_start(loop, call_it, &over), 0);
	TURN_LOOP_UNTIL(loop, over.returned);
	assert_int_equal(over.rc, -EAGAIN);
	assert_int_equal(over.ran, 0);
	assert_int_equal(stats_of(work).refused, 1);
	for (i = 0; i < THREADS + SL_WORK_QUEUE_MAX; i++)
		sem_post(&may_go);
	while (count_of(&held.dropped) < (int)(THREADS + SL_WORK_QUEUE_MAX))
		usleep(1000);
	assert_int_equal(held.ran, THREADS + SL_WORK_QUEUE_MAX);
	/* There is room again. */
	over = call_of(work, loop, NULL);
	assert_int_equal(sl_fiber_start(loop, call_it, &over), 0);
	TURN_LOOP_UNTIL(loop, over.returned);
	assert_int_equal(over.rc, 0);
	sl_work_close(&work);
	sl_loop_close(&loop);
	sem_destroy(&may_go);
}

/* The caller goes its way at the deadline, while the job runs on with its own memory. */
static void late_jobs_keep_their_argument(void **state)
{
	struct sl_loop *loop;
	struct sl_work *work;
	struct call call;
	sem_t may_go;

	sem_init(&may_go, 0, 0);
	open_both(state, &loop, &work);
	call = call_of(work, loop, &may_go);
	call.deadline_ns = sl_loop_now_ns(loop) + 5 * SL_NS_PER_MS;
	assert_int_equal(sl_fiber_start(loop, call_it, &call), 0);
	TURN_LOOP_UNTIL(loop, call.returned);
	assert_int_equal(call.rc, -ETIMEDOUT);
	assert_int_equal(count_of(&call.dropped), 0);
	sem_post(&may_go);
	while (!count_of(&call.dropped))
		usleep(1000);
	assert_int_equal(count_of(&call.ran), 1);
	while (!stats_of(work).abandoned)
		usleep(1000);
	sl_work_close(&work);
	assert_int_equal(call.dropped, 1);
	sl_loop_close(&loop);
	sem_destroy(&may_go);
}

static void a_client_that_left_waits_for_nothing(void **state)
{
	struct sl_loop *loop;
	struct sl_work *work;
	struct call call;
	sem_t may_go;

	sem_init(&may_go, 0, 0);
	open_both(state, &loop, &work);
	call = call_of(work, loop, &may_go);
	assert_int_equal(sl_fiber_start(loop, call_it, &call), 0);
	TURN_LOOP_UNTIL(loop, call.fiber);
	sl_fiber_wake(call.fiber); /* for something else: it waits on */
	assert_int_equal(sl_loop_turn(loop, 0), 0);
	assert_int_equal(sl_loop_turn(loop, 0), 0);
	assert_false(call.returned);
	call.gone = true;
	sl_fiber_wake(call.fiber);
	TURN_LOOP_UNTIL(loop, call.returned);
	assert_int_equal(call.rc, -ECANCELED);
	sem_post(&may_go);
	while (!count_of(&call.dropped))
		usleep(1000);
	sl_work_close(&work);
	sl_loop_close(&loop);
	sem_destroy(&may_go);
}

static void call_it_whole(void *arg)
{
	struct call *call = arg;
	struct errand errand = {
		.may_go = call->may_go,
		.in = call->number,
		.ran = &call->ran,
		.dropped = &call->dropped,
		.begun = &call->begun,
	};

	call->fiber = sl_fiber_self(call->loop);
	call->rc = sl_work_run_whole(call->work, call->loop, run_errand, &errand);
	call->out = errand.out;
	call->returned = true;
}

/* On the fiber's stack: whoever wakes it, and however often it looks, it waits until the job has run. */
static void a_whole_job_is_waited_for(void **state)
{
	struct sl_loop *loop;
	struct sl_work *work;
	struct call call;
	sem_t may_go;
	uint64_t until_ns;

	sem_init(&may_go, 0, 0);
	open_both(state, &loop, &work);
	call = call_of(work, loop, &may_go);
	assert_int_equal(sl_fiber_start(loop, call_it_whole, &call), 0);
	TURN_LOOP_UNTIL(loop, call.fiber);
	/* Before a thread of the pool has it, which a busy machine may let wait, it would be taken back. */
	while (!count_of(&call.begun))
		usleep(1000);
	call.gone = true;
	sl_fiber_wake(call.fiber);
	until_ns = sl_loop_now_ns(loop) + 50 * SL_NS_PER_MS; /* it looks twice */
	TURN_LOOP_UNTIL(loop, sl_loop_now_ns(loop) > until_ns);
	assert_false(call.returned);
	sem_post(&may_go);
	TURN_LOOP_UNTIL(loop, call.returned);
	assert_int_equal(call.rc, 0);
	assert_int_equal(call.out, 42);
	assert_int_equal(call.dropped, 0);
	assert_int_equal(stats_of(work).abandoned, 0);
	sl_work_close(&work);
	call = call_of(NULL, loop, NULL);
	assert_int_equal(sl_fiber_start(loop, call_it_whole, &call), 0);
	TURN_LOOP_UNTIL(loop, call.returned);
	assert_int_equal(call.rc, -ESHUTDOWN);
	assert_int_equal(call.ran, 0);
	sl_loop_close(&loop);
	sem_destroy(&may_go);
}

/* Behind jobs that do not end it is taken back, and whoever waits in line behind it is not lost. */
static void a_whole_job_leaves_the_line(void **state)
{
	struct call running[THREADS], whole, last;
	struct sl_loop *loop;
	struct sl_work *work;
	sem_t may_go;
	uint32_t i;

	sem_init(&may_go, 0, 0);
	open_both(state, &loop, &work);
	for (i = 0; i < THREADS; i++) {
		running[i] = call_of(work, loop, &may_go);
		assert_int_equal(sl_fiber_start(loop, call_it, &running[i]), 0);
	}
	TURN_LOOP_UNTIL(loop, stats_of(work).running == THREADS);
	for (i = 0; i < 2; i++) { /* alone in the line, and with another one behind it */
		whole = call_of(work, loop, NULL);
		last = call_of(work, loop, NULL);
		assert_int_equal(sl_fiber_start(loop, call_it_whole, &whole), 0);
		TURN_LOOP_UNTIL(loop, whole.fiber);
		if (i) {
			assert_int_equal(sl_fiber_start(loop, call_it, &last), 0);
			TURN_LOOP_UNTIL(loop, last.fiber);
		}
		TURN_LOOP_UNTIL(loop, whole.returned);
		assert_int_equal(whole.rc, -ETIMEDOUT);
		assert_int_equal(whole.ran, 0);
		assert_int_equal(stats_of(work).queued, i);
	}
	for (i = 0; i < THREADS; i++)
		sem_post(&may_go);
	for (i = 0; i < THREADS; i++)
		TURN_LOOP_UNTIL(loop, running[i].returned);
	TURN_LOOP_UNTIL(loop, last.returned);
	assert_int_equal(last.rc, 0);
	assert_int_equal(last.out, 42);
	assert_int_equal(stats_of(work).queued, 0);
	sl_work_close(&work);
	sl_loop_close(&loop);
	sem_destroy(&may_go);
}

struct closer {
	struct sl_work *work;
};

static void *close_it(void *arg)
{
	struct closer *closer = arg;

	sl_work_close(&closer->work);
	return NULL;
}

/* At the end those that run finish, and those that wait never run; both fibers go on. */
static void the_end_is_clean(void **state)
{
	struct call running[THREADS], waiting, posted;
	struct closer closer;
	struct sl_loop *loop;
	pthread_t thread;
	sem_t may_go;
	uint32_t i;

	sem_init(&may_go, 0, 0);
	open_both(state, &loop, &closer.work);
	for (i = 0; i < THREADS; i++) {
		running[i] = call_of(closer.work, loop, &may_go);
		assert_int_equal(sl_fiber_start(loop, call_it, &running[i]), 0);
	}
	TURN_LOOP_UNTIL(loop, stats_of(closer.work).running == THREADS);
	waiting = call_of(closer.work, loop, NULL);
	posted = call_of(closer.work, loop, NULL);
	assert_int_equal(sl_fiber_start(loop, call_it, &waiting), 0);
	TURN_LOOP_UNTIL(loop, waiting.fiber);
	assert_int_equal(sl_work_post(closer.work, run_errand, drop_errand, new_errand(&posted)),
			 0);
	assert_int_equal(pthread_create(&thread, NULL, close_it, &closer), 0);
	TURN_LOOP_UNTIL(loop, waiting.returned);
	assert_int_equal(waiting.rc, -ESHUTDOWN);
	for (i = 0; i < THREADS; i++)
		sem_post(&may_go);
	pthread_join(thread, NULL);
	for (i = 0; i < THREADS; i++) {
		TURN_LOOP_UNTIL(loop, running[i].returned);
		assert_int_equal(running[i].rc, 0);
		assert_int_equal(running[i].out, 42);
	}
	assert_int_equal(posted.ran, 0);
	assert_int_equal(posted.dropped, 1);
	assert_int_equal(waiting.ran, 0);
	sl_loop_close(&loop);
	sem_destroy(&may_go);
}

static void no_pool_is_no_crash(void **state)
{
	struct sl_work *none = NULL;
	struct errand errand;

	(void)state;
	assert_int_equal(sl_work_post(NULL, run_errand, drop_errand, &errand), -ESHUTDOWN);
	assert_int_equal(stats_of(NULL).threads, 0);
	sl_work_close(&none);
	assert_int_equal(sl_work_open(1000, &none), 0);
	assert_int_equal(stats_of(none).threads, SL_WORK_THREADS_MAX);
	sl_work_close(&none);
	assert_int_equal(sl_work_open(0, &none), 0);
	assert_in_range(stats_of(none).threads, 2, 8);
	sl_work_close(&none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BACKENDS(results_come_back),
		ON_BACKENDS(full_is_refused),
		ON_BACKENDS(late_jobs_keep_their_argument),
		ON_BACKENDS(a_whole_job_is_waited_for),
		ON_BACKENDS(a_whole_job_leaves_the_line),
		ON_BACKENDS(a_client_that_left_waits_for_nothing),
		ON_BACKENDS(the_end_is_clean),
		cmocka_unit_test(no_pool_is_no_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
