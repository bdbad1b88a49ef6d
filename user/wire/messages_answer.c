/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a whole message to a chat completion, from an error to one of OpenAI's shape, and what
 * streams share with them. Pure but for sl_text; any thread. Declared in messages.h and
 * messages_parts.h.
 */
#include "user/wire/messages.h"

#include <errno.h>
#include <string.h>
#include "user/wire/messages_parts.h"

/* ---- shared with streams --------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum sl_messages_finish finish;
} reasons[] = {
	{"end_turn", SL_MESSAGES_FINISH_STOP},
	{"stop_sequence", SL_MESSAGES_FINISH_STOP},
	{"max_tokens", SL_MESSAGES_FINISH_LENGTH},
	{"model_context_window_exceeded", SL_MESSAGES_FINISH_LENGTH},
	{"tool_use", SL_MESSAGES_FINISH_TOOL},
	{"refusal", SL_MESSAGES_FINISH_REFUSAL},
};

enum sl_messages_finish sl_messages_finish_read(const struct sl_json_field *reason)
{
	if (reason->type != SL_JSON_STRING)
		return SL_MESSAGES_FINISH_NONE;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (sl_json_string_equal(reason, reasons[i].name, strlen(reasons[i].name)))
			return reasons[i].finish;
	}
	return SL_MESSAGES_FINISH_STOP; /* a reason that is newer than this */
}

void sl_messages_finish_put(struct sl_text *out, enum sl_messages_finish finish,
			    struct sl_span stop_sequence)
{
	static const char *const names[] = {
		[SL_MESSAGES_FINISH_NONE] = "stop",
		[SL_MESSAGES_FINISH_STOP] = "stop",
		[SL_MESSAGES_FINISH_LENGTH] = "length",
		[SL_MESSAGES_FINISH_TOOL] = "tool_calls",
		[SL_MESSAGES_FINISH_REFUSAL] = "content_filter",
	};

	sl_text_append_string(out, "\"finish_reason\":\"");
	sl_text_append_string(out, names[finish]);
	sl_text_append_char(out, '"');
	if (!stop_sequence.len)
		return;
	sl_text_append_string(out, ",\"stop_reason\":");
	sl_text_append_span(out, stop_sequence);
}

void sl_messages_usage_init(struct sl_messages_usage *usage)
{
	*usage = (struct sl_messages_usage){-1, -1, -1, -1};
}

static void take_count(const struct sl_json_field *field, int64_t *count)
{
	int64_t value;

	if (!sl_json_int(field, &value) && value >= 0 && value <= INT32_MAX)
		*count = value;
}

void sl_messages_usage_read(const struct sl_json_field *object, struct sl_messages_usage *usage)
{
	enum { INPUT, WRITE, READ, OUTPUT, COUNT };
	struct sl_json_field f[COUNT] = {
		[INPUT] = SL_JSON_FIELD("input_tokens"),
		[WRITE] = SL_JSON_FIELD("cache_creation_input_tokens"),
		[READ] = SL_JSON_FIELD("cache_read_input_tokens"),
		[OUTPUT] = SL_JSON_FIELD("output_tokens"),
	};

	if (object->type != SL_JSON_OBJECT ||
	    sl_json_scan(object->value, object->value_len, f, COUNT))
		return;
	take_count(&f[INPUT], &usage->input);
	take_count(&f[WRITE], &usage->cache_write);
	take_count(&f[READ], &usage->cache_read);
	take_count(&f[OUTPUT], &usage->output);
}

static int64_t at_least_0(int64_t value)
{
	return value < 0 ? 0 : value;
}

static int64_t prompt_of(const struct sl_messages_usage *usage)
{
	return at_least_0(usage->input) + at_least_0(usage->cache_write) +
	       at_least_0(usage->cache_read);
}

uint64_t sl_messages_usage_total(const struct sl_messages_usage *usage)
{
	return (uint64_t)(prompt_of(usage) + at_least_0(usage->output));
}

void sl_messages_usage_put(struct sl_text *out, const struct sl_messages_usage *usage)
{
	sl_text_append_string(out, "\"usage\":{\"prompt_tokens\":");
	sl_text_append_i64(out, prompt_of(usage));
	sl_text_append_string(out, ",\"completion_tokens\":");
	sl_text_append_i64(out, at_least_0(usage->output));
	sl_text_append_string(out, ",\"total_tokens\":");
	sl_text_append_u64(out, sl_messages_usage_total(usage));
	sl_text_append_string(out, ",\"prompt_tokens_details\":{\"cached_tokens\":");
	sl_text_append_i64(out, at_least_0(usage->cache_read));
	if (usage->cache_write >= 0) {
		sl_text_append_string(out, ",\"cache_write_tokens\":");
		sl_text_append_i64(out, usage->cache_write);
	}
	sl_text_append_string(out, "}}");
}

/* ---- the answer ------------------------------------------------------------------------------ */

