/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rings.h - the watch's part that looks at zones and regions: which are lost, what share each ring of a pool has.
 *
 *   a zone, a region   is told lost (notices ZONE_LOST, REGION_LOST) when all its nodes are out that are
 *                      neither drained nor opened by hand: breaker open or half-open, in doubt, or checks fail;
 *                      and over when half of them are not. Of a region that is lost its zones are not told
 *   a pool's rings     take their steps (policy/ring.h) here too, so that they do without requests
 *
 *   admin socket: "rings FORMAT"
 *
 * Threads as in watch.h; one lock, for write_metrics().
 */
#ifndef SL_OPS_RINGS_H
#define SL_OPS_RINGS_H

#include "user/ops/watch.h"

#define SL_RINGS_LOOK_MS    100u
#define SL_RINGS_ZONE_MS    1000u /* all nodes of a zone are out for so long before it is told */
#define SL_RINGS_PLACES_MAX 128u  /* zones and regions together; more are not told */

extern const struct sl_watch_part sl_rings_part;

#endif
