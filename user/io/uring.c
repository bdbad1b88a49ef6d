/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * uring.c - the io_uring back end. Floor: Linux 6.1 (deferred task work); uses more where present.
 *
 * One system call a turn submits everything and waits. A connection that is open holds one
 * multishot receive, which takes a buffer from the loop's buffer ring only when bytes arrive.
 * Output goes out by one plain send a socket and turn. user_data is the object's address with the
 * kind of request in the low three bits; 0 marks requests whose outcome nobody needs.
 *
 * The ring starts disabled and is enabled by the thread that turns the loop first: that thread is
 * then its single issuer. Descriptors must be blocking ones: the ring reports -EAGAIN for
 * non-blocking ones instead of waiting.
 *
 * Completions are handled in the ring's order, up to the tail seen after the wait, so one turn is
 * bounded. Buffers go back as soon as the callback returns and are published before the next
 * submission: a receive that ended by -ENOBUFS is thus simply queued again.
 *
 * Most sends are silent: tried at once, reporting only when short or failed. What the kernel took and
 * did not report is done (finish_silent()).
 *
 * Costs, by tests/bench/io.c before gather.c: CPU ns of the relaying thread for each 200-byte message over loopback
 * TCP, best and (median) of 7 interleaved runs on a busy 2-core virtual machine, Linux 6.18. Nearly
 * all of it is TCP itself; differences below 10 % are noise.
 *
 *                               1 stream     100 streams   1000 streams   1000 paced, 50k/s
 *   epoll                       3076 (3142)  2519 (2919)   3999 (4175)    4953 (5340)
 *   completion for each send    3187 (3396)  2399 (2556)   3534 (4053)    4871 (5870)
 *   silent sends (used)         3128 (3440)  2397 (2997)   2957 (3803)    5051 (5469)
 *   silent, receive poll-first  3198 (3432)  2438 (3072)   2732 (3888)    5189 (5432)
 *   silent, coalescing 500 us   22759 (24322) 3013 (3274)  3018 (3872)    6158 (6399)
 *   epoll, coalescing 500 us    23455 (26541) 3254 (4032)  3353 (4595)    5664 (6387)
 *
 * Poll-first changes nothing that can be seen and costs the first bytes of a new connection a
 * detour: not used. Coalescing (a longer wait for completions of any kind) did not pay at this rate,
 * and delayed everything alike: the ring does not do that any more, see gather.h.
 */
#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "user/io/backend.h"

#define BUFFER_GROUP	 0
#define CQ_FACTOR	 4u   /* completions for each submission entry */
#define SEND_VECTORS	 128u /* gathered sends between two submissions */
#define SUBMIT_TRIES	 16u
#define OVERFLOW_ROUNDS	 64u
#define LINE_BYTES	 64u
#define ENTER_REGISTERED (1u << 4) /* IORING_ENTER_REGISTERED_RING */

enum request {
	REQUEST_NONE = 0,
	REQUEST_RECEIVE,
	REQUEST_SEND,
	REQUEST_CONNECT,
	REQUEST_ACCEPT,
	REQUEST_WAKE,
	REQUEST_GATHER,
	REQUEST_MASK = 7,
};

struct vector {
	struct msghdr msg;
	struct iovec iov[SL_LOOP_SEND_IOV_MAX];
};

/* A silent send that is not known to be done yet. */
struct sent {
	struct sl_socket *socket;
	uint32_t bytes;
	uint32_t position; /* of its entry in the submission queue */
};

struct uring {
	struct io_uring ring;
	bool enabled;
	bool wake_armed;
	struct io_uring_buf_ring *buffer_ring;
	size_t buffer_ring_size;
	char *buffers;
	size_t buffers_size;
	size_t buffer_stride;
	uint32_t buffer_bytes;
	int buffer_mask;
	int buffers_returned; /* not yet published */
	uint32_t vectors_used;
	uint32_t sent_count, sent_max;
	struct sent *sent;
	struct vector vectors[SEND_VECTORS];
};

static struct uring *of_loop(const struct sl_loop *loop)
{
	return loop->impl;
}

/* ---- submitting -------------------------------------------------------------------------------
 */

