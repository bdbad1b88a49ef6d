/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/netdev.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "loader/netlink.h"

#define NETNS_DIR      "/run/netns"
#define PATH_BYTES_MAX 320u

/* Best effort: a device without a driver's name is still a device. */
static void read_driver(int fd, struct sl_netdev *device)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq request = {0};

	memcpy(request.ifr_name, device->name, sizeof(request.ifr_name));
	request.ifr_data = (void *)&info;
	if (!ioctl(fd, SIOCETHTOOL, &request))
		snprintf(device->driver, sizeof(device->driver), "%s", info.driver);
}

/* ---- what rtnetlink tells ------------------------------------------------------------------ */

struct link_search {
	struct sl_netdev *device; /* the one to describe, or NULL */
	struct sl_netdev *ports;  /* those whose master is `master`, or NULL */
	uint32_t master;
	uint32_t port_count;
};

static uint32_t number_of(const struct rtattr *attribute)
{
	uint32_t number = 0;

	if (attribute && RTA_PAYLOAD(attribute) >= sizeof(number))
		memcpy(&number, RTA_DATA(attribute), sizeof(number));
	return number;
}

static void read_kind(const struct ifinfomsg *link, int bytes_len, struct sl_netdev *device)
{
	const struct rtattr *info = sl_netlink_find(IFLA_RTA(link), bytes_len, IFLA_LINKINFO);
	const struct rtattr *kind =
		info ? sl_netlink_find(RTA_DATA(info), (int)RTA_PAYLOAD(info), IFLA_INFO_KIND)
		     : NULL;

	if (!kind)
		return;
	snprintf(device->kind, sizeof(device->kind), "%.*s", (int)RTA_PAYLOAD(kind),
		 (const char *)RTA_DATA(kind));
	if (!strcmp(device->kind, "vlan") &&
	    !sl_netlink_find(IFLA_RTA(link), bytes_len, IFLA_LINK_NETNSID))
		device->parent = number_of(sl_netlink_find(IFLA_RTA(link), bytes_len, IFLA_LINK));
}

static int visit_link(const struct nlmsghdr *message, void *context)
{
	const struct ifinfomsg *link = NLMSG_DATA(message);
	int bytes_len = (int)message->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*link));
	struct link_search *search = context;
	uint32_t ifindex;

	if (message->nlmsg_type != RTM_NEWLINK || bytes_len < 0)
		return 0;
	ifindex = (uint32_t)link->ifi_index;
	if (search->device && search->device->ifindex == ifindex)
		read_kind(link, bytes_len, search->device);
	if (search->ports && search->port_count < SL_NETDEV_PORTS_MAX &&
	    number_of(sl_netlink_find(IFLA_RTA(link), bytes_len, IFLA_MASTER)) == search->master)
		search->ports[search->port_count++].ifindex = ifindex;
	return 0;
}

static int search_links(struct link_search *search)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg link;
	} request = {
		.header = {.nlmsg_len = sizeof(request), .nlmsg_type = RTM_GETLINK},
		.link = {.ifi_family = AF_UNSPEC},
	};

	return sl_netlink_dump(&request.header, visit_link, search);
}

int sl_netdev_ports(const struct sl_netdev *device, struct sl_netdev *ports, uint32_t *ret_count)
{
	struct link_search search = {.ports = ports, .master = device->ifindex};
	uint32_t count = 0;
	int error;

	memset(ports, 0, SL_NETDEV_PORTS_MAX * sizeof(*ports));
	error = search_links(&search);
	for (uint32_t i = 0; !error && i < search.port_count; i++) {
		char name[IF_NAMESIZE];

		/* one that is gone by now is no port any more */
		if (if_indextoname(ports[i].ifindex, name) && !sl_netdev_open(name, &ports[count]))
			count++;
	}
	if (!error)
		*ret_count = count;
	return error;
}

bool sl_netdev_strips_tags(const struct sl_netdev *device)
{
	struct ethtool_value value = {.cmd = ETHTOOL_GFLAGS};
	struct ifreq request = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool strips;

	memcpy(request.ifr_name, device->name, sizeof(request.ifr_name));
	request.ifr_data = (void *)&value;
	strips = fd >= 0 && !ioctl(fd, SIOCETHTOOL, &request) && (value.data & ETH_FLAG_RXVLAN);
	if (fd >= 0)
		close(fd);
	return strips;
}

