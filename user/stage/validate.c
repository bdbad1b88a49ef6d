/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/stage/validate.h"

#include <errno.h>
#include <string.h>

#include "user/stage/validate_parts.h"

#define BAD_ANSWER_MAX 8192u /* of a wrong answer, as it is shown to the model again */
#define LIST_MISSING   "a list of patterns could not be loaded (see the log of the daemon)"

/* What the request was before it was asked again. In stage->state. */
struct first {
	struct sl_span body;
};

static bool checks_answers(const struct sl_config_validate *v)
{
	return v->pii_out || v->lists_out.count || v->schema || sl_validate_judges(v) ||
	       sl_validate_moderates(v, SL_CONFIG_WAY_OUT);
}

bool sl_validate_wanted(const struct sl_config_route *route)
{
	const struct sl_config_validate *v = &route->validate;

	return v->pii_in || v->lists_in.count || v->moderation || checks_answers(v);
}

static const char *keep(struct sl_stage *stage, const char *text)
{
	const char *copy = sl_arena_strdup(stage->arena, text);

	return copy ? copy : "no memory";
}

static enum sl_stage_verdict refuse(struct sl_stage *stage, enum sl_openai_error_id id,
				    const char *param, const char *object)
{
	stage->error = (struct sl_openai_error){.id = id, .param = param, .object = object};
	return SL_STAGE_REFUSE;
}

static void tell(void *owner, const struct sl_checked *checked)
{
	struct sl_stage *stage = owner;

	stage->ops->checked(stage, checked);
}

static void tell_question(struct sl_stage *stage, enum sl_check check, enum sl_check_done done,
			  const char *what)
{
	tell(stage, &(struct sl_checked){.check = check, .done = done, .what = what});
}

/* ---- before -------------------------------------------------------------------------------- */

/* Its client has, and the body with it: nothing is to be done any more. */
static bool has_left(const struct sl_stage *stage)
{
	return stage->gone && *stage->gone;
}

static enum sl_stage_verdict screen_question(struct sl_stage *stage)
{
	const struct sl_config_paths *lists = &stage->route->validate.lists_in;
	struct sl_validate_check check;
	enum sl_stage_verdict verdict = SL_STAGE_GO_ON;
	char why[96];
	int rc;

	sl_validate_check_question(stage, &check);
	if (has_left(stage)) {
		sl_validate_check_fini(&check);
		return SL_STAGE_GO_ON;
	}
	stage->vary ^= check.unlisted ? 0 : check.held.version;
	rc = check.rc;
	if (!rc && check.changed) {
		rc = stage->ops->set_body(stage, sl_text_string(&check.out), check.out.len);
		if (!rc) {
			stage->ops->step(stage, SL_STEP_INBOUND_REDACTED);
			sl_validate_tell(&check.screen, lists, false, tell, stage);
		}
	}
	if (check.unlisted) {
		tell_question(stage, SL_CHECK_LIST, SL_CHECK_BLOCKED,
			      sl_validate_list_name(lists, check.held.missing));
		verdict = refuse(stage, SL_OPENAI_ERROR_INTERNAL, NULL, LIST_MISSING);
	} else if (rc == -EPERM || rc == -EOPNOTSUPP) {
		/* what cannot be taken out must not go on */
		snprintf(why, sizeof(why), "the request holds %s%s",
			 check.screen.found == SL_SCREEN_LISTED ? ""
								: "personal data or a secret: ",
			 sl_validate_found(&check.screen));
		stage->ops->step(stage, SL_STEP_INBOUND_REFUSED);
		sl_validate_tell_stop(&check.screen, lists, false, SL_CHECK_BLOCKED, tell, stage);
		verdict = refuse(stage, SL_OPENAI_ERROR_POLICY, NULL, keep(stage, why));
	} else if (rc) {
		tell_question(stage, SL_CHECK_FORM, SL_CHECK_BLOCKED, NULL);
		verdict = refuse(stage, SL_OPENAI_ERROR_INTERNAL, NULL,
				 "the request could not be checked");
	}
	sl_validate_check_fini(&check);
	return verdict;
}

/* Answers that went through other lists are not kept for this one. Without them none could be looked at. */
static enum sl_stage_verdict note_lists(struct sl_stage *stage)
{
	struct sl_validate_held held;

	if (!sl_validate_hold(stage->stores->lists, &stage->route->validate.lists_out, &held)) {
		tell_question(
			stage, SL_CHECK_LIST, SL_CHECK_BLOCKED,
			sl_validate_list_name(&stage->route->validate.lists_out, held.missing));
		return refuse(stage, SL_OPENAI_ERROR_INTERNAL, NULL, LIST_MISSING);
	}
	stage->vary ^= held.version * 0x9e3779b97f4a7c15u;
	sl_validate_release(&held);
	return SL_STAGE_GO_ON;
}

