/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events of a streamed message: what each is, for a stream that passes as it is, and the decoder that
 * makes chunks of a chat completion of them.
 *
 *   open      meaning                    block_start   delta                        block_stop
 *   NONE      between blocks             opens one     -EBADMSG                     -EBADMSG
 *   TEXT      text                       -EBADMSG      content                      NONE
 *   THINKING  thoughts                   -EBADMSG      reasoning_content            NONE
 *   TOOL      a call                     -EBADMSG      arguments of the last call   NONE; without
 *                                                                                   any: "{}"
 *   OTHER     a block that nobody asked  -EBADMSG      nothing                      NONE
 *
 * Blocks come one after the other, by the API; a delta that is not of the open one is an error of the
 * server. Pure but for sl_text; any thread. Declared in messages.h.
 */
#include "user/wire/messages.h"

#include <errno.h>
#include <string.h>
#include "user/http/sse.h"
#include "user/wire/messages_parts.h"

enum open { OPEN_NONE = 0, OPEN_TEXT, OPEN_THINKING, OPEN_TOOL, OPEN_OTHER };

enum event_field {
	TYPE,
	INDEX,
	MESSAGE,
	BLOCK,
	DELTA,
	USAGE,
	ERROR,
	ERROR_MESSAGE,
	STOP_REASON,
	STOP_SEQUENCE,
	START_USAGE,
	EVENT_FIELDS
};

/* ---- one event ------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum sl_messages_kind kind;
} kinds[] = {
	{"content_block_delta", SL_MESSAGES_DELTA},
	{"content_block_start", SL_MESSAGES_BLOCK_START},
	{"content_block_stop", SL_MESSAGES_BLOCK_STOP},
	{"message_start", SL_MESSAGES_START},
	{"message_delta", SL_MESSAGES_END},
	{"message_stop", SL_MESSAGES_STOP},
	{"ping", SL_MESSAGES_PING},
	{"error", SL_MESSAGES_ERROR},
};

static enum sl_messages_kind read_event(const char *data, size_t data_len,
					struct sl_json_field f[EVENT_FIELDS])
{
	static const struct sl_json_field wanted[EVENT_FIELDS] = {
		[TYPE] = SL_JSON_FIELD("type"),
		[INDEX] = SL_JSON_FIELD("index"),
		[MESSAGE] = SL_JSON_FIELD("message"),
		[BLOCK] = SL_JSON_FIELD("content_block"),
		[DELTA] = SL_JSON_FIELD("delta"),
		[USAGE] = SL_JSON_FIELD("usage"),
		[ERROR] = SL_JSON_FIELD("error"),
		[ERROR_MESSAGE] = SL_JSON_FIELD_IN("error", "message"),
		[STOP_REASON] = SL_JSON_FIELD_IN("delta", "stop_reason"),
		[STOP_SEQUENCE] = SL_JSON_FIELD_IN("delta", "stop_sequence"),
		[START_USAGE] = SL_JSON_FIELD_IN("message", "usage"),
	};

	memcpy(f, wanted, sizeof(wanted));
	if (sl_json_scan(data, data_len, f, EVENT_FIELDS) || f[TYPE].type != SL_JSON_STRING)
		return SL_MESSAGES_INVALID;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (sl_json_string_equal(&f[TYPE], kinds[i].name, strlen(kinds[i].name)))
			return kinds[i].kind;
	}
	return SL_MESSAGES_OTHER;
}

enum sl_messages_kind sl_messages_event_read(const char *data, size_t data_len,
					     struct sl_messages_usage *usage, bool *ret_refused)
{
	struct sl_json_field f[EVENT_FIELDS];
	enum sl_messages_kind kind = read_event(data, data_len, f);

	if (kind == SL_MESSAGES_START)
		sl_messages_usage_read(&f[START_USAGE], usage);
	if (kind != SL_MESSAGES_END)
		return kind;
	sl_messages_usage_read(&f[USAGE], usage);
	if (sl_messages_finish_read(&f[STOP_REASON]) == SL_MESSAGES_FINISH_REFUSAL)
		*ret_refused = true;
	return kind;
}

bool sl_messages_stream_is_whole(const char *data, size_t len)
{
	struct sl_json_field f[EVENT_FIELDS];
	struct sl_sse_event event;
	struct sl_sse sse;
	bool whole = false;
	size_t at = 0;

	sl_sse_init(&sse, NULL, 0);
	while (!whole && sl_sse_next(&sse, data, len, &at, &event) == 1)
		whole = event.data && read_event(event.data, event.data_len, f) == SL_MESSAGES_STOP;
	return whole;
}

/* ---- chunks ---------------------------------------------------------------------------------- */

