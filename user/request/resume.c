/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/resume_native.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/policy/failover.h"
#include "user/request/explain.h"
#include "user/request/translate.h"
#include "user/request/plan.h"
#include "user/request/wait.h"
#include "user/wire/messages_continue.h"
#include "user/wire/openai_continue.h"

#define CROWDED_WAIT_MIN_MS 5u /* between two questions for a place among the retries */
#define UNWANTED_WAIT_MS \
	25u /* until the queue is asked again, when it gave a node that fell silent */

/* One search for a node. */
struct search {
	struct sl_relay *relay;
	struct sl_resume *resume;
	struct sl_request *request;
	struct sl_span body; /* of the client */
	const struct sl_upstream_pool *pool;
	enum sl_failover way;
	uint32_t tried[SL_CHOOSE_TRIED_MAX];
	uint32_t tried_count;
	uint32_t failures;		     /* attempts of this search */
	bool fresh_pool;		     /* nobody of it was asked yet */
	bool refused;			     /* the rest, by a server */
	const struct sl_upstream_pool *full; /* the first whose nodes had no place; NULL: none */
	enum sl_resumption why;		     /* it came to nothing; the first reason that is one */
};

static uint64_t now_of(const struct sl_relay *relay)
{
	return sl_loop_now_ns(relay->worker->loop);
}

/* ---- what is kept ---------------------------------------------------------------------------- */

static bool same_model(const struct sl_upstream_pool *a, const struct sl_upstream_pool *b)
{
	return a == b ||
	       (a->model_json_len == b->model_json_len &&
		(!a->model_json_len || !memcmp(a->model_json, b->model_json, a->model_json_len)));
}

static bool may_continue(const struct sl_resume_ways *ways, const struct sl_upstream_pool *pool)
{
	return sl_resume_native_is(ways, pool) ? ways->may_continue_native : ways->may_continue;
}

/* The pools that may be asked, that of the stream first. Returns how many. */
static uint32_t pools_of(const struct sl_resume_ways *ways, const struct sl_route *route,
			 const struct sl_upstream_pool *pools[SL_CONFIG_CHAIN_MAX])
{
	const struct sl_route_chain *chain = &route->chains[SL_CAUSE_ERROR];
	const struct sl_upstream_pool *first = ways->pool;
	uint32_t i = 0, count = 0;

	pools[count++] = first;
	while (i < chain->len && chain->pools[i] != first)
		i++;
	for (i++; i < chain->len && count < SL_CONFIG_CHAIN_MAX; i++) {
		if (same_model(first, chain->pools[i]) &&
		    !(ways->untold && !sl_resume_native_is(ways, chain->pools[i])))
			pools[count++] = chain->pools[i];
	}
	return count;
}

/* Is there another node, and a way to go on there? */
static bool is_possible(const struct sl_resume_ways *ways, const struct sl_route *route)
{
	const struct sl_upstream_pool *pools[SL_CONFIG_CHAIN_MAX];
	uint32_t i, count = pools_of(ways, route, pools);
	uint32_t nodes = 0;
	bool rest = false;

	for (i = 0; i < count; i++) {
		nodes += pools[i]->node_count;
		rest = rest || (pools[i]->takes_rest && may_continue(ways, pools[i]));
	}
	return nodes > 1 && (ways->same_again || rest);
}

/* What can never go on elsewhere; asked for every stream, so nothing is read for it. */
static bool is_barred(const struct sl_request *request)
{
	const struct sl_openai_request *facts = &request->facts;

	return !request->route->config->resume || facts->n > 1 || facts->logprobs ||
	       facts->body_len > SL_RESUME_BODY_BYTES_MAX ||
	       (facts->endpoint != SL_OPENAI_CHAT && facts->endpoint != SL_OPENAI_COMPLETIONS);
}

/* False: there is none. The request is read only where it decides. */
static bool find_ways(const struct sl_request *request, const struct sl_exchange *client,
		      struct sl_resume_ways *ret_ways)
{
	const struct sl_openai_request *facts = &request->facts;
	struct sl_resume_ways ways = {
		.pool = request->last_pool,
		.native = request->direct,
		.untold = request->untold.id != SL_OPENAI_OK,
		.same_again = facts->has_seed || facts->temperature == 0,
		.may_continue = true,
		.may_continue_native = true,
	};

