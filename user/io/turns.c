/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/io/turns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include "user/io/backend.h"

enum { PART_LOOP = 0, PART_WAIT };

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* How often the kernel put this thread to sleep because it waited for something. */
static uint64_t sleeps(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) ? 0 : (uint64_t)usage.ru_nvcsw;
}

static void add(uint64_t *counter, uint64_t more)
{
	__atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED);
}

/* Beyond the last one all are counted with the first, "loop". */
static uint32_t part_of(struct sl_turns *turns, const char *name)
{
	uint32_t count = turns->part_count;

	for (uint32_t i = 0; i < count; i++)
		if (turns->parts[i].name == name || !strcmp(turns->parts[i].name, name))
			return i;
	if (count == SL_TURNS_PARTS_MAX)
		return PART_LOOP;
	turns->parts[count].name = name;
	__atomic_store_n(&turns->part_count, count + 1, __ATOMIC_RELEASE);
	return count;
}

static void end_part(struct sl_turns *turns, uint64_t now_ns)
{
	struct sl_turns_part *part = &turns->parts[turns->now];
	uint64_t ns = now_ns - turns->part_began_ns;

	sl_histogram_record(&part->ns, ns);
	add(&part->long_count, ns > SL_TURNS_BAR_NS);
	turns->part_began_ns = now_ns;
}

int sl_turns_open(struct sl_loop *loop)
{
	if (loop->turns)
		return 0;
	loop->turns = calloc(1, sizeof(*loop->turns));
	if (!loop->turns)
		return -ENOMEM;
	part_of(loop->turns, "loop");
	part_of(loop->turns, "wait");
	return 0;
}

const struct sl_turns *sl_turns_of(const struct sl_loop *loop)
{
	return loop->turns;
}

const char *sl_turns_enter(struct sl_loop *loop, const char *name)
{
	struct sl_turns *turns = loop->turns;
	const char *before;

	if (!turns)
		return NULL;
	before = turns->parts[turns->now].name;
	if (turns->open)
		end_part(turns, cpu_ns());
	turns->now = part_of(turns, name);
	return before;
}

void sl_turns_leave(struct sl_loop *loop, const char *before)
{
	if (before)
		(void)sl_turns_enter(loop, before);
}

void sl_turns_pause(struct sl_turns *turns)
{
	if (!turns->open)
		return;
	turns->paused_ns = cpu_ns();
	end_part(turns, turns->paused_ns);
	add(&turns->slept, sleeps() != turns->sleeps);
	turns->open = false;
}

void sl_turns_begin(struct sl_turns *turns)
{
	uint64_t now_ns = cpu_ns(), ns = now_ns - turns->turn_began_ns;

	if (turns->turn_began_ns) {
		turns->now = PART_WAIT;
		turns->part_began_ns = turns->paused_ns;
		end_part(turns, now_ns);
		sl_histogram_record(&turns->ns, ns);
		add(&turns->long_count, ns > SL_TURNS_BAR_NS);
	}
	turns->turn_began_ns = turns->part_began_ns = now_ns;
	turns->sleeps = sleeps();
	turns->now = PART_LOOP;
	turns->open = true;
}
