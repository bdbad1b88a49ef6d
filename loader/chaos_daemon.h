/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chaos_daemon.h - the daemon's part of an experiment, where one answers: how its clients fare, and that it
 * writes down what was done. Without a daemon nothing is said: the kernel plane's own counts stand.
 * Experiments on requests are the daemon's altogether.
 */
#ifndef SL_LOADER_CHAOS_DAEMON_H
#define SL_LOADER_CHAOS_DAEMON_H

#include <stdbool.h>
#include <stdint.h>
#include "loader/chaos.h"
#include "loader/chaos_judge.h"

/* Counts since the daemon's start. */
struct sl_chaos_facts {
	uint64_t requests;
	uint64_t errors;
	uint64_t burns;	 /* objectives that began to burn at the rate that pages */
	uint64_t probes; /* half-open ones */
	uint64_t ttft[SL_CHAOS_TTFT_BUCKETS];
	struct sl_chaos_deed deeds[SL_CHAOS_DEEDS_MAX];
	uint32_t deed_count;
};

/* False: no daemon answers there, or an older one. Then *ret_facts is untouched. */
bool sl_chaos_daemon_facts(const char *socket, struct sl_chaos_facts *ret_facts);

/* Reads the answer; false when it is none. For tests, too. */
bool sl_chaos_facts_parse(const char *answer, struct sl_chaos_facts *ret_facts);

/*
 * Experiments on requests. Says on stderr what is wrong: SL_EXIT_FAILED. order: as in policy/strike.h; ret_aim gets
 * the nodes that it means.
 */
int sl_chaos_daemon_begin(const char *socket, const char *order, uint32_t *ret_number,
			  struct sl_chaos_aim *ret_aim);

/* Renews the lease. Returns how it fares: RUNS; else how it ended, LOST when nobody answers who knows it. */
enum sl_chaos_state {
	SL_CHAOS_STATE_LOST = 0,
	SL_CHAOS_STATE_RUNS,
	SL_CHAOS_STATE_RAN,
	SL_CHAOS_STATE_SPENT,
	SL_CHAOS_STATE_BURNED,
	SL_CHAOS_STATE_STOPPED, /* or orphaned */
};
enum sl_chaos_state sl_chaos_daemon_renew(const char *socket, uint32_t number, uint64_t *ret_seen,
					  uint64_t *ret_hits);

/* Returns whether it still ran. */
bool sl_chaos_daemon_end(const char *socket, uint32_t number);

/* What came of one; the daemon keeps it for `sluice chaos report`, and in its audit trail. Cut where it is long. */
void sl_chaos_daemon_verdict(const char *socket, const char *verdict);

/* `name` began, or is over. */
void sl_chaos_daemon_note(const char *socket, bool over, const char *name);

#endif
