/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/wire/place.h"

#include <stdio.h>
#include <string.h>

void sl_place_init(struct sl_place *s, struct sl_text *out, struct sl_openai_error *error,
		   char param[SL_PLACE_PARAM_BYTES])
{
	*s = (struct sl_place){
		.out = out,
		.error = error,
		.param = param,
		.list = "",
		.item = -1,
		.inner = "content",
		.part = -1,
		.deep = -1,
	};
}

static void put_index(const struct sl_place *s, struct sl_text *path, long index)
{
	sl_text_printf(path, s->dots ? ".%ld" : "[%ld]", index);
}

enum sl_openai_error_id sl_place_refuse(struct sl_place *s, enum sl_openai_error_id id,
					const char *key, const char *expected)
{
	const long inside[] = {s->part, s->deep};
	struct sl_text path;

	sl_text_init_fixed(&path, s->param, SL_PLACE_PARAM_BYTES);
	sl_text_append_string(&path, s->list);
	if (s->item >= 0)
		put_index(s, &path, s->item);
	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
		if (inside[i] < 0)
			continue;
		sl_text_append_char(&path, '.');
		sl_text_append_string(&path, s->inner);
		put_index(s, &path, inside[i]);
	}
	if (key && key[0]) {
		if (path.len)
			sl_text_append_char(&path, '.');
		sl_text_append_string(&path, key);
	}
	*s->error = (struct sl_openai_error){.id = id, .param = s->param, .object = expected};
	return id;
}

enum sl_openai_error_id sl_place_refuse_top(struct sl_place *s, enum sl_openai_error_id id,
					    const char *key, const char *expected)
{
	s->list = "";
	s->item = s->part = s->deep = -1;
	return sl_place_refuse(s, id, key, expected);
}

enum sl_openai_error_id sl_place_refuse_unknown(struct sl_place *s, const struct sl_json_field *key)
{
	char name[SL_JSON_NAME_BYTES_MAX + 1];

	if (sl_json_string(key, name, sizeof(name)) < 0)
		snprintf(name, sizeof(name), "(a name of over %d bytes)", SL_JSON_NAME_BYTES_MAX);
	return sl_place_refuse(s, SL_OPENAI_ERROR_UNTRANSLATED, name, "leave it out");
}

bool sl_place_unknown(const struct sl_json_field *object, const struct sl_json_field *fields,
		      size_t field_count, struct sl_json_field *ret_key)
{
	struct sl_json_field value;
	const char *cursor = NULL;
	size_t i;

	while (sl_json_each_member(object, &cursor, ret_key, &value)) {
		for (i = 0; i < field_count; i++) {
			if (sl_json_string_equal(ret_key, fields[i].name, fields[i].name_len))
				break;
		}
		if (i == field_count && value.type != SL_JSON_NULL)
			return true;
	}
	return false;
}

enum sl_openai_error_id sl_place_object_read(struct sl_place *s, const struct sl_json_field *object,
					     struct sl_json_field *fields, size_t field_count,
					     bool strict)
{
	struct sl_json_field unknown;

	if (object->type != SL_JSON_OBJECT)
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, NULL, "an object");
	if (sl_json_scan(object->value, object->value_len, fields, field_count))
		return sl_place_refuse(s, SL_OPENAI_ERROR_VALUE,
				       sl_json_refused_name(fields, field_count),
				       "each field once");
	if (strict && sl_place_unknown(object, fields, field_count, &unknown))
		return sl_place_refuse_unknown(s, &unknown);
	return SL_OPENAI_OK;
}