static enum sl_stage_verdict moderate_question(struct sl_stage *stage)
{
	const struct sl_config_validate *v = &stage->route->validate;
	struct sl_text why;
	enum sl_stage_verdict verdict = SL_STAGE_GO_ON;
	char text[256];

	sl_text_init(&why, 160);
	switch (sl_validate_moderate(
		stage, sl_span_make(stage->facts->body, stage->facts->body_len), &why)) {
	case SL_MODERATION_FINE:
		break;
	case SL_MODERATION_FLAGGED:
		snprintf(text, sizeof(text), "moderation flags the request%s%s",
			 why.len ? ": " : "", sl_text_string(&why));
		stage->ops->step(stage, SL_STEP_INBOUND_REFUSED);
		tell_question(stage, SL_CHECK_MODERATION, SL_CHECK_BLOCKED, "flagged");
		verdict = refuse(stage, SL_OPENAI_ERROR_POLICY, NULL, keep(stage, text));
		break;
	default:
		if (*stage->gone)
			break;
		stage->ops->step(stage, SL_STEP_INBOUND_UNMODERATED);
		tell_question(stage, SL_CHECK_MODERATION,
			      v->moderation_open ? SL_CHECK_LET_THROUGH : SL_CHECK_BLOCKED,
			      "no answer");
		if (!v->moderation_open)
			verdict = refuse(stage, SL_OPENAI_ERROR_UNCHECKED, NULL,
					 "its moderation does not answer");
	}
	sl_text_fini(&why);
	return verdict;
}

/* Are the schemas of the request ones that answers can be checked against? */
static enum sl_stage_verdict check_schemas(struct sl_stage *stage)
{
	struct sl_validate_rules rules;
	struct sl_error error;
	const char *param = NULL;
	int rc = sl_validate_rules_init(&rules, stage->stores->schemas, stage->facts->body,
					stage->facts->body_len, &param, &error);

	if (!rc) {
		sl_validate_rules_fini(&rules);
		return SL_STAGE_GO_ON;
	}
	if (rc == -ENOMEM)
		return refuse(stage, SL_OPENAI_ERROR_INTERNAL, NULL, "no memory for the schemas");
	tell_question(stage, SL_CHECK_SCHEMA, SL_CHECK_BLOCKED, param);
	return refuse(stage, SL_OPENAI_ERROR_VALUE, param, keep(stage, error.text));
}

enum sl_stage_verdict sl_validate_before(struct sl_stage *stage)
{
	const struct sl_config_validate *v = &stage->route->validate;
	enum sl_stage_verdict verdict = SL_STAGE_GO_ON;

	if (!sl_validate_wanted(stage->route))
		return SL_STAGE_GO_ON;
	if (stage->fixed && checks_answers(v)) {
		tell_question(stage, SL_CHECK_FORM, SL_CHECK_BLOCKED, NULL);
		return refuse(stage, SL_OPENAI_ERROR_POLICY, NULL,
			      "answers of this model are checked, and what this request asks for "
			      "cannot be");
	}
	stage->vary ^=
		sl_validate_version(v, v->moderation ? stage->pools[v->moderation - 1].name : "");
	if (v->schema && stage->facts->endpoint == SL_OPENAI_CHAT &&
	    (stage->facts->has_tools || stage->facts->has_response_format))
		verdict = check_schemas(stage);
	if (verdict == SL_STAGE_GO_ON && (v->pii_in || v->lists_in.count))
		verdict = screen_question(stage);
	if (verdict == SL_STAGE_GO_ON && v->lists_out.count)
		verdict = note_lists(stage);
	if (verdict == SL_STAGE_GO_ON && sl_validate_moderates(v, SL_CONFIG_WAY_IN) &&
	    !has_left(stage))
		verdict = moderate_question(stage);
	return verdict;
}

/* ---- the ladder ------------------------------------------------------------------------------ */

