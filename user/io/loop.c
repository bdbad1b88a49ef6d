/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loop.c - turns, timers, tasks and calls from other threads; see loop.h for the order of a turn.
 *
 * Threads: post_lock guards the list of posts, `stop` and `wake_sent` are atomic, wake_fd is
 * written by anyone; all else belongs to the loop's thread. A poster writes wake_fd only when the
 * loop has not been woken already, so a burst of posts costs one system call.
 */
#include "user/io/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "user/base/clock.h"
#include "user/io/backend.h"

void sl_loop_read_clock(struct sl_loop *loop)
{
	loop->now_ns = sl_clock_ns();
}

void sl_loop_awake(struct sl_loop *loop)
{
	sl_loop_read_clock(loop);
	if (loop->turns)
		sl_turns_begin(loop->turns);
}

uint64_t sl_loop_now_ns(const struct sl_loop *loop)
{
	return loop->now_ns;
}

int sl_loop_set_coalesce(struct sl_loop *loop, uint64_t coalesce_ns)
{
	loop->coalesce_ns = coalesce_ns;
	return coalesce_ns && !loop->gather ? sl_gather_open(&loop->gather) : 0;
}

const char *sl_loop_backend(const struct sl_loop *loop)
{
	return loop->backend->name;
}

/* ---- opening and closing ----------------------------------------------------------------------
 */

static int open_backend(struct sl_loop *loop, const struct sl_loop_options *options)
{
	enum sl_io_backend wanted = options->backend;
	const char *env = getenv("SLUICE_IO");
	int error;

	if (wanted == SL_IO_AUTO && env) {
		if (!strcmp(env, "epoll"))
			wanted = SL_IO_EPOLL;
		else if (!strcmp(env, "uring") || !strcmp(env, "io_uring"))
			wanted = SL_IO_URING;
	}
	if (wanted != SL_IO_EPOLL) {
		loop->backend = &sl_uring_backend;
		error = loop->backend->open(loop, options);
		if (!error || wanted == SL_IO_URING)
			return error;
	}
	loop->backend = &sl_epoll_backend;
	return loop->backend->open(loop, options);
}

int sl_loop_open(const struct sl_loop_options *options, struct sl_loop **ret_loop)
{
	struct sl_loop_options filled = *options;
	struct sl_loop *loop = calloc(1, sizeof(*loop));
	int error;

	if (!loop)
		return -ENOMEM;
	filled.ring_entries = filled.ring_entries ? filled.ring_entries : SL_LOOP_RING_ENTRIES;
	filled.recv_buffers = filled.recv_buffers ? filled.recv_buffers : SL_LOOP_RECV_BUFFERS;
	filled.recv_bytes = filled.recv_bytes ? filled.recv_bytes : SL_LOOP_RECV_BYTES;
	loop->post_tail = &loop->post_head;
	loop->later_tail = &loop->later_head;
	loop->linger_tail = &loop->linger_head;
	pthread_mutex_init(&loop->post_lock, NULL);
	sl_loop_read_clock(loop);
	sl_wheel_init(&loop->wheel, sl_loop_now_ms(loop));
	sl_timer_init(&loop->linger_timer, sl_socket_linger_expired);
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->wake_fd < 0) {
		error = -errno;
		goto free_loop;
	}
	error = sl_loop_set_coalesce(loop, filled.coalesce_ns);
	if (error)
		goto close_wake;
	error = open_backend(loop, &filled);
	if (error)
		goto close_gather;
	*ret_loop = loop;
	return 0;

close_gather:
	sl_gather_close(&loop->gather);
close_wake:
	close(loop->wake_fd);
free_loop:
	pthread_mutex_destroy(&loop->post_lock);
	free(loop);
	return error;
}

void sl_loop_close(struct sl_loop **loop_in)
{
	struct sl_loop *loop = *loop_in;

	if (!loop)
		return;
	*loop_in = NULL;
	sl_fibers_close(loop);
	loop->backend->close(loop);
	sl_gather_close(&loop->gather);
	close(loop->wake_fd);
	while (loop->post_head) {
		struct sl_loop_post *post = loop->post_head;

		loop->post_head = post->next;
		if (!post->lent)
			free(post);
	}
	sl_block_pool_fini(&loop->blocks);
	free(loop->tls_scratch);
	free(loop->turns);
	pthread_mutex_destroy(&loop->post_lock);
	free(loop);
}

/* ---- tasks and posts --------------------------------------------------------------------------
 */

void sl_loop_defer(struct sl_loop *loop, struct sl_task *task)
{
	if (task->queued)
		return;
	task->queued = true;
	task->next = NULL;
	if (loop->task_head)
		loop->task_tail->next = task;
	else
		loop->task_head = task;
	loop->task_tail = task;
}

void sl_loop_defer_turn(struct sl_loop *loop, struct sl_task *task)
{
	if (task->queued)
		return;
	task->queued = true;
	task->next = NULL;
	*loop->later_tail = task;
	loop->later_tail = &task->next;
}

/* Those of the turn before, behind what the events queued. */
static void take_later(struct sl_loop *loop)
{
	struct sl_task *task = loop->later_head;

	if (!task)
		return;
	if (loop->task_head)
		loop->task_tail->next = task;
	else
		loop->task_head = task;
	loop->task_tail = SL_OWNER_OF(loop->later_tail, struct sl_task, next);
	loop->later_head = NULL;
	loop->later_tail = &loop->later_head;
}

