/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chaos_day.h - a game day: experiments from a file, one after the other, and what came of each.
 *
 *	name: a node falls silent, a zone is lost
 *	about: four nodes in two zones, as many clients as on a quiet morning
 *	not_covered: [the loss of this host, answers that are wrong]
 *	experiments:
 *	  - {name: silent node, kind: blackhole, node: chat/0, for: 10s, hypothesis: "recovery < 20s"}
 *	  - {kind: drop, pool: chat, share: 5%, way: from, limit: 100, abort: "client errors > 5%", pause: 5s}
 *
 * The keys of an experiment are the options of `sluice chaos start`; `pause` waits before it. One of kind exec is
 * what its command `begin` does, and its command `end` undoes, whatever happens between, but for a SIGKILL. One that
 * is refused, aborted or whose hypothesis is broken does not keep the next from its turn; Ctrl-C does.
 */
#ifndef SL_LOADER_CHAOS_DAY_H
#define SL_LOADER_CHAOS_DAY_H

#include "loader/chaos_plan.h"
#include "user/base/arena.h"

#define SL_CHAOS_DAY_MAX	 32u /* experiments of a file */
#define SL_CHAOS_NOT_COVERED_MAX 16u

struct sl_chaos_step {
	struct sl_chaos_words_of words;
	const char *pause;
	struct sl_chaos_plan plan;
	struct sl_chaos_result result;
	bool planned; /* else it was refused before it began */
	bool done;    /* the result is there */
};

/* Where and when: without them nobody can say what a report is worth. */
struct sl_chaos_facts {
	char host[65];
	char kernel[130]; /* "Linux 6.1.0-28-amd64 x86_64" */
	uint32_t processors;
	uint32_t pools, nodes;	 /* that both planes had at the beginning */
	bool alone;		 /* no kernel plane */
	uint64_t begin_s, end_s; /* wall clock; 0: not yet */
};

struct sl_chaos_day {
	const char *name;
	const char *about; /* of the cluster and its load, for people; NULL */
	const char *not_covered[SL_CHAOS_NOT_COVERED_MAX]; /* what the file says of itself */
	uint32_t not_covered_count;
	struct sl_chaos_facts facts;
	struct sl_chaos_step *steps; /* count of them; all strings in the arena */
	uint32_t count;
	struct sl_arena arena;
};

/* Says every complaint on stderr, with its line. sl_chaos_day_close() also after a failure. */
int sl_chaos_day_read(const char *path, struct sl_chaos_day *ret_day);
void sl_chaos_day_close(struct sl_chaos_day *day);

/*
 * Runs it; `config` stands in where a step with a zone names no file. Says what begins and what came of
 * it on stderr. SL_EXIT_FAILED when one could not begin, was aborted or broke its hypothesis.
 */
int sl_chaos_day_run(const struct sl_view *view, struct sl_chaos_day *day, const char *config,
		     const char *daemon_socket);

#endif
