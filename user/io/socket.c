/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * socket.c - states, output queue and settling of sockets; the system calls are the back end's.
 *
 * Every call of the owner only notes a wish and puts the socket on the loop's dirty list. The
 * settle pass then does the least that brings the kernel in line: so a thousand sends to one socket
 * in one turn become one, and a pause undone in the same turn costs nothing.
 *
 * Closing:  FLUSH: send the queue -> shutdown -> discard input until the peer's FIN or
 *           SL_SOCKET_LINGER_MS -> as NOW.
 *           NOW:   drop the queue, cancel requests -> wait until none refers to us -> close ->
 * closed() RESET: as NOW with SO_LINGER 0, for which the kernel sends RST. A stronger call
 * overtakes a weaker one.
 *
 * Errors: a send that fails is told only after everything that the peer had sent before is
 * delivered, because a server may answer, close and reset while we still send (receiving then ends
 * by itself: the same reset ends it). While the owner has paused input it is told at once.
 */
#include "user/io/socket.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include "user/io/backend.h"

void sl_socket_init(struct sl_socket *socket, struct sl_loop *loop, const struct sl_socket_ops *ops)
{
	*socket = (struct sl_socket){.loop = loop, .ops = ops, .fd = -1};
}

void sl_socket_mark_dirty(struct sl_socket *socket)
{
	struct sl_loop *loop = socket->loop;

	if (socket->flags & SL_SOCKET_F_DIRTY)
		return;
	socket->flags |= SL_SOCKET_F_DIRTY;
	socket->dirty_next = NULL;
	if (loop->dirty_head)
		loop->dirty_tail->dirty_next = socket;
	else
		loop->dirty_head = socket;
	loop->dirty_tail = socket;
}

/* ---- opening ----------------------------------------------------------------------------------
 */

static int set_blocking(int fd, bool blocking)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	if (!!(flags & O_NONBLOCK) == !blocking)
		return 0;
	return fcntl(fd, F_SETFL, flags ^ O_NONBLOCK) ? -errno : 0;
}

