/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * allowance.h - what the looking at answers may cost in a minute and in a day: answers, and tokens of judges.
 *
 *	a period ends with the minute, or the day, of UTC; what was used in it is forgotten then
 *	tokens are let out when the period has room for what is guessed, and booked as what they were: so a
 *	period may be overdrawn by what is on its way, by no more
 *
 * Pure; the wall clock comes in. A clock that is set back begins another period, as one that is set on does.
 */
#ifndef SL_POLICY_ALLOWANCE_H
#define SL_POLICY_ALLOWANCE_H

#include <stdbool.h>
#include <stdint.h>

enum sl_allowance_period { SL_ALLOWANCE_MINUTE = 0, SL_ALLOWANCE_DAY, SL_ALLOWANCE_PERIODS };

struct sl_allowance_rules {
	uint32_t answers;		       /* in a minute */
	uint64_t tokens[SL_ALLOWANCE_PERIODS]; /* 0: no bound */
};

/* All zero at first. */
struct sl_allowance {
	uint64_t number[SL_ALLOWANCE_PERIODS]; /* of the period, since 1970 */
	uint64_t tokens[SL_ALLOWANCE_PERIODS]; /* used in it */
	uint32_t answers;
	bool spent[SL_ALLOWANCE_PERIODS]; /* something was refused in it */
};

/* Before the others below, at each turn. */
void sl_allowance_turn(struct sl_allowance *allowance, uint64_t wall_ms);

/* One more answer: true, and it is booked, or there is no room for it in this minute. */
bool sl_allowance_take_answer(struct sl_allowance *allowance,
			      const struct sl_allowance_rules *rules);

/* May so many tokens be asked for? Where not, each period without room is marked as spent. */
bool sl_allowance_has_tokens(struct sl_allowance *allowance, const struct sl_allowance_rules *rules,
			     uint64_t tokens);

void sl_allowance_spend(struct sl_allowance *allowance, uint64_t tokens);

#endif
