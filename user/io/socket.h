/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * socket.h - stream sockets and listeners on a loop.
 *
 * struct sl_socket is embedded in its owner (a connection), which frees it only from `closed`.
 *
 *   state     meaning                                         leaves by
 *   IDLE      initialised, no descriptor                      connect, adopt
 *   CONNECT   connect under way                               connected(0 | -errno)
 *   OPEN      receives unless paused, sends what is queued    close, error
 *   CLOSING   close() called; operations are being cancelled  closed()
 *
 * Receiving: the data callback borrows the bytes until it returns (they live in the loop's shared
 * buffers, so an open connection that is silent owns no receive buffer at all). Sending copies into
 * an output queue of pooled blocks, flushed once at the end of the turn.
 *
 * After error() or eof()+own decision the owner calls sl_socket_close(). No callback but closed()
 * comes after sl_socket_close(). closed() never comes from inside sl_socket_close().
 */
#ifndef SL_IO_SOCKET_H
#define SL_IO_SOCKET_H

#include <sys/socket.h>
#include "user/io/loop.h"

struct sl_socket;

struct sl_socket_ops {
	/* Outcome of sl_socket_connect(): 0, or -errno; after an error only close remains. */
	void (*connected)(struct sl_socket *socket, int error);
	/* len > 0 bytes arrived; borrowed until return. May still come shortly after pause. */
	void (*data)(struct sl_socket *socket, const char *buf, size_t len);
	/* The peer sent FIN. Sending remains possible. */
	void (*eof)(struct sl_socket *socket);
	/* Broken (-ECONNRESET, -EPIPE, -ETIMEDOUT, …). Comes at most once. */
	void (*error)(struct sl_socket *socket, int error);
	/* Output fell to SL_SOCKET_LOW_BYTES or less after sl_socket_pending() was above it. */
	void (*drained)(struct sl_socket *socket);
	/* Nothing refers to the socket any more: the owner may free it. */
	void (*closed)(struct sl_socket *socket);
};

#define SL_SOCKET_LOW_BYTES 16384u
#define SL_SOCKET_LINGER_MS 1000u      /* longest wait for the peer's FIN after a flushed close */
#define SL_SOCKET_OUT_MAX   (1u << 30) /* queued output of one socket; more is -ENOMEM */

struct sl_socket_block; /* one block of output, internal */

struct sl_socket_queue {
	struct sl_socket_block *head, *tail;
};

struct sl_socket {
	struct sl_loop *loop;
	const struct sl_socket_ops *ops; /* with TLS: tls.c's, which hold the owner's */
	int fd;
	uint8_t state;
	uint8_t watched;	      /* internal: events asked of epoll */
	uint16_t ops_pending;	      /* internal: requests that the ring holds */
	uint32_t flags;		      /* internal */
	uint32_t out_bytes;	      /* queued, not yet taken by the kernel */
	int32_t send_error;	      /* internal: told once the received bytes are delivered */
	uint32_t linger_due_ms;	      /* internal, low 32 bits */
	struct sl_socket_queue out;   /* as it goes on the wire */
	struct sl_socket *dirty_next; /* internal */
	struct sl_socket *linger_next, **linger_pprev; /* internal */
	uint64_t bytes_in, bytes_out;
};

enum sl_socket_how {
	SL_SOCKET_FLUSH = 0, /* send what is queued, then FIN; discards input; closed() comes after
				the peer's FIN, or SL_SOCKET_LINGER_MS after ours (closing over
				unread input would turn into a RST that destroys what was sent).
				Sending is bounded by a timeout of the owner, who may call again
				with NOW */
	SL_SOCKET_NOW = 1,   /* FIN now, queued output is dropped */
	SL_SOCKET_RESET = 2, /* RST: the peer must not take what it got for complete */
};

/* Prepares an IDLE socket. ops must outlive it. */
void sl_socket_init(struct sl_socket *socket, struct sl_loop *loop,
		    const struct sl_socket_ops *ops);

/* Takes over a connected descriptor (from a listener) and starts receiving. Sets TCP_NODELAY. */
int sl_socket_adopt(struct sl_socket *socket, int fd);

/* Starts a TCP connect; connected() tells. Returns 0 or -errno at once (then no callback). */
int sl_socket_connect(struct sl_socket *socket, const struct sockaddr *addr, socklen_t addr_len);

/*
 * Queues len bytes (copied). Returns 0, -EPIPE when not OPEN (or closing), -ENOMEM. There is no
 * limit here: owners look at sl_socket_pending() and stop producing.
 */
int sl_socket_send(struct sl_socket *socket, const void *buf, size_t len);

/*
 * In-place variant: room for at least len bytes at the end of the output (len <= 16384), to be
 * followed by sl_socket_commit() with what was really written. NULL when not OPEN or no memory.
 */
char *sl_socket_reserve(struct sl_socket *socket, size_t len);
void sl_socket_commit(struct sl_socket *socket, size_t len);

/* Queued and not yet taken by the kernel. */
size_t sl_socket_pending(const struct sl_socket *socket);

/* Stops and restarts receiving (back-pressure). Idempotent. */
void sl_socket_pause(struct sl_socket *socket);
void sl_socket_resume(struct sl_socket *socket);

/*
 * Whether what comes in may wait for up to the loop's coalesce_ns, so that many sockets share a
 * wake-up (gather.h). Sending, closing and all other sockets are as quick as ever. From the next
 * settling on; idempotent, in any state; over when the socket is closed.
 */
void sl_socket_set_patient(struct sl_socket *socket, bool patient);

/* Half-close after what is queued. */
void sl_socket_shutdown(struct sl_socket *socket);

void sl_socket_close(struct sl_socket *socket, enum sl_socket_how how);

/* What went wrong, in words, where an -errno cannot say it (tls.h), else NULL. From the callback
 * that told it until closed(). */
const char *sl_socket_trouble(const struct sl_socket *socket);

/* ---- listeners ------------------------------------------------------------------------------ */

struct sl_listener {
	struct sl_loop *loop;
	void *owner; /* the caller's */
	int fd;
	uint8_t state;			/* internal */
	uint8_t ops_pending;		/* internal */
	bool paused, waiting, canceled; /* internal */
	bool serves_last; /* connections that were accepted while it closes are handed on too */
	struct sl_task settle; /* internal: brings accepting in line with the above */
	/* A connection arrived: fd belongs to the callee. peer is valid during the call. */
	void (*accepted)(struct sl_listener *listener, int fd, const struct sockaddr *peer);
	/* sl_listener_close() is complete. May be NULL. */
	void (*closed)(struct sl_listener *listener);
	struct sl_timer retry; /* accept again after EMFILE / ENFILE */
	uint64_t accept_errors;
};

/*
 * Binds (SO_REUSEADDR, SO_REUSEPORT when reuseport), listens with the given backlog and starts
 * accepting. addr may be AF_INET, AF_INET6 (v6 only) or AF_UNIX (an existing socket file that nobody
 * serves is replaced). Returns 0 or -errno.
 */
int sl_listener_open(struct sl_listener *listener, struct sl_loop *loop,
		     const struct sockaddr *addr, socklen_t addr_len, int backlog, bool reuseport);
/* Takes over a listening descriptor. */
int sl_listener_adopt(struct sl_listener *listener, struct sl_loop *loop, int fd);
void sl_listener_pause(struct sl_listener *listener); /* stops accepting, keeps the backlog */
void sl_listener_resume(struct sl_listener *listener);
void sl_listener_close(struct sl_listener *listener);

#endif
