/* SPDX-License-Identifier: BSD-2-Clause */
/* chaos_parts.h - what chaos.c and chaos_say.c share. */
#ifndef SL_OPS_CHAOS_PARTS_H
#define SL_OPS_CHAOS_PARTS_H

#include "user/ops/chaos.h"

#define SL_CHAOS_VERDICTS_MAX 32u

struct sl_chaos_part {
	struct sl_watch_place place;
	struct sl_strike_board *board;
	struct sl_routes *routes; /* a reference: whom names mean */
	uint64_t burns;
	struct {
		uint64_t wall_ms;
		char text[SL_ADMIN_LINE_BYTES];
	} verdicts[SL_CHAOS_VERDICTS_MAX]; /* a ring */
	uint32_t verdict_count;		   /* ever */
};

/* "ran", "orphaned": of metrics and answers. */
const char *sl_chaos_end_word(enum sl_strike_end end);

void sl_chaos_say_facts(const struct sl_chaos_part *part, struct sl_text *text);
void sl_chaos_say_report(const struct sl_chaos_part *part, bool json, struct sl_text *text);
void sl_chaos_say_list(const struct sl_chaos_part *part, bool json, struct sl_text *text);
void sl_chaos_write_metrics(const struct sl_chaos_part *part, struct sl_text *text);

#endif
