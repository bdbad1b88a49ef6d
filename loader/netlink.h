/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * netlink.h - one dump request to rtnetlink and its answers.
 */
#ifndef SL_LOADER_NETLINK_H
#define SL_LOADER_NETLINK_H

#include <linux/rtnetlink.h>

/* Called for each message of the dump; its result ends the dump when it is negative. */
typedef int (*sl_netlink_visit)(const struct nlmsghdr *message, void *context);

/*
 * Sends the request (header first, NLM_F_REQUEST | NLM_F_DUMP are added) in the current network
 * namespace and visits each answer. Returns 0, the visitor's or the kernel's error; -EAGAIN when
 * the kernel does not answer within seconds.
 */
int sl_netlink_dump(struct nlmsghdr *request, sl_netlink_visit visit, void *context);

/* The attribute of this type, or NULL. */
const struct rtattr *sl_netlink_find(const struct rtattr *first, int bytes_len, unsigned type);

#endif
