/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/upstream/tap.h"

#include <stdlib.h>
#include <string.h>

static const char mark[] = "data:";
#define MARK_LEN (sizeof(mark) - 1)

struct tap {
	struct sl_client_tap client; /* first */
	struct sl_client_conn *conn;
	struct sl_loop *loop;
	struct sl_strike strike;
	uint64_t passed; /* events begun, or bytes */
	uint32_t
		matched; /* bytes of `mark` since the line's begin; MARK_LEN: of an event's line, or of none */
	bool done;	       /* it has struck */
	bool feeding, removed; /* slow: who is removed meanwhile is freed afterwards */
	bool ended;	       /* slow: the node has closed behind what is kept */
	struct sl_text kept;   /* slow */
	struct sl_timer timer;
};

static struct tap *tap_of_timer(struct sl_timer *timer)
{
	return (struct tap *)((char *)timer - offsetof(struct tap, timer));
}

/* ---- where it strikes ------------------------------------------------------------------------ */

/* Of the events: how many begin in these bytes, and where the first does that is behind `after`; len: none. */
static size_t count_events(struct tap *tap, const char *data, size_t len, uint32_t *ret_begun)
{
	size_t at = len;

	*ret_begun = 0;
	for (size_t i = 0; i < len; i++) {
		if (data[i] == '\n') {
			tap->matched = 0;
			continue;
		}
		if (tap->matched == MARK_LEN)
			continue;
		tap->matched = data[i] == mark[tap->matched] ? tap->matched + 1 : MARK_LEN;
		if (tap->matched != MARK_LEN || data[i] != ':')
			continue;
		++*ret_begun;
		if (at == len && tap->passed + *ret_begun > tap->strike.after)
			at = i + 1;
	}
	tap->passed += *ret_begun;
	return at;
}

/* How many of the bytes pass unharmed; len: all. A whole answer passes no byte of its own but by bytes. */
static size_t find(struct tap *tap, const char *data, size_t len)
{
	uint32_t begun;
	size_t at;

	if (tap->strike.after_bytes) {
		uint64_t left = tap->strike.after -
				(tap->passed < tap->strike.after ? tap->passed : tap->strike.after);

		tap->passed += len;
		return left < len ? (size_t)left : len;
	}
	at = count_events(tap, data, len, &begun);
	if (!tap->passed && len && data[0] == '{')
		return 0; /* no stream */
	return at;
}

/* ---- what it does ---------------------------------------------------------------------------- */

static void pass(struct sl_client_conn *conn, const char *data, size_t len)
{
	if (len)
		conn->ops->body(conn, data, len);
}

/* Where the second event of the bytes begins; len: there is none. */
static size_t slice_of(const char *data, size_t len)
{
	const char *at = data, *end = data + len;

	while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
		at++;
		if ((size_t)(end - at) >= MARK_LEN && !memcmp(at, mark, MARK_LEN))
			return (size_t)(at - data);
	}
	return len;
}

/* The beginning of what is kept goes on. The tap may be gone afterwards: returns whether it stays. */
static bool feed(struct tap *tap, size_t len)
{
	struct sl_text whole = tap->kept, rest;

	sl_text_init(&rest, SL_TAP_KEPT_BYTES_MAX);
	if (sl_text_append(&rest, sl_text_string(&whole) + len, whole.len - len)) {
		sl_text_fini(&rest); /* no memory to wait with */
		len = whole.len;
	}
	tap->kept = rest;
	tap->feeding = true;
	sl_client_feed(tap->conn, sl_text_string(&whole), len);
	tap->feeding = false;
	sl_text_fini(&whole);
	if (!tap->removed)
		return true;
	sl_text_fini(&tap->kept);
	free(tap);
	return false;
}

static bool feed_slice(struct tap *tap)
{
	if (!feed(tap, slice_of(sl_text_string(&tap->kept), tap->kept.len)))
		return false;
	sl_timer_set(tap->loop, &tap->timer, tap->strike.delay_ms);
	return true;
}

static void on_timer(struct sl_timer *timer)
{
	struct tap *tap = tap_of_timer(timer);

	if (tap->kept.len)
		feed_slice(tap);
	else if (tap->ended)
		sl_client_feed_eof(tap->conn);
	else
		sl_client_release(tap->conn, SL_CLIENT_HELD_BY_TAP);
}

