/* SPDX-License-Identifier: BSD-2-Clause */
/* explain_say.h - what the admin socket says of a request: the newest trail of its id. Thread: control. */
#ifndef SL_OPS_EXPLAIN_SAY_H
#define SL_OPS_EXPLAIN_SAY_H

#include "user/base/text.h"
#include "user/ops/threads.h"

/* Appends it; nothing where there is none (any more). */
void sl_explain_say(const struct sl_threads *threads, const char *id, bool json,
		    struct sl_text *text);

#endif
