/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tools and the choice among them, from the Messages API to functions. Pure but for sl_text; any
 * thread. Declared in anthropic_request.h.
 */
#include "user/wire/anthropic_request.h"

enum tool_field { TYPE, NAME, DESCRIPTION, SCHEMA, STRICT, CACHE_CONTROL, EAGER, TOOL_FIELDS };

static enum sl_openai_error_id put_tool(struct sl_place *s, const struct sl_json_field *tool)
{
	struct sl_json_field f[TOOL_FIELDS] = {
		[TYPE] = SL_JSON_FIELD("type"),
		[NAME] = SL_JSON_FIELD("name"),
		[DESCRIPTION] = SL_JSON_FIELD("description"),
		[SCHEMA] = SL_JSON_FIELD("input_schema"),
		[STRICT] = SL_JSON_FIELD("strict"),
		[CACHE_CONTROL] = SL_JSON_FIELD("cache_control"),
		[EAGER] = SL_JSON_FIELD("eager_input_streaming"), /* it always is */
	};
	struct sl_json_field unknown;
	enum sl_openai_error_id id;

	if (tool->type != SL_JSON_OBJECT)
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, NULL, "an object");
	id = sl_place_object_read(s, tool, f, TOOL_FIELDS, false);
	if (id)
		return id;
	if (sl_chat_given(&f[TYPE]) && !sl_json_string_equal(&f[TYPE], "custom", 6))
		return sl_place_refuse(s, SL_OPENAI_ERROR_UNTRANSLATED, "type",
				       "only tools of the client's own (type \"custom\") are");
	if (sl_place_unknown(tool, f, TOOL_FIELDS, &unknown))
		return sl_place_refuse_unknown(s, &unknown);
	if (!sl_chat_filled(&f[NAME]))
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "name", "a string");
	if (f[SCHEMA].type != SL_JSON_OBJECT)
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "input_schema", "an object");
	sl_text_append_string(s->out, "{\"type\":\"function\",\"function\":{\"name\":");
	sl_chat_put_raw(s->out, &f[NAME]);
	if (sl_chat_given(&f[DESCRIPTION])) {
		if (f[DESCRIPTION].type != SL_JSON_STRING)
			return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "description", "a string");
		sl_text_append_string(s->out, ",\"description\":");
		sl_chat_put_raw(s->out, &f[DESCRIPTION]);
	}
	if (sl_chat_given(&f[STRICT])) {
		sl_text_append_string(s->out, ",\"strict\":");
		sl_chat_put_raw(s->out, &f[STRICT]);
	}
	sl_text_append_string(s->out, ",\"parameters\":");
	sl_chat_put_raw(s->out, &f[SCHEMA]);
	sl_text_append_string(s->out, "}}");
	return SL_OPENAI_OK;
}

static enum sl_openai_error_id put_choice(struct sl_place *s, const struct sl_json_field *choice)
{
	enum { KIND, TOOL, ALONE, COUNT };
	struct sl_json_field f[COUNT] = {
		[KIND] = SL_JSON_FIELD("type"),
		[TOOL] = SL_JSON_FIELD("name"),
		[ALONE] = SL_JSON_FIELD("disable_parallel_tool_use"),
	};
	enum sl_openai_error_id id;
	bool alone = false;

	s->list = "tool_choice";
	if (choice->type != SL_JSON_OBJECT)
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, NULL, "an object");
	id = sl_place_object_read(s, choice, f, COUNT, true);
	if (id)
		return id;
	if (sl_chat_given(&f[ALONE]) && sl_json_bool(&f[ALONE], &alone))
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, f[ALONE].name, "a boolean");
	if (alone)
		sl_text_append_string(s->out, ",\"parallel_tool_calls\":false");
	sl_text_append_string(s->out, ",\"tool_choice\":");
	if (sl_json_string_equal(&f[KIND], "auto", 4)) {
		sl_text_append_string(s->out, "\"auto\"");
	} else if (sl_json_string_equal(&f[KIND], "any", 3)) {
		sl_text_append_string(s->out, "\"required\"");
	} else if (sl_json_string_equal(&f[KIND], "none", 4)) {
		sl_text_append_string(s->out, "\"none\"");
	} else if (!sl_json_string_equal(&f[KIND], "tool", 4)) {
		return sl_place_refuse(s, SL_OPENAI_ERROR_VALUE, "type",
				       "\"auto\", \"any\", \"tool\" or \"none\"");
	} else if (!sl_chat_filled(&f[TOOL])) {
		return sl_place_refuse(s, SL_OPENAI_ERROR_MISSING, "name", NULL);
	} else {
		sl_text_append_string(s->out, "{\"type\":\"function\",\"function\":{\"name\":");
		sl_chat_put_raw(s->out, &f[TOOL]);
		sl_text_append_string(s->out, "}}");
	}
	return SL_OPENAI_OK;
}

enum sl_openai_error_id sl_anthropic_tools_put(struct sl_place *s,
					       const struct sl_json_field *tools,
					       const struct sl_json_field *choice)
{
	enum sl_openai_error_id id = SL_OPENAI_OK;
	struct sl_json_field tool;
	const char *cursor = NULL;
	long count = 0;

	s->list = "tools";
	s->item = s->part = s->deep = -1;
	if (sl_chat_given(tools) && tools->type != SL_JSON_ARRAY)
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, NULL, "an array");
	while (!id && sl_json_each(tools, &cursor, &tool)) {
		s->item = count;
		sl_text_append_string(s->out, count++ ? "," : ",\"tools\":[");
		id = put_tool(s, &tool);
	}
	s->item = -1;
	if (id)
		return id;
	if (count)
		sl_text_append_char(s->out, ']');
	if (!sl_chat_given(choice))
		return SL_OPENAI_OK;
	if (!count) {
		s->list = "tool_choice";
		return sl_place_refuse(s, SL_OPENAI_ERROR_VALUE, NULL, "'tools' beside it");
	}
	return put_choice(s, choice);
}
