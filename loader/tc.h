/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tc.h - the TC programs of one device: at ingress the fast lane or the observer, at egress the
 * observer.
 *
 * By tcx links where the kernel has them (Linux 6.6), else by direct-action filters in a clsact
 * qdisc. What a device got once it keeps, so that a new program never measures a packet twice.
 */
#ifndef SL_LOADER_TC_H
#define SL_LOADER_TC_H

#include <stdbool.h>
#include "loader/record.h"

enum sl_tc_means {
	SL_TC_AUTO = 0, /* tcx where the kernel has it, else clsact */
	SL_TC_TCX,
	SL_TC_CLSACT,
};

/* Descriptors of the programs; `ingress` is the lane when `lane` says so. */
struct sl_tc_programs {
	int ingress;
	int egress;
	bool lane;
};

/*
 * Attaches both, ingress first (an answer that nobody watches must not look like none), or moves to
 * them what the device has: lane and observer take each other's place in one atomic step. Says on stderr what failed. -EOPNOTSUPP: tcx was asked for and
 * is not there.
 */
int sl_tc_attach(const char *dir, const struct sl_netdev *device,
		 const struct sl_tc_programs *programs, enum sl_tc_means means);

/* Whether the device has the lane at TC. */
bool sl_tc_has_lane(const char *dir, const struct sl_netdev *device);

/* Whether tcx of this device holds a program of ours that is not in `dir`: another `sluice up`. */
bool sl_tc_has_stranger(const char *dir, const struct sl_netdev *device);

/* Deletes the filter or the qdisc of a cls record; the record stays. */
int sl_tc_remove(const struct sl_record *record);

#endif