static void publish_buffers(struct uring *uring)
{
	if (!uring->buffers_returned)
		return;
	io_uring_buf_ring_advance(uring->buffer_ring, uring->buffers_returned);
	uring->buffers_returned = 0;
}

static int enable(struct uring *uring)
{
	/* The library declares io_uring_enable_rings() and does not export it. */
	if (syscall(__NR_io_uring_register, uring->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL,
		    0))
		return -errno;
	uring->enabled = true;
	/* Saves looking up the ring's descriptor at each system call; a failure costs just that. */
	io_uring_register_ring_fd(&uring->ring);
	return 0;
}

/* Makes the queued entries visible to the kernel. Returns their number. */
static unsigned publish_entries(struct io_uring_sq *sq)
{
	unsigned tail = *sq->ktail;

	while (sq->sqe_head != sq->sqe_tail) {
		sq->array[tail & sq->ring_mask] = sq->sqe_head & sq->ring_mask;
		tail++;
		sq->sqe_head++;
	}
	io_uring_smp_store_release(sq->ktail, tail);
	return tail - *sq->khead;
}

static int enter(struct uring *uring, unsigned wait_count, unsigned flags,
		 struct io_uring_getevents_arg *arg)
{
	struct io_uring *ring = &uring->ring;
	unsigned count;
	int result;

	if (!uring->enabled) {
		result = enable(uring);
		if (result)
			return result;
	}
	publish_buffers(uring);
	count = publish_entries(&ring->sq);
	uring->vectors_used = 0;
	if (ring->enter_ring_fd != ring->ring_fd)
		flags |= ENTER_REGISTERED;
	return io_uring_enter2((unsigned)ring->enter_ring_fd, count, wait_count, flags,
			       (sigset_t *)(void *)arg, arg ? sizeof(*arg) : _NSIG / 8);
}

static void submit(struct sl_loop *loop)
{
	enter(of_loop(loop), 0, 0, NULL);
}

static struct io_uring_sqe *get_entry(struct uring *uring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);

	/* The queue is full: hand over early. The kernel takes all unless it is out of memory. */
	for (unsigned i = 0; !sqe && i < SUBMIT_TRIES; i++) {
		enter(uring, 0, 0, NULL);
		sqe = io_uring_get_sqe(&uring->ring);
	}
	assert(sqe);
	return sqe;
}

static void tag(struct io_uring_sqe *sqe, void *object, enum request request)
{
	sqe->user_data = (uint64_t)(uintptr_t)object | request;
}

/* ---- receiving --------------------------------------------------------------------------------
 */

static void arm_receive(struct sl_socket *socket)
{
	struct io_uring_sqe *sqe = get_entry(of_loop(socket->loop));

	io_uring_prep_recv_multishot(sqe, socket->fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = BUFFER_GROUP;
	tag(sqe, socket, REQUEST_RECEIVE);
	socket->flags |= SL_SOCKET_F_RECV_ARMED;
	socket->ops_pending++;
}

static void cancel_request(struct sl_loop *loop, void *object, enum request request)
{
	struct io_uring_sqe *sqe = get_entry(of_loop(loop));

	io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)object | request, 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	tag(sqe, NULL, REQUEST_NONE);
}

static void receive(struct sl_socket *socket)
{
	bool gathered = sl_gather_wants(socket);
	bool wanted = sl_socket_wants_input(socket) && !gathered;

	if (!gathered)
		sl_gather_remove(socket);
	if (wanted && !(socket->flags & SL_SOCKET_F_RECV_ARMED)) {
		arm_receive(socket);
	} else if (!wanted && (socket->flags & SL_SOCKET_F_RECV_ARMED) &&
		   !(socket->flags & SL_SOCKET_F_RECV_CANCELED)) {
		socket->flags |= SL_SOCKET_F_RECV_CANCELED;
		cancel_request(socket->loop, socket, REQUEST_RECEIVE);
	} else if (gathered && !(socket->flags & SL_SOCKET_F_RECV_ARMED)) {
		/* Not before the ring has told of all that it took. */
		sl_gather_add(socket);
	}
	/* Wanted again while the end is under way: armed anew when the end has come. */
}

