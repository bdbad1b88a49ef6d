/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * turns.h - how long a loop's thread is held by one turn, and by which part of the work.
 *
 *   a turn   from the end of one wait for events to the end of the next: callbacks, fibers, and what the
 *            kernel does of the queued sends within the next wait's call
 *   a part   what runs under one name without giving the thread back: sl_turns_enter() to
 *            sl_turns_leave(), or to where its fiber parks; "loop" is what nobody named,
 *            "wait" the call that waits, without the waiting
 *
 * Times are the thread's CPU time, so neighbours on the machine are not in them. What holds the thread
 * without taking CPU (a lock, a read of a file, a page from disk) shows as a turn in which the kernel put the
 * thread to sleep outside of its wait: `slept` counts those. So a loop is held for no longer than the
 * longest turn says, as long as `slept` is 0.
 *
 * For measurements (tests/bench/turns.sh): two system calls a turn and one a part while it is on. Off, a
 * turn and a part cost one comparison each. One loop's thread writes; any thread may read.
 */
#ifndef SL_IO_TURNS_H
#define SL_IO_TURNS_H

#include "user/base/histogram.h"
#include "user/io/loop.h"

#define SL_TURNS_PARTS_MAX 32u
#define SL_TURNS_BAR_NS	   50000u /* a turn or a part above it is counted as long */

struct sl_turns_part {
	const char *name; /* a constant */
	uint64_t long_count;
	struct sl_histogram ns; /* each time that it held the thread */
};

struct sl_turns {
	struct sl_histogram ns; /* whole turns in which anything ran */
	uint64_t long_count;
	uint64_t slept;
	struct sl_turns_part parts[SL_TURNS_PARTS_MAX];
	uint32_t part_count;
	/* ---- of the thread alone ---- */
	uint32_t now; /* the part that runs */
	uint64_t part_began_ns, turn_began_ns, paused_ns;
	uint64_t sleeps; /* of the thread, as the kernel counted when the turn began */
	bool open;
};

/* Switches it on for good: 0, -ENOMEM. Thread: the loop's, or before it runs. */
int sl_turns_open(struct sl_loop *loop);

/* NULL: off. Any thread while the loop lives. */
const struct sl_turns *sl_turns_of(const struct sl_loop *loop);

/* The part that runs from here on; returns the one before, for sl_turns_leave(). name: a constant. */
const char *sl_turns_enter(struct sl_loop *loop, const char *name);
void sl_turns_leave(struct sl_loop *loop, const char *before);

/* ---- for loop.c ---- */
void sl_turns_begin(struct sl_turns *turns); /* events are there */
void sl_turns_pause(struct sl_turns *turns); /* about to wait for more */

#endif
