/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * relay_scan.h - the events of one receive: looked at, counted, noted, and what the client gets of them.
 *
 *   event                         verdict    the client gets
 *   data of an answer             GO_ON      it, as it came or in the words of its API
 *   comment, fields without data  GO_ON      the same
 *   usage that only we asked for  GO_ON      nothing
 *   data: with nothing or blanks  GO_ON      nothing: a browser would not see it, SDKs fail on it
 *   of a resumed stream: data     GO_ON      what is new in it (wire/splice.h), or nothing
 *   [DONE]                        GO_ON      it; done_seen is set and what follows is not looked at
 *   error event                   FAULT      nothing yet
 *   data that is not JSON         BAD        nothing: a part of the answer may be lost in it
 *   data not to be translated     UNTOLD     nothing
 *   resumed, but another answer   OTHER      nothing
 *   filtered (filtered.h)         GO_ON      what the filters make of it; CLOSED, FORBIDDEN: the end
 *   direct: message_stop          GO_ON      it; done_seen is set
 *   direct: ping                  GO_ON      it; that is no progress
 *
 * Thread: the loop's.
 */
#ifndef SL_REQUEST_RELAY_SCAN_H
#define SL_REQUEST_RELAY_SCAN_H

#include "user/request/relay.h"

enum sl_relay_verdict {
	SL_RELAY_GO_ON = 0,
	SL_RELAY_SKIP, /* inside the scan only */
	SL_RELAY_FAULT,
	SL_RELAY_BAD,
	SL_RELAY_UNTOLD,
	SL_RELAY_OTHER,
	SL_RELAY_CLOSED,    /* a filter ended the answer, well */
	SL_RELAY_FORBIDDEN, /* or by an error */
	SL_RELAY_WAIT,	    /* the answer has ended, but a filter has not made up its mind */
};

struct sl_relay_pass {
	const char *buf;
	size_t from;		   /* forwarded, or skipped, up to here */
	size_t whole;		   /* events dealt with up to here */
	struct sl_text *out;	   /* gets what becomes of them; NULL: forwarded as they came */
	struct sl_sse_event fault; /* where the scan stopped; borrows from buf */
};

/* Scans buf[0..len) from its start, which is that of an event. */
enum sl_relay_verdict sl_relay_scan(struct sl_relay *relay, struct sl_relay_pass *pass, size_t len);

/* The client gets this chunk, or what it says: noted where the stream may go on elsewhere. */
void sl_relay_note_sent(struct sl_relay *relay, const char *data, size_t len);

/* What a node of the Messages API has counted. */
void sl_relay_note_usage(struct sl_relay *relay, const struct sl_messages_usage *usage);

#endif