/* The first question, the wrong answer behind it, and what is to be done about it. */
static int ask_again(struct sl_stage *stage, const struct sl_validate_fault *fault)
{
	struct first *first = stage->state[SL_STAGE_VALIDATE];
	struct sl_json_field messages = SL_JSON_FIELD("messages");
	struct sl_text body;
	size_t cut, said = fault->said.len < BAD_ANSWER_MAX ? fault->said.len : BAD_ANSWER_MAX;
	int rc = -EINVAL;

	if (!first) {
		first = sl_arena_zalloc(stage->arena, sizeof(*first));
		if (!first)
			return -ENOMEM;
		first->body.data =
			sl_arena_memdup(stage->arena, stage->facts->body, stage->facts->body_len);
		first->body.len = stage->facts->body_len;
		if (!first->body.data)
			return -ENOMEM;
		stage->state[SL_STAGE_VALIDATE] = first;
	}
	if (sl_json_scan(first->body.data, first->body.len, &messages, 1) ||
	    messages.type != SL_JSON_ARRAY)
		return rc;
	cut = (size_t)(messages.value - first->body.data) + messages.value_len - 1;
	sl_text_init(&body, SL_VALIDATE_SCRATCH_MAX);
	sl_text_append(&body, first->body.data, cut);
	sl_text_append_string(&body, ",{\"role\":\"assistant\",\"content\":\"");
	sl_text_append_json(&body, said ? fault->said.data : "(nothing)", said ? said : 9);
	sl_text_append_string(&body, "\"},{\"role\":\"user\",\"content\":\"That answer cannot be "
				     "used: ");
	sl_text_append_json(&body, fault->reason.text, strlen(fault->reason.text));
	sl_text_append_string(&body,
			      ". Give the whole answer again, corrected, and nothing else.\"}");
	sl_text_append(&body, first->body.data + cut, first->body.len - cut);
	if (!body.error)
		rc = stage->ops->set_body(stage, sl_text_string(&body), body.len);
	sl_text_fini(&body);
	return rc;
}

/* The pool behind the one that answered in the route's chain; UINT32_MAX: there is none. */
static uint32_t next_pool(const struct sl_stage *stage)
{
	const struct sl_config_chain *chain = &stage->route->chains[SL_CAUSE_ERROR];

	for (uint32_t i = 0; i + 1 < chain->len; i++)
		if (&stage->pools[chain->pools[i]] == stage->reply.pool)
			return chain->pools[i + 1];
	return UINT32_MAX;
}

static void tell_answer(struct sl_stage *stage, enum sl_check check, enum sl_check_done done,
			const char *what)
{
	bool again = done == SL_CHECK_REPAIRED || done == SL_CHECK_MOVED;

	tell(stage, &(struct sl_checked){.check = check,
					 .done = done,
					 .is_answer = true,
					 .number = again ? stage->reply.tries + 1 : 0,
					 .what = what && what[0] ? what : NULL});
}

/* The answer's own frame with a refusal in it. */
static enum sl_stage_verdict give_refusal(struct sl_stage *stage, const char *why)
{
	const struct sl_span body = stage->reply.body;
	bool chat = stage->facts->endpoint == SL_OPENAI_CHAT;
	struct sl_json_field choices = SL_JSON_FIELD("choices");
	struct sl_text out;
	int rc = -EINVAL;

	sl_text_init(&out, SL_VALIDATE_SCRATCH_MAX);
	if (!sl_json_scan(body.data, body.len, &choices, 1) && choices.type == SL_JSON_ARRAY) {
		size_t from = (size_t)(choices.value - body.data), to = from + choices.value_len;

		sl_text_append(&out, body.data, from);
		sl_text_append_string(&out,
				      chat ? "[{\"index\":0,\"message\":{\"role\":\"assistant\","
					     "\"content\":"
					   : "[{\"index\":0,\"text\":");
		sl_text_append_json_string(&out, stage->route->validate.refusal);
		sl_text_append_string(&out, chat ? "},\"logprobs\":null,\"finish_reason\":"
						   "\"content_filter\"}]"
						 : ",\"logprobs\":null,\"finish_reason\":"
						   "\"content_filter\"}]");
		sl_text_append(&out, body.data + to, body.len - to);
		if (!out.error)
			rc = stage->ops->set_answer(stage, sl_text_string(&out), out.len);
	}
	sl_text_fini(&out);
	stage->ops->step(stage, SL_STEP_VALIDATE_REFUSED);
	if (!rc)
		return SL_STAGE_GO_ON;
	stage->error = (struct sl_openai_error){.id = SL_OPENAI_ERROR_ANSWER,
						.object = stage->route->model,
						.detail = keep(stage, why)};
	return SL_STAGE_REFUSE;
}

