/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * beacon.h - tells balancers how busy the inference servers of this host are (kernel.beacon).
 *
 * Each node of the list has a timer of its own. When it is due, the server's metrics page is asked
 * for (GET over a connection that is kept), and when that is answered, or has failed, one beacon
 * goes to each balancer by UDP. An answer that takes longer than every_ms holds no beacon up: the
 * next one repeats the last numbers.
 *
 *   health    when
 *   UNKNOWN   no metrics page is configured, or none was answered yet
 *   READY     the last page was answered, status 200
 *   SICK      the last SL_BEACON_TRIES tries failed: refused, reset, other status, or no whole page
 *             within SL_BEACON_FETCH_MS
 *
 * The incarnation is the wall time of the start, the sequence is one number for all nodes, so both
 * grow (bpf/beacon.h says why). Nothing waits and nothing is allocated for a beacon; a balancer
 * that cannot be reached costs a line in the log. Everything belongs to the loop's thread.
 */
#ifndef SL_OPS_BEACON_H
#define SL_OPS_BEACON_H

#include "user/base/config.h"
#include "user/io/loop.h"

#define SL_BEACON_TRIES	     3u
#define SL_BEACON_FETCH_MS   2000u
#define SL_BEACON_PAGE_BYTES (8u << 20) /* a longer page is a failed try */

struct sl_beacon_sender;

/* Returns 0 or -ENOMEM. Sends nothing before apply. */
int sl_beacon_sender_open(struct sl_loop *loop, struct sl_beacon_sender **ret_sender);

/*
 * From now on as `config` says, which is copied; a node that stays keeps its connection. Returns 0,
 * -ENOMEM, or -errno when no socket can be had: what was sent before goes on then.
 */
int sl_beacon_sender_apply(struct sl_beacon_sender *sender, const struct sl_config_beacon *config);

/* Ends all of it; runs the loop for the connections' ends, a few turns at most. */
void sl_beacon_sender_close(struct sl_beacon_sender **sender);

#endif
