/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/stage/prompt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/notice.h"
#include "user/policy/share.h"
#include "user/store/prompts.h"
#include "user/wire/chat_swap.h"

#define RENDERED_BYTES_MAX (4u << 20)
#define HEADER_BYTES	   (SL_PROMPT_ID_MAX + 2 + SL_PROMPT_SHORT + 1)

/* What a request asks for. */
struct ref {
	char id[SL_PROMPT_ID_MAX + 1];
	char version[SL_PROMPT_HASH_SIZE];
	enum sl_prompt_label label;
	bool chosen; /* the request says which version */
	struct sl_json_field variables;
};

struct state {
	struct sl_prompts *prompts;
	struct sl_prompt_set *set;
	const struct sl_prompt *prompt;
	struct sl_prompt_version *version; /* that is served */
	struct ref ref;
	struct sl_error error;
	bool noted;
	struct sl_chat_prompt is,
		shadow; /* what the version puts in, and the candidate; or empty */
	bool shadow_fails;
};

struct sl_prompt_late {
	struct sl_prompt_set *set; /* holds the two below */
	const struct sl_prompt *prompt;
	struct sl_prompt_version *version;
	struct sl_burn_limits limits;
};

/* ---- refusing -------------------------------------------------------------------------------- */

static enum sl_stage_verdict refuse(struct sl_stage *stage, enum sl_openai_error_id id,
				    const char *param, const char *object, const char *detail)
{
	stage->error = (struct sl_openai_error){
		.id = id, .param = param, .object = object, .detail = detail};
	return SL_STAGE_REFUSE;
}

static enum sl_stage_verdict refuse_value(struct sl_stage *stage, const char *param,
					  const char *expected)
{
	return refuse(stage, SL_OPENAI_ERROR_VALUE, param, expected, NULL);
}

/* ---- what is asked for ----------------------------------------------------------------------- */

static bool given(const struct sl_json_field *field)
{
	return field->type != SL_JSON_ABSENT && field->type != SL_JSON_NULL;
}

static bool read_label(const struct sl_json_field *field, struct ref *ref)
{
	char name[16];
	int len = sl_json_string(field, name, sizeof(name));
	int label = len < 0 ? -1 : sl_prompt_label_of(sl_span_make(name, (size_t)len));

	if (label >= 0)
		ref->label = (enum sl_prompt_label)label;
	return label >= 0;
}

static enum sl_stage_verdict read_ref(struct sl_stage *stage, struct ref *ref)
{
	const struct sl_config_route_prompt *config = &stage->route->prompt;
	struct sl_json_field f[] = {SL_JSON_FIELD("id"), SL_JSON_FIELD("version"),
				    SL_JSON_FIELD("label"), SL_JSON_FIELD("variables")};
	const struct sl_json_field *object = &stage->facts->prompt_ref;

	ref->label = (enum sl_prompt_label)config->label;
	if (object->type == SL_JSON_OBJECT && sl_json_scan(object->value, object->value_len, f, 4))
		return refuse_value(stage, "prompt", "id, version, label and variables, each once");
	if (given(&f[0]) && sl_json_string(&f[0], ref->id, sizeof(ref->id)) <= 0)
		return refuse_value(stage, "prompt.id", "a prompt's id");
	if (!ref->id[0] && !config->id && object->type == SL_JSON_OBJECT)
		return refuse(stage, SL_OPENAI_ERROR_MISSING, "prompt.id", NULL, NULL);
	if (config->id && ref->id[0] && strcmp(ref->id, config->id) != 0 && !config->requests)
		return refuse_value(stage, "prompt.id", "the prompt of this model, or none");
	if (config->id && !ref->id[0])
		snprintf(ref->id, sizeof(ref->id), "%s", config->id);
	if ((given(&f[1]) || given(&f[2])) && !config->requests)
		return refuse_value(stage, "prompt.version",
				    "none: this model's version is the operator's to choose");
	if (given(&f[1]) && sl_json_string(&f[1], ref->version, sizeof(ref->version)) <= 0)
		return refuse_value(stage, "prompt.version", "the first digits of a version");
	if (given(&f[2]) && !read_label(&f[2], ref))
		return refuse_value(stage, "prompt.label", "stable, canary or known-good");
	if (given(&f[3]) && f[3].type != SL_JSON_OBJECT)
		return refuse(stage, SL_OPENAI_ERROR_TYPE, "prompt.variables", "an object", NULL);
	ref->variables = f[3];
	ref->chosen = given(&f[1]) || given(&f[2]);
	return SL_STAGE_GO_ON;
}

