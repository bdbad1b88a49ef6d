/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * suites.h - runs the regression suites of prompts in the background.
 *
 *   sl_suites_start() (control) -> the loop of a worker: quality/suite.h, by the worker's own connections
 *     -> its end -> a thread of the pool keeps the result (store/prompts.h) -> gone
 *
 * Which model is asked: the one that is named; else the route that binds the prompt; else the template's
 * own @model. The first pool of its route answers; the route's stages are not passed. At most
 * SL_SUITES_MAX run at once, and one of a version. A worker does not end before its suites have; a drain
 * breaks them off, and what was broken off is not kept.
 *
 * Thread: control, where nothing else is said.
 */
#ifndef SL_OPS_SUITES_H
#define SL_OPS_SUITES_H

#include "user/base/error.h"
#include "user/ops/threads.h"
#include "user/stage/stage.h"
#include "user/store/prompts.h"

#define SL_SUITES_MAX 8u

struct sl_suites;

/* Both are borrowed. NULL without memory. */
struct sl_suites *sl_suites_open(struct sl_threads *threads, const struct sl_stores *stores);

/*
 * Begins the suite of a version, or leaves the run of it that is under way. model NULL: see above.
 * -ENOENT: no such model, or none is known; -EINVAL: there are no cases, or they are wrong; -EBUSY: too
 * many run; -ESHUTDOWN; -ENOMEM.
 */
int sl_suites_start(struct sl_suites *suites, struct sl_routes *routes,
		    const struct sl_prompt *prompt, struct sl_prompt_version *version,
		    const char *model, struct sl_error *error);

/*
 * Begins the suites of versions that are the newest of their prompts and are not in `before`: those that
 * came with a reload. NULL: nothing. One that cannot run is named in the log; those for which there is no
 * room wait for sl_suites_poll().
 */
void sl_suites_test_new(struct sl_suites *suites, struct sl_routes *routes,
			const struct sl_prompt_set *before);

/* Now and then: begins the suites that wait, in turn, as far as there is room. NULL: nothing. */
void sl_suites_poll(struct sl_suites *suites, struct sl_routes *routes);

/* Is it running? How far has it come? */
bool sl_suites_progress(struct sl_suites *suites, const char *id, const char *hash,
			uint32_t *ret_done, uint32_t *ret_count);

/* Breaks all off and takes no more. The workers' loops still turn. */
void sl_suites_stop(struct sl_suites *suites);

/* When the workers and the pool of threads have ended. NULLs; NULL is fine. */
void sl_suites_close(struct sl_suites **suites);

#endif
