/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/wire/vector_api.h"

#include <errno.h>
#include <string.h>

#include "user/wire/json_scan.h"

/* ---- asking ---------------------------------------------------------------------------------- */

int sl_vector_api_ask(enum sl_vector_api api, struct sl_span vector_json, uint32_t count,
		      struct sl_text *out)
{
	bool qdrant = api == SL_VECTOR_API_QDRANT;

	sl_text_append_string(out, qdrant ? "{\"vector\":" : "{\"query_embeddings\":[");
	sl_text_append_span(out, vector_json);
	sl_text_append_string(out, qdrant ? ",\"limit\":" : "],\"n_results\":");
	sl_text_append_u64(out, count);
	return sl_text_append_string(
		out, qdrant ? ",\"with_payload\":true}"
			    : ",\"include\":[\"documents\",\"metadatas\",\"distances\"]}");
}

int sl_rerank_ask(bool tei, const char *model, struct sl_span question, const struct sl_span *texts,
		  uint32_t count, struct sl_text *out)
{
	sl_text_append_char(out, '{');
	if (!tei && model != NULL) {
		sl_text_append_string(out, "\"model\":");
		sl_text_append_json_string(out, model);
		sl_text_append_char(out, ',');
	}
	sl_text_append_string(out, "\"query\":\"");
	sl_text_append_json(out, question.data, question.len);
	sl_text_append_string(out, tei ? "\",\"texts\":[" : "\",\"documents\":[");
	for (uint32_t i = 0; i < count; i++) {
		sl_text_append_string(out, i ? ",\"" : "\"");
		sl_text_append_json(out, texts[i].data, texts[i].len);
		sl_text_append_char(out, '"');
	}
	return sl_text_append_string(out, "]}");
}

/* ---- reading --------------------------------------------------------------------------------- */

static const char *take_string(struct sl_arena *arena, const struct sl_json_field *field, int *rc)
{
	char *copy;

	if (field->type != SL_JSON_STRING)
		return "";
	copy = sl_arena_alloc(arena, field->value_len + 1);
	if (copy == NULL) {
		*rc = -ENOMEM;
		return "";
	}
	if (sl_json_string(field, copy, field->value_len + 1) < 0)
		*rc = -EINVAL;
	return copy;
}

/* A string or a number; it goes into a header, so nothing but visible ASCII stays of it. */
static const char *take_id(struct sl_arena *arena, const struct sl_json_field *field, int *rc)
{
	bool string = field->type == SL_JSON_STRING;
	struct sl_span text = sl_span_make(field->value, field->value_len);
	char *copy;

	if (!string && field->type != SL_JSON_NUMBER)
		return "";
	if (string)
		text = sl_span_make(text.data + 1, text.len - 2);
	if (text.len > SL_VECTOR_API_ID_BYTES)
		text.len = SL_VECTOR_API_ID_BYTES;
	copy = sl_arena_strndup(arena, text.data, text.len);
	if (copy == NULL) {
		*rc = -ENOMEM;
		return "";
	}
	for (size_t i = 0; i < text.len; i++)
		if (copy[i] <= ' ' || copy[i] > '~' || copy[i] == ',' || copy[i] == '\\')
			copy[i] = '_';
	return copy;
}

static int take_score(const struct sl_json_field *field, bool distance, float *ret_score)
{
	double value;

	if (sl_json_double(field, &value))
		return -EINVAL;
	*ret_score = (float)(distance ? 1 - value : value);
	return 0;
}

/* Two named members of an object; both absent where it is none. */
static void take_payload(struct sl_arena *arena, const struct sl_json_field *payload,
			 const char *text, const char *name, struct sl_vector_found *found, int *rc)
{
	struct sl_json_field fields[2] = {{.name = text, .name_len = (uint8_t)strlen(text)},
					  {.name = name, .name_len = (uint8_t)strlen(name)}};
	bool both = strcmp(text, name) != 0;

	if (payload->type != SL_JSON_OBJECT ||
	    sl_json_scan(payload->value, payload->value_len, fields, both ? 2 : 1))
		return;
	found->text = take_string(arena, &fields[0], rc);
	found->name = both ? take_string(arena, &fields[1], rc) : found->text;
}

/* Some chunks without a text may be; where all are, the texts are elsewhere, or nowhere. */
static int some_of(int count, int seen)
{
	return seen && !count ? -EINVAL : count;
}

static int read_qdrant(struct sl_span body, const char *text, const char *name,
		       struct sl_arena *arena, struct sl_vector_found *found)
{
	struct sl_json_field result = SL_JSON_FIELD("result"), point;
	struct sl_json_field points = SL_JSON_FIELD("points");
	const char *cursor = NULL;
	int count = 0, seen = 0, rc = 0;

	if (sl_json_scan(body.data, body.len, &result, 1))
		return -EINVAL;
	if (result.type == SL_JSON_OBJECT &&
	    !sl_json_scan(result.value, result.value_len, &points, 1))
		result = points;
	if (result.type != SL_JSON_ARRAY)
		return -EINVAL;
	while (count < (int)SL_VECTOR_API_FOUND_MAX && !rc &&
	       sl_json_each(&result, &cursor, &point)) {
		struct sl_json_field fields[] = {SL_JSON_FIELD("id"), SL_JSON_FIELD("score"),
						 SL_JSON_FIELD("payload")};
		struct sl_vector_found *next = &found[count];

		if (point.type != SL_JSON_OBJECT ||
		    sl_json_scan(point.value, point.value_len, fields, 3))
			return -EINVAL;
		*next = (struct sl_vector_found){.name = "", .text = ""};
		rc = take_score(&fields[1], false, &next->score);
		next->id = take_id(arena, &fields[0], &rc);
		take_payload(arena, &fields[2], text, name, next, &rc);
		count += next->text[0] != '\0';
		seen++;
	}
	return rc ? rc : some_of(count, seen);
}

