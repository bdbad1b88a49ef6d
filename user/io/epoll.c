/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * epoll.c - the back end for hosts that forbid io_uring.
 *
 * Level-triggered: one recv into one scratch buffer for each readable event, so a turn is bounded
 * and no second recv has to find that nothing is left. Output is sent directly when the socket
 * settles; EPOLLOUT is asked for only after a short send. The set of events that the kernel watches
 * is kept in `watched` and changed only when it differs, so a relayed token costs one recv and one
 * send and its share of one epoll_wait.
 *
 * A patient socket (gather.h) is in the set for EPOLLERR and EPOLLHUP only.
 *
 * A paused socket that hangs up leaves the set, because EPOLLHUP cannot be masked and would spin.
 * Nothing is ever in the kernel's hands: ops_pending stays 0. closed() comes after all events of
 * the batch are handled, so an event never meets a freed socket.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "user/io/backend.h"

#define EVENTS_MAX    256
#define SCRATCH_BYTES 65536u
#define ACCEPTS_MAX   64u /* for one event; the rest comes with the next turn */
#define SENDS_MAX     16u /* for one settling; the rest waits for EPOLLOUT */
#define NS_PER_MS     1000000u
#define NS_PER_S      1000000000u

/* The object behind an event: the low bit tells listeners from sockets, NULL is wake_fd. */
#define LISTENER_BIT 1u
#define GATHER	     LISTENER_BIT /* no listener: something for gather.c */

/* `watched` of struct sl_socket */
#define WATCHED_IN    1u
#define WATCHED_OUT   2u
#define WATCHED_ADDED 4u /* in the set, possibly for EPOLLERR and EPOLLHUP only */

struct epoll {
	int fd;
	bool has_gather; /* its descriptor is in the set */
	bool coarse;	 /* waits are in ms: the finer call is forbidden here */
	struct epoll_event events[EVENTS_MAX];
	char scratch[SCRATCH_BYTES];
};

static struct epoll *of_loop(const struct sl_loop *loop)
{
	return loop->impl;
}

/* ---- sockets ----------------------------------------------------------------------------------
 */

static int set_watched(struct sl_socket *socket, uint8_t watched)
{
	struct epoll_event event = {.data.ptr = socket};
	int op = EPOLL_CTL_MOD;

	if (socket->watched == watched)
		return 0;
	if (!(watched & WATCHED_ADDED))
		op = EPOLL_CTL_DEL;
	else if (!(socket->watched & WATCHED_ADDED))
		op = EPOLL_CTL_ADD;
	event.events =
		(watched & WATCHED_IN ? EPOLLIN : 0u) | (watched & WATCHED_OUT ? EPOLLOUT : 0u);
	if (epoll_ctl(of_loop(socket->loop)->fd, op, socket->fd, &event))
		return -errno;
	socket->watched = watched;
	return 0;
}

/* What the socket's state asks for. A socket that asks for nothing stays in the set for errors. */
static void watch(struct sl_socket *socket)
{
	bool gathered = sl_gather_wants(socket);
	bool in = sl_socket_wants_input(socket) && !gathered;
	bool out = (socket->flags & SL_SOCKET_F_SENDING) || socket->state == SL_SOCKET_CONNECT;
	uint8_t watched = (uint8_t)((in ? WATCHED_IN : 0u) | (out ? WATCHED_OUT : 0u));
	int error;

	if (watched || (socket->watched & WATCHED_ADDED))
		watched |= WATCHED_ADDED;
	error = set_watched(socket, watched);
	if (error) /* ENOMEM, ENOSPC: the socket cannot be served */
		sl_socket_on_receive_error(socket, error);
	if (gathered)
		sl_gather_add(socket);
	else
		sl_gather_remove(socket);
}

static int attach(struct sl_socket *socket)
{
	return set_watched(socket, WATCHED_ADDED | WATCHED_IN);
}

static int start_connect(struct sl_socket *socket, const struct sockaddr *addr, socklen_t addr_len)
{
	if (connect(socket->fd, addr, addr_len) == 0) {
		/* Told when it settles, never from inside sl_socket_connect(). */
		socket->flags |= SL_SOCKET_F_CONNECTED;
		sl_socket_mark_dirty(socket);
		return set_watched(socket, WATCHED_ADDED);
	}
	/* AF_UNIX says EAGAIN when the backlog is full, and will not tell when there is room. */
	if (errno != EINPROGRESS)
		return -errno;
	return set_watched(socket, WATCHED_ADDED | WATCHED_OUT);
}

