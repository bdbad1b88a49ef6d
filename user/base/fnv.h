/* SPDX-License-Identifier: BSD-2-Clause */
/* fnv.h - FNV-1a, 64 bits (Fowler, Noll, Vo): a number for a short name. Not for what a stranger chooses. */
#ifndef SL_BASE_FNV_H
#define SL_BASE_FNV_H

#include <stdint.h>

#define SL_FNV_BASIS 14695981039346656037ull
#define SL_FNV_PRIME 1099511628211ull

/* hash: SL_FNV_BASIS, or of what stands before. The NUL is not counted. */
static inline uint64_t sl_fnv_text(uint64_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * SL_FNV_PRIME;
	return hash;
}

#endif
