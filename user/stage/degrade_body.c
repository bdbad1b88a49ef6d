/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/stage/degrade_body.h"

#include <errno.h>
#include <string.h>
#include "user/wire/json_scan.h"

#define NAME_BYTES    256u /* of a tool; a longer one is nobody's */
#define MISSING_BYTES 512u /* of the names that the model is told */

struct work {
	struct sl_json_field body;
	const struct sl_degrade_less *less;
	struct sl_text *out;
	struct sl_degrade_done done;
	bool tools_left;	     /* after those that were taken out */
	bool choice_is_dead;	     /* tool_choice names one of them */
	char missing[MISSING_BYTES]; /* their names as JSON text, with quotes and commas */
	struct sl_text names;
};

static bool is_name(const struct sl_json_field *key, const char *name)
{
	return sl_json_string_equal(key, name, strlen(name));
}

/* ---- tools ----------------------------------------------------------------------------------- */

/* Of {"type":"function","function":{"name":...}}, as in tools and in tool_choice. "": none. */
static struct sl_span name_of(const struct sl_json_field *tool, char room[NAME_BYTES])
{
	struct sl_json_field function = SL_JSON_FIELD("function"), name = SL_JSON_FIELD("name");
	int len;

	if (tool->type != SL_JSON_OBJECT ||
	    sl_json_scan(tool->value, tool->value_len, &function, 1) ||
	    function.type != SL_JSON_OBJECT ||
	    sl_json_scan(function.value, function.value_len, &name, 1))
		return SL_SPAN("");
	len = sl_json_string(&name, room, NAME_BYTES);
	return len > 0 ? sl_span_make(room, (size_t)len) : SL_SPAN("");
}

static bool is_dead(const struct work *work, const struct sl_json_field *tool,
		    char room[NAME_BYTES])
{
	struct sl_span name = name_of(tool, room);

	return name.len && work->less->is_dead && work->less->is_dead(work->less->owner, name);
}

/* What is to be told and what is left, before anything is written. */
static void look_at_tools(struct work *work)
{
	struct sl_json_field tools = SL_JSON_FIELD("tools"), choice = SL_JSON_FIELD("tool_choice");
	struct sl_json_field both[2] = {tools, choice}, tool;
	const char *cursor = NULL;
	char room[NAME_BYTES];

	sl_text_init_fixed(&work->names, work->missing, sizeof(work->missing));
	if (!work->less->is_dead || sl_json_scan(work->body.value, work->body.value_len, both, 2) ||
	    both[0].type != SL_JSON_ARRAY)
		return;
	while (sl_json_each(&both[0], &cursor, &tool)) {
		if (!is_dead(work, &tool, room)) {
			work->tools_left = true;
			continue;
		}
		work->done.tools++;
		sl_text_append_string(&work->names, work->names.len ? ", \\\"" : "\\\"");
		sl_text_append_json(&work->names, room, strlen(room));
		sl_text_append_string(&work->names, "\\\"");
	}
	work->choice_is_dead = is_dead(work, &both[1], room);
}

static void write_tools(struct work *work, const struct sl_json_field *tools)
{
	struct sl_json_field tool;
	const char *cursor = NULL;
	char room[NAME_BYTES];
	bool first = true;

	sl_text_append_char(work->out, '[');
	while (sl_json_each(tools, &cursor, &tool)) {
		if (is_dead(work, &tool, room))
			continue;
		if (!first)
			sl_text_append_char(work->out, ',');
		sl_text_append(work->out, tool.value, tool.value_len);
		first = false;
	}
	sl_text_append_char(work->out, ']');
}

/* ---- messages -------------------------------------------------------------------------------- */

static bool has_role(const struct sl_json_field *message, const char *role)
{
	struct sl_json_field field = SL_JSON_FIELD("role");

	return message->type == SL_JSON_OBJECT &&
	       !sl_json_scan(message->value, message->value_len, &field, 1) &&
	       sl_json_string_equal(&field, role, strlen(role));
}

static bool is_of_system(const struct sl_json_field *message)
{
	return has_role(message, "system") || has_role(message, "developer");
}

/*
 * The number of the first message that stays, of those that are not the system's: the earliest of the
 * user's among the latest `messages`, else the user's last one, so that no call is parted from its result.
 */
static uint32_t first_kept(const struct sl_json_field *messages, uint32_t keep)
{
	uint32_t count = 0, number = 0, last_user = 0, first = UINT32_MAX;
	struct sl_json_field message;
	const char *cursor = NULL;

	while (sl_json_each(messages, &cursor, &message))
		count += !is_of_system(&message);
	if (!keep || count <= keep)
		return 0;
	cursor = NULL;
	while (sl_json_each(messages, &cursor, &message)) {
		if (is_of_system(&message))
			continue;
		if (has_role(&message, "user")) {
			last_user = number;
			if (number >= count - keep && first == UINT32_MAX)
				first = number;
		}
		number++;
	}
	return first == UINT32_MAX ? last_user : first;
}

