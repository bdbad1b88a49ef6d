/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lag.h - holds packets back for an experiment `lag`, and sends them on later.
 *
 *   kernel plane --tap--> queue, until they are due --> device (bpf/lag.h says which packets, and where)
 *
 * A thread of the command: it makes two taps for each device of the kernel plane, in that device's network
 * namespace, reads them, and sends each frame `delay` after it was read, give or take a jitter that is
 * drawn for each. Without jitter their order stays; with jitter it does not, as on such a network.
 *
 *   full (SL_LAG_FRAMES_MAX, SL_LAG_BYTES_MAX)   a frame goes on at once
 *   the device has no room                       again after a millisecond, SL_LAG_TRIES_MAX times
 *   closed                                       all that waits goes on at once, in its order
 *   the process dies                             its taps go, packets go their way; what waited is lost
 *   it hangs                                     the taps fill up; after the lease packets go their way.
 *                                                Awake, it sends what they have, and says it was late
 *
 * sl_lag_open() and sl_lag_close() are for one thread, sl_lag_look() for any.
 */
#ifndef SL_LOADER_LAG_H
#define SL_LOADER_LAG_H

#include <stdint.h>
#include "bpf/abi.h"
#include "loader/view.h"

#define SL_LAG_FRAMES_MAX 65536u
#define SL_LAG_BYTES_MAX  (128u << 20)
#define SL_LAG_TRIES_MAX  500u
#define SL_LAG_LATE_MS	  10u /* behind its time by more is late */

struct sl_lag_holder;

/* Ready when it returns. SL_EXIT_FAILED after a message. */
int sl_lag_open(const struct sl_view *view, uint64_t delay_us, uint64_t jitter_us,
		struct sl_lag_holder **ret_holder);

/* What it has done so far; `number` is 0. */
void sl_lag_look(const struct sl_lag_holder *holder, struct sl_lag *ret_lag);

/* Sends what waits, and ends. NULL and NULL behind the pointer are fine. ret_lag: the last word, or NULL. */
void sl_lag_close(struct sl_lag_holder **holder, struct sl_lag *ret_lag);

#endif
