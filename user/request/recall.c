/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/recall.h"

#include <stdio.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/base/digest.h"
#include "user/http/h1_write.h"
#include "user/request/charge.h"
#include "user/request/gate.h"
#include "user/request/stages.h"
#include "user/request/wait.h"

/* Framing, hops and routing of a request, and what tells of the client's program, not of its wish. */
#define FIELDS_APART                                                                    \
	(SL_H1_ID_BIT(SL_H1_ID_HOST) | SL_H1_ID_BIT(SL_H1_ID_CONTENT_LENGTH) |          \
	 SL_H1_ID_BIT(SL_H1_ID_TRANSFER_ENCODING) | SL_H1_ID_BIT(SL_H1_ID_CONNECTION) | \
	 SL_H1_ID_BIT(SL_H1_ID_KEEP_ALIVE) | SL_H1_ID_BIT(SL_H1_ID_PROXY) |             \
	 SL_H1_ID_BIT(SL_H1_ID_TE) | SL_H1_ID_BIT(SL_H1_ID_TRAILER) |                   \
	 SL_H1_ID_BIT(SL_H1_ID_UPGRADE) | SL_H1_ID_BIT(SL_H1_ID_HTTP2_SETTINGS) |       \
	 SL_H1_ID_BIT(SL_H1_ID_EXPECT) | SL_H1_ID_BIT(SL_H1_ID_ACCEPT_ENCODING) |       \
	 SL_H1_ID_BIT(SL_H1_ID_CACHE_CONTROL) | SL_H1_ID_BIT(SL_H1_ID_DATE) |           \
	 SL_H1_ID_BIT(SL_H1_ID_FORWARDED) | SL_H1_ID_BIT(SL_H1_ID_TRACEPARENT) |        \
	 SL_H1_ID_BIT(SL_H1_ID_TRACESTATE) | SL_H1_ID_BIT(SL_H1_ID_USER_AGENT) |        \
	 SL_H1_ID_BIT(SL_H1_ID_VIA) | SL_H1_ID_BIT(SL_H1_ID_X_FORWARDED) |              \
	 SL_H1_ID_BIT(SL_H1_ID_X_REQUEST_ID) | SL_H1_ID_BIT(SL_H1_ID_X_SLUICE))

#define KEY_BYTES_MAX	    (256u << 10) /* what is digested before the body */
#define BEGINNING_BYTES_MAX (16u << 10)	 /* of a message, whose beginning a label has */
#define BODY_PIECES_MAX	    3u		 /* a body without `user` and `safety_identifier` */
#define LINES_BYTES	    (640u + SL_ADMIT_LIMITS_BYTES + SL_STAGES_STEPS_BYTES + SL_STAGES_LINES_MAX)

/* ---- may it be recalled at all? ---------------------------------------------------------------- */

static bool is_eligible(const struct sl_request *request)
{
	const struct sl_openai_request *facts = &request->facts;
	bool chance = facts->endpoint != SL_OPENAI_EMBEDDINGS && !facts->has_seed &&
		      facts->temperature != 0;

	if (request->dialect || sl_stage_client_says_no(request->client->head))
		return false;
	if (chance && !request->route->config->cache_sampled)
		return false;
	/* Of several prompts, it is not known here how many choices will stream. */
	return !(facts->stream && facts->endpoint == SL_OPENAI_COMPLETIONS &&
		 facts->prompt_field.type == SL_JSON_ARRAY);
}

/* ---- the key --------------------------------------------------------------------------------- */

/* Each with its length before it, so that no two lists give the same bytes. */
/* Without keys the one for the node is among the header fields. */
static void add_owner(const struct sl_request *request, struct sl_text *key)
{
	const struct sl_key_record *record = request->admission.key;

	if (record)
		sl_stage_key_add_owner(key, record, request->client->head);
	else
		sl_stage_key_add(key, "open", 4);
}

