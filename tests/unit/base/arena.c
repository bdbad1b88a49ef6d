/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void pieces_are_aligned_and_apart(void **state)
{
	struct sl_arena arena;
	unsigned char *pieces[200];

	(void)state;
	sl_arena_init(&arena, 256, 1 << 20);
	for (unsigned i = 0; i < 200; i++) {
		pieces[i] = sl_arena_alloc(&arena, i);
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % SL_ARENA_ALIGN, 0);
		memset(pieces[i], (int)i, i);
	}
	for (unsigned i = 0; i < 200; i++)
		for (unsigned j = 0; j < i; j++)
			assert_int_equal(pieces[i][j], i);
	sl_arena_fini(&arena);
	assert_int_equal(arena.bytes, 0);
}

static void cap_is_kept(void **state)
{
	struct sl_arena arena;
	size_t given = 0;

	(void)state;
	sl_arena_init(&arena, 1024, 10000);
	while (given < 100000 && sl_arena_alloc(&arena, 100) != NULL)
		given += 100;
	assert_true(given >= 5000 && given <= 10000);
	assert_true(arena.bytes <= 10000);
	assert_null(sl_arena_alloc(&arena, SIZE_MAX - 4));
	assert_null(sl_arena_alloc(&arena, SIZE_MAX / 2));
	assert_null(sl_arena_array(&arena, SIZE_MAX / 4, 8));
	assert_null(sl_arena_strndup(&arena, "", SIZE_MAX));
	sl_arena_fini(&arena);
}

static void reset_keeps_one_block(void **state)
{
	struct sl_arena arena;
	void *first;

	(void)state;
	sl_arena_init(&arena, 1024, 1 << 20);
	sl_arena_reset(&arena);
	first = sl_arena_alloc(&arena, 16);
	for (unsigned i = 0; i < 100; i++)
		assert_non_null(sl_arena_alloc(&arena, 512));
	assert_true(arena.bytes > 50000);
	sl_arena_reset(&arena);
	assert_true(arena.bytes < 2048);
	assert_ptr_equal(sl_arena_alloc(&arena, 16), first);
	sl_arena_fini(&arena);
	/* One large piece is not kept. */
	assert_non_null(sl_arena_alloc(&arena, 500000));
	sl_arena_reset(&arena);
	assert_int_equal(arena.bytes, 0);
	sl_arena_fini(&arena);
}

static void copies_are_equal(void **state)
{
	struct sl_arena arena;
	const char *zeros;

	(void)state;
	sl_arena_init(&arena, 0, 1 << 20);
	assert_string_equal(sl_arena_strdup(&arena, "abc"), "abc");
	assert_string_equal(sl_arena_strndup(&arena, "abc", 2), "ab");
	assert_string_equal(sl_arena_printf(&arena, "%d-%s", 5, "x"), "5-x");
	assert_memory_equal(sl_arena_memdup(&arena, "a\0b", 3), "a\0b", 3);
	sl_arena_reset(&arena);
	zeros = sl_arena_zalloc(&arena, 64);
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(zeros[i], 0);
	sl_arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_aligned_and_apart),
		cmocka_unit_test(cap_is_kept),
		cmocka_unit_test(reset_keeps_one_block),
		cmocka_unit_test(copies_are_equal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
