/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/takeover.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE_BYTES 64u

/* ---- messages with descriptors ---------------------------------------------------------------- */

static int send_part(int fd, const char *text, size_t len, const int *fds, uint32_t count)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(SL_TAKEOVER_BATCH * sizeof(int))] = {0};
	struct iovec iov = {(void *)text, len};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *part;

	if (count) {
		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		part = CMSG_FIRSTHDR(&message);
		part->cmsg_level = SOL_SOCKET;
		part->cmsg_type = SCM_RIGHTS;
		part->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(part), fds, count * sizeof(int));
	}
	return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len ? 0 : -EAGAIN;
}

/* Bytes of one message; its descriptors are appended to the sockets, or closed beyond the limit. */
static ssize_t receive_part(struct sl_takeover *takeover, char *text, size_t size)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(SL_TAKEOVER_BATCH * sizeof(int))];
	struct iovec iov = {text, size};
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t got = recvmsg(takeover->fd, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *part;

	if (got < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	for (part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
		size_t i, count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		for (i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(fd));
			if (takeover->count < SL_TAKEOVER_SOCKETS_MAX)
				takeover->sockets[takeover->count++] = fd;
			else
				close(fd);
		}
	}
	return got;
}

/* ---- the new process --------------------------------------------------------------------------- */

static int connect_to(const char *path, int *ret_fd)
{
	struct timeval wait = {SL_TAKEOVER_WAIT_MS / 1000u, SL_TAKEOVER_WAIT_MS % 1000u * 1000};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, error;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (!setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) &&
	    !setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) &&
	    !connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		*ret_fd = fd;
		return 0;
	}
	error = errno == EAGAIN ? -ETIMEDOUT : -errno;
	close(fd);
	return error;
}

static int say(const struct sl_takeover *takeover, const char *line)
{
	return send(takeover->fd, line, strlen(line), MSG_NOSIGNAL) == (ssize_t)strlen(line)
		       ? 0
		       : -EPIPE;
}

int sl_takeover_ask(const char *path, struct sl_takeover *takeover)
{
	char line[LINE_BYTES] = "", dots[SL_TAKEOVER_SOCKETS_MAX / SL_TAKEOVER_BATCH + 1];
	unsigned count = 0;
	ssize_t got;
	int rc;

	takeover->fd = -1;
	takeover->count = 0;
	rc = connect_to(path, &takeover->fd);
	if (!rc)
		rc = say(takeover, "takeover\n");
	if (rc)
		goto fail;
	/* Sent in one piece with the first sockets: a stream socket keeps such a piece whole. */
	got = receive_part(takeover, line, sizeof(line) - 1);
	rc = got < 0 ? (int)got : -EPROTO;
	if (got <= 0 || sscanf(line, "takeover %u %15s", &count, takeover->io) != 2 || !count ||
	    count > SL_TAKEOVER_SOCKETS_MAX)
		goto fail;
	while (takeover->count < count) {
		got = receive_part(takeover, dots, sizeof(dots));
		rc = got < 0 ? (int)got : -EPROTO;
		if (got <= 0)
			goto fail;
	}
	return 0;

fail:
	sl_takeover_end(takeover);
	return rc;
}

int sl_takeover_go(struct sl_takeover *takeover)
{
	char answer[LINE_BYTES] = "";
	int rc = say(takeover, "go\n");
	ssize_t got;

	if (rc)
		return rc;
	got = recv(takeover->fd, answer, sizeof(answer) - 1, 0);
	if (got < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return strcmp(answer, "ok\n") == 0 ? 0 : -EPROTO;
}

void sl_takeover_end(struct sl_takeover *takeover)
{
	uint32_t i;

	for (i = 0; i < takeover->count; i++) {
		if (takeover->sockets[i] >= 0)
			close(takeover->sockets[i]);
	}
	takeover->count = 0;
	if (takeover->fd >= 0)
		close(takeover->fd);
	takeover->fd = -1;
}

/* ---- the old process --------------------------------------------------------------------------- */

int sl_takeover_give(int fd, const struct sl_threads *threads, const char *io)
{
	int batch[SL_TAKEOVER_BATCH];
	uint32_t total = 0, count = 0, t, i;
	char line[LINE_BYTES];
	bool first = true;
	int rc = 0;

	for (t = 0; t < threads->count; t++)
		total += threads->threads[t].socket_count;
	snprintf(line, sizeof(line), "takeover %u %s\n", total, io);
	for (t = 0; t < threads->count; t++) {
		for (i = 0; i < threads->threads[t].socket_count && !rc; i++) {
			batch[count++] = threads->threads[t].sockets[i].fd;
			if (count < SL_TAKEOVER_BATCH)
				continue;
			rc = send_part(fd, first ? line : ".", first ? strlen(line) : 1, batch,
				       count);
			first = false;
			count = 0;
		}
	}
	if (!rc && (count || first))
		rc = send_part(fd, first ? line : ".", first ? strlen(line) : 1, batch, count);
	return rc;
}