/* data: {"id":...,"choices":[{"index":0,"delta":{ ; the caller adds members and calls end_chunk. */
static void begin_chunk(const struct sl_messages_decoder *d, struct sl_text *out)
{
	sl_text_append_string(out, "data: {\"id\":");
	sl_text_append_string(out, d->id);
	sl_text_append_string(out, ",\"object\":\"chat.completion.chunk\",\"created\":");
	sl_text_append_i64(out, d->names.created_s);
	sl_text_append_string(out, ",\"model\":");
	sl_text_append_string(out, d->model);
	sl_text_append_string(out, ",\"choices\":[");
}

static void begin_delta(const struct sl_messages_decoder *d, struct sl_text *out)
{
	begin_chunk(d, out);
	sl_text_append_string(out, "{\"index\":0,\"delta\":{");
}

static void end_delta(struct sl_text *out)
{
	sl_text_append_string(out, "},\"logprobs\":null,\"finish_reason\":null}]}\n\n");
}

static void put_text(const struct sl_messages_decoder *d, const char *member,
		     const struct sl_json_field *text, struct sl_text *out)
{
	if (!sl_chat_filled(text))
		return;
	begin_delta(d, out);
	sl_text_append_char(out, '"');
	sl_text_append_string(out, member);
	sl_text_append_string(out, "\":");
	sl_chat_put_raw(out, text);
	end_delta(out);
}

/* arguments: a JSON string. */
static void put_arguments(struct sl_messages_decoder *d, struct sl_span arguments,
			  struct sl_text *out)
{
	begin_delta(d, out);
	sl_text_append_string(out, "\"tool_calls\":[{\"index\":");
	sl_text_append_u64(out, d->calls - 1);
	sl_text_append_string(out, ",\"function\":{\"arguments\":");
	sl_text_append_span(out, arguments);
	sl_text_append_string(out, "}}]");
	end_delta(out);
	d->arguments = true;
}

/* ---- events ---------------------------------------------------------------------------------- */

/* A name that is too long to keep is cut: nobody compares it. prefix: goes in front, unescaped. */
static void keep_name(const struct sl_json_field *name, const char *prefix, char *out, size_t size)
{
	struct sl_text text;

	sl_text_init_fixed(&text, out, size);
	sl_text_append_char(&text, '"');
	sl_text_append_string(&text, prefix);
	if (sl_chat_filled(name) && name->value_len + text.len < size - 1)
		sl_chat_put_inside(&text, name);
	sl_text_append_char(&text, '"');
}

static int on_start(struct sl_messages_decoder *d, const struct sl_json_field *f,
		    struct sl_text *out)
{
	enum { ID, MODEL, COUNT };
	struct sl_json_field m[COUNT] = {
		[ID] = SL_JSON_FIELD("id"), [MODEL] = SL_JSON_FIELD("model")};

	if (d->started || f[MESSAGE].type != SL_JSON_OBJECT ||
	    sl_json_scan(f[MESSAGE].value, f[MESSAGE].value_len, m, COUNT))
		return -EBADMSG;
	d->started = true;
	keep_name(&m[ID], "chatcmpl-", d->id, sizeof(d->id));
	keep_name(&m[MODEL], "", d->model, sizeof(d->model));
	sl_messages_usage_read(&f[START_USAGE], &d->usage);
	begin_delta(d, out);
	sl_text_append_string(out, "\"role\":\"assistant\",\"content\":\"\"");
	end_delta(out);
	return 0;
}

