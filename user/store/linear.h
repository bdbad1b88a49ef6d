/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * linear.h - products of float vectors and matrices, by the fastest instructions this CPU has.
 *
 * Two sets of the same functions: AVX2 with FMA, and one in portable C (SSE2 where the compiler
 * makes that of it). Which one is chosen at the first call from what the CPU says; tests may ask for
 * either. Results differ in the last bits, for the sums are taken in another order.
 *
 * A matrix of weights lies in panels: SL_LINEAR_PANEL columns together, row after row, so that one
 * step of the inner loop reads 64 bytes in a line and a panel is read from memory once for all rows
 * of the other factor:
 *
 *	panel 0: w[0][0..15] w[1][0..15] ... w[depth-1][0..15]   panel 1: w[0][16..31] ...
 *
 * Pure; any thread. Nothing here allocates.
 */
#ifndef SL_STORE_LINEAR_H
#define SL_STORE_LINEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_LINEAR_PANEL	    16u	    /* columns of a panel; column counts are multiples of it */
#define SL_LINEAR_BYTES_MAX 131072u /* squares of 127 that a sum of 32 bits holds */

/* What becomes of a product, bias added. */
enum sl_linear_after {
	SL_LINEAR_STORE = 0,
	SL_LINEAR_RELU, /* what is negative becomes 0 */
	SL_LINEAR_ADD,	/* added to what is there */
};

struct sl_linear_product {
	const float *rows; /* row_count x depth, one behind the other */
	size_t row_count, depth;
	const float *panels; /* depth x columns, in panels */
	size_t columns;
	const float *bias; /* columns */
	float *out;	   /* row_count x columns */
	enum sl_linear_after after;
};

struct sl_linear {
	const char *name; /* "avx2" or "portable" */
	void (*multiply)(const struct sl_linear_product *product);
	float (*dot)(const float *a, const float *b, size_t len);
	/* Of numbers from -127 to 127, at most SL_LINEAR_BYTES_MAX: exact, the same of every set. */
	int32_t (*dot_bytes)(const int8_t *a, const int8_t *b, size_t len);
	/* sum += factor * vector */
	void (*add_scaled)(float *sum, const float *vector, float factor, size_t len);
};

/* The best that this CPU can run; never NULL. */
const struct sl_linear *sl_linear_best(void);

/* The one of that name, or NULL when the CPU cannot run it. */
const struct sl_linear *sl_linear_named(const char *name);

/* A row-major matrix into panels; columns % SL_LINEAR_PANEL == 0. out may not overlap it. */
void sl_linear_pack(const float *matrix, size_t depth, size_t columns, float *out);

#endif
