/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * degrade.h - is a rule of a route's degradation in force?
 *
 * A rule has bounds for what is seen of the route's first pool, and enters when any of them is passed. It
 * leaves by hysteresis, so that the relief which it brings does not switch it off at once:
 *
 *          any value over its bound                       all values at most `leave_percent` of
 *   off ------------------------------> on, loaded         their bounds
 *    ^                                   |   ^  ------------------------------> on, calm
 *    |                                   |   +------- any is above that ---------  |
 *    +------------- calm for dwell_ms, and on for dwell_ms ------------------------+
 *
 * It is looked at when a request comes. One that nobody has looked at for dwell_ms has had no traffic to
 * be loaded by: if it is calm then it is off at once.
 *
 * Times to first tokens are kept in two windows of SL_DEGRADE_WINDOW_MS, the one that fills and the one
 * before it, so that what was slow half a minute ago is forgotten. Below SL_DEGRADE_SAMPLES_MIN samples
 * nothing is known, and an unknown value is over no bound and calm.
 *
 * Pure but for the words passed in. Several threads may look at the same state: each transition is made by
 * one of them, and who comes second sees it. Integers only.
 */
#ifndef SL_POLICY_DEGRADE_H
#define SL_POLICY_DEGRADE_H

#include <stdbool.h>
#include <stdint.h>
#include "bpf/abi.h"

#define SL_DEGRADE_WINDOW_MS   5000u
#define SL_DEGRADE_SAMPLES_MIN 8u

/* What is seen; 0: nothing, or not known. */
struct sl_degrade_view {
	uint32_t load_percent; /* requests there and waiting, of the places that its nodes have */
	uint32_t breakers_percent; /* nodes that take no requests, of all */
	uint32_t wait_ms;	   /* that the oldest in the queue has waited */
	uint32_t ttft_ms;	   /* p95 of the last windows */
};

struct sl_degrade_rule {
	struct sl_degrade_view bounds; /* 0: does not count */
	uint32_t leave_percent;	       /* 1 to 100 */
	uint32_t dwell_ms;
};

/* All zero: off. */
struct sl_degrade_state {
	uint32_t busy; /* a thread is looking */
	uint32_t on;
	uint64_t since_ms;  /* of the last change */
	uint64_t calm_ms;   /* calm since then; 0: it is not */
	uint64_t looked_ms; /* last look */
	uint64_t entered;   /* times */
};

enum sl_degrade_change {
	SL_DEGRADE_SAME = 0,
	SL_DEGRADE_ENTERED,
	SL_DEGRADE_LEFT,
};

/* Looks, and moves the state. *ret_change: what this call has changed. Returns whether the rule is in force. */
bool sl_degrade_look(struct sl_degrade_state *state, const struct sl_degrade_rule *rule,
		     const struct sl_degrade_view *view, uint64_t now_ms,
		     enum sl_degrade_change *ret_change);

/* Times of a route's first tokens. All zero: empty. */
struct sl_degrade_times {
	uint64_t window; /* number of the newest window */
	uint32_t counts[2][SL_LATENCY_BUCKETS];
};

void sl_degrade_note(struct sl_degrade_times *times, uint64_t us, uint64_t now_ms);
/* p95 of the newest window and the one before it, in ms; 0: too few. */
uint32_t sl_degrade_ttft_ms(const struct sl_degrade_times *times, uint64_t now_ms);

#endif