static void finish_connect(struct sl_socket *socket)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(socket->fd, SOL_SOCKET, SO_ERROR, &error, &len))
		error = errno;
	if (error)
		set_watched(socket, 0); /* it hangs up for good */
	sl_socket_on_connected(socket, -error);
}

static void on_event(struct sl_socket *socket, uint32_t events)
{
	if (socket->state == SL_SOCKET_CONNECT) {
		if (!(socket->flags & SL_SOCKET_F_CONNECTED))
			finish_connect(socket);
		return;
	}
	if ((events & EPOLLOUT) && (socket->flags & SL_SOCKET_F_SENDING)) {
		socket->flags &= ~(uint32_t)SL_SOCKET_F_SENDING;
		sl_socket_mark_dirty(socket);
	}
	if (!(events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
		return;
	if (sl_socket_wants_input(socket)) {
		sl_socket_receive(socket, of_loop(socket->loop)->scratch, SCRATCH_BYTES);
	} else if (events & (EPOLLERR | EPOLLHUP)) {
		/* Seen again by the next send, or by the recv after resuming. */
		set_watched(socket, 0);
		socket->flags &= ~(uint32_t)SL_SOCKET_F_SENDING;
		sl_socket_mark_dirty(socket);
	}
}

static ssize_t send_blocks(struct sl_socket *socket)
{
	struct iovec iov[SL_LOOP_SEND_IOV_MAX];
	struct msghdr msg = {.msg_iov = iov};
	struct sl_socket_block *block = socket->out.head;

	if (!block->next)
		return send(socket->fd, block->data + block->start, block->end - block->start,
			    MSG_NOSIGNAL | MSG_DONTWAIT);
	for (; block && msg.msg_iovlen < SL_LOOP_SEND_IOV_MAX; block = block->next) {
		if (block->start == block->end)
			continue;
		iov[msg.msg_iovlen++] = (struct iovec){.iov_base = block->data + block->start,
						       .iov_len = block->end - block->start};
	}
	return sendmsg(socket->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The drained callback may have closed the socket. */
static bool may_send(const struct sl_socket *socket)
{
	return socket->out_bytes &&
	       (socket->state == SL_SOCKET_OPEN || (socket->flags & SL_SOCKET_F_FLUSH));
}

static void send_queue(struct sl_socket *socket)
{
	for (unsigned i = 0; i < SENDS_MAX && may_send(socket); i++) {
		uint32_t queued = socket->out_bytes;
		ssize_t len = send_blocks(socket);

		if (len >= 0) {
			sl_socket_on_sent(socket, (size_t)len);
			/* A short send of one gather that held everything: the socket is full. */
			if ((size_t)len < queued && queued <= SL_BLOCK_LARGE_BYTES)
				break;
		} else if (errno == EAGAIN || errno == ENOBUFS || errno == EINTR) {
			break;
		} else {
			sl_socket_on_send_error(socket, -errno);
			break;
		}
	}
	if (may_send(socket))
		socket->flags |= SL_SOCKET_F_SENDING;
	else if ((socket->flags & SL_SOCKET_F_SHUT_WANTED) || socket->state == SL_SOCKET_CLOSING)
		sl_socket_mark_dirty(socket);
	watch(socket);
}

static void cancel(struct sl_socket *socket)
{
	(void)socket;
}

/* ---- listeners --------------------------------------------------------------------------------
 */

/* ops_pending is 0 here; `canceled` says whether the listener is in the set. */
static void watch_listener(struct sl_listener *listener)
{
	bool wanted = sl_listener_wants(listener);
	struct epoll_event event = {.events = EPOLLIN};

	if (wanted == listener->canceled)
		return;
	event.data.u64 = (uint64_t)(uintptr_t)listener | LISTENER_BIT;
	if (epoll_ctl(of_loop(listener->loop)->fd, wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
		      listener->fd, &event) == 0)
		listener->canceled = wanted;
	else if (wanted)
		sl_listener_on_accept(listener, -ENOMEM); /* tries again later */
}

static void accept_some(struct sl_listener *listener)
{
	for (unsigned i = 0; i < ACCEPTS_MAX && sl_listener_wants(listener); i++) {
		int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0 && errno == EAGAIN)
			return;
		sl_listener_on_accept(listener, fd < 0 ? -errno : fd);
	}
}

/*
 * Closing takes a descriptor out of the set only when it is the last of its file: a child that another thread
 * has begun, and that has not come to its program yet, holds all of them. An event would then tell of a socket
 * that is no more.
 */
static void close_fd(struct sl_loop *loop, int fd)
{
	epoll_ctl(of_loop(loop)->fd, EPOLL_CTL_DEL, fd, NULL);
	close(fd);
}

/* ---- waiting ----------------------------------------------------------------------------------
 */

/* Tells of what is to be gathered, once. */
static void watch_gather(struct sl_loop *loop)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = GATHER};
	struct epoll *epoll = of_loop(loop);

	/* It cannot be watched (ENOMEM): then it is looked at once a coalesce_ns. */
	if (epoll_ctl(epoll->fd, epoll->has_gather ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
		      sl_gather_fd(loop->gather), &event))
		sl_gather_woken(loop);
	else
		epoll->has_gather = true;
}

/* What is gathered is due in parts of a millisecond: that needs a call which old filters of
 * containers do not know. */
static int wait_finely(struct epoll *epoll, uint64_t timeout_ns)
{
	struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / NS_PER_S),
				   .tv_nsec = (long)(timeout_ns % NS_PER_S)};
	int count = epoll_pwait2(epoll->fd, epoll->events, EVENTS_MAX, &timeout, NULL);

	epoll->coarse = count < 0 && (errno == ENOSYS || errno == EPERM);
	return epoll->coarse ? 0 : count;
}