/* Runs the tasks that are queued now. Returns false when there was none. */
static bool run_tasks(struct sl_loop *loop)
{
	struct sl_task *task = loop->task_head;

	if (!task)
		return false;
	loop->task_head = loop->task_tail = NULL;
	while (task) {
		struct sl_task *next = task->next;

		task->next = NULL;
		task->queued = false;
		task->run(task);
		task = next;
	}
	return true;
}

static void wake(struct sl_loop *loop)
{
	int saved = errno; /* also called from signal handlers */
	uint64_t one = 1;
	/* Fails only when the counter is full, and then the loop has been woken. */
	ssize_t ignored = write(loop->wake_fd, &one, sizeof(one));

	(void)ignored;
	errno = saved;
}

static void put_post(struct sl_loop *loop, struct sl_loop_post *post)
{
	post->next = NULL;
	pthread_mutex_lock(&loop->post_lock);
	*loop->post_tail = post;
	loop->post_tail = &post->next;
	pthread_mutex_unlock(&loop->post_lock);
	if (!atomic_exchange(&loop->wake_sent, true))
		wake(loop);
}

int sl_loop_post(struct sl_loop *loop, void (*fn)(void *arg), void *arg)
{
	struct sl_loop_post *post = malloc(sizeof(*post));

	if (!post)
		return -ENOMEM;
	*post = (struct sl_loop_post){.fn = fn, .arg = arg};
	put_post(loop, post);
	return 0;
}

void sl_loop_post_lent(struct sl_loop *loop, struct sl_loop_post *post)
{
	post->lent = true;
	put_post(loop, post);
}

void sl_loop_woken(struct sl_loop *loop)
{
	struct sl_loop_post *post;
	uint64_t count;
	ssize_t ignored = read(loop->wake_fd, &count, sizeof(count));

	(void)ignored;
	/* In this order: a post that comes after the store wakes again, one before it is taken. */
	atomic_store(&loop->wake_sent, false);
	pthread_mutex_lock(&loop->post_lock);
	post = loop->post_head;
	loop->post_head = NULL;
	loop->post_tail = &loop->post_head;
	pthread_mutex_unlock(&loop->post_lock);
	while (post) {
		struct sl_loop_post *next = post->next;
		void (*fn)(void *arg) = post->fn;
		void *arg = post->arg;

		if (!post->lent)
			free(post);
		fn(arg);
		post = next;
	}
}

void sl_loop_stop(struct sl_loop *loop)
{
	atomic_store(&loop->stop, true);
	wake(loop);
}

/* ---- timers -----------------------------------------------------------------------------------
 */

void sl_timer_set(struct sl_loop *loop, struct sl_timer *timer, uint64_t delay_ms)
{
	uint64_t due_ms = (loop->now_ns + 999999u) / 1000000u; /* rounded up: never early */

	if (delay_ms > SL_WHEEL_TICK_MAX)
		delay_ms = SL_WHEEL_TICK_MAX;
	sl_wheel_set(&loop->wheel, timer, due_ms + delay_ms);
}

void sl_timer_cancel(struct sl_loop *loop, struct sl_timer *timer)
{
	sl_wheel_cancel(&loop->wheel, timer);
}

/* ---- turns ------------------------------------------------------------------------------------
 */

/* Tasks, fibers and settling until nothing is left, or what is left waits for the next turn. */
static void run_ready(struct sl_loop *loop)
{
	for (unsigned round = 0; round < SL_LOOP_ROUNDS_MAX; round++) {
		bool ran = run_tasks(loop);

		if (!sl_socket_settle_all(loop) && !ran)
			return;
	}
}

static uint64_t wait_ns(const struct sl_loop *loop, int timeout_ms)
{
	uint64_t wait = timeout_ms < 0 ? SL_LOOP_WAIT_FOREVER : (uint64_t)timeout_ms * 1000000u;
	uint64_t next_ms = sl_wheel_next_ms(&loop->wheel), gather_ns = sl_gather_wait_ns(loop);

	if (loop->task_head || loop->later_head || loop->dirty_head || atomic_load(&loop->stop))
		return 0;
	if (next_ms != UINT64_MAX) {
		uint64_t due_ns = next_ms * 1000000u;
		uint64_t left = due_ns > loop->now_ns ? due_ns - loop->now_ns : 0;

		if (left < wait)
			wait = left;
	}
	return gather_ns < wait ? gather_ns : wait;
}

/* Not state of a loop: it says what the thread is, for whoever must not run there. */
static _Thread_local bool in_turn;

bool sl_loop_is_here(void)
{
	return in_turn;
}

static int take_turn(struct sl_loop *loop, int timeout_ms)
{
	int error;

	/* Only what was asked for between turns: each turn leaves nothing behind. Its callbacks may be
	 * what the caller waits for, so this turn does not sleep. */
	if (loop->task_head || loop->dirty_head) {
		run_ready(loop);
		timeout_ms = 0;
	}
	if (loop->turns)
		sl_turns_pause(loop->turns);
	error = loop->backend->wait(loop, wait_ns(loop, timeout_ms));
	if (error)
		return error;
	take_later(loop);
	sl_gather_run(loop);
	sl_wheel_advance(&loop->wheel, sl_loop_now_ms(loop));
	run_ready(loop);
	return 0;
}

int sl_loop_turn(struct sl_loop *loop, int timeout_ms)
{
	int error;

	in_turn = true;
	error = take_turn(loop, timeout_ms);
	in_turn = false;
	return error;
}

int sl_loop_run(struct sl_loop *loop)
{
	int error = 0;

	while (!error && !atomic_load(&loop->stop))
		error = sl_loop_turn(loop, -1);
	atomic_store(&loop->stop, false);
	loop->backend->submit(loop);
	return error;
}
