/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define POISON(at, len)	  ASAN_POISON_MEMORY_REGION(at, len)
#define UNPOISON(at, len) ASAN_UNPOISON_MEMORY_REGION(at, len)
#define GAP		  SL_ARENA_ALIGN /* between two pieces, so that an overrun is seen */
#else
#define POISON(at, len)	  ((void)(at), (void)(len))
#define UNPOISON(at, len) ((void)(at), (void)(len))
#define GAP		  0u
#endif

struct sl_arena_block {
	struct sl_arena_block *next;
	size_t size; /* of data */
	_Alignas(SL_ARENA_ALIGN) char data[];
};

static size_t round_up(size_t size)
{
	return (size + SL_ARENA_ALIGN - 1) & ~(size_t)(SL_ARENA_ALIGN - 1);
}

void sl_arena_init(struct sl_arena *arena, size_t block_bytes, size_t bytes_max)
{
	*arena = (struct sl_arena){
		.block_bytes = round_up(block_bytes != 0 ? block_bytes : SL_ARENA_BLOCK_DEFAULT),
		.bytes_max = bytes_max,
	};
}

static void use_block(struct sl_arena *arena, struct sl_arena_block *block)
{
	arena->last = block;
	arena->cursor = block->data;
	arena->end = block->data + block->size;
	POISON(block->data, block->size);
}

static void free_chain(struct sl_arena *arena, struct sl_arena_block *block)
{
	while (block != NULL) {
		struct sl_arena_block *next = block->next;

		arena->bytes -= sizeof(*block) + block->size;
		UNPOISON(block->data, block->size);
		free(block);
		block = next;
	}
}

void sl_arena_reset(struct sl_arena *arena)
{
	if (arena->first == NULL)
		return;
	/* A first block made for one large piece is not worth keeping. */
	if (arena->first->size > arena->block_bytes) {
		sl_arena_fini(arena);
		return;
	}
	free_chain(arena, arena->first->next);
	arena->first->next = NULL;
	use_block(arena, arena->first);
}

void sl_arena_fini(struct sl_arena *arena)
{
	free_chain(arena, arena->first);
	arena->first = NULL;
	arena->last = NULL;
	arena->cursor = NULL;
	arena->end = NULL;
}

/* Adds a block that holds at least size bytes. */
static int add_block(struct sl_arena *arena, size_t size)
{
	size_t bytes = size > arena->block_bytes ? size : arena->block_bytes;
	struct sl_arena_block *block;

	if (arena->bytes > arena->bytes_max || bytes > arena->bytes_max - arena->bytes ||
	    sizeof(*block) > arena->bytes_max - arena->bytes - bytes)
		return -1;
	block = malloc(sizeof(*block) + bytes);
	if (block == NULL)
		return -1;
	block->next = NULL;
	block->size = bytes;
	arena->bytes += sizeof(*block) + bytes;
	if (arena->last != NULL)
		arena->last->next = block;
	else
		arena->first = block;
	use_block(arena, block);
	return 0;
}

void *sl_arena_alloc(struct sl_arena *arena, size_t size)
{
	size_t need;
	char *at;

	if (size > SIZE_MAX / 2)
		return NULL;
	/* One byte at least: two pieces never share an address. */
	need = round_up(size != 0 ? size : 1) + GAP;
	if (need > (size_t)(arena->end - arena->cursor) && add_block(arena, need) != 0)
		return NULL;
	at = arena->cursor;
	arena->cursor += need;
	UNPOISON(at, size);
	return at;
}

void *sl_arena_zalloc(struct sl_arena *arena, size_t size)
{
	void *at = sl_arena_alloc(arena, size);

	if (at != NULL)
		memset(at, 0, size);
	return at;
}

void *sl_arena_array(struct sl_arena *arena, size_t count, size_t item_size)
{
	size_t size;

	if (__builtin_mul_overflow(count, item_size, &size))
		return NULL;
	return sl_arena_zalloc(arena, size);
}

void *sl_arena_memdup(struct sl_arena *arena, const void *data, size_t len)
{
	void *copy = sl_arena_alloc(arena, len);

	if (copy != NULL && len > 0)
		memcpy(copy, data, len);
	return copy;
}

char *sl_arena_strndup(struct sl_arena *arena, const char *data, size_t len)
{
	char *copy = len < SIZE_MAX / 2 ? sl_arena_alloc(arena, len + 1) : NULL;

	if (copy == NULL)
		return NULL;
	if (len > 0)
		memcpy(copy, data, len);
	copy[len] = '\0';
	return copy;
}

char *sl_arena_strdup(struct sl_arena *arena, const char *string)
{
	return sl_arena_strndup(arena, string, strlen(string));
}

char *sl_arena_printf(struct sl_arena *arena, const char *format, ...)
{
	va_list args;
	char *out;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	out = len >= 0 ? sl_arena_alloc(arena, (size_t)len + 1) : NULL;
	if (out == NULL)
		return NULL;
	va_start(args, format);
	vsnprintf(out, (size_t)len + 1, format, args);
	va_end(args);
	return out;
}
