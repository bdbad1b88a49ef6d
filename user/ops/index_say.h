/* SPDX-License-Identifier: BSD-2-Clause */
/* index_say.h - what the admin socket says of indexes, and has done to them. Thread: control. */
#ifndef SL_OPS_INDEX_SAY_H
#define SL_OPS_INDEX_SAY_H

#include "user/base/text.h"
#include "user/store/indexes.h"

/*
 * words: FORMAT ("json" or "text"), then
 *
 *	list [NAME]                                  an answer at once
 *	build|append|verify|promote|rollback NAME [VERSION]
 *	                                             ".TICKET": it is ordered, the builder will do it
 *	wait NAME TICKET                             ".DONE/TOTAL" while it is at work, then the outcome
 *
 * Appends that, or '!' and what is wrong. indexes NULL: there are none. who: of the audit trail's line, which
 * each order has but verify.
 */
void sl_index_say(struct sl_indexes *indexes, char *words, const char *who, struct sl_text *text);

#endif
