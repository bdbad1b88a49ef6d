/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/store/linear.h"

#include <assert.h>
#include <string.h>

#define PANEL	   SL_LINEAR_PANEL
#define INLINE	   static inline __attribute__((always_inline))
#define TILE_ROWS  6u /* 12 sums, 2 of weights and 1 of a row: 15 of AVX2's 16 registers */
#define TILE_SMALL 3u /* the same count for 16 registers of half the width */

/* As few tiles as rows_max allows, of nearly equal height: 14 rows are 5 + 5 + 4, not 6 + 6 + 2. */
static size_t tile_height(size_t rows, size_t rows_max)
{
	size_t tiles = (rows + rows_max - 1) / rows_max;

	return (rows + tiles - 1) / tiles;
}

void sl_linear_pack(const float *matrix, size_t depth, size_t columns, float *out)
{
	size_t panel, row;

	assert(columns % PANEL == 0);
	for (panel = 0; panel < columns; panel += PANEL) {
		for (row = 0; row < depth; row++) {
			memcpy(out, matrix + row * columns + panel, PANEL * sizeof(float));
			out += PANEL;
		}
	}
}

/* ---- portable -------------------------------------------------------------------------------- */

typedef float four __attribute__((vector_size(16)));

INLINE four load_four(const float *from)
{
	four value;

	memcpy(&value, from, sizeof(value));
	return value;
}

INLINE void finish_four(float *out, four sum, const float *bias, enum sl_linear_after after)
{
	sum += load_four(bias);
	if (after == SL_LINEAR_RELU) {
		for (int i = 0; i < 4; i++)
			sum[i] = sum[i] > 0 ? sum[i] : 0;
	} else if (after == SL_LINEAR_ADD) {
		sum += load_four(out);
	}
	memcpy(out, &sum, sizeof(sum));
}

INLINE void portable_tile(const struct sl_linear_product *p, size_t first, const size_t rows,
			  size_t panel)
{
	const float *weights = p->panels + panel * p->depth * PANEL;
	const float *row = p->rows + first * p->depth;
	four sum[TILE_SMALL][4] = {};
	size_t k, r, i;

	for (k = 0; k < p->depth; k++, weights += PANEL) {
		for (r = 0; r < rows; r++) {
			float factor = row[r * p->depth + k];

			for (i = 0; i < 4; i++)
				sum[r][i] += load_four(weights + 4 * i) * factor;
		}
	}
	for (r = 0; r < rows; r++) {
		float *out = p->out + (first + r) * p->columns + panel * PANEL;

		for (i = 0; i < 4; i++)
			finish_four(out + 4 * i, sum[r][i], p->bias + panel * PANEL + 4 * i,
				    p->after);
	}
}

static void portable_multiply(const struct sl_linear_product *p)
{
	size_t height = tile_height(p->row_count, TILE_SMALL);
	size_t panel, row;

	for (panel = 0; panel < p->columns / PANEL; panel++) {
		for (row = 0; row < p->row_count; row += height) {
			switch (p->row_count - row < height ? p->row_count - row : height) {
			case 1:
				portable_tile(p, row, 1, panel);
				break;
			case 2:
				portable_tile(p, row, 2, panel);
				break;
			default:
				portable_tile(p, row, TILE_SMALL, panel);
			}
		}
	}
}

static float portable_dot(const float *a, const float *b, size_t len)
{
	four sum[2] = {};
	float total;
	size_t i;

	for (i = 0; i + 8 <= len; i += 8) {
		sum[0] += load_four(a + i) * load_four(b + i);
		sum[1] += load_four(a + i + 4) * load_four(b + i + 4);
	}
	sum[0] += sum[1];
	total = (sum[0][0] + sum[0][2]) + (sum[0][1] + sum[0][3]);
	for (; i < len; i++)
		total += a[i] * b[i];
	return total;
}

static int32_t portable_dot_bytes(const int8_t *a, const int8_t *b, size_t len)
{
	int32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += a[i] * b[i];
	return sum;
}

static void portable_add_scaled(float *sum, const float *vector, float factor, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		sum[i] += factor * vector[i];
}

