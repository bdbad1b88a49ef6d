/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loop.h - one event loop a thread, over io_uring or epoll behind the same interface.
 *
 * A turn of the loop: wait (one system call that also submits everything queued) -> collect all
 * completions -> run their callbacks -> run due timers -> run deferred tasks and ready fibers until
 * none is left -> queue one send for each socket with fresh output -> next turn. So a thousand
 * tokens that arrive together cost one wake-up and one system call. Sockets that are patient are
 * read at times of their own (gather.h).
 *
 * Every function here belongs to the loop's own thread, except sl_loop_post() and sl_loop_stop().
 * Callbacks may call anything, also close the object that called them.
 */
#ifndef SL_IO_LOOP_H
#define SL_IO_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "user/base/config.h" /* enum sl_io_backend */

struct sl_loop;

struct sl_loop_options {
	enum sl_io_backend backend;
	uint32_t ring_entries; /* submission queue; 0: 4096 */
	uint32_t recv_buffers; /* shared receive buffers, power of two; 0: 1024 */
	uint32_t recv_bytes;   /* size of one; 0: 8192 */
	uint64_t coalesce_ns;  /* longest wait of a patient socket's bytes; 0: none */
};

/* Returns 0, -ENOSYS/-EPERM (back end forbidden and not AUTO), -ENOMEM, -EMFILE. */
int sl_loop_open(const struct sl_loop_options *options, struct sl_loop **ret_loop);
void sl_loop_close(struct sl_loop **loop);

/*
 * Changes coalesce_ns, how long the bytes of patient sockets (sl_socket_set_patient) wait for those
 * of others. Returns 0, or -ENOMEM, -EMFILE: then none waits.
 */
int sl_loop_set_coalesce(struct sl_loop *loop, uint64_t coalesce_ns);

/* "io_uring" or "epoll". */
const char *sl_loop_backend(const struct sl_loop *loop);

/* Runs until sl_loop_stop(). Returns 0 or -errno of a broken ring. */
int sl_loop_run(struct sl_loop *loop);
void sl_loop_stop(struct sl_loop *loop); /* any thread, also a signal handler */

/* One turn that waits at most timeout_ms (-1: for ever). For tests and tools. */
int sl_loop_turn(struct sl_loop *loop, int timeout_ms);

/* Whether a loop's turn runs on this thread: what may block asserts that none does. */
bool sl_loop_is_here(void);

/* CLOCK_MONOTONIC in ns, read once a turn (and after a wait). */
uint64_t sl_loop_now_ns(const struct sl_loop *loop);
static inline uint64_t sl_loop_now_ms(const struct sl_loop *loop)
{
	return sl_loop_now_ns(loop) / 1000000u;
}

/* A piece of work embedded in its owner; queued at most once at a time. */
struct sl_task {
	struct sl_task *next;
	void (*run)(struct sl_task *task);
	bool queued;
};

/* Runs task in this turn, after the completions. No effect when queued already. */
void sl_loop_defer(struct sl_loop *loop, struct sl_task *task);

/* The same in the next turn, behind the events that are there by then. That turn does not wait. */
void sl_loop_defer_turn(struct sl_loop *loop, struct sl_task *task);

/* Any thread: runs fn(arg) on the loop's thread soon. Returns 0 or -ENOMEM. */
int sl_loop_post(struct sl_loop *loop, void (*fn)(void *arg), void *arg);

/* A post in the caller's own memory, which stays until fn is called; or until the loop is closed, for
 * then it is not. */
struct sl_loop_post {
	struct sl_loop_post *next; /* internal */
	void (*fn)(void *arg);
	void *arg;
	bool lent; /* internal */
};

/* The same, and cannot fail. With fn and arg set; not while it is posted already. */
void sl_loop_post_lent(struct sl_loop *loop, struct sl_loop_post *post);

/* ---- timers: hierarchical wheel, 1 ms ticks, intrusive, O(1) --------------------------------- */

struct sl_timer {
	struct sl_timer *next, **pprev; /* pprev NULL: not set */
	uint64_t due_ms;
	void (*expired)(struct sl_timer *timer);
};

static inline void sl_timer_init(struct sl_timer *timer, void (*expired)(struct sl_timer *timer))
{
	*timer = (struct sl_timer){.expired = expired};
}
static inline bool sl_timer_is_set(const struct sl_timer *timer)
{
	return timer->pprev != NULL;
}
/* (Re)arms: due in delay_ms from the loop's now, never early, at most one tick late. */
void sl_timer_set(struct sl_loop *loop, struct sl_timer *timer, uint64_t delay_ms);
void sl_timer_cancel(struct sl_loop *loop, struct sl_timer *timer); /* no effect when not set */

#endif
