/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/room.h"

#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/request/worker.h"
#include "user/upstream/concurrency.h"

/* How long a pool is asked slowly after a request that could make no connection to it. */
#define DOUBT_NS (2 * SL_ROOM_PROBE_MS * SL_NS_PER_MS)

static uint32_t waiting_in(const struct sl_room *room)
{
	return __atomic_load_n(&room->waiting, __ATOMIC_SEQ_CST);
}

/* ---- rooms ----------------------------------------------------------------------------------- */

static struct sl_room *room_at(const struct sl_worker *worker, uint32_t pool_slot)
{
	const struct sl_rooms *rooms = worker->desk.rooms;

	return rooms ? __atomic_load_n(&rooms->by_pool[pool_slot], __ATOMIC_ACQUIRE) : NULL;
}

static void room_free(struct sl_room *room)
{
	if (!room || room->queue.count) /* requests that were cut off in it: left to the end */
		return;
	sl_queue_fini(&room->queue);
	pthread_mutex_destroy(&room->lock);
	free(room);
}

static struct sl_room *room_make(struct sl_worker *worker, uint32_t pool_slot)
{
	struct sl_room *room = room_at(worker, pool_slot), *other = NULL;

	if (room || !worker->desk.rooms)
		return room;
	room = calloc(1, sizeof(*room));
	if (!room)
		return NULL;
	pthread_mutex_init(&room->lock, NULL);
	if (sl_queue_init(&room->queue)) {
		room_free(room);
		return NULL;
	}
	if (__atomic_compare_exchange_n(&worker->desk.rooms->by_pool[pool_slot], &other, room,
					false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return room;
	room_free(room);
	return other;
}

void sl_rooms_fini(struct sl_rooms *rooms)
{
	uint32_t i;

	for (i = 0; i < SL_POOLS_MAX; i++) {
		room_free(rooms->by_pool[i]);
		rooms->by_pool[i] = NULL;
	}
}

/* ---- what was decided, on its way to the waiter's thread ---------------------------------------- */

static void empty_box(struct sl_worker *worker)
{
	struct sl_waiter *waiter = __atomic_exchange_n(&worker->desk.box, NULL, __ATOMIC_ACQUIRE);
	struct sl_waiter *in_order = NULL, *next;

	for (; waiter; waiter = next) {
		next = waiter->next;
		waiter->next = in_order;
		in_order = waiter;
	}
	for (waiter = in_order; waiter; waiter = next) {
		next = waiter->next;
		worker->desk.waiting[waiter->pool_slot]--;
		worker->desk.waiting_count--;
		sl_timer_cancel(worker->loop, &waiter->timer);
		waiter->ended(waiter);
	}
}

static void on_task(struct sl_task *task)
{
	struct sl_desk *desk = (struct sl_desk *)((char *)task - offsetof(struct sl_desk, task));

	empty_box((struct sl_worker *)((char *)desk - offsetof(struct sl_worker, desk)));
}

static void on_post(void *arg)
{
	empty_box(arg);
}

/* A post that fails for want of memory is made good by the other thread's next tick. */
static void tell(struct sl_worker *worker, struct sl_waiter *waiter)
{
	struct sl_worker *to = waiter->worker;
	struct sl_waiter *before = __atomic_load_n(&to->desk.box, __ATOMIC_RELAXED);

	do {
		waiter->next = before;
	} while (!__atomic_compare_exchange_n(&to->desk.box, &before, waiter, true,
					      __ATOMIC_RELEASE, __ATOMIC_RELAXED));
	if (to == worker)
		sl_loop_defer(worker->loop, &worker->desk.task);
	else if (!before)
		sl_loop_post(to->loop, on_post, to);
}

/* ---- granting (the room is locked) ------------------------------------------------------------ */

static const struct sl_upstream_pool *pool_at(const struct sl_worker *worker, uint32_t pool_slot)
{
	return worker->routes->pool_of_slot[pool_slot];
}

static void note_count(struct sl_room *room)
{
	__atomic_store_n(&room->waiting, room->queue.count, __ATOMIC_SEQ_CST);
}

static void tell_shed(struct sl_worker *worker, struct sl_room *room)
{
	struct sl_queue_entry *entry;

	while ((entry = sl_queue_take_shed(&room->queue)))
		tell(worker, (struct sl_waiter *)entry);
}

static void grant_next(struct sl_worker *worker, struct sl_room *room,
		       const struct sl_queue_config *config, const struct sl_upstream_grant *grant)
{
	uint64_t now_ns = sl_loop_now_ns(worker->loop);
	struct sl_waiter *waiter = (struct sl_waiter *)sl_queue_pop(&room->queue, config, now_ns);
	uint64_t born_ns = waiter->entry.born_ns;

	waiter->grant = *grant;
	waiter->slot = grant->node->slot;
	sl_histogram_record(&room->wait_us[waiter->entry.class],
			    now_ns > born_ns ? (now_ns - born_ns) / SL_NS_PER_US : 0);
	note_count(room);
	tell(worker, waiter);
}

/*
 * How many nodes may be asked for now. A pool without a healthy node gets one request now and then, in
 * panic too: who waits has nobody else, and somebody must find out that a node is back. The same, but
 * for the panic, while requests come back from a pool that its breakers take for healthy.
 */
static uint32_t looks_now(struct sl_worker *worker, struct sl_room *room,
			  const struct sl_upstream_pool *pool, bool *ret_panic)
{
	uint64_t now_ns = sl_loop_now_ns(worker->loop);

	*ret_panic = !sl_upstream_any_healthy(&worker->upstream, pool);
	if (!*ret_panic && now_ns >= room->doubt_ns)
		return SL_ROOM_GRANTS_MAX;
	sl_queue_pause(&room->queue);
	if (now_ns < room->probe_ns)
		return 0;
	room->probe_ns = now_ns + SL_ROOM_PROBE_MS * SL_NS_PER_MS;
	return 1;
}

/* Grants what the pool has free. */
static void look(struct sl_worker *worker, struct sl_room *room,
		 const struct sl_upstream_pool *pool)
{
	struct sl_upstream_grant grant;
	uint32_t left;
	bool panic;

	if (!room->queue.count)
		return;
	for (left = looks_now(worker, room, pool, &panic); left && room->queue.count; left--) {
		grant = sl_upstream_acquire(&worker->upstream, pool, NULL, 0, panic);
		if (!grant.node)
			break;
		grant_next(worker, room, &pool->queue, &grant);
	}
}

/* A request could make no connection: the pool is asked slowly until a while after the last such. */
static void doubt(struct sl_room *room, uint64_t now_ns)
{
	if (now_ns >= room->doubt_ns)
		room->probe_ns = now_ns + SL_ROOM_PROBE_MS * SL_NS_PER_MS;
	room->doubt_ns = now_ns + DOUBT_NS;
}

/* Has the node told nothing since a request of its pool could make no connection? */
static bool is_doubtful(const struct sl_worker *worker, const struct sl_room *room,
			uint32_t node_slot)
{
	const uint64_t *alive_ns = &worker->upstream.state.retries->alive_ns[node_slot];

	return sl_loop_now_ns(worker->loop) < room->doubt_ns &&
	       __atomic_load_n(alive_ns, __ATOMIC_RELAXED) + DOUBT_NS <= room->doubt_ns;
}

void sl_room_freed(struct sl_worker *worker, uint32_t pool_slot, uint32_t node_slot)
{
	struct sl_room *room = room_at(worker, pool_slot);
	const struct sl_upstream_pool *pool;
	struct sl_upstream_grant grant;

	if (!room || !waiting_in(room))
		return;
	pool = pool_at(worker, pool_slot);
	if (!pool)
		return;
	pthread_mutex_lock(&room->lock);
	if (room->queue.count && !is_doubtful(worker, room, node_slot)) {
		grant = sl_upstream_acquire_at(&worker->upstream, pool, node_slot);
		if (grant.node)
			grant_next(worker, room, &pool->queue, &grant);
	}
	pthread_mutex_unlock(&room->lock);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static void on_tick(struct sl_timer *timer)
{
	struct sl_desk *desk = (struct sl_desk *)((char *)timer - offsetof(struct sl_desk, timer));
	struct sl_worker *worker =
		(struct sl_worker *)((char *)desk - offsetof(struct sl_worker, desk));
	uint64_t now_ns = sl_loop_now_ns(worker->loop);
	uint32_t slot;

	for (slot = 0; slot < SL_POOLS_MAX; slot++) {
		const struct sl_upstream_pool *pool;
		struct sl_room *room;

		if (!desk->waiting[slot])
			continue;
		room = room_at(worker, slot);
		pool = pool_at(worker, slot);
		/* whoever has the lock looks too */
		if (!pool || pthread_mutex_trylock(&room->lock))
			continue;
		look(worker, room, pool);
		sl_queue_tick(&room->queue, &pool->queue, now_ns);
		tell_shed(worker, room);
		note_count(room);
		pthread_mutex_unlock(&room->lock);
	}
	if (__atomic_load_n(&desk->box, __ATOMIC_RELAXED))
		sl_loop_defer(worker->loop, &desk->task);
	if (desk->waiting_count)
		sl_timer_set(worker->loop, timer, SL_ROOM_TICK_MS);
}

static void set_timer(struct sl_waiter *waiter)
{
	struct sl_loop *loop = waiter->worker->loop;
	uint64_t now_ns = sl_loop_now_ns(loop);
	uint64_t left_ms = waiter->entry.deadline_ns > now_ns
				   ? (waiter->entry.deadline_ns - now_ns) / SL_NS_PER_MS + 1
				   : 0;

	if (waiter->hold_check_ms && waiter->hold_check_ms < left_ms)
		left_ms = waiter->hold_check_ms;
	sl_timer_set(loop, &waiter->timer, left_ms);
}

/* Out of the queue, unless something else was decided meanwhile. */
static bool take_out(struct sl_waiter *waiter, enum sl_queue_verdict why)
{
	struct sl_room *room = waiter->room;
	bool waits;

	pthread_mutex_lock(&room->lock);
	waits = waiter->entry.verdict == SL_QUEUE_WAITING;
	if (waits) {
		sl_queue_remove(&room->queue, &waiter->entry, why);
		note_count(room);
	}
	pthread_mutex_unlock(&room->lock);
	if (waits) {
		waiter->worker->desk.waiting[waiter->pool_slot]--;
		waiter->worker->desk.waiting_count--;
		sl_timer_cancel(waiter->worker->loop, &waiter->timer);
	}
	return waits;
}

static bool is_removed(const struct sl_waiter *waiter, const struct sl_upstream_pool *now_pool)
{
	return !now_pool || strcmp(now_pool->name, waiter->pool_name) != 0;
}

static void send_off(struct sl_worker *worker, struct sl_room *room,
		     const struct sl_upstream_pool *now_pool)
{
	int class;

	for (class = 0; class < SL_QUEUE_CLASSES; class ++) {
		struct sl_queue_entry *entry = room->queue.classes[class].oldest, *next;

		for (; entry; entry = next) {
			struct sl_waiter *waiter = (struct sl_waiter *)entry;

			next = entry->younger;
			if (waiter->worker != worker || !is_removed(waiter, now_pool))
				continue;
			sl_queue_remove(&room->queue, entry, SL_QUEUE_MOVED);
			tell(worker, waiter);
		}
	}
	note_count(room);
}

void sl_room_reload(struct sl_worker *worker)
{
	uint32_t slot;

	for (slot = 0; slot < SL_POOLS_MAX; slot++) {
		struct sl_room *room;

		if (!worker->desk.waiting[slot])
			continue;
		room = room_at(worker, slot);
		pthread_mutex_lock(&room->lock);
		send_off(worker, room, pool_at(worker, slot));
		pthread_mutex_unlock(&room->lock);
	}
}

static void on_waited(struct sl_timer *timer)
{
	struct sl_waiter *waiter =
		(struct sl_waiter *)((char *)timer - offsetof(struct sl_waiter, timer));
	uint64_t now_ns = sl_loop_now_ns(waiter->worker->loop);

	if (now_ns < waiter->entry.deadline_ns && !waiter->looks(waiter)) {
		set_timer(waiter);
		return;
	}
	if (take_out(waiter, SL_QUEUE_EXPIRED))
		waiter->ended(waiter);
}

bool sl_room_leave(struct sl_waiter *waiter)
{
	return take_out(waiter, SL_QUEUE_LEFT);
}

bool sl_room_is_busy(struct sl_worker *worker, const struct sl_upstream_pool *pool)
{
	const struct sl_room *room = room_at(worker, pool->slot);

	bool bounded = pool->limits || sl_upstream_concurrency(&worker->upstream, pool);

	return room && bounded && waiting_in(room) &&
	       sl_upstream_any_healthy(&worker->upstream, pool);
}

uint32_t sl_room_depth(const struct sl_waiter *waiter)
{
	return waiting_in(waiter->room);
}

void sl_room_look(struct sl_worker *worker, const struct sl_upstream_pool *pool,
		  uint32_t *ret_waiting, uint64_t *ret_oldest_ms)
{
	struct sl_room *room = room_at(worker, pool->slot);
	uint64_t now_ns = sl_loop_now_ns(worker->loop), oldest_ns = now_ns;
	uint32_t i;

	*ret_waiting = 0;
	*ret_oldest_ms = 0;
	if (!room || !waiting_in(room))
		return;
	pthread_mutex_lock(&room->lock);
	*ret_waiting = room->queue.count;
	for (i = 0; i < SL_QUEUE_CLASSES; i++) {
		const struct sl_queue_entry *entry = room->queue.classes[i].oldest;

		if (entry && entry->born_ns < oldest_ns)
			oldest_ns = entry->born_ns;
	}
	pthread_mutex_unlock(&room->lock);
	*ret_oldest_ms = (now_ns - oldest_ns) / SL_NS_PER_MS;
}

bool sl_room_is_waited_in(struct sl_worker *worker, const struct sl_upstream_pool *pool)
{
	const struct sl_room *room = room_at(worker, pool->slot);

	return room && waiting_in(room);
}

uint64_t sl_room_estimate_ns(struct sl_worker *worker, const struct sl_waiter *waiter)
{
	struct sl_room *room = room_at(worker, waiter->pool_slot);
	uint64_t estimate_ns;

	if (!room)
		return 0;
	pthread_mutex_lock(&room->lock);
	estimate_ns = sl_queue_estimate_ns(&room->queue, waiter->entry.class, waiter->entry.tenant);
	pthread_mutex_unlock(&room->lock);
	return estimate_ns;
}

enum sl_queue_verdict sl_room_enter(struct sl_worker *worker, const struct sl_upstream_pool *pool,
				    struct sl_waiter *waiter, uint64_t *ret_wait_ns)
{
	uint64_t now_ns = sl_loop_now_ns(worker->loop);
	struct sl_room *room = room_make(worker, pool->slot);
	const struct sl_upstream_pool *now_pool = pool_at(worker, pool->slot);
	enum sl_queue_verdict verdict;

	*ret_wait_ns = SL_NS_PER_S;
	if (!room)
		return SL_QUEUE_COUNT;
	waiter->worker = worker;
	waiter->room = room;
	waiter->pool_slot = pool->slot;
	waiter->pool_name = pool->name;
	if (is_removed(waiter, now_pool))
		return SL_QUEUE_MOVED;
	sl_timer_init(&waiter->timer, on_waited);
	pthread_mutex_lock(&room->lock);
	if (waiter->came_back)
		doubt(room, now_ns);
	verdict = sl_queue_push(&room->queue, &pool->queue, &waiter->entry, now_ns, ret_wait_ns);
	note_count(room);
	tell_shed(worker, room);
	if (verdict == SL_QUEUE_WAITING) {
		worker->desk.waiting[pool->slot]++;
		worker->desk.waiting_count++;
		/* Later ones are seen by those who free a place; see the head of room.h. */
		if (room->queue.count == 1 && now_pool)
			look(worker, room, now_pool);
	}
	pthread_mutex_unlock(&room->lock);
	if (verdict != SL_QUEUE_WAITING)
		return verdict;
	set_timer(waiter);
	if (!sl_timer_is_set(&worker->desk.timer))
		sl_timer_set(worker->loop, &worker->desk.timer, SL_ROOM_TICK_MS);
	return SL_QUEUE_WAITING;
}

void sl_desk_init(struct sl_desk *desk)
{
	memset(desk, 0, sizeof(*desk));
	desk->task.run = on_task;
	sl_timer_init(&desk->timer, on_tick);
}
