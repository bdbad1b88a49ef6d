/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * netdev.h - facts about a network device of the current network namespace.
 *
 * By ioctl and netlink, never by /sys/class/net: sysfs shows the namespace of whoever mounted it.
 */
#ifndef SL_LOADER_NETDEV_H
#define SL_LOADER_NETDEV_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#define SL_NETDEV_DRIVER_MAX 32u
#define SL_NETDEV_KIND_MAX   16u
#define SL_NETDEV_PORTS_MAX  32u /* of one bond that are looked at */

struct sl_netdev {
	char name[IF_NAMESIZE];
	uint32_t ifindex;
	uint32_t mtu;
	bool up;
	char driver[SL_NETDEV_DRIVER_MAX]; /* "" where the device tells none (lo) */
	char kind[SL_NETDEV_KIND_MAX];	   /* rtnetlink's: "vlan", "bond", ...; "" for cards */
	uint32_t parent; /* of a VLAN: ifindex of the device below; 0: none in this namespace */
};

/* -ENODEV: no device of this name here; else the ioctl's or netlink's error. */
int sl_netdev_open(const char *name, struct sl_netdev *ret_device);

/* The ports of a bond or bridge: SL_NETDEV_PORTS_MAX at most. Returns 0 or the netlink error. */
int sl_netdev_ports(const struct sl_netdev *device, struct sl_netdev *ports, uint32_t *ret_count);

/* Whether VLAN tags are taken off before XDP sees the frame. */
bool sl_netdev_strips_tags(const struct sl_netdev *device);

/* Whether the device forwards packets; family AF_INET or AF_INET6. False when it cannot be read. */
bool sl_netdev_forwards(const struct sl_netdev *device, int family);

/* *ret_has: the device has a clsact qdisc. Returns 0 or the netlink error. */
int sl_netdev_has_clsact(uint32_t ifindex, bool *ret_has);

/* *ret_has: its clsact qdisc holds a filter of anyone. Returns 0 or the netlink error. */
int sl_netdev_has_filters(uint32_t ifindex, bool *ret_has);

/* Inode of the current network namespace: its name for as long as it lives. 0 when unknown. */
uint64_t sl_netdev_netns(void);

/*
 * Enters the namespace of that inode where one of /run/netns or process 1 has it. -ENOENT when none
 * has: the namespace, and so each of its devices, is gone or out of reach.
 */
int sl_netdev_enter_netns(uint64_t netns);

#endif