static const struct sl_linear portable = {
	.name = "portable",
	.multiply = portable_multiply,
	.dot = portable_dot,
	.dot_bytes = portable_dot_bytes,
	.add_scaled = portable_add_scaled,
};

/* ---- AVX2 and FMA ---------------------------------------------------------------------------- */

#ifdef __x86_64__
#include <immintrin.h>

/* The next panels lie behind this one; the CPU alone stops at each page. */
#define AHEAD_BYTES 2048
#define AVX2	    __attribute__((target("avx2,fma")))
#define AVX2_INLINE static inline __attribute__((always_inline, target("avx2,fma")))

AVX2_INLINE void finish_eight(float *out, __m256 sum, const float *bias, enum sl_linear_after after)
{
	sum = _mm256_add_ps(sum, _mm256_loadu_ps(bias));
	if (after == SL_LINEAR_RELU)
		sum = _mm256_max_ps(sum, _mm256_setzero_ps());
	else if (after == SL_LINEAR_ADD)
		sum = _mm256_add_ps(sum, _mm256_loadu_ps(out));
	_mm256_storeu_ps(out, sum);
}

AVX2_INLINE void avx2_tile(const struct sl_linear_product *p, size_t first, const size_t rows,
			   size_t panel)
{
	const float *weights = p->panels + panel * p->depth * PANEL;
	const float *row = p->rows + first * p->depth;
	__m256 low[TILE_ROWS], high[TILE_ROWS];
	size_t k, r;

#pragma GCC unroll 6
	for (r = 0; r < rows; r++)
		low[r] = high[r] = _mm256_setzero_ps();
	for (k = 0; k < p->depth; k++, weights += PANEL) {
		__m256 left = _mm256_loadu_ps(weights), right = _mm256_loadu_ps(weights + 8);

		_mm_prefetch((const char *)weights + AHEAD_BYTES, _MM_HINT_T0);
#pragma GCC unroll 6
		for (r = 0; r < rows; r++) {
			__m256 factor = _mm256_broadcast_ss(row + r * p->depth + k);

			low[r] = _mm256_fmadd_ps(factor, left, low[r]);
			high[r] = _mm256_fmadd_ps(factor, right, high[r]);
		}
	}
#pragma GCC unroll 6
	for (r = 0; r < rows; r++) {
		float *out = p->out + (first + r) * p->columns + panel * PANEL;

		finish_eight(out, low[r], p->bias + panel * PANEL, p->after);
		finish_eight(out + 8, high[r], p->bias + panel * PANEL + 8, p->after);
	}
}

/* One row has two sums only, which wait for each other: four panels of two make eight. */
AVX2_INLINE void avx2_row(const struct sl_linear_product *p, size_t panel, const size_t panels)
{
	const float *weights = p->panels + panel * p->depth * PANEL;
	size_t apart = p->depth * PANEL, k, i;
	__m256 low[4], high[4];

#pragma GCC unroll 4
	for (i = 0; i < panels; i++)
		low[i] = high[i] = _mm256_setzero_ps();
	for (k = 0; k < p->depth; k++, weights += PANEL) {
		__m256 factor = _mm256_broadcast_ss(p->rows + k);

#pragma GCC unroll 4
		for (i = 0; i < panels; i++) {
			low[i] = _mm256_fmadd_ps(factor, _mm256_loadu_ps(weights + i * apart),
						 low[i]);
			high[i] = _mm256_fmadd_ps(factor, _mm256_loadu_ps(weights + i * apart + 8),
						  high[i]);
		}
	}
#pragma GCC unroll 4
	for (i = 0; i < panels; i++) {
		size_t at = (panel + i) * PANEL;

		finish_eight(p->out + at, low[i], p->bias + at, p->after);
		finish_eight(p->out + at + 8, high[i], p->bias + at + 8, p->after);
	}
}

