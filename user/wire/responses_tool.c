/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tools and the choice among them, from the Responses API to functions. Tools that OpenAI's own
 * servers would run are refused. Pure but for sl_text; any thread. Declared in responses_request.h.
 */
#include "user/wire/responses_request.h"

enum tool_field { TYPE, NAME, DESCRIPTION, PARAMETERS, STRICT, TOOL_FIELDS };

static const char only_functions[] =
	"only tools of type \"function\" are; others run on OpenAI's own servers";

static enum sl_openai_error_id put_tool(struct sl_place *s, const struct sl_json_field *tool)
{
	struct sl_json_field f[TOOL_FIELDS] = {
		[TYPE] = SL_JSON_FIELD("type"),
		[NAME] = SL_JSON_FIELD("name"),
		[DESCRIPTION] = SL_JSON_FIELD("description"),
		[PARAMETERS] = SL_JSON_FIELD("parameters"),
		[STRICT] = SL_JSON_FIELD("strict"),
	};
	enum sl_openai_error_id id = sl_place_object_read(s, tool, f, TOOL_FIELDS, false);
	bool strict;

	if (id)
		return id;
	if (!sl_chat_given(&f[TYPE]))
		return sl_place_refuse(s, SL_OPENAI_ERROR_MISSING, "type", NULL);
	if (!sl_json_string_equal(&f[TYPE], "function", 8))
		return sl_place_refuse(s, SL_OPENAI_ERROR_UNTRANSLATED, "type", only_functions);
	id = sl_place_object_read(s, tool, f, TOOL_FIELDS, true);
	if (id)
		return id;
	if (!sl_chat_filled(&f[NAME]))
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "name", "a string");
	if (sl_chat_given(&f[DESCRIPTION]) && f[DESCRIPTION].type != SL_JSON_STRING)
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "description", "a string");
	if (sl_chat_given(&f[PARAMETERS]) && f[PARAMETERS].type != SL_JSON_OBJECT)
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "parameters", "an object");
	if (sl_chat_given(&f[STRICT]) && sl_json_bool(&f[STRICT], &strict))
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "strict", "a boolean");
	sl_text_append_string(s->out, "{\"type\":\"function\",\"function\":{\"name\":");
	sl_chat_put_raw(s->out, &f[NAME]);
	for (size_t i = DESCRIPTION; i < TOOL_FIELDS; i++) {
		if (!sl_chat_given(&f[i]))
			continue;
		sl_text_printf(s->out, ",\"%s\":", f[i].name);
		sl_chat_put_raw(s->out, &f[i]);
	}
	sl_text_append_string(s->out, "}}");
	return SL_OPENAI_OK;
}

/* A choice of one function; any other object names a tool that is not one. */
static enum sl_openai_error_id put_chosen(struct sl_place *s, const struct sl_json_field *choice)
{
	enum { KIND, TOOL, COUNT };
	struct sl_json_field f[COUNT] = {
		[KIND] = SL_JSON_FIELD("type"),
		[TOOL] = SL_JSON_FIELD("name"),
	};
	enum sl_openai_error_id id = sl_place_object_read(s, choice, f, COUNT, false);

	if (id)
		return id;
	if (!sl_json_string_equal(&f[KIND], "function", 8))
		return sl_place_refuse(s, SL_OPENAI_ERROR_UNTRANSLATED, "type",
				       "send \"auto\", \"none\", \"required\" or a function");
	if (!sl_chat_filled(&f[TOOL]))
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "name", "a string");
	sl_text_append_string(s->out, ",\"tool_choice\":{\"type\":\"function\",\"function\":{"
				      "\"name\":");
	sl_chat_put_raw(s->out, &f[TOOL]);
	sl_text_append_string(s->out, "}}");
	return SL_OPENAI_OK;
}

/* Servers refuse a choice without tools; where it asks for none it says nothing. */
static enum sl_openai_error_id put_choice(struct sl_place *s, const struct sl_json_field *choice,
					  bool any_tool)
{
	bool idle =
		sl_json_string_equal(choice, "auto", 4) || sl_json_string_equal(choice, "none", 4);

	s->list = "tool_choice";
	if (!any_tool && !idle)
		return sl_place_refuse(s, SL_OPENAI_ERROR_VALUE, NULL, "'tools' beside it");
	if (choice->type == SL_JSON_OBJECT)
		return put_chosen(s, choice);
	if (!idle && !sl_json_string_equal(choice, "required", 8))
		return sl_place_refuse(s, SL_OPENAI_ERROR_VALUE, NULL,
				       "\"auto\", \"none\", \"required\" or a function");
	if (any_tool) {
		sl_text_append_string(s->out, ",\"tool_choice\":");
		sl_chat_put_raw(s->out, choice);
	}
	return SL_OPENAI_OK;
}

enum sl_openai_error_id sl_responses_tools_put(struct sl_place *s,
					       const struct sl_json_field *tools,
					       const struct sl_json_field *choice,
					       const struct sl_json_field *parallel)
{
	enum sl_openai_error_id id = SL_OPENAI_OK;
	struct sl_json_field tool;
	const char *cursor = NULL;
	bool together = true;
	long count = 0;

	s->list = "tools";
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
	if (count)
		sl_text_append_char(s->out, ']');
	if (sl_chat_given(choice))
		id = put_choice(s, choice, count > 0);
	if (id || !sl_chat_given(parallel))
		return id;
	s->list = "parallel_tool_calls";
	if (sl_json_bool(parallel, &together))
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, NULL, "a boolean");
	if (count) { /* the same: only beside tools */
		sl_text_append_string(s->out, ",\"parallel_tool_calls\":");
		sl_chat_put_raw(s->out, parallel);
	}
	return SL_OPENAI_OK;
}
