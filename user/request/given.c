/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/given.h"

#include <errno.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/request/charge.h"
#include "user/request/stages.h"
#include "user/request/translate.h"

#define LINES_BYTES (256u + SL_ADMIT_LIMITS_BYTES + SL_REQUEST_ID_MAX * 2u)

enum { ID, CREATED, MODEL, CHOICES, USAGE, FIELDS };
enum { INDEX, MESSAGE, REASON, CHOICE_FIELDS };
enum { ROLE, CONTENT, REFUSAL, TOOL_CALLS, MESSAGE_FIELDS };

static void append_field(struct sl_text *out, const struct sl_json_field *field, const char *absent)
{
	if (field->type == SL_JSON_ABSENT)
		sl_text_append_string(out, absent);
	else
		sl_text_append(out, field->value, field->value_len);
}

/* What is the same in every chunk, up to its choices. */
static void append_start(struct sl_text *out, const struct sl_json_field fields[FIELDS])
{
	sl_text_append_string(out, "data: {\"id\":");
	append_field(out, &fields[ID], "\"chatcmpl-0\"");
	sl_text_append_string(out, ",\"object\":\"chat.completion.chunk\",\"created\":");
	append_field(out, &fields[CREATED], "0");
	sl_text_append_string(out, ",\"model\":");
	append_field(out, &fields[MODEL], "\"\"");
	sl_text_append_string(out, ",\"choices\":[");
}

static int append_choice(struct sl_text *out, const struct sl_json_field fields[FIELDS],
			 const struct sl_json_field *choice)
{
	struct sl_json_field parts[CHOICE_FIELDS] = {
		SL_JSON_FIELD("index"), SL_JSON_FIELD("message"), SL_JSON_FIELD("finish_reason")};
	struct sl_json_field message[MESSAGE_FIELDS] = {
		SL_JSON_FIELD("role"), SL_JSON_FIELD("content"), SL_JSON_FIELD("refusal"),
		SL_JSON_FIELD("tool_calls")};

	if (choice->type != SL_JSON_OBJECT ||
	    sl_json_scan(choice->value, choice->value_len, parts, CHOICE_FIELDS) ||
	    parts[MESSAGE].type != SL_JSON_OBJECT ||
	    sl_json_scan(parts[MESSAGE].value, parts[MESSAGE].value_len, message, MESSAGE_FIELDS))
		return -EOPNOTSUPP;
	if (message[TOOL_CALLS].type != SL_JSON_ABSENT && message[TOOL_CALLS].type != SL_JSON_NULL)
		return -EOPNOTSUPP;
	append_start(out, fields);
	sl_text_append_string(out, "{\"index\":");
	append_field(out, &parts[INDEX], "0");
	sl_text_append_string(out, ",\"delta\":{\"role\":");
	append_field(out, &message[ROLE], "\"assistant\"");
	sl_text_append_string(out, ",\"content\":");
	append_field(out, &message[CONTENT], "\"\"");
	if (message[REFUSAL].type == SL_JSON_STRING) {
		sl_text_append_string(out, ",\"refusal\":");
		append_field(out, &message[REFUSAL], "");
	}
	sl_text_append_string(out, "},\"finish_reason\":null}]}\n\n");
	append_start(out, fields);
	sl_text_append_string(out, "{\"index\":");
	append_field(out, &parts[INDEX], "0");
	sl_text_append_string(out, ",\"delta\":{},\"finish_reason\":");
	append_field(out, &parts[REASON], "\"stop\"");
	sl_text_append_string(out, "}]}\n\n");
	return 0;
}

int sl_given_write_stream(struct sl_span answer, bool include_usage, struct sl_text *out)
{
	struct sl_json_field fields[FIELDS] = {SL_JSON_FIELD("id"), SL_JSON_FIELD("created"),
					       SL_JSON_FIELD("model"), SL_JSON_FIELD("choices"),
					       SL_JSON_FIELD("usage")};
	struct sl_json_field choice;
	const char *cursor = NULL;
	uint32_t count = 0;
	int rc = 0;

	if (sl_json_scan(answer.data, answer.len, fields, FIELDS) ||
	    fields[CHOICES].type != SL_JSON_ARRAY)
		return -EOPNOTSUPP;
	while (!rc && sl_json_each(&fields[CHOICES], &cursor, &choice)) {
		rc = append_choice(out, fields, &choice);
		count++;
	}
	if (rc || !count)
		return -EOPNOTSUPP;
	if (include_usage && fields[USAGE].type == SL_JSON_OBJECT) {
		append_start(out, fields);
		sl_text_append_string(out, "],\"usage\":");
		append_field(out, &fields[USAGE], "");
		sl_text_append_string(out, "}\n\n");
	}
	sl_text_append_string(out, "data: [DONE]\n\n");
	return out->error ? -ENOMEM : 0;
}

