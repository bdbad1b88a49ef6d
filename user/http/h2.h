/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h2.h - a client connection that speaks HTTP/2 (RFC 9113), by nghttp2.
 *
 * Every stream is an exchange of its own (exchange.h), with the limits and times of an HTTP/1
 * connection: head, body, answer. What streams share is bounded by the connection:
 *
 *   bound                                         over it
 *   h2_streams_max streams at a time              announced; GOAWAY when it is not kept
 *   a stream counts against connections_max too   it is refused (REFUSED_STREAM: it may be sent
 *                                                 again)
 *   SL_H2_HELD_BODIES * body_bytes_max of         the newest that is not complete is refused, the
 *     requests held                               same way
 *   SL_H2_RESETS_* streams given up, or broken    GOAWAY (rapid reset, CVE-2023-44487)
 *     so that we must reset them (CVE-2025-8671)
 *   SL_H2_CONTROL_* frames without use            GOAWAY (floods of ping, settings, empty data, ...)
 *   nghttp2's 8 CONTINUATION frames,              GOAWAY (CVE-2024-27316)
 *     SL_H2_FIELDS_MAX header fields
 *   SL_H2_OUT_BYTES of output in the socket       streams keep what they have
 *
 * Output of a stream waits with the stream until its window and the socket have room, so a slow
 * one holds up its own node and no other stream. A stream that its client resets, or whose
 * connection is lost, is gone at once.
 *
 * Leaving: GOAWAY that takes every stream, a PING, and at its answer (or SL_H2_LEAVE_MS later) the
 * GOAWAY that names the last one: no request on its way is lost.
 *
 *   h2_head.c     fields of a request -> an HTTP/1 head
 *   h2_stream.c   streams: collect the request, queue the answer, their time
 *   h2_session.c  the connection; the only file that sees nghttp2
 *
 * Thread: the loop's.
 */
#ifndef SL_HTTP_H2_H
#define SL_HTTP_H2_H

#include "user/http/server.h"

#define SL_H2_OUT_BYTES		(64u << 10)  /* over it nothing more is put into the socket */
#define SL_H2_STREAM_WINDOW	(256u << 10) /* of a request body, without an update */
#define SL_H2_CONN_WINDOW	(1u << 20)   /* of all together */
#define SL_H2_HELD_BODIES	16u	     /* of the largest size, by one connection */
#define SL_H2_LEAVE_MS		1000u	     /* a client answers a PING within */
#define SL_H2_RESETS_BURST	200u	     /* twice the streams of a client that gives up all */
#define SL_H2_RESETS_EACH_MS	50u	     /* and so often for ever */
#define SL_H2_CONTROL_BURST	1000u
#define SL_H2_CONTROL_EACH_MS	10u
#define SL_H2_CONTROL_PER_DATA	3u   /* a client may update two windows for each of our frames */
#define SL_H2_ACKS_MAX		128u /* answers to PING and SETTINGS that wait */
#define SL_H2_ANSWER_FIELDS_MAX 160u

/* Goes on as HTTP/2 with a connection whose first bytes, which hold the preface, are given. 0 or
 * -ENOMEM; the connection may be closing afterwards. */
int sl_h2_open(struct sl_server_conn *conn, const char *buf, size_t len);
/* After the connection is closed; nulls it. */
void sl_h2_free(struct sl_h2 **h2);

void sl_h2_data(struct sl_h2 *h2, const char *buf, size_t len);
void sl_h2_drained(struct sl_h2 *h2);

/* The connection is lost: every owner of a stream is told. */
void sl_h2_lose(struct sl_h2 *h2);

/* Takes no new streams soon, and closes when none is left. */
void sl_h2_leave(struct sl_h2 *h2);

/* When it is overdue, and what then is to be done. */
uint64_t sl_h2_due_ns(struct sl_h2 *h2);
void sl_h2_overdue(struct sl_h2 *h2);

#endif