static void return_buffer(struct uring *uring, unsigned id)
{
	io_uring_buf_ring_add(uring->buffer_ring, uring->buffers + id * uring->buffer_stride,
			      uring->buffer_bytes, (unsigned short)id, uring->buffer_mask,
			      uring->buffers_returned++);
}

static void on_receive(struct uring *uring, struct sl_socket *socket, int result, unsigned flags)
{
	if (!(flags & IORING_CQE_F_MORE)) {
		socket->flags &= ~(uint32_t)(SL_SOCKET_F_RECV_ARMED | SL_SOCKET_F_RECV_CANCELED);
		socket->ops_pending--;
		sl_socket_mark_dirty(socket);
	}
	if (flags & IORING_CQE_F_BUFFER) {
		unsigned id = flags >> IORING_CQE_BUFFER_SHIFT;

		if (result > 0)
			sl_socket_on_data(socket, uring->buffers + id * uring->buffer_stride,
					  (size_t)result);
		return_buffer(uring, id);
	}
	switch (result) {
	case 0:
		sl_socket_on_eof(socket);
		break;
	case -ENOBUFS:
	case -ECANCELED:
	case -EAGAIN:
	case -EINTR:
		break; /* settling arms it again where it is wanted */
	default:
		if (result < 0)
			sl_socket_on_receive_error(socket, result);
	}
}

/* ---- sending ----------------------------------------------------------------------------------
 */

/* Fills a vector from the queue's first blocks. Returns the bytes in it. */
static uint32_t gather(struct vector *vector, const struct sl_socket *socket)
{
	size_t count = 0;
	uint32_t bytes = 0;

	for (struct sl_socket_block *block = socket->out.head;
	     block && count < SL_LOOP_SEND_IOV_MAX; block = block->next) {
		if (block->start == block->end)
			continue;
		vector->iov[count++] = (struct iovec){.iov_base = block->data + block->start,
						      .iov_len = block->end - block->start};
		bytes += block->end - block->start;
	}
	vector->msg = (struct msghdr){.msg_iov = vector->iov, .msg_iovlen = count};
	return bytes;
}

/*
 * A send that needs no completion: it is tried at once, never waits for room, and only a short or
 * failed one reports (MSG_WAITALL makes a short one a failure). So a relayed token costs half the
 * completions, and the loop is not woken just to learn that a send went well. Not for a send whose
 * end the owner waits for.
 */
static bool may_be_silent(const struct uring *uring, const struct sl_socket *socket)
{
	const uint32_t awaited =
		SL_SOCKET_F_SEND_FULL | SL_SOCKET_F_SHUT_WANTED | SL_SOCKET_F_ABOVE_LOW;

	return socket->state == SL_SOCKET_OPEN && !(socket->flags & awaited) &&
	       uring->sent_count < uring->sent_max;
}

static void send_queue(struct sl_socket *socket)
{
	struct uring *uring = of_loop(socket->loop);
	struct sl_socket_block *block = socket->out.head;
	uint32_t bytes = block->end - block->start;
	int flags = MSG_NOSIGNAL;
	struct io_uring_sqe *sqe;

	/* The kernel copies vectors when it takes the entry; submitting frees them all. */
	if (block->next && uring->vectors_used == SEND_VECTORS)
		enter(uring, 0, 0, NULL);
	sqe = get_entry(uring);
	if (may_be_silent(uring, socket))
		flags |= MSG_DONTWAIT | MSG_WAITALL;
	if (block->next) {
		struct vector *vector = &uring->vectors[uring->vectors_used++];

		bytes = gather(vector, socket);
		io_uring_prep_sendmsg(sqe, socket->fd, &vector->msg, (unsigned)flags);
	} else {
		io_uring_prep_send(sqe, socket->fd, block->data + block->start, bytes, flags);
	}
	tag(sqe, socket, REQUEST_SEND);
	if (flags & MSG_DONTWAIT) {
		sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
		socket->flags |= SL_SOCKET_F_SEND_SILENT;
		uring->sent[uring->sent_count++] =
			(struct sent){socket, bytes, uring->ring.sq.sqe_tail - 1};
	}
	socket->flags |= SL_SOCKET_F_SENDING;
	socket->ops_pending++;
}

