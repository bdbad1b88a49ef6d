/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scenarios. Node 1 is slot 1. Times are ms from SIM_T0, which lies 400 ms into a second.
 */
#include "tests/sim/sim.h"

#define ADMIT(n, at)                   \
	{                              \
		SIM_ADMIT, n, 0, 0, at \
	}
#define FAIL(n, at)                                      \
	{                                                \
		SIM_REPORT, n, SL_OUTCOME_FAILURE, 0, at \
	}
#define GOOD(n, at)                                      \
	{                                                \
		SIM_REPORT, n, SL_OUTCOME_SUCCESS, 0, at \
	}
#define NEUTRAL(n, at)                                   \
	{                                                \
		SIM_REPORT, n, SL_OUTCOME_NEUTRAL, 0, at \
	}
#define FORCE_AUTO(n, at)              \
	{                              \
		SIM_FORCE, n, 0, 0, at \
	}
#define FORCE_OPEN(n, at)              \
	{                              \
		SIM_FORCE, n, 1, 0, at \
	}
#define FORCE_CLOSE(n, at)             \
	{                              \
		SIM_FORCE, n, 2, 0, at \
	}
#define KERNEL .plane = SL_PLANE_KERNEL
#define DAEMON .plane = SL_PLANE_DAEMON
#define PANIC_FAIL(n, at)                               \
	{                                               \
		SIM_PANIC, n, SL_OUTCOME_FAILURE, 0, at \
	}
#define SLOW(n, at)                                   \
	{                                             \
		SIM_REPORT, n, SL_OUTCOME_SLOW, 0, at \
	}
#define RESIZE(n)                      \
	{                              \
		SIM_RESIZE, 1, n, 0, 0 \
	}
#define ADMIN_SET(n, bits)                   \
	{                                    \
		SIM_ADMIN_SET, n, bits, 0, 0 \
	}
#define ADMIN_CLEAR(n, bits)                   \
	{                                      \
		SIM_ADMIN_CLEAR, n, bits, 0, 0 \
	}
#define OPERATOR	    .plane = SL_PLANE_OPERATOR
#define TICKET(n, g, probe) .ticket[n] = 1 + ((g) << 1 | (probe))

static uint32_t count_refusing(const struct sim_run *run)
{
	uint32_t sum = 0;

	for (uint32_t i = 1; i <= run->scenario->node_count; i++)
		sum += sl_breaker_peek(&run->world.nodes[i], 0) != SL_BREAKER_ADMIT;
	return sum;
}

/* As many nodes fail as may be out, or more: none may be let in for the wrong reason. */
static const char *cap_is_used(const struct sim_run *run)
{
	uint32_t cap = sl_breaker_cap(run->world.pools[1].node_count, 50);

	return count_refusing(run) == cap ? NULL : "fewer or more refuse than the cap allows";
}

static const char *is_open(const struct sim_run *run)
{
	return sl_breaker_state(run->world.nodes[1].breaker) == SL_BREAKER_OPEN ? NULL : "not open";
}

/* Unless the order gave up, which it says: the operator's is the first actor. */
static const char *is_forced(const struct sim_run *run)
{
	if (!run->actors[0].results[0].verdict)
		return NULL;
	return sl_breaker_state(run->world.nodes[1].breaker) == SL_BREAKER_FORCED_OPEN
		       ? NULL
		       : "not forced open any more";
}

static const char *is_draining(const struct sim_run *run)
{
	__u32 want = SL_NODE_PRESENT | SL_NODE_DRAINING;

	return (run->world.nodes[1].admin & want) == want ? NULL : "the drain is lost";
}

static int32_t outcomes(const struct sl_node_state *node)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < SL_WINDOW_BUCKETS; i++)
		sum += ((node->window[i] >> 32) & 0xffff) + ((node->window[i] >> 16) & 0xffff);
	return (int32_t)sum;
}