/* Words of an error, in the arena. */
__attribute__((format(printf, 2, 3))) static const char *words(struct sl_stage *stage,
							       const char *format, ...)
{
	struct sl_text text;
	const char *copy;
	va_list args;

	sl_text_init(&text, 4096);
	va_start(args, format);
	sl_text_vprintf(&text, format, args);
	va_end(args);
	copy = sl_arena_strdup(stage->arena, sl_text_string(&text));
	sl_text_fini(&text);
	return copy ? copy : "";
}

/* The version that is rolled out, or the canary one, where this request is one of its share. */
static struct sl_prompt_version *canary_of(struct sl_stage *stage, const struct state *state)
{
	struct sl_prompt_version *canary = state->prompt->labels[SL_PROMPT_CANARY];
	uint32_t percent = stage->route->prompt.canary;
	const struct sl_rollout_item *item;
	struct sl_prompt_version *candidate;
	bool many;

	if (state->ref.chosen)
		return NULL;
	item = sl_stage_rollout(stage, SL_ROLLOUT_PROMPT, sl_span_string(state->prompt->id));
	if (item) {
		candidate = sl_prompt_version_find(state->prompt, sl_span_string(item->candidate),
						   &many);
		if (!candidate)
			stage->rollouts[SL_ROLLOUT_PROMPT] = 0; /* it was removed by hand */
		return candidate;
	}
	if (stage->rollouts[SL_ROLLOUT_PROMPT])
		return NULL; /* the baseline */
	if (!canary || !percent)
		return NULL;
	return sl_share_takes(sl_stage_asker(stage), sl_span_string(state->prompt->id),
			      percent * (SL_SHARE_WHOLE / 100))
		       ? canary
		       : NULL;
}

static enum sl_stage_verdict find_version(struct sl_stage *stage, struct state *state)
{
	const struct ref *ref = &state->ref;
	const char *id = words(stage, "'%s'", ref->id);
	bool many = false;

	state->prompt = sl_prompt_find(state->set, sl_span_string(ref->id));
	if (!state->prompt || !state->prompt->version_count)
		return refuse(stage, SL_OPENAI_ERROR_PROMPT, "prompt.id", id, NULL);
	if (ref->version[0])
		state->version =
			sl_prompt_version_find(state->prompt, sl_span_string(ref->version), &many);
	else
		state->version = canary_of(stage, state);
	if (!state->version && !ref->version[0])
		state->version = state->prompt->labels[ref->label];
	if (state->version)
		return SL_STAGE_GO_ON;
	if (ref->version[0])
		id = words(stage, "'%s' has %s '%s'", ref->id,
			   many ? "more than one version that begins with" : "no version",
			   ref->version);
	else
		id = words(stage, "'%s' has no version with the label %s", ref->id,
			   sl_prompt_label_names[ref->label]);
	return refuse(stage, SL_OPENAI_ERROR_PROMPT,
		      ref->version[0] ? "prompt.version" : "prompt.label", id, NULL);
}

/* ---- budgets --------------------------------------------------------------------------------- */

static struct sl_burn_limits limits_of(const struct sl_stage *stage)
{
	const struct sl_config_prompts *config = &stage->config->prompts;

	return (struct sl_burn_limits){
		.window_ms = config->window_ms,
		.requests_min = config->requests_min,
		.error_percent = config->error_percent,
		.invalid_percent = config->invalid_percent,
		.hold_ms = config->hold_ms,
		.trials = config->trials,
	};
}

/* Why the version may not be served, or NULL. */
static const char *forbids(const struct sl_prompt *prompt, struct sl_prompt_version *version)
{
	bool allowed;

	if (version != prompt->forced &&
	    sl_prompt_suite_of(prompt, version) == SL_PROMPT_SUITE_FAILED)
		return "fails its suite";
	pthread_mutex_lock(&version->lock);
	allowed = sl_burn_allows(&version->burn, sl_clock_ms());
	pthread_mutex_unlock(&version->lock);
	return allowed ? NULL : "has burnt its budget";
}

/* For who keeps incidents: it is one, although known-good is served at once. */
static void notify(const struct sl_prompt *prompt, const struct sl_prompt_version *version,
		   bool burnt)
{
	struct sl_notice notice = {.kind = SL_NOTICE_PROMPT,
				   .level = burnt ? SL_NOTICE_WARN : SL_NOTICE_INFO,
				   .of = SL_NOTICE_OF_PROMPT,
				   .over = !burnt,
				   .who = "daemon"};

	sl_notice_set(notice.name, sizeof(notice.name), prompt->id);
	sl_notice_tell(&notice,
		       burnt ? "version %.12s spoils answers; known-good is served in its place"
			     : "version %.12s is good again",
		       version->hash);
}

