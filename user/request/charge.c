/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/charge.h"

#include <string.h>
#include "user/base/clock.h"
#include "user/request/explain.h"
#include "user/policy/tokens.h"
#include "user/request/gate.h"
#include "user/wire/messages.h"

/* ---- before ---------------------------------------------------------------------------------- */

static const struct sl_price *price_of(const struct sl_route *route,
				       const struct sl_upstream_pool *pool)
{
	return pool && pool->price ? pool->price : route->price;
}

static uint64_t estimate(const struct sl_request *request, enum sl_cause cause)
{
	const struct sl_route *route = request->route;
	const struct sl_price *price = price_of(route, route->chains[cause].pools[0]);
	uint32_t prompt = request->facts.prompt_tokens_estimate;

	return price ? sl_price_of(price, prompt, 0, sl_gate_estimate(request) - prompt) : 0;
}

enum sl_openai_error_id sl_charge_reserve(struct sl_request *request,
					  enum sl_admit_refusal *ret_refusal)
{
	const struct sl_config *config = request->routes->config;
	const struct sl_purse *model = &request->route->purse;
	enum sl_openai_error_id id;
	struct sl_openai_error error;
	enum sl_admit_refusal refusal;
	uint64_t less;

	request->thrifty = false;
	request->cost = 0;
	if (!config->price_count)
		return SL_OPENAI_OK;
	id = sl_admit_budget(&request->admission, model, estimate(request, SL_CAUSE_ERROR),
			     config->currency, request->refusal_text, &request->error, ret_refusal,
			     &request->wait_ns);
	if (!id || !request->route->chains[SL_CAUSE_QUOTA].len)
		return id;
	less = estimate(request, SL_CAUSE_QUOTA);
	if (sl_admit_budget(&request->admission, model, less, config->currency, NULL, &error,
			    &refusal, NULL))
		return id;
	request->thrifty = true;
	request->error = (struct sl_openai_error){0};
	request->wait_ns = 0;
	return SL_OPENAI_OK;
}

bool sl_charge_counts(const struct sl_request *request)
{
	return request->admission.purse_count || sl_admit_counts_tokens(&request->admission);
}

/* ---- after ----------------------------------------------------------------------------------- */

/* Of a whole answer; -1 for what it does not say. */
static struct sl_openai_usage told_by(const struct sl_request *request)
{
	static const struct sl_openai_usage nothing = {-1, -1, -1, -1};
	const struct sl_text *body = &request->attempt.body;
	struct sl_openai_usage usage = nothing;
	struct sl_messages_usage own;
	int64_t total;

	if (!request->direct)
		return sl_openai_usage_read(sl_text_string(body), body->len, &usage) ? nothing
										     : usage;
	if (sl_messages_usage_of(sl_text_string(body), body->len, &own))
		return nothing;
	total = (int64_t)sl_messages_usage_total(&own);
	usage.completion_tokens = own.output < 0 ? 0 : own.output;
	usage.total_tokens = total;
	usage.prompt_tokens = total > usage.completion_tokens ? total - usage.completion_tokens : 0;
	usage.cached_tokens = own.cache_read;
	return usage;
}

/* What the server says it was; what it does not say is guessed. */
static struct sl_openai_usage used_by(struct sl_request *request)
{
	const struct sl_attempt *attempt = &request->attempt;
	struct sl_openai_usage usage = {-1, -1, -1, -1};
	int64_t prompt = request->facts.prompt_tokens_estimate;
	bool whole = !attempt->is_stream && !request->gone;

	if (!request->any_attempt || (request->last_ending != SL_ENDING_OK && !request->gone))
		return (struct sl_openai_usage){0, 0, 0, 0}; /* nobody answered: nothing was had */
	if (whole)
		usage = told_by(request);
	if (usage.prompt_tokens >= 0 && usage.completion_tokens >= 0)
		sl_explain_usage(&request->trail, (uint64_t)usage.prompt_tokens,
				 (uint64_t)usage.completion_tokens);
	if (usage.prompt_tokens < 0)
		usage.prompt_tokens = prompt;
	if (usage.completion_tokens < 0 && usage.total_tokens >= usage.prompt_tokens)
		usage.completion_tokens = usage.total_tokens - usage.prompt_tokens;
	if (usage.completion_tokens < 0)
		usage.completion_tokens =
			whole ? (int64_t)(attempt->body.len / SL_OPENAI_BYTES_PER_TOKEN) : 0;
	if (usage.total_tokens < 0)
		usage.total_tokens = usage.prompt_tokens + usage.completion_tokens;
	if (usage.cached_tokens < 0)
		usage.cached_tokens = 0;
	return usage;
}