static int32_t count_missing(const struct sim_run *run)
{
	const struct sim_start *start = &run->scenario->start[1];
	int32_t want = (int32_t)(start->failures + start->fine);

	for (uint32_t a = 0; a < run->actor_count; a++)
		for (uint32_t o = 0; o < SIM_OPS_MAX; o++)
			want += run->scenario->actors[a].ops[o].verb == SIM_REPORT;
	return want - outcomes(&run->world.nodes[1]);
}

/* Every outcome is in the window, none twice. */
static const char *all_counted(const struct sim_run *run)
{
	return count_missing(run) == 0 ? NULL : "the window has not all outcomes, or too many";
}

/* The wipe of a later second may take one that another clock still counts in the last. */
static const char *nearly_all_counted(const struct sim_run *run)
{
	int32_t missing = count_missing(run);

	return missing == 0 || missing == 1 ? NULL : "the window lost more than one outcome";
}

/* Closed by probes: nothing of before is left (good answers since then may be in the window). */
static const char *is_clean(const struct sim_run *run)
{
	const struct sl_node_state *node = &run->world.nodes[1];
	bool is_closed = sl_breaker_state(node->breaker) == SL_BREAKER_CLOSED;

	return !is_closed || (node->consecutive == 0 && outcomes(node) <= 1)
		       ? NULL
		       : "a failure of before is still counted";
}

#define OPENED(g, until)                                                     \
	{                                                                    \
		.state = SL_BREAKER_OPEN, .generation = g, .until_ms = until \
	}
#define PROBED(g, until)                                                                      \
	{                                                                                     \
		.state = SL_BREAKER_HALF_OPEN, .probe = 1, .generation = g, .until_ms = until \
	}

