/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/io/gather.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "user/io/backend.h"

#define EVENTS_MAX    512 /* read at a time; the rest comes in the next turn, without a wait */
#define SCRATCH_BYTES 65536u

enum state { QUIET = 0, TIMED };

struct sl_gather {
	int fd;
	uint32_t count; /* sockets in the set */
	enum state state;
	bool awaited; /* QUIET: the back end will tell */
	uint64_t due_ns;
	struct epoll_event events[EVENTS_MAX];
	char scratch[SCRATCH_BYTES]; /* one for all: it stays in the CPU's cache */
};

int sl_gather_open(struct sl_gather **ret_gather)
{
	struct sl_gather *gather = malloc(sizeof(*gather));

	if (!gather)
		return -ENOMEM;
	gather->count = 0;
	gather->state = QUIET;
	gather->awaited = false;
	gather->fd = epoll_create1(EPOLL_CLOEXEC);
	if (gather->fd < 0) {
		int error = -errno;

		free(gather);
		return error;
	}
	*ret_gather = gather;
	return 0;
}

void sl_gather_close(struct sl_gather **gather)
{
	if (!*gather)
		return;
	close((*gather)->fd);
	free(*gather);
	*gather = NULL;
}

int sl_gather_fd(const struct sl_gather *gather)
{
	return gather->fd;
}

/* ---- sockets --------------------------------------------------------------------------------- */

bool sl_gather_wants(const struct sl_socket *socket)
{
	return (socket->flags & SL_SOCKET_F_PATIENT) && socket->loop->gather &&
	       socket->state == SL_SOCKET_OPEN && sl_socket_wants_input(socket);
}

void sl_gather_add(struct sl_socket *socket)
{
	struct sl_gather *gather = socket->loop->gather;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = socket};

	if (socket->flags & SL_SOCKET_F_GATHERED)
		return;
	if (epoll_ctl(gather->fd, EPOLL_CTL_ADD, socket->fd, &event)) {
		sl_socket_set_patient(socket, false);
		return;
	}
	socket->flags |= SL_SOCKET_F_GATHERED;
	gather->count++;
}

void sl_gather_remove(struct sl_socket *socket)
{
	struct sl_gather *gather = socket->loop->gather;

	if (!(socket->flags & SL_SOCKET_F_GATHERED))
		return;
	socket->flags &= ~(uint32_t)SL_SOCKET_F_GATHERED;
	gather->count--;
	epoll_ctl(gather->fd, EPOLL_CTL_DEL, socket->fd, NULL);
}

/* ---- turns ----------------------------------------------------------------------------------- */

bool sl_gather_take_quiet(struct sl_loop *loop)
{
	struct sl_gather *gather = loop->gather;

	if (!gather || !gather->count || gather->state != QUIET || gather->awaited)
		return false;
	gather->awaited = true;
	return true;
}

void sl_gather_woken(struct sl_loop *loop)
{
	struct sl_gather *gather = loop->gather;

	gather->awaited = false;
	if (gather->state == TIMED)
		return;
	gather->state = TIMED;
	gather->due_ns = loop->now_ns + loop->coalesce_ns;
}

uint64_t sl_gather_wait_ns(const struct sl_loop *loop)
{
	const struct sl_gather *gather = loop->gather;

	if (!gather || gather->state == QUIET)
		return UINT64_MAX;
	return gather->due_ns > loop->now_ns ? gather->due_ns - loop->now_ns : 0;
}

void sl_gather_run(struct sl_loop *loop)
{
	struct sl_gather *gather = loop->gather;
	int count;

	if (sl_gather_wait_ns(loop))
		return;
	count = epoll_wait(gather->fd, gather->events, EVENTS_MAX, 0);
	for (int i = 0; i < count; i++) {
		struct sl_socket *socket = gather->events[i].data.ptr;

		/* A callback before it may have closed or paused this one: it leaves when it settles. */
		if (sl_socket_wants_input(socket))
			sl_socket_receive(socket, gather->scratch, SCRATCH_BYTES);
	}
	if (count <= 0)
		gather->state = QUIET;
	else
		gather->due_ns = loop->now_ns + (count < EVENTS_MAX ? loop->coalesce_ns : 0);
}