/* Where it would go: after a reload that changes that, nothing from before is taken. */
static void add_route(const struct sl_request *request, struct sl_text *key)
{
	const struct sl_route_chain *chain = &request->route->chains[SL_CAUSE_ERROR];
	const struct sl_h1_head *head = request->client->head;

	sl_stage_key_add(key, request->route->model, strlen(request->route->model));
	sl_stage_key_add(key, head->path, head->path_len);
	if (!chain->len)
		return;
	sl_stage_key_add(key, chain->pools[0]->name, strlen(chain->pools[0]->name));
	if (chain->pools[0]->model_json)
		sl_stage_key_add(key, chain->pools[0]->model_json, chain->pools[0]->model_json_len);
	else
		sl_stage_key_add(key, "", 0);
}

static void add_fields(const struct sl_request *request, struct sl_text *key)
{
	static const char sdk[] = "x-stainless-"; /* the SDKs' own version, platform, retry */
	const struct sl_h1_head *head = request->client->head;
	uint64_t apart = FIELDS_APART;
	uint32_t i;

	if (request->admission.key)
		apart |= SL_ADMIT_KEY_FIELDS;
	for (i = 0; i < head->header_count; i++) {
		const struct sl_h1_header *header = &head->headers[i];

		if (header->id != SL_H1_ID_OTHER && (apart & SL_H1_ID_BIT(header->id)))
			continue;
		if (header->id == SL_H1_ID_OTHER && header->name_len > sizeof(sdk) - 1 &&
		    sl_h1_text_equal(header->name, sdk, sizeof(sdk) - 1))
			continue;
		if (sl_wait_is_timeout(header)) /* how long one waits does not change the answer */
			continue;
		sl_stage_key_add(key, header->name, header->name_len);
		sl_stage_key_add(key, header->value, header->value_len);
	}
	if (request->stage)
		sl_stage_key_add(key, &request->stage->vary, sizeof(request->stage->vary));
	sl_stage_key_add(key, "body", 4);
}

/* The body around the members that say who asks. */
static size_t cut_body(const struct sl_openai_request *facts, struct sl_span *pieces)
{
	struct sl_json_field body = {.type = SL_JSON_OBJECT}, name, value;
	const char *cursor = NULL, *at = facts->body;
	size_t count = 0, blank = 0;

	while (strchr(" \t\r\n", facts->body[blank]))
		blank++;
	body.value = facts->body + blank;
	body.value_len = facts->body_len - blank;
	while (count < BODY_PIECES_MAX - 1 && sl_json_each_member(&body, &cursor, &name, &value)) {
		if (!sl_json_string_equal(&name, "user", 4) &&
		    !sl_json_string_equal(&name, "safety_identifier", 17))
			continue;
		pieces[count++] = sl_span_make(at, (size_t)(name.value - at));
		at = value.value + value.value_len;
	}
	pieces[count++] = sl_span_make(at, (size_t)(facts->body + facts->body_len - at));
	return count;
}

