/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/stage/context.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/policy/tokens.h"

#define SUMMARY_BEGIN "Summary of the conversation up to here:\\n"

/* ---- reading --------------------------------------------------------------------------------- */

/* Data of images and sounds costs what a model makes of it, not its bytes. */
static uint64_t raw_tokens(const char *text, size_t len)
{
	static const char mark[] = ";base64,";
	const char *end = text + len, *data, *stop;
	uint64_t tokens = 0;

	while ((data = memmem(text, (size_t)(end - text), mark, sizeof(mark) - 1)) != NULL) {
		tokens += sl_tokens_raw(text, (size_t)(data - text)) + SL_CONTEXT_IMAGE_RAW;
		stop = memchr(data, '"', (size_t)(end - data));
		text = stop ? stop : end;
	}
	return tokens + sl_tokens_raw(text, (size_t)(end - text));
}

static enum sl_context_kind kind_of(const struct sl_json_field *role)
{
	static const struct {
		const char *name;
		enum sl_context_kind kind;
	} kinds[] = {{"user", SL_CONTEXT_USER},
		     {"system", SL_CONTEXT_SYSTEM},
		     {"developer", SL_CONTEXT_SYSTEM},
		     {"tool", SL_CONTEXT_TOOL},
		     {"function", SL_CONTEXT_TOOL}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (sl_json_string_equal(role, kinds[i].name, strlen(kinds[i].name)))
			return kinds[i].kind;
	}
	return SL_CONTEXT_OTHER;
}

/* A call's id, and the turn in which it was made or answered. */
struct link {
	uint64_t id;
	uint32_t turn;
};

struct links {
	struct sl_arena *arena;
	struct link *items;
	size_t count, size;
};

