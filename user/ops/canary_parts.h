/* SPDX-License-Identifier: BSD-2-Clause */
/* canary_parts.h - what canary.c and canary_say.c share. Internal to them. */
#ifndef SL_OPS_CANARY_PARTS_H
#define SL_OPS_CANARY_PARTS_H

#include <pthread.h>
#include "user/ops/canary.h"
#include "user/ops/canary_judge.h"

enum sl_canary_result {
	SL_CANARY_GOOD = 0, /* questions were answered */
	SL_CANARY_RECORDED,
	SL_CANARY_FAILED,
	SL_CANARY_SKIPPED, /* the pool had too much to do */
	SL_CANARY_RESULTS
};

enum sl_canary_deed {
	SL_CANARY_DEED_RUN = 0,
	SL_CANARY_DEED_RECORD,
	SL_CANARY_DEED_ACCEPT, /* asks nothing: what was found last is right */
};

/* One pool with questions. Under the lock where other threads look: what is below `seen`. */
struct sl_canary_pool {
	struct sl_canary *canary;
	struct sl_canary_pool *next;
	char name[SL_CONFIG_NAME_MAX + 1];
	uint32_t pool; /* index in the configuration in force */
	struct sl_timer due;
	struct sl_fiber *fiber;
	enum sl_canary_deed deed; /* of the next run */
	bool asked;		  /* by somebody, so whatever the load is */
	bool running;
	bool gone;	  /* no questions any more; freed when it does not run */
	bool loaded;	  /* the disk was looked at */
	uint64_t late_ms; /* put off since; 0: is not */

	/* ---- seen ---- */
	struct sl_baseline *baseline; /* NULL: none is recorded */
	struct sl_drift_run last;
	bool other_model, other_fingerprint;
	char model[SL_CONFIG_MODEL_MAX + 1]; /* of the last run */
	char fingerprint[64];
	uint64_t last_ms;    /* wall clock; 0: never */
	uint64_t latency_us; /* mean of the last run */
	char trouble[SL_ATTEMPT_DETAIL_BYTES];
	uint64_t ended; /* runs of any result */
	uint64_t results[SL_CANARY_RESULTS];
	uint64_t answered, unanswered; /* questions */
};

struct sl_canary {
	struct sl_loop *loop;
	struct sl_upstream up;
	struct sl_stores *stores;
	struct sl_routes *routes;
	struct sl_random random;
	struct sl_canary_pool *pools;
	uint32_t running;
	pthread_mutex_t lock;
};

/* Alarms, bit by enum sl_drift_cause, then SL_CANARY_CAUSES. */
enum { SL_CANARY_MODEL = SL_DRIFT_CAUSES, SL_CANARY_FINGERPRINT, SL_CANARY_CAUSES };

const char *sl_canary_cause_name(int cause);
uint32_t sl_canary_alarms(const struct sl_canary_pool *pool);

/* What the nodes' answers say; NULL: nobody looks. */
static inline struct sl_identities *sl_canary_identities(const struct sl_canary *canary)
{
	return canary->up.state.retries->identities;
}

/* Begins one as soon as may be; asked for by somebody. */
void sl_canary_begin(struct sl_canary_pool *pool, enum sl_canary_deed deed);

#endif