enum top_field { TYPE, ID, MODEL, CONTENT, STOP_REASON, STOP_SEQUENCE, USAGE, TOP_FIELDS };
enum block_field { KIND, TEXT, THINKING, CALL_ID, NAME, INPUT, BLOCK_FIELDS };
enum part { PART_TEXT, PART_THINKING, PART_CALLS };

static int read_top(const char *body, size_t body_len, struct sl_json_field top[TOP_FIELDS])
{
	static const struct sl_json_field wanted[TOP_FIELDS] = {
		[TYPE] = SL_JSON_FIELD("type"),
		[ID] = SL_JSON_FIELD("id"),
		[MODEL] = SL_JSON_FIELD("model"),
		[CONTENT] = SL_JSON_FIELD("content"),
		[STOP_REASON] = SL_JSON_FIELD("stop_reason"),
		[STOP_SEQUENCE] = SL_JSON_FIELD("stop_sequence"),
		[USAGE] = SL_JSON_FIELD("usage"),
	};

	memcpy(top, wanted, sizeof(wanted));
	if (sl_json_scan(body, body_len, top, TOP_FIELDS) ||
	    !sl_json_string_equal(&top[TYPE], "message", 7) || top[CONTENT].type != SL_JSON_ARRAY ||
	    top[STOP_REASON].type != SL_JSON_STRING)
		return -EINVAL;
	return 0;
}

int sl_messages_usage_of(const char *body, size_t body_len, struct sl_messages_usage *ret_usage)
{
	struct sl_json_field top[TOP_FIELDS];

	sl_messages_usage_init(ret_usage);
	if (read_top(body, body_len, top) || top[USAGE].type != SL_JSON_OBJECT)
		return -ENOENT;
	sl_messages_usage_read(&top[USAGE], ret_usage);
	return 0;
}

int sl_messages_answer_check(const char *body, size_t body_len, bool *ret_refused)
{
	struct sl_json_field top[TOP_FIELDS];

	if (read_top(body, body_len, top))
		return -EINVAL;
	*ret_refused = sl_messages_finish_read(&top[STOP_REASON]) == SL_MESSAGES_FINISH_REFUSAL;
	return 0;
}

static int put_call(struct sl_text *out, const struct sl_json_field *f)
{
	if (!sl_chat_filled(&f[CALL_ID]) || !sl_chat_filled(&f[NAME]) ||
	    (sl_chat_given(&f[INPUT]) && f[INPUT].type != SL_JSON_OBJECT))
		return -EINVAL;
	sl_text_append_string(out, "{\"id\":");
	sl_chat_put_raw(out, &f[CALL_ID]);
	sl_text_append_string(out, ",\"type\":\"function\",\"function\":{\"name\":");
	sl_chat_put_raw(out, &f[NAME]);
	sl_text_append_string(out, ",\"arguments\":\"");
	if (sl_chat_given(&f[INPUT]))
		sl_text_append_json(out, f[INPUT].value, f[INPUT].value_len);
	else
		sl_text_append_string(out, "{}");
	sl_text_append_string(out, "\"}}");
	return 0;
}

/* One walk for each part of the answer; *ret_count: blocks that had something of it. */
static int put_blocks(struct sl_text *out, const struct sl_json_field *content, enum part part,
		      size_t *ret_count)
{
	struct sl_json_field block;
	const char *cursor = NULL;
	int rc = 0;

	*ret_count = 0;
	while (!rc && sl_json_each(content, &cursor, &block)) {
		struct sl_json_field f[BLOCK_FIELDS] = {
			[KIND] = SL_JSON_FIELD("type"),		[TEXT] = SL_JSON_FIELD("text"),
			[THINKING] = SL_JSON_FIELD("thinking"), [CALL_ID] = SL_JSON_FIELD("id"),
			[NAME] = SL_JSON_FIELD("name"),		[INPUT] = SL_JSON_FIELD("input"),
		};
		const struct sl_json_field *text = part == PART_TEXT ? &f[TEXT] : &f[THINKING];

		if (block.type != SL_JSON_OBJECT ||
		    sl_json_scan(block.value, block.value_len, f, BLOCK_FIELDS))
			return -EINVAL;
		if (part != PART_CALLS) {
			if (sl_chat_filled(text) &&
			    sl_json_string_equal(&f[KIND], part == PART_TEXT ? "text" : "thinking",
						 part == PART_TEXT ? 4 : 8)) {
				++*ret_count;
				sl_chat_put_inside(out, text);
			}
		} else if (sl_json_string_equal(&f[KIND], "tool_use", 8)) {
			if (++*ret_count > 1)
				sl_text_append_char(out, ',');
			rc = put_call(out, f);
		}
	}
	return rc;
}

static void cut_back(struct sl_text *out, size_t len, const char *instead)
{
	if (out->error)
		return;
	sl_text_truncate(out, len);
	sl_text_append_string(out, instead);
}

