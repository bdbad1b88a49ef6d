/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/gate.h"

#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/http/h1_write.h"
#include "user/request/charge.h"
#include "user/request/explain.h"
#include "user/request/recall.h"
#include "user/request/request.h"

enum sl_openai_error_id sl_gate_admit(struct sl_worker *worker, struct sl_exchange *client,
				      const char *id, struct sl_admission *ret_admission)
{
	struct sl_openai_error error;
	enum sl_admit_refusal refusal;
	enum sl_openai_error_id why =
		sl_admit_key(worker->keyring, client->head, ret_admission, &error, &refusal);

	if (why) {
		sl_stats_add(&worker->stats.refused_admission[refusal], 1);
		sl_request_respond_error(client, &error, id, false);
	}
	return why;
}

uint32_t sl_gate_estimate(const struct sl_request *request)
{
	const struct sl_openai_request *facts = &request->facts;
	uint64_t answer = facts->max_tokens >= 0 ? (uint64_t)facts->max_tokens
						 : request->routes->config->answer_tokens;
	uint64_t n = facts->n > 1 ? (uint64_t)facts->n : 1;
	uint64_t tokens;

	if (facts->endpoint == SL_OPENAI_EMBEDDINGS)
		answer = 0;
	if (answer > UINT32_MAX)
		answer = UINT32_MAX;
	if (n > SL_OPENAI_CHOICES_MAX)
		n = SL_OPENAI_CHOICES_MAX;
	tokens = facts->prompt_tokens_estimate + answer * n;
	return tokens < UINT32_MAX ? (uint32_t)tokens : UINT32_MAX;
}

enum sl_openai_error_id sl_gate_limit(struct sl_request *request)
{
	const struct sl_route *route = request->route;
	enum sl_admit_refusal refusal;
	enum sl_openai_error_id id;

	request->wait_ns = 0;
	id = sl_admit_route(&request->admission, route->model, strlen(route->model),
			    &request->error, &refusal);
	if (!id) {
		id = sl_charge_reserve(request, &refusal);
		if (id && sl_recall_hold(request)) { /* what was paid for costs nothing */
			request->error = (struct sl_openai_error){0};
			request->wait_ns = 0;
			id = SL_OPENAI_OK;
		}
	}
	if (!id)
		id = sl_admit_limits(&request->admission, route->meter, &route->config->rates,
				     sl_gate_estimate(request),
				     sl_loop_now_ns(request->worker->loop), request->refusal_text,
				     &request->error, &refusal, &request->wait_ns);
	if (id) {
		sl_stats_add(&request->worker->stats.refused_admission[refusal], 1);
		sl_explain_refused_by(request, refusal);
	}
	if (id)
		sl_admit_pay(&request->admission, 0); /* what was refused costs nothing */
	request->wants_usage = !id && sl_charge_counts(request);
	return id;
}

/*
 * A limit that no wait helps against is said not to be worth a retry; nor is a budget (spent), whose
 * period ends when no client waits any more.
 */
static void write_wait(struct sl_h1_out *out, uint64_t wait_ns, bool spent)
{
	uint64_t wait_ms = wait_ns ? (wait_ns + SL_NS_PER_MS - 1) / SL_NS_PER_MS : 1000;

	if (spent || wait_ns == SL_LIMIT_NEVER)
		SL_H1_WRITE_HEADER(out, "x-should-retry", "false", 5);
	if (wait_ns == SL_LIMIT_NEVER)
		return;
	SL_H1_WRITE_HEADER_U64(out, "retry-after", (wait_ms + 999) / 1000);
	if (!spent)
		SL_H1_WRITE_HEADER_U64(out, "retry-after-ms", wait_ms);
}

void sl_gate_refuse(struct sl_request *request)
{
	char body[SL_OPENAI_ERROR_BYTES_MAX], lines[SL_ADMIT_LIMITS_BYTES + 384];
	struct sl_exchange *client = request->client;
	bool spent = request->error.id == SL_OPENAI_ERROR_QUOTA;
	struct sl_h1_out out;
	size_t len;
	int status;

	if (request->error.id != SL_OPENAI_ERROR_RATE && !spent) {
		sl_request_respond_error(client, &request->error, request->id, false);
		return;
	}
	sl_h1_out_init(&out, lines, sizeof(lines));
	sl_request_write_id(&out, client->head, request->id);
	write_wait(&out, request->wait_ns, spent);
	sl_admit_write_limits(&request->admission, sl_loop_now_ns(request->worker->loop), &out);
	len = sl_request_error_body(client->head, &request->error, request->id, body, &status);
	sl_server_respond(client, status, "application/json", lines, (size_t)(out.at - lines), body,
			  len);
}

/* The models of one key. NULL without memory; the caller frees. */
static char *models_of(const struct sl_routes *routes, const struct sl_key_record *key,
		       size_t *ret_len)
{
	size_t size = routes->models_json_len + 64, count = 0;
	struct sl_openai_model *models = calloc(routes->route_count + 1, sizeof(*models));
	char *json = malloc(size);
	uint32_t i;
	int len = -1;

	for (i = 0; models && json && i < routes->route_count; i++) {
		const char *model = routes->routes[i].model;

		if (sl_keyring_may(key, model, strlen(model)))
			models[count++] =
				(struct sl_openai_model){model, "sluice", routes->created_s};
	}
	if (models && json)
		len = sl_openai_models_write(models, count, json, size);
	free(models);
	if (len < 0) {
		free(json);
		return NULL;
	}
	*ret_len = (size_t)len;
	return json;
}

void sl_gate_answer_models(struct sl_worker *worker, struct sl_exchange *client)
{
	static const struct sl_openai_error no_memory = {.id = SL_OPENAI_ERROR_INTERNAL,
							 .object = "out of memory"};
	const struct sl_routes *routes = worker->routes;
	char id[SL_REQUEST_ID_MAX + 1];
	struct sl_admission admission;
	size_t len;
	char *json;

	sl_request_id_of(worker, client, id);
	if (sl_gate_admit(worker, client, id, &admission))
		return;
	if (!admission.key || !admission.key->route_count) {
		sl_admit_end(&admission, 0);
		sl_server_respond(client, 200, "application/json", NULL, 0, routes->models_json,
				  routes->models_json_len);
		return;
	}
	json = models_of(routes, admission.key, &len);
	sl_admit_end(&admission, 0);
	if (json)
		sl_server_respond(client, 200, "application/json", NULL, 0, json, len);
	else
		sl_request_respond_error(client, &no_memory, id, false);
	free(json);
}
