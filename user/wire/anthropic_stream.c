/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the chunks of a streamed chat completion to the events of a streamed message.
 *
 *   first chunk               message_start
 *   delta with text           content_block_start unless a text block is open, content_block_delta
 *   tool call, new index      content_block_stop of what is open, content_block_start (tool_use)
 *   its arguments             content_block_delta (input_json_delta)
 *   reasoning                 ping: the API shows no thinking that was not asked for
 *   end of the answer         content_block_stop, message_delta, message_stop
 *
 *   open    meaning                            a delta of text         a delta of a call
 *   NONE    between blocks                     opens TEXT              opens TOOL
 *   TEXT    block `block` holds text           appends                 stops it, opens TOOL
 *   TOOL    block `block` is a call            stops it, opens TEXT    the same: appends; another:
 *                                                                      stops it, opens TOOL
 *
 * A call that goes on after another one began cannot be told: blocks come one after the other. No
 * known server does that. Pure but for sl_text; any thread. Declared in anthropic.h.
 */
#include "user/wire/anthropic.h"

#include <errno.h>
#include <string.h>
#include "user/wire/anthropic_parts.h"

enum open { OPEN_NONE = 0, OPEN_TEXT, OPEN_TOOL };

enum top_field { CHOICES, MODEL, TOP_FIELDS };
enum delta_field { CONTENT, REFUSAL, TOOL_CALLS, DELTA_FIELDS };
enum call_field { CALL_INDEX, CALL_ID, CALL_FUNCTION, CALL_NAME, CALL_ARGUMENTS, CALL_FIELDS };

void sl_anthropic_stream_init(struct sl_anthropic_stream *stream,
			      const struct sl_anthropic_names *names)
{
	memset(stream, 0, sizeof(*stream));
	stream->model = names->model;
	stream->tool_index = -1;
	sl_anthropic_id_of(names->request_id, stream->id);
}

void sl_anthropic_stream_join(struct sl_anthropic_stream *stream,
			      const struct sl_messages_place *place, uint64_t tokens)
{
	stream->started = true;
	stream->block = place->block;
	stream->open = place->text ? OPEN_TEXT : place->call ? OPEN_TOOL : OPEN_NONE;
	stream->tool_seen = place->calls > 0;
	stream->tool_index = (int64_t)place->calls - 1;
	stream->tokens = (uint32_t)tokens;
}

/* "event: NAME\ndata: {"type":"NAME"; the caller adds members and calls end_event. */
static void begin_event(struct sl_text *out, const char *name)
{
	sl_text_append_string(out, "event: ");
	sl_text_append_string(out, name);
	sl_text_append_string(out, "\ndata: {\"type\":\"");
	sl_text_append_string(out, name);
	sl_text_append_char(out, '"');
}

static void end_event(struct sl_text *out)
{
	sl_text_append_string(out, "}\n\n");
}

static void start(struct sl_anthropic_stream *s, const struct sl_json_field *model,
		  struct sl_text *out)
{
	static const struct sl_openai_usage nothing_yet = {0, 0, 0, -1};

