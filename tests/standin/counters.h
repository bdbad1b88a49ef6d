/* What a worker counts.
 *
 * Threads: each worker writes its own set, anyone reads: an increment is a relaxed load and store,
 * not a locked instruction. Sums over the workers are exact once these are quiet.
 */
#ifndef TESTS_STANDIN_COUNTERS_H
#define TESTS_STANDIN_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

enum sl_path {
	SL_PATH_OTHER,
	SL_PATH_CHAT,
	SL_PATH_COMPLETIONS,
	SL_PATH_EMBEDDINGS,
	SL_PATH_TOKENIZE,
	SL_PATH_MESSAGES,
	SL_PATH_MODELS,
	SL_PATH_HEALTH,
	SL_PATH_METRICS,
	SL_PATH_COUNT
};

/* The statuses that are told apart; 0 stands for a request that got no status line. */
#define SL_STATUSES(X)                            \
	X(0, "None")                              \
	X(200, "OK")                              \
	X(400, "Bad Request")                     \
	X(401, "Unauthorized")                    \
	X(404, "Not Found")                       \
	X(405, "Method Not Allowed")              \
	X(413, "Content Too Large")               \
	X(429, "Too Many Requests")               \
	X(431, "Request Header Fields Too Large") \
	X(500, "Internal Server Error")           \
	X(502, "Bad Gateway")                     \
	X(503, "Service Unavailable")             \
	X(529, "Overloaded")

enum sl_status_index {
#define X(status, reason) SL_STATUS_INDEX_##status,
	SL_STATUSES(X)
#undef X
		SL_STATUS_INDEX_COUNT
};

typedef _Atomic uint64_t sl_counter;

struct sl_counters {
	sl_counter requests[SL_PATH_COUNT][SL_STATUS_INDEX_COUNT];
	sl_counter connections;
	sl_counter connections_closed;
	sl_counter client_gone;
	sl_counter prompt_tokens;
	sl_counter generation_tokens;
	sl_counter finished_stop;
	sl_counter finished_length;
};

static inline void sl_count(sl_counter *counter, uint64_t more)
{
	uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, value + more, memory_order_relaxed);
}

#endif
