/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * retrieve_grounded.h - do the answers of a route say what its documents say? A share of them is judged
 * (quality/grounded.h) beside the client.
 *
 *	documents are given (begin)   its turn by `grounded_sample`, within `grounded_budget`
 *	the answer goes out           whole (kept) or gathered from the stream (filter), GROUNDED_BYTES at most
 *	                              -> the pool of threads: words, and meaning where there is an encoder
 *	                              -> a whole answer's doubtful sentences: the pool `judge`, where one is named
 *	                              -> the counts; the last `grounded_answers` of them decide:
 *
 *	state        goes to      when                                                 the route
 *	grounded     ungrounded   a share of `grounded_poor` had an unsupported        gives documents
 *	                          sentence
 *	ungrounded   grounded     no more than `grounded_back` had                     gives none, but to each
 *	                                                                               SL_GROUNDED_PROBE_EVERYth
 *	                                                                               question, which is judged
 *
 * A full queue, used-up minutes and answers that are too long are not judged, and counted. Nothing is kept
 * but counts; `grounded_log` logs the sentences that are not supported. States are the process's, one a
 * route. Threads: the loops' and the pool's; what is read, any.
 */
#ifndef SL_STAGE_RETRIEVE_GROUNDED_H
#define SL_STAGE_RETRIEVE_GROUNDED_H

#include "user/policy/quality.h"
#include "user/stage/stage.h"
#include "user/wire/vector_api.h"

#define SL_GROUNDED_ROUTES_MAX	256u /* by struct sl_stage, number; those past the end have none */
#define SL_GROUNDED_PROBE_EVERY 5u
#define SL_GROUNDED_BYTES_MAX	(64u << 10) /* of an answer */
#define SL_GROUNDED_JUDGED_MAX	4u	    /* sentences of an answer that a judge is asked about */
#define SL_GROUNDED_TIME_MS	60000u	    /* of one, all in all */

struct sl_grounding_counts {
	uint64_t answers, ungrounded; /* judged; that have an unsupported sentence */
	uint64_t claims, unsupported, doubtful, judged;
	uint64_t unjudged; /* the judge did not answer */
	uint64_t silent;   /* answers that claim nothing: in no other count */
	uint64_t spared, full, too_long, probes;
	uint32_t recent, recent_ungrounded; /* answers, of which half are forgotten at times */
	bool poor;
};

struct sl_groundings;
struct sl_gates_lexicon;

/* 0 or -ENOMEM. Closed after the pool of threads. */
int sl_groundings_open(struct sl_groundings **ret_groundings);
void sl_groundings_close(struct sl_groundings **groundings);

/* For others that judge texts; borrowed. */
const struct sl_gates_lexicon *sl_groundings_lexicon(const struct sl_groundings *groundings);

/* A copy. False: the route has none, or no answer yet. groundings may be NULL. */
bool sl_groundings_read(struct sl_groundings *groundings, uint32_t number,
			struct sl_grounding_counts *ret_counts);

/* Is the route to do without documents for this question? *ret_probe: it is not, so that it can come back. */
bool sl_retrieve_grounded_refuses(struct sl_stage *stage, bool *ret_probe);

struct sl_grounding; /* of a request, in its arena */

/* These documents are given. NULL: the answer is not to be judged. */
struct sl_grounding *sl_retrieve_grounded_begin(struct sl_stage *stage, bool probe,
						const struct sl_vector_found *found,
						uint32_t count);

/* A whole answer goes out. grounding may be NULL. */
void sl_retrieve_grounded_kept(struct sl_stage *stage, const struct sl_grounding *grounding);

/* The filter of a stream; NULL where it is not to be judged. 0. */
int sl_retrieve_grounded_filter(struct sl_stage *stage, const struct sl_grounding *grounding,
				struct sl_stage_filter **ret_filter);

#endif
