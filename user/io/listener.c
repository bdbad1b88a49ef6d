/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * listener.c - listening sockets; declared in socket.h.
 *
 *   state     meaning                                          leaves by
 *   IDLE      no descriptor                                    open, adopt
 *   OPEN      accepts unless paused or waiting for the retry   close
 *   CLOSING   accepting is being canceled                      closed()
 *
 * When the process or the machine is out of descriptors or memory, accepting stops for
 * SL_LISTENER_RETRY_MS: the connections wait in the backlog, and the loop does not spin on an
 * accept that cannot succeed.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "user/io/backend.h"
#include "user/io/socket.h"

static void settle(struct sl_task *task)
{
	struct sl_listener *listener = SL_OWNER_OF(task, struct sl_listener, settle);
	const struct sl_backend *backend = listener->loop->backend;

	backend->accept(listener);
	if (listener->state != SL_SOCKET_CLOSING || listener->ops_pending)
		return;
	backend->close_fd(listener->loop, listener->fd);
	listener->fd = -1;
	listener->state = SL_SOCKET_IDLE;
	if (listener->closed)
		listener->closed(listener);
}

static void retry_expired(struct sl_timer *timer)
{
	struct sl_listener *listener = SL_OWNER_OF(timer, struct sl_listener, retry);

	listener->waiting = false;
	sl_loop_defer(listener->loop, &listener->settle);
}

/* Peers of connections that were reset in the backlog and the like: the next accept may succeed. */
static bool is_transient(int error)
{
	return error == -ECONNABORTED || error == -EINTR || error == -EAGAIN || error == -EPROTO ||
	       error == -ECANCELED;
}

/*
 * Not every connection is handed on: one that was reset since it was established has no peer any
 * more. The address is asked for here because a multishot accept has a single place for all.
 */
static void hand_on(struct sl_listener *listener, int fd)
{
	struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};
	socklen_t peer_len = sizeof(peer);
	int family = AF_UNSPEC;
	socklen_t family_len = sizeof(family);

	if (getpeername(fd, (struct sockaddr *)&peer, &peer_len)) {
		/* A Unix socket has no peer after that has closed; what it sent is still there. */
		getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &family_len);
		peer.ss_family = family == AF_UNIX ? AF_UNIX : AF_UNSPEC;
	}
	if ((listener->state != SL_SOCKET_OPEN && !listener->serves_last) ||
	    peer.ss_family == AF_UNSPEC) {
		listener->loop->backend->close_fd(listener->loop, fd);
		return;
	}
	listener->accepted(listener, fd, (struct sockaddr *)&peer);
}

void sl_listener_on_accept(struct sl_listener *listener, int result)
{
	if (result >= 0) {
		hand_on(listener, result);
		return;
	}
	sl_loop_defer(listener->loop, &listener->settle);
	if (is_transient(result) || listener->state != SL_SOCKET_OPEN)
		return;
	listener->accept_errors++;
	listener->waiting = true;
	sl_timer_set(listener->loop, &listener->retry, SL_LISTENER_RETRY_MS);
}

int sl_listener_adopt(struct sl_listener *listener, struct sl_loop *loop, int fd)
{
	int flags = fcntl(fd, F_GETFL);
	int wanted;

	if (flags < 0)
		return -errno;
	wanted = loop->backend->blocking_fds ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
	if (wanted != flags && fcntl(fd, F_SETFL, wanted))
		return -errno;
	listener->loop = loop;
	listener->fd = fd;
	listener->state = SL_SOCKET_OPEN;
	listener->ops_pending = 0;
	listener->paused = listener->waiting = listener->canceled = false;
	listener->settle = (struct sl_task){.run = settle};
	listener->accept_errors = 0;
	sl_timer_init(&listener->retry, retry_expired);
	sl_loop_defer(loop, &listener->settle);
	return 0;
}

/* Removes a socket file that nobody serves. Anything else is left for bind() to complain about. */
static void remove_stale(const struct sockaddr_un *addr)
{
	struct stat info;
	int fd;

	if (!addr->sun_path[0] || lstat(addr->sun_path, &info) || !S_ISSOCK(info.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) && errno == ECONNREFUSED)
		unlink(addr->sun_path);
	close(fd);
}

int sl_listener_open(struct sl_listener *listener, struct sl_loop *loop,
		     const struct sockaddr *addr, socklen_t addr_len, int backlog, bool reuseport)
{
	int one = 1;
	int error;
	int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (addr->sa_family == AF_UNIX) {
		struct sockaddr_un path = {.sun_family = AF_UNIX};

		memcpy(&path, addr, addr_len < sizeof(path) ? addr_len : sizeof(path));
		remove_stale(&path);
	} else {
		if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
		    (reuseport && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one))) ||
		    (addr->sa_family == AF_INET6 &&
		     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one))))
			goto fail;
	}
	if (bind(fd, addr, addr_len) || listen(fd, backlog))
		goto fail;
	error = sl_listener_adopt(listener, loop, fd);
	if (error)
		close(fd);
	return error;

fail:
	error = -errno;
	close(fd);
	return error;
}

void sl_listener_pause(struct sl_listener *listener)
{
	listener->paused = true;
	if (listener->state == SL_SOCKET_OPEN)
		sl_loop_defer(listener->loop, &listener->settle);
}

void sl_listener_resume(struct sl_listener *listener)
{
	listener->paused = false;
	if (listener->state == SL_SOCKET_OPEN)
		sl_loop_defer(listener->loop, &listener->settle);
}

void sl_listener_close(struct sl_listener *listener)
{
	if (listener->state != SL_SOCKET_OPEN)
		return;
	listener->state = SL_SOCKET_CLOSING;
	sl_timer_cancel(listener->loop, &listener->retry);
	sl_loop_defer(listener->loop, &listener->settle);
}
