/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the compiler calls before (plain) or instead of (atomic) each access of subject.c.
 *
 * The names are those of the thread sanitizer's run-time library, which is not linked. An access of
 * a plain variable that is shared is an error: the compiler might split, repeat or drop it.
 */
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum kind { READ, WRITE, SWAP, ADD, AND, OR, EXCHANGE };

struct access {
	uint64_t old, next;
	uint16_t offset;
	uint8_t size, kind, actor, op;
};

#define LOG_MAX	  16384u
#define LOCATIONS (sizeof(struct sim_world) / 4)

static struct access entries[LOG_MAX];
static uint32_t length;
static struct access *unsettled; /* a plain store whose value is not known yet */

static uint8_t touched_by[LOCATIONS]; /* bit per actor */
static bool is_changed[LOCATIONS];
static bool is_shared[LOCATIONS];

void sim_hooks_init(void)
{
	memset(touched_by, 0, sizeof(touched_by));
	memset(is_changed, 0, sizeof(is_changed));
	memset(is_shared, 0, sizeof(is_shared));
	length = 0;
	unsettled = NULL;
}

/* ---- the log -------------------------------------------------------------------------------- */

uint32_t sim_log_length(void)
{
	return length;
}

void sim_log_cut(uint32_t to)
{
	length = to;
	unsettled = NULL;
}

static const struct field {
	uint16_t offset, size;
	const char *name;
} fields[] = {
#define F(name)                                                                                  \
	{                                                                                        \
		offsetof(struct sl_node_state, name), sizeof(((struct sl_node_state *)0)->name), \
			#name                                                                    \
	}
	F(admin),      F(breaker),     F(consecutive), F(ejected), F(recovered_ms),
	F(changed_ns), F(last_signal), F(last_plane),  F(trips),   F(cap_denied),
	F(window),     F(window_s),    F(signals),
#undef F
};

static void print_place(const struct access *access)
{
	uint32_t offset = access->offset;

	if (offset >= offsetof(struct sim_world, pools)) {
		offset -= offsetof(struct sim_world, pools) + sizeof(struct sl_pool_state);
		fprintf(stderr, "pool.%s",
			offset == offsetof(struct sl_pool_state, ejected) ? "ejected"
									  : "node_count");
		return;
	}
	fprintf(stderr, "node%zu.", offset / sizeof(struct sl_node_state));
	offset %= sizeof(struct sl_node_state);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const struct field *field = &fields[i];

		if (offset < field->offset || offset >= field->offset + field->size)
			continue;
		fprintf(stderr, "%s", field->name);
		if (field->size > 8)
			fprintf(stderr, "[%u]", (offset - field->offset) / 8);
		return;
	}
	fprintf(stderr, "byte %u", offset);
}

static void print_word(uint64_t word)
{
	static const char *const states[] = {"closed", "half-open", "open", "forced", "metrics"};

	fprintf(stderr, "%s%s/e%u/s%u/g%u/%+" PRId64, states[sl_breaker_state(word)],
		sl_breaker_probe(word) ? "+probe" : "", sl_breaker_exponent(word),
		sl_breaker_successes(word), sl_breaker_generation(word),
		(int64_t)sl_breaker_until_ms(word) - (int64_t)SIM_T0);
}

void sim_log_print(void)
{
	static const char *const kinds[] = {"load", "store", "swap",	"add",
					    "and",  "or",    "exchange"};

	for (uint32_t i = 0; i < length; i++) {
		const struct access *a = &entries[i];
		bool is_word = a->offset % sizeof(struct sl_node_state) ==
				       offsetof(struct sl_node_state, breaker) &&
			       a->offset < offsetof(struct sim_world, pools);

		fprintf(stderr, "#   %*sactor %u op %u %-8s ", a->actor * 4, "", a->actor, a->op,
			kinds[a->kind]);
		print_place(a);
		fprintf(stderr, "  ");
		if (is_word)
			print_word(a->old);
		else
			fprintf(stderr, "%" PRIu64, a->old);
		if (a->kind == SWAP && a->next == a->old) {
			fprintf(stderr, "  lost");
		} else if (a->kind != READ) {
			fprintf(stderr, " -> ");
			if (is_word)
				print_word(a->next);
			else
				fprintf(stderr, "%" PRIu64, a->next);
		}
		fprintf(stderr, "\n");
	}
}