/* FNV-1a over the id as it is written; two spellings of one id would only part what nobody writes. */
static uint64_t id_of(const struct sl_json_field *field)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < field->value_len; i++)
		hash = (hash ^ (unsigned char)field->value[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static int add_link(struct links *links, const struct sl_json_field *id, uint32_t turn)
{
	if (id->type != SL_JSON_STRING)
		return 0;
	if (links->count == links->size) {
		size_t size = links->size ? 2 * links->size : 64;
		struct link *items = sl_arena_array(links->arena, size, sizeof(*items));

		if (!items)
			return -ENOMEM;
		if (links->count)
			memcpy(items, links->items, links->count * sizeof(*items));
		links->items = items;
		links->size = size;
	}
	links->items[links->count++] = (struct link){id_of(id), turn};
	return 0;
}

static int add_calls(struct links *links, const struct sl_json_field *calls, uint32_t turn)
{
	struct sl_json_field call, key, value;
	const char *cursor = NULL, *members;
	int rc = 0;

	if (calls->type != SL_JSON_ARRAY)
		return 0;
	while (rc == 0 && sl_json_each(calls, &cursor, &call)) {
		if (call.type != SL_JSON_OBJECT)
			continue;
		members = NULL;
		while (rc == 0 && sl_json_each_member(&call, &members, &key, &value)) {
			if (sl_json_string_equal(&key, "id", 2))
				rc = add_link(links, &value, turn);
		}
	}
	return rc;
}

static int read_message(struct sl_context *context, struct links *links,
			const struct sl_json_field *raw)
{
	struct sl_context_message *message = &context->messages[context->count++];
	struct sl_json_field key, value, calls = {0}, result = {0};
	const char *cursor = NULL;
	int rc;

	*message = (struct sl_context_message){.raw = *raw};
	while (sl_json_each_member(raw, &cursor, &key, &value)) {
		if (sl_json_string_equal(&key, "role", 4))
			message->kind = kind_of(&value);
		else if (sl_json_string_equal(&key, "content", 7))
			message->content = value;
		else if (sl_json_string_equal(&key, "tool_calls", 10))
			calls = value;
		else if (sl_json_string_equal(&key, "tool_call_id", 12))
			result = value;
	}
	if (message->kind == SL_CONTEXT_USER)
		context->turns++;
	message->turn = context->turns;
	message->tokens = raw_tokens(raw->value, raw->value_len);
	if (message->kind == SL_CONTEXT_TOOL && message->content.value)
		message->content_tokens =
			raw_tokens(message->content.value, message->content.value_len);
	context->tokens += message->tokens;
	if (message->kind != SL_CONTEXT_TOOL && message->kind != SL_CONTEXT_SYSTEM)
		context->results_to = context->count;
	rc = add_calls(links, &calls, message->turn);
	return rc ? rc : add_link(links, &result, message->turn);
}

static int by_id(const void *a, const void *b)
{
	const struct link *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->turn < y->turn ? -1 : x->turn > y->turn;
}

/* Where all that has one id lies in several turns, none of them but the first may begin what is left. */
static void join_turns(struct sl_context *context, struct links *links)
{
	if (links->count)
		qsort(links->items, links->count, sizeof(*links->items), by_id);
	for (size_t i = 1; i < links->count; i++) {
		if (links->items[i].id != links->items[i - 1].id)
			continue;
		for (uint32_t t = links->items[i - 1].turn + 1; t <= links->items[i].turn; t++)
			context->joined[t] = true;
	}
}

int sl_context_read(struct sl_context *context, struct sl_arena *arena,
		    const struct sl_json_field *messages, uint64_t frame)
{
	struct links links = {.arena = arena};
	struct sl_json_field element;
	const char *cursor = NULL;
	size_t count = 0;
	int rc = 0;

	*context = (struct sl_context){
		.tokens = frame,
		.frame = frame,
		/* with its quotes */
		.note = sl_tokens_raw(SL_CONTEXT_NOTE, sizeof(SL_CONTEXT_NOTE) - 1) + 2,
		.steps_max = UINT32_MAX,
	};
	while (sl_json_each(messages, &cursor, &element)) {
		if (element.type != SL_JSON_OBJECT)
			return -EINVAL;
		if (++count > SL_CONTEXT_MESSAGES_MAX)
			return -E2BIG;
	}
	context->messages = sl_arena_array(arena, count + 1, sizeof(*context->messages));
	context->joined = sl_arena_array(arena, count + 2, sizeof(*context->joined));
	if (!context->messages || !context->joined)
		return -ENOMEM;
	cursor = NULL;
	while (rc == 0 && sl_json_each(messages, &cursor, &element))
		rc = read_message(context, &links, &element);
	if (rc == 0)
		join_turns(context, &links);
	return rc;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static bool may_drop(const struct sl_context *context, uint64_t limit)
{
	return context->tokens > limit &&
	       context->dropped_outputs + context->dropped_turns < context->steps_max;
}

bool sl_context_drop_outputs(struct sl_context *context, uint64_t limit)
{
	for (size_t i = 0; i < context->results_to && may_drop(context, limit); i++) {
		struct sl_context_message *message = &context->messages[i];
		uint64_t less;

		if (message->kind != SL_CONTEXT_TOOL || message->blanked || message->dropped ||
		    message->content_tokens <= context->note)
			continue;
		less = message->content_tokens - context->note;
		message->blanked = true;
		message->tokens -= less;
		context->tokens -= less;
		context->dropped_outputs++;
	}
	return context->tokens <= limit;
}

static bool goes(const struct sl_context_message *message, uint32_t from, uint32_t to)
{
	return !message->dropped && message->kind != SL_CONTEXT_SYSTEM && message->turn >= from &&
	       message->turn < to;
}

/* Takes away the turns before `to`. */
static void drop_to(struct sl_context *context, uint32_t to)
{
	for (size_t i = 0; i < context->count; i++) {
		struct sl_context_message *message = &context->messages[i];

		if (!goes(message, context->kept_from, to))
			continue;
		message->dropped = true;
		context->tokens -= message->tokens;
	}
	context->kept_from = to;
}

/* The first turn after `from` that may begin what is left; 0: none up to `last`. */
static uint32_t next_border(const struct sl_context *context, uint32_t from, uint32_t last)
{
	for (uint32_t turn = from + 1; turn <= last; turn++) {
		if (!context->joined[turn])
			return turn;
	}
	return 0;
}

static bool has_messages(const struct sl_context *context, uint32_t from, uint32_t to)
{
	for (size_t i = 0; i < context->count; i++) {
		if (goes(&context->messages[i], from, to))
			return true;
	}
	return false;
}

bool sl_context_drop_turns(struct sl_context *context, uint64_t limit, uint32_t keep_turns)
{
	uint32_t keep = keep_turns ? keep_turns : 1, border;

	while (may_drop(context, limit) && context->turns >= keep) {
		border = next_border(context, context->kept_from, context->turns - keep + 1);
		if (!border)
			break;
		context->dropped_turns += has_messages(context, context->kept_from, border);
		drop_to(context, border);
	}
	return context->tokens <= limit;
}

/* The last turn, with those that it is joined to. */
static uint32_t last_border(const struct sl_context *context)
{
	uint32_t turn = context->turns;

	while (turn > context->kept_from && context->joined[turn])
		turn--;
	return turn;
}

static const char *role_of(const struct sl_context_message *message)
{
	return message->kind == SL_CONTEXT_USER	  ? "user"
	       : message->kind == SL_CONTEXT_TOOL ? "tool"
						  : "assistant";
}

size_t sl_context_history(const struct sl_context *context, struct sl_text *out)
{
	uint32_t border = last_border(context);
	size_t count = 0;

	for (size_t i = 0; i < context->count; i++) {
		const struct sl_context_message *message = &context->messages[i];
		struct sl_span text = sl_span_make(message->raw.value, message->raw.value_len);

		if (!goes(message, context->kept_from, border))
			continue;
		count++;
		sl_text_printf(out, "%s: ", role_of(message));
		if (message->blanked)
			text = SL_SPAN(SL_CONTEXT_NOTE);
		else if (message->content.type == SL_JSON_STRING &&
			 sl_text_reserve(out, message->content.value_len) == 0) {
			int len = sl_json_string(&message->content, out->data + out->len,
						 out->size - out->len);

			if (len >= 0)
				out->len += (size_t)len;
			text.len = 0;
		}
		sl_text_append_span(out, text);
		sl_text_append_char(out, '\n');
	}
	return count;
}

void sl_context_summarised(struct sl_context *context, uint64_t tokens)
{
	drop_to(context, last_border(context));
	context->tokens += tokens + sl_tokens_raw(SUMMARY_BEGIN, sizeof(SUMMARY_BEGIN) - 1);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void write_message(const struct sl_context_message *message, struct sl_text *out)
{
	const char *from = message->raw.value, *content = message->content.value;

	if (!message->blanked) {
		sl_text_append(out, from, message->raw.value_len);
		return;
	}
	sl_text_append(out, from, (size_t)(content - from));
	sl_text_append_string(out, "\"" SL_CONTEXT_NOTE "\"");
	content += message->content.value_len;
	sl_text_append(out, content, (size_t)(from + message->raw.value_len - content));
}

static void write_summary(struct sl_span summary, struct sl_text *out)
{
	sl_text_append_string(out, "{\"role\":\"user\",\"content\":\"" SUMMARY_BEGIN);
	sl_text_append_json(out, summary.data, summary.len);
	sl_text_append_string(out, "\"}");
}

int sl_context_write(const struct sl_context *context, struct sl_span summary, struct sl_text *out)
{
	bool told = summary.len == 0, first = true;

	sl_text_append_char(out, '[');
	for (size_t i = 0; i < context->count; i++) {
		const struct sl_context_message *message = &context->messages[i];

		if (message->dropped)
			continue;
		if (!told && message->kind != SL_CONTEXT_SYSTEM) {
			sl_text_append(out, ",", first ? 0 : 1);
			write_summary(summary, out);
			told = true;
			first = false;
		}
		sl_text_append(out, ",", first ? 0 : 1);
		write_message(message, out);
		first = false;
	}
	return sl_text_append_char(out, ']');
}
