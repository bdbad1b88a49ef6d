/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stages.h - the stages of the trust plane (stage/stage.h) in the pipeline: their order, and what their
 * verdicts do to the request. The only place that knows the order.
 *
 *   run()      judge load (degrade) -> prompt -> inbound validation    sl_stages_before()
 *              exact cache                                             recall.h
 *              semantic cache -> retrieve -> degrade -> fit            sl_stages_prepare()
 *   work()     queue, attempts
 *              validation: repair, another model, refusal              sl_stages_after()
 *   answer()   whole: kept for others, sent                            sl_stages_kept()
 *              stream: each chunk through the filters                  sl_stages_filters()
 *
 * The exact cache's key covers the body as prompt and inbound validation left it, and stage->vary; an answer
 * that a step without `keeps` had a part in is not kept there. Estimates, affinity and the fit of APIs
 * follow the last body. A route without a stage costs one comparison a hook (struct sl_route, staged).
 * Thread: the loop's, on the request's fiber.
 */
#ifndef SL_REQUEST_STAGES_H
#define SL_REQUEST_STAGES_H

#include "user/request/request.h"

/* Times that `after` may have a request asked again, whatever the stages want. */
#define SL_STAGES_AGAIN_MAX 3u

/* Is a stage configured for the route? For sl_routes_build(). */
bool sl_stages_wanted(const struct sl_config *config, const struct sl_config_route *route);

/* Each returns 0: the request goes on (or its client has left); else the status that was sent. */
int sl_stages_before(struct sl_request *request);
int sl_stages_prepare(struct sl_request *request);

/*
 * A whole answer of a node has come (ending OK, not a stream). True: the request is to be asked again.
 * *ret_status: not 0 when the client has been answered.
 */
bool sl_stages_after(struct sl_request *request, int *ret_status);

/* A whole answer is about to be sent. */
void sl_stages_kept(struct sl_request *request);

/* The first token of a stream is here. */
void sl_stages_note_first(struct sl_request *request, uint64_t us);

/* Filters of the stream that is about to begin, for the relay, which owns them. Returns how many, or
 * -ENOMEM: then the stream must not begin. */
int sl_stages_filters(struct sl_request *request,
		      struct sl_stage_filter *filters[SL_STAGE_FILTERS_MAX]);

/* The request has moved to the routes of another configuration. */
void sl_stages_moved(struct sl_request *request);

/* The answer begins, or is sent: its status, for the stages that judge what they did. */
void sl_stages_ended(struct sl_request *request, int status);

/* The request's memory goes: the stages let go of what they hold of the stores. */
void sl_stages_release(struct sl_request *request);

#define SL_STAGES_LINES_MAX 2048u /* of all stages together; further lines are left out */

/* x-sluice-degraded and the stages' own lines. */
void sl_stages_write(const struct sl_request *request, struct sl_h1_out *out);
/* Room that they need. */
size_t sl_stages_lines_len(const struct sl_request *request);

/* May others be given an answer that was made like this? */
bool sl_stages_may_share(const struct sl_request *request);

/* "degrade=model, ..." of the steps (bit by enum sl_step); "" for none. Returns its length. */
#define SL_STAGES_STEPS_BYTES 1024u
size_t sl_stages_format(uint64_t steps, char out[SL_STAGES_STEPS_BYTES]);

#endif
