/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arena.h - memory that is freed all at once: one arena a request, one a configuration.
 *
 * A chain of blocks; allocation moves a cursor (2-3 ns). Nothing is freed singly. Reset keeps the
 * first block and frees the rest, so a request that needed much does not hold it for good. With the
 * address sanitizer, unused memory and a gap behind each piece are poisoned. One thread.
 */
#ifndef SL_BASE_ARENA_H
#define SL_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#define SL_ARENA_ALIGN	       16u
#define SL_ARENA_BLOCK_DEFAULT 4096u

struct sl_arena_block;

struct sl_arena {
	struct sl_arena_block *first;
	struct sl_arena_block *last; /* the one with the cursor */
	char *cursor;
	char *end;
	size_t block_bytes;
	size_t bytes;	  /* held from the heap now */
	size_t bytes_max; /* the cap of `bytes` */
};

/* No memory yet. block_bytes 0: SL_ARENA_BLOCK_DEFAULT. bytes_max is the cap of all blocks. */
void sl_arena_init(struct sl_arena *arena, size_t block_bytes, size_t bytes_max);

/* Everything it gave becomes invalid. Keeps the first block. */
void sl_arena_reset(struct sl_arena *arena);

/* Frees all; usable again. */
void sl_arena_fini(struct sl_arena *arena);

/*
 * NULL when the cap is reached or the heap is empty. Aligned to SL_ARENA_ALIGN. size 0 gives a
 * valid pointer. The memory is not zeroed; that of _zalloc and _array is. _array fails on overflow
 * too.
 */
void *sl_arena_alloc(struct sl_arena *arena, size_t size);
void *sl_arena_zalloc(struct sl_arena *arena, size_t size);
void *sl_arena_array(struct sl_arena *arena, size_t count, size_t item_size);

/* Copies; _strndup takes exactly len bytes and adds a terminator. NULL as above. */
void *sl_arena_memdup(struct sl_arena *arena, const void *data, size_t len);
char *sl_arena_strdup(struct sl_arena *arena, const char *string);
char *sl_arena_strndup(struct sl_arena *arena, const char *data, size_t len);

__attribute__((format(printf, 2, 3))) char *sl_arena_printf(struct sl_arena *arena,
							    const char *format, ...);

#endif
