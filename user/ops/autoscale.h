/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * autoscale.h - tells an autoscaler which pools are too small (`autoscale` in the configuration).
 *
 *   every SL_AUTOSCALE_LOOK_MS each pool's queue is looked at (policy/autoscale.h) --call--> a fiber
 *   POSTs them, one after the other, to a node of `autoscale.pool` --2xx--> told
 *                                                                  --else--> again, later
 *
 * The autoscaler is a pool: TLS with its checks, names, a key and a breaker are those of every pool.
 * One call is under way at a time, on the control loop: requests never wait for it. A call has
 * SL_AUTOSCALE_CALL_MS. The queues' locks are held for a few loads.
 *
 * Thread: control. The counts are read by any.
 */
#ifndef SL_OPS_AUTOSCALE_H
#define SL_OPS_AUTOSCALE_H

#include "user/base/text.h"
#include "user/request/room.h"
#include "user/request/routes.h"

#define SL_AUTOSCALE_LOOK_MS 250u
#define SL_AUTOSCALE_CALL_MS 5000u

struct sl_scaler;

/* Returns 0 or -ENOMEM. rooms: of the workers, they outlive it. */
int sl_scaler_open(struct sl_loop *loop, const struct sl_upstream_state *state,
		   const struct sl_rooms *rooms, struct sl_scaler **ret_scaler);

/* Obeys this snapshot from now on; takes a reference of its own. NULL scaler: nothing happens, here
 * and below. */
void sl_scaler_apply(struct sl_scaler *scaler, struct sl_routes *routes);

/* Appends its metrics. Any thread. */
void sl_scaler_write_metrics(const struct sl_scaler *scaler, struct sl_text *text);

/* No more calls: turns the loop until none is under way. */
void sl_scaler_stop(struct sl_scaler *scaler);
void sl_scaler_close(struct sl_scaler **scaler);

#endif
