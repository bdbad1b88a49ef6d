/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * attach.h - the fast lane on devices: at which hook, and how it comes and goes.
 *
 *   --hook    the fast lane of a device is at
 *   native    native XDP; where the driver cannot, `up` fails
 *   generic   generic XDP (slow: it works on copies of packets, after their memory was allocated)
 *   tc        TC ingress
 *   auto      what it is at already; else TC where XDP would cost segmentation offload (veth,
 *             virtio, tun and tap, and bonds and VLANs of such); else native XDP; else, where that
 *             is not to be had or taken by someone else, TC
 *
 * A VLAN device has no native XDP of its own: `native` and `auto` then mean its parent, `auto` only
 * when that leaves the tags in the frames. Beside XDP there is an observer at TC ingress, and at TC
 * egress there always is one.
 *
 * Beside someone else's XDP program the lane runs at TC, also beside libxdp's dispatcher: that loads
 * its programs as extensions, alone. Debian 12's libxdp 1.3.1 leaves the steps of our tail calls out
 * and fails (EBADF, on 6.1); kernels from 6.12 on refuse extensions that change packets under its
 * dispatcher (EINVAL); and some kernels take no extensions at all (EPERM, locked down).
 *
 * Each change of a device's program is one atomic step. A change of the hook puts the new hook in
 * place before the old one goes; a packet that both see is forwarded by the first.
 */
#ifndef SL_LOADER_ATTACH_H
#define SL_LOADER_ATTACH_H

#include <stdbool.h>
#include <stdint.h>
#include "loader/netdev.h"
#include "loader/object.h"
#include "loader/record.h"
#include "loader/tc.h"

#define SL_ATTACH_REASON_MAX 192u

struct sl_attach_want {
	enum sl_config_hook hook;
	enum sl_tc_means tc;
};

/* Where the fast lane of a device ended up. */
struct sl_attachment {
	struct sl_netdev at;		   /* the device, or the parent of a VLAN */
	enum sl_config_hook hook;	   /* never SL_CONFIG_HOOK_AUTO */
	char reason[SL_ATTACH_REASON_MAX]; /* one line, never empty */
};

/* "native XDP" and so on, for a person. */
const char *sl_attach_hook_name(enum sl_config_hook hook);

/*
 * Attaches to the device, or moves what it has to the object's programs. Says on stderr what
 * failed: -EBUSY for a program of someone else where `auto` may not step aside, -EOPNOTSUPP where
 * the wanted hook is not to be had, and the kernel's errors. What was attached stays recorded.
 */
int sl_attach_device(const char *dir, const struct sl_netdev *device, struct sl_object *object,
		     const struct sl_attach_want *want, struct sl_attachment *ret_attachment);

/*
 * Detaches and removes the record. A device that is gone is no error. May leave the process in the
 * record's network namespace.
 */
int sl_attach_remove(const char *dir, const struct sl_record *record);

/* Every record, in an order that lets a qdisc go after its filters. Returns the first error. */
int sl_attach_remove_all(const char *dir);

#endif
