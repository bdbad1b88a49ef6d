/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The three bytes of a secret are told by six tables: for each of the bytes one by its low and one by its
 * high four bits. A table says in which of eight groups of beginnings such a byte may be; a group that all
 * six name is one that may begin here. This is how Teddy (Hyperscan's, by G. Langdale) finds literals.
 *
 *   group  beginnings
 *   SK     sk- sk_ rk_ hf_
 *   AWS    AKI ASI AIz
 *   GH     ghp gho ghu ghs ghr
 *   GIT    git
 *   GLP    glp
 *   SLACK  xox xap
 *   WEB    npm eyJ
 *   DASH   ---
 *
 * Measured: see the head of pii.c.
 */
#include "user/policy/pii_scan.h"

#include <string.h>

#include "user/policy/pii_parts.h"

#ifdef __SSE2__
#include <immintrin.h>
#endif

#define SK     0x01
#define AWS    0x02
#define GH     0x04
#define GIT    0x08
#define GLP    0x10
#define SLACK  0x20
#define WEB    0x40
#define DASH   0x80
#define BEHIND 2u /* bytes behind a block that are looked at */

/* [byte of the beginning][by its low, its high four bits] */
static const _Alignas(16) uint8_t groups[3][2][16] = {
	{
		{[0x1] = AWS,
		 [0x2] = SK,
		 [0x3] = SK,
		 [0x5] = WEB,
		 [0x7] = GH | GIT | GLP,
		 [0x8] = SK | SLACK,
		 [0xd] = DASH,
		 [0xe] = WEB},
		{[0x2] = DASH, [0x4] = AWS, [0x6] = SK | GH | GIT | GLP | WEB, [0x7] = SK | SLACK},
	},
	{
		{[0x0] = WEB,
		 [0x1] = SLACK,
		 [0x3] = AWS,
		 [0x6] = SK,
		 [0x8] = GH,
		 [0x9] = AWS | GIT | WEB,
		 [0xb] = SK | AWS,
		 [0xc] = GLP,
		 [0xd] = DASH,
		 [0xf] = SLACK},
		{[0x2] = DASH,
		 [0x4] = AWS,
		 [0x5] = AWS,
		 [0x6] = SK | GH | GIT | GLP | SLACK,
		 [0x7] = WEB},
	},
	{
		{[0x0] = GH | GLP | SLACK,
		 [0x2] = GH,
		 [0x3] = GH,
		 [0x4] = GIT,
		 [0x5] = GH,
		 [0x8] = SLACK,
		 [0x9] = AWS,
		 [0xa] = AWS | WEB,
		 [0xd] = SK | DASH | WEB,
		 [0xf] = SK | GH},
		{[0x2] = SK | DASH,
		 [0x4] = AWS | WEB,
		 [0x5] = SK,
		 [0x6] = GH | WEB,
		 [0x7] = AWS | GH | GIT | GLP | SLACK},
	},
};

/* Is a digit before the block? */
static uint64_t carries(const char *data, size_t at)
{
	return at > 0 && sl_pii_digit(data[at - 1]);
}

static uint8_t groups_of(unsigned int place, char byte)
{
	unsigned char b = (unsigned char)byte;

	return groups[place][0][b & 0xf] & groups[place][1][b >> 4];
}

size_t sl_pii_scan_narrow(const char *data, size_t len, size_t from, size_t end,
			  uint64_t *ret_marks)
{
	const struct sl_pii_text text = {data, len, NULL};
	uint64_t marks = 0;

	for (; from < end; from += SL_PII_SCAN_BYTES) {
		size_t stop = len - from < SL_PII_SCAN_BYTES ? len : from + SL_PII_SCAN_BYTES;
		bool digit = carries(data, from);

		for (size_t at = from; at < stop; at++) {
			bool before = digit;
			uint8_t group = groups_of(0, data[at]);

			digit = sl_pii_digit(data[at]);
			if ((digit && !before) ||
			    (group && group & groups_of(1, sl_pii_byte(&text, at + 1)) &
					      groups_of(2, sl_pii_byte(&text, at + 2))))
				marks |= UINT64_C(1) << (at - from);
		}
		if (marks)
			break;
	}
	*ret_marks = marks;
	return from;
}

#ifdef __SSE2__
#define AVX2 static inline __attribute__((always_inline, target("avx2")))

AVX2 __m256i wide_groups(unsigned int place, const char *at)
{
	const __m256i low = _mm256_broadcastsi128_si256(
		_mm_load_si128((const __m128i *)(const void *)groups[place][0]));
	const __m256i high = _mm256_broadcastsi128_si256(
		_mm_load_si128((const __m128i *)(const void *)groups[place][1]));
	const __m256i four = _mm256_set1_epi8(0xf);
	__m256i v = _mm256_loadu_si256((const __m256i *)(const void *)at);

	return _mm256_and_si256(
		_mm256_shuffle_epi8(low, _mm256_and_si256(v, four)),
		_mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16(v, 4), four)));
}

/* 32 bytes: which are digits, which may begin a secret. */
AVX2 void wide_lane(const char *at, uint32_t *ret_digits, uint32_t *ret_secrets)
{
	__m256i v = _mm256_loadu_si256((const __m256i *)(const void *)at);
	__m256i value = _mm256_sub_epi8(v, _mm256_set1_epi8('0'));
	__m256i digits = _mm256_cmpeq_epi8(_mm256_min_epu8(value, _mm256_set1_epi8(9)), value);
	__m256i hit = _mm256_and_si256(wide_groups(0, at), wide_groups(1, at + 1));

	hit = _mm256_and_si256(hit, wide_groups(2, at + 2));
	*ret_digits = (uint32_t)_mm256_movemask_epi8(digits);
	*ret_secrets =
		~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(hit, _mm256_setzero_si256()));
}

AVX2 uint64_t wide_block(const char *at, uint64_t carry)
{
	uint32_t digits[2], secrets[2];
	uint64_t all;

	wide_lane(at, &digits[0], &secrets[0]);
	wide_lane(at + 32, &digits[1], &secrets[1]);
	all = digits[0] | (uint64_t)digits[1] << 32;
	return (all & ~(all << 1 | carry)) | secrets[0] | (uint64_t)secrets[1] << 32;
}

__attribute__((target("avx2"))) static size_t scan_wide(const char *data, size_t len, size_t from,
							size_t end, uint64_t *ret_marks)
{
	char last[SL_PII_SCAN_BYTES + BEHIND];
	uint64_t marks = 0;

	for (; from < end; from += SL_PII_SCAN_BYTES) {
		const char *at = data + from;

		if (len - from < sizeof(last)) {
			memset(last, ' ', sizeof(last));
			memcpy(last, at, len - from);
			at = last;
		}
		marks = wide_block(at, carries(data, from));
		if (marks)
			break;
	}
	*ret_marks = marks;
	return from;
}
#endif

size_t sl_pii_scan(const char *data, size_t len, size_t from, size_t end, uint64_t *ret_marks)
{
#ifdef __SSE2__
	if (__builtin_cpu_supports("avx2"))
		return scan_wide(data, len, from, end, ret_marks);
#endif
	return sl_pii_scan_narrow(data, len, from, end, ret_marks);
}
