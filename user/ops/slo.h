/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * slo.h - the watch's part that keeps objectives of routes (`slo`, `routes[].slo`): counts each ended
 * request, judges once in SL_SLO_JUDGE_MS, tells notices BURN, saves once in SL_SLO_SAVE_MS.
 *
 *   outcome        availability   ttft (streams)   latency             quality
 *   good           good           in time?         in time?            lessened or found wanting?
 *   broken         bad            in time?         -                   -
 *   failed         bad            -                -                   -
 *   refused, gone  -              -                -                   -
 *
 * Lessened: a step of a ladder that does not keep (stage/steps.def). Found wanting: while a notice QUALITY
 * or DRIFT of the route, or of its first pool, has begun and is not over.
 *
 * A route's burn begins with its first pair that burns and is over when none of its pairs burns any more:
 * that is one notice with over set. What is saved is lost for the last SL_SLO_SAVE_MS at a crash; at a
 * take-over also what the old process counts on the requests that it ends.
 *
 *   admin socket: "slo FORMAT [ROUTE]"
 *
 * Threads as in watch.h; one lock, held for a few additions or while metrics are written.
 */
#ifndef SL_OPS_SLO_H
#define SL_OPS_SLO_H

#include "user/ops/watch.h"

#define SL_SLO_JUDGE_MS 1000u
#define SL_SLO_SAVE_MS	5000u

extern const struct sl_watch_part sl_watch_slo;

#endif