/* What comes while others wait, waits; the first goes on at once, and the next is read later. */
static void on_data(struct sl_client_tap *client, struct sl_client_conn *conn, const char *data,
		    size_t len)
{
	struct tap *tap = (struct tap *)client;

	sl_client_hold(conn, SL_CLIENT_HELD_BY_TAP);
	if (sl_text_append(&tap->kept, data, len)) { /* too much to wait with: all of it goes on */
		tap->kept.error = 0;
		sl_client_release(conn, SL_CLIENT_HELD_BY_TAP);
		if (feed(tap, tap->kept.len))
			sl_client_feed(conn, data, len);
	} else if (!sl_timer_is_set(&tap->timer)) {
		feed_slice(tap);
	}
}

/* In the turn of the last bytes, before pausing had an effect. */
static bool on_eof(struct sl_client_tap *client, struct sl_client_conn *conn)
{
	struct tap *tap = (struct tap *)client;

	(void)conn;
	tap->ended = sl_timer_is_set(&tap->timer);
	return tap->ended;
}

/* The byte behind which no JSON can go on; the line's end stays, so that what follows is read as before. */
static void spoil(struct tap *tap, struct sl_client_conn *conn, const char *data, size_t len,
		  size_t at)
{
	char *copy;

	while (at < len && (data[at] == ' ' || data[at] == '\r' || data[at] == '\n'))
		at++;
	copy = at < len ? malloc(len) : NULL;
	if (!copy) { /* the event's data are not there yet, or there is no memory: in the next bytes */
		tap->strike.after = 0;
		tap->strike.after_bytes = true;
		tap->passed = 0;
		pass(conn, data, len);
		return;
	}
	memcpy(copy, data, len);
	copy[at] = '\\';
	tap->done = true;
	pass(conn, copy, len);
	free(copy);
}

static void on_body(struct sl_client_tap *client, struct sl_client_conn *conn, const char *data,
		    size_t len)
{
	struct tap *tap = (struct tap *)client;
	bool cuts = tap->strike.kind == SL_STRIKE_CUT;
	size_t at;

	if (tap->done) {
		pass(conn, data, len);
		return;
	}
	at = find(tap, data, len);
	if (at == len) {
		pass(conn, data, len);
		return;
	}
	if (tap->strike.kind == SL_STRIKE_MALFORMED && !tap->strike.bad_chunk) {
		spoil(tap, conn, data, len, at);
		return;
	}
	tap->done = true;
	pass(conn, data, at);
	sl_client_fail(conn, cuts ? SL_CLIENT_FAILED_CUT : SL_CLIENT_FAILED_BODY,
		       cuts ? "cut by an experiment" : "a chunk spoiled by an experiment");
}

/* ---- life ------------------------------------------------------------------------------------ */

void sl_tap_set(struct sl_client_conn *conn, struct sl_loop *loop, const struct sl_strike *strike)
{
	struct tap *tap;

	sl_tap_remove(conn);
	if (strike->kind != SL_STRIKE_CUT && strike->kind != SL_STRIKE_MALFORMED &&
	    strike->kind != SL_STRIKE_SLOW)
		return;
	tap = calloc(1, sizeof(*tap));
	if (!tap)
		return;
	if (strike->kind == SL_STRIKE_SLOW) {
		tap->client.data = on_data;
		tap->client.eof = on_eof;
	} else {
		tap->client.body = on_body;
	}
	sl_text_init(&tap->kept, SL_TAP_KEPT_BYTES_MAX);
	tap->conn = conn;
	tap->loop = loop;
	tap->strike = *strike;
	sl_timer_init(&tap->timer, on_timer);
	conn->tap = &tap->client;
}

void sl_tap_remove(struct sl_client_conn *conn)
{
	struct tap *tap = (struct tap *)conn->tap;

	if (!tap)
		return;
	sl_timer_cancel(tap->loop, &tap->timer);
	conn->tap = NULL;
	if (tap->ended)
		conn->reusable = false;
	sl_client_release(conn, SL_CLIENT_HELD_BY_TAP);
	tap->removed = true;
	if (tap->feeding)
		return;
	sl_text_fini(&tap->kept);
	free(tap);
}