/* The first row of an answer's [[...]]: one question was asked. */
static bool first_row(const struct sl_json_field *rows, struct sl_json_field *ret_row)
{
	const char *cursor = NULL;

	return rows->type == SL_JSON_ARRAY && sl_json_each(rows, &cursor, ret_row) &&
	       ret_row->type == SL_JSON_ARRAY;
}

static int read_chroma(struct sl_span body, const char *name, struct sl_arena *arena,
		       struct sl_vector_found *found)
{
	struct sl_json_field fields[] = {SL_JSON_FIELD("ids"), SL_JSON_FIELD("distances"),
					 SL_JSON_FIELD("documents"), SL_JSON_FIELD("metadatas")};
	struct sl_json_field rows[4] = {{.type = SL_JSON_ABSENT}}, item[4];
	const char *cursors[4] = {NULL};
	int count = 0, seen = 0, rc = 0;

	if (sl_json_scan(body.data, body.len, fields, 4))
		return -EINVAL;
	for (int i = 0; i < 4; i++)
		if (!first_row(&fields[i], &rows[i]) && i < 3)
			return -EINVAL;
	while (count < (int)SL_VECTOR_API_FOUND_MAX && !rc &&
	       sl_json_each(&rows[0], &cursors[0], &item[0])) {
		struct sl_vector_found *next = &found[count];
		bool more = sl_json_each(&rows[1], &cursors[1], &item[1]) &&
			    sl_json_each(&rows[2], &cursors[2], &item[2]);

		if (!more)
			return -EINVAL; /* rows of different lengths */
		*next = (struct sl_vector_found){.name = "", .text = ""};
		if (rows[3].type == SL_JSON_ARRAY && sl_json_each(&rows[3], &cursors[3], &item[3]))
			take_payload(arena, &item[3], name, name, next, &rc);
		rc = rc ? rc : take_score(&item[1], true, &next->score);
		next->id = take_id(arena, &item[0], &rc);
		next->name = next->text;
		next->text = take_string(arena, &item[2], &rc);
		count += next->text[0] != '\0';
		seen++;
	}
	return rc ? rc : some_of(count, seen);
}

int sl_vector_api_read(enum sl_vector_api api, struct sl_span body, const char *text,
		       const char *name, struct sl_arena *arena,
		       struct sl_vector_found found[SL_VECTOR_API_FOUND_MAX])
{
	if (api == SL_VECTOR_API_QDRANT)
		return read_qdrant(body, text, name, arena, found);
	return read_chroma(body, name, arena, found);
}

struct ranked {
	uint32_t index;
	double score;
};

/* Stable, best first. */
static void sort_ranked(struct ranked *items, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		struct ranked item = items[i];
		uint32_t at = i;

		for (; at > 0 && items[at - 1].score < item.score; at--)
			items[at] = items[at - 1];
		items[at] = item;
	}
}

int sl_rerank_read(bool tei, struct sl_span body, uint32_t count,
		   uint32_t ret_order[SL_VECTOR_API_FOUND_MAX])
{
	struct sl_json_field results = SL_JSON_FIELD("results"), item;
	struct ranked ranked[SL_VECTOR_API_FOUND_MAX];
	bool named[SL_VECTOR_API_FOUND_MAX] = {false};
	const char *cursor = NULL;
	uint32_t len = 0;

	if (tei ? sl_json_check(body.data, body.len, NULL)
		: sl_json_scan(body.data, body.len, &results, 1))
		return -EINVAL;
	if (tei) {
		body = sl_span_trim(body);
		results = (struct sl_json_field){.type = body.data[0] == '[' ? SL_JSON_ARRAY
									     : SL_JSON_NULL,
						 .value = body.data,
						 .value_len = body.len};
	}
	if (results.type != SL_JSON_ARRAY)
		return -EINVAL;
	while (sl_json_each(&results, &cursor, &item)) {
		struct sl_json_field fields[] = {SL_JSON_FIELD("index"),
						 SL_JSON_FIELD("relevance_score"),
						 SL_JSON_FIELD("score")};
		int64_t index;
		double score;

		if (item.type != SL_JSON_OBJECT ||
		    sl_json_scan(item.value, item.value_len, fields, 3) ||
		    sl_json_int(&fields[0], &index) ||
		    sl_json_double(&fields[tei ? 2 : 1], &score) || index < 0 ||
		    index >= (int64_t)count || named[index])
			return -EINVAL;
		named[index] = true;
		ranked[len++] = (struct ranked){(uint32_t)index, score};
	}
	if (len != count)
		return -EINVAL; /* nobody asked for the best alone: some are missing */
	sort_ranked(ranked, len);
	for (uint32_t i = 0; i < len; i++)
		ret_order[i] = ranked[i].index;
	return 0;
}
