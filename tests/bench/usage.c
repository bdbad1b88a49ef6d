/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * usage PID[,PID...] - prints "CPU_NS PSS_BYTES" of the processes together.
 */
#include "tests/bench/usage.h"

int main(int argc, char **argv)
{
	pid_t pids[USAGE_PIDS_MAX];
	struct usage usage;
	size_t count = 0;
	int i;

	for (i = 1; i < argc; i++)
		count = usage_parse_pids(argv[i], pids, count);
	if (!count) {
		fprintf(stderr, "usage: usage PID[,PID...]\n");
		return 2;
	}
	if (usage_of(pids, count, &usage)) {
		fprintf(stderr, "usage: %s: a process is gone or not ours to read\n", argv[1]);
		return 1;
	}
	printf("%llu %llu\n", (unsigned long long)usage.cpu_ns,
	       (unsigned long long)usage.pss_bytes);
	return 0;
}