AVX2 static void avx2_multiply(const struct sl_linear_product *p)
{
	size_t height = tile_height(p->row_count, TILE_ROWS);
	size_t panels = p->columns / PANEL;
	size_t panel, row;

	if (p->row_count == 1) {
		for (panel = 0; panel + 4 <= panels; panel += 4)
			avx2_row(p, panel, 4);
		for (; panel < panels; panel++)
			avx2_row(p, panel, 1);
		return;
	}
	for (panel = 0; panel < panels; panel++) {
		for (row = 0; row < p->row_count; row += height) {
			switch (p->row_count - row < height ? p->row_count - row : height) {
			case 1:
				avx2_tile(p, row, 1, panel);
				break;
			case 2:
				avx2_tile(p, row, 2, panel);
				break;
			case 3:
				avx2_tile(p, row, 3, panel);
				break;
			case 4:
				avx2_tile(p, row, 4, panel);
				break;
			case 5:
				avx2_tile(p, row, 5, panel);
				break;
			default:
				avx2_tile(p, row, TILE_ROWS, panel);
			}
		}
	}
}

AVX2 static float avx2_dot(const float *a, const float *b, size_t len)
{
	__m256 sum[4];
	float parts[8], total;
	size_t i, j;

	for (j = 0; j < 4; j++)
		sum[j] = _mm256_setzero_ps();
	for (i = 0; i + 32 <= len; i += 32) {
#pragma GCC unroll 4
		for (j = 0; j < 4; j++)
			sum[j] = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8 * j),
						 _mm256_loadu_ps(b + i + 8 * j), sum[j]);
	}
	sum[0] = _mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3]));
	_mm256_storeu_ps(parts, sum[0]);
	total = ((parts[0] + parts[4]) + (parts[1] + parts[5])) +
		((parts[2] + parts[6]) + (parts[3] + parts[7]));
	for (; i < len; i++)
		total += a[i] * b[i];
	return total;
}

/*
 * The instruction multiplies an unsigned by a signed: |a| by b with a's sign. Two such products fit
 * 16 bits, for none is -128.
 */
AVX2 static int32_t avx2_dot_bytes(const int8_t *a, const int8_t *b, size_t len)
{
	const __m256i ones = _mm256_set1_epi16(1);
	__m256i sum[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
	int32_t parts[8], total = 0;
	size_t i, j;

	for (i = 0; i + 64 <= len; i += 64) {
#pragma GCC unroll 2
		for (j = 0; j < 2; j++) {
			__m256i one = _mm256_loadu_si256((const void *)(a + i + 32 * j));
			__m256i other = _mm256_loadu_si256((const void *)(b + i + 32 * j));
			__m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(one),
							     _mm256_sign_epi8(other, one));

			sum[j] = _mm256_add_epi32(sum[j], _mm256_madd_epi16(pairs, ones));
		}
	}
	_mm256_storeu_si256((void *)parts, _mm256_add_epi32(sum[0], sum[1]));
	for (j = 0; j < 8; j++)
		total += parts[j];
	for (; i < len; i++)
		total += a[i] * b[i];
	return total;
}

AVX2 static void avx2_add_scaled(float *sum, const float *vector, float factor, size_t len)
{
	__m256 factors = _mm256_set1_ps(factor);
	size_t i;

	for (i = 0; i + 8 <= len; i += 8)
		_mm256_storeu_ps(sum + i, _mm256_fmadd_ps(factors, _mm256_loadu_ps(vector + i),
							  _mm256_loadu_ps(sum + i)));
	for (; i < len; i++)
		sum[i] += factor * vector[i];
}

static const struct sl_linear avx2 = {
	.name = "avx2",
	.multiply = avx2_multiply,
	.dot = avx2_dot,
	.dot_bytes = avx2_dot_bytes,
	.add_scaled = avx2_add_scaled,
};

static bool has_avx2(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#endif

/* ---- which one ------------------------------------------------------------------------------- */

const struct sl_linear *sl_linear_best(void)
{
#ifdef __x86_64__
	if (has_avx2())
		return &avx2;
#endif
	return &portable;
}

const struct sl_linear *sl_linear_named(const char *name)
{
#ifdef __x86_64__
	if (strcmp(name, avx2.name) == 0)
		return has_avx2() ? &avx2 : NULL;
#endif
	return strcmp(name, portable.name) == 0 ? &portable : NULL;
}
