/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/load.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static_assert(sizeof(struct sl_load) == 64, "a choice reads one line of a node");

#define GET(word)	 __atomic_load_n(&(word), __ATOMIC_RELAXED)
#define PUT(word, value) __atomic_store_n(&(word), (value), __ATOMIC_RELAXED)

int sl_loads_open(struct sl_loads **ret_loads)
{
	size_t line = sizeof(struct sl_load);
	void *room = calloc(1, sizeof(struct sl_loads) + line);

	if (!room)
		return -ENOMEM;
	*ret_loads = (struct sl_loads *)(((uintptr_t)room + line - 1) & ~(line - 1));
	(*ret_loads)->room = room;
	return 0;
}

void sl_loads_close(struct sl_loads **loads)
{
	if (*loads)
		free((*loads)->room);
	*loads = NULL;
}

static uint32_t bounded(uint64_t value)
{
	return value < SL_LOAD_OTHERS_MAX ? (uint32_t)value : SL_LOAD_OTHERS_MAX;
}

void sl_load_take(struct sl_loads *loads, uint32_t slot, uint32_t incarnation,
		  const struct sl_load_reading *reading, uint32_t ours, uint64_t until_ms)
{
	struct sl_load *load = &loads->nodes[slot];
	uint64_t there = (uint64_t)reading->running + reading->waiting;
	uint32_t i, count = reading->adapter_count < SL_LOAD_ADAPTERS_MAX ? reading->adapter_count
									  : SL_LOAD_ADAPTERS_MAX;

	PUT(load->others, bounded(there > ours ? there - ours : 0));
	PUT(load->ours, ours);
	PUT(load->waiting, reading->waiting);
	PUT(load->slots, reading->slots);
	PUT(load->kv_permille, reading->kv_permille);
	PUT(load->kv_tokens, reading->kv_tokens);
	PUT(load->sent, GET(loads->sent[slot]));
	for (i = 0; i < count; i++)
		PUT(loads->adapters[slot][i], reading->adapters[i]);
	PUT(load->adapter_count, count);
	PUT(load->adapter_max, reading->adapter_max);
	PUT(load->adapters_used, reading->adapters_used);
	PUT(load->incarnation, incarnation);
	__atomic_store_n(&load->until_ms, until_ms, __ATOMIC_RELEASE);
}

void sl_load_forget(struct sl_loads *loads, uint32_t slot)
{
	PUT(loads->nodes[slot].until_ms, 0);
}

const struct sl_load *sl_load_fresh(const struct sl_loads *loads, uint32_t slot,
				    uint32_t incarnation, uint64_t now_ms)
{
	const struct sl_load *load;

	if (!loads)
		return NULL;
	load = &loads->nodes[slot];
	if (__atomic_load_n(&load->until_ms, __ATOMIC_ACQUIRE) <= now_ms ||
	    GET(load->incarnation) != incarnation)
		return NULL;
	return load;
}

/* FNV-1a: a name of another adapter with a like hash would place requests badly, no more. */
uint64_t sl_load_adapter(const char *name, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325ull;
	size_t i;

	for (i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)name[i]) * 0x100000001b3ull;
	return hash ? hash : 1;
}

bool sl_load_has_adapter(const struct sl_loads *loads, uint32_t slot, const struct sl_load *load,
			 uint64_t adapter)
{
	uint32_t i, count = load ? GET(load->adapter_count) : 0;

	for (i = 0; i < count && i < SL_LOAD_ADAPTERS_MAX; i++) {
		if (GET(loads->adapters[slot][i]) == adapter)
			return true;
	}
	return false;
}

bool sl_load_adapters_full(const struct sl_load *load)
{
	uint32_t max = load ? GET(load->adapter_max) : 0;

	return max && (GET(load->adapter_count) >= max || GET(load->adapters_used) >= max);
}

uint64_t sl_load_queue_fill(const struct sl_load *load, uint64_t ours)
{
	uint64_t waiting = GET(load->waiting), then = GET(load->ours);

	if (!waiting)
		return 0;
	waiting += ours;
	waiting = waiting > then ? waiting - then : 0;
	return waiting * SL_LOAD_FULL / SL_LOAD_QUEUE_FULL;
}

uint64_t sl_load_kv_fill(const struct sl_load *load, uint64_t ours, uint32_t sent)
{
	uint64_t used = (uint64_t)GET(load->kv_permille) * SL_LOAD_FULL / 1000;
	uint64_t others = GET(load->others), then = others + GET(load->ours);
	uint32_t capacity = GET(load->kv_tokens);

	if (capacity) /* the difference is right where the counter has wrapped, too */
		return used + (uint64_t)(sent - GET(load->sent)) * SL_LOAD_FULL / capacity;
	return then ? used * (others + ours + 1) / then : used;
}
