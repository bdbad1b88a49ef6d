/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lag_tap.h - the way by which a device's packets come to who holds them back, and go on.
 *
 * A tap in the device's network namespace. The kernel plane sends packets out by it (bpf/lag.h); here
 * they are read, whole and with right checksums: the kernel cuts what is longer than a segment.
 *
 *   SL_LAG_TAP_OUT   written to a packet socket of the device, they leave by it, past its qdisc and its
 *                    TC egress, where they have been
 *   SL_LAG_TAP_IN    written to the tap, a program at its TC ingress moves them to the TC ingress of the
 *                    device, marked as seen
 *
 * The tap lives as long as its descriptor, and its entry in `lag_taps` as long as the tap.
 */
#ifndef SL_LOADER_LAG_TAP_H
#define SL_LOADER_LAG_TAP_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include "user/base/error.h"

#define SL_LAG_FRAME_MAX 65536u

enum sl_lag_tap_way { SL_LAG_TAP_OUT = 0, SL_LAG_TAP_IN };

struct sl_lag_tap {
	enum sl_lag_tap_way way;
	char name[IF_NAMESIZE];
	uint8_t mac[6];
	uint32_t ifindex;
	int fd;	     /* the tap */
	int out_fd;  /* OUT: the packet socket */
	int link_fd; /* IN: the program's link, where the kernel has such */
};

/*
 * A tap for the device, of the network namespace of the calling thread, and its entry in the map
 * `taps_fd`. -EOPNOTSUPP, without a text: it is no Ethernet device. -ENOENT, -EPERM and others with a text.
 */
int sl_lag_tap_open(int taps_fd, uint32_t ifindex, enum sl_lag_tap_way way,
		    struct sl_lag_tap *ret_tap, struct sl_error *error);

/* Idempotent. */
void sl_lag_tap_close(struct sl_lag_tap *tap);

/*
 * A frame that is to be held back, into SL_LAG_FRAME_MAX bytes. Its length; 0: that was none of the kernel
 * plane's; -EAGAIN: none is there.
 */
int sl_lag_tap_read(const struct sl_lag_tap *tap, uint8_t *bytes);

/* The frame goes on. -EAGAIN: the device has no room now; else it cannot. */
int sl_lag_tap_write(const struct sl_lag_tap *tap, const uint8_t *bytes, uint32_t len);

/* Frames that the tap lost because nobody read them in time. */
uint64_t sl_lag_tap_lost(const struct sl_lag_tap *tap);

#endif
