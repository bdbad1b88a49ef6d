/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * build/sim/breaker [NAME...] [OPTION...]: explores the scenarios, or those whose names begin so. One
 * line each; on failure the interleaving that led there goes to standard error.
 *
 *   --first    ends at the first failure
 *   --full     switches at every access, shared or not: the same ends, but takes minutes
 *   --strict   an end that no order of whole operations has is a failure: shows what overlap does
 */
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool is_wanted(const char *name, int argc, char **argv)
{
	bool has_names = false;

	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-')
			continue;
		has_names = true;
		if (strncmp(name, argv[i], strlen(argv[i])) == 0)
			return true;
	}
	return !has_names;
}

int main(int argc, char **argv)
{
	int failed = 0, run = 0;
	bool is_first = false;

	for (int i = 1; i < argc; i++) {
		sim.is_full |= strcmp(argv[i], "--full") == 0;
		sim.is_strict |= strcmp(argv[i], "--strict") == 0;
		is_first |= strcmp(argv[i], "--first") == 0;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sim_scenario_count; i++) {
		const struct sim_scenario *scenario = &sim_scenarios[i];
		struct sim_count count;

		if (!is_wanted(scenario->name, argc, argv))
			continue;
		run++;
		if (sim_explore(scenario, &count) != 0) {
			printf("not ok %s: see the way there\n", scenario->name);
			failed++;
			if (is_first)
				break;
			continue;
		}
		printf("ok %s: %.4g interleavings, %" PRIu64 " states, %" PRIu64 " ends",
		       scenario->name, count.interleavings, count.states, count.ends);
		if (count.overlaps)
			printf(", %" PRIu64 " of them by overlap only", count.overlaps);
		printf("\n");
	}
	if (run == 0)
		printf("not ok sim: no scenario of that name\n");
	return failed || run == 0;
}
