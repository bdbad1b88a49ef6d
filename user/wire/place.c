/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/wire/place.h"

#include <stdio.h>

enum sl_openai_error_id sl_place_refuse(struct sl_place *s, enum sl_openai_error_id id,
					const char *key, const char *expected)
{
	struct sl_text path;

	sl_text_init_fixed(&path, s->param, SL_PLACE_PARAM_BYTES);
	sl_text_append_string(&path, s->list);
	if (s->item >= 0)
		sl_text_printf(&path, "[%ld]", s->item);
	if (s->part >= 0)
		sl_text_printf(&path, ".%s[%ld]", s->inner, s->part);
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
	s->item = s->part = -1;
	return sl_place_refuse(s, id, key, expected);
}

static enum sl_openai_error_id refuse_unknown(struct sl_place *s, const struct sl_json_field *key)
{
	char name[SL_JSON_NAME_BYTES_MAX + 1];

	if (sl_json_string(key, name, sizeof(name)) < 0)
		snprintf(name, sizeof(name), "(a name of over %d bytes)", SL_JSON_NAME_BYTES_MAX);
	return sl_place_refuse(s, SL_OPENAI_ERROR_UNTRANSLATED, name, "leave it out");
}

enum sl_openai_error_id sl_place_object_read(struct sl_place *s, const struct sl_json_field *object,
					     struct sl_json_field *fields, size_t field_count,
					     bool strict)
{
	struct sl_json_field key, value;
	const char *cursor = NULL;
	size_t i;

	if (object->type != SL_JSON_OBJECT)
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, NULL, "an object");
	if (sl_json_scan(object->value, object->value_len, fields, field_count))
		return sl_place_refuse(s, SL_OPENAI_ERROR_VALUE, NULL, "each field once");
	while (strict && sl_json_each_member(object, &cursor, &key, &value)) {
		for (i = 0; i < field_count; i++) {
			if (sl_json_string_equal(&key, fields[i].name, fields[i].name_len))
				break;
		}
		if (i == field_count && value.type != SL_JSON_NULL)
			return refuse_unknown(s, &key);
	}
	return SL_OPENAI_OK;
}