static int wait_coarsely(struct epoll *epoll, uint64_t timeout_ns)
{
	int timeout_ms = -1;

	if (timeout_ns != SL_LOOP_WAIT_FOREVER) {
		uint64_t ms = (timeout_ns + NS_PER_MS - 1) / NS_PER_MS;

		timeout_ms = ms < INT32_MAX ? (int)ms : INT32_MAX;
	}
	return epoll_wait(epoll->fd, epoll->events, EVENTS_MAX, timeout_ms);
}

static int wait_events(struct sl_loop *loop, uint64_t timeout_ns)
{
	struct epoll *epoll = of_loop(loop);
	int count;

	if (sl_gather_take_quiet(loop))
		watch_gather(loop);
	if (sl_gather_wait_ns(loop) != UINT64_MAX && !epoll->coarse)
		count = wait_finely(epoll, timeout_ns);
	else
		count = wait_coarsely(epoll, timeout_ns);
	sl_loop_awake(loop);
	if (count < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < count; i++) {
		uint64_t object = epoll->events[i].data.u64;

		if (!object)
			sl_loop_woken(loop);
		else if (object == GATHER)
			sl_gather_woken(loop);
		else if (object & LISTENER_BIT)
			accept_some((void *)(uintptr_t)(object & ~(uint64_t)LISTENER_BIT));
		else
			on_event((void *)(uintptr_t)object, epoll->events[i].events);
	}
	return 0;
}

static void submit(struct sl_loop *loop)
{
	(void)loop;
}

static void close_epoll(struct sl_loop *loop)
{
	struct epoll *epoll = of_loop(loop);

	close(epoll->fd);
	free(epoll);
	loop->impl = NULL;
}

static int open_epoll(struct sl_loop *loop, const struct sl_loop_options *options)
{
	struct epoll_event wake = {.events = EPOLLIN};
	struct epoll *epoll = malloc(sizeof(*epoll));
	int error;

	(void)options;
	if (!epoll)
		return -ENOMEM;
	epoll->has_gather = epoll->coarse = false;
	epoll->fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll->fd < 0 || epoll_ctl(epoll->fd, EPOLL_CTL_ADD, loop->wake_fd, &wake)) {
		error = -errno;
		if (epoll->fd >= 0)
			close(epoll->fd);
		free(epoll);
		return error;
	}
	loop->impl = epoll;
	return 0;
}

const struct sl_backend sl_epoll_backend = {
	.name = "epoll",
	.open = open_epoll,
	.close = close_epoll,
	.wait = wait_events,
	.submit = submit,
	.attach = attach,
	.connect = start_connect,
	.receive = watch,
	.send = send_queue,
	.cancel = cancel,
	.accept = watch_listener,
	.close_fd = close_fd,
};
