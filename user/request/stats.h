/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stats.h - what one thread counts about requests; ops/metrics.c adds the threads up.
 *
 * Written by the owning thread only, with relaxed stores; read by any thread at any time.
 */
#ifndef SL_REQUEST_STATS_H
#define SL_REQUEST_STATS_H

#include <stdlib.h>
#include "bpf/limits.h"
#include "user/base/config.h"
#include "user/base/histogram.h"
#include "user/policy/affinity.h"
#include "user/policy/hedge.h"
#include "user/policy/outcome.h"
#include "user/policy/retry.h"
#include "user/request/feed.h"
#include "user/request/genai.h"
#include "user/stage/admit.h"
#include "user/stage/stage.h"
#include "user/wire/json_scan.h"

#define SL_STATS_ROUTES_MAX 1024u
#define SL_STATS_STATUS_MIN 100
#define SL_STATS_STATUS_MAX 599

/* Position 0 of the route table stands for requests that reached no route. */
#define SL_STATS_NO_ROUTE 0u

/* What the cache of answers made of a request. */
enum sl_recall {
	SL_RECALL_NONE = 0,  /* its route has none */
	SL_RECALL_BYPASS,    /* not to be kept: the client said so, chance, or the API */
	SL_RECALL_MISS,	     /* the node's answer */
	SL_RECALL_HIT,	     /* one that was kept */
	SL_RECALL_COALESCED, /* that of a request under way */
	SL_RECALLS
};

/* Can a pool's nodes be asked a request, by the API that they speak? See fit.h. */
enum sl_fit {
	SL_FIT_GOOD = 0,
	SL_FIT_ENDPOINT, /* they have no such endpoint */
	SL_FIT_REQUEST,	 /* it cannot be said in their API */
	SL_FITS
};

/* What came of streams that broke after their first token, where going on was thought of. */
enum sl_resumption {
	SL_RESUMPTION_CONTINUED = 0,
	SL_RESUMPTION_RESTARTED,
	SL_RESUMPTION_TOO_LONG, /* these and those below ended with an error event */
	SL_RESUMPTION_UNTOLD, /* had parts that cannot be compared, or were not for this request */
	SL_RESUMPTION_CHANCE, /* no pool takes a rest, and the text was chance */
	SL_RESUMPTION_NO_NODE,
	SL_RESUMPTION_ATTEMPTS,
	SL_RESUMPTION_BUDGET,
	SL_RESUMPTION_QUEUE,   /* every place was taken, and none became free in time */
	SL_RESUMPTION_REFUSED, /* by the server that was asked */
	SL_RESUMPTION_DIFFERS,
	SL_RESUMPTION_DEADLINE,
	SL_RESUMPTION_MEMORY,
	SL_RESUMPTIONS
};

struct sl_route_stats {
	uint64_t by_status[SL_STATS_STATUS_MAX - SL_STATS_STATUS_MIN + 1];
	uint64_t client_gone;
	uint64_t streams;	 /* opened towards the client */
	uint64_t streams_broken; /* ended by an error event */
	uint64_t retries;
	uint64_t fallbacks; /* answered by a pool other than the first */
	uint64_t fallbacks_by_cause[SL_CAUSES];
	uint64_t outcomes[SL_FEED_OUTCOMES][SL_ENDING_COUNT]; /* by how the last attempt ended */
	uint64_t by_recall[SL_RECALLS];
	uint64_t resumptions[SL_RESUMPTIONS];
	uint64_t ladder[SL_STEPS]; /* steps down, see stage/steps.def */
	uint64_t sampled[2];	   /* parameters fixed: absent from the request, overruled */
	uint64_t held_back_bytes;  /* of text that restarts sent once more */
	uint64_t tokens;	   /* data events with content that were relayed */
	struct sl_genai_stats *genai[SL_GENAI_KINDS];
	struct sl_histogram duration_us;
	struct sl_histogram ttft_us; /* streams: request complete to first event sent */
};

struct sl_stats {
	struct sl_route_stats *routes[SL_STATS_ROUTES_MAX];
	uint64_t attempts[SL_POOLS_MAX][SL_ENDING_COUNT];
	uint64_t stream_endings[SL_POOLS_MAX][SL_ENDING_COUNT];
	uint64_t retries_refused[SL_POOLS_MAX][SL_RETRY_VERDICTS]; /* SPENT and CROWDED */
	uint64_t affinity[SL_POOLS_MAX][SL_AFFINITY_VERDICTS];	   /* attempts, by why the node */
	uint64_t zones[SL_POOLS_MAX][SL_ZONES];			   /* attempts, by where it is */
	uint64_t unfit[SL_POOLS_MAX][SL_FITS];			   /* passed over by requests */
	uint64_t retries_waited[SL_POOLS_MAX]; /* had to wait for their place, or a Retry-After */
	uint64_t hedges_started[SL_POOLS_MAX];
	uint64_t hedges_won[SL_POOLS_MAX];	 /* gave the answer */
	uint64_t hedges_cancelled[SL_POOLS_MAX]; /* of two attempts, the one that was cut */
	uint64_t hedges_refused[SL_POOLS_MAX][SL_HEDGE_VERDICTS]; /* all but GO */
	uint64_t in_flight;					  /* requests and streams now */
	uint64_t refused_overload;
	uint64_t refused_admission[SL_ADMIT_REFUSALS];
	uint64_t refused_bodies[SL_JSON_BAD_COUNT]; /* 0: JSON, but a parameter is wrong */
};

static inline void sl_stats_add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static inline void sl_stats_sub(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter - n, __ATOMIC_RELAXED);
}

/* The route's block, made on first use; NULL without memory (then nothing is counted). */
static inline struct sl_route_stats *sl_stats_route(struct sl_stats *stats, uint32_t index)
{
	struct sl_route_stats *route = stats->routes[index];

	if (!route) {
		route = calloc(1, sizeof(*route));
		__atomic_store_n(&stats->routes[index], route, __ATOMIC_RELEASE);
	}
	return route;
}

#endif