	if (is_barred(request) || !is_possible(&ways, request->route))
		return false;
	ways.may_continue = !ways.untold && sl_openai_continue_may(facts);
	ways.may_continue_native =
		ways.native && sl_messages_continue_may(client->body, client->body_len);
	*ret_ways = ways;
	return is_possible(&ways, request->route);
}

struct sl_resume *sl_resume_new(struct sl_request *request, const struct sl_exchange *client)
{
	struct sl_resume_ways ways;
	struct sl_resume *resume;

	if (!find_ways(request, client, &ways))
		return NULL;
	resume = calloc(1, sizeof(*resume));
	if (!resume)
		return NULL;
	resume->ways = ways;
	sl_splice_init(&resume->splice);
	sl_text_init(&resume->fault, SL_RESUME_FAULT_BYTES_MAX);
	sl_text_init(&resume->cause, SL_RESUME_CAUSE_BYTES_MAX);
	if (ways.native && sl_resume_native_init(resume)) {
		free(resume);
		return NULL;
	}
	resume->chat = request->chat;
	sl_text_init(&request->chat, SL_TRANSLATE_BYTES_MAX);
	resume->endpoint = request->facts.endpoint;
	resume->attempts = request->attempts;
	resume->lost = SL_RESUMPTION_UNTOLD; /* by a stream that goes on already */
	return resume;
}

void sl_resume_free(struct sl_resume **resume)
{
	struct sl_resume *old = *resume;

	*resume = NULL;
	if (!old)
		return;
	sl_splice_fini(&old->splice);
	sl_attempt_free_decoder(&old->passed);
	sl_text_fini(&old->chat);
	sl_text_fini(&old->fault);
	sl_text_fini(&old->cause);
	free(old);
}

void sl_resume_lose(struct sl_relay *relay, enum sl_resumption why)
{
	struct sl_resume *resume = relay->resume;

	resume->lost = why;
	sl_splice_fini(&resume->splice);
	sl_text_fini(&resume->chat);
	if (relay->client)
		sl_server_release_request(relay->client);
}

const char *sl_resume_word(enum sl_resumption why)
{
	static const char *const words[SL_RESUMPTIONS] = {
		[SL_RESUMPTION_CONTINUED] = "continued", [SL_RESUMPTION_RESTARTED] = "restarted",
		[SL_RESUMPTION_TOO_LONG] = "too_long",	 [SL_RESUMPTION_UNTOLD] = "untold",
		[SL_RESUMPTION_CHANCE] = "chance",	 [SL_RESUMPTION_NO_NODE] = "no_node",
		[SL_RESUMPTION_ATTEMPTS] = "attempts",	 [SL_RESUMPTION_BUDGET] = "budget",
		[SL_RESUMPTION_REFUSED] = "refused",	 [SL_RESUMPTION_DIFFERS] = "differs",
		[SL_RESUMPTION_DEADLINE] = "deadline",	 [SL_RESUMPTION_MEMORY] = "memory",
		[SL_RESUMPTION_QUEUE] = "queue",
	};

	return words[why];
}

void sl_resume_count(struct sl_relay *relay, enum sl_resumption why)
{
	struct sl_route_stats *stats =
		sl_stats_route(&relay->worker->stats, relay->route->stats_index);

	if (stats)
		sl_stats_add(&stats->resumptions[why], 1);
}

/* ---- one attempt ----------------------------------------------------------------------------- */

static enum sl_failover way_of(const struct search *search)
{
	const struct sl_resume *resume = search->resume;
	const struct sl_splice *splice = &resume->splice;
	struct sl_failover_facts facts = {
		.may_continue = may_continue(&resume->ways, search->pool),
		.takes_rest = search->pool->takes_rest && !search->refused,
		.same_again = resume->ways.same_again,
		.text_only = splice->sent[SL_SPLICE_CONTENT].len == splice->sent_bytes,
		.finished = sl_splice_has(splice, SL_SPLICE_FINISH),
		.nothing_sent = !splice->sent_bytes,
	};

	return sl_failover_choose(&facts);
}

/* What the request is about from now on: body is the client's own, or one for the rest. */
static int read_facts(struct sl_request *request, enum sl_openai_endpoint endpoint,
		      struct sl_span body)
{
	return sl_openai_request_read(endpoint, body.data, body.len, &request->facts,
				      &request->error)
		       ? -EINVAL
		       : 0;
}

