/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * process.h - runs a program to its end: no shell, words of its own, bytes for its standard input, what it
 * says kept up to a bound.
 *
 *   parent --input--> stdin  program, a process group of its own  stdout, stderr --first bytes--> output
 *
 * Blocks: for a thread of its own, never a loop's. At its time-out the whole group is killed; what a program
 * that ended in time has left running (a server that it started) goes on. One that does not die of that
 * (setuid, or held in the kernel) is left running after SL_PROCESS_DEATH_MS: nobody reaps it. It gets no descriptor but these
 * three, default signals, and of the environment what the caller hands over and PATH, HOME, LANG.
 */
#ifndef SL_IO_PROCESS_H
#define SL_IO_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_PROCESS_WORDS_MAX 32u
#define SL_PROCESS_ENV_MAX   32u
#define SL_PROCESS_DEATH_MS  5000u

struct sl_process_plan {
	const char *const *words; /* the first one is an absolute path */
	uint32_t word_count;
	const char *const *env; /* "NAME=VALUE" */
	uint32_t env_count;
	const void *input;
	size_t input_len;
	uint32_t timeout_ms;
	const bool *cancel; /* set by any thread: as its time-out; NULL: nobody does */
	char *output;	    /* what it said first, ended with NUL */
	size_t output_size;
	char *last; /* the last line with anything in it, its begin; NULL: not wanted */
	size_t last_size;
};

struct sl_process_end {
	int error; /* it could not be started or waited for: -errno; -EPERM and timed_out: nor killed */
	int status; /* its exit status, or -1: by a signal */
	int signal;
	bool timed_out; /* or cancelled: killed by us */
	uint32_t took_ms;
};

void sl_process_run(const struct sl_process_plan *plan, struct sl_process_end *ret_end);

#endif
