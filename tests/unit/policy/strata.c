/* SPDX-License-Identifier: BSD-2-Clause */
/* Which requests are looked at: shares within strata, rare strata, weights that add up, threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/policy/strata.h"

static uint32_t stratum(const char *tenant, bool kept, bool degraded, bool stream,
			enum sl_strata_arm arm)
{
	return sl_strata_find(&(struct sl_stratum_of){.tenant = sl_span_string(tenant),
						      .kept = kept,
						      .degraded = degraded,
						      .stream = stream,
						      .arm = arm});
}

/* All combinations of one tenant are strata of their own, within the bounds. */
static void test_find(void **state)
{
	bool seen[SL_STRATA] = {false};
	uint32_t count = 0;

	(void)state;
	for (uint32_t i = 0; i < 8; i++) {
		for (int arm = 0; arm < SL_STRATA_ARMS; arm++) {
			uint32_t at = stratum("acme", i & 1, i & 2, i & 4, (enum sl_strata_arm)arm);

			assert_true(at < SL_STRATA);
			assert_false(seen[at]);
			seen[at] = true;
			count++;
		}
	}
	assert_int_equal(count, 24);
	assert_int_equal(stratum("acme", false, false, false, SL_STRATA_NO_ARM),
			 stratum("acme", false, false, false, SL_STRATA_NO_ARM));
	count = 0;
	for (uint32_t i = 0; i < 200; i++) {
		char name[16];
		uint32_t at;

		snprintf(name, sizeof(name), "tenant-%u", i);
		at = stratum(name, false, false, false, SL_STRATA_NO_ARM);
		count += !seen[at];
		seen[at] = true;
	}
	assert_true(count >= SL_STRATA_TENANTS - 2); /* 200 tenants fall into all or nearly all */
}

/* Takes of so many requests; the weights of the taken and those behind the last one add up. */
static uint32_t run(struct sl_strata *strata, uint32_t at, uint32_t requests, uint32_t share,
		    uint32_t rare_ms, uint64_t step_ms, uint64_t *ret_weights)
{
	uint32_t taken = 0, weight = 0, since = 0;

	*ret_weights = 0;
	for (uint32_t i = 0; i < requests; i++) {
		since++;
		if (!sl_strata_take(strata, at, share, rare_ms, 1000 + i * step_ms, &weight))
			continue;
		assert_int_equal(weight, since);
		since = 0;
		taken++;
		*ret_weights += weight;
	}
	*ret_weights += since;
	return taken;
}

static void test_shares(void **state)
{
	static const struct {
		const char *what;
		uint32_t requests, share, rare_ms;
		uint64_t step_ms;
		uint32_t taken;
	} cases[] = {
		{"all", 1000, 10000, 0, 1, 1000},
		{"one in twenty", 10000, 500, 0, 1, 500},
		{"one in ten thousand", 100000, 1, 0, 1, 10},
		{"none", 1000, 0, 60000, 1000, 0},
		{"a rare one is seen once a minute, and the first at once", 600, 1, 60000, 1000,
		 10},
		{"a common one by its share alone", 100000, 1000, 60000, 1, 10000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_strata *strata = calloc(1, sizeof(*strata));
		uint64_t weights;
		uint32_t taken, slack = cases[i].rare_ms ? 2 : 0;

		assert_non_null(strata);
		taken = run(strata, 5, cases[i].requests, cases[i].share, cases[i].rare_ms,
			    cases[i].step_ms, &weights);
		if (taken < cases[i].taken || taken > cases[i].taken + slack)
			fail_msg("%s: %u taken, wanted %u", cases[i].what, taken, cases[i].taken);
		assert_int_equal(weights, cases[i].requests);
		free(strata);
	}
}

/* Two tenants, one with a thousandth of the requests: a share alone would hardly see it. */
static void test_rare_tenant(void **state)
{
	struct sl_strata *strata = calloc(1, sizeof(*strata));
	uint32_t large = stratum("large", false, false, false, SL_STRATA_NO_ARM);
	uint32_t small = stratum("small", false, false, false, SL_STRATA_NO_ARM);
	uint64_t sums[2] = {0, 0};
	uint32_t taken[2] = {0, 0}, weight;

	(void)state;
	assert_non_null(strata);
	assert_int_not_equal(large, small);
	for (uint32_t i = 0; i < 600000; i++) { /* ten minutes, one a millisecond */
		bool rare = i % 1000 == 999;

		if (!sl_strata_take(strata, rare ? small : large, 100, 60000, 1 + i, &weight))
			continue;
		taken[rare]++;
		sums[rare] += weight;
	}
	assert_true(taken[1] >= 10 && taken[1] <= 18);
	assert_true(taken[0] >= 5990 && taken[0] <= 6010);
	/* the sums tell the traffic, not the samples */
	assert_true(sums[0] > 599000 && sums[0] <= 599400);
	assert_true(sums[1] > 500 && sums[1] <= 600);
	free(strata);
}

#define THREADS 4
#define EACH	100000u

static struct sl_strata shared;

static void *take_many(void *sum)
{
	uint32_t weight;

	for (uint32_t i = 0; i < EACH; i++) {
		if (sl_strata_take(&shared, 7, 700, 3, 1 + i, &weight))
			*(uint64_t *)sum += weight;
	}
	return NULL;
}

/* Whatever they do at once, no request is counted twice and none is lost. */
static void test_threads(void **state)
{
	pthread_t threads[THREADS];
	uint64_t sums[THREADS] = {0}, sum = 0;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_many, &sums[i]), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		sum += sums[i];
	}
	assert_int_equal(sum + shared.of[7].since, THREADS * EACH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_rare_tenant),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests_name("policy/strata", tests, NULL, NULL);
}