static void on_send(struct sl_socket *socket, int result)
{
	/* A silent one that reports has found no room for all of it. */
	if (socket->flags & SL_SOCKET_F_SEND_SILENT)
		socket->flags |= SL_SOCKET_F_SEND_FULL;
	else
		socket->flags &= ~(uint32_t)SL_SOCKET_F_SEND_FULL;
	socket->flags &= ~(uint32_t)(SL_SOCKET_F_SENDING | SL_SOCKET_F_SEND_SILENT);
	socket->ops_pending--;
	if (result >= 0)
		sl_socket_on_sent(socket, (size_t)result);
	else if (result != -EAGAIN && result != -EINTR && result != -ECANCELED)
		sl_socket_on_send_error(socket, result);
	/* Short, more was queued meanwhile, a FIN is owed, or the owner is closing. */
	if (socket->out_bytes || socket->state == SL_SOCKET_CLOSING ||
	    (socket->flags & SL_SOCKET_F_SHUT_WANTED))
		sl_socket_mark_dirty(socket);
}

/* After all completions are handled: silent sends that the kernel took and did not report are done. */
static void finish_silent(struct uring *uring)
{
	uint32_t taken = io_uring_smp_load_acquire(uring->ring.sq.khead);
	uint32_t kept = 0;

	for (uint32_t i = 0; i < uring->sent_count; i++) {
		struct sent sent = uring->sent[i];

		if ((int32_t)(taken - sent.position) <= 0) {
			uring->sent[kept++] = sent;
		} else if (sent.socket->flags & SL_SOCKET_F_SEND_SILENT) {
			sent.socket->flags &= ~(uint32_t)SL_SOCKET_F_SEND_SILENT;
			on_send(sent.socket, (int)sent.bytes);
		}
	}
	uring->sent_count = kept;
}

/* Does somebody wait for the end of a silent send since it was queued? Then do not sleep on it. */
static bool silent_is_awaited(const struct uring *uring)
{
	for (uint32_t i = 0; i < uring->sent_count; i++) {
		const struct sl_socket *socket = uring->sent[i].socket;

		if (socket->state != SL_SOCKET_OPEN || socket->out_bytes > uring->sent[i].bytes ||
		    (socket->flags & SL_SOCKET_F_SHUT_WANTED))
			return true;
	}
	return false;
}

/* ---- connecting, accepting, closing ------------------------------------------------------------
 */

static int attach(struct sl_socket *socket)
{
	(void)socket;
	return 0;
}

/* The address has to live until the kernel has read it: in a block at the head of the queue. */
static int start_connect(struct sl_socket *socket, const struct sockaddr *addr, socklen_t addr_len)
{
	struct sl_socket_block *block = sl_block_get(&socket->loop->blocks, addr_len);
	struct io_uring_sqe *sqe;

	if (!block)
		return -ENOMEM;
	assert(addr_len <= block->size);
	memcpy(block->data, addr, addr_len);
	socket->out.head = block;
	sqe = get_entry(of_loop(socket->loop));
	io_uring_prep_connect(sqe, socket->fd, (struct sockaddr *)(void *)block->data, addr_len);
	tag(sqe, socket, REQUEST_CONNECT);
	socket->ops_pending++;
	return 0;
}

static void on_connect(struct sl_socket *socket, int result)
{
	sl_block_put(&socket->loop->blocks, socket->out.head);
	socket->out.head = NULL;
	socket->ops_pending--;
	if (socket->state == SL_SOCKET_CLOSING)
		sl_socket_mark_dirty(socket);
	else
		sl_socket_on_connected(socket, result);
}

/* Everything of a closing socket. One that was never connected has the connect only. */
static void cancel(struct sl_socket *socket)
{
	struct io_uring_sqe *sqe = get_entry(of_loop(socket->loop));

	io_uring_prep_cancel_fd(sqe, socket->fd, IORING_ASYNC_CANCEL_ALL);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	tag(sqe, NULL, REQUEST_NONE);
}

