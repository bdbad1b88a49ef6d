/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * siphash.h - SipHash-2-4 and SipHash-1-3 (Aumasson and Bernstein, INDOCRYPT 2012). Pure,
 * host-compilable; both planes compute the same.
 *
 * 2-4 where others see what comes out (tags of beacons, SYN cookies); 1-3 where they do not, for
 * tables that an attacker can fill. The paper reads bytes as little-endian words: the words that
 * are handed in here lie in memory as the bytes do, and a key is its bytes 0-7 and 8-15 read that
 * way.
 *
 * Nothing is longer than SL_SIPHASH_WORDS_MAX words, so every loop has a bound that the verifier
 * sees. 64 bytes by 2-4 cost 0.1 us in a BPF program.
 */
#ifndef SL_BPF_SIPHASH_H
#define SL_BPF_SIPHASH_H

#include <linux/types.h>

#define SL_SIPHASH_WORDS_MAX 8u
#define SL_SIPHASH_INLINE    static inline __attribute__((always_inline))

struct sl_siphash {
	__u64 v0, v1, v2, v3;
};

SL_SIPHASH_INLINE __u64 sl_siphash_rotate(__u64 x, int bits)
{
	return x << bits | x >> (64 - bits);
}

SL_SIPHASH_INLINE __u64 sl_siphash_little(__u64 word)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return __builtin_bswap64(word);
#else
	return word;
#endif
}

SL_SIPHASH_INLINE void sl_siphash_round(struct sl_siphash *s)
{
	s->v0 += s->v1;
	s->v1 = sl_siphash_rotate(s->v1, 13) ^ s->v0;
	s->v0 = sl_siphash_rotate(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = sl_siphash_rotate(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = sl_siphash_rotate(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = sl_siphash_rotate(s->v1, 17) ^ s->v2;
	s->v2 = sl_siphash_rotate(s->v2, 32);
}

SL_SIPHASH_INLINE void sl_siphash_begin(struct sl_siphash *s, const __u64 key[2])
{
	s->v0 = key[0] ^ 0x736f6d6570736575ull;
	s->v1 = key[1] ^ 0x646f72616e646f6dull;
	s->v2 = key[0] ^ 0x6c7967656e657261ull;
	s->v3 = key[1] ^ 0x7465646279746573ull;
}

/* `rounds` is the first number of the variant's name, a constant. */
SL_SIPHASH_INLINE void sl_siphash_word(struct sl_siphash *s, __u64 word, int rounds)
{
	s->v3 ^= word;
	sl_siphash_round(s);
	if (rounds > 1)
		sl_siphash_round(s);
	s->v0 ^= word;
}

/* `last` is the length modulo 256 in the highest byte, and the bytes that make no whole word. */
SL_SIPHASH_INLINE __u64 sl_siphash_end(struct sl_siphash *s, __u64 last, int rounds, int final)
{
	sl_siphash_word(s, last, rounds);
	s->v2 ^= 0xff;
	sl_siphash_round(s);
	sl_siphash_round(s);
	sl_siphash_round(s);
	if (final > 3)
		sl_siphash_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

/* Of `count` words, at most SL_SIPHASH_WORDS_MAX; the numbers are constants where it is inlined. */
SL_SIPHASH_INLINE __u64 sl_siphash_words(const __u64 *words, __u32 count, const __u64 key[2],
					 int rounds, int final)
{
	struct sl_siphash s;

	sl_siphash_begin(&s, key);
	for (__u32 i = 0; i < SL_SIPHASH_WORDS_MAX && i < count; i++)
		sl_siphash_word(&s, sl_siphash_little(words[i]), rounds);
	return sl_siphash_end(&s, (__u64)(count * 8u & 0xffu) << 56, rounds, final);
}

SL_SIPHASH_INLINE __u64 sl_siphash24(const __u64 *words, __u32 count, const __u64 key[2])
{
	return sl_siphash_words(words, count, key, 2, 4);
}

SL_SIPHASH_INLINE __u64 sl_siphash13(const __u64 *words, __u32 count, const __u64 key[2])
{
	return sl_siphash_words(words, count, key, 1, 3);
}

#endif