int sl_socket_adopt(struct sl_socket *socket, int fd)
{
	int one = 1;
	int error;

	assert(socket->state == SL_SOCKET_IDLE);
	error = set_blocking(fd, socket->loop->backend->blocking_fds);
	if (error)
		goto fail;
	/* Fails on AF_UNIX, which has nothing to delay. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	socket->fd = fd;
	socket->state = SL_SOCKET_OPEN;
	error = socket->loop->backend->attach(socket);
	if (error) {
		socket->fd = -1;
		socket->state = SL_SOCKET_IDLE;
		goto fail;
	}
	sl_socket_mark_dirty(socket);
	return 0;

fail:
	if (socket->flags & SL_SOCKET_F_TLS)
		sl_tls_release(socket);
	return error;
}

int sl_socket_connect(struct sl_socket *socket_, const struct sockaddr *addr, socklen_t addr_len)
{
	const struct sl_backend *backend = socket_->loop->backend;
	int type = SOCK_STREAM | SOCK_CLOEXEC | (backend->blocking_fds ? 0 : SOCK_NONBLOCK);
	int one = 1;
	int error;

	assert(socket_->state == SL_SOCKET_IDLE);
	socket_->fd = socket(addr->sa_family, type, 0);
	if (socket_->fd < 0) {
		error = -errno;
		goto fail;
	}
	setsockopt(socket_->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	socket_->state = SL_SOCKET_CONNECT;
	error = backend->connect(socket_, addr, addr_len);
	if (!error)
		return 0;
	backend->close_fd(socket_->loop, socket_->fd);
	socket_->fd = -1;
	socket_->state = SL_SOCKET_IDLE;
fail:
	if (socket_->flags & SL_SOCKET_F_TLS)
		sl_tls_release(socket_);
	return error;
}

/* ---- output queue -----------------------------------------------------------------------------
 */

static bool can_send(const struct sl_socket *socket)
{
	const uint32_t ended =
		SL_SOCKET_F_ERROR | SL_SOCKET_F_SEND_BROKEN | SL_SOCKET_F_SHUT_WANTED;

	return socket->state == SL_SOCKET_OPEN && !(socket->flags & ended);
}

/* Where the owner's bytes wait: with TLS apart, until they are sealed. */
static struct sl_socket_queue *queue_of(struct sl_socket *socket)
{
	return socket->flags & SL_SOCKET_F_TLS ? sl_tls_plain(socket) : &socket->out;
}

size_t sl_socket_pending(const struct sl_socket *socket)
{
	size_t bytes = socket->out_bytes;

	if (socket->flags & SL_SOCKET_F_TLS)
		bytes += *sl_tls_plain_bytes(socket);
	return bytes;
}

static void added(struct sl_socket *socket, uint32_t *count, size_t len)
{
	*count += (uint32_t)len;
	if (sl_socket_pending(socket) > SL_SOCKET_LOW_BYTES)
		socket->flags |= SL_SOCKET_F_ABOVE_LOW;
	sl_socket_mark_dirty(socket);
}

static uint32_t *count_of(struct sl_socket *socket)
{
	return socket->flags & SL_SOCKET_F_TLS ? sl_tls_plain_bytes(socket) : &socket->out_bytes;
}

int sl_socket_put_out(struct sl_socket *socket, const void *buf, size_t len)
{
	int error = len > SL_SOCKET_OUT_MAX - socket->out_bytes
			    ? -ENOMEM
			    : sl_block_queue_append(&socket->loop->blocks, &socket->out, buf, len);

	if (!error)
		added(socket, &socket->out_bytes, len);
	return error;
}

int sl_socket_send(struct sl_socket *socket, const void *buf, size_t len)
{
	int error;

	if (!can_send(socket))
		return -EPIPE;
	if (!len)
		return 0;
	if (len > SL_SOCKET_OUT_MAX - sl_socket_pending(socket))
		return -ENOMEM;
	error = sl_block_queue_append(&socket->loop->blocks, queue_of(socket), buf, len);
	if (!error)
		added(socket, count_of(socket), len);
	return error;
}

char *sl_socket_reserve(struct sl_socket *socket, size_t len)
{
	if (!can_send(socket) || len > SL_BLOCK_LARGE_BYTES ||
	    len > SL_SOCKET_OUT_MAX - sl_socket_pending(socket))
		return NULL;
	return sl_block_queue_reserve(&socket->loop->blocks, queue_of(socket), len);
}

void sl_socket_commit(struct sl_socket *socket, size_t len)
{
	if (!len)
		return;
	sl_block_queue_commit(queue_of(socket), len);
	added(socket, count_of(socket), len);
}

static void drop_output(struct sl_socket *socket)
{
	sl_block_queue_drop(&socket->loop->blocks, &socket->out);
	socket->out_bytes = 0;
	if (socket->flags & SL_SOCKET_F_TLS) {
		sl_block_queue_drop(&socket->loop->blocks, sl_tls_plain(socket));
		*sl_tls_plain_bytes(socket) = 0;
	}
	socket->flags &= ~(uint32_t)SL_SOCKET_F_ABOVE_LOW;
}

/* ---- the owner's other wishes -----------------------------------------------------------------
 */

void sl_socket_pause(struct sl_socket *socket)
{
	if (socket->flags & SL_SOCKET_F_PAUSED)
		return;
	socket->flags |= SL_SOCKET_F_PAUSED;
	if (socket->state == SL_SOCKET_OPEN)
		sl_socket_mark_dirty(socket);
}

void sl_socket_resume(struct sl_socket *socket)
{
	if (!(socket->flags & SL_SOCKET_F_PAUSED))
		return;
	socket->flags &= ~(uint32_t)SL_SOCKET_F_PAUSED;
	if (socket->state == SL_SOCKET_OPEN)
		sl_socket_mark_dirty(socket);
}

void sl_socket_set_patient(struct sl_socket *socket, bool patient)
{
	if (!!(socket->flags & SL_SOCKET_F_PATIENT) == patient)
		return;
	socket->flags ^= SL_SOCKET_F_PATIENT;
	if (socket->state == SL_SOCKET_OPEN)
		sl_socket_mark_dirty(socket);
}

void sl_socket_shutdown(struct sl_socket *socket)
{
	if (!can_send(socket))
		return;
	socket->flags |= SL_SOCKET_F_SHUT_WANTED;
	sl_socket_mark_dirty(socket);
}

void sl_socket_close(struct sl_socket *socket, enum sl_socket_how how)
{
	const uint32_t broken = SL_SOCKET_F_ERROR | SL_SOCKET_F_SEND_BROKEN;

	if ((socket->flags & SL_SOCKET_F_TLS) && socket->state == SL_SOCKET_OPEN)
		how = sl_tls_on_close(socket, how);
	if (how == SL_SOCKET_FLUSH && socket->state == SL_SOCKET_OPEN && !(socket->flags & broken))
		socket->flags |= SL_SOCKET_F_FLUSH;
	if (how != SL_SOCKET_FLUSH)
		socket->flags &= ~(uint32_t)SL_SOCKET_F_FLUSH;
	if (how == SL_SOCKET_RESET)
		socket->flags |= SL_SOCKET_F_RESET;
	socket->state = SL_SOCKET_CLOSING;
	sl_socket_mark_dirty(socket);
}

const char *sl_socket_trouble(const struct sl_socket *socket)
{
	return socket->flags & SL_SOCKET_F_TLS ? sl_tls_trouble(socket) : NULL;
}

/* ---- what back ends tell ----------------------------------------------------------------------
 */

static void tell_error(struct sl_socket *socket, int error)
{
	if (socket->state != SL_SOCKET_OPEN || (socket->flags & SL_SOCKET_F_ERROR))
		return;
	socket->flags |= SL_SOCKET_F_ERROR;
	sl_socket_mark_dirty(socket);
	if (socket->ops->error)
		socket->ops->error(socket, error);
}

void sl_socket_on_connected(struct sl_socket *socket, int error)
{
	if (socket->state != SL_SOCKET_CONNECT)
		return;
	if (!error)
		socket->state = SL_SOCKET_OPEN;
	else
		socket->flags |= SL_SOCKET_F_ERROR;
	sl_socket_mark_dirty(socket);
	socket->ops->connected(socket, error);
}

void sl_socket_on_data(struct sl_socket *socket, const char *buf, size_t len)
{
	socket->bytes_in += len;
	if (socket->state == SL_SOCKET_OPEN && !(socket->flags & SL_SOCKET_F_ERROR))
		socket->ops->data(socket, buf, len);
}

void sl_socket_on_eof(struct sl_socket *socket)
{
	if (socket->flags & SL_SOCKET_F_EOF)
		return;
	socket->flags |= SL_SOCKET_F_EOF;
	sl_socket_mark_dirty(socket);
	if (socket->flags & SL_SOCKET_F_SEND_BROKEN)
		tell_error(socket, socket->send_error);
	else if (socket->state == SL_SOCKET_OPEN && !(socket->flags & SL_SOCKET_F_ERROR) &&
		 socket->ops->eof)
		socket->ops->eof(socket);
}

void sl_socket_on_receive_error(struct sl_socket *socket, int error)
{
	/* Closing: nothing more comes in, so lingering has no purpose. */
	if (socket->state == SL_SOCKET_CLOSING) {
		socket->flags |= SL_SOCKET_F_EOF | SL_SOCKET_F_SEND_BROKEN;
		sl_socket_mark_dirty(socket);
		return;
	}
	tell_error(socket, error);
}

void sl_socket_receive(struct sl_socket *socket, char *scratch, size_t size)
{
	ssize_t len = recv(socket->fd, scratch, size, MSG_DONTWAIT);

	if (len > 0) {
		sl_socket_on_data(socket, scratch, (size_t)len);
		return;
	}
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len == 0)
		sl_socket_on_eof(socket);
	else
		sl_socket_on_receive_error(socket, -errno);
	sl_socket_mark_dirty(socket);
}

