/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * build/sim/policies [NAME...] [OPTION...]: runs the scenarios, or those whose names begin so, each
 * with its seeds. One line each; what did not hold, and how to run it again, goes to standard error.
 *
 *   --seed N   that one alone, and what happened in it, by seconds
 *   --seeds N  so many instead of the scenario's own
 *   --first    ends at the first failure
 */
#include "tests/sim/policies/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
	uint64_t seed, seeds;
	bool first;
	int names, argc;
	char **argv;
};

static bool is_wanted(const struct options *options, const char *name)
{
	int i;

	for (i = 1; i <= options->names; i++) {
		if (strncmp(name, options->argv[i], strlen(options->argv[i])) == 0)
			return true;
	}
	return !options->names;
}

static int read_options(int argc, char **argv, struct options *options)
{
	int i;

	*options = (struct options){.argc = argc, .argv = argv};
	for (i = 1; i < argc && argv[i][0] != '-'; i++)
		options->names++;
	for (; i < argc; i++) {
		if (strcmp(argv[i], "--first") == 0)
			options->first = true;
		else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
			options->seed = strtoull(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc)
			options->seeds = strtoull(argv[++i], NULL, 10);
		else
			return -1;
	}
	return 0;
}

static void print_seconds(void)
{
	uint32_t s;

	printf("# second arrivals firsts retries moved answered failed refused cut busy limit "
	       "in_flight ttft_ms\n");
	for (s = 0; s < w->scenario->seconds; s++) {
		const struct w_second *at = &w->seconds[s];

		printf("# %6u %8u %6u %7u %5u %8u %6u %7u %3u %4u %5u %9u %" PRIu64 "\n", s,
		       at->arrivals, at->firsts, at->retries, at->moved, at->answered, at->failed,
		       at->refused, at->cut, at->busy, at->limit, at->in_flight,
		       at->arrivals ? at->ttft_us / at->arrivals / 1000u : 0);
	}
}

static bool run_all(const struct options *options, const struct w_scenario *scenario)
{
	uint64_t seeds = options->seeds ? options->seeds : scenario->seeds;
	uint64_t seed, to = options->seed ? options->seed : seeds, requests = 0, attempts = 0;

	for (seed = options->seed ? options->seed : 1; seed <= to; seed++) {
		bool good = w_run(scenario, seed);

		if (options->seed)
			print_seconds();
		if (!good) {
			fprintf(stderr, "# again: build/sim/policies %s --seed %" PRIu64 "\n",
				scenario->name, seed);
			printf("not ok %s: seed %" PRIu64 "\n", scenario->name, seed);
			return false;
		}
		requests += w->request_count;
		attempts += w->attempt_count;
	}
	printf("ok %s: %" PRIu64 " requests, %" PRIu64 " attempts\n", scenario->name, requests,
	       attempts);
	return true;
}

int main(int argc, char **argv)
{
	struct options options;
	int failed = 0, run = 0;
	size_t i;

	if (read_options(argc, argv, &options)) {
		fprintf(stderr, "usage: policies [NAME...] [--seed N] [--seeds N] [--first]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	w = malloc(sizeof(*w));
	if (!w)
		return 2;
	for (i = 0; i < w_scenario_count && !(failed && options.first); i++) {
		if (!is_wanted(&options, w_scenarios[i].name))
			continue;
		run++;
		failed += !run_all(&options, &w_scenarios[i]);
	}
	if (!run)
		printf("not ok policies: no scenario of that name\n");
	free(w);
	return failed || !run;
}