/* rest: gets the body where it is not the client's own. */
static int make_body(struct search *search, struct sl_text *rest)
{
	struct sl_request *request = search->request;
	struct sl_resume *resume = search->resume;
	const char *text = sl_text_string(&resume->splice.sent[SL_SPLICE_CONTENT]);
	uint64_t tokens = search->relay->tokens;
	bool trim = resume->endpoint == SL_OPENAI_CHAT;
	int rc = read_facts(request, resume->endpoint, search->body);
	size_t len;

	sl_translate_forget(request);
	request->rest = (struct sl_span){0};
	if (rc || search->way == SL_FAILOVER_RESTART)
		return rc;
	len = sl_splice_begin(&resume->splice, SL_SPLICE_CONTINUE, trim, tokens);
	if (sl_resume_native_is(&resume->ways, search->pool)) {
		rc = sl_messages_continue_write(request->client->body, request->client->body_len,
						&(struct sl_messages_continue){text, len, tokens},
						rest);
		request->rest = sl_text_span(rest);
		return rc;
	}
	rc = sl_openai_continue_write(
		&request->facts,
		&(struct sl_openai_continue){.text = text, .text_len = len, .tokens = tokens},
		rest);
	return rc ? rc : read_facts(request, resume->endpoint, sl_text_span(rest));
}

static void give_back(struct search *search, const struct sl_upstream_grant *grant)
{
	struct sl_upstream *up = &search->relay->worker->upstream;

	sl_upstream_report(up, grant->node, grant->ticket, SL_OUTCOME_NEUTRAL, SL_SIGNAL_NONE);
	sl_upstream_release(up, grant->node);
}

static enum sl_ending try_node(struct search *search, const struct sl_upstream_grant *grant)
{
	struct sl_request *request = search->request;
	struct sl_worker *worker = request->worker;
	struct sl_attempt_plan plan;
	enum sl_ending ending;
	struct sl_text rest;
	int rc;

	sl_text_init(&rest, SL_RESUME_BODY_BYTES_MAX + 8 * SL_SPLICE_BYTES_MAX);
	rc = make_body(search, &rest);
	if (!rc)
		rc = sl_plan_make(request, search->pool, grant->node, false, &plan);
	if (rc) {
		sl_text_fini(&rest);
		give_back(search, grant);
		/* -ENOTSUP: max_tokens is used up; as good as a refusal */
		return rc == -ENOTSUP ? SL_ENDING_STATUS_4XX : SL_ENDING_LOCAL;
	}
	plan.gone = &search->resume->gone;
	plan.buffer_bytes = 0; /* the client has waited in the middle of a sentence */
	search->resume->attempts++;
	sl_explain_attempt(request, search->pool, grant, plan.number);
	search->relay->trail.attempt_number = plan.number;
	ending = sl_attempt_run(&request->attempt, grant, &plan);
	sl_explain_ending(request, search->pool, &request->attempt, ending);
	sl_text_fini(&rest);
	sl_stats_add(&worker->stats.attempts[search->pool->slot][ending], 1);
	if (ending == SL_ENDING_OK && !request->attempt.is_stream)
		ending = SL_ENDING_BAD; /* a whole answer to who asked for a stream */
	if (ending == SL_ENDING_OK)
		sl_upstream_retry_earn(&worker->upstream, search->pool);
	return ending;
}

/* ---- the search ------------------------------------------------------------------------------ */

enum step { STEP_FOUND, STEP_AGAIN, STEP_NEXT_POOL, STEP_STOP };

static void note_why(struct search *search, enum sl_resumption why)
{
	if (search->why == SL_RESUMPTION_NO_NODE)
		search->why = why;
}

static void note_slot(uint32_t slots[SL_CHOOSE_TRIED_MAX], uint32_t *count, uint32_t slot)
{
	if (*count == SL_CHOOSE_TRIED_MAX) {
		memmove(slots, slots + 1, (SL_CHOOSE_TRIED_MAX - 1) * sizeof(slots[0]));
		(*count)--;
	}
	slots[(*count)++] = slot;
}