static enum sl_stage_verdict step_down(struct sl_stage *stage,
				       const struct sl_validate_fault *fault)
{
	const struct sl_config_validate *v = &stage->route->validate;
	uint32_t tries = stage->reply.tries, pool;

	if (tries < v->repairs && !ask_again(stage, fault)) {
		stage->ops->step(stage, SL_STEP_VALIDATE_REPAIRED);
		tell_answer(stage, fault->check, SL_CHECK_REPAIRED, fault->what);
		return SL_STAGE_AGAIN;
	}
	pool = v->other && tries <= v->repairs ? next_pool(stage) : UINT32_MAX;
	if (pool != UINT32_MAX && !ask_again(stage, fault)) {
		stage->ops->set_pool(stage, pool);
		stage->ops->step(stage, SL_STEP_VALIDATE_MODEL);
		tell_answer(stage, fault->check, SL_CHECK_MOVED, fault->what);
		return SL_STAGE_AGAIN;
	}
	tell_answer(stage, fault->check, SL_CHECK_REFUSED, fault->what);
	return give_refusal(stage, fault->reason.text);
}

/* An answer in which nothing is wrong, as its screen leaves it. */
static enum sl_stage_verdict give_screened(struct sl_stage *stage, struct sl_validate_check *check,
					   bool *ret_refused)
{
	const struct sl_config_paths *lists = &stage->route->validate.lists_out;
	int rc = check->rc;

	*ret_refused = true;
	if (check->unlisted) {
		tell_answer(stage, SL_CHECK_LIST, SL_CHECK_REFUSED,
			    sl_validate_list_name(lists, check->held.missing));
		return give_refusal(stage, LIST_MISSING);
	}
	if (!rc && check->changed) {
		rc = stage->ops->set_answer(stage, sl_text_string(&check->out), check->out.len);
		stage->ops->step(stage, SL_STEP_VALIDATE_REDACTED);
		if (!rc)
			sl_validate_tell(&check->screen, lists, true, tell, stage);
	}
	*ret_refused = rc != 0;
	if (!rc)
		return SL_STAGE_GO_ON;
	if (rc == -EPERM)
		sl_validate_tell_stop(&check->screen, lists, true, SL_CHECK_REFUSED, tell, stage);
	else
		tell_answer(stage, SL_CHECK_FORM, SL_CHECK_REFUSED, NULL);
	return give_refusal(stage, "it holds what may not be told");
}

static enum sl_stage_verdict moderate_answer(struct sl_stage *stage)
{
	struct sl_text why;
	enum sl_stage_verdict verdict = SL_STAGE_GO_ON;

	sl_text_init(&why, 160);
	switch (sl_validate_moderate(stage, stage->reply.body, &why)) {
	case SL_MODERATION_FINE:
		break;
	case SL_MODERATION_FLAGGED:
		tell_answer(stage, SL_CHECK_MODERATION, SL_CHECK_REFUSED, "flagged");
		verdict = give_refusal(stage, "moderation flags it");
		break;
	default:
		if (*stage->gone)
			break;
		stage->ops->step(stage, SL_STEP_VALIDATE_UNMODERATED);
		tell_answer(stage, SL_CHECK_MODERATION,
			    stage->route->validate.moderation_open ? SL_CHECK_LET_THROUGH
								   : SL_CHECK_REFUSED,
			    "no answer");
		if (!stage->route->validate.moderation_open)
			verdict = give_refusal(stage, "its moderation does not answer");
	}
	sl_text_fini(&why);
	return verdict;
}

enum sl_stage_verdict sl_validate_after(struct sl_stage *stage)
{
	const struct sl_config_validate *v = &stage->route->validate;
	enum sl_stage_verdict verdict;
	struct sl_validate_check check;
	bool refused;

	if (!checks_answers(v) || stage->reply.status != 200 || stage->reply.foreign ||
	    stage->reply.given || stage->facts->endpoint == SL_OPENAI_EMBEDDINGS)
		return SL_STAGE_GO_ON;
	sl_validate_check_answer(stage, &check);
	if (has_left(stage)) {
		sl_validate_check_fini(&check);
		return SL_STAGE_GO_ON;
	}
	refused = check.wrong;
	verdict = refused ? step_down(stage, &check.fault) : give_screened(stage, &check, &refused);
	sl_validate_check_fini(&check);
	if (verdict == SL_STAGE_GO_ON && !refused && sl_validate_moderates(v, SL_CONFIG_WAY_OUT))
		verdict = moderate_answer(stage);
	return verdict;
}

bool sl_validate_minds(struct sl_stage *stage)
{
	struct sl_validate_check check;
	bool minds;

	if (!checks_answers(&stage->route->validate))
		return false;
	sl_validate_check_answer(stage, &check);
	minds = check.wrong || check.unlisted || check.rc;
	sl_validate_check_fini(&check);
	return minds;
}
