/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * alerts.h - the watch's part that tells people: which alerts fire (policy/alert.h), and messages to the receivers
 * of `alerts` (ops/calls.h).
 *
 *   notice INCIDENT (opened, worse, closed)  --> an alert of what it was opened for: page (bad) or ticket (warn)
 *   notice BURN                              --> SluiceBurn of the route, page and ticket each by itself
 *
 * Alerts are called Sluice and the notice's kind: SluiceBreaker, SluiceNoNode; each has its page in
 * docs/runbooks/. What fires and who was told is kept in `alerts.path`: after a restart nobody is told twice.
 * What nobody has confirmed SL_ALERTS_CONFIRM_MS after a start is over.
 *
 *   admin socket: "alerts FORMAT list"
 *
 * Threads as in watch.h; one lock.
 */
#ifndef SL_OPS_ALERTS_H
#define SL_OPS_ALERTS_H

#include "user/ops/watch.h"

#define SL_ALERTS_CONFIRM_MS 60000u

extern const struct sl_watch_part sl_watch_alerts;

#endif
