/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/netlink.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define REPLY_BYTES_MAX 32768u
#define READS_MAX	65536u /* datagrams of one dump */
#define TIMEOUT_S	5

/* One datagram of the dump. Returns 1 at its end, 0 to go on, -errno. */
static int visit_all(const void *bytes, size_t bytes_len, sl_netlink_visit visit, void *context)
{
	const struct nlmsghdr *message = bytes;

	for (; NLMSG_OK(message, bytes_len); message = NLMSG_NEXT(message, bytes_len)) {
		int result;

		if (message->nlmsg_type == NLMSG_DONE)
			return 1;
		if (message->nlmsg_type == NLMSG_ERROR) {
			const struct nlmsgerr *failure = NLMSG_DATA(message);

			return failure->error ? failure->error : 1;
		}
		result = visit(message, context);
		if (result < 0)
			return result;
	}
	return 0;
}

int sl_netlink_dump(struct nlmsghdr *request, sl_netlink_visit visit, void *context)
{
	_Alignas(struct nlmsghdr) char reply[REPLY_BYTES_MAX];
	struct timeval timeout = {.tv_sec = TIMEOUT_S};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int state = 0;

	if (fd < 0)
		return -errno;
	request->nlmsg_flags |= NLM_F_REQUEST | NLM_F_DUMP;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	if (send(fd, request, request->nlmsg_len, 0) < 0)
		state = -errno;
	for (unsigned reads = 0; !state && reads < READS_MAX; reads++) {
		ssize_t reply_len = recv(fd, reply, sizeof(reply), 0);

		state = reply_len < 0 ? -errno
				      : visit_all(reply, (size_t)reply_len, visit, context);
	}
	close(fd);
	return state < 0 ? state : 0;
}

const struct rtattr *sl_netlink_find(const struct rtattr *first, int bytes_len, unsigned type)
{
	for (const struct rtattr *at = first; RTA_OK(at, bytes_len); at = RTA_NEXT(at, bytes_len)) {
		if ((at->rta_type & NLA_TYPE_MASK) == type)
			return at;
	}
	return NULL;
}