static uint64_t cost_of(const struct sl_request *request, const struct sl_openai_usage *usage)
{
	const struct sl_price *price = price_of(request->route, request->last_pool);

	return price ? sl_price_of(price, (uint64_t)usage->prompt_tokens,
				   (uint64_t)usage->cached_tokens,
				   (uint64_t)usage->completion_tokens)
		     : 0;
}

void sl_charge_note_again(struct sl_request *request)
{
	struct sl_openai_usage usage;

	if (!request->admission.taken || !sl_charge_counts(request))
		return;
	usage = used_by(request);
	request->again_tokens += (uint64_t)usage.total_tokens;
	request->again_cost += cost_of(request, &usage);
}

void sl_charge_settle(struct sl_request *request)
{
	struct sl_openai_usage usage;

	if (!request->admission.taken)
		return;
	if (!sl_charge_counts(request)) {
		used_by(request); /* for explain */
		sl_admit_settle(&request->admission, 0, sl_loop_now_ns(request->worker->loop));
		return;
	}
	usage = used_by(request);
	request->cost = request->again_cost + cost_of(request, &usage);
	request->priced = price_of(request->route, request->last_pool) != NULL;
	sl_explain_settled(&request->trail, request->again_tokens + (uint64_t)usage.total_tokens,
			   request->cost, request->priced);
	sl_admit_pay(&request->admission, request->cost);
	sl_admit_settle(&request->admission, request->again_tokens + (uint64_t)usage.total_tokens,
			sl_loop_now_ns(request->worker->loop));
}

void sl_charge_settle_stream(struct sl_relay *relay)
{
	const struct sl_price *price =
		price_of(relay->route, relay->routes->pool_of_slot[relay->pool_slot]);
	uint64_t prompt = relay->prompt_tokens, answer = relay->tokens, cached = 0;
	uint64_t total = prompt + answer;

	/* What was sent, when the node's own count did not come: a cut stream is charged too. */
	if (relay->usage_tokens) {
		total = relay->usage_tokens;
		prompt = relay->usage_prompt;
		if (relay->learns && !relay->resumed)
			sl_tokens_learn(relay->learns, relay->learns_raw, prompt);
		cached = relay->usage_cached;
		answer = total > prompt ? total - prompt : 0;
	}
	if (relay->usage_tokens && !relay->resumed)
		sl_explain_usage(&relay->trail, prompt, answer);
	/* The node that went on counts what others had written as its prompt. */
	if (relay->resumed && answer < relay->tokens) {
		answer = relay->tokens;
		prompt = total > answer ? total - answer : 0;
	}
	if (price) {
		relay->trail.priced = true;
		relay->trail.cost = sl_price_of(price, prompt, cached, answer);
		sl_admit_pay(&relay->admission, relay->trail.cost);
	}
	if (price || relay->admission.meter_count)
		sl_explain_settled(&relay->trail, total, relay->trail.cost, price != NULL);
	sl_admit_settle(&relay->admission, total, sl_loop_now_ns(relay->worker->loop));
}

static bool takes_trailers(const struct sl_h1_head *head)
{
	const struct sl_h1_header *te = sl_h1_head_find(head, SL_H1_ID_TE);
	struct sl_span rest = te ? sl_span_make(te->value, te->value_len) : SL_SPAN("");

	while (rest.len) {
		if (sl_span_equal_case(sl_span_trim(sl_span_cut(&rest, ',')), SL_SPAN("trailers")))
			return true;
	}
	return false;
}

bool sl_charge_trails(const struct sl_request *request)
{
	const struct sl_config *config = request->routes->config;

	return config->cost_header && config->price_count && request->facts.stream &&
	       takes_trailers(request->client->head);
}

void sl_charge_write(const struct sl_request *request, struct sl_h1_out *out)
{
	const struct sl_config *config = request->routes->config;
	char cost[SL_MONEY_TEXT_SIZE];

	if (!config->cost_header || !config->price_count || request->admission.taken)
		return;
	sl_money_format(request->cost, cost);
	SL_H1_WRITE_HEADER(out, "x-sluice-cost", cost, strlen(cost));
}