void sl_socket_on_sent(struct sl_socket *socket, size_t len)
{
	struct sl_loop *loop = socket->loop;
	struct sl_socket_block *block;

	assert(len <= socket->out_bytes);
	socket->bytes_out += len;
	socket->out_bytes -= (uint32_t)len;
	while ((block = socket->out.head)) {
		uint32_t queued = block->end - block->start;
		uint32_t part = len < queued ? (uint32_t)len : queued;

		block->start += part;
		len -= part;
		if (block->start < block->end)
			break;
		sl_block_queue_pop(&loop->blocks, &socket->out);
	}
	if ((socket->flags & SL_SOCKET_F_ABOVE_LOW) &&
	    sl_socket_pending(socket) <= SL_SOCKET_LOW_BYTES) {
		socket->flags &= ~(uint32_t)SL_SOCKET_F_ABOVE_LOW;
		if (socket->state == SL_SOCKET_OPEN && socket->ops->drained)
			socket->ops->drained(socket);
	}
}

void sl_socket_on_send_error(struct sl_socket *socket, int error)
{
	socket->flags |= SL_SOCKET_F_SEND_BROKEN;
	socket->send_error = error;
	drop_output(socket);
	sl_socket_mark_dirty(socket);
	if (socket->state == SL_SOCKET_OPEN && !sl_socket_wants_input(socket))
		tell_error(socket, error);
}

