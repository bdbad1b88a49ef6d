/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fiber.c - fibers over Boost.Context's two assembly routines.
 *
 * A fiber lives at the top of its own stack: one mapping holds a guard page, the stack and struct
 * sl_fiber, so starting one costs no allocation while the pool has a stack.
 *
 *   state     meaning                              leaves by
 *   READY     its task is queued in the loop       the ready phase
 *   RUNNING   on the processor                     park, return
 *   PARKED    waits                                wake, deadline -> READY
 *
 * A wake for a fiber that is not parked is kept in `woken` for its next park. The loop's stack
 * resumes fibers, only from tasks, so there are never two levels.
 *
 * Idle stacks: the first WARM_STACKS keep their memory, those above give their pages back to the
 * kernel, and above IDLE_STACKS_MAX the mapping goes too. The pages above the head of a stack that
 * ran deep stay with warm ones: WARM_STACKS bounds that to 4 MiB a loop.
 */
#include "user/io/fiber.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "user/base/clock.h"
#include "user/io/backend.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/asan_interface.h>
#endif

#define WARM_STACKS	64u
#define IDLE_STACKS_MAX 1024u
#define NS_PER_MS	1000000u

/* Boost.Context's C ABI (boost/context/detail/fcontext.hpp). */
typedef void *fcontext_t;
struct transfer_t {
	fcontext_t fctx;
	void *data;
};
extern struct transfer_t jump_fcontext(fcontext_t to, void *data);
extern fcontext_t make_fcontext(void *stack_top, size_t size, void (*fn)(struct transfer_t));

enum fiber_state {
	FIBER_READY = 0,
	FIBER_RUNNING,
	FIBER_PARKED,
	FIBER_DONE,
};

struct sl_fiber {
	struct sl_loop *loop;
	struct sl_task task;
	struct sl_timer deadline;
	fcontext_t context;
	void (*fn)(void *arg);
	void *arg;
	const char *part;		/* turns.h: what it does; while it is parked */
	struct sl_fiber *next, **pprev; /* all that are alive; idle stacks use next only */
	uint8_t state;
	bool woken;
	bool timed_out;
	void *fake_stack; /* of the address sanitizer */
};

struct sl_fibers {
	struct sl_fiber *running;
	fcontext_t loop_context;
	struct sl_fiber *alive;
	struct sl_fiber *idle;
	uint32_t alive_count, idle_count;
	size_t page_bytes;
	void *loop_fake_stack;
	const void *loop_stack;
	size_t loop_stack_bytes;
};

/* ---- the address sanitizer must know of each switch -------------------------------------------
 */

#ifdef __SANITIZE_ADDRESS__
static void before_switch(void **save, const void *bottom, size_t size)
{
	__sanitizer_start_switch_fiber(save, bottom, size);
}
static void after_switch(void *fake, const void **ret_bottom, size_t *ret_size)
{
	__sanitizer_finish_switch_fiber(fake, ret_bottom, ret_size);
}
#else
static void before_switch(void **save, const void *bottom, size_t size)
{
	(void)save, (void)bottom, (void)size;
}
static void after_switch(void *fake, const void **ret_bottom, size_t *ret_size)
{
	(void)fake, (void)ret_bottom, (void)ret_size;
}
#endif

/* ---- stacks -----------------------------------------------------------------------------------
 */

#define TOP_BYTES ((sizeof(struct sl_fiber) + 63u) / 64u * 64u)

/* Lowest usable byte of the stack; the guard page is below. */
static char *stack_bottom(struct sl_fiber *fiber)
{
	return (char *)fiber + TOP_BYTES - SL_FIBER_STACK_BYTES;
}

static size_t stack_bytes(void)
{
	return SL_FIBER_STACK_BYTES - TOP_BYTES;
}

static int map_stack(size_t page, struct sl_fiber **ret_fiber)
{
	size_t size = SL_FIBER_STACK_BYTES + page;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

	if (memory == MAP_FAILED)
		return -ENOMEM;
	/* Splits the mapping in two; vm.max_map_count bounds these. */
	if (mprotect(memory, page, PROT_NONE)) {
		munmap(memory, size);
		return -ENOMEM;
	}
	*ret_fiber = (struct sl_fiber *)(void *)(memory + size - TOP_BYTES);
	return 0;
}

