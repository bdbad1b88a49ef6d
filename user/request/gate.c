/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/gate.h"

#include <stdlib.h>
#include <string.h>
#include "user/http/h1_write.h"
#include "user/request/request.h"

enum sl_openai_error_id sl_gate_admit(struct sl_worker *worker, struct sl_server_conn *client,
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

void sl_gate_answer_models(struct sl_worker *worker, struct sl_server_conn *client)
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
		sl_admit_end(&admission);
		sl_server_respond(client, 200, "application/json", NULL, 0, routes->models_json,
				  routes->models_json_len);
		return;
	}
	json = models_of(routes, admission.key, &len);
	sl_admit_end(&admission);
	if (json)
		sl_server_respond(client, 200, "application/json", NULL, 0, json, len);
	else
		sl_request_respond_error(client, &no_memory, id, false);
	free(json);
}