static void write_missing(struct work *work)
{
	sl_text_append_string(work->out, work->done.tools == 1 ? "The tool " : "The tools ");
	sl_text_append(work->out, work->missing, work->names.len);
	sl_text_append_string(work->out, work->done.tools == 1
						 ? " is out of order at the moment."
						 : " are out of order at the moment.");
	sl_text_append_string(work->out, " Answer without, and say what you could not do or look "
					 "up because of that.");
}

/* A first message of the system whose content is a string has it at its end: some templates allow one. */
static bool extend_message(struct work *work, const struct sl_json_field *message)
{
	struct sl_json_field content = SL_JSON_FIELD("content");

	if (!has_role(message, "system") ||
	    sl_json_scan(message->value, message->value_len, &content, 1) ||
	    content.type != SL_JSON_STRING)
		return false;
	/* The value of a string field lies between its quotes or with them: up to its last quote. */
	sl_text_append(work->out, message->value,
		       (size_t)(content.value + content.value_len - 1 - message->value));
	sl_text_append_string(work->out, "\\n\\n");
	write_missing(work);
	sl_text_append(work->out, content.value + content.value_len - 1,
		       (size_t)(message->value + message->value_len -
				(content.value + content.value_len - 1)));
	return true;
}

static void write_messages(struct work *work, const struct sl_json_field *messages)
{
	uint32_t from = first_kept(messages, work->less->messages), number = 0;
	struct sl_json_field message;
	const char *cursor = NULL;
	bool first = true, told = !work->done.tools;

	sl_text_append_char(work->out, '[');
	while (sl_json_each(messages, &cursor, &message)) {
		bool system = is_of_system(&message);

		if (!system && number++ < from) {
			work->done.messages = true;
			continue;
		}
		if (!first)
			sl_text_append_char(work->out, ',');
		if (!told && first && extend_message(work, &message)) {
			told = true;
			first = false;
			continue;
		}
		if (!told) {
			sl_text_append_string(work->out, "{\"role\":\"system\",\"content\":\"");
			write_missing(work);
			sl_text_append_string(work->out, "\"},");
			told = true;
		}
		sl_text_append(work->out, message.value, message.value_len);
		first = false;
	}
	sl_text_append_char(work->out, ']');
}

/* ---- members --------------------------------------------------------------------------------- */

static bool lower(struct work *work, const struct sl_json_field *value)
{
	int64_t asked;

	if (!work->less->max_tokens || sl_json_int(value, &asked) ||
	    asked <= (int64_t)work->less->max_tokens)
		return false;
	sl_text_append_u64(work->out, work->less->max_tokens);
	work->done.max_tokens = true;
	return true;
}

/* Members that say nothing any more. */
static bool goes(const struct work *work, const struct sl_json_field *key)
{
	if (!work->done.tools || work->tools_left)
		return false;
	return is_name(key, "tools") || is_name(key, "tool_choice") ||
	       is_name(key, "parallel_tool_calls");
}

static void write_value(struct work *work, const struct sl_json_field *key,
			const struct sl_json_field *value)
{
	if (is_name(key, "messages") && value->type == SL_JSON_ARRAY)
		write_messages(work, value);
	else if (is_name(key, "tools") && work->done.tools && value->type == SL_JSON_ARRAY)
		write_tools(work, value);
	else if (is_name(key, "tool_choice") && work->choice_is_dead)
		sl_text_append_string(work->out, "\"auto\"");
	else if (!((is_name(key, "max_tokens") || is_name(key, "max_completion_tokens")) &&
		   lower(work, value)))
		sl_text_append(work->out, value->value, value->value_len);
}

int sl_degrade_write(struct sl_span body, const struct sl_degrade_less *less, struct sl_text *out,
		     struct sl_degrade_done *ret_done)
{
	struct work work = {.less = less, .out = out};
	struct sl_json_field key, value;
	const char *cursor = NULL;
	bool bounded = false, first = true;

	body = sl_span_trim(body);
	work.body = (struct sl_json_field){
		.type = SL_JSON_OBJECT, .value = body.data, .value_len = body.len};
	if (!body.len || body.data[0] != '{')
		return -EINVAL;
	look_at_tools(&work);
	sl_text_append_char(out, '{');
	while (sl_json_each_member(&work.body, &cursor, &key, &value)) {
		if (is_name(&key, "max_tokens") || is_name(&key, "max_completion_tokens")) {
			if (value.type == SL_JSON_NULL)
				continue;
			bounded = true;
		}
		if (goes(&work, &key))
			continue;
		if (!first)
			sl_text_append_char(out, ',');
		sl_text_append(out, key.value, key.value_len);
		sl_text_append_char(out, ':');
		write_value(&work, &key, &value);
		first = false;
	}
	if (less->max_tokens && !bounded) {
		sl_text_printf(out, "%s\"max_tokens\":%u", first ? "" : ",", less->max_tokens);
		work.done.max_tokens = true;
	}
	sl_text_append_char(out, '}');
	*ret_done = work.done;
	return out->error ? -ENOMEM : 0;
}
