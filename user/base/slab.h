/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * slab.h - free list of objects of one size, for one thread.
 *
 * get: a pop, or malloc when empty. put: a push, or free above keep_max. No zeroing: the caller
 * initialises. Not thread-safe by design: each thread has its own.
 */
#ifndef SL_BASE_SLAB_H
#define SL_BASE_SLAB_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

struct sl_slab_object {
	struct sl_slab_object *next;
};

struct sl_slab {
	struct sl_slab_object *free;
	size_t object_bytes;
	uint32_t kept;
	uint32_t keep_max; /* free objects kept for reuse */
	uint32_t used;	   /* objects out */
};

static inline void sl_slab_init(struct sl_slab *slab, size_t object_bytes, uint32_t keep_max)
{
	*slab = (struct sl_slab){
		.object_bytes = object_bytes < sizeof(struct sl_slab_object)
					? sizeof(struct sl_slab_object)
					: object_bytes,
		.keep_max = keep_max,
	};
}

/* NULL when out of memory. */
static inline void *sl_slab_get(struct sl_slab *slab)
{
	struct sl_slab_object *object = slab->free;

	if (object) {
		slab->free = object->next;
		slab->kept--;
	} else {
		object = malloc(slab->object_bytes);
		if (!object)
			return NULL;
	}
	slab->used++;
	return object;
}

static inline void sl_slab_put(struct sl_slab *slab, void *pointer)
{
	struct sl_slab_object *object = pointer;

	if (!object)
		return;
	slab->used--;
	if (slab->kept >= slab->keep_max) {
		free(object);
		return;
	}
	object->next = slab->free;
	slab->free = object;
	slab->kept++;
}

static inline void sl_slab_fini(struct sl_slab *slab)
{
	while (slab->free) {
		struct sl_slab_object *object = slab->free;

		slab->free = object->next;
		free(object);
	}
	slab->kept = 0;
}

#endif
