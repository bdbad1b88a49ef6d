/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trail_text.h - a trail for people and for programs. Pure but for the names it looks up.
 */
#ifndef SL_REQUEST_TRAIL_TEXT_H
#define SL_REQUEST_TRAIL_TEXT_H

#include "user/base/address.h"
#include "user/request/trail.h"
#include "user/upstream/upstream.h"

/* An event in the words of explain. Constant strings. */
struct sl_trail_words {
	const char *name;	 /* "attempt" */
	const char *detail_name; /* "why"; "" where there is none */
	const char *detail;	 /* NULL: nothing to say */
	const char *value_name;	 /* NULL: the value says nothing */
	const char *zone;	 /* NULL: the same */
};

struct sl_trail_words sl_trail_words_of(const struct sl_trail_event *event);

/* The node's address; "gone" when its slot has another one now, NULL: the event has none. */
const char *sl_trail_node_of(const struct sl_trail_event *event,
			     const struct sl_upstream_state *state,
			     char text[SL_ADDRESS_TEXT_SIZE]);

/* One JSON object in a line. */
void sl_trail_write_json(const struct sl_trail *trail, const struct sl_upstream_state *state,
			 struct sl_text *text);

/* A heading, then a line a decision: "   12.345 ms  attempt pool=chat node=10.0.0.7:8000". */
void sl_trail_write_text(const struct sl_trail *trail, const struct sl_upstream_state *state,
			 struct sl_text *text);

/* Did something have to be decided about it: a retry, a fallback, a step down, a refusal, a wait? */
bool sl_trail_is_notable(const struct sl_trail *trail);

/* Those decisions and how it ended, in one line: "no_node pool=chat; pool pool=small ...; answer status=200". */
void sl_trail_write_brief(const struct sl_trail *trail, const struct sl_upstream_state *state,
			  struct sl_text *text);

#endif
