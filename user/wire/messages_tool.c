/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions of a chat completion, and the choice among them, as tools of the Messages API. Pure but
 * for sl_text; any thread. Declared in messages_parts.h.
 */
#include "user/wire/messages.h"

#include "user/wire/messages_parts.h"

enum tool_field { TYPE, FUNCTION, NAME, DESCRIPTION, STRICT, PARAMETERS, TOOL_FIELDS };

/* The API wants the schema of an object; a function without parameters has none. */
static enum sl_openai_error_id put_schema(struct sl_place *s,
					  const struct sl_json_field *parameters)
{
	struct sl_json_field type = SL_JSON_FIELD("type"), key, value;
	const char *cursor = NULL;

	sl_text_append_string(s->out, ",\"input_schema\":");
	if (!sl_chat_given(parameters)) {
		sl_text_append_string(s->out, "{\"type\":\"object\",\"properties\":{}}");
		return SL_OPENAI_OK;
	}
	if (parameters->type != SL_JSON_OBJECT ||
	    sl_json_scan(parameters->value, parameters->value_len, &type, 1))
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "function.parameters", "an object");
	if (type.type != SL_JSON_ABSENT) {
		sl_chat_put_raw(s->out, parameters);
		return SL_OPENAI_OK;
	}
	sl_text_append_string(s->out, "{\"type\":\"object\"");
	while (sl_json_each_member(parameters, &cursor, &key, &value)) {
		sl_text_append_char(s->out, ',');
		sl_chat_put_raw(s->out, &key);
		sl_text_append_char(s->out, ':');
		sl_chat_put_raw(s->out, &value);
	}
	sl_text_append_char(s->out, '}');
	return SL_OPENAI_OK;
}

static enum sl_openai_error_id put_tool(struct sl_place *s, const struct sl_json_field *tool)
{
	struct sl_json_field f[TOOL_FIELDS] = {
		[TYPE] = SL_JSON_FIELD("type"),
		[FUNCTION] = SL_JSON_FIELD("function"),
		[NAME] = SL_JSON_FIELD_IN("function", "name"),
		[DESCRIPTION] = SL_JSON_FIELD_IN("function", "description"),
		[STRICT] = SL_JSON_FIELD_IN("function", "strict"),
		[PARAMETERS] = SL_JSON_FIELD_IN("function", "parameters"),
	};
	enum sl_openai_error_id id = sl_place_object_read(s, tool, f, TOOL_FIELDS, false);
	size_t i;

	if (id)
		return id;
	if (!sl_json_string_equal(&f[TYPE], "function", 8))
		return sl_place_refuse(s, SL_OPENAI_ERROR_UNTRANSLATED, "type",
				       "only tools of type \"function\" are");
	if (!sl_chat_filled(&f[NAME]))
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "function.name", "a string");
	sl_text_append_string(s->out, "{\"name\":");
	sl_chat_put_raw(s->out, &f[NAME]);
	for (i = DESCRIPTION; i <= STRICT; i++) {
		if (!sl_chat_given(&f[i]))
			continue;
		sl_text_printf(s->out, ",\"%s\":", f[i].name);
		sl_chat_put_raw(s->out, &f[i]);
	}
	id = put_schema(s, &f[PARAMETERS]);
	sl_text_append_char(s->out, '}');
	return id;
}

/* The inside of tool_choice. ret_none: no tool may be called. */
static enum sl_openai_error_id put_choice(struct sl_place *s, const struct sl_json_field *choice,
					  bool *ret_none)
{
	enum { KIND, INNER, CHOSEN, COUNT };
	struct sl_json_field f[COUNT] = {
		[KIND] = SL_JSON_FIELD("type"),
		[INNER] = SL_JSON_FIELD("function"),
		[CHOSEN] = SL_JSON_FIELD_IN("function", "name"),
	};
	enum sl_openai_error_id id;

	*ret_none = sl_json_string_equal(choice, "none", 4);
	if (*ret_none || !sl_chat_given(choice) || sl_json_string_equal(choice, "auto", 4)) {
		sl_text_append_string(s->out,
				      *ret_none ? "\"type\":\"none\"" : "\"type\":\"auto\"");
		return SL_OPENAI_OK;
	}
	if (sl_json_string_equal(choice, "required", 8)) {
		sl_text_append_string(s->out, "\"type\":\"any\"");
		return SL_OPENAI_OK;
	}
	s->list = "tool_choice";
	id = sl_place_object_read(s, choice, f, COUNT, false);
	if (id)
		return id;
	if (!sl_json_string_equal(&f[KIND], "function", 8) || !sl_chat_filled(&f[CHOSEN]))
		return sl_place_refuse(s, SL_OPENAI_ERROR_UNTRANSLATED, NULL,
				       "send \"auto\", \"none\", \"required\" or a function");
	sl_text_append_string(s->out, "\"type\":\"tool\",\"name\":");
	sl_chat_put_raw(s->out, &f[CHOSEN]);
	return SL_OPENAI_OK;
}

enum sl_openai_error_id sl_messages_tools_put(struct sl_place *s, const struct sl_json_field *tools,
					      const struct sl_json_field *choice,
					      const struct sl_json_field *parallel)
{
	enum sl_openai_error_id id = SL_OPENAI_OK;
	struct sl_json_field tool;
	const char *cursor = NULL;
	bool together = true, none;
	long count = 0;

	s->list = "tools";
	s->part = -1;
	if (sl_chat_given(tools) && tools->type != SL_JSON_ARRAY)
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, NULL, "an array");
	while (!id && sl_json_each(tools, &cursor, &tool)) {
		s->item = count;
		sl_text_append_string(s->out, count++ ? "," : ",\"tools\":[");
		id = put_tool(s, &tool);
	}
	if (id)
		return id;
	s->item = -1;
	if (!count)
		return SL_OPENAI_OK;
	sl_text_append_char(s->out, ']');
	if (sl_chat_given(parallel) && sl_json_bool(parallel, &together))
		return sl_place_refuse_top(s, SL_OPENAI_ERROR_TYPE, parallel->name, "a boolean");
	if (!sl_chat_given(choice) && together)
		return SL_OPENAI_OK;
	sl_text_append_string(s->out, ",\"tool_choice\":{");
	id = put_choice(s, choice, &none);
	sl_text_append_string(s->out,
			      together || none ? "}" : ",\"disable_parallel_tool_use\":true}");
	return id;
}
