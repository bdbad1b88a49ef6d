/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/wire/embedding_api.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>

#include "user/wire/json_scan.h"

#define SQUARES_MIN 1e-12 /* of a vector that has a direction */

int sl_embeddings_ask(const char *model, const struct sl_span *texts, uint32_t count,
		      struct sl_text *out)
{
	sl_text_append_string(out, "{\"model\":");
	sl_text_append_json_string(out, model);
	sl_text_append_string(out, count == 1 ? ",\"input\":" : ",\"input\":[");
	for (uint32_t i = 0; i < count; i++) {
		sl_text_append_string(out, i ? ",\"" : "\"");
		sl_text_append_json(out, texts[i].data, texts[i].len);
		sl_text_append_char(out, '"');
	}
	return sl_text_append_string(out, count == 1 ? ",\"encoding_format\":\"float\"}"
						     : "],\"encoding_format\":\"float\"}");
}

/* To length 1; false: it has none. */
static bool normalise(float *vector, uint32_t count)
{
	double squares = 0, length;

	for (uint32_t i = 0; i < count; i++)
		squares += (double)vector[i] * (double)vector[i];
	if (!(squares > SQUARES_MIN) || !isfinite(squares))
		return false;
	length = sqrt(squares);
	for (uint32_t i = 0; i < count; i++)
		vector[i] = (float)((double)vector[i] / length);
	return true;
}

struct reading {
	uint32_t count;
	uint32_t dimensions; /* 0: not known yet */
	float *vectors;
	size_t room;
	bool had[SL_EMBEDDING_TEXTS_MAX];
	const char *why;
};

static bool fail(struct reading *r, const char *why)
{
	r->why = why;
	return false;
}

/* The numbers of one vector, to their place. */
static bool take_numbers(struct reading *r, const struct sl_json_field *list, uint32_t place)
{
	const char *cursor = NULL;
	struct sl_json_field number;
	uint32_t len = 0;
	size_t at = (size_t)place * r->dimensions;
	double value;

	while (sl_json_each(list, &cursor, &number)) {
		if (at + len >= r->room || (r->dimensions && len == r->dimensions))
			return fail(r, "a vector has too many numbers");
		if (sl_json_double(&number, &value))
			return fail(r, "a vector has something that is no finite number");
		r->vectors[at + len++] = (float)value;
	}
	if (!len || (r->dimensions && len != r->dimensions))
		return fail(r, "a vector has too few numbers");
	r->dimensions = len;
	return normalise(r->vectors + at, len) || fail(r, "a vector has no direction");
}

static bool take_item(struct reading *r, const struct sl_json_field *item, uint32_t number)
{
	struct sl_json_field f[] = {SL_JSON_FIELD("index"), SL_JSON_FIELD("embedding")};
	int64_t place = number;

	if (item->type != SL_JSON_OBJECT || sl_json_scan(item->value, item->value_len, f, 2) ||
	    f[1].type != SL_JSON_ARRAY)
		return fail(r, "an item of its list is no embedding");
	if (f[0].type != SL_JSON_ABSENT && sl_json_int(&f[0], &place))
		return fail(r, "an index is no number");
	if (place < 0 || place >= (int64_t)r->count || r->had[place])
		return fail(r, "it has vectors that nobody asked for");
	/* Until the first is read nobody knows where a later one goes. */
	if (!r->dimensions && place != 0)
		return fail(r, "its vectors are not in order");
	r->had[place] = true;
	return take_numbers(r, &f[1], (uint32_t)place);
}

int sl_embeddings_read(struct sl_span body, uint32_t count, uint32_t dimensions, float *ret_vectors,
		       size_t room, const char **ret_why)
{
	struct sl_json_field data = SL_JSON_FIELD("data"), item;
	struct reading r = {
		.count = count, .dimensions = dimensions, .vectors = ret_vectors, .room = room};
	const char *cursor = NULL;
	uint32_t number = 0;

	*ret_why = "it has no list of embeddings";
	if (sl_json_scan(body.data, body.len, &data, 1) || data.type != SL_JSON_ARRAY)
		return -EINVAL;
	while (sl_json_each(&data, &cursor, &item))
		if (!take_item(&r, &item, number++)) {
			*ret_why = r.why;
			return -EINVAL;
		}
	*ret_why = "it has fewer vectors than texts";
	if (number != count)
		return -EINVAL;
	*ret_why = NULL;
	return (int)r.dimensions;
}
