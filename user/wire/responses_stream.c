/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the chunks of a streamed chat completion to the events of a streamed response.
 *
 *   first chunk             response.created, response.in_progress
 *   delta with text         an item "message" unless one of text is open, output_text.delta
 *   refusal                 the same with a part "refusal", refusal.delta
 *   tool call, new index    the end of what is open, an item "function_call"
 *   its arguments           function_call_arguments.delta
 *   reasoning, a comment    a comment: thinking is not shown
 *   end of the answer       the end of what is open, response.completed or response.incomplete
 *   a break                 "error", response.failed: what is open never gets an end
 *
 *   open       a delta of its kind     of another
 *   NONE       opens an item           -
 *   TEXT       appends                 ends it, opens an item
 *   REFUSAL    appends                 ends it, opens an item
 *   CALL       the same call: appends  another call or text: ends it, opens an item
 *
 * The last events of an item and of the response repeat all of the text, which is therefore kept:
 * at most SL_RESPONSES_TEXT_BYTES a stream. A call that goes on after another one began is not told,
 * no known server sends that. Pure but for sl_text; any thread. Declared in responses.h.
 */
#include "user/wire/responses.h"

#include <errno.h>
#include <string.h>
#include "user/wire/responses_parts.h"

enum top_field { CHOICES, MODEL, CREATED, TOP_FIELDS };
enum delta_field { CONTENT, REFUSAL, TOOL_CALLS, DELTA_FIELDS };
enum call_field { CALL_INDEX, CALL_ID, CALL_FUNCTION, CALL_NAME, CALL_ARGUMENTS, CALL_FIELDS };

void sl_responses_stream_init(struct sl_responses_stream *stream,
			      const struct sl_responses_names *names)
{
	memset(stream, 0, sizeof(*stream));
	stream->model = names->model;
	stream->tool_index = -1;
	sl_text_init(&stream->echo, SL_RESPONSES_TEXT_BYTES);
	sl_text_init(&stream->name, SL_RESPONSES_TEXT_BYTES);
	sl_text_init(&stream->output, 2 * SL_RESPONSES_TEXT_BYTES);
	sl_text_init(&stream->inside, SL_RESPONSES_TEXT_BYTES);
	sl_text_init(&stream->call, SL_RESPONSES_TEXT_BYTES);
	sl_text_append_span(&stream->echo, names->echo);
	sl_responses_hex_of(names->request_id, stream->hex);
}

void sl_responses_stream_fini(struct sl_responses_stream *stream)
{
	sl_text_fini(&stream->echo);
	sl_text_fini(&stream->name);
	sl_text_fini(&stream->output);
	sl_text_fini(&stream->inside);
	sl_text_fini(&stream->call);
}

/* What was kept is all there is, and so is told again at the end. */
static int kept(const struct sl_responses_stream *s)
{
	return s->echo.error || s->name.error || s->output.error || s->inside.error || s->call.error
		       ? -ENOMEM
		       : 0;
}

/* ---- events ---------------------------------------------------------------------------------- */

/* "event: NAME\ndata: {"type":"NAME","sequence_number":N; the caller adds members, end_event. */
static void begin_event(struct sl_responses_stream *s, const char *name, struct sl_text *out)
{
	sl_text_append_string(out, "event: ");
	sl_text_append_string(out, name);
	sl_text_append_string(out, "\ndata: {\"type\":\"");
	sl_text_append_string(out, name);
	sl_text_append_string(out, "\",\"sequence_number\":");
	sl_text_append_u64(out, s->sequence++);
}

static void end_event(struct sl_text *out)
{
	sl_text_append_string(out, "}\n\n");
}

static void put_view(struct sl_responses_stream *s, const char *event, const char *status,
		     struct sl_span output, struct sl_span error, struct sl_text *out)
{
	bool over = strcmp(status, "in_progress") != 0;
	const struct sl_responses_view view = {
		.hex = s->hex,
		.created_s = s->created_s,
		.model = sl_text_span(&s->name),
		.echo = sl_text_span(&s->echo),
		.output = output,
		.status = status,
		.finish = over && !error.len ? s->finish : SL_RESPONSES_FINISH_WHOLE,
		.error = error,
		.usage = over ? &s->usage : NULL,
	};

