/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pick.h - the stage that lets a chosen few say what answers them, so that a regression suite can compare two
 * pools or two versions of an index through all that a request passes (`sluice eval run`):
 *
 *	x-sluice-pick: pool=chat-70b              that pool, and no other when it fails
 *	x-sluice-pick: index=handbook@3           documents of that version: served, the one before, or rolled out
 *	x-sluice-pick: pool=chat-70b, index=handbook@3
 *
 * Who may: keys of the tenants in evaluation.pick_by. From others, and of what there is not, it is refused: a
 * suite that was answered by something else than it asked for would be worse than none. What was picked goes
 * into the key of kept answers. Costs a request nothing where pick_by is not set. Thread: the loop's.
 */
#ifndef SL_STAGE_PICK_H
#define SL_STAGE_PICK_H

#include "user/stage/stage.h"

enum sl_stage_verdict sl_pick_run(struct sl_stage *stage);

#endif