	s->started = true;
	begin_event(out, "message_start");
	sl_text_append_string(out, ",\"message\":{\"id\":\"");
	sl_text_append_string(out, s->id);
	sl_text_append_string(out, "\",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
	if (model && sl_chat_filled(model))
		sl_chat_put_raw(out, model);
	else
		sl_text_append_json_string(out, s->model);
	sl_text_append_string(out, ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,"
				   "\"stop_details\":null,\"container\":null,"
				   "\"usage\":");
	sl_anthropic_put_usage(out, &nothing_yet);
	sl_text_append_char(out, '}');
	end_event(out);
}

static void put_index(struct sl_anthropic_stream *s, struct sl_text *out)
{
	sl_text_append_string(out, ",\"index\":");
	sl_text_append_u64(out, s->block);
}

static void close_block(struct sl_anthropic_stream *s, struct sl_text *out)
{
	if (s->open == OPEN_NONE)
		return;
	begin_event(out, "content_block_stop");
	put_index(s, out);
	end_event(out);
	s->open = OPEN_NONE;
	s->block++;
}

/* kind: the delta's type and, in it, the name of the text; raw: that text as a JSON string. */
static void put_delta(struct sl_anthropic_stream *s, const char *type, const char *member,
		      const struct sl_json_field *raw, struct sl_text *out)
{
	begin_event(out, "content_block_delta");
	put_index(s, out);
	sl_text_append_string(out, ",\"delta\":{\"type\":\"");
	sl_text_append_string(out, type);
	sl_text_append_string(out, "\",\"");
	sl_text_append_string(out, member);
	sl_text_append_string(out, "\":");
	sl_chat_put_raw(out, raw);
	sl_text_append_char(out, '}');
	end_event(out);
}

static void put_text(struct sl_anthropic_stream *s, const struct sl_json_field *text,
		     struct sl_text *out)
{
	if (!sl_chat_filled(text))
		return;
	if (s->open != OPEN_TEXT) {
		close_block(s, out);
		begin_event(out, "content_block_start");
		put_index(s, out);
		sl_text_append_string(
			out,
			",\"content_block\":{\"type\":\"text\",\"citations\":null,\"text\":\"\"}");
		end_event(out);
		s->open = OPEN_TEXT;
	}
	put_delta(s, "text_delta", "text", text, out);
}

/* ---- tool calls ------------------------------------------------------------------------------ */

/* Servers count calls, or name them anew by id only; both are told apart from the open one. */
static bool is_open_call(const struct sl_anthropic_stream *s, int64_t index, uint32_t id_hash)
{
	return s->open == OPEN_TOOL && (index < 0 || index == s->tool_index) &&
	       (!id_hash || id_hash == s->tool_id_hash);
}

static int open_call(struct sl_anthropic_stream *s, const struct sl_json_field *f, int64_t index,
		     struct sl_text *out)
{
	uint32_t id_hash = sl_chat_id_hash(&f[CALL_ID]);

	/* without a name: the rest of a call whose block has ended */
	if (!sl_chat_filled(&f[CALL_NAME]))
		return -EBADMSG;
	close_block(s, out);
	s->open = OPEN_TOOL;
	s->tool_seen = true;
	s->tool_index = index;
	s->tool_id_hash = id_hash;
	begin_event(out, "content_block_start");
	put_index(s, out);
	sl_text_append_string(out, ",\"content_block\":{\"type\":\"tool_use\",\"caller\":{\"type\":"
				   "\"direct\"},\"id\":");
	if (id_hash)
		sl_chat_put_raw(out, &f[CALL_ID]);
	else
		sl_text_printf(out, "\"toolu_%s_%u\"", s->id + 4, s->block);
	sl_text_append_string(out, ",\"name\":");
	sl_chat_put_raw(out, &f[CALL_NAME]);
	sl_text_append_string(out, ",\"input\":{}}");
	end_event(out);
	return 0;
}

static int put_call(struct sl_anthropic_stream *s, const struct sl_json_field *call,
		    struct sl_text *out)
{
	struct sl_json_field f[CALL_FIELDS] = {
		[CALL_INDEX] = SL_JSON_FIELD("index"),
		[CALL_ID] = SL_JSON_FIELD("id"),
		[CALL_FUNCTION] = SL_JSON_FIELD("function"),
		[CALL_NAME] = SL_JSON_FIELD_IN("function", "name"),
		[CALL_ARGUMENTS] = SL_JSON_FIELD_IN("function", "arguments"),
	};
	int64_t index = -1;
	int rc = 0;

