/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * refusal.h - does an answer begin as refusals do ("I'm sorry, but I can't ...")? English openings alone,
 * at the very start: good enough to see their share change, not to judge one answer. Pure; any thread.
 */
#ifndef SL_POLICY_REFUSAL_H
#define SL_POLICY_REFUSAL_H

#include <stdbool.h>
#include "user/base/text.h"

bool sl_refusal_begins(struct sl_span answer);

#endif
