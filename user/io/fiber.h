/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fiber.h - small stacks for requests, so a pipeline reads as straight-line code.
 *
 * A fiber runs on its loop's thread until it parks or returns. Wake-ups go through a ready queue
 * that the loop runs after its completions; a fiber is never resumed from inside another fiber or a
 * callback. Stacks are pooled, SL_FIBER_STACK_BYTES with a guard page each; the pool is bounded.
 * Fibers do no floating point and call nothing that blocks.
 */
#ifndef SL_IO_FIBER_H
#define SL_IO_FIBER_H

#include "user/io/loop.h"

#define SL_FIBER_STACK_BYTES 65536u /* virtual; about 4 to 8 KB become resident */
#define SL_FIBERS_MAX	     8192u  /* a thread */
#define SL_FIBER_SHARE_NS    20000u /* of a turn, then the others are let go first */

struct sl_fiber;

/*
 * Starts fn(arg) on a fiber of its own, at the latest in this turn's ready phase. Returns 0,
 * -EAGAIN when SL_FIBERS_MAX run already, -ENOMEM.
 */
int sl_fiber_start(struct sl_loop *loop, void (*fn)(void *arg), void *arg);

/* The running fiber, NULL outside of one. */
struct sl_fiber *sl_fiber_self(struct sl_loop *loop);

/*
 * Parks the running fiber until sl_fiber_wake() or until the loop's clock reaches deadline_ns
 * (0: no deadline). A wake that came before the park is not lost: park returns at once. Returns 0
 * when woken, -ETIMEDOUT. Spurious wakes are possible: check the condition in a loop.
 */
int sl_fiber_park(struct sl_loop *loop, uint64_t deadline_ns);

/* Makes a parked fiber ready (or marks the wake for its next park). Loop's thread only. */
void sl_fiber_wake(struct sl_fiber *fiber);

/* Parks for at least delay_ms. Returns 0, or -EINTR when woken early. */
int sl_fiber_sleep(struct sl_loop *loop, uint64_t delay_ms);

/* Lets events, timers and the other fibers go first: for work that would hold the thread for long in one piece.
 * It goes on in the next turn, which does not wait. */
void sl_fiber_yield(struct sl_loop *loop);

/* The same once this turn has lasted for SL_FIBER_SHARE_NS; else it costs a look at the clock. For between two
 * steps of which each may be long. */
void sl_fiber_share(struct sl_loop *loop);

/* Fibers alive on this loop. */
uint32_t sl_fiber_count(const struct sl_loop *loop);

#endif
