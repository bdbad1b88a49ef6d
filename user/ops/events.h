/* SPDX-License-Identifier: BSD-2-Clause */
/* events.h - what the kernel plane reports, as lines of the log. Thread: control. */
#ifndef SL_OPS_EVENTS_H
#define SL_OPS_EVENTS_H

#include "user/kernel/plane.h"

/* Takes all that has come since the last call. */
void sl_events_log(struct sl_kernel_plane *plane);

#endif