int sl_netdev_open(const char *name, struct sl_netdev *ret_device)
{
	struct link_search search = {0};
	struct sl_netdev device = {0};
	struct ifreq request = {0};
	int fd, error = 0;

	if (strlen(name) >= sizeof(device.name))
		return -ENODEV;
	snprintf(device.name, sizeof(device.name), "%s", name);
	device.ifindex = if_nametoindex(name);
	if (!device.ifindex)
		return -ENODEV;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	memcpy(request.ifr_name, device.name, sizeof(request.ifr_name));
	if (ioctl(fd, SIOCGIFMTU, &request))
		error = -errno;
	device.mtu = (uint32_t)request.ifr_mtu;
	if (!error && ioctl(fd, SIOCGIFFLAGS, &request))
		error = -errno;
	device.up = request.ifr_flags & IFF_UP;
	read_driver(fd, &device);
	close(fd);
	search.device = &device;
	if (!error)
		error = search_links(&search);
	if (!error)
		*ret_device = device;
	return error;
}

bool sl_netdev_forwards(const struct sl_netdev *device, int family)
{
	char path[PATH_BYTES_MAX];
	char value = '0';
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/forwarding",
		 family == AF_INET ? "ipv4" : "ipv6", device->name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, &value, 1) != 1)
		value = '0';
	close(fd);
	return value != '0';
}

struct clsact_search {
	uint32_t ifindex;
	bool found;
};

static int visit_qdisc(const struct nlmsghdr *message, void *context)
{
	const struct tcmsg *qdisc = NLMSG_DATA(message);
	struct clsact_search *search = context;

	if (message->nlmsg_type == RTM_NEWQDISC &&
	    message->nlmsg_len >= NLMSG_LENGTH(sizeof(*qdisc)) &&
	    (uint32_t)qdisc->tcm_ifindex == search->ifindex && qdisc->tcm_parent == TC_H_CLSACT)
		search->found = true;
	return 0;
}

int sl_netdev_has_clsact(uint32_t ifindex, bool *ret_has)
{
	struct {
		struct nlmsghdr header;
		struct tcmsg qdisc;
	} request = {
		.header = {.nlmsg_len = sizeof(request), .nlmsg_type = RTM_GETQDISC},
		.qdisc = {.tcm_family = AF_UNSPEC, .tcm_ifindex = (int)ifindex},
	};
	struct clsact_search search = {.ifindex = ifindex};
	int error = sl_netlink_dump(&request.header, visit_qdisc, &search);

	if (!error)
		*ret_has = search.found;
	return error;
}

static int visit_filter(const struct nlmsghdr *message, void *context)
{
	bool *found = context;

	if (message->nlmsg_type == RTM_NEWTFILTER)
		*found = true;
	return 0;
}

int sl_netdev_has_filters(uint32_t ifindex, bool *ret_has)
{
	static const uint32_t parents[] = {
		TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
		TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS),
	};
	bool found = false;
	int error = 0;

	for (unsigned i = 0; !error && i < 2; i++) {
		struct {
			struct nlmsghdr header;
			struct tcmsg filter;
		} request = {
			.header = {.nlmsg_len = sizeof(request), .nlmsg_type = RTM_GETTFILTER},
			.filter = {.tcm_family = AF_UNSPEC,
				   .tcm_ifindex = (int)ifindex,
				   .tcm_parent = parents[i]},
		};

		error = sl_netlink_dump(&request.header, visit_filter, &found);
	}
	if (!error)
		*ret_has = found;
	return error;
}

uint64_t sl_netdev_netns(void)
{
	struct stat status;

	return stat("/proc/thread-self/ns/net", &status) ? 0 : status.st_ino;
}

/* Enters the namespace at `path` when it is the wanted one. */
static bool enter(const char *path, uint64_t netns)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool entered;

	if (fd < 0)
		return false;
	entered = !fstat(fd, &status) && status.st_ino == netns && !setns(fd, CLONE_NEWNET);
	close(fd);
	return entered;
}

int sl_netdev_enter_netns(uint64_t netns)
{
	const struct dirent *entry;
	bool entered = false;
	DIR *names;

	if (netns == sl_netdev_netns() || enter("/proc/1/ns/net", netns))
		return 0;
	names = opendir(NETNS_DIR);
	while (names && !entered && (entry = readdir(names))) {
		char path[PATH_BYTES_MAX];

		snprintf(path, sizeof(path), NETNS_DIR "/%s", entry->d_name);
		entered = entry->d_name[0] != '.' && enter(path, netns);
	}
	if (names)
		closedir(names);
	return entered ? 0 : -ENOENT;
}
