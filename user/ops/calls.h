/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * calls.h - calls out of the daemon, to who is told (ops/alerts.h) and to what mends (ops/recovery.h): a POST to a
 * node of a pool, or a program.
 *
 *   control: sl_calls_start() --pool--> a fiber of the control loop, an upstream engine of its own --+
 *                             --exec--> a thread of its own, io/process.h ---------------------------+--> done()
 *
 * At most SL_CALLS_MAX at once; one that hangs keeps its place until its time-out, and nobody else waits. No
 * thread that serves requests has to do with it.
 *
 * Thread: control.
 */
#ifndef SL_OPS_CALLS_H
#define SL_OPS_CALLS_H

#include "user/base/text.h"
#include "user/request/routes.h"

#define SL_CALLS_MAX	     16u
#define SL_CALL_RESULT_BYTES 192u
#define SL_CALL_ENV_BYTES    4096u

struct sl_calls;

struct sl_call_result {
	bool ok;
	bool timed_out;
	uint32_t took_ms;
	int status; /* a program's, that ended by itself; else -1 */
	char text
		[SL_CALL_RESULT_BYTES]; /* "exit 0: restarted", "status 503", one line, printable */
	char last[SL_CALL_RESULT_BYTES]; /* the last line that a program said, printable */
};

/* A call's environment: NAME=VALUE, each ended by NUL; what does not fit is left out. */
struct sl_call_env {
	char bytes[SL_CALL_ENV_BYTES];
	uint32_t len, count;
};

void sl_call_env_add(struct sl_call_env *env, const char *name, const char *value);

int sl_calls_open(struct sl_loop *loop, const struct sl_upstream_state *state,
		  struct sl_calls **ret_calls);

/*
 * what: of the configuration of `routes`, of which a reference is taken. The body is copied. done comes later,
 * once, on the control thread. Returns 0, -EAGAIN (too many) or -ENOMEM: then it does not come.
 */
int sl_calls_start(struct sl_calls *calls, struct sl_routes *routes,
		   const struct sl_config_call *what, struct sl_span body,
		   const struct sl_call_env *env,
		   void (*done)(void *owner, const struct sl_call_result *result), void *owner);

/* The one of that owner, where it is under way, ends as by its time-out: a program is killed. */
void sl_calls_cancel(struct sl_calls *calls, const void *owner);

/* Those under way end as cancelled; turns the loop until none is left (bounded). */
void sl_calls_stop(struct sl_calls *calls);
void sl_calls_close(struct sl_calls **calls);

#endif