const struct sim_scenario sim_scenarios[] = {
	/* ---- the cap ---- */
	{
		.name = "trip-two-of-two",
		.node_count = 2,
		.consecutive = 1,
		.actors =
			{
				{KERNEL,
				 .ops = {ADMIT(1, 0), FAIL(1, 1), ADMIT(1, 2), ADMIT(1, 2500)}},
				{DAEMON,
				 .ops = {ADMIT(2, 0), FAIL(2, 1), ADMIT(2, 2), FAIL(2, 1100)}},
			},
	},
	{
		.name = "trip-two-crosswise",
		.has_overlap = true,
		.node_count = 2,
		.consecutive = 1,
		.actors =
			{
				{KERNEL, .ops = {ADMIT(1, 0), FAIL(1, 1), ADMIT(2, 2), FAIL(2, 3)}},
				{DAEMON, .ops = {ADMIT(2, 0), FAIL(2, 1), ADMIT(1, 2), FAIL(1, 3)}},
			},
	},
	{
		.name = "trip-four-of-four",
		.rest = cap_is_used,
		.node_count = 4,
		.consecutive = 1,
		.actors =
			{
				{KERNEL, .ops = {ADMIT(1, 0), FAIL(1, 1)}},
				{KERNEL, .ops = {ADMIT(2, 0), FAIL(2, 1)}},
				{DAEMON, .ops = {ADMIT(3, 0), FAIL(3, 1)}},
				{DAEMON, .ops = {ADMIT(4, 0), FAIL(4, 1)}},
			},
	},
	{
		.name = "trip-same-node",
		.rest = is_open,
		.node_count = 2,
		.consecutive = 2,
		.actors =
			{
				{KERNEL, .ops = {ADMIT(1, 0), FAIL(1, 1), FAIL(1, 2)}},
				{DAEMON, .ops = {ADMIT(1, 0), FAIL(1, 1), FAIL(1, 2)}},
			},
	},
	{
		.name = "trip-same-node-and-other",
		.rest = cap_is_used,
		.node_count = 2,
		.consecutive = 1,
		.actors =
			{
				{KERNEL, .ops = {ADMIT(1, 0), FAIL(1, 1)}},
				{DAEMON, .ops = {ADMIT(1, 0), FAIL(1, 1)}},
				{DAEMON, .ops = {ADMIT(2, 0), FAIL(2, 1)}},
			},
	},
	{
		.name = "recover-as-other-trips",
		.node_count = 2,
		.consecutive = 1,
		.start = {[1] = PROBED(7, 900)},
		.actors =
			{
				{KERNEL, TICKET(1, 7, 1),
				 .ops = {GOOD(1, 1), ADMIT(1, 2), FAIL(1, 3)}},
				{DAEMON,
				 .ops = {ADMIT(2, 0), FAIL(2, 1), ADMIT(2, 2), FAIL(2, 1100)}},
			},
	},
	{
		.name = "recover-as-both-trip",
		.node_count = 2,
		.consecutive = 1,
		.start = {[1] = PROBED(7, 900)},
		.actors =
			{
				{KERNEL, TICKET(1, 7, 1),
				 .ops = {GOOD(1, 1), ADMIT(1, 2), FAIL(1, 3)}},
				{DAEMON, .ops = {ADMIT(2, 0), FAIL(2, 1)}},
				{KERNEL, .ops = {ADMIT(1, 2), FAIL(1, 3)}},
			},
	},
	/* ---- probes ---- */
	{
		.name = "probe-wanted-by-both",
		.node_count = 2,
		.consecutive = 2,
		.start = {[1] = OPENED(3, -1)},
		.actors =
			{
				{KERNEL, .ops = {ADMIT(1, 0), GOOD(1, 1), ADMIT(1, 2)}},
				{DAEMON, .ops = {ADMIT(1, 0), FAIL(1, 1), ADMIT(1, 2)}},
			},
	},
	{
		.name = "probe-due-to-one-clock-only",
		.has_overlap = true,
		.node_count = 2,
		.consecutive = 1,
		.start = {[1] = OPENED(3, 5)},
		.actors =
			{
				{KERNEL, .ops = {ADMIT(1, 5), GOOD(1, 6)}},
				{DAEMON, .ops = {ADMIT(1, 4), ADMIT(1, 6), FAIL(1, 7)}},
			},
	},
	{
		.name = "probe-lost-and-late-answer",
		.node_count = 2,
		.consecutive = 1,
		.start = {[1] = PROBED(9, 10)},
		.actors =
			{
				{DAEMON, TICKET(1, 9, 1), .ops = {GOOD(1, 9), GOOD(1, 11)}},
				{KERNEL, .ops = {ADMIT(1, 10), ADMIT(1, 5000), GOOD(1, 5001)}},
			},
	},
	{
		.name = "probe-lost-seen-by-both",
		.has_overlap = true,
		.node_count = 2,
		.consecutive = 1,
		.start = {[1] = PROBED(9, 10)},
		.actors =
			{
				{DAEMON, TICKET(1, 9, 1), .ops = {GOOD(1, 12), ADMIT(1, 5000)}},
				{KERNEL, .ops = {ADMIT(1, 11), ADMIT(1, 5000), GOOD(1, 5001)}},
				{KERNEL, .ops = {ADMIT(1, 10)}},
			},
	},
	{
		.name = "probe-answered-twice",
		.node_count = 2,
		.consecutive = 1,
		.successes = 2,
		.start = {[1] = PROBED(9, 900)},
		.actors =
			{
				{DAEMON, TICKET(1, 9, 1), .ops = {GOOD(1, 1), FAIL(1, 2)}},
				{KERNEL, TICKET(1, 9, 1),
				 .ops = {GOOD(1, 1), ADMIT(1, 3), GOOD(1, 4)}},
			},
	},
	{
		.name = "probes-of-two-nodes",
		.has_overlap = true,
		.node_count = 4,
		.consecutive = 1,
		.start = {[1] = OPENED(3, 0), [2] = OPENED(5, 0)},
		.actors =
			{
				{KERNEL, .ops = {ADMIT(1, 0), GOOD(1, 1), ADMIT(2, 2), FAIL(2, 3)}},
				{DAEMON, .ops = {ADMIT(2, 0), GOOD(2, 1), ADMIT(1, 2), FAIL(1, 3)}},
				{DAEMON, .ops = {ADMIT(3, 0), FAIL(3, 1)}},
			},
	},
	/* ---- stragglers ---- */
	{
		.name = "straggler-fails-in-half-open",
		.node_count = 2,
		.consecutive = 1,
		.start = {[1] = OPENED(1, 0)},
		.actors =
			{
				{KERNEL, TICKET(1, 0, 0),
				 .ops = {FAIL(1, 0), FAIL(1, 1), FAIL(1, 2)}},
				{DAEMON, .ops = {ADMIT(1, 0), GOOD(1, 1), ADMIT(1, 2)}},
			},
	},
	{
		.name = "probe-given-up-answers",
		.node_count = 2,
		.consecutive = 1,
		.start = {[1] = PROBED(2, 0)},
		.actors =
			{
				{KERNEL, TICKET(1, 2, 1),
				 .ops = {GOOD(1, -1), GOOD(1, 1), FAIL(1, 2)}},
				{DAEMON, .ops = {ADMIT(1, 1), ADMIT(1, 6000), GOOD(1, 6001)}},
			},
	},
	{
		.name = "panic-outcomes",
		.has_overlap = true,
		.node_count = 2,
		.consecutive = 1,
		.start = {[1] = OPENED(1, 5)},
		.actors =
			{
				{KERNEL, .ops = {ADMIT(1, 0), PANIC_FAIL(1, 1), PANIC_FAIL(1, 7)}},
				{DAEMON, .ops = {ADMIT(1, 5), GOOD(1, 6), ADMIT(1, 7)}},
			},
	},
	{
		.name = "generation-wraps",
		.has_overlap = true,
		.node_count = 2,
		.consecutive = 1,
		.start = {[1] = OPENED(0xfffe, 0)},
		.actors =
			{
				{KERNEL, TICKET(1, 0xfffd, 0),
				 .ops = {FAIL(1, 0), ADMIT(1, 1), GOOD(1, 2)}},
				{DAEMON, .ops = {ADMIT(1, 0), GOOD(1, 1), ADMIT(1, 2), FAIL(1, 3)}},
			},
	},
	{
		.name = "generation-wraps-with-probe",
		.has_overlap = true,
		.node_count = 2,
		.consecutive = 1,
		.start = {[1] = PROBED(0xffff, 5)},
		.actors =
			{
				{KERNEL, TICKET(1, 0xffff, 1), .ops = {GOOD(1, 4), ADMIT(1, 4)}},
				{DAEMON, .ops = {ADMIT(1, 5), ADMIT(1, 6000), FAIL(1, 6001)}},
				{DAEMON, TICKET(1, 0xffff, 1), .ops = {FAIL(1, 6)}},
			},
	},
	/* ---- the rules ---- */
	{
		.name = "row-ended-by-success",
		.node_count = 2,
		.consecutive = 3,
		.actors =
			{
				{KERNEL, .ops = {ADMIT(1, 0), FAIL(1, 1), FAIL(1, 2), FAIL(1, 3)}},
				{DAEMON, .ops = {ADMIT(1, 0), GOOD(1, 1)}},
			},
	},
	{
		.name = "row-from-both-planes",
		.rest = is_open,
		.node_count = 2,
		.consecutive = 4,
		.actors =
			{
				{KERNEL, .ops = {ADMIT(1, 0), FAIL(1, 1), FAIL(1, 2)}},
				{DAEMON, .ops = {ADMIT(1, 0), FAIL(1, 1), FAIL(1, 2)}},
			},
	},
	{
		.name = "rate-from-both-planes",
		.rest = is_open,
		.node_count = 2,
		.consecutive = 100,
		.volume = 4,
		.actors =
			{
				{KERNEL, .ops = {ADMIT(1, 0), GOOD(1, 1), FAIL(1, 2)}},
				{DAEMON, .ops = {ADMIT(1, 0), GOOD(1, 1), FAIL(1, 2)}},
			},
	},
	{
		.name = "window-next-second",
		.rest = all_counted,
		.node_count = 2,
		.consecutive = 100,
		.start = {[1] = {.failures = 2, .fine = 1}},
		.actors =
			{
				{KERNEL, .ops = {ADMIT(1, 0), FAIL(1, 599), FAIL(1, 601)}},
				{DAEMON, .ops = {ADMIT(1, 0), GOOD(1, 600), FAIL(1, 1601)}},
			},
	},
	{
		.name = "window-second-border",
		.has_overlap = true,
		.rest = nearly_all_counted,
		.node_count = 2,
		.consecutive = 100,
		.start = {[1] = {.failures = 2, .fine = 1}},
		.actors =
			{
				{KERNEL, .ops = {ADMIT(1, 0), FAIL(1, 1599)}},
				{DAEMON, .ops = {ADMIT(1, 0), FAIL(1, 1601)}},
			},
	},
	{
		.name = "closes-with-a-clean-slate",
		.rest = is_clean,
		.node_count = 2,
		.consecutive = 9,
		.successes = 2,
		.start = {[1] = {.state = SL_BREAKER_HALF_OPEN,
				 .generation = 2,
				 .consecutive = 5,
				 .failures = 5}},
		.actors =
			{
				{KERNEL, .ops = {ADMIT(1, 0), GOOD(1, 1), ADMIT(1, 2), GOOD(1, 3)}},
				{DAEMON, .ops = {ADMIT(1, 0), GOOD(1, 1), ADMIT(1, 2)}},
			},
	},
	/* ---- orders ---- */
	{
		.name = "force-open-as-it-trips",
		.has_overlap = true,
		.node_count = 2,
		.consecutive = 1,
		.actors =
			{
				{KERNEL, .ops = {ADMIT(1, 0), FAIL(1, 1), ADMIT(1, 3000)}},
				{OPERATOR, .ops = {FORCE_OPEN(1, 1), FORCE_AUTO(1, 2)}},
				{DAEMON, .ops = {ADMIT(2, 0), FAIL(2, 1)}},
			},
	},
	{
		.name = "force-close-as-probe-fails",
		.has_overlap = true,
		.node_count = 2,
		.consecutive = 1,
		.start = {[1] = OPENED(3, 0)},
		.actors =
			{
				{KERNEL, .ops = {ADMIT(1, 0), FAIL(1, 1)}},
				{OPERATOR,
				 .ops = {FORCE_CLOSE(1, 1), FORCE_OPEN(1, 2), FORCE_CLOSE(1, 3)}},
				{DAEMON, .ops = {ADMIT(1, 2), FAIL(1, 3)}},
			},
	},
	{
		.name = "force-auto-as-both-ask",
		.has_overlap = true,
		.node_count = 2,
		.consecutive = 1,
		.start = {[1] = {.state = SL_BREAKER_FORCED_OPEN, .generation = 4}},
		.actors =
			{
				{OPERATOR, .ops = {FORCE_AUTO(1, 0), FORCE_OPEN(1, 3)}},
				{KERNEL, .ops = {ADMIT(1, 0), GOOD(1, 1)}},
				{DAEMON, .ops = {ADMIT(1, 1), FAIL(1, 2)}},
			},
	},
	{
		.name = "two-operators",
		.has_overlap = true,
		.node_count = 2,
		.consecutive = 1,
		.actors =
			{
				{OPERATOR,
				 .ops = {FORCE_OPEN(1, 0), FORCE_AUTO(1, 1), FORCE_OPEN(2, 2)}},
				{OPERATOR,
				 .ops = {FORCE_CLOSE(1, 0), FORCE_OPEN(1, 1), FORCE_CLOSE(2, 2)}},
				{KERNEL, .ops = {ADMIT(1, 2), FAIL(1, 3)}},
			},
	},
	{
		.name = "drain-as-it-closes",
		.has_overlap = true,
		.rest = is_draining,
		.node_count = 2,
		.consecutive = 1,
		.start = {[1] = {.state = SL_BREAKER_HALF_OPEN,
				 .probe = 1,
				 .generation = 2,
				 .until_ms = 900,
				 .admin = SL_NODE_RETIRED}},
		.actors =
			{
				{KERNEL, TICKET(1, 2, 1),
				 .ops = {GOOD(1, 1), ADMIT(1, 2), FAIL(1, 3)}},
				{OPERATOR, .ops = {ADMIN_SET(1, SL_NODE_DRAINING)}},
				{DAEMON,
				 .ops = {ADMIN_SET(1, SL_NODE_RETIRED), ADMIT(1, 3), FAIL(1, 4)}},
			},
	},
	/* ---- over the cap ---- */
	{
		.name = "shrunk-pool-probes-fail",
		.node_count = 4,
		.counted = 2,
		.consecutive = 1,
		.start = {[1] = PROBED(1, 900), [2] = PROBED(2, 900), [3] = OPENED(3, 900)},
		.actors =
			{
				{KERNEL, TICKET(1, 1, 1), .ops = {FAIL(1, 1)}},
				{DAEMON, TICKET(2, 2, 1),
				 .ops = {FAIL(2, 1), ADMIT(2, 2), FAIL(2, 1200)}},
				{OPERATOR, .ops = {FORCE_CLOSE(3, 1)}},
			},
	},
	{
		.name = "shrunk-pool-lost-probe-and-answer",
		.has_overlap = true,
		.node_count = 4,
		.counted = 2,
		.consecutive = 1,
		.start = {[1] = PROBED(1, 5), [2] = OPENED(2, 900)},
		.actors =
			{
				{KERNEL, TICKET(1, 1, 1), .ops = {GOOD(1, 4), FAIL(1, 6)}},
				{DAEMON, .ops = {ADMIT(1, 5), FAIL(1, 1200)}},
				{DAEMON, .ops = {ADMIT(3, 0), FAIL(3, 1)}},
			},
	},
	{
		.name = "pool-shrinks-as-it-trips",
		.has_overlap = true,
		.node_count = 4,
		.consecutive = 1,
		.start = {[1] = PROBED(1, 900)},
		.actors =
			{
				{OPERATOR, .ops = {RESIZE(2)}},
				{KERNEL, TICKET(1, 1, 1), .ops = {FAIL(1, 1)}},
				{DAEMON,
				 .ops = {ADMIT(2, 0), FAIL(2, 1), ADMIT(2, 2500), FAIL(2, 2501)}},
			},
	},
	{
		.name = "over-the-cap-answers-differ",
		.node_count = 4,
		.counted = 2,
		.consecutive = 1,
		.start = {[1] = PROBED(1, 900), [2] = OPENED(2, 900)},
		.actors =
			{
				{KERNEL, TICKET(1, 1, 1), .ops = {FAIL(1, 1)}},
				{DAEMON, TICKET(1, 1, 1), .ops = {GOOD(1, 1)}},
				{DAEMON, .ops = {ADMIT(3, 0), FAIL(3, 1)}},
			},
	},
	{
		.name = "over-the-cap-two-probes-fail",
		.has_overlap = true,
		.node_count = 4,
		.counted = 2,
		.consecutive = 1,
		.start = {[1] = PROBED(1, 900), [2] = PROBED(2, 900)},
		.actors =
			{
				{KERNEL, TICKET(1, 1, 1), .ops = {FAIL(1, 1)}},
				{DAEMON, TICKET(2, 2, 1), .ops = {FAIL(2, 1)}},
			},
	},
	{
		.name = "probe-fails-as-other-trips",
		.node_count = 2,
		.consecutive = 1,
		.rest = cap_is_used,
		.start = {[1] = PROBED(1, 900)},
		.actors =
			{
				{KERNEL, TICKET(1, 1, 1), .ops = {FAIL(1, 1)}},
				{DAEMON, .ops = {ADMIT(2, 0), FAIL(2, 1)}},
			},
	},
	/* ---- only measuring ---- */
	{
		.name = "metrics-only-seen-by-one",
		.has_overlap = true,
		.node_count = 2,
		.consecutive = 1,
		.actors =
			{
				{KERNEL, .ops = {{SIM_ADMIT, 1, 0, 1, 0},
						 {SIM_REPORT, 1, SL_OUTCOME_FAILURE, 1, 1},
						 {SIM_ADMIT, 1, 0, 1, 2}}},
				{DAEMON, .ops = {ADMIT(1, 0), FAIL(1, 1), ADMIT(1, 2500)}},
			},
	},
	{
		.name = "metrics-only-frees-the-open",
		.has_overlap = true,
		.node_count = 2,
		.consecutive = 1,
		.start = {[1] = OPENED(2, 0)},
		.actors =
			{
				{KERNEL, .ops = {{SIM_ADMIT, 1, 0, 1, 0},
						 {SIM_REPORT, 1, SL_OUTCOME_SUCCESS, 1, 1}}},
				{DAEMON, .ops = {ADMIT(1, 0), FAIL(1, 1)}},
				{DAEMON, .ops = {ADMIT(2, 0), FAIL(2, 1)}},
			},
	},
	/* ---- a process killed at any access ---- */
	{
		.name = "killed-as-it-trips",
		.has_overlap = true,
		.node_count = 2,
		.consecutive = 1,
		.actors =
			{
				{DAEMON, .is_mortal = true,
				 .ops = {ADMIT(1, 0), FAIL(1, 1), ADMIT(1, 2500)}},
				{KERNEL, .ops = {ADMIT(2, 0), FAIL(2, 1)}},
				{KERNEL, .ops = {ADMIT(1, 0), FAIL(1, 1)}},
			},
	},
	{
		.name = "killed-as-it-closes",
		.has_overlap = true,
		.node_count = 2,
		.consecutive = 1,
		.start = {[1] = OPENED(2, 0)},
		.actors =
			{
				{DAEMON, .is_mortal = true, .ops = {ADMIT(1, 0), GOOD(1, 1)}},
				{KERNEL, .ops = {ADMIT(2, 0), FAIL(2, 1)}},
				{KERNEL, .ops = {ADMIT(1, 0), GOOD(1, 1), FAIL(1, 2)}},
			},
	},
	{
		.name = "killed-over-the-cap",
		.node_count = 4,
		.counted = 2,
		.consecutive = 1,
		.start = {[1] = PROBED(1, 900), [2] = PROBED(2, 900)},
		.actors =
			{
				{DAEMON, TICKET(1, 1, 1), .is_mortal = true, .ops = {FAIL(1, 1)}},
				{KERNEL, TICKET(2, 2, 1), .ops = {FAIL(2, 1)}},
				{OPERATOR, .is_mortal = true, .ops = {FORCE_OPEN(3, 1)}},
			},
	},
	/* ---- the large ones last ---- */
	{
		.name = "probe-wanted-by-three",
		.has_overlap = true,
		.node_count = 2,
		.consecutive = 1,
		.successes = 2,
		.start = {[1] = OPENED(3, 0)},
		.actors =
			{
				{KERNEL, .ops = {ADMIT(1, 0), GOOD(1, 1), ADMIT(1, 2), GOOD(1, 3)}},
				{DAEMON, .ops = {ADMIT(1, 0), GOOD(1, 1), ADMIT(1, 2), FAIL(1, 3)}},
				{KERNEL, .ops = {ADMIT(1, 0), NEUTRAL(1, 1)}},
			},
	},
	{
		.name = "force-open-lasts",
		.has_overlap = true,
		.rest = is_forced,
		.node_count = 2,
		.consecutive = 1,
		.start = {[1] = OPENED(3, 0)},
		.actors =
			{
				{OPERATOR, .ops = {FORCE_OPEN(1, 1)}},
				{KERNEL, .ops = {ADMIT(1, 0), GOOD(1, 1), ADMIT(1, 2), FAIL(1, 3)}},
				{DAEMON, .ops = {ADMIT(1, 0), FAIL(1, 1), ADMIT(1, 2)}},
			},
	},
	{
		.name = "straggler-races-with-trip",
		.has_overlap = true,
		.node_count = 2,
		.consecutive = 2,
		.actors =
			{
				{KERNEL, .ops = {ADMIT(1, 0), FAIL(1, 1), FAIL(1, 2)}},
				{DAEMON, TICKET(1, 0, 0), .ops = {FAIL(1, 1), GOOD(1, 2)}},
				{DAEMON, .ops = {ADMIT(1, 4000), GOOD(1, 4001)}},
			},
	},
};

const size_t sim_scenario_count = sizeof(sim_scenarios) / sizeof(sim_scenarios[0]);