static int open_call(struct sl_messages_decoder *d, const struct sl_json_field *id,
		     const struct sl_json_field *name, struct sl_text *out)
{
	if (!sl_chat_filled(id) || !sl_chat_filled(name))
		return -EBADMSG;
	d->open = OPEN_TOOL;
	d->arguments = false;
	d->calls++;
	begin_delta(d, out);
	sl_text_append_string(out, "\"tool_calls\":[{\"index\":");
	sl_text_append_u64(out, d->calls - 1);
	sl_text_append_string(out, ",\"id\":");
	sl_chat_put_raw(out, id);
	sl_text_append_string(out, ",\"type\":\"function\",\"function\":{\"name\":");
	sl_chat_put_raw(out, name);
	sl_text_append_string(out, ",\"arguments\":\"\"}}]");
	end_delta(out);
	return 0;
}

/* Some servers send a call's input with its start. */
static void put_input(struct sl_messages_decoder *d, const struct sl_json_field *input,
		      struct sl_text *out)
{
	struct sl_json_field key, value;
	const char *cursor = NULL;
	struct sl_text quoted;

	if (input->type != SL_JSON_OBJECT || !sl_json_each_member(input, &cursor, &key, &value))
		return;
	sl_text_init(&quoted, 0);
	sl_text_append_char(&quoted, '"');
	sl_text_append_json(&quoted, input->value, input->value_len);
	sl_text_append_char(&quoted, '"');
	if (quoted.error)
		out->error = out->error ? out->error : quoted.error;
	else
		put_arguments(d, sl_text_span(&quoted), out);
	sl_text_fini(&quoted);
}

static int on_block_start(struct sl_messages_decoder *d, const struct sl_json_field *f,
			  struct sl_text *out)
{
	enum { KIND, TEXT, THINKING, ID, NAME, INPUT, COUNT };
	struct sl_json_field b[COUNT] = {
		[KIND] = SL_JSON_FIELD("type"),		[TEXT] = SL_JSON_FIELD("text"),
		[THINKING] = SL_JSON_FIELD("thinking"), [ID] = SL_JSON_FIELD("id"),
		[NAME] = SL_JSON_FIELD("name"),		[INPUT] = SL_JSON_FIELD("input"),
	};
	int64_t block;
	int rc = 0;

	if (d->open != OPEN_NONE || sl_json_int(&f[INDEX], &block) || block < 0 ||
	    f[BLOCK].type != SL_JSON_OBJECT ||
	    sl_json_scan(f[BLOCK].value, f[BLOCK].value_len, b, COUNT))
		return -EBADMSG;
	if (sl_json_string_equal(&b[KIND], "text", 4)) {
		d->open = OPEN_TEXT;
		put_text(d, "content", &b[TEXT], out);
	} else if (sl_json_string_equal(&b[KIND], "thinking", 8)) {
		d->open = OPEN_THINKING;
		put_text(d, "reasoning_content", &b[THINKING], out);
	} else if (sl_json_string_equal(&b[KIND], "tool_use", 8)) {
		rc = open_call(d, &b[ID], &b[NAME], out);
		if (!rc)
			put_input(d, &b[INPUT], out);
	} else {
		d->open = OPEN_OTHER;
	}
	if (!rc)
		d->block = block;
	d->beyond = d->beyond || d->open == OPEN_THINKING || d->open == OPEN_OTHER;
	return rc;
}

static bool is_of_open_block(const struct sl_messages_decoder *d, const struct sl_json_field *index)
{
	int64_t value;

	return d->open != OPEN_NONE && !sl_json_int(index, &value) && value == d->block;
}