static int put_message(struct sl_text *out, const struct sl_json_field *content)
{
	size_t texts, thoughts, calls, before;
	int rc;

	sl_text_append_string(out, "\"message\":{\"role\":\"assistant\",\"content\":");
	before = out->len;
	sl_text_append_char(out, '"');
	rc = put_blocks(out, content, PART_TEXT, &texts);
	if (rc)
		return rc;
	sl_text_append_char(out, '"');
	if (!texts)
		cut_back(out, before, "null");
	sl_text_append_string(out, ",\"refusal\":null");
	before = out->len;
	sl_text_append_string(out, ",\"reasoning_content\":\"");
	rc = put_blocks(out, content, PART_THINKING, &thoughts);
	if (rc)
		return rc;
	sl_text_append_char(out, '"');
	if (!thoughts)
		cut_back(out, before, "");
	before = out->len;
	sl_text_append_string(out, ",\"tool_calls\":[");
	rc = put_blocks(out, content, PART_CALLS, &calls);
	if (rc)
		return rc;
	sl_text_append_char(out, ']');
	if (!calls)
		cut_back(out, before, "");
	sl_text_append_char(out, '}');
	return 0;
}

int sl_messages_answer_read(const struct sl_messages_names *names, const char *body,
			    size_t body_len, struct sl_text *out, bool *ret_refused)
{
	struct sl_messages_usage usage;
	struct sl_json_field top[TOP_FIELDS];
	enum sl_messages_finish finish;
	struct sl_span sequence = {"", 0};
	int rc = read_top(body, body_len, top);

	if (rc || !sl_chat_filled(&top[ID]) || !sl_chat_filled(&top[MODEL]))
		return -EINVAL;
	finish = sl_messages_finish_read(&top[STOP_REASON]);
	if (sl_chat_filled(&top[STOP_SEQUENCE]))
		sequence = sl_span_make(top[STOP_SEQUENCE].value, top[STOP_SEQUENCE].value_len);
	sl_text_append_string(out, "{\"id\":\"chatcmpl-");
	sl_chat_put_inside(out, &top[ID]);
	sl_text_append_string(out, "\",\"object\":\"chat.completion\",\"created\":");
	sl_text_append_i64(out, names->created_s);
	sl_text_append_string(out, ",\"model\":");
	sl_chat_put_raw(out, &top[MODEL]);
	sl_text_append_string(out, ",\"choices\":[{\"index\":0,");
	rc = put_message(out, &top[CONTENT]);
	if (rc)
		return rc;
	sl_text_append_string(out, ",\"logprobs\":null,");
	sl_messages_finish_put(out, finish, sequence);
	sl_text_append_string(out, "}],");
	sl_messages_usage_init(&usage);
	sl_messages_usage_read(&top[USAGE], &usage);
	sl_messages_usage_put(out, &usage);
	sl_text_append_char(out, '}');
	*ret_refused = finish == SL_MESSAGES_FINISH_REFUSAL;
	return out->error ? -ENOMEM : 0;
}

/* ---- errors ---------------------------------------------------------------------------------- */

void sl_messages_error_put(struct sl_text *out, enum sl_openai_fault fault,
			   const struct sl_json_field *message)
{
	static const struct {
		const char *type;
		const char *code; /* NULL: null */
	} words[] = {
		[SL_OPENAI_FAULT_NONE] = {"server_error", NULL},
		[SL_OPENAI_FAULT_OTHER] = {"server_error", NULL},
		[SL_OPENAI_FAULT_INVALID] = {"invalid_request_error", NULL},
		[SL_OPENAI_FAULT_CONTEXT_LENGTH] = {"invalid_request_error",
						    "context_length_exceeded"},
		[SL_OPENAI_FAULT_CONTENT_POLICY] = {"invalid_request_error",
						    "content_policy_violation"},
		[SL_OPENAI_FAULT_AUTH] = {"invalid_request_error", "invalid_api_key"},
		[SL_OPENAI_FAULT_MODEL] = {"invalid_request_error", "model_not_found"},
		[SL_OPENAI_FAULT_RATE] = {"rate_limit_error", "rate_limit_exceeded"},
		[SL_OPENAI_FAULT_QUOTA] = {"insufficient_quota", "insufficient_quota"},
		[SL_OPENAI_FAULT_OVERLOADED] = {"server_error", "server_is_overloaded"},
		[SL_OPENAI_FAULT_SERVER] = {"server_error", NULL},
	};
	const char *code = words[fault].code;

	sl_text_append_string(out, "{\"error\":{\"message\":");
	if (sl_chat_filled(message))
		sl_chat_put_raw(out, message);
	else
		sl_text_append_string(out, "\"The server answered with an error and gave no "
					   "reason.\"");
	sl_text_append_string(out, ",\"type\":\"");
	sl_text_append_string(out, words[fault].type);
	sl_text_append_string(out, "\",\"param\":null,\"code\":");
	if (code)
		sl_text_append_json_string(out, code);
	else
		sl_text_append_string(out, "null");
	sl_text_append_string(out, "}}");
}

int sl_messages_fault_write(int status, const char *body, size_t body_len, struct sl_text *out)
{
	struct sl_json_field message;
	enum sl_openai_fault fault = sl_openai_fault_read(status, body, body_len, &message);

	sl_messages_error_put(out, fault, &message);
	return status == 529 ? 503 : status;
}
