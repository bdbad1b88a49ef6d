/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chaos_daemon.h - the daemon's part of an experiment, where one answers: how its clients fare, and that it
 * writes down what was done. Without a daemon nothing is said: the kernel plane's own counts stand.
 */
#ifndef SL_LOADER_CHAOS_DAEMON_H
#define SL_LOADER_CHAOS_DAEMON_H

#include <stdbool.h>
#include <stdint.h>
#include "loader/chaos_judge.h"

/* Counts since the daemon's start. */
struct sl_chaos_facts {
	uint64_t requests;
	uint64_t errors;
	uint64_t ttft[SL_CHAOS_TTFT_BUCKETS];
};

/* False: no daemon answers there, or an older one. Then *ret_facts is untouched. */
bool sl_chaos_daemon_facts(const char *socket, struct sl_chaos_facts *ret_facts);

/* Reads the answer; false when it is none. For tests, too. */
bool sl_chaos_facts_parse(const char *answer, struct sl_chaos_facts *ret_facts);

/* `name` began, or is over. */
void sl_chaos_daemon_note(const char *socket, bool over, const char *name);

#endif