	if (call->type != SL_JSON_OBJECT ||
	    sl_json_scan(call->value, call->value_len, f, CALL_FIELDS))
		return -EBADMSG;
	sl_json_int(&f[CALL_INDEX], &index);
	if (!is_open_call(s, index, sl_chat_id_hash(&f[CALL_ID])))
		rc = open_call(s, f, index, out);
	if (!rc && sl_chat_filled(&f[CALL_ARGUMENTS]))
		put_delta(s, "input_json_delta", "partial_json", &f[CALL_ARGUMENTS], out);
	return rc;
}

/* ---- chunks ---------------------------------------------------------------------------------- */

static void note_finish(struct sl_anthropic_stream *s, const struct sl_json_field *choice)
{
	const struct sl_json_field *sequence;
	enum sl_anthropic_finish finish = sl_anthropic_finish_read(choice, &sequence);

	if (finish == SL_ANTHROPIC_FINISH_NONE || s->finish == SL_ANTHROPIC_FINISH_REFUSAL)
		return;
	s->finish = (uint8_t)finish;
	if (sequence && sequence->value_len < sizeof(s->stop_sequence)) {
		memcpy(s->stop_sequence, sequence->value, sequence->value_len);
		s->stop_sequence[sequence->value_len] = '\0';
	}
}

static int put_choice(struct sl_anthropic_stream *s, const struct sl_json_field *choice,
		      struct sl_text *out)
{
	const struct sl_json_field *delta = &choice[SL_CHAT_CHOICE_BODY];
	struct sl_json_field f[DELTA_FIELDS] = {
		[CONTENT] = SL_JSON_FIELD("content"),
		[REFUSAL] = SL_JSON_FIELD("refusal"),
		[TOOL_CALLS] = SL_JSON_FIELD("tool_calls"),
	};
	struct sl_json_field call;
	const char *cursor = NULL;
	int rc = 0;

	if (delta->type == SL_JSON_OBJECT &&
	    sl_json_scan(delta->value, delta->value_len, f, DELTA_FIELDS))
		return -EBADMSG;
	put_text(s, &f[CONTENT], out);
	put_text(s, &f[REFUSAL], out);
	if (sl_chat_filled(&f[REFUSAL]))
		s->finish = SL_ANTHROPIC_FINISH_REFUSAL;
	while (!rc && sl_json_each(&f[TOOL_CALLS], &cursor, &call))
		rc = put_call(s, &call, out);
	note_finish(s, choice);
	return rc;
}

int sl_anthropic_stream_data(struct sl_anthropic_stream *stream, const char *data, size_t data_len,
			     const struct sl_openai_chunk *chunk, struct sl_text *out)
{
	struct sl_json_field top[TOP_FIELDS] = {
		[CHOICES] = SL_JSON_FIELD("choices"),
		[MODEL] = SL_JSON_FIELD("model"),
	};
	struct sl_json_field choice[SL_CHAT_CHOICE_FIELDS] = SL_CHAT_CHOICE("delta");
	size_t before;
	int rc = 0;

	if (sl_json_scan(data, data_len, top, TOP_FIELDS))
		return -EBADMSG;
	if (chunk->flags & SL_OPENAI_CHUNK_USAGE) {
		stream->usage = chunk->usage;
		stream->has_usage = true;
	}
	if (!stream->started)
		start(stream, &top[MODEL], out);
	before = out->len;
	if (sl_chat_choice_read(&top[CHOICES], choice))
		rc = put_choice(stream, choice, out);
	if (chunk->flags & SL_OPENAI_CHUNK_TOKEN) {
		stream->tokens++;
		if (!rc && out->len == before)
			sl_anthropic_stream_ping(stream, out);
	}
	return rc;
}

void sl_anthropic_stream_ping(struct sl_anthropic_stream *stream, struct sl_text *out)
{
	if (!stream->started)
		return;
	begin_event(out, "ping");
	end_event(out);
}

void sl_anthropic_stream_end(struct sl_anthropic_stream *stream, struct sl_text *out)
{
	const struct sl_openai_usage counted = {-1, stream->tokens, -1, -1};
	const struct sl_openai_usage *usage = stream->has_usage ? &stream->usage : &counted;

	if (!stream->started)
		start(stream, NULL, out);
	close_block(stream, out);
	begin_event(out, "message_delta");
	sl_text_append_string(out, ",\"delta\":{\"stop_reason\":\"");
	sl_text_append_string(out, sl_anthropic_stop_name(stream->finish, stream->tool_seen));
	sl_text_append_string(out, "\",\"stop_sequence\":");
	sl_text_append_string(out, stream->stop_sequence[0] ? stream->stop_sequence : "null");
	sl_text_append_string(out, "},\"usage\":");
	sl_anthropic_put_usage(out, usage);
	end_event(out);
	begin_event(out, "message_stop");
	end_event(out);
}