/* ---- shared or not -------------------------------------------------------------------------- */

static uint64_t value_at(uint32_t offset, uint32_t size)
{
	uint64_t value = 0;

	memcpy(&value, (const char *)&sim.world + offset, size);
	return value;
}

/* Written for people to read; breaker.h never reads it. */
static bool is_statistic(uint32_t offset)
{
	if (offset >= offsetof(struct sim_world, pools))
		return false;
	offset %= sizeof(struct sl_node_state);
	return offset >= offsetof(struct sl_node_state, signals) ||
	       (offset >= offsetof(struct sl_node_state, recovered_ms) &&
		offset < offsetof(struct sl_node_state, window));
}

static void classify(const struct access *access)
{
	uint32_t at = access->offset / 4;

	if (is_statistic(access->offset))
		return;
	touched_by[at] |= (uint8_t)(1u << access->actor);
	if (access->kind != READ && access->next != access->old)
		is_changed[at] = true;
	if (!is_shared[at] && is_changed[at] && (touched_by[at] & (touched_by[at] - 1))) {
		is_shared[at] = true;
		sim.is_unsettled = true;
	}
}

static void finish(struct access *access)
{
	struct sim_actor_state *actor = &sim.actors[access->actor];
	bool is_wrote = access->kind != READ && access->next != access->old;

	classify(access);
	if (is_wrote && actor->is_stale && !is_statistic(access->offset))
		sim_fail("an outcome of another generation writes");
}

void sim_hooks_settle(void)
{
	struct access *access = unsettled;

	if (!access)
		return;
	unsettled = NULL;
	access->next = value_at(access->offset, access->size);
	finish(access);
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
	hash ^= hash >> 29;
	hash *= 0xbf58476d1ce4e5b9ull;
	return hash ^ hash >> 32;
}

static void look_for_stale(struct sim_actor_state *actor, const struct access *access)
{
	const struct sim_op *op = &sim.scenario->actors[access->actor].ops[actor->op];

	if (actor->accesses != 1 || (op->verb != SIM_REPORT && op->verb != SIM_PANIC))
		return;
	actor->is_stale = (uint32_t)(actor->ticket[op->node] & ~SIM_REFUSED) >> 1 !=
			  sl_breaker_generation(sim.world.nodes[op->node].breaker);
}

/* The access is about to happen: switch, then write it down with the value it finds. */
static struct access *begin(const void *at, uint32_t size, enum kind kind, bool is_atomic)
{
	uint64_t offset = (uint64_t)((const char *)at - (const char *)&sim.world);
	struct sim_actor_state *actor = &sim.actors[sim.actor];
	struct access *access;

	if (!sim.is_hooked || offset >= sizeof(sim.world))
		return NULL;
	sim_hooks_settle();
	if (!sim.is_serial &&
	    (is_shared[offset / 4] || sim.is_full || sim.scenario->actors[sim.actor].is_mortal))
		sim_yield();
	if (length == LOG_MAX || ++actor->accesses > SIM_ACCESS_MAX) {
		sim_fail("an operation does not end");
		sim_yield();
	}
	access = &entries[length++];
	*access = (struct access){
		.offset = (uint16_t)offset,
		.size = (uint8_t)size,
		.kind = (uint8_t)kind,
		.actor = (uint8_t)sim.actor,
		.op = actor->op,
		.old = value_at((uint32_t)offset, size),
	};
	access->next = access->old;
	look_for_stale(actor, access);
	if (!is_atomic)
		sim_fail("a plain access to shared memory");
	if (is_statistic((uint32_t)offset)) {
		if (kind == READ)
			sim_fail("a statistic is read");
	} else {
		actor->history = mix(actor->history, kind == WRITE ? 1 : access->old);
	}
	return access;
}