static void note(const struct sl_burn_limits *limits, const struct sl_prompt *prompt,
		 struct sl_prompt_version *version, enum sl_burn_outcome outcome)
{
	enum sl_burn_state after;
	bool changed;

	__atomic_add_fetch(&version->served, 1, __ATOMIC_RELAXED);
	if (outcome != SL_BURN_OK)
		__atomic_add_fetch(&version->spoilt, 1, __ATOMIC_RELAXED);
	pthread_mutex_lock(&version->lock);
	changed = sl_burn_note(&version->burn, limits, sl_clock_ms(), outcome);
	after = version->burn.state;
	pthread_mutex_unlock(&version->lock);
	if (changed)
		notify(prompt, version, after == SL_BURN_BURNT);
	if (changed && after == SL_BURN_BURNT)
		sl_log(SL_LOG_WARN,
		       "prompt \"%s\": version %.12s spoils answers; known-good is served in its "
		       "place (see: sluice prompt list)",
		       prompt->id, version->hash);
	else if (changed)
		sl_log(SL_LOG_INFO, "prompt \"%s\": version %.12s is good again", prompt->id,
		       version->hash);
}

/* ---- the body -------------------------------------------------------------------------------- */

static bool is_key(const struct sl_json_field *key, const char *name)
{
	return sl_json_string_equal(key, name, strlen(name));
}

/* Does the request say it, or what stands for the same? */
static bool says(const struct sl_json_field *body, const char *name)
{
	const char *other = strcmp(name, "max_tokens") == 0		 ? "max_completion_tokens"
			    : strcmp(name, "max_completion_tokens") == 0 ? "max_tokens"
									 : name;
	struct sl_json_field key, value;
	const char *cursor = NULL;

	while (sl_json_each_member(body, &cursor, &key, &value)) {
		if (value.type != SL_JSON_NULL && (is_key(&key, name) || is_key(&key, other)))
			return true;
	}
	return false;
}

/* All members but prompt and messages, and those that the template's stand for. */
static void put_members(const struct sl_json_field *body, struct sl_text *out)
{
	struct sl_json_field key, value;
	const char *cursor = NULL;

	while (sl_json_each_member(body, &cursor, &key, &value)) {
		if (is_key(&key, "prompt") || is_key(&key, "messages") ||
		    value.type == SL_JSON_NULL)
			continue;
		sl_text_append(out, key.value, key.value_len);
		sl_text_append_char(out, ':');
		sl_text_append(out, value.value, value.value_len);
		sl_text_append_char(out, ',');
	}
}

static void put_params(const struct sl_template *template, const struct sl_json_field *body,
		       struct sl_text *out)
{
	const struct sl_template_param *params;
	size_t count = sl_template_params(template, &params);

	for (size_t i = 0; i < count; i++) {
		if (says(body, params[i].name))
			continue;
		sl_text_printf(out, "\"%s\":", params[i].name);
		sl_text_append_span(out, params[i].value);
		sl_text_append_char(out, ',');
	}
}

static void put_own_messages(const struct sl_openai_request *facts, struct sl_text *out)
{
	struct sl_json_field element;
	const char *cursor = NULL;

	while (!facts->no_messages && sl_json_each(&facts->prompt_field, &cursor, &element)) {
		sl_text_append_char(out, ',');
		sl_text_append(out, element.value, element.value_len);
	}
}

static int render(struct sl_stage *stage, struct state *state,
		  const struct sl_prompt_version *version, struct sl_error *error)
{
	const struct sl_openai_request *facts = stage->facts;
	struct sl_json_field body = {.type = SL_JSON_OBJECT};
	struct sl_text out;
	int rc;

	if (!version->template)
		return sl_error_set(error, -EINVAL, "its version %.12s cannot be read: %s",
				    version->hash, version->fault);
	body.value = memchr(facts->body, '{', facts->body_len);
	body.value_len = (size_t)(facts->body + facts->body_len - body.value);
	sl_text_init(&out, facts->body_len + RENDERED_BYTES_MAX);
	sl_text_append_char(&out, '{');
	put_members(&body, &out);
	put_params(version->template, &body, &out);
	sl_text_append_string(&out, "\"messages\":[");
	rc = sl_template_render(version->template, &state->ref.variables, &out, error);
	if (rc == 0) {
		put_own_messages(facts, &out);
		rc = sl_text_append(&out, "]}", 2);
	}
	if (rc == 0)
		rc = stage->ops->set_body(stage, out.data, out.len);
	else if (error->text[0] == '\0')
		sl_error_set(error, rc, "it is too long");
	sl_text_fini(&out);
	if (rc == -EINVAL && error->text[0] == '\0')
		sl_error_set(error, rc, "its version %.12s makes no valid request", version->hash);
	return rc;
}