	begin_event(s, event, out);
	sl_text_append_string(out, ",\"response\":");
	sl_responses_view_put(out, &view);
	end_event(out);
}

static void start(struct sl_responses_stream *s, const struct sl_json_field *top,
		  struct sl_text *out)
{
	static const struct sl_span none = {"", 0};

	s->started = true;
	if (top && sl_chat_filled(&top[MODEL]))
		sl_chat_put_raw(&s->name, &top[MODEL]);
	else
		sl_text_append_json_string(&s->name, s->model);
	if (top)
		sl_json_int(&top[CREATED], &s->created_s);
	put_view(s, "response.created", "in_progress", none, none, out);
	put_view(s, "response.in_progress", "in_progress", none, none, out);
}

/* Members that say which item, and for a part of text which part. */
static void put_place(struct sl_responses_stream *s, struct sl_text *out)
{
	sl_text_append_string(out, ",\"item_id\":\"");
	sl_responses_put_item_id(out, s->hex, s->open, s->item);
	sl_text_append_string(out, "\",\"output_index\":");
	sl_text_append_u64(out, s->item);
	if (s->open != SL_RESPONSES_ITEM_CALL)
		sl_text_append_string(out, ",\"content_index\":0");
}

/* ,"name":"inside" */
static void put_string(struct sl_text *out, const char *name, struct sl_span inside)
{
	sl_text_append_string(out, ",\"");
	sl_text_append_string(out, name);
	sl_text_append_string(out, "\":\"");
	sl_text_append_span(out, inside);
	sl_text_append_char(out, '"');
}

static void put_item_event(struct sl_responses_stream *s, const char *event, const char *status,
			   struct sl_text *out)
{
	begin_event(s, event, out);
	sl_text_append_string(out, ",\"output_index\":");
	sl_text_append_u64(out, s->item);
	sl_text_append_string(out, ",\"item\":");
	sl_responses_put_item(out, s->hex, s->open, s->item, sl_text_span(&s->call),
			      sl_text_span(&s->inside), status);
	end_event(out);
}

static void put_part_event(struct sl_responses_stream *s, const char *event, struct sl_text *out)
{
	begin_event(s, event, out);
	put_place(s, out);
	sl_text_append_string(out, ",\"part\":");
	sl_responses_put_part(out, s->open, sl_text_span(&s->inside));
	end_event(out);
}

/* ---- items ----------------------------------------------------------------------------------- */

static void open_item(struct sl_responses_stream *s, enum sl_responses_item kind,
		      struct sl_text *out)
{
	s->open = (uint8_t)kind;
	put_item_event(s, "response.output_item.added", "in_progress", out);
	if (kind != SL_RESPONSES_ITEM_CALL)
		put_part_event(s, "response.content_part.added", out);
}

/* The open item, behind those that are over. */
static void keep_item(struct sl_responses_stream *s, const char *status)
{
	if (s->output.len)
		sl_text_append_char(&s->output, ',');
	sl_responses_put_item(&s->output, s->hex, s->open, s->item, sl_text_span(&s->call),
			      sl_text_span(&s->inside), status);
}

static void close_item(struct sl_responses_stream *s, const char *status, struct sl_text *out)
{
	static const struct {
		const char *event;
		const char *member;
	} dones[] = {
		[SL_RESPONSES_ITEM_NONE] = {"", ""},
		[SL_RESPONSES_ITEM_TEXT] = {"response.output_text.done", "text"},
		[SL_RESPONSES_ITEM_REFUSAL] = {"response.refusal.done", "refusal"},
		[SL_RESPONSES_ITEM_CALL] = {"response.function_call_arguments.done", "arguments"},
	};

	if (s->open == SL_RESPONSES_ITEM_NONE)
		return;
	begin_event(s, dones[s->open].event, out);
	put_place(s, out);
	put_string(out, dones[s->open].member, sl_text_span(&s->inside));
	if (s->open == SL_RESPONSES_ITEM_TEXT)
		sl_text_append_string(out, ",\"logprobs\":[]");
	end_event(out);
	if (s->open != SL_RESPONSES_ITEM_CALL)
		put_part_event(s, "response.content_part.done", out);
	put_item_event(s, "response.output_item.done", status, out);
	keep_item(s, status);
	s->open = SL_RESPONSES_ITEM_NONE;
	s->item++;
	if (s->inside.error || s->call.error)
		return; /* it sticks, see kept */
	sl_text_reset(&s->inside);
	sl_text_reset(&s->call);
}

