/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/wire/feedback.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/text.h"

enum { REQUEST_ID, SCORE, RATING, THUMBS, LABEL, COMMENT, FIELDS };

static const struct {
	const char *label;
	int32_t score;
} meanings[] = {
	{"good", SL_FEEDBACK_ONE},	     {"correct", SL_FEEDBACK_ONE},
	{"helpful", SL_FEEDBACK_ONE},	     {"bad", -SL_FEEDBACK_ONE},
	{"wrong", -SL_FEEDBACK_ONE},	     {"incorrect", -SL_FEEDBACK_ONE},
	{"unhelpful", -SL_FEEDBACK_ONE},     {"unsafe", -SL_FEEDBACK_ONE},
	{"hallucination", -SL_FEEDBACK_ONE},
};

static enum sl_openai_error_id refuse(struct sl_openai_error *error, enum sl_openai_error_id id,
				      const char *param, const char *expected)
{
	*error = (struct sl_openai_error){.id = id, .param = param, .object = expected};
	return id;
}

static bool given(const struct sl_json_field *field)
{
	return field->type != SL_JSON_ABSENT && field->type != SL_JSON_NULL;
}

/* A number from low to 1 as thousandths of -1 to 1. */
static bool read_number(const struct sl_json_field *field, double low, int32_t *ret_score)
{
	double number;

	if (sl_json_double(field, &number) || !(number >= low && number <= 1))
		return false;
	number = (number - low) / (1 - low) * 2 - 1;
	*ret_score = (int32_t)(number * SL_FEEDBACK_ONE + (number < 0 ? -0.5 : 0.5));
	return true;
}

static bool read_thumbs(const struct sl_json_field *field, int32_t *ret_score)
{
	bool up = field->type == SL_JSON_TRUE || sl_json_string_equal(field, "up", 2);

	*ret_score = up ? SL_FEEDBACK_ONE : -SL_FEEDBACK_ONE;
	return up || field->type == SL_JSON_FALSE || sl_json_string_equal(field, "down", 4);
}

static enum sl_openai_error_id read_score(const struct sl_json_field f[FIELDS],
					  struct sl_feedback_said *said,
					  struct sl_openai_error *error)
{
	if (given(&f[SCORE]) + given(&f[RATING]) + given(&f[THUMBS]) > 1)
		return refuse(error, SL_OPENAI_ERROR_VALUE, "score",
			      "one of score, rating and thumbs");
	if (given(&f[SCORE]) && !read_number(&f[SCORE], -1, &said->score))
		return refuse(error, SL_OPENAI_ERROR_VALUE, "score", "a number from -1 to 1");
	if (given(&f[RATING]) && !read_number(&f[RATING], 0, &said->score))
		return refuse(error, SL_OPENAI_ERROR_VALUE, "rating", "a number from 0 to 1");
	if (given(&f[THUMBS]) && !read_thumbs(&f[THUMBS], &said->score))
		return refuse(error, SL_OPENAI_ERROR_VALUE, "thumbs", "'up' or 'down'");
	said->has_score = given(&f[SCORE]) || given(&f[RATING]) || given(&f[THUMBS]);
	return SL_OPENAI_OK;
}

static bool read_label(const struct sl_json_field *field, struct sl_feedback_said *said)
{
	int len = sl_json_string(field, said->label, sizeof(said->label));

	if (len <= 0 ||
	    strspn(said->label,
		   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") !=
		    (size_t)len)
		return false;
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]) && !said->has_score; i++) {
		if (!strcmp(said->label, meanings[i].label)) {
			said->score = meanings[i].score;
			said->has_score = true;
		}
	}
	return true;
}

/* Cut where a character ends; no NUL gets in. */
static int read_comment(const struct sl_json_field *field, struct sl_feedback_said *said)
{
	char *room = malloc(field->value_len + 1);
	int len = room ? sl_json_string(field, room, field->value_len + 1) : -ENOMEM;
	size_t at = 0, out = 0;

	while (len > 0 && at < (size_t)len) {
		size_t step = sl_text_utf8_len(room + at, (size_t)len - at);

		if (!step || out + step > SL_FEEDBACK_COMMENT_MAX)
			break;
		if (room[at]) {
			memcpy(said->comment + out, room + at, step);
			out += step;
		}
		at += step;
	}
	said->comment[out] = '\0';
	free(room);
	return len < 0 ? len : 0;
}

enum sl_openai_error_id sl_feedback_read(const char *body, size_t len,
					 struct sl_feedback_said *ret_said,
					 struct sl_openai_error *ret_error)
{
	struct sl_json_field f[FIELDS] = {
		[REQUEST_ID] = SL_JSON_FIELD("request_id"), [SCORE] = SL_JSON_FIELD("score"),
		[RATING] = SL_JSON_FIELD("rating"),	    [THUMBS] = SL_JSON_FIELD("thumbs"),
		[LABEL] = SL_JSON_FIELD("label"),	    [COMMENT] = SL_JSON_FIELD("comment"),
	};
	enum sl_openai_error_id id;
	int rc = sl_json_scan(body, len, f, FIELDS);

	memset(ret_said, 0, sizeof(*ret_said));
	if (rc) {
		refuse(ret_error, SL_OPENAI_ERROR_JSON, NULL,
		       sl_json_bad_text((enum sl_json_bad) - rc));
		ret_error->bad = (enum sl_json_bad) - rc;
		return SL_OPENAI_ERROR_JSON;
	}
	if (!given(&f[REQUEST_ID]))
		return refuse(ret_error, SL_OPENAI_ERROR_MISSING, "request_id", NULL);
	if (sl_json_string(&f[REQUEST_ID], ret_said->request_id, sizeof(ret_said->request_id)) <= 0)
		return refuse(ret_error, SL_OPENAI_ERROR_VALUE, "request_id",
			      "the x-request-id of an answer");
	id = read_score(f, ret_said, ret_error);
	if (id)
		return id;
	if (given(&f[LABEL]) && !read_label(&f[LABEL], ret_said))
		return refuse(ret_error, SL_OPENAI_ERROR_VALUE, "label",
			      "a word of at most 32 letters, digits, '_' and '-'");
	if (!ret_said->has_score && !ret_said->label[0])
		return refuse(ret_error, SL_OPENAI_ERROR_MISSING, "score", NULL);
	if (given(&f[COMMENT]) &&
	    (f[COMMENT].type != SL_JSON_STRING || read_comment(&f[COMMENT], ret_said)))
		return refuse(ret_error, SL_OPENAI_ERROR_TYPE, "comment", "a string");
	return SL_OPENAI_OK;
}