/* ---- the shadow ------------------------------------------------------------------------------ */

static struct sl_span kept(struct sl_stage *stage, struct sl_text *text, char end)
{
	char *copy;

	if (text->len > 1 && text->data[text->len - 1] == ',')
		text->data[text->len - 1] = end;
	else
		sl_text_append_char(text, end);
	copy = text->error ? NULL : sl_arena_strndup(stage->arena, text->data, text->len);
	return sl_span_make(copy ? copy : "", copy ? text->len : 0);
}

/* What a version puts into this request, whose body is still the client's. */
static int put_in(struct sl_stage *stage, const struct state *state,
		  const struct sl_prompt_version *version, struct sl_chat_prompt *ret_prompt)
{
	struct sl_json_field body = {.type = SL_JSON_OBJECT};
	const struct sl_openai_request *facts = stage->facts;
	struct sl_error error = {""};
	struct sl_text text;
	int rc;

	if (!version->template)
		return -EBADMSG;
	body.value = memchr(facts->body, '{', facts->body_len);
	body.value_len = (size_t)(facts->body + facts->body_len - body.value);
	sl_text_init(&text, RENDERED_BYTES_MAX);
	sl_text_append_char(&text, '{');
	put_params(version->template, &body, &text);
	ret_prompt->members = kept(stage, &text, '}');
	sl_text_reset(&text);
	sl_text_append_char(&text, '[');
	rc = sl_template_render(version->template, &state->ref.variables, &text, &error);
	ret_prompt->messages = kept(stage, &text, ']');
	sl_text_fini(&text);
	return rc ? -EBADMSG : 0;
}

static void prepare_shadow(struct sl_stage *stage, struct state *state)
{
	const struct sl_rollout_item *item = stage->shadows[SL_ROLLOUT_PROMPT];
	struct sl_prompt_version *candidate;
	bool many;

	candidate = sl_prompt_version_find(state->prompt, sl_span_string(item->candidate), &many);
	if (!candidate || candidate == state->version ||
	    put_in(stage, state, state->version, &state->is))
		stage->shadows[SL_ROLLOUT_PROMPT] = NULL;
	else
		state->shadow_fails = put_in(stage, state, candidate, &state->shadow) != 0;
}

int sl_prompt_stage_shadow(struct sl_stage *stage, struct sl_text *out)
{
	const struct state *state = stage->state[SL_STAGE_PROMPT];

	if (!state)
		return -ENOENT;
	if (state->shadow_fails)
		return -EBADMSG;
	return sl_chat_swap(stage->facts, &state->is, &state->shadow, out);
}

/* ---- the stage ------------------------------------------------------------------------------- */

static void tell(struct sl_stage *stage, const struct state *state)
{
	char value[HEADER_BYTES], digits[17];
	unsigned long long mixed;

	snprintf(value, sizeof(value), "%s@%.*s", state->prompt->id, (int)SL_PROMPT_SHORT,
		 state->version->hash);
	stage->ops->header(stage, "x-sluice-prompt", value);
	snprintf(digits, sizeof(digits), "%.16s", state->version->hash);
	if (sscanf(digits, "%llx", &mixed) == 1) {
		stage->vary ^= mixed;
		stage->prompt_version = mixed;
	}
}

/* The version that was asked for has failed (rc), or may not be served (why). */
static enum sl_stage_verdict fall_back(struct sl_stage *stage, struct state *state, int rc,
				       const char *why)
{
	struct sl_prompt_version *good = state->prompt->labels[SL_PROMPT_KNOWN_GOOD];
	struct sl_prompt_version *wanted = state->version;
	struct sl_error error = {""};

	if (good && good != wanted && render(stage, state, good, &error) == 0) {
		state->version = good;
		stage->ops->step(stage, SL_STEP_PROMPT_KNOWN_GOOD);
		sl_log_limited(
			SL_LOG_WARN, "prompt \"%s\": version %.12s: %s; known-good %.12s is served",
			state->prompt->id, wanted->hash, rc ? state->error.text : why, good->hash);
		return SL_STAGE_GO_ON;
	}
	if (!rc) { /* spoilt, and nothing better */
		rc = render(stage, state, wanted, &state->error);
		if (!rc)
			return SL_STAGE_GO_ON;
	}
	state->version = NULL;
	if (rc == -ENOMEM)
		return refuse(stage, SL_OPENAI_ERROR_INTERNAL, NULL, "no memory for the prompt",
			      NULL);
	return refuse(stage, SL_OPENAI_ERROR_PROMPT_BAD, "prompt.variables",
		      words(stage, "'%s'", state->prompt->id),
		      words(stage, "%s", state->error.text));
}