/* Frames that never returned leave the sanitizer's poison behind, for the next user of the pages. */
static void forget_frames(struct sl_fiber *fiber)
{
#ifdef __SANITIZE_ADDRESS__
	__asan_unpoison_memory_region(stack_bottom(fiber), stack_bytes());
#else
	(void)fiber;
#endif
}

static void unmap_stack(struct sl_fibers *fibers, struct sl_fiber *fiber)
{
	forget_frames(fiber);
	munmap(stack_bottom(fiber) - fibers->page_bytes, SL_FIBER_STACK_BYTES + fibers->page_bytes);
}

static int get_stack(struct sl_fibers *fibers, struct sl_fiber **ret_fiber)
{
	struct sl_fiber *fiber = fibers->idle;

	if (!fiber)
		return map_stack(fibers->page_bytes, ret_fiber);
	fibers->idle = fiber->next;
	fibers->idle_count--;
	*ret_fiber = fiber;
	return 0;
}

static void put_stack(struct sl_fibers *fibers, struct sl_fiber *fiber)
{
	forget_frames(fiber);
	if (fibers->idle_count >= IDLE_STACKS_MAX) {
		unmap_stack(fibers, fiber);
		return;
	}
	if (fibers->idle_count >= WARM_STACKS)
		/* All but the page that holds the list's link. */
		madvise(stack_bottom(fiber), SL_FIBER_STACK_BYTES - fibers->page_bytes,
			MADV_DONTNEED);
	fiber->next = fibers->idle;
	fibers->idle = fiber;
	fibers->idle_count++;
}

/* ---- switching --------------------------------------------------------------------------------
 */

/* From a fiber back to the loop's stack; returns when the fiber is resumed. */
static void leave(struct sl_fiber *fiber)
{
	struct sl_fibers *fibers = fiber->loop->fibers;
	struct transfer_t from;

	before_switch(fiber->state == FIBER_DONE ? NULL : &fiber->fake_stack, fibers->loop_stack,
		      fibers->loop_stack_bytes);
	from = jump_fcontext(fibers->loop_context, NULL);
	after_switch(fiber->fake_stack, &fibers->loop_stack, &fibers->loop_stack_bytes);
	fibers->loop_context = from.fctx;
}

static void entry(struct transfer_t from)
{
	struct sl_fiber *fiber = from.data;
	struct sl_fibers *fibers = fiber->loop->fibers;

	after_switch(NULL, &fibers->loop_stack, &fibers->loop_stack_bytes);
	fibers->loop_context = from.fctx;
	fiber->fn(fiber->arg);
	fiber->state = FIBER_DONE;
	leave(fiber);
	abort(); /* nobody resumes a fiber that is done */
}

static void finish(struct sl_fibers *fibers, struct sl_fiber *fiber)
{
	*fiber->pprev = fiber->next;
	if (fiber->next)
		fiber->next->pprev = fiber->pprev;
	fibers->alive_count--;
	sl_timer_cancel(fiber->loop, &fiber->deadline);
	put_stack(fibers, fiber);
}

static void resume(struct sl_task *task)
{
	struct sl_fiber *fiber = SL_OWNER_OF(task, struct sl_fiber, task);
	struct sl_fibers *fibers = fiber->loop->fibers;
	struct transfer_t from;
	const char *before = NULL;

	assert(!fibers->running);
	assert(fiber->state == FIBER_READY);
	fibers->running = fiber;
	fiber->state = FIBER_RUNNING;
	if (fiber->loop->turns)
		before = sl_turns_enter(fiber->loop, fiber->part);
	before_switch(&fibers->loop_fake_stack, stack_bottom(fiber), stack_bytes());
	from = jump_fcontext(fiber->context, fiber);
	after_switch(fibers->loop_fake_stack, NULL, NULL);
	fibers->running = NULL;
	fiber->context = from.fctx;
	if (before) /* it goes on under the name that it parked under */
		fiber->part = sl_turns_enter(fiber->loop, before);
	if (fiber->state == FIBER_DONE)
		finish(fibers, fiber);
}

static void make_ready(struct sl_fiber *fiber)
{
	fiber->state = FIBER_READY;
	sl_timer_cancel(fiber->loop, &fiber->deadline);
	sl_loop_defer(fiber->loop, &fiber->task);
}