static void accept_connections(struct sl_listener *listener)
{
	bool wanted = sl_listener_wants(listener);
	struct io_uring_sqe *sqe;

	if (wanted && !listener->ops_pending) {
		sqe = get_entry(of_loop(listener->loop));
		io_uring_prep_multishot_accept(sqe, listener->fd, NULL, NULL, SOCK_CLOEXEC);
		tag(sqe, listener, REQUEST_ACCEPT);
		listener->ops_pending++;
		listener->canceled = false;
	} else if (!wanted && listener->ops_pending && !listener->canceled) {
		listener->canceled = true;
		cancel_request(listener->loop, listener, REQUEST_ACCEPT);
	}
}

static void on_accept(struct sl_listener *listener, int result, unsigned flags)
{
	if (!(flags & IORING_CQE_F_MORE)) {
		listener->ops_pending--;
		sl_loop_defer(listener->loop, &listener->settle);
	}
	sl_listener_on_accept(listener, result);
}

static void close_fd(struct sl_loop *loop, int fd)
{
	struct io_uring_sqe *sqe = get_entry(of_loop(loop));

	io_uring_prep_close(sqe, fd);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	tag(sqe, NULL, REQUEST_NONE);
}

/* ---- waiting ----------------------------------------------------------------------------------
 */

static void arm_wake(struct sl_loop *loop, struct uring *uring)
{
	struct io_uring_sqe *sqe = get_entry(uring);

	io_uring_prep_poll_multishot(sqe, loop->wake_fd, POLLIN);
	tag(sqe, NULL, REQUEST_WAKE);
	uring->wake_armed = true;
}

/* Tells of what is to be gathered, once. */
static void arm_gather(struct sl_loop *loop, struct uring *uring)
{
	struct io_uring_sqe *sqe = get_entry(uring);

	io_uring_prep_poll_add(sqe, sl_gather_fd(loop->gather), POLLIN);
	tag(sqe, NULL, REQUEST_GATHER);
}

static void dispatch(struct sl_loop *loop, struct uring *uring, const struct io_uring_cqe *cqe)
{
	void *object = (void *)(uintptr_t)(cqe->user_data & ~(uint64_t)REQUEST_MASK);
	int result = cqe->res;
	unsigned flags = cqe->flags;

	switch ((enum request)(cqe->user_data & REQUEST_MASK)) {
	case REQUEST_RECEIVE:
		on_receive(uring, object, result, flags);
		break;
	case REQUEST_SEND:
		on_send(object, result);
		break;
	case REQUEST_CONNECT:
		on_connect(object, result);
		break;
	case REQUEST_ACCEPT:
		on_accept(object, result, flags);
		break;
	case REQUEST_WAKE:
		if (!(flags & IORING_CQE_F_MORE))
			uring->wake_armed = false;
		sl_loop_woken(loop);
		break;
	case REQUEST_GATHER:
		sl_gather_woken(loop);
		break;
	default:
		break;
	}
}

static void run_completions(struct sl_loop *loop, struct uring *uring)
{
	struct io_uring_cq *cq = &uring->ring.cq;
	unsigned head = *cq->khead;
	unsigned tail = io_uring_smp_load_acquire(cq->ktail);

	/* The head moves before the callbacks: these may submit, which may post completions. */
	while (head != tail) {
		struct io_uring_cqe cqe = cq->cqes[head & cq->ring_mask];

		io_uring_smp_store_release(cq->khead, ++head);
		dispatch(loop, uring, &cqe);
	}
}

/* Completions for which there was no room come in with the next calls. */
static void run_all_completions(struct sl_loop *loop, struct uring *uring)
{
	run_completions(loop, uring);
	for (unsigned i = 0; i < OVERFLOW_ROUNDS; i++) {
		if (!(IO_URING_READ_ONCE(*uring->ring.sq.kflags) & IORING_SQ_CQ_OVERFLOW))
			break;
		enter(uring, 0, IORING_ENTER_GETEVENTS, NULL);
		run_completions(loop, uring);
	}
	finish_silent(uring);
}