/* ---- settling ---------------------------------------------------------------------------------
 */

static void linger_stop(struct sl_socket *socket)
{
	struct sl_loop *loop = socket->loop;

	if (!socket->linger_pprev)
		return;
	*socket->linger_pprev = socket->linger_next;
	if (socket->linger_next)
		socket->linger_next->linger_pprev = socket->linger_pprev;
	else
		loop->linger_tail = socket->linger_pprev;
	socket->linger_pprev = NULL;
}

/* All linger equally long, so one list in order of arrival and one timer serve every socket. */
static void linger_start(struct sl_socket *socket)
{
	struct sl_loop *loop = socket->loop;

	if (socket->linger_pprev)
		return;
	socket->linger_due_ms = (uint32_t)sl_loop_now_ms(loop) + SL_SOCKET_LINGER_MS;
	socket->linger_next = NULL;
	socket->linger_pprev = loop->linger_tail;
	*loop->linger_tail = socket;
	loop->linger_tail = &socket->linger_next;
	if (!sl_timer_is_set(&loop->linger_timer))
		sl_timer_set(loop, &loop->linger_timer, SL_SOCKET_LINGER_MS);
}

void sl_socket_linger_expired(struct sl_timer *timer)
{
	struct sl_loop *loop = SL_OWNER_OF(timer, struct sl_loop, linger_timer);
	uint32_t now_ms = (uint32_t)sl_loop_now_ms(loop);
	struct sl_socket *socket;

	while ((socket = loop->linger_head) && (int32_t)(socket->linger_due_ms - now_ms) <= 0) {
		linger_stop(socket);
		socket->flags &= ~(uint32_t)SL_SOCKET_F_FLUSH;
		sl_socket_mark_dirty(socket);
	}
	if (socket)
		sl_timer_set(loop, &loop->linger_timer, socket->linger_due_ms - now_ms);
}

static void send_fin(struct sl_socket *socket)
{
	if (socket->flags & SL_SOCKET_F_SHUT_DONE)
		return;
	socket->flags |= SL_SOCKET_F_SHUT_DONE;
	shutdown(socket->fd, SHUT_WR); /* ENOTCONN: the peer was faster */
}