static int on_delta(struct sl_messages_decoder *d, const struct sl_json_field *f,
		    struct sl_text *out)
{
	enum { TEXT, THINKING, JSON, COUNT };
	struct sl_json_field delta[COUNT] = {
		[TEXT] = SL_JSON_FIELD("text"),
		[THINKING] = SL_JSON_FIELD("thinking"),
		[JSON] = SL_JSON_FIELD("partial_json"),
	};

	if (!is_of_open_block(d, &f[INDEX]) || f[DELTA].type != SL_JSON_OBJECT ||
	    sl_json_scan(f[DELTA].value, f[DELTA].value_len, delta, COUNT))
		return -EBADMSG;
	if (d->open == OPEN_TEXT && delta[TEXT].type != SL_JSON_STRING)
		d->beyond = true; /* what it quotes */
	else if (d->open == OPEN_TEXT)
		put_text(d, "content", &delta[TEXT], out);
	else if (d->open == OPEN_THINKING)
		put_text(d, "reasoning_content", &delta[THINKING], out);
	else if (d->open == OPEN_TOOL && sl_chat_filled(&delta[JSON]))
		put_arguments(d, sl_span_make(delta[JSON].value, delta[JSON].value_len), out);
	return 0;
}

static int on_block_stop(struct sl_messages_decoder *d, const struct sl_json_field *f,
			 struct sl_text *out)
{
	if (!is_of_open_block(d, &f[INDEX]))
		return -EBADMSG;
	if (d->open == OPEN_TOOL && !d->arguments) /* clients read them as JSON */
		put_arguments(d, SL_SPAN("\"{}\""), out);
	d->open = OPEN_NONE;
	return 0;
}

static int on_end(struct sl_messages_decoder *d, const struct sl_json_field *f)
{
	const struct sl_json_field *sequence = &f[STOP_SEQUENCE];
	enum sl_messages_finish finish = sl_messages_finish_read(&f[STOP_REASON]);

	sl_messages_usage_read(&f[USAGE], &d->usage);
	if (finish == SL_MESSAGES_FINISH_NONE)
		return 0;
	d->finish = (uint8_t)finish;
	d->refused = finish == SL_MESSAGES_FINISH_REFUSAL;
	if (sl_chat_filled(sequence) && sequence->value_len < sizeof(d->stop_sequence)) {
		memcpy(d->stop_sequence, sequence->value, sequence->value_len);
		d->stop_sequence[sequence->value_len] = '\0';
	}
	return 0;
}

static int on_stop(struct sl_messages_decoder *d, struct sl_text *out)
{
	if (d->open != OPEN_NONE || d->finish == SL_MESSAGES_FINISH_NONE)
		return -EBADMSG;
	d->over = true;
	begin_chunk(d, out);
	sl_text_append_string(out, "{\"index\":0,\"delta\":{},\"logprobs\":null,");
	sl_messages_finish_put(out, (enum sl_messages_finish)d->finish,
			       sl_span_string(d->stop_sequence));
	sl_text_append_string(out, "}]}\n\n");
	if (d->names.include_usage) {
		begin_chunk(d, out);
		sl_text_append_string(out, "],");
		sl_messages_usage_put(out, &d->usage);
		sl_text_append_string(out, "}\n\n");
	}
	sl_text_append_string(out, "data: [DONE]\n\n");
	return 0;
}

static int on_error(struct sl_messages_decoder *d, const char *data, size_t data_len,
		    struct sl_text *out)
{
	struct sl_json_field message;
	enum sl_openai_fault fault = sl_openai_fault_read(0, data, data_len, &message);

	d->over = true;
	sl_text_append_string(out, "data: ");
	sl_messages_error_put(out, fault, &message);
	sl_text_append_string(out, "\n\n");
	return 0;
}

static int take_data(struct sl_messages_decoder *d, const char *data, size_t data_len,
		     struct sl_text *out)
{
	struct sl_json_field f[EVENT_FIELDS];
	enum sl_messages_kind kind = read_event(data, data_len, f);