/* ---- for a dialect --------------------------------------------------------------------------- */

static int translate_stream(const struct sl_request *request, struct sl_span chunks,
			    struct sl_text *out)
{
	const struct sl_dialect_names names = {request->id, request->route->model, &request->echo};
	const struct sl_span done = SL_SPAN("[DONE]"), data = SL_SPAN("data: ");
	struct sl_dialect_stream stream;
	struct sl_openai_chunk chunk;
	int rc = 0;

	request->dialect->stream_init(&stream, &names);
	while (!rc && chunks.len) {
		struct sl_span line = sl_span_cut(&chunks, '\n');

		if (!sl_span_starts(line, data))
			continue;
		line = sl_span_make(line.data + data.len, line.len - data.len);
		if (sl_span_equal(line, done))
			break;
		sl_openai_chunk_read(line.data, line.len, &chunk);
		rc = request->dialect->stream_data(&stream, line.data, line.len, &chunk, out);
	}
	if (!rc)
		rc = request->dialect->stream_end(&stream, out);
	request->dialect->stream_fini(&stream);
	return rc || out->error ? -1 : 0;
}

/* What the client gets, into out. */
static int write_body(const struct sl_request *request, struct sl_span answer, struct sl_text *out)
{
	const struct sl_dialect_names names = {request->id, request->route->model, &request->echo};
	struct sl_text chunks;
	int rc;

	if (!request->facts.stream && request->dialect)
		return request->dialect->answer(&names, answer.data, answer.len, out);
	if (!request->facts.stream) {
		sl_text_append(out, answer.data, answer.len);
		return out->error;
	}
	if (!request->dialect)
		return sl_given_write_stream(answer, request->facts.include_usage, out);
	sl_text_init(&chunks, SL_TRANSLATE_BYTES_MAX);
	rc = sl_given_write_stream(answer, true, &chunks);
	if (!rc)
		rc = translate_stream(request, sl_text_span(&chunks), out);
	sl_text_fini(&chunks);
	return rc;
}

/* ---- sending --------------------------------------------------------------------------------- */

static const char *write_lines(struct sl_request *request, size_t *ret_len)
{
	size_t room_len = LINES_BYTES + sl_stages_lines_len(request);
	char *room = sl_arena_alloc(&request->arena, room_len);
	struct sl_h1_out out;

	if (!room)
		return NULL;
	sl_h1_out_init(&out, room, room_len);
	if (request->facts.stream)
		SL_H1_WRITE_HEADER(&out, "content-type", "text/event-stream; charset=utf-8", 32);
	else
		SL_H1_WRITE_HEADER(&out, "content-type", "application/json", 16);
	sl_request_write_id(&out, request->client->head, request->id);
	sl_stages_write(request, &out);
	sl_charge_write(request, &out);
	sl_admit_write_limits(&request->admission, sl_loop_now_ns(request->worker->loop), &out);
	*ret_len = (size_t)(out.at - room);
	return out.error ? NULL : room;
}

int sl_given_respond(struct sl_request *request, struct sl_span answer)
{
	struct sl_exchange *client = request->client;
	bool stream = request->facts.stream;
	const char *lines;
	size_t lines_len;
	struct sl_text body;
	int rc;

	if (!client || request->head_sent || request->facts.endpoint != SL_OPENAI_CHAT)
		return 0;
	sl_charge_settle(request);
	sl_text_init(&body, SL_TRANSLATE_BYTES_MAX);
	lines = write_lines(request, &lines_len);
	if (!lines || write_body(request, answer, &body)) {
		sl_text_fini(&body);
		return 0;
	}
	client->user = NULL;
	request->client = NULL;
	rc = sl_server_begin(client, 200, lines, lines_len, stream ? -1 : (int64_t)body.len);
	if (!rc && stream)
		rc = sl_server_chunk(client, sl_text_string(&body), body.len);
	else if (!rc)
		rc = sl_server_body(client, sl_text_string(&body), body.len);
	if (rc)
		sl_server_abort(client);
	else if (stream)
		sl_server_end(client);
	else
		sl_server_finish(client);
	sl_text_fini(&body);
	return 200;
}