/* False: the deadline has passed, or the client has left. */
static bool wait_ms(struct search *search, uint64_t ms)
{
	struct sl_relay *relay = search->relay;
	uint64_t now_ns = now_of(relay);

	if (now_ns < relay->deadline_ns && ms > (relay->deadline_ns - now_ns) / SL_NS_PER_MS)
		ms = (relay->deadline_ns - now_ns) / SL_NS_PER_MS;
	if (ms && now_ns < relay->deadline_ns)
		sl_fiber_sleep(relay->worker->loop, ms);
	if (search->resume->gone)
		return false;
	if (now_of(relay) < relay->deadline_ns)
		return true;
	search->why = SL_RESUMPTION_DEADLINE;
	return false;
}

/* A place in the pool's retry budget; those that stand in line are let past for a moment. */
static enum sl_retry_verdict take_permit(struct search *search)
{
	struct sl_upstream *up = &search->relay->worker->upstream;
	const struct sl_resume *resume = search->resume;
	struct sl_upstream_node *failed =
		search->failures ? search->request->attempt.node : resume->failed;
	enum sl_retry_verdict verdict;

	/* as everywhere: the first attempt in a pool behind is no retry of that pool */
	if (search->pool != resume->ways.pool && search->fresh_pool)
		return SL_RETRY_MOVED;
	for (;;) {
		verdict = sl_upstream_retry_take(up, search->pool, failed, search->tried,
						 search->tried_count);
		if (verdict != SL_RETRY_CROWDED)
			break;
		if (!wait_ms(search, CROWDED_WAIT_MIN_MS +
					     sl_random_u32(&up->random) % CROWDED_WAIT_MIN_MS))
			break;
	}
	if (verdict <= SL_RETRY_CROWDED && !resume->gone) {
		sl_stats_add(
			&search->relay->worker->stats.retries_refused[search->pool->slot][verdict],
			1);
		note_why(search, SL_RESUMPTION_BUDGET);
	}
	return verdict;
}

/* What comes of an attempt that did not bring a stream. */
static enum step judge(struct search *search, struct sl_upstream_node *node, enum sl_ending ending)
{
	const struct sl_outcome_rule *rule = sl_outcome_of(ending);
	const struct sl_attempt *attempt = &search->request->attempt;

	if (search->resume->gone)
		return STEP_STOP;
	search->failures++;
	if (ending == SL_ENDING_STATUS_4XX && search->way == SL_FAILOVER_CONTINUE) {
		search->refused = true; /* the node is well: it may still be asked for the whole */
		search->tried_count--;
		note_why(search, SL_RESUMPTION_REFUSED);
		return STEP_AGAIN;
	}
	if (!rule->retry) {
		note_why(search, SL_RESUMPTION_REFUSED);
		return STEP_STOP;
	}
	if (ending == SL_ENDING_BUSY && attempt->retry_after_ms > 0)
		sl_upstream_hold(&search->relay->worker->upstream, node,
				 (uint64_t)attempt->retry_after_ms);
	return STEP_AGAIN;
}

/* again: also a node whose stream broke, unless it fell silent. */
static enum step try_once(struct search *search, bool again)
{
	struct sl_resume *resume = search->resume;
	struct sl_upstream *up = &search->relay->worker->upstream;
	struct sl_upstream_grant grant;
	bool queued = search->request->granted.node != NULL;
	enum sl_ending ending;

	grant = search->request->granted;
	search->request->granted.node = NULL;
	if (!grant.node)
		grant = sl_upstream_acquire(up, search->pool, search->tried, search->tried_count,
					    false);
	if (!grant.node) {
		if (grant.full && !search->full)
			search->full = search->pool;
		return STEP_NEXT_POOL;
	}
	if (sl_choose_is_among(search->tried, search->tried_count, grant.node->slot) &&
	    (!again ||
	     sl_choose_is_among(resume->silent, resume->silent_count, grant.node->slot))) {
		give_back(search, &grant);
		if (queued && wait_ms(search, UNWANTED_WAIT_MS))
			search->full = search->pool;
		return STEP_NEXT_POOL;
	}
	note_slot(search->tried, &search->tried_count, grant.node->slot);
	search->fresh_pool = false;
	ending = try_node(search, &grant);
	return ending == SL_ENDING_OK ? STEP_FOUND : judge(search, grant.node, ending);
}

static enum step try_pool(struct search *search, bool again)
{
	const struct sl_config_route *config = search->relay->route->config;
	struct sl_upstream *up = &search->relay->worker->upstream;
	enum step step = STEP_AGAIN;

