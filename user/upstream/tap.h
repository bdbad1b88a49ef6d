/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tap.h - what an experiment does to an answer on its way in: it breaks off, goes wrong, or comes slowly.
 *
 *   kind             after `after` events or bytes
 *   cut              the exchange fails as at a connection that was closed
 *   malformed, json  one more event is no JSON (of a whole answer: the rest is none), then all as before
 *   malformed, chunk the exchange fails as at a chunk that is none
 *   slow             each event waits for delay_ms behind the one before it, and the end behind them; what came
 *                    meanwhile is kept, up to SL_TAP_KEPT_BYTES_MAX, and the node is not read
 *
 * Events are counted by the lines that begin with "data:". What is shorter than `after` is left alone; of a
 * whole answer, which has no events, everything is behind them. Memory is taken when a tap is set and freed when
 * it is removed; without memory there is none. Thread: the loop's.
 */
#ifndef SL_UPSTREAM_TAP_H
#define SL_UPSTREAM_TAP_H

#include "user/http/client.h"
#include "user/policy/strike.h"

#define SL_TAP_KEPT_BYTES_MAX (1u << 20) /* more goes on at once */

/* Instead of one that is there. Other kinds set none. */
void sl_tap_set(struct sl_client_conn *conn, struct sl_loop *loop, const struct sl_strike *strike);

/* The connection goes on, or ends. Without one: nothing. */
void sl_tap_remove(struct sl_client_conn *conn);

#endif
