/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/random.h"

#include <errno.h>
#include <sys/random.h>

#include "user/base/clock.h"

static uint64_t split_mix(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

void sl_random_seed(struct sl_random *random, uint64_t seed)
{
	for (unsigned i = 0; i < 4; i++)
		random->s[i] = split_mix(&seed);
}

int sl_random_secure(void *bytes, size_t len)
{
	char *at = bytes;

	while (len > 0) {
		ssize_t got = getrandom(at, len, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		at += got;
		len -= (size_t)got;
	}
	return 0;
}

void sl_random_init(struct sl_random *random)
{
	uint64_t seed;

	if (sl_random_secure(&seed, sizeof(seed)) != 0)
		seed = sl_clock_ns() ^ (uint64_t)(uintptr_t)random;
	sl_random_seed(random, seed);
}

uint32_t sl_random_below(struct sl_random *random, uint32_t n)
{
	uint64_t product;
	uint32_t threshold;

	if (n == 0)
		return 0;
	product = (uint64_t)sl_random_u32(random) * n;
	if ((uint32_t)product < n) {
		threshold = (0u - n) % n;
		/* Less than one more round on average for any n. */
		while ((uint32_t)product < threshold)
			product = (uint64_t)sl_random_u32(random) * n;
	}
	return (uint32_t)(product >> 32);
}

uint32_t sl_random_backoff_ms(struct sl_random *random, uint32_t base_ms, uint32_t max_ms,
			      unsigned attempt)
{
	uint64_t bound = attempt < 32 ? (uint64_t)base_ms << attempt : base_ms ? UINT32_MAX : 0;

	if (bound > max_ms)
		bound = max_ms;
	if (bound >= UINT32_MAX)
		return sl_random_u32(random);
	return sl_random_below(random, (uint32_t)bound + 1);
}
