/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/stage/sampling.h"

#include <errno.h>
#include <string.h>
#include "user/wire/json_scan.h"

#define BODY_BYTES_MAX	 (64u << 20)
#define INSERT_BYTES_MAX 512u /* all parameters with their values */
#define HEADER_BYTES_MAX 256u

static bool is_same(const struct sl_json_field *said, const char *value)
{
	const struct sl_json_field ours = {
		.type = SL_JSON_NUMBER, .value = value, .value_len = strlen(value)};
	double a, b;

	return !sl_json_double(said, &a) && !sl_json_double(&ours, &b) && !(a < b) && !(a > b);
}

/* The fields that are to be fixed. Returns how many; which[i] says what fields[i] is. */
static size_t want(const struct sl_config_sampling *sampling,
		   struct sl_json_field fields[SL_SAMPLINGS], enum sl_sampling which[SL_SAMPLINGS])
{
	size_t count = 0;

	for (int i = 0; i < SL_SAMPLINGS; i++) {
		if (!sampling->values[i])
			continue;
		which[count] = (enum sl_sampling)i;
		fields[count++] = (struct sl_json_field){.name = sl_samplings[i].name,
							 .name_len = sl_samplings[i].name_len,
							 .any_case = true};
	}
	return count;
}

static enum sl_sampling refused_of(const struct sl_json_field *fields,
				   const enum sl_sampling *which, size_t count)
{
	size_t i;

	for (i = 0; i + 1 < count && !fields[i].refused; i++)
		;
	return which[i];
}

static int write_edits(struct sl_span body, struct sl_json_edit *edits, size_t count,
		       const struct sl_text *insert, struct sl_text *out)
{
	struct sl_json_piece pieces[3 * (SL_SAMPLINGS + 1) + 1];
	int piece_count;

	if (insert->error)
		return -ENOMEM;
	if (insert->len)
		edits[count++] =
			sl_json_edit_insert(body.data, body.len, NULL, insert->data, insert->len);
	sl_json_edit_sort(edits, count);
	piece_count = sl_json_edit_pieces(body.data, body.len, edits, count, pieces,
					  sizeof(pieces) / sizeof(pieces[0]));
	for (int i = 0; i < piece_count; i++)
		sl_text_append(out, pieces[i].data, pieces[i].len);
	return piece_count < 0 ? -EINVAL : out->error ? -ENOMEM : 0;
}

int sl_sampling_write(struct sl_span body, const struct sl_config_sampling *sampling,
		      struct sl_text *out, struct sl_sampling_done *ret_done)
{
	struct sl_json_field fields[SL_SAMPLINGS];
	enum sl_sampling which[SL_SAMPLINGS];
	struct sl_json_edit edits[SL_SAMPLINGS + 1];
	struct sl_sampling_done done = {0};
	char room[INSERT_BYTES_MAX];
	size_t count = want(sampling, fields, which), edit_count = 0, i;
	struct sl_text insert;

	sl_text_init_fixed(&insert, room, sizeof(room));
	if (sl_json_scan(body.data, body.len, fields, count)) {
		ret_done->what = refused_of(fields, which, count);
		return -EINVAL;
	}
	for (i = 0; i < count; i++) {
		const char *value = sampling->values[which[i]];
		bool absent = fields[i].type == SL_JSON_ABSENT;

		if (!absent && fields[i].type != SL_JSON_NULL) {
			if (sampling->mode == SL_CONFIG_SAMPLING_DEFAULT ||
			    is_same(&fields[i], value))
				continue;
			if (sampling->mode == SL_CONFIG_SAMPLING_REFUSE) {
				ret_done->what = which[i];
				return -EPERM;
			}
			done.overruled |= 1u << which[i];
		} else {
			done.set |= 1u << which[i];
		}
		if (absent)
			sl_text_printf(&insert, "%s\"%s\":%s", insert.len ? "," : "",
				       sl_samplings[which[i]].name, value);
		else
			edits[edit_count++] =
				sl_json_edit_replace(body.data, &fields[i], value, strlen(value));
	}
	*ret_done = done;
	return done.set || done.overruled ? write_edits(body, edits, edit_count, &insert, out) : 0;
}

static enum sl_stage_verdict refuse(struct sl_stage *stage, enum sl_openai_error_id id,
				    const char *param, const char *object)
{
	stage->error = (struct sl_openai_error){.id = id, .param = param, .object = object};
	return SL_STAGE_REFUSE;
}

static void tell(struct sl_stage *stage, const struct sl_sampling_done *done)
{
	char room[HEADER_BYTES_MAX];
	struct sl_text text;

	sl_text_init_fixed(&text, room, sizeof(room));
	for (int i = 0; i < SL_SAMPLINGS; i++) {
		bool overruled = done->overruled & 1u << i;

		if (!overruled && !(done->set & 1u << i))
			continue;
		sl_text_printf(&text, "%s%s%s", text.len ? ", " : "", sl_samplings[i].name,
			       overruled ? "=overruled" : "");
		stage->ops->sampled(stage, (enum sl_sampling)i, overruled);
	}
	stage->ops->header(stage, "x-sluice-sampling", sl_text_string(&text));
}

/* "0 (this model's temperature is fixed)" */
static const char *expected(struct sl_stage *stage, enum sl_sampling what)
{
	char room[SL_SAMPLING_VALUE_MAX + 64];
	const char *copy;

	snprintf(room, sizeof(room), "%s, which is fixed for this model",
		 stage->route->sampling.values[what]);
	copy = sl_arena_strdup(stage->arena, room);
	return copy ? copy : "what is fixed for this model";
}

enum sl_stage_verdict sl_sampling_run(struct sl_stage *stage)
{
	const struct sl_config_sampling *sampling = &stage->route->sampling;
	enum sl_stage_verdict verdict = SL_STAGE_GO_ON;
	struct sl_sampling_done done = {0};
	struct sl_text text;
	int rc;

	if (!sl_config_sampling_is_on(sampling) ||
	    (stage->facts->endpoint != SL_OPENAI_CHAT &&
	     stage->facts->endpoint != SL_OPENAI_COMPLETIONS))
		return SL_STAGE_GO_ON;
	if (stage->fixed)
		return sampling->mode == SL_CONFIG_SAMPLING_DEFAULT
			       ? SL_STAGE_GO_ON
			       : refuse(stage, SL_OPENAI_ERROR_UNSUPPORTED, NULL,
					"fixed sampling of this model in a request that only "
					"servers "
					"of its own API understand");
	sl_text_init(&text, BODY_BYTES_MAX);
	rc = sl_sampling_write(sl_span_make(stage->facts->body, stage->facts->body_len), sampling,
			       &text, &done);
	if (!rc && text.len)
		rc = stage->ops->set_body(stage, text.data, text.len);
	sl_text_fini(&text);
	if (rc == -EPERM)
		verdict = refuse(stage, SL_OPENAI_ERROR_VALUE, sl_samplings[done.what].name,
				 expected(stage, done.what));
	else if (rc == -EINVAL)
		verdict = refuse(stage, SL_OPENAI_ERROR_VALUE, sl_samplings[done.what].name,
				 "one member of this name, in small letters");
	else if (rc)
		verdict = refuse(stage, SL_OPENAI_ERROR_INTERNAL, NULL,
				 "no memory to fix the sampling");
	else if (done.set || done.overruled)
		tell(stage, &done);
	return verdict;
}
