/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * work.h - a bounded pool of threads for what must not hold up a loop: the embedded database, index
 * search, embeddings, files.
 *
 *   fiber: sl_work_run() -> queue (SL_WORK_QUEUE_MAX) -> a thread runs the job -> the fiber goes on
 *   anybody: sl_work_post() -> the same, and nobody waits
 *
 * A queue that is full refuses at once: who asks steps down its ladder. Jobs are taken first in, first
 * out, and are never broken off while they run, so each should end by itself in well under a second;
 * one that does more posts itself again in pieces.
 *
 * Who owns a job's argument:
 *
 *   sl_work_run returns      argument
 *   0                        the caller's again; the job has run
 *   -EAGAIN, -ESHUTDOWN,     the caller's again; the job was not taken
 *   -ENOMEM
 *   -ETIMEDOUT, -ECANCELED   the pool's: it stays valid until the job has run (or will never run), and
 *                            `drop` is then called with it once, on a thread of the pool
 *
 * So an argument is memory of its own (never the fiber's stack or the request's arena), has copies of
 * all that the job reads, and `drop` frees it. A posted job's argument is the pool's from the start.
 *
 * One pool for the process; any loop of the process may hand over. On a thread of the pool a job may
 * use floating point and block; it may not touch anything that belongs to a loop.
 */
#ifndef SL_IO_WORK_H
#define SL_IO_WORK_H

#include <stdbool.h>
#include <stdint.h>
#include "user/io/loop.h"

#define SL_WORK_THREADS_MAX 16u
#define SL_WORK_QUEUE_MAX   256u /* jobs that wait; of all loops together */

struct sl_work;

struct sl_work_stats {
	uint64_t done;
	uint64_t refused;   /* the queue was full */
	uint64_t abandoned; /* nobody waited for them any more when they had run */
	uint64_t run_ns;    /* of all that are done */
	uint64_t wait_ns;   /* in the queue, of all that are done */
	uint32_t queued;    /* now */
	uint32_t running;   /* now */
	uint32_t threads;
};

/* threads: 1 to SL_WORK_THREADS_MAX; 0: half of the processors, 2 to 8. Returns 0, -ENOMEM, -EAGAIN. */
int sl_work_open(uint32_t threads, struct sl_work **ret_work);

/*
 * Takes no job any more, drops those that wait, and waits for those that run; fibers that waited get
 * -ESHUTDOWN. Then frees all. The loops that handed jobs over must still be there, or have no fiber
 * that waits. NULLs the pointer; NULL is fine.
 */
void sl_work_close(struct sl_work **work);

/* Before loops that handed jobs over are closed while the pool goes on: no thread of it is about to wake
 * one of them, if none of their fibers waits any more. NULL is fine. */
void sl_work_settle(struct sl_work *work);

/*
 * On a fiber of the loop: run(arg) on a thread of the pool, and wait for it until deadline_ns (loop
 * time, not 0) or until *gone is set with a wake-up (NULL: nobody leaves). See above for arg; drop may
 * be NULL when nothing is to be freed. Returns 0, -EAGAIN (full), -ETIMEDOUT, -ECANCELED (gone),
 * -ESHUTDOWN, -ENOMEM. work NULL: -ESHUTDOWN.
 */
int sl_work_run(struct sl_work *work, struct sl_loop *loop, void (*run)(void *arg),
		void (*drop)(void *arg), void *arg, uint64_t deadline_ns, const bool *gone);

/*
 * The same, but one that has begun is waited for, however long that takes and whoever leaves: so the argument
 * stays the caller's and may lie anywhere. For jobs that are short and bounded; behind others, which may not be,
 * it waits 20 ms. Returns 0; -ETIMEDOUT, -EAGAIN, -ESHUTDOWN, -ENOMEM: it has not run, and will not.
 */
int sl_work_run_whole(struct sl_work *work, struct sl_loop *loop, void (*run)(void *arg),
		      void *arg);

/* Any thread: run(arg), then drop(arg), some time. On an error neither is called. Returns 0, -EAGAIN,
 * -ESHUTDOWN, -ENOMEM. */
int sl_work_post(struct sl_work *work, void (*run)(void *arg), void (*drop)(void *arg), void *arg);

/* Any thread. work NULL: all zero. */
void sl_work_read_stats(struct sl_work *work, struct sl_work_stats *ret_stats);

#endif
