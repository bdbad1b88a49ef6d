/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/vlan.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/if_link.h>
#include "bpf/abi.h"
#include "loader/netlink.h"

struct vlan {
	uint32_t ifindex;
	struct sl_device device;
};

struct vlan_list {
	struct vlan *vlans; /* SL_DEVICES_MAX */
	uint32_t count;
};

/* The nested attribute, or NULL. */
static const struct rtattr *find_inside(const struct rtattr *outer, unsigned type)
{
	return outer ? sl_netlink_find(RTA_DATA(outer), (int)RTA_PAYLOAD(outer), type) : NULL;
}

static bool is_vlan(const struct rtattr *info)
{
	const struct rtattr *kind = find_inside(info, IFLA_INFO_KIND);

	return kind && RTA_PAYLOAD(kind) >= sizeof("vlan") && !strcmp(RTA_DATA(kind), "vlan");
}

static int visit_link(const struct nlmsghdr *message, void *context)
{
	const struct ifinfomsg *link = NLMSG_DATA(message);
	int bytes_len = (int)message->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*link));
	const struct rtattr *info, *below, *data, *id, *proto;
	struct vlan_list *list = context;
	struct vlan *vlan;

	if (message->nlmsg_type != RTM_NEWLINK || bytes_len < 0)
		return 0;
	info = sl_netlink_find(IFLA_RTA(link), bytes_len, IFLA_LINKINFO);
	below = sl_netlink_find(IFLA_RTA(link), bytes_len, IFLA_LINK);
	if (!is_vlan(info) || !below)
		return 0;
	data = find_inside(info, IFLA_INFO_DATA);
	id = find_inside(data, IFLA_VLAN_ID);
	proto = find_inside(data, IFLA_VLAN_PROTOCOL);
	if (!id || !proto)
		return 0;
	if (list->count == SL_DEVICES_MAX)
		return -E2BIG;
	vlan = &list->vlans[list->count++];
	vlan->ifindex = (uint32_t)link->ifi_index;
	memcpy(&vlan->device.ifindex, RTA_DATA(below), sizeof(vlan->device.ifindex));
	memcpy(&vlan->device.vlan_id, RTA_DATA(id), sizeof(vlan->device.vlan_id));
	memcpy(&vlan->device.vlan_proto, RTA_DATA(proto), sizeof(vlan->device.vlan_proto));
	return 0;
}

static bool is_listed(const struct vlan_list *list, uint32_t ifindex)
{
	for (uint32_t i = 0; i < list->count; i++) {
		if (list->vlans[i].ifindex == ifindex)
			return true;
	}
	return false;
}

/* Deletes what is no VLAN device any more. */
static void sweep(int devices_fd, const struct vlan_list *list)
{
	uint32_t key, next, *previous = NULL;

	for (unsigned i = 0; i < SL_DEVICES_MAX; i++) {
		if (bpf_map_get_next_key(devices_fd, previous, &next))
			return;
		if (previous && !is_listed(list, key))
			(void)bpf_map_delete_elem(devices_fd, &key);
		key = next;
		previous = &key;
	}
	if (previous && !is_listed(list, key))
		(void)bpf_map_delete_elem(devices_fd, &key);
}

int sl_vlan_apply(int devices_fd, uint32_t *ret_count)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg link;
	} request = {
		.header = {.nlmsg_len = sizeof(request), .nlmsg_type = RTM_GETLINK},
		.link = {.ifi_family = AF_UNSPEC},
	};
	struct vlan_list list = {.vlans = calloc(SL_DEVICES_MAX, sizeof(struct vlan))};
	int error;

	if (!list.vlans)
		return -ENOMEM;
	error = sl_netlink_dump(&request.header, visit_link, &list);
	if (!error)
		sweep(devices_fd, &list);
	for (uint32_t i = 0; !error && i < list.count; i++) {
		if (bpf_map_update_elem(devices_fd, &list.vlans[i].ifindex, &list.vlans[i].device,
					BPF_ANY))
			error = -errno;
	}
	if (!error)
		*ret_count = list.count;
	free(list.vlans);
	return error;
}