/* Sends what is queued. Returns true when nothing is left, in the kernel's hands or ours. */
static bool settle_output(struct sl_socket *socket)
{
	if (socket->flags & (SL_SOCKET_F_SEND_BROKEN | SL_SOCKET_F_ERROR))
		return true;
	if (socket->flags & SL_SOCKET_F_TLS)
		sl_tls_seal(socket);
	if (socket->out_bytes && !(socket->flags & SL_SOCKET_F_SENDING))
		socket->loop->backend->send(socket);
	return !socket->out_bytes && !(socket->flags & SL_SOCKET_F_SENDING);
}

static void settle_closing(struct sl_socket *socket)
{
	const struct sl_backend *backend = socket->loop->backend;

	if (socket->flags & SL_SOCKET_F_FLUSH) {
		if (socket->flags & SL_SOCKET_F_HURRY)
			linger_start(socket);
		backend->receive(socket);
		if (!settle_output(socket))
			return;
		if (!(socket->flags & SL_SOCKET_F_SEND_BROKEN)) {
			send_fin(socket);
			if (!(socket->flags & (SL_SOCKET_F_EOF | SL_SOCKET_F_BRIEF))) {
				linger_start(socket);
				return;
			}
		}
		socket->flags &= ~(uint32_t)SL_SOCKET_F_FLUSH;
	}
	linger_stop(socket);
	sl_gather_remove(socket);
	if (socket->ops_pending) {
		if (!(socket->flags & SL_SOCKET_F_CANCELED)) {
			socket->flags |= SL_SOCKET_F_CANCELED;
			backend->cancel(socket);
		}
		return;
	}
	drop_output(socket);
	if (socket->fd >= 0) {
		struct linger hard = {.l_onoff = 1};

		if (socket->flags & SL_SOCKET_F_RESET)
			setsockopt(socket->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		backend->close_fd(socket->loop, socket->fd);
		socket->fd = -1;
	}
	if (socket->flags & SL_SOCKET_F_TLS)
		sl_tls_release(socket);
	socket->state = SL_SOCKET_IDLE;
	socket->flags = 0;
	socket->watched = 0;
	if (socket->ops->closed)
		socket->ops->closed(socket);
}

static void settle_open(struct sl_socket *socket)
{
	socket->loop->backend->receive(socket);
	if (socket->flags & SL_SOCKET_F_SEND_BROKEN) {
		/* Paused after the send had failed: no end of input will come to tell it. */
		if (!sl_socket_wants_input(socket))
			tell_error(socket, socket->send_error);
		return;
	}
	if (settle_output(socket) && (socket->flags & SL_SOCKET_F_SHUT_WANTED))
		send_fin(socket);
}

static void settle(struct sl_socket *socket)
{
	switch (socket->state) {
	case SL_SOCKET_CLOSING:
		settle_closing(socket);
		break;
	case SL_SOCKET_OPEN:
		settle_open(socket);
		break;
	case SL_SOCKET_CONNECT:
		if (socket->flags & SL_SOCKET_F_CONNECTED) {
			socket->flags &= ~(uint32_t)SL_SOCKET_F_CONNECTED;
			sl_socket_on_connected(socket, 0);
		}
		break;
	default:
		break;
	}
}

bool sl_socket_settle_all(struct sl_loop *loop)
{
	struct sl_socket *socket = loop->dirty_head;

	if (!socket)
		return false;
	/* Sockets that callbacks make dirty meanwhile wait for the next round. */
	loop->dirty_head = loop->dirty_tail = NULL;
	while (socket) {
		struct sl_socket *next = socket->dirty_next;

		socket->flags &= ~(uint32_t)SL_SOCKET_F_DIRTY;
		socket->dirty_next = NULL;
		settle(socket);
		socket = next;
	}
	return true;
}