static void put_delta(struct sl_responses_stream *s, const char *event,
		      const struct sl_json_field *text, struct sl_text *out)
{
	struct sl_span inside = sl_span_make(text->value + 1, text->value_len - 2);

	sl_text_append_span(&s->inside, inside);
	begin_event(s, event, out);
	put_place(s, out);
	put_string(out, "delta", inside);
	if (s->open == SL_RESPONSES_ITEM_TEXT)
		sl_text_append_string(out, ",\"logprobs\":[]");
	end_event(out);
}

static void put_text(struct sl_responses_stream *s, enum sl_responses_item kind,
		     const struct sl_json_field *text, struct sl_text *out)
{
	if (!sl_chat_filled(text))
		return;
	if (s->open != kind) {
		close_item(s, "completed", out);
		open_item(s, kind, out);
	}
	put_delta(s,
		  kind == SL_RESPONSES_ITEM_TEXT ? "response.output_text.delta"
						 : "response.refusal.delta",
		  text, out);
}

/* ---- tool calls ------------------------------------------------------------------------------ */

/* Servers count calls, or name them anew by id only; both are told apart from the open one. */
static bool is_open_call(const struct sl_responses_stream *s, int64_t index, uint32_t id_hash)
{
	return s->open == SL_RESPONSES_ITEM_CALL && (index < 0 || index == s->tool_index) &&
	       (!id_hash || id_hash == s->tool_id_hash);
}

static int put_call(struct sl_responses_stream *s, const struct sl_json_field *call,
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

	if (call->type != SL_JSON_OBJECT ||
	    sl_json_scan(call->value, call->value_len, f, CALL_FIELDS))
		return -EBADMSG;
	sl_json_int(&f[CALL_INDEX], &index);
	if (!is_open_call(s, index, sl_chat_id_hash(&f[CALL_ID]))) {
		/* without a name: the rest of a call whose item has ended */
		if (!sl_chat_filled(&f[CALL_NAME]))
			return -EBADMSG;
		close_item(s, "completed", out);
		s->tool_index = index;
		s->tool_id_hash = sl_chat_id_hash(&f[CALL_ID]);
		sl_responses_put_call(&s->call, s->hex, &f[CALL_ID], &f[CALL_NAME], s->item);
		open_item(s, SL_RESPONSES_ITEM_CALL, out);
	}
	if (sl_chat_filled(&f[CALL_ARGUMENTS]))
		put_delta(s, "response.function_call_arguments.delta", &f[CALL_ARGUMENTS], out);
	return 0;
}

/* ---- chunks ---------------------------------------------------------------------------------- */

static int put_choice(struct sl_responses_stream *s, const struct sl_json_field *choice,
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
	put_text(s, SL_RESPONSES_ITEM_TEXT, &f[CONTENT], out);
	put_text(s, SL_RESPONSES_ITEM_REFUSAL, &f[REFUSAL], out);
	while (!rc && sl_json_each(&f[TOOL_CALLS], &cursor, &call))
		rc = put_call(s, &call, out);
	if (choice[SL_CHAT_CHOICE_FINISH].type == SL_JSON_STRING)
		s->finish = (uint8_t)sl_responses_finish_read(&choice[SL_CHAT_CHOICE_FINISH]);
	return rc ? rc : kept(s);
}

int sl_responses_stream_data(struct sl_responses_stream *stream, const char *data, size_t data_len,
			     const struct sl_openai_chunk *chunk, struct sl_text *out)
{
	struct sl_json_field top[TOP_FIELDS] = {
		[CHOICES] = SL_JSON_FIELD("choices"),
		[MODEL] = SL_JSON_FIELD("model"),
		[CREATED] = SL_JSON_FIELD("created"),
	};
	struct sl_json_field choice[SL_CHAT_CHOICE_FIELDS] = SL_CHAT_CHOICE("delta");
	size_t before;
	int rc = 0;

	if (sl_json_scan(data, data_len, top, TOP_FIELDS))
		return -EBADMSG;
	if (chunk->flags & SL_OPENAI_CHUNK_USAGE)
		sl_responses_usage_read(data, data_len, &stream->usage);
	if (!stream->started)
		start(stream, top, out);
	before = out->len;
	if (sl_chat_choice_read(&top[CHOICES], choice))
		rc = put_choice(stream, choice, out);
	if (!rc && chunk->flags & SL_OPENAI_CHUNK_TOKEN && out->len == before)
		sl_responses_stream_ping(out);
	return rc;
}