static void plain(const void *at, uint32_t size, enum kind kind, bool is_atomic)
{
	struct access *access = begin(at, size, kind, is_atomic);

	if (access && kind == WRITE)
		unsettled = access;
	else if (access)
		finish(access);
}

static void done(struct access *access, uint64_t next)
{
	uint32_t node;

	if (!access)
		return;
	access->next = next;
	finish(access);
	node = access->offset / (uint32_t)sizeof(struct sl_node_state);
	if (access->offset < offsetof(struct sim_world, pools) && next != access->old &&
	    access->offset % sizeof(struct sl_node_state) ==
		    offsetof(struct sl_node_state, breaker))
		sim_check_word(&sim, node, access->old, next);
}

/* ---- what the compiler calls ---------------------------------------------------------------- */

void __tsan_init(void);
void __tsan_init(void)
{
}

void __tsan_func_entry(void *pc);
void __tsan_func_entry(void *pc)
{
	(void)pc;
}

void __tsan_func_exit(void);
void __tsan_func_exit(void)
{
}

#define PLAIN(size)                                 \
	void __tsan_read##size(void *at);           \
	void __tsan_read##size(void *at)            \
	{                                           \
		plain(at, size, READ, false);       \
	}                                           \
	void __tsan_write##size(void *at);          \
	void __tsan_write##size(void *at)           \
	{                                           \
		plain(at, size, WRITE, false);      \
	}                                           \
	void __tsan_volatile_read##size(void *at);  \
	void __tsan_volatile_read##size(void *at)   \
	{                                           \
		plain(at, size, READ, true);        \
	}                                           \
	void __tsan_volatile_write##size(void *at); \
	void __tsan_volatile_write##size(void *at)  \
	{                                           \
		plain(at, size, WRITE, true);       \
	}
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

void __tsan_read_range(void *at, size_t size);
void __tsan_read_range(void *at, size_t size)
{
	plain(at, size < 8 ? (uint32_t)size : 8, READ, false);
}

void __tsan_write_range(void *at, size_t size);
void __tsan_write_range(void *at, size_t size)
{
	plain(at, size < 8 ? (uint32_t)size : 8, WRITE, false);
}

#define FETCH(bits, name, kind, expression)                                            \
	uint##bits##_t __tsan_atomic##bits##_##name(volatile uint##bits##_t *at,       \
						    uint##bits##_t value, int order);  \
	uint##bits##_t __tsan_atomic##bits##_##name(volatile uint##bits##_t *at,       \
						    uint##bits##_t value, int order)   \
	{                                                                              \
		struct access *access = begin((const void *)at, bits / 8, kind, true); \
		uint##bits##_t old = *at;                                              \
                                                                                       \
		(void)order;                                                           \
		*at = (uint##bits##_t)(expression);                                    \
		done(access, *at);                                                     \
		return old;                                                            \
	}

#define ATOMIC(bits)                                                                        \
	FETCH(bits, fetch_add, ADD, old + value)                                            \
	FETCH(bits, fetch_and, AND, old &value)                                             \
	FETCH(bits, fetch_or, OR, old | value)                                              \
	FETCH(bits, exchange, EXCHANGE, value)                                              \
	int __tsan_atomic##bits##_compare_exchange_strong(                                  \
		volatile uint##bits##_t *at, uint##bits##_t *expected, uint##bits##_t next, \
		int order, int failed_order);                                               \
	int __tsan_atomic##bits##_compare_exchange_strong(                                  \
		volatile uint##bits##_t *at, uint##bits##_t *expected, uint##bits##_t next, \
		int order, int failed_order)                                                \
	{                                                                                   \
		struct access *access = begin((const void *)at, bits / 8, SWAP, true);      \
		uint##bits##_t old = *at;                                                   \
                                                                                            \
		(void)order;                                                                \
		(void)failed_order;                                                         \
		if (old != *expected) {                                                     \
			*expected = old;                                                    \
			done(access, old);                                                  \
			return 0;                                                           \
		}                                                                           \
		*at = next;                                                                 \
		done(access, next);                                                         \
		return 1;                                                                   \
	}
ATOMIC(32)
ATOMIC(64)
