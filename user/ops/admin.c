/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/admin.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "user/base/log.h"

#define BACKLOG 16

static void on_accepted(struct sl_listener *listener, int fd, const struct sockaddr *peer)
{
	struct sl_admin *admin = listener->owner;
	struct sl_admin_answer answer = {0};
	char line[SL_ADMIN_ANSWER_BYTES_MAX], control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {line, 0};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *cmsg;
	int passed_fd = admin->describe(admin->owner, &answer);

	(void)peer;
	iov.iov_len = sl_admin_answer_format(&answer, line, sizeof(line));
	if (passed_fd >= 0) {
		memset(control, 0, sizeof(control));
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		cmsg = CMSG_FIRSTHDR(&message);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &passed_fd, sizeof(int));
	}
	(void)!sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static void make_parent(const char *path)
{
	char parent[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;

	snprintf(parent, sizeof(parent), "%s", path);
	slash = strrchr(parent, '/');
	if (!slash || slash == parent)
		return;
	*slash = '\0';
	(void)!mkdir(parent, 0755);
}

void sl_admin_open(struct sl_admin *admin, struct sl_loop *loop, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t mask;
	int rc;

	if (!path || strlen(path) >= sizeof(address.sun_path))
		return;
	make_parent(path);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	admin->listener.accepted = on_accepted;
	admin->listener.owner = admin;
	mask = umask(0177);
	rc = sl_listener_open(&admin->listener, loop, (struct sockaddr *)&address, sizeof(address),
			      BACKLOG, false);
	umask(mask);
	if (rc)
		sl_log(SL_LOG_WARN, "admin socket %s: %s (sluice status will not see the daemon)",
		       path, strerror(-rc));
	else
		snprintf(admin->path, sizeof(admin->path), "%s", path);
}

void sl_admin_close(struct sl_admin *admin)
{
	if (admin->path[0])
		unlink(admin->path);
	admin->path[0] = '\0';
}
