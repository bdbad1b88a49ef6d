/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * relay_end.h - how an open stream ends (relay.h): well, broken and honestly so, or not yet, on another node.
 *
 * Each frees the relay, but sl_relay_leave_node(), and sl_relay_break_off() where the stream goes on
 * elsewhere: who calls them looks at the relay no more. Once a stream, not once a token. Thread: the loop's.
 */
#ifndef SL_REQUEST_RELAY_END_H
#define SL_REQUEST_RELAY_END_H

#include "user/request/relay.h"
#include "user/wire/openai.h"

/*
 * What broke a stream. event: the node's own, whole (as_is) or, for a dialect, its data; else id and
 * detail make one.
 */
struct sl_relay_cause {
	enum sl_ending ending;
	enum sl_openai_error_id id;
	const char *detail;
	const char *event;
	size_t event_len;
	bool as_is;
};

/* The node's part of the stream is over, however it ended: its breaker is told, and it is let go. */
void sl_relay_leave_node(struct sl_relay *relay, enum sl_ending ending);

/* The answer is whole. */
void sl_relay_end_well(struct sl_relay *relay);

/* The honest end of a stream that broke. */
void sl_relay_end_broken(struct sl_relay *relay, const struct sl_relay_cause *cause);

/* The stream of the node is broken: goes on elsewhere if that is possible. */
void sl_relay_break_off(struct sl_relay *relay, const struct sl_relay_cause *cause);
void sl_relay_break_off_with(struct sl_relay *relay, enum sl_ending ending,
			     enum sl_openai_error_id id, const char *detail);

/* The line of the log; sl_relay_break_off() writes it itself. */
void sl_relay_log_break(const struct sl_relay *relay, const char *detail);

#endif