static bool make_key(const struct sl_request *request, struct sl_cache_key *ret_key)
{
	struct sl_span parts[1 + BODY_PIECES_MAX];
	struct sl_text text;
	bool made;
	size_t count;

	sl_text_init(&text, KEY_BYTES_MAX);
	add_owner(request, &text);
	add_route(request, &text);
	add_fields(request, &text);
	made = !text.error;
	if (made) {
		parts[0] = sl_text_span(&text);
		count = 1 + cut_body(&request->facts, parts + 1);
		sl_digest_sha256(parts, count, ret_key->bytes);
	}
	sl_text_fini(&text);
	return made;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void count_recall(struct sl_request *request, enum sl_recall recall)
{
	struct sl_route_stats *stats =
		sl_stats_route(&request->worker->stats, request->route->stats_index);

	request->recall = recall;
	if (stats)
		sl_stats_add(&stats->by_recall[recall], 1);
}

/* The head's own lines. Of the node's lines none is repeated: they told of that one exchange. */
static size_t write_lines(struct sl_request *request, const struct sl_cache_value *value,
			  enum sl_recall recall, char lines[LINES_BYTES])
{
	uint64_t now_ns = sl_loop_now_ns(request->worker->loop);
	struct sl_h1_out out;

	sl_h1_out_init(&out, lines, LINES_BYTES);
	if (request->facts.stream)
		SL_H1_WRITE_HEADER(&out, "content-type", "text/event-stream; charset=utf-8", 32);
	else
		SL_H1_WRITE_HEADER(&out, "content-type", "application/json", 16);
	sl_request_write_id(&out, request->client->head, request->id);
	if (recall == SL_RECALL_HIT)
		SL_H1_WRITE_HEADER(&out, "x-sluice-cache", "hit", 3);
	else
		SL_H1_WRITE_HEADER(&out, "x-sluice-cache", "coalesced", 9);
	SL_H1_WRITE_HEADER_U64(
		&out, "age", now_ns > value->born_ns ? (now_ns - value->born_ns) / SL_NS_PER_S : 0);
	sl_stages_write(request, &out);
	sl_charge_write(request, &out);
	sl_admit_write_limits(&request->admission, now_ns, &out);
	return out.error ? 0 : (size_t)(out.at - lines);
}

/* Sends what was kept. Takes the reference. */
static int replay(struct sl_request *request, struct sl_cache_value *value, enum sl_recall recall)
{
	struct sl_exchange *client = request->client;
	bool stream = request->facts.stream;
	char lines[LINES_BYTES];
	size_t lines_len;
	int rc;

	sl_charge_settle(request);
	count_recall(request, recall);
	lines_len = write_lines(request, value, recall, lines);
	client->user = NULL;
	request->client = NULL;
	rc = sl_server_begin(client, 200, lines, lines_len, stream ? -1 : (int64_t)value->len);
	if (!rc && stream)
		rc = sl_server_chunk(client, value->data, value->len);
	else if (!rc)
		rc = sl_server_body(client, value->data, value->len);
	if (rc)
		sl_server_abort(client);
	else if (stream)
		sl_server_end(client);
	else
		sl_server_finish(client);
	sl_cache_value_put(&value);
	return 200;
}

/* ---- requests that wait for another one -------------------------------------------------------- */

/* A stream is waited for no longer than a node would be for its first token. */
static uint64_t wait_bound(const struct sl_request *request)
{
	const struct sl_config_route *config = request->route->config;
	uint64_t bound_ns = request->start_ns + config->ttft_timeout_ms * SL_NS_PER_MS;

	if (!request->facts.stream || bound_ns > request->deadline_ns)
		return request->deadline_ns;
	return bound_ns;
}

/* Returns the answer that was waited for, with its reference, or NULL. */
static struct sl_cache_value *follow(struct sl_request *request, struct sl_follower *follower)
{
	struct sl_loop *loop = request->worker->loop;
	uint64_t bound_ns = wait_bound(request);
	struct sl_cache_value *value;

	while (!sl_flight_is_told(follower) && !request->gone && sl_loop_now_ns(loop) < bound_ns)
		sl_fiber_park(loop, bound_ns);
	sl_flight_part(&follower, &value, &request->flight);
	if (request->gone)
		sl_cache_value_put(&value);
	return value;
}

static int time_out(struct sl_request *request)
{
	struct sl_exchange *client = request->client;

	request->error = (struct sl_openai_error){
		.id = SL_OPENAI_ERROR_DEADLINE,
		.object = request->route->model,
		.detail = "waiting for the answer to an identical request",
	};
	sl_charge_settle(request);
	client->user = NULL;
	request->client = NULL;
	sl_request_respond_error(client, &request->error, request->id, true);
	return sl_request_error_status(request, request->error.id);
}

/* Returns the one that is followed, or NULL: request->flight is the request's own, if there is memory. */
static struct sl_follower *enter(struct sl_request *request, const struct sl_cache_key *key)
{
	const struct sl_config_route *config = request->route->config;
	struct sl_follower *follower;

	request->flight =
		sl_flight_enter(request->worker, key, config->cache_answer_bytes_max, &follower);
	if (!request->flight)
		return follower;
	request->flight->ttl_ns = config->cache_ttl_ms * SL_NS_PER_MS;
	request->flight->may_be_cut = config->cache_length;
	request->flight->choices = request->facts.n > 1 ? (uint32_t)request->facts.n : 1;
	return NULL;
}

/* An answer that was kept; an experiment may keep it from the request. */
static struct sl_cache_value *find(const struct sl_request *request, const struct sl_cache_key *key,
				   uint64_t ttl_ns, uint64_t now_ns)
{
	if (sl_upstream_is_down(&request->worker->upstream, SL_STRIKE_STORE_CACHE, request->id))
		return NULL;
	return sl_cache_find(request->worker->cache, key, ttl_ns, now_ns);
}

bool sl_recall_hold(struct sl_request *request)
{
	uint64_t ttl_ns = request->route->config->cache_ttl_ms * SL_NS_PER_MS;
	struct sl_cache_key key;

	/* Stages come first, and may change what is asked. */
	if (ttl_ns && !request->route->staged && is_eligible(request) && make_key(request, &key))
		request->kept = find(request, &key, ttl_ns, sl_loop_now_ns(request->worker->loop));
	return request->kept != NULL;
}

int sl_recall_answer(struct sl_request *request)
{
	uint64_t now_ns = sl_loop_now_ns(request->worker->loop);
	uint64_t ttl_ns = request->route->config->cache_ttl_ms * SL_NS_PER_MS;
	struct sl_follower *follower;
	struct sl_cache_value *value;
	struct sl_cache_key key;

	if (!ttl_ns || request->gone)
		return 0;
	if (request->kept) {
		value = request->kept;
		request->kept = NULL;
		return replay(request, value, SL_RECALL_HIT);
	}
	if (!is_eligible(request) || !make_key(request, &key)) {
		count_recall(request, SL_RECALL_BYPASS);
		return 0;
	}
	value = find(request, &key, ttl_ns, now_ns);
	if (value)
		return replay(request, value, SL_RECALL_HIT);
	follower = enter(request, &key);
	if (follower) {
		value = follow(request, follower);
		if (value)
			return replay(request, value, SL_RECALL_COALESCED);
	} else if (request->flight) {
		/* One that landed since was kept before. */
		value = find(request, &key, ttl_ns, now_ns);
		if (value) {
			sl_flight_land(&request->flight, value);
			return replay(request, value, SL_RECALL_HIT);
		}
	}
	if (request->gone)
		return 0;
	count_recall(request, SL_RECALL_MISS);
	if (follower && sl_loop_now_ns(request->worker->loop) >= request->deadline_ns)
		return time_out(request);
	return 0;
}

/* ---- keeping --------------------------------------------------------------------------------- */

/* The node's lines say that the answer is for one alone. */
static bool node_says_no(const struct sl_attempt *attempt)
{
	struct sl_span lines = {attempt->lines, attempt->lines_len};

	while (lines.data) {
		struct sl_span value = sl_span_cut(&lines, '\n');
		struct sl_span name = sl_span_cut(&value, ':');

		if (sl_span_equal_case(name, SL_SPAN("set-cookie")))
			return true;
		if (value.data && value.len && value.data[value.len - 1] == '\r')
			value.len--;
		if (sl_span_equal_case(name, SL_SPAN("cache-control")) &&
		    (sl_stage_has_directive(value, SL_SPAN("no-store")) ||
		     sl_stage_has_directive(value, SL_SPAN("private"))))
			return true;
	}
	return false;
}

/* A fallback's answer is for the time of need: the first pool's is better once it is back. */
bool sl_recall_may_keep(const struct sl_request *request)
{
	return request->last_ending == SL_ENDING_OK && request->attempt.status == 200 &&
	       !request->chain.moves && !node_says_no(&request->attempt) &&
	       sl_stages_may_share(request);
}

/* How the last message, or the prompt, begins; long ones are not looked at. */
static void copy_beginning(struct sl_request *request, char *to, size_t size)
{
	struct sl_json_field field = request->facts.prompt_field, message;
	struct sl_json_field content = SL_JSON_FIELD("content");
	const char *cursor = NULL;
	char *room;
	int len;

	if (field.type == SL_JSON_ARRAY) {
		message.type = SL_JSON_ABSENT;
		while (sl_json_each(&field, &cursor, &message))
			;
		if (message.type != SL_JSON_OBJECT ||
		    sl_json_scan(message.value, message.value_len, &content, 1))
			return;
		field = content;
	}
	if (field.type != SL_JSON_STRING || field.value_len > BEGINNING_BYTES_MAX)
		return;
	room = sl_arena_alloc(&request->arena, field.value_len + 1);
	len = room ? sl_json_string(&field, room, field.value_len + 1) : -1;
	if (len > 0)
		snprintf(to, size, "%.*s", len, room);
}

static void note_label(struct sl_request *request)
{
	const struct sl_key_record *key = request->admission.key;
	struct sl_cache_label *label = &request->flight->label;
	const char *tenant = "";

	if (key)
		tenant = key->tenant[0] && strcmp(key->tenant, SL_KEY_TENANT_DEFAULT) != 0
				 ? key->tenant
				 : key->id;
	label->version = request->stage ? request->stage->vary : 0;
	snprintf(label->tenant, sizeof(label->tenant), "%s", tenant);
	snprintf(label->route, sizeof(label->route), "%s", request->route->config->model);
	copy_beginning(request, label->begins, sizeof(label->begins));
}

static void note_model(struct sl_request *request)
{
	const struct sl_upstream_pool *pool = request->last_pool;
	struct sl_json_field name = {.type = SL_JSON_STRING};
	struct sl_flight *flight = request->flight;

	note_label(request);
	memcpy(flight->model, request->facts.model, request->facts.model_len + 1);
	if (!pool->model_json)
		return;
	name.value = pool->model_json;
	name.value_len = pool->model_json_len;
	name.escaped = memchr(name.value, '\\', name.value_len) != NULL;
	if (sl_json_string(&name, flight->model, sizeof(flight->model)) < 0)
		flight->spoilt = true;
}

void sl_recall_keep(struct sl_request *request)
{
	const struct sl_text *body = &request->attempt.body;
	uint64_t now_ns = sl_loop_now_ns(request->worker->loop);
	struct sl_cache_value *value = NULL;
	struct sl_flight *flight = request->flight;

	if (!flight)
		return;
	if (!sl_outcome_of(request->last_ending)->final_answer) {
		sl_flight_fail(&request->flight);
		return;
	}
	if (sl_recall_may_keep(request)) {
		note_model(request);
		if (!flight->spoilt && sl_flight_judge(flight, request->facts.endpoint,
						       sl_text_string(body), body->len))
			value = sl_cache_value_new(sl_text_string(body), body->len, now_ns);
	}
	if (value)
		value->label = flight->label;
	if (value &&
	    !sl_upstream_is_down(&request->worker->upstream, SL_STRIKE_STORE_CACHE, request->id))
		sl_cache_insert(request->worker->cache, &flight->entry.key, value, flight->ttl_ns,
				now_ns);
	sl_flight_land(&request->flight, value);
	sl_cache_value_put(&value);
}

void sl_recall_keep_stream(struct sl_request *request)
{
	if (!request->flight)
		return;
	if (sl_recall_may_keep(request) && !request->attempt.unframed)
		note_model(request);
	else
		sl_flight_land(&request->flight, NULL);
}
