/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backend.h - what the loop asks of io_uring or epoll, and what these tell it. Internal to io/.
 *
 * The parts that both share (timers, tasks, posts, output queues, states of sockets) live in
 * loop.c, socket.c and listener.c. Owners change wishes (pause, send, close) and put the socket on
 * the dirty list; the settle pass at the end of the turn brings the kernel in line with the wishes,
 * once a socket. A back end keeps ops_pending as the number of requests that still refer to the
 * object; closed() comes from the settle pass only, when that number is 0, so a completion never
 * meets a freed object.
 */
#ifndef SL_IO_BACKEND_H
#define SL_IO_BACKEND_H

#include <pthread.h>
#include <stdatomic.h>
#include "user/io/block.h"
#include "user/io/fiber.h"
#include "user/io/gather.h"
#include "user/io/loop.h"
#include "user/io/socket.h"
#include "user/io/tls.h"
#include "user/io/turns.h"
#include "user/io/wheel.h"

#define SL_LOOP_RING_ENTRIES 4096u
#define SL_LOOP_RECV_BUFFERS 1024u
#define SL_LOOP_RECV_BYTES   8192u
#define SL_LOOP_BUFFERS_MAX  32768u
#define SL_LOOP_ROUNDS_MAX   64u  /* rounds of tasks and settling in one turn */
#define SL_LOOP_SEND_IOV_MAX 16u  /* blocks gathered into one send */
#define SL_LISTENER_RETRY_MS 100u /* pause after EMFILE and the like */
#define SL_LOOP_WAIT_FOREVER UINT64_MAX

#define SL_OWNER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

enum sl_socket_state {
	SL_SOCKET_IDLE = 0,
	SL_SOCKET_CONNECT,
	SL_SOCKET_OPEN,
	SL_SOCKET_CLOSING,
};

enum sl_socket_flag {
	SL_SOCKET_F_DIRTY = 1 << 0,	  /* on the dirty list */
	SL_SOCKET_F_PAUSED = 1 << 1,	  /* owner wants no input */
	SL_SOCKET_F_EOF = 1 << 2,	  /* the peer's FIN was seen */
	SL_SOCKET_F_ERROR = 1 << 3,	  /* error() or connected(error) was called */
	SL_SOCKET_F_SEND_BROKEN = 1 << 4, /* nothing can be sent any more */
	SL_SOCKET_F_SHUT_WANTED = 1 << 5, /* owner asked for a FIN after the queue */
	SL_SOCKET_F_SHUT_DONE = 1 << 6,
	SL_SOCKET_F_ABOVE_LOW = 1 << 7, /* drained() is owed */
	SL_SOCKET_F_FLUSH = 1 << 8,	/* closing: the queue is still being sent */
	SL_SOCKET_F_RESET = 1 << 9,	/* closing: with RST */
	SL_SOCKET_F_TLS = 1 << 17,	/* ops are those of tls.c */
	SL_SOCKET_F_HURRY = 1 << 18,	/* closing: the flush is bounded like the wait for FIN */
	SL_SOCKET_F_BRIEF = 1 << 19,	/* closing: no wait for the peer's FIN */
	SL_SOCKET_F_PATIENT = 1 << 20,	/* owner lets its bytes wait */
	SL_SOCKET_F_GATHERED = 1 << 21, /* gather.c reads it */
	/* Back ends' own. */
	SL_SOCKET_F_RECV_ARMED = 1 << 10,    /* uring: a receive is in the ring */
	SL_SOCKET_F_RECV_CANCELED = 1 << 11, /* uring: its end was asked for */
	SL_SOCKET_F_SENDING = 1 << 12,	   /* uring: a send is in the ring; epoll: socket is full */
	SL_SOCKET_F_CANCELED = 1 << 13,	   /* closing: everything was canceled */
	SL_SOCKET_F_CONNECTED = 1 << 14,   /* epoll: connected at once, callback is owed */
	SL_SOCKET_F_SEND_SILENT = 1 << 15, /* uring: no completion means that all was sent */
	SL_SOCKET_F_SEND_FULL = 1 << 16,   /* uring: the last one was short: wait for room */
};

struct sl_backend {
	const char *name;
	bool blocking_fds; /* descriptors must be without O_NONBLOCK */
	int (*open)(struct sl_loop *loop, const struct sl_loop_options *options);
	void (*close)(struct sl_loop *loop);
	/* Hands over what is queued, waits at most timeout_ns for something, sets the loop's clock
	 * and runs the callbacks. Returns 0 or -errno of a broken kernel object. */
	int (*wait)(struct sl_loop *loop, uint64_t timeout_ns);
	/* Hands over what is queued, without waiting. */
	void (*submit)(struct sl_loop *loop);

