/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * usage.h - CPU time and memory of other processes, for the benchmarks.
 *
 * CPU time is the process clock: user and system time of all its threads, io_uring workers
 * included, in nanoseconds. Memory is the proportional set size, so that pages which a master and
 * its workers share count once.
 */
#ifndef TESTS_BENCH_USAGE_H
#define TESTS_BENCH_USAGE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

#define USAGE_PIDS_MAX 16

struct usage {
	uint64_t cpu_ns;
	uint64_t pss_bytes;
};

static inline int usage_pss(pid_t pid, uint64_t *ret_bytes)
{
	char path[64], line[256];
	unsigned long kib = 0;
	FILE *file;
	int found = 0;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	file = fopen(path, "r");
	if (!file)
		return -1;
	while (!found && fgets(line, sizeof(line), file))
		found = sscanf(line, "Pss: %lu kB", &kib) == 1;
	fclose(file);
	*ret_bytes = (uint64_t)kib * 1024u;
	return found ? 0 : -1;
}

/* Adds up the processes. Returns 0, or -1 when one of them is not there. */
static inline int usage_of(const pid_t *pids, size_t count, struct usage *ret_usage)
{
	struct usage sum = {0, 0};
	size_t i;

	for (i = 0; i < count; i++) {
		struct timespec ts;
		clockid_t clock;
		uint64_t pss;

		if (clock_getcpuclockid(pids[i], &clock) || clock_gettime(clock, &ts) ||
		    usage_pss(pids[i], &pss))
			return -1;
		sum.cpu_ns += (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
		sum.pss_bytes += pss;
	}
	*ret_usage = sum;
	return 0;
}

/* "12,34,56" or single numbers. Returns how many are in pids now, or 0 on nonsense. */
static inline size_t usage_parse_pids(const char *text, pid_t *pids, size_t count)
{
	while (*text) {
		char *end;
		long pid = strtol(text, &end, 10);

		if (end == text || pid <= 0 || count == USAGE_PIDS_MAX)
			return 0;
		pids[count++] = (pid_t)pid;
		text = *end == ',' ? end + 1 : end;
		if (*end && *end != ',')
			return 0;
	}
	return count;
}

#endif
