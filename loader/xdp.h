/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xdp.h - the XDP program of one device, in either mode, and whoever else's it may run.
 */
#ifndef SL_LOADER_XDP_H
#define SL_LOADER_XDP_H

#include <stdbool.h>
#include <stdint.h>
#include "loader/record.h"

#define SL_XDP_NAME_MAX 16u /* the kernel's BPF_OBJ_NAME_LEN */

/* A program that runs on a device. */
struct sl_xdp_program {
	uint32_t id;
	char name[SL_XDP_NAME_MAX];
};

/* Whether the device runs an XDP program, of whomever, and which. */
bool sl_xdp_runs(const struct sl_netdev *device, struct sl_xdp_program *ret_program);

/*
 * A new link in the mode of the kind, pinned as its record. The kernel's refusal is returned in
 * silence, for the caller may know another way: -EOPNOTSUPP where the driver has no native XDP,
 * -EINVAL and the like for its MTU or its queues.
 */
int sl_xdp_attach(const char *dir, const struct sl_netdev *device, enum sl_record_kind kind,
		  int program_fd);

/*
 * Moves the device's XDP link to the program. *ret_kind is its mode. Returns 1 when that is done, 0
 * when it has none, -errno after a message.
 */
int sl_xdp_update(const char *dir, const struct sl_netdev *device, int program_fd,
		  enum sl_record_kind *ret_kind);

#endif