	int (*attach)(struct sl_socket *socket);
	int (*connect)(struct sl_socket *socket, const struct sockaddr *addr, socklen_t addr_len);
	/* Starts or stops receiving as sl_socket_wants_input() says. */
	void (*receive)(struct sl_socket *socket);
	/* Output is queued and F_SENDING is not set: send it. */
	void (*send)(struct sl_socket *socket);
	/* Ends every request of a closing socket; ops_pending falls to 0 later. */
	void (*cancel)(struct sl_socket *socket);
	/* Starts or stops accepting as sl_listener_wants() says. */
	void (*accept)(struct sl_listener *listener);
	void (*close_fd)(struct sl_loop *loop, int fd);
};

extern const struct sl_backend sl_uring_backend;
extern const struct sl_backend sl_epoll_backend;

struct sl_loop {
	const struct sl_backend *backend;
	void *impl; /* struct uring, struct epoll */
	uint64_t now_ns;
	uint64_t coalesce_ns;
	struct sl_gather *gather; /* NULL: nothing is ever gathered */
	struct sl_turns *turns;	  /* NULL: nobody measures */
	struct sl_task *task_head, *task_tail;
	struct sl_task *later_head, **later_tail; /* of the next turn */
	struct sl_socket *dirty_head, *dirty_tail;
	struct sl_block_pool blocks;
	struct sl_fibers *fibers;		      /* fiber.c; NULL until the first one */
	struct sl_socket *linger_head, **linger_tail; /* oldest first */
	struct sl_timer linger_timer;
	int wake_fd;
	atomic_bool stop;
	atomic_bool wake_sent;
	pthread_mutex_t post_lock;
	struct sl_loop_post *post_head, **post_tail; /* under post_lock */
	struct sl_wheel wheel;
	struct sl_tls_stats tls_stats;
	char *tls_scratch; /* plain bytes of one record; NULL until the first */
};

/* ---- for back ends: loop.c ---- */
void sl_loop_read_clock(struct sl_loop *loop);
/* Events may be there: the clock is read, and a turn begins. */
void sl_loop_awake(struct sl_loop *loop);
/* wake_fd became readable. */
void sl_loop_woken(struct sl_loop *loop);

/* ---- for back ends: socket.c ---- */
void sl_socket_on_connected(struct sl_socket *socket, int error);
void sl_socket_on_data(struct sl_socket *socket, const char *buf, size_t len);
void sl_socket_on_eof(struct sl_socket *socket);
/* One recv into the scratch buffer, and what it says. */
void sl_socket_receive(struct sl_socket *socket, char *scratch, size_t size);
void sl_socket_on_receive_error(struct sl_socket *socket, int error);
void sl_socket_on_sent(struct sl_socket *socket, size_t len);
void sl_socket_on_send_error(struct sl_socket *socket, int error);
void sl_socket_mark_dirty(struct sl_socket *socket);
void sl_socket_linger_expired(struct sl_timer *timer);
/* Brings everything on the dirty list in line. Returns false when nothing was there. */
bool sl_socket_settle_all(struct sl_loop *loop);

static inline bool sl_socket_wants_input(const struct sl_socket *socket)
{
	const uint32_t ended = SL_SOCKET_F_EOF | SL_SOCKET_F_ERROR;

	if (socket->flags & ended)
		return false;
	if (socket->state == SL_SOCKET_OPEN)
		return !(socket->flags & SL_SOCKET_F_PAUSED);
	return socket->state == SL_SOCKET_CLOSING && (socket->flags & SL_SOCKET_F_FLUSH);
}

/* Bytes for the wire (tls.c). 0 or -ENOMEM. */
int sl_socket_put_out(struct sl_socket *socket, const void *buf, size_t len);

/* ---- for socket.c: tls.c; only for sockets with F_TLS ---- */

/* The bytes that the owner has queued and that are not sealed yet, and where they are counted. */
struct sl_socket_queue *sl_tls_plain(struct sl_socket *socket);
uint32_t *sl_tls_plain_bytes(const struct sl_socket *socket);
/* Turns them into records in socket->out; where an end is wanted, close_notify behind them. */
void sl_tls_seal(struct sl_socket *socket);
/* The owner closes an open socket: what that means for TLS. */
enum sl_socket_how sl_tls_on_close(struct sl_socket *socket, enum sl_socket_how how);
/* Frees the TLS state; socket->ops are the owner's again. */
void sl_tls_release(struct sl_socket *socket);
const char *sl_tls_trouble(const struct sl_socket *socket);

/* ---- for back ends: listener.c ---- */
/* A connection (fd >= 0) or -errno. */
void sl_listener_on_accept(struct sl_listener *listener, int result);
static inline bool sl_listener_wants(const struct sl_listener *listener)
{
	return listener->state == SL_SOCKET_OPEN && !listener->paused && !listener->waiting;
}

/* ---- fiber.c ---- */
void sl_fibers_close(struct sl_loop *loop);

#endif