static int wait_events(struct sl_loop *loop, uint64_t timeout_ns)
{
	struct uring *uring = of_loop(loop);
	struct __kernel_timespec timeout = {.tv_sec = (int64_t)(timeout_ns / 1000000000u),
					    .tv_nsec = (int64_t)(timeout_ns % 1000000000u)};
	struct io_uring_getevents_arg arg = {.sigmask_sz = _NSIG / 8};
	int result;

	if (!uring->wake_armed)
		arm_wake(loop, uring);
	if (sl_gather_take_quiet(loop))
		arm_gather(loop, uring);
	if (timeout_ns && silent_is_awaited(uring))
		timeout_ns = 0;
	if (timeout_ns && timeout_ns != SL_LOOP_WAIT_FOREVER)
		arg.ts = (uint64_t)(uintptr_t)&timeout;
	result = enter(uring, timeout_ns ? 1 : 0, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG,
		       &arg);
	sl_loop_awake(loop);
	/* -ETIME and -EINTR: nothing came. -EBUSY, -EAGAIN, -ENOMEM: handling what is there helps. */
	if (result < 0 && result != -ETIME && result != -EINTR && result != -EBUSY &&
	    result != -EAGAIN && result != -ENOMEM)
		return result;
	run_all_completions(loop, uring);
	return 0;
}

/* ---- opening and closing ----------------------------------------------------------------------
 */

static int map(size_t size, void **ret_memory)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return -errno;
	*ret_memory = memory;
	return 0;
}

static int open_buffers(struct uring *uring, uint32_t count, uint32_t bytes)
{
	struct io_uring_buf_reg reg = {.bgid = BUFFER_GROUP, .ring_entries = count};
	int error;

	if (!count || count > SL_LOOP_BUFFERS_MAX || (count & (count - 1)))
		return -EINVAL;
	/* An odd number of lines apart: small messages do not all fall into the same cache sets. */
	uring->buffer_stride = ((bytes + LINE_BYTES - 1) / LINE_BYTES | 1u) * LINE_BYTES;
	uring->buffer_bytes = bytes;
	uring->buffer_mask = io_uring_buf_ring_mask(count);
	uring->buffer_ring_size = count * sizeof(struct io_uring_buf);
	uring->buffers_size = count * uring->buffer_stride;
	error = map(uring->buffer_ring_size, (void **)&uring->buffer_ring);
	if (error)
		return error;
	error = map(uring->buffers_size, (void **)&uring->buffers);
	if (error)
		return error;
	reg.ring_addr = (uint64_t)(uintptr_t)uring->buffer_ring;
	io_uring_buf_ring_init(uring->buffer_ring);
	error = io_uring_register_buf_ring(&uring->ring, &reg, 0);
	if (error)
		return error;
	for (unsigned id = 0; id < count; id++)
		return_buffer(uring, id);
	publish_buffers(uring);
	return 0;
}

static void close_uring(struct sl_loop *loop)
{
	struct uring *uring = of_loop(loop);

	if (uring->enabled)
		submit(loop); /* descriptors that are still to be closed */
	io_uring_queue_exit(&uring->ring);
	if (uring->buffers)
		munmap(uring->buffers, uring->buffers_size);
	if (uring->buffer_ring)
		munmap(uring->buffer_ring, uring->buffer_ring_size);
	free(uring->sent);
	free(uring);
	loop->impl = NULL;
}

static int open_uring(struct sl_loop *loop, const struct sl_loop_options *options)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_R_DISABLED,
		.cq_entries = options->ring_entries * CQ_FACTOR,
	};
	struct uring *uring = calloc(1, sizeof(*uring));
	int error;

	if (!uring)
		return -ENOMEM;
	error = io_uring_queue_init_params(options->ring_entries, &uring->ring, &params);
	if (error) {
		free(uring);
		/* Unknown flags: a kernel before 6.1. */
		return error == -EINVAL ? -ENOSYS : error;
	}
	loop->impl = uring;
	uring->sent_max = params.sq_entries;
	uring->sent = malloc(sizeof(*uring->sent) * uring->sent_max);
	error = uring->sent ? open_buffers(uring, options->recv_buffers, options->recv_bytes)
			    : -ENOMEM;
	if (error)
		close_uring(loop);
	return error;
}

const struct sl_backend sl_uring_backend = {
	.name = "io_uring",
	.blocking_fds = true,
	.open = open_uring,
	.close = close_uring,
	.wait = wait_events,
	.submit = submit,
	.attach = attach,
	.connect = start_connect,
	.receive = receive,
	.send = send_queue,
	.cancel = cancel,
	.accept = accept_connections,
	.close_fd = close_fd,
};