	while (step == STEP_AGAIN) {
		uint32_t before = search->resume->attempts;
		enum sl_retry_verdict permit;

		search->way = way_of(search);
		if (search->way == SL_FAILOVER_GIVE_UP) {
			note_why(search, SL_RESUMPTION_CHANCE);
			return STEP_NEXT_POOL;
		}
		if (before >= config->attempts_max) {
			note_why(search, SL_RESUMPTION_ATTEMPTS);
			return STEP_STOP;
		}
		/* a place from the queue is used at once, as by every request */
		permit = search->request->granted.node ? SL_RETRY_MOVED : take_permit(search);
		if (permit <= SL_RETRY_CROWDED)
			return STEP_NEXT_POOL;
		step = STEP_STOP;
		/* the client waits in the middle of a sentence: the first attempt goes at once */
		if (wait_ms(search, search->failures
					    ? sl_random_backoff_ms(&up->random, config->backoff_ms,
								   config->backoff_max_ms,
								   search->failures - 1)
					    : 0))
			step = try_once(search, again);
		if (permit == SL_RETRY_CHARGED)
			sl_upstream_retry_done(up, search->pool, search->resume->attempts > before);
	}
	return step;
}

/* Every place is taken: waits its turn for one. */
static bool wait_turn(struct search *search)
{
	struct sl_resume *resume = search->resume;
	struct sl_request *request = search->request;

	search->pool = search->full;
	search->full = NULL;
	if (resume->attempts >= search->relay->route->config->attempts_max ||
	    way_of(search) == SL_FAILOVER_GIVE_UP ||
	    read_facts(request, resume->endpoint, search->body))
		return false;
	if (sl_wait_parked(request, search->pool, &resume->gone))
		return true;
	note_why(search, now_of(search->relay) < search->relay->deadline_ns
				 ? SL_RESUMPTION_QUEUE
				 : SL_RESUMPTION_DEADLINE);
	return false;
}

/* True: request->attempt has a stream to go on with. */
static bool find(struct search *search)
{
	const struct sl_upstream_pool *pools[SL_CONFIG_CHAIN_MAX];
	uint32_t i, count = pools_of(&search->resume->ways, search->relay->route, pools);
	enum step step = STEP_NEXT_POOL;
	int round;

	/* The second round only where the first found nobody: nodes whose stream broke. */
	for (round = 0; round < 2 && !(round && search->failures); round++) {
		for (i = 0; i < count && step == STEP_NEXT_POOL && !search->resume->gone; i++) {
			search->pool = pools[i];
			search->fresh_pool = true;
			step = try_pool(search, round > 0);
		}
	}
	while (step == STEP_NEXT_POOL && search->full && !search->resume->gone && wait_turn(search))
		step = try_pool(search, true);
	sl_wait_drop(search->request);
	return step == STEP_FOUND;
}

/* ---- the fiber ------------------------------------------------------------------------------- */

/* The request as it was, for the parts of request.c. NULL without memory. */
static struct sl_request *borrow(struct sl_relay *relay)
{
	struct sl_request *request = sl_request_take(relay->worker);

	if (!request)
		return NULL;
	request->owner = (struct sl_client_owner){0};
	request->worker = relay->worker;
	request->client = relay->client;
	request->gone = false;
	request->routes = sl_routes_get(relay->routes);
	request->former = NULL;
	request->route = relay->route;
	request->arm = 0;
	request->on_trial = relay->on_trial;
	request->error = (struct sl_openai_error){0};
	request->admission = (struct sl_admission){.key = relay->admission.key};
	request->head_sent = true; /* a wait's comments follow it */
	request->wait = SL_WAIT_NONE;
	request->wait_verdict = SL_QUEUE_UNSET;
	request->granted.node = NULL;
	request->any_attempt = true;
	request->wait_born_ns = request->queued_ns = request->place_until_ns = 0;
	request->wants_usage = relay->wants_usage;
	request->thrifty = false;
	request->trail = relay->trail;
	request->dialect = sl_relay_dialect(relay);
	request->may_direct = relay->resume->ways.native;
	request->direct = false;
	request->resumes = true; /* the stream goes on as chat completion */
	request->rest = (struct sl_span){0};
	request->untold = (struct sl_openai_error){0};
	request->native_of = NULL;
	request->flight = NULL;
	request->kept = NULL;
	request->start_ns = relay->start_ns;
	request->deadline_ns = relay->deadline_ns;
	snprintf(request->id, sizeof(request->id), "%s", relay->id);
	return request;
}

