/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * explain.h - one call for each decision about a request: what trail.h keeps and reqlog.h writes.
 * Thread: the loop's.
 */
#ifndef SL_REQUEST_EXPLAIN_H
#define SL_REQUEST_EXPLAIN_H

#include "user/request/request.h"

/* The request has an id. */
void sl_explain_begin(struct sl_request *request);

/* Key, route and limits are in order. */
void sl_explain_admitted(struct sl_request *request);

/* Or the request is refused before it runs. */
void sl_explain_refused(struct sl_request *request, enum sl_openai_error_id id);

/* The stages below are of that kind from now on; and their end. */
void sl_explain_stage_begin(struct sl_request *request, enum sl_trail_stage stage);
void sl_explain_stage_end(struct sl_request *request, enum sl_trail_stage stage);

/* What the node counted. */
void sl_explain_usage(struct sl_trail_ref *ref, uint64_t input, uint64_t output);

/* By which limit, budget or check, before the refusal itself. */
void sl_explain_refused_by(struct sl_request *request, enum sl_admit_refusal refusal);

/* What the limits and budgets were charged in the end; nano where priced. */
void sl_explain_settled(const struct sl_trail_ref *ref, uint64_t tokens, uint64_t nano,
			bool priced);

/* pool and node may be NULL. */
void sl_explain_note(struct sl_request *request, enum sl_trail_kind kind, uint8_t detail,
		     uint32_t value, const struct sl_upstream_pool *pool,
		     const struct sl_upstream_node *node);

/* number: the plan's. */
void sl_explain_attempt(struct sl_request *request, const struct sl_upstream_pool *pool,
			const struct sl_upstream_grant *grant, uint8_t number);
/* Of the attempt above: when it went out, and how it ended. */
void sl_explain_ending(struct sl_request *request, const struct sl_upstream_pool *pool,
		       const struct sl_attempt *attempt, enum sl_ending ending);

/* The request has ended without a relay; status 0: its client has left. */
void sl_explain_end(struct sl_request *request, int status);

/* Its stream is open: what the relay takes along. */
struct sl_trail_ref sl_explain_stream(struct sl_request *request);
/* It broke on its node, or goes on on another one; while the relay has that node. */
void sl_explain_stream_note(const struct sl_relay *relay, enum sl_trail_kind kind,
			    enum sl_ending ending);
/* The stream has ended and was settled; before the relay lets anything go. */
void sl_explain_stream_end(const struct sl_relay *relay, enum sl_ending ending);

#endif