static enum sl_stage_verdict serve(struct sl_stage *stage, struct state *state)
{
	enum sl_stage_verdict verdict = find_version(stage, state);
	struct sl_prompt_version *wanted = state->version;
	const char *why;
	int rc = 0;

	if (verdict != SL_STAGE_GO_ON)
		return verdict;
	if (stage->shadows[SL_ROLLOUT_PROMPT])
		prepare_shadow(stage, state);
	why = wanted->template ? forbids(state->prompt, wanted) : NULL;
	if (!why) {
		rc = render(stage, state, wanted, &state->error);
		if (rc == 0)
			return SL_STAGE_GO_ON;
	}
	verdict = fall_back(stage, state, rc, why);
	if (rc && verdict == SL_STAGE_GO_ON) { /* others' variables are no fault of the version */
		struct sl_burn_limits limits = limits_of(stage);

		note(&limits, state->prompt, wanted, SL_BURN_ERROR);
	}
	return verdict;
}

enum sl_stage_verdict sl_prompt_stage_run(struct sl_stage *stage)
{
	const struct sl_config_route_prompt *config = &stage->route->prompt;
	enum sl_stage_verdict verdict;
	struct state *state;

	if (!config->id && !(config->requests && stage->facts->prompt_ref.type == SL_JSON_OBJECT))
		return SL_STAGE_GO_ON;
	if (stage->facts->endpoint != SL_OPENAI_CHAT)
		return SL_STAGE_GO_ON;
	if (stage->fixed)
		return refuse(stage, SL_OPENAI_ERROR_UNSUPPORTED, NULL,
			      "a prompt in a request that only servers of its own API understand",
			      NULL);
	state = sl_arena_zalloc(stage->arena, sizeof(*state));
	if (!state)
		return refuse(stage, SL_OPENAI_ERROR_INTERNAL, NULL, "no memory for the prompt",
			      NULL);
	verdict = read_ref(stage, &state->ref);
	if (verdict != SL_STAGE_GO_ON)
		return verdict;
	if (!stage->stores->prompts)
		return refuse(stage, SL_OPENAI_ERROR_PROMPT, "prompt.id",
			      "this gateway's prompts cannot be read", NULL);
	state->prompts = stage->stores->prompts;
	state->set = sl_prompts_get(state->prompts);
	stage->state[SL_STAGE_PROMPT] = state;
	verdict = serve(stage, state);
	if (verdict == SL_STAGE_GO_ON)
		tell(stage, state);
	return verdict;
}

void sl_prompt_stage_note(struct sl_stage *stage, enum sl_burn_outcome outcome)
{
	struct state *state = stage->state[SL_STAGE_PROMPT];
	struct sl_burn_limits limits;

	if (!state || state->noted || !state->version)
		return;
	state->noted = true;
	limits = limits_of(stage);
	note(&limits, state->prompt, state->version, outcome);
}

struct sl_prompt_late *sl_prompt_stage_defer(struct sl_stage *stage)
{
	struct state *state = stage->state[SL_STAGE_PROMPT];
	struct sl_prompt_late *late;

	if (!state || state->noted || !state->version)
		return NULL;
	late = malloc(sizeof(*late));
	if (!late)
		return NULL;
	*late = (struct sl_prompt_late){state->set, state->prompt, state->version,
					limits_of(stage)};
	state->set = NULL;
	state->noted = true;
	return late;
}

void sl_prompt_late_note(struct sl_prompt_late **late_in, enum sl_burn_outcome outcome)
{
	struct sl_prompt_late *late = *late_in;

	*late_in = NULL;
	if (!late)
		return;
	note(&late->limits, late->prompt, late->version, outcome);
	sl_prompt_set_put(&late->set);
	free(late);
}

void sl_prompt_stage_end(struct sl_stage *stage)
{
	struct state *state = stage->state[SL_STAGE_PROMPT];

	stage->state[SL_STAGE_PROMPT] = NULL;
	if (state)
		sl_prompt_set_put(&state->set);
}
