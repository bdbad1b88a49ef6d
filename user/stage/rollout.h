/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rollout.h - the stage that sends a share of a route's requests to the pool that is rolled out
 * (policy/rollout_board.h; the roll-outs themselves: ops/rollout.h). That pool is asked first; when it fails the
 * route's own pools answer, so a bad candidate costs time, not answers. No fallback step: nobody gets less.
 *
 * Shown in x-sluice-rollout: NAME=candidate or NAME=baseline. Thread: the loop's.
 */
#ifndef SL_STAGE_ROLLOUT_H
#define SL_STAGE_ROLLOUT_H

#include "user/stage/stage.h"

enum sl_stage_verdict sl_rollout_stage_run(struct sl_stage *stage);

#endif