void sl_responses_stream_ping(struct sl_text *out)
{
	sl_text_append_string(out, ":\n\n");
}

/* ---- the end --------------------------------------------------------------------------------- */

int sl_responses_stream_end(struct sl_responses_stream *stream, struct sl_text *out)
{
	const char *status = sl_responses_status_of(stream->finish);
	size_t before = out->len;

	if (!kept(stream)) {
		if (!stream->started)
			start(stream, NULL, out);
		close_item(stream, status, out);
	}
	if (kept(stream)) {
		if (!out->error)
			sl_text_truncate(out, before);
		return -ENOMEM;
	}
	put_view(stream,
		 stream->finish == SL_RESPONSES_FINISH_WHOLE ? "response.completed"
							     : "response.incomplete",
		 status, sl_text_span(&stream->output), SL_SPAN(""), out);
	return 0;
}

/* code: of the event; kind: of response.error, which knows few. message: inside of a string. */
static void fail(struct sl_responses_stream *s, const char *code, const char *kind,
		 struct sl_span message, struct sl_text *out)
{
	struct sl_text error;

	if (!s->started)
		start(s, NULL, out);
	begin_event(s, "error", out);
	put_string(out, "code", sl_span_string(code));
	put_string(out, "message", message);
	sl_text_append_string(out, ",\"param\":null");
	end_event(out);
	sl_text_init(&error, 0);
	sl_text_printf(&error, "{\"code\":\"%s\",\"message\":\"", kind);
	sl_text_append_span(&error, message);
	sl_text_append_string(&error, "\"}");
	if (s->open != SL_RESPONSES_ITEM_NONE)
		keep_item(s, "incomplete");
	if (kept(s) || error.error) /* then without what cannot be repeated */
		put_view(s, "response.failed", "failed", SL_SPAN(""),
			 SL_SPAN("{\"code\":\"server_error\",\"message\":\"out of memory\"}"), out);
	else
		put_view(s, "response.failed", "failed", sl_text_span(&s->output),
			 sl_text_span(&error), out);
	sl_text_fini(&error);
}

void sl_responses_stream_error(struct sl_responses_stream *stream,
			       const struct sl_openai_error *error, struct sl_text *out)
{
	char message[SL_OPENAI_MESSAGE_BYTES_MAX], escaped[6 * SL_OPENAI_MESSAGE_BYTES_MAX];
	size_t len = sl_openai_error_message(error, message);
	int escaped_len = sl_json_escape(message, len, escaped, sizeof(escaped));

	fail(stream, sl_openai_error_code(error->id), "server_error",
	     sl_span_make(escaped, escaped_len > 0 ? (size_t)escaped_len : 0), out);
}

void sl_responses_stream_fault(struct sl_responses_stream *stream, const char *data,
			       size_t data_len, struct sl_text *out)
{
	struct sl_span words = SL_SPAN("The server sent an error and gave no reason.");
	const char *code, *kind = "server_error";
	struct sl_json_field message;

	switch (sl_openai_fault_read(0, data, data_len, &message)) {
	case SL_OPENAI_FAULT_CONTEXT_LENGTH:
		code = "context_length_exceeded";
		kind = "invalid_prompt";
		break;
	case SL_OPENAI_FAULT_INVALID:
	case SL_OPENAI_FAULT_CONTENT_POLICY:
		code = kind = "invalid_prompt";
		break;
	case SL_OPENAI_FAULT_RATE:
	case SL_OPENAI_FAULT_QUOTA:
		code = kind = "rate_limit_exceeded";
		break;
	default:
		code = kind;
		break;
	}
	if (sl_chat_filled(&message))
		words = sl_span_make(message.value + 1, message.value_len - 2);
	fail(stream, code, kind, words, out);
}