	if (kind == SL_MESSAGES_ERROR)
		return on_error(d, data, data_len, out);
	if (kind == SL_MESSAGES_START)
		return on_start(d, f, out);
	if (kind == SL_MESSAGES_PING || kind == SL_MESSAGES_OTHER) {
		sl_text_append_string(out, ": ping\n\n");
		return 0;
	}
	if (kind == SL_MESSAGES_INVALID || !d->started)
		return -EBADMSG;
	switch (kind) {
	case SL_MESSAGES_BLOCK_START:
		return on_block_start(d, f, out);
	case SL_MESSAGES_DELTA:
		return on_delta(d, f, out);
	case SL_MESSAGES_BLOCK_STOP:
		return on_block_stop(d, f, out);
	case SL_MESSAGES_END:
		return on_end(d, f);
	default:
		return on_stop(d, out);
	}
}

/* ---- pieces ---------------------------------------------------------------------------------- */

void sl_messages_decoder_init(struct sl_messages_decoder *d, const struct sl_messages_names *names)
{
	memset(d, 0, sizeof(*d));
	d->names = *names;
	d->block = -1;
	sl_messages_usage_init(&d->usage);
	sl_text_init(&d->partial, SL_MESSAGES_EVENT_BYTES_MAX);
}

void sl_messages_decoder_fini(struct sl_messages_decoder *d)
{
	sl_text_fini(&d->partial);
}

void sl_messages_decoder_place(const struct sl_messages_decoder *d,
			       struct sl_messages_place *ret_place)
{
	*ret_place = (struct sl_messages_place){
		.plain = d->started && !d->beyond && !d->over &&
			 d->finish == SL_MESSAGES_FINISH_NONE,
		.text = d->open == OPEN_TEXT,
		.call = d->open == OPEN_TOOL,
		.block = (uint32_t)(d->open == OPEN_NONE ? d->block + 1 : d->block),
		.calls = d->calls,
	};
}

/* Events from the start of buf; *ret_whole: bytes of those that were whole. */
static int take_events(struct sl_messages_decoder *d, const char *buf, size_t len,
		       size_t *ret_whole, struct sl_text *out)
{
	struct sl_sse_event event;
	struct sl_sse sse;
	size_t at = 0;
	int rc = 0, next = 0;

	*ret_whole = 0;
	sl_sse_init(&sse, NULL, 0);
	while (!rc && !d->over && (next = sl_sse_next(&sse, buf, len, &at, &event)) == 1) {
		*ret_whole = at;
		if (event.kind == SL_SSE_COMMENT && memchr(event.raw, ':', event.raw_len))
			sl_text_append_string(out, ":\n\n"); /* else an empty line */
		else if (event.kind != SL_SSE_COMMENT && event.kind != SL_SSE_OTHER &&
			 !sl_sse_says_nothing(&event))
			rc = event.data ? take_data(d, event.data, event.data_len, out) : -EBADMSG;
	}
	return rc ? rc : next < 0 ? -E2BIG : out->error ? -ENOMEM : 0;
}

int sl_messages_decoder_feed(struct sl_messages_decoder *d, const char *data, size_t len,
			     struct sl_text *out)
{
	size_t whole;
	int rc;

	if (d->over) /* nothing that follows counts */
		return 0;
	if (!d->partial.len) {
		rc = take_events(d, data, len, &whole, out);
		if (rc || d->over || whole == len)
			return rc;
		return sl_text_append(&d->partial, data + whole, len - whole);
	}
	rc = sl_text_append(&d->partial, data, len);
	if (rc)
		return rc;
	rc = take_events(d, d->partial.data, d->partial.len, &whole, out);
	if (rc || d->over || whole == d->partial.len) {
		sl_text_fini(&d->partial);
		return rc;
	}
	memmove(d->partial.data, d->partial.data + whole, d->partial.len - whole);
	sl_text_truncate(&d->partial, d->partial.len - whole);
	return 0;
}
