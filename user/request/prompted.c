/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/prompted.h"

#include <string.h>
#include "user/stage/prompt.h"
#include "user/store/prompts.h"

/* The version that an object names, or whose label it names; NULL: none. */
static const struct sl_prompt_version *version_of(const struct sl_prompt_set *set,
						  const struct sl_json_field *object)
{
	struct sl_json_field f[] = {SL_JSON_FIELD("id"), SL_JSON_FIELD("version"),
				    SL_JSON_FIELD("label")};
	char id[SL_PROMPT_ID_MAX + 1], word[SL_PROMPT_HASH_SIZE];
	const struct sl_prompt *prompt;
	int len, label = SL_PROMPT_STABLE;
	bool many;

	if (sl_json_scan(object->value, object->value_len, f, 3) ||
	    (len = sl_json_string(&f[0], id, sizeof(id))) <= 0)
		return NULL;
	prompt = sl_prompt_find(set, sl_span_make(id, (size_t)len));
	if (!prompt)
		return NULL;
	len = sl_json_string(&f[1], word, sizeof(word));
	if (len > 0)
		return sl_prompt_version_find(prompt, sl_span_make(word, (size_t)len), &many);
	len = sl_json_string(&f[2], word, sizeof(word));
	if (len > 0)
		label = sl_prompt_label_of(sl_span_make(word, (size_t)len));
	return label >= 0 ? prompt->labels[label] : NULL;
}

/* The client's body with the model as its first member, in request->chat. */
static bool add_model(struct sl_request *request, struct sl_span model)
{
	struct sl_span body = sl_span_make(request->client->body, request->client->body_len);
	const char *open = memchr(body.data, '{', body.len);

	sl_text_reset(&request->chat);
	sl_text_append_string(&request->chat, "{\"model\":");
	sl_text_append_span(&request->chat, model);
	sl_text_append_char(&request->chat, ',');
	return sl_text_append(&request->chat, open + 1,
			      (size_t)(body.data + body.len - open - 1)) == 0;
}

enum sl_openai_error_id sl_prompted_read(struct sl_request *request,
					 enum sl_openai_endpoint endpoint,
					 enum sl_openai_error_id id)
{
	struct sl_json_field f[] = {SL_JSON_FIELD("prompt"), SL_JSON_FIELD("model")};
	const struct sl_stores *stores = request->worker->stores;
	const struct sl_prompt_version *version;
	struct sl_span model = {NULL, 0};
	struct sl_prompt_set *set;

	if (id != SL_OPENAI_ERROR_MISSING || endpoint != SL_OPENAI_CHAT || request->dialect ||
	    !request->error.param || strcmp(request->error.param, "model") != 0 || !stores ||
	    !stores->prompts ||
	    sl_json_scan(request->client->body, request->client->body_len, f, 2) ||
	    f[0].type != SL_JSON_OBJECT || f[1].type != SL_JSON_ABSENT)
		return id;
	set = sl_prompts_get(stores->prompts);
	version = version_of(set, &f[0]);
	if (version && version->template)
		model = sl_template_param(version->template, "model");
	if (model.len && add_model(request, model))
		id = sl_openai_request_read(endpoint, request->chat.data, request->chat.len,
					    &request->facts, &request->error);
	sl_prompt_set_put(&set);
	return id;
}

enum sl_openai_error_id sl_prompted_check(struct sl_request *request)
{
	if (request->facts.prompt_ref.type != SL_JSON_OBJECT ||
	    sl_prompt_stage_wanted(request->route->config))
		return SL_OPENAI_OK;
	/* For the servers to say what they make of it. Not where there are prompts: who names one counts on it. */
	if (!request->facts.no_messages && !request->dialect &&
	    !(request->worker->stores && request->worker->stores->prompts))
		return SL_OPENAI_OK;
	request->error = (struct sl_openai_error){
		.id = SL_OPENAI_ERROR_UNTRANSLATED,
		.param = "prompt",
		.object = request->dialect ? "this model takes no prompts; send 'instructions' and "
					     "'input'"
					   : "this model takes no prompts; send 'messages'",
	};
	return request->error.id;
}
