/* Faults: their names, one request's fault, and the faults that are live for everyone.
 *
 * A request's own fault (header, then body field) comes before the live ones. Of the live ones the
 * first that applies is taken, in the order they were added: each has a share of the requests it
 * hits, and a count of hits after which it is over.
 * Threads: the set is shared; one atomic load a request while it is empty, a mutex otherwise.
 */
#ifndef TESTS_STANDIN_FAULT_H
#define TESTS_STANDIN_FAULT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/standin/json.h"

/* name, enum, whether an argument is taken, its default, the status it answers (0: another way) */
#define SL_FAULTS(X)                                   \
	X("none", NONE, 0, 0, 0)                       \
	X("refuse", REFUSE, 0, 0, 0)                   \
	X("reset-before", RESET_BEFORE, 0, 0, 0)       \
	X("reset-headers", RESET_HEADERS, 0, 0, 0)     \
	X("hang", HANG, 0, 0, 0)                       \
	X("hang-headers", HANG_HEADERS, 0, 0, 0)       \
	X("slow-first", SLOW_FIRST, 1, 1000, 0)        \
	X("slow-token", SLOW_TOKEN, 1, 100, 0)         \
	X("stall", STALL, 1, 3, 0)                     \
	X("keepalive-stall", KEEPALIVE_STALL, 1, 3, 0) \
	X("cut", CUT, 1, 3, 0)                         \
	X("rst", RST, 1, 3, 0)                         \
	X("clean-cut", CLEAN_CUT, 1, 3, 0)             \
	X("bad-chunk", BAD_CHUNK, 1, 3, 0)             \
	X("bad-event", BAD_EVENT, 1, 3, 0)             \
	X("error-event", ERROR_EVENT, 1, 3, 0)         \
	X("no-done", NO_DONE, 0, 0, 0)                 \
	X("429", STATUS_429, 0, 0, 429)                \
	X("429-retry", STATUS_429_RETRY, 1, 1, 429)    \
	X("429-quota", QUOTA, 0, 0, 429)               \
	X("500", STATUS_500, 0, 0, 500)                \
	X("502", STATUS_502, 0, 0, 502)                \
	X("503", STATUS_503, 0, 0, 503)                \
	X("503-retry", STATUS_503_RETRY, 1, 1, 503)    \
	X("529", STATUS_529, 0, 0, 529)                \
	X("400-context", CONTEXT, 0, 0, 400)           \
	X("400-policy", POLICY, 0, 0, 400)             \
	X("400-prefill", PREFILL, 0, 0, 400)           \
	X("401", STATUS_401, 0, 0, 401)                \
	X("huge-headers", HUGE_HEADERS, 0, 0, 0)       \
	X("bad-length", BAD_LENGTH, 0, 0, 0)           \
	X("short-length", SHORT_LENGTH, 0, 0, 0)       \
	X("health-lies", HEALTH_LIES, 0, 0, 500)       \
	X("health-down", HEALTH_DOWN, 0, 0, 0)         \
	X("empty", EMPTY, 0, 0, 0)                     \
	X("html", HTML, 0, 0, 0)                       \
	X("wrong-model", WRONG_MODEL, 0, 0, 0)         \
	X("close-idle", CLOSE_IDLE, 0, 0, 0)

enum sl_fault_kind {
#define X(name, kind, has_arg, arg, status) SL_FAULT_##kind,
	SL_FAULTS(X)
#undef X
		SL_FAULT_KIND_COUNT
};

struct sl_fault {
	enum sl_fault_kind kind;
	int64_t arg; /* tokens, milliseconds or seconds: see the README's table */
};

enum { SL_FAULT_LIVE_MAX = 16 };

struct sl_fault_live {
	struct sl_fault fault;
	int64_t left; /* hits until it is over; -1: never */
	double share; /* of the requests, 0 to 1 */
	uint64_t hits;
};

struct sl_fault_set {
	pthread_mutex_t lock;
	_Atomic unsigned int count; /* read without the lock to learn that there is none */
	struct sl_fault_live live[SL_FAULT_LIVE_MAX];
	uint64_t dice;
	_Atomic uint64_t hits[SL_FAULT_KIND_COUNT];
};

void sl_fault_set_init(struct sl_fault_set *set, uint64_t seed);

/* Reads NAME[:ARG]. 0; -EINVAL: no such name, or an argument where none belongs or that is bad. */
int sl_fault_parse(struct sl_str text, struct sl_fault *ret_fault);

const char *sl_fault_name(enum sl_fault_kind kind);

/* The HTTP status a fault answers with; 0 when it shows in another way. */
int sl_fault_status(enum sl_fault_kind kind);

/* Adds a live fault. 0; -ENOSPC: SL_FAULT_LIVE_MAX are live already. */
int sl_fault_add(struct sl_fault_set *set, struct sl_fault fault, int64_t count, double share);

/* Ends all live faults. */
void sl_fault_clear(struct sl_fault_set *set);

/* Draws the live fault for one request; health asks only for the faults of health checks, and an
 * inference request for all others. Takes one off its count. */
struct sl_fault sl_fault_draw(struct sl_fault_set *set, bool health);

/* Counts a fault that strikes. */
void sl_fault_count(struct sl_fault_set *set, enum sl_fault_kind kind);

#endif