static void deadline_expired(struct sl_timer *timer)
{
	struct sl_fiber *fiber = SL_OWNER_OF(timer, struct sl_fiber, deadline);

	assert(fiber->state == FIBER_PARKED);
	fiber->timed_out = true;
	make_ready(fiber);
}

/* ---- exported ---------------------------------------------------------------------------------
 */

int sl_fiber_start(struct sl_loop *loop, void (*fn)(void *arg), void *arg)
{
	struct sl_fibers *fibers = loop->fibers;
	struct sl_fiber *fiber;
	int error;

	if (!fibers) {
		fibers = calloc(1, sizeof(*fibers));
		if (!fibers)
			return -ENOMEM;
		fibers->page_bytes = (size_t)sysconf(_SC_PAGESIZE);
		loop->fibers = fibers;
	}
	if (fibers->alive_count >= SL_FIBERS_MAX)
		return -EAGAIN;
	error = get_stack(fibers, &fiber);
	if (error)
		return error;
	*fiber = (struct sl_fiber){
		.loop = loop, .fn = fn, .arg = arg, .part = "fiber", .task.run = resume};
	sl_timer_init(&fiber->deadline, deadline_expired);
	fiber->context = make_fcontext(fiber, stack_bytes(), entry);
	fiber->next = fibers->alive;
	if (fiber->next)
		fiber->next->pprev = &fiber->next;
	fiber->pprev = &fibers->alive;
	fibers->alive = fiber;
	fibers->alive_count++;
	make_ready(fiber);
	return 0;
}

struct sl_fiber *sl_fiber_self(struct sl_loop *loop)
{
	return loop->fibers ? loop->fibers->running : NULL;
}

int sl_fiber_park(struct sl_loop *loop, uint64_t deadline_ns)
{
	struct sl_fiber *fiber = sl_fiber_self(loop);

	assert(fiber);
	if (fiber->woken) {
		fiber->woken = false;
		return 0;
	}
	if (deadline_ns && deadline_ns <= loop->now_ns)
		return -ETIMEDOUT;
	if (deadline_ns)
		sl_timer_set(loop, &fiber->deadline,
			     (deadline_ns - loop->now_ns + NS_PER_MS - 1) / NS_PER_MS);
	fiber->timed_out = false;
	fiber->state = FIBER_PARKED;
	leave(fiber);
	return fiber->timed_out ? -ETIMEDOUT : 0;
}

void sl_fiber_yield(struct sl_loop *loop)
{
	struct sl_fiber *fiber = sl_fiber_self(loop);

	assert(fiber);
	fiber->state = FIBER_READY; /* a wake meanwhile is kept for its next park */
	sl_loop_defer_turn(loop, &fiber->task);
	leave(fiber);
}

void sl_fiber_share(struct sl_loop *loop)
{
	if (sl_clock_ns() - loop->now_ns >= SL_FIBER_SHARE_NS)
		sl_fiber_yield(loop);
}

void sl_fiber_wake(struct sl_fiber *fiber)
{
	if (fiber->state == FIBER_PARKED)
		make_ready(fiber);
	else
		fiber->woken = true;
}

int sl_fiber_sleep(struct sl_loop *loop, uint64_t delay_ms)
{
	/* One nanosecond more, so that sleeping for 0 ms still lets the others run. */
	int result = sl_fiber_park(loop, loop->now_ns + delay_ms * NS_PER_MS + 1);

	return result == -ETIMEDOUT ? 0 : -EINTR;
}

uint32_t sl_fiber_count(const struct sl_loop *loop)
{
	return loop->fibers ? loop->fibers->alive_count : 0;
}

/* Fibers that still run are cut off where they are parked; what they hold is not released. */
void sl_fibers_close(struct sl_loop *loop)
{
	struct sl_fibers *fibers = loop->fibers;

	if (!fibers)
		return;
	assert(!fibers->running);
	while (fibers->alive) {
		struct sl_fiber *fiber = fibers->alive;

		fibers->alive = fiber->next;
		unmap_stack(fibers, fiber);
	}
	while (fibers->idle) {
		struct sl_fiber *fiber = fibers->idle;

		fibers->idle = fiber->next;
		unmap_stack(fibers, fiber);
	}
	free(fibers);
	loop->fibers = NULL;
}
