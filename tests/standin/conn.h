/* A connection from a client.
 *
 * Owns: its socket, the input that is not consumed yet, the output that the socket did not take.
 *
 *   reading   no job at work; requests are taken from the input one after the other
 *   at work   a job answers; input is left in the socket, only the peer's leaving is noticed
 *   ending    `after` says how: FIN once the output is out, then wait for the peer; or RST
 *
 * Invariants: output order is request order; while a job is at work no further request is parsed.
 * A client that closes or shuts down its sending side while a job is at work has gone: the job is
 * cancelled and the socket closed.
 * Threads: its worker only. System calls: see server.h; two more to accept, one to close.
 */
#ifndef TESTS_STANDIN_CONN_H
#define TESTS_STANDIN_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/standin/buf.h"
#include "tests/standin/job.h"
#include "tests/standin/server.h"

enum sl_after { SL_AFTER_KEEP, SL_AFTER_FIN, SL_AFTER_RST };

struct sl_conn {
	struct sl_worker *worker;
	struct sl_conn *next, *prev;
	struct sl_timer timer;
	struct sl_buf in;
	struct sl_buf pending;
	struct sl_job job;
	enum sl_after after;
	int fd;
	bool admin;
	bool readable; /* the socket may hold input */
	bool peer_closed;
	bool broken;	/* a system call has failed */
	bool ending;	/* FIN is out */
	bool head_only; /* the request is a HEAD */
	bool continued; /* 100 Continue was sent for the request that is arriving */
};

/* Takes over a connected socket. */
void sl_conn_open(struct sl_worker *worker, int fd, bool admin);

/* Acts on epoll's events for a connection; it may be gone afterwards. */
void sl_conn_event(struct sl_conn *conn, uint32_t events);

/* Acts on the connection's timer; it may be gone afterwards. */
void sl_conn_timer(struct sl_conn *conn);

/* Goes on with a job that was granted its slot; the connection may be gone afterwards. */
void sl_conn_granted(struct sl_conn *conn);

/* Resets the connection and frees it. */
void sl_conn_drop(struct sl_conn *conn);

/* Sends what the worker's output buffer holds; what the socket does not take stays pending. */
void sl_conn_flush(struct sl_conn *conn);

/* Answers with worker->body as a whole, and counts the answer. The connection's `after` is set. */
void sl_conn_answer(struct sl_conn *conn, enum sl_path path, int status, int64_t retry_after_s,
		    const char *type, bool keep_alive);

#endif