static void go_on(struct search *search)
{
	static const char *const words[] = {
		[SL_FAILOVER_CONTINUE] = "continued", [SL_FAILOVER_RESTART] = "restarted"};
	struct sl_relay *relay = search->relay;
	struct sl_resume *resume = search->resume;
	struct sl_attempt *attempt = &search->request->attempt;
	bool restart = search->way == SL_FAILOVER_RESTART;
	struct sl_relay_source source = {
		.upstream = sl_attempt_take_stream(attempt),
		.node = attempt->node,
		.ticket = attempt->ticket,
		.pool_slot = search->pool->slot,
		.held = sl_text_string(&attempt->body),
		.held_len = attempt->body.len,
		.complete = attempt->complete,
		.decoder = sl_attempt_take_decoder(attempt),
	};

	if (attempt->complete && source.upstream) {
		sl_upstream_put(&relay->worker->upstream, attempt->node, source.upstream);
		source.upstream = NULL;
	}
	if (restart)
		sl_splice_begin(&resume->splice, SL_SPLICE_RESTART, false, relay->tokens);
	resume->ways.pool = search->pool;
	sl_resume_count(relay, restart ? SL_RESUMPTION_RESTARTED : SL_RESUMPTION_CONTINUED);
	sl_log_limited(SL_LOG_INFO,
		       "route \"%s\": stream %s on node %s, attempt %u request=%s tokens=%llu",
		       relay->route->model, words[search->way], attempt->node->text,
		       resume->attempts, relay->id, (unsigned long long)relay->tokens);
	sl_relay_attach(relay, &source, words[search->way]);
}

static void run(void *arg)
{
	struct sl_relay *relay = arg;
	struct sl_resume *resume = relay->resume;
	struct search search = {.relay = relay, .resume = resume, .why = SL_RESUMPTION_NO_NODE};
	bool found = false;

	resume->fiber = sl_fiber_self(relay->worker->loop);
	memcpy(search.tried, resume->broken, sizeof(search.tried));
	search.tried_count = resume->broken_count;
	search.request = resume->request = resume->gone ? NULL : borrow(relay);
	search.body = (struct sl_span){relay->client ? relay->client->body : NULL,
				       relay->client ? relay->client->body_len : 0};
	if (resume->chat.len)
		search.body = sl_text_span(&resume->chat);
	if (search.request)
		found = find(&search);
	else
		search.why = SL_RESUMPTION_MEMORY;
	resume->fiber = NULL;
	resume->request = NULL;
	if (found && resume->gone) {
		sl_upstream_abandon(sl_attempt_take_stream(&search.request->attempt));
		sl_upstream_release(&relay->worker->upstream, search.request->attempt.node);
	}
	/* each of these may end the relay, and with it the resume */
	if (resume->gone)
		sl_relay_lost(relay);
	else if (found)
		go_on(&search);
	else
		sl_relay_give_up(relay, search.why);
	if (!search.request)
		return;
	search.request->admission = (struct sl_admission){0}; /* the relay's */
	sl_request_put(search.request);
}

bool sl_resume_start(struct sl_relay *relay, struct sl_upstream_node *node)
{
	struct sl_resume *resume = relay->resume;
	uint32_t node_slot = node->slot;

	if (resume->splice.lost) {
		sl_resume_count(relay,
				resume->splice.too_long ? SL_RESUMPTION_TOO_LONG : resume->lost);
		return false;
	}
	note_slot(resume->broken, &resume->broken_count, node_slot);
	if (sl_outcome_of(resume->ending)->elsewhere)
		note_slot(resume->silent, &resume->silent_count, node_slot);
	resume->failed = node;
	resume->gone = false;
	if (!sl_fiber_start(relay->worker->loop, run, relay))
		return true;
	sl_resume_count(relay, SL_RESUMPTION_MEMORY);
	return false;
}

void sl_resume_leave(struct sl_resume *resume)
{
	resume->gone = true;
	if (resume->request) /* its comments had nobody to go to */
		resume->request->client = NULL;
	if (resume->fiber)
		sl_fiber_wake(resume->fiber);
}
