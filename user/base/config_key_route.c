/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys of routes, but for those of their stages. */
#include "user/base/config_key_rows.h"

#define ROUTE(member)	     offsetof(struct sl_config_route, member)
#define CAUSE(cause)	     offsetof(struct sl_config_route, chains[SL_CAUSE_##cause])
#define ROUTE_BUDGET(period) ROUTE(budget.period)
#define CHAIN_EXPECTED	     "a pool's name, or a list of up to 8"

static const char *const resume_choices[] = {"off", "auto", NULL};
static const char *const hedge_choices[] = {"off", "p50", "p75", "p90", "p95", "p98", "p99", NULL};

static const struct sl_config_key keys[] = {
	{SL_CONFIG_ROUTE, SL_CONFIG_MODEL, "model", ROUTE(model), NULL, 0, SL_CONFIG_MODEL_MAX,
	 NULL, true, "a model's name", "The name clients ask for, listed by `GET /v1/models`."},
	{SL_CONFIG_ROUTE, SL_CONFIG_CHAIN, "pools", ROUTE(chains), NULL, 1, SL_CONFIG_CHAIN_MAX,
	 NULL, true, "a pool's name, or a list of up to 8",
	 "The pool that serves the model, then its fallbacks in order."},
	{SL_CONFIG_ROUTE, SL_CONFIG_SECTION_MAP, "fallbacks", 0, NULL, SL_CONFIG_ROUTE_FALLBACKS, 0,
	 NULL, false, "a map",
	 "Pools to turn to for a certain cause, instead of the next one of `pools`."},
	{SL_CONFIG_ROUTE, SL_CONFIG_SECTION_MAP, "timeouts", 0, NULL, SL_CONFIG_ROUTE_TIMEOUTS, 0,
	 NULL, false, "a map", "How long nodes are waited for."},
	{SL_CONFIG_ROUTE, SL_CONFIG_SECTION_MAP, "limits", 0, NULL, SL_CONFIG_ROUTE_LIMITS, 0, NULL,
	 false, "a map",
	 "What all clients together may use of the model; over it the answer is 429."},
	{SL_CONFIG_ROUTE, SL_CONFIG_SECTION_MAP, "cache", 0, NULL, SL_CONFIG_ROUTE_CACHE, 0, NULL,
	 false, "a map", "Whether an answer may be given again to who asks the same."},
	{SL_CONFIG_ROUTE, SL_CONFIG_SECTION_MAP, "hedge", 0, NULL, SL_CONFIG_ROUTE_HEDGE, 0, NULL,
	 false, "a map", "Whether a second node is asked as well when the first one is slow."},
	{SL_CONFIG_ROUTE, SL_CONFIG_CHOICE, "resume", ROUTE(resume), "auto", 0, 0, resume_choices,
	 false, NULL,
	 "Streams that break after their first token. `auto`: they go on, on another node, where "
	 "the "
	 "client cannot tell (failure-modes.md says when). `off`: they end with an error event, "
	 "and "
	 "no stream keeps its text and request."},
	{SL_CONFIG_ROUTE, SL_CONFIG_SECTION_MAP, "buffer", 0, NULL, SL_CONFIG_ROUTE_BUFFER, 0, NULL,
	 false, "a map", "How much of a stream is held back, so that a break is not seen."},
	{SL_CONFIG_ROUTE, SL_CONFIG_SECTION_MAP, "queue", 0, NULL, SL_CONFIG_ROUTE_QUEUE, 0, NULL,
	 false, "a map", "How long requests wait for a place, or for a node to come back."},
	{SL_CONFIG_ROUTE, SL_CONFIG_U32, "attempts", ROUTE(attempts_max), "4", 1, 32, NULL, false,
	 NULL,
	 "Attempts over the whole chain, the first included. Four pass over a dead node and a "
	 "dead pool without multiplying an overload."},
	{SL_CONFIG_ROUTE, SL_CONFIG_MS, "backoff", ROUTE(backoff_ms), "25ms", 0, 60000, NULL, false,
	 NULL,
	 "Bound of the first wait before a retry; doubles each time, with full jitter. Short: "
	 "the retry goes to another node."},
	{SL_CONFIG_ROUTE, SL_CONFIG_MS, "backoff_max", ROUTE(backoff_max_ms), "1s", 0, 600000, NULL,
	 false, NULL, "Longest bound of that wait."},

	{SL_CONFIG_ROUTE_FALLBACKS, SL_CONFIG_CHAIN, "ttft", CAUSE(TTFT), NULL, 1,
	 SL_CONFIG_CHAIN_MAX, NULL, false, CHAIN_EXPECTED,
	 "A stream's first token did not come in time, on any node that was asked."},
	{SL_CONFIG_ROUTE_FALLBACKS, SL_CONFIG_CHAIN, "total", CAUSE(TOTAL), NULL, 1,
	 SL_CONFIG_CHAIN_MAX, NULL, false, CHAIN_EXPECTED,
	 "A whole answer did not come within the time of an attempt (timeouts.attempt)."},
	{SL_CONFIG_ROUTE_FALLBACKS, SL_CONFIG_CHAIN, "context_length", CAUSE(CONTEXT_LENGTH), NULL,
	 1, SL_CONFIG_CHAIN_MAX, NULL, false, CHAIN_EXPECTED,
	 "The server says that the prompt is too long: a model with a larger context. Without it "
	 "the client gets the server's 400."},
	{SL_CONFIG_ROUTE_FALLBACKS, SL_CONFIG_CHAIN, "content_policy", CAUSE(CONTENT_POLICY), NULL,
	 1, SL_CONFIG_CHAIN_MAX, NULL, false, CHAIN_EXPECTED,
	 "The server refuses the content. Without it, as it should mostly be, the client gets "
	 "that refusal."},
	{SL_CONFIG_ROUTE_FALLBACKS, SL_CONFIG_CHAIN, "quota", CAUSE(QUOTA), NULL, 1,
	 SL_CONFIG_CHAIN_MAX, NULL, false, CHAIN_EXPECTED,
	 "The server says that its account is used up (402, insufficient_quota): without it that "
	 "is a busy server. Also where a budget of the caller's is too small for the first of "
	 "`pools` and large enough for the first of these: without it that is 429."},
	{SL_CONFIG_ROUTE_FALLBACKS, SL_CONFIG_CHAIN, "breaker_open", CAUSE(BREAKER_OPEN), NULL, 1,
	 SL_CONFIG_CHAIN_MAX, NULL, false, CHAIN_EXPECTED,
	 "The pool has no node that may be asked: breakers open, drained, left alone after "
	 "Retry-After, or without a place for as long as `queue` allows to wait."},

	{SL_CONFIG_ROUTE_LIMITS, SL_CONFIG_U32, "requests_per_minute",
	 ROUTE(rates.requests_per_minute), "0", 0, SL_RATE_MAX, NULL, false, NULL,
	 "Requests in a minute, of all clients of the route together. As many may come at once; "
	 "from then on they come one by one. 0: no limit."},
	{SL_CONFIG_ROUTE_LIMITS, SL_CONFIG_U32, "tokens_per_minute", ROUTE(rates.tokens_per_minute),
	 "0", 0, SL_RATE_MAX, NULL, false, NULL,
	 "Tokens in a minute, of prompts and answers. 0: no limit."},
	{SL_CONFIG_ROUTE_LIMITS, SL_CONFIG_U32, "concurrent", ROUTE(rates.concurrent), "0", 0,
	 SL_RATE_MAX, NULL, false, NULL, "Requests and streams under way at once. 0: no limit."},
	BUDGETS(SL_CONFIG_ROUTE_LIMITS, ROUTE_BUDGET),

	{SL_CONFIG_ROUTE_CACHE, SL_CONFIG_MS, "ttl", ROUTE(cache_ttl_ms), "0", 0, DAY_MS, NULL,
	 false, NULL,
	 "An answer is given again for this long. 0: no cache and no sharing, for a model may be "
	 "asked for something new."},
	{SL_CONFIG_ROUTE_CACHE, SL_CONFIG_CHOICE, "sampled", ROUTE(cache_sampled), "false", 0, 0,
	 sl_config_bools, false, NULL,
	 "Also requests that ask for chance: no `seed`, and a `temperature` other than 0 (none is "
	 "the server's own, so chance too). Who asks twice then gets one answer twice."},
	{SL_CONFIG_ROUTE_CACHE, SL_CONFIG_CHOICE, "length", ROUTE(cache_length), "false", 0, 0,
	 sl_config_bools, false, NULL,
	 "Also answers that ended at `max_tokens` (finish_reason `length`)."},
	{SL_CONFIG_ROUTE_CACHE, SL_CONFIG_BYTES, "answer", ROUTE(cache_answer_bytes_max), "256KiB",
	 1024, 64u << 20, NULL, false, NULL,
	 "Largest answer that is kept; each stream of the route holds up to as much while it "
	 "runs. At most a 64th of `cache.memory` counts."},

	{SL_CONFIG_ROUTE_HEDGE, SL_CONFIG_CHOICE, "after", ROUTE(hedge_after), "off", 0, 0,
	 hedge_choices, false, NULL,
	 "Once an attempt has taken longer than that percentile of the pool's times to the first "
	 "token, another node gets the request as well, and the first to answer counts. `off`: a "
	 "prompt that is worked on twice must be asked for."},
	{SL_CONFIG_ROUTE_HEDGE, SL_CONFIG_MS, "min", ROUTE(hedge_min_ms), "100ms", 0, HOUR_MS, NULL,
	 false, NULL, "Never before that: where all are fast nobody gains by it."},
	{SL_CONFIG_ROUTE_HEDGE, SL_CONFIG_CHOICE, "whole", ROUTE(hedge_whole), "true", 0, 0,
	 sl_config_bools, false, NULL,
	 "Also answers that are no streams, by the times of whole answers. These tell of their "
	 "length as well as of the node: with answers of very different lengths, `false` keeps "
	 "the budget for the streams."},

	{SL_CONFIG_ROUTE_QUEUE, SL_CONFIG_MS, "wait", ROUTE(queue_wait_ms), "30s", 0, DAY_MS, NULL,
	 false, NULL,
	 "Longest wait for a place, in all pools together (`pools.NAME.slots`); the request's "
	 "deadline counts too. Whose wait would be longer by the pool's pace is answered 503 at "
	 "once, "
	 "with the time in Retry-After. 0: no wait."},
	{SL_CONFIG_ROUTE_QUEUE, SL_CONFIG_MS, "spill", ROUTE(queue_spill_ms), "1s", 0, DAY_MS, NULL,
	 false, NULL,
	 "Longest wait for a place in a pool that has others behind it in the route; then the next "
	 "one is asked (cause breaker_open)."},
	{SL_CONFIG_ROUTE_QUEUE, SL_CONFIG_MS, "hold", ROUTE(queue_hold_ms), "5s", 0, DAY_MS, NULL,
	 false, NULL,
	 "Longest wait for a node where no pool of the route has one: all breakers open, drained, "
	 "or "
	 "no connection could be made. Long enough for a server's quick restart. 0: the failure is "
	 "told at once."},
	{SL_CONFIG_ROUTE_QUEUE, SL_CONFIG_MS, "keepalive", ROUTE(queue_keepalive_ms), "0", 0,
	 DAY_MS, NULL, false, NULL,
	 "A streaming request that waits gets the head of its answer, status 200, after this long, "
	 "and "
	 "a comment as often, so that no proxy takes it for dead. A failure after that is an event "
	 "in "
	 "the stream. 0: none."},

	{SL_CONFIG_ROUTE_BUFFER, SL_CONFIG_BYTES, "bytes", ROUTE(buffer_bytes), "0", 0, 768u << 10,
	 NULL, false, NULL,
	 "A stream goes out with so many bytes of its events (some 200 a token), or when it is "
	 "whole; "
	 "one that breaks before is tried elsewhere like any request. 0: at once."},
	{SL_CONFIG_ROUTE_BUFFER, SL_CONFIG_MS, "time", ROUTE(buffer_ms), "1s", 1, DAY_MS, NULL,
	 false, NULL,
	 "Or so long after its first token, which is what it costs the client at most."},

	{SL_CONFIG_ROUTE_TIMEOUTS, SL_CONFIG_MS, "connect", ROUTE(connect_timeout_ms), "1s", 1,
	 60000, NULL, false, NULL,
	 "A TCP connection must stand by then. Nodes are near; one repeat of a lost SYN fits."},
	{SL_CONFIG_ROUTE_TIMEOUTS, SL_CONFIG_MS, "ttft", ROUTE(ttft_timeout_ms), "30s", 1, DAY_MS,
	 NULL, false, NULL,
	 "First token of a stream: the server's queue and the prefill of a short prompt."},
	{SL_CONFIG_ROUTE_TIMEOUTS, SL_CONFIG_MS, "ttft_per_1k_tokens", ROUTE(ttft_per_1k_tokens_ms),
	 "500ms", 0, DAY_MS, NULL, false, NULL,
	 "Added to ttft for every 1,000 tokens of the prompt (estimated from its length): prefill "
	 "takes time in proportion, and a long prompt must not look like a sick node."},
	{SL_CONFIG_ROUTE_TIMEOUTS, SL_CONFIG_MS, "attempt", ROUTE(attempt_timeout_ms), "0", 0,
	 DAY_MS, NULL, false, NULL,
	 "One attempt at a whole answer (not a stream) while another could follow; 0: half of what "
	 "is left of total, so that one silent node does not spend it all."},
	{SL_CONFIG_ROUTE_TIMEOUTS, SL_CONFIG_MS, "inter_token", ROUTE(inter_token_timeout_ms),
	 "10s", 1, DAY_MS, NULL, false, NULL,
	 "Longest gap between two tokens of a stream; keep-alive comments do not count. A healthy "
	 "server needs milliseconds, a preempted request seconds."},
	{SL_CONFIG_ROUTE_TIMEOUTS, SL_CONFIG_MS, "total", ROUTE(total_timeout_ms), "300s", 1,
	 DAY_MS, NULL, false, NULL,
	 "The request's deadline: queue, retries and fallbacks together. At 30 tokens a second it "
	 "allows an answer of 9,000."},
};

const struct sl_config_key_table sl_config_keys_route = SL_CONFIG_KEY_TABLE(keys);
