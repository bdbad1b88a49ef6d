/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz.h - what the fuzzers share. Each tests/fuzz/NAME.c is one libFuzzer program: bytes in, and
 * invariants beyond "it does not crash". Where an input is fed in pieces, the cuts follow from the
 * input itself, so a corpus file is the plain text that it looks like and a finding repeats.
 */
#ifndef SL_TESTS_FUZZ_H
#define SL_TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                        \
	do {                                                                                    \
		if (!(condition)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                \
		}                                                                               \
	} while (0)

/* In memory of exactly that size: the sanitizer sees any read beyond it. The caller frees. */
static inline char *fuzz_copy(const void *data, size_t len)
{
	char *copy = malloc(len ? len : 1);

	CHECK(copy);
	if (len)
		memcpy(copy, data, len);
	return copy;
}

/* Chance that depends on nothing but the input. */
struct fuzz_chance {
	uint64_t state;
};

static inline struct fuzz_chance fuzz_chance_of(const uint8_t *data, size_t size)
{
	struct fuzz_chance chance = {UINT64_C(0xcbf29ce484222325)};

	for (size_t i = 0; i < size; i++)
		chance.state = (chance.state ^ data[i]) * UINT64_C(0x100000001b3);
	return chance;
}

/* 0 to below, below included not; below 0: 0. */
static inline size_t fuzz_below(struct fuzz_chance *chance, size_t below)
{
	chance->state ^= chance->state << 13;
	chance->state ^= chance->state >> 7;
	chance->state ^= chance->state << 17;
	return below ? (size_t)(chance->state >> 11) % below : 0;
}

/* Length of the next piece of what is left: often one byte, often all. */
static inline size_t fuzz_piece(struct fuzz_chance *chance, size_t left)
{
	switch (fuzz_below(chance, 4)) {
	case 0:
		return 1;
	case 1:
		return left;
	case 2:
		return 1 + fuzz_below(chance, left < 8 ? left : 8);
	default:
		return 1 + fuzz_below(chance, left);
	}
}

#endif
