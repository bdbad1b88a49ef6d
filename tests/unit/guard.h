/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Test input that ends exactly at a page without access: a parser that reads one byte
 * past its input dies at once. Header only, for unit tests.
 *
 *	char *text = sl_guard_copy(input, len);
 *	... parse text[0..len) ...
 *	sl_guard_free(text, len);
 */
#ifndef SL_TESTS_UNIT_GUARD_H
#define SL_TESTS_UNIT_GUARD_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static inline size_t sl_guard_span(size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (len + page) / page * page;
}

/* Memory of len bytes whose end is the end of a page; the page behind it has no access. */
static inline char *sl_guard_alloc(size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t span = sl_guard_span(len);
	char *base =
		mmap(NULL, span + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (base == MAP_FAILED || mprotect(base + span, page, PROT_NONE) != 0) {
		perror("guard page");
		abort();
	}
	return base + span - len;
}

static inline char *sl_guard_copy(const char *data, size_t len)
{
	char *at = sl_guard_alloc(len);

	memcpy(at, data, len);
	return at;
}

static inline void sl_guard_free(char *at, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t span = sl_guard_span(len);

	munmap(at + len - span, span + page);
}

#endif
