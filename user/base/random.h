/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * random.h - fast random numbers for load balancing and jitter: xoshiro256** seeded through
 * splitmix64 (Blackman and Vigna, 2018). NOT for keys, tokens or anything an attacker must not
 * guess. One state a thread; about 1 ns a number.
 */
#ifndef SL_BASE_RANDOM_H
#define SL_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct sl_random {
	uint64_t s[4];
};

/* Seeded by getrandom(2); falls back to clock and address only where the system call is missing. */
void sl_random_init(struct sl_random *random);

/* The same seed gives the same sequence: for simulators and tests. */
void sl_random_seed(struct sl_random *random, uint64_t seed);

static inline uint64_t sl_random_u64(struct sl_random *random)
{
	uint64_t *s = random->s;
	uint64_t five = s[1] * 5;
	uint64_t result = ((five << 7) | (five >> 57)) * 9;
	uint64_t shifted = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= shifted;
	s[3] = (s[3] << 45) | (s[3] >> 19);
	return result;
}

static inline uint32_t sl_random_u32(struct sl_random *random)
{
	return (uint32_t)(sl_random_u64(random) >> 32);
}

/* Uniform in 0..n-1, unbiased (Lemire, 2019). n == 0 gives 0. */
uint32_t sl_random_below(struct sl_random *random, uint32_t n);

/*
 * Full jitter: uniform in 0..min(max_ms, base_ms * 2^attempt), attempt from 0. Source: "Exponential
 * backoff and jitter", AWS Architecture Blog, 2015.
 */
uint32_t sl_random_backoff_ms(struct sl_random *random, uint32_t base_ms, uint32_t max_ms,
			      unsigned attempt);

/* Fills bytes from getrandom(2), good for keys. 0 or -errno. */
int sl_random_secure(void *bytes, size_t len);

#endif
