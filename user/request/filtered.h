/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * filtered.h - the stages' filters (stage/stage.h) between a stream's node and its client.
 *
 * What the node sends is looked at, counted and remembered as it came; what the filters make of it is what
 * the client gets, written anew. A stream that goes on on another node goes on through the same filters.
 * What is filtered is not kept by the cache of answers, unless all filters only look: then the stream goes
 * out as it came. Thread: the loop's.
 */
#ifndef SL_REQUEST_FILTERED_H
#define SL_REQUEST_FILTERED_H

#include "user/request/relay_scan.h"
#include "user/request/request.h"

#define SL_FILTERED_BYTES_MAX (8u << 20) /* that filters may make of one chunk */

/* Filters of the request's stream. Returns 0, *ret_filtered NULL where no stage wants any; -ENOMEM. */
int sl_filtered_new(struct sl_request *request, struct sl_filtered **ret_filtered);

/* The relay that they belong to from now on. */
void sl_filtered_bind(struct sl_filtered *filtered, struct sl_relay *relay);

/* Does nothing of the stream change by them? NULL: true. */
bool sl_filtered_looks_only(const struct sl_filtered *filtered);
/* An event passed that they could not look at. NULL is fine. */
void sl_filtered_miss(struct sl_filtered *filtered);

/* whole: the client got all of a complete answer. NULLs the pointer. */
void sl_filtered_free(struct sl_filtered **filtered, bool whole);

/*
 * A chunk of the node's, to out (NULL where it goes out as it came) in the words of the client's API. GO_ON; CLOSED: the stream is to end well;
 * FORBIDDEN: by the error of sl_filtered_error(); UNTOLD.
 */
enum sl_relay_verdict sl_filtered_data(struct sl_relay *relay, const char *data, size_t len,
				       const struct sl_openai_chunk *chunk, struct sl_text *out);

/* A filter has become ready: what there is to say. The same verdicts. */
enum sl_relay_verdict sl_filtered_more(struct sl_relay *relay, struct sl_text *out);

/* Does a filter hold so much that the node is not to be read? NULL: false. */
bool sl_filtered_is_full(const struct sl_filtered *filtered);

/* The node's stream ended well. The same verdicts; WAIT: a filter becomes ready first, then once more. */
enum sl_relay_verdict sl_filtered_end(struct sl_relay *relay, struct sl_text *out);

/* After FORBIDDEN. */
const struct sl_openai_error *sl_filtered_error(const struct sl_filtered *filtered);

#endif
