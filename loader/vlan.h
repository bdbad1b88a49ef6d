/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vlan.h - the VLAN devices of this network namespace, told to the kernel plane.
 *
 * XDP cannot transmit through a VLAN device; the `devices` map says which tag to put on and which
 * device lies below.
 */
#ifndef SL_LOADER_VLAN_H
#define SL_LOADER_VLAN_H

#include <stdint.h>

/*
 * Makes the `devices` map hold exactly the VLAN devices of now, SL_DEVICES_MAX at most.
 * Returns 0 or -errno; -E2BIG when there are more.
 */
int sl_vlan_apply(int devices_fd, uint32_t *ret_count);

#endif
