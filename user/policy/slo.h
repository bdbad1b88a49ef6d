/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * slo.h - one objective of a route: what share of its events must be good, how much of the error budget is
 * left, how fast it burns.
 *
 *   error budget   the bad events that the objective allows in the budget's window: (1 - objective) x events
 *   burn rate      the share of bad events in a window / (1 - objective); 1 spends the budget exactly by
 *                  the end of its window, 14.4 spends 2 % of thirty days' in an hour
 *
 * A pair of windows burns while both the long one (it matters) and the short one (it still goes on) are at
 * its rate or above, and the long one has at least events_min events and failures_min bad ones: one
 * failure at night wakes nobody. This is the scheme of chapter 5 of the SRE workbook ("multiwindow,
 * multi-burn-rate alerts").
 *
 * A window is SL_SLO_BUCKETS buckets, the newest of which is being filled: it covers its length but for up
 * to a sixtieth. Sums are kept, so that an event costs one addition a window and looking costs none.
 *
 * Times are wall-clock, for the history outlives the process. A clock that is set back by more than a
 * window's length empties it; one that jumps ahead does so too.
 *
 * Pure: times come in; memory is the caller's. A struct sl_slo of zeroes, or one kept from before, is made
 * fit by sl_slo_fit().
 */
#ifndef SL_POLICY_SLO_H
#define SL_POLICY_SLO_H

#include <stdbool.h>
#include <stdint.h>

#define SL_SLO_BUCKETS	 60u
#define SL_SLO_PAIRS_MAX 4u
#define SL_SLO_WINDOWS	 (1u + 2u * SL_SLO_PAIRS_MAX)
#define SL_SLO_ONE	 1000000000ull	/* an objective of 100 % */
#define SL_SLO_MS_MIN	 SL_SLO_BUCKETS /* shortest window */

enum sl_slo_kind {
	SL_SLO_AVAILABILITY = 0, /* answers, of answers and failures */
	SL_SLO_TTFT,		 /* streams whose first token came in time */
	SL_SLO_LATENCY,		 /* answers that were whole in time */
	SL_SLO_QUALITY,		 /* answers that no ladder lessened and nobody found wanting */
	SL_SLO_KINDS
};

enum sl_slo_level {
	SL_SLO_PAGE = 0, /* somebody must look now */
	SL_SLO_TICKET	 /* somebody must look by day */
};

/* When it burns too fast. */
struct sl_slo_pair {
	enum sl_slo_level level;
	uint64_t burn; /* billionths; 14.4 is 14,400,000,000 */
	uint32_t long_ms, short_ms;
};

struct sl_slo_rules {
	uint32_t budget_ms;
	uint32_t events_min;   /* in the long window, before it burns */
	uint32_t failures_min; /* bad ones, the same */
	uint32_t pair_count;
	struct sl_slo_pair pairs[SL_SLO_PAIRS_MAX];
};

struct sl_slo_window {
	uint64_t length_ms; /* 0: not used */
	uint64_t newest;    /* number of the newest bucket since 1970 */
	uint64_t good, bad; /* sums */
	uint32_t goods[SL_SLO_BUCKETS], bads[SL_SLO_BUCKETS];
};

struct sl_slo {
	uint64_t good, bad; /* since it began */
	bool burns[SL_SLO_PAIRS_MAX];
	struct sl_slo_window windows[SL_SLO_WINDOWS]; /* budget, then long and short of each pair */
};

static inline struct sl_slo_window *sl_slo_long(struct sl_slo *slo, uint32_t pair)
{
	return &slo->windows[1 + 2 * pair];
}

static inline struct sl_slo_window *sl_slo_short(struct sl_slo *slo, uint32_t pair)
{
	return &slo->windows[2 + 2 * pair];
}

/* Makes the windows those of the rules: what has been counted stays where a window of that length was. */
void sl_slo_fit(struct sl_slo *slo, const struct sl_slo_rules *rules);

/* An event, of this moment. */
void sl_slo_note(struct sl_slo *slo, uint64_t wall_ms, bool good);

/* Lets go of what is older than the windows. Before looking at any of them. */
void sl_slo_advance(struct sl_slo *slo, uint64_t wall_ms);

/* objective in billionths, below SL_SLO_ONE. Without events 0. */
double sl_slo_burn(const struct sl_slo_window *window, uint64_t objective);

/* Share of the budget that is left: 1 none is spent, 0 all, below 0 more than all. */
double sl_slo_left(const struct sl_slo *slo, uint64_t objective);

/*
 * After sl_slo_advance(). Which pairs burn now goes to slo->burns; returns those that changed, a bit by
 * position. Remembers, so that each change is told once.
 */
uint32_t sl_slo_judge(struct sl_slo *slo, const struct sl_slo_rules *rules, uint64_t objective);

const char *sl_slo_kind_name(enum sl_slo_kind kind);	/* "availability", ... */
const char *sl_slo_level_name(enum sl_slo_level level); /* "page", "ticket" */

#endif
