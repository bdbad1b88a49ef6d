/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * OpenAI shapes: requests and the facts or errors they give, rewriting, stream chunks,
 * servers' errors, and that all we write is valid JSON (jansson reads it back).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <jansson.h>

#include "tests/unit/guard.h"
#include "user/wire/openai.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MSGS	 "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"

/* ---- requests ---- */

struct refused_case {
	enum sl_openai_endpoint endpoint;
	const char *body;
	enum sl_openai_error_id id;
	const char *param;
};

static const struct refused_case refused[] = {
	{SL_OPENAI_CHAT, "", SL_OPENAI_ERROR_JSON, NULL},
	{SL_OPENAI_CHAT, "[]", SL_OPENAI_ERROR_JSON, NULL},
	{SL_OPENAI_CHAT, "{\"model\":\"m\"", SL_OPENAI_ERROR_JSON, NULL},
	{SL_OPENAI_CHAT, "{\"model\":\"m\",\"model\":\"n\"," MSGS "}", SL_OPENAI_ERROR_JSON,
	 "model"},
	{SL_OPENAI_CHAT, "{\"stream\":true,\"stream\":false}", SL_OPENAI_ERROR_JSON, "stream"},
	{SL_OPENAI_CHAT, "{\"model\":\"m\",\"Model\":\"n\"," MSGS "}", SL_OPENAI_ERROR_JSON,
	 "model"},
	{SL_OPENAI_CHAT, "{\"model\":\"m\",\"MAX_tokens\":1," MSGS "}", SL_OPENAI_ERROR_JSON,
	 "max_tokens"},
	{SL_OPENAI_CHAT,
	 "{\"model\":\"m\",\"max_to\xe2\x84\xaa"
	 "en\xc5\xbf\":1," MSGS "}",
	 SL_OPENAI_ERROR_JSON, "max_tokens"},
	{SL_OPENAI_CHAT, "{\"model\":\"m\",\"max_to\\u212aens\":1," MSGS "}", SL_OPENAI_ERROR_JSON,
	 "max_tokens"},
	{SL_OPENAI_CHAT, "{" MSGS "}", SL_OPENAI_ERROR_MISSING, "model"},
	{SL_OPENAI_CHAT, "{\"model\":null," MSGS "}", SL_OPENAI_ERROR_MISSING, "model"},
	{SL_OPENAI_CHAT, "{\"model\":7," MSGS "}", SL_OPENAI_ERROR_TYPE, "model"},
	{SL_OPENAI_CHAT, "{\"model\":\"\"," MSGS "}", SL_OPENAI_ERROR_VALUE, "model"},
	{SL_OPENAI_CHAT, "{\"model\":\"m\\u0000n\"," MSGS "}", SL_OPENAI_ERROR_VALUE, "model"},
	{SL_OPENAI_CHAT, "{\"model\":\"m\"}", SL_OPENAI_ERROR_MISSING, "messages"},
	{SL_OPENAI_CHAT, "{\"model\":\"m\",\"messages\":\"Hi\"}", SL_OPENAI_ERROR_TYPE, "messages"},
	{SL_OPENAI_CHAT, "{\"model\":\"m\",\"messages\":[ ]}", SL_OPENAI_ERROR_VALUE, "messages"},
	{SL_OPENAI_COMPLETIONS, "{\"model\":\"m\"," MSGS "}", SL_OPENAI_ERROR_MISSING, "prompt"},
	{SL_OPENAI_COMPLETIONS, "{\"model\":\"m\",\"prompt\":1}", SL_OPENAI_ERROR_TYPE, "prompt"},
	{SL_OPENAI_EMBEDDINGS, "{\"model\":\"m\",\"input\":{}}", SL_OPENAI_ERROR_TYPE, "input"},
	{SL_OPENAI_CHAT, "{\"model\":\"m\",\"stream\":\"yes\"," MSGS "}", SL_OPENAI_ERROR_TYPE,
	 "stream"},
	{SL_OPENAI_CHAT, "{\"model\":\"m\",\"stream_options\":1," MSGS "}", SL_OPENAI_ERROR_TYPE,
	 "stream_options"},
	{SL_OPENAI_CHAT, "{\"model\":\"m\",\"stream_options\":{\"include_usage\":1}," MSGS "}",
	 SL_OPENAI_ERROR_TYPE, "stream_options.include_usage"},
	{SL_OPENAI_CHAT, "{\"model\":\"m\",\"n\":0," MSGS "}", SL_OPENAI_ERROR_VALUE, "n"},
	{SL_OPENAI_CHAT, "{\"model\":\"m\",\"n\":129," MSGS "}", SL_OPENAI_ERROR_VALUE, "n"},
	{SL_OPENAI_CHAT, "{\"model\":\"m\",\"n\":1.5," MSGS "}", SL_OPENAI_ERROR_TYPE, "n"},
	{SL_OPENAI_CHAT, "{\"model\":\"m\",\"max_tokens\":-1," MSGS "}", SL_OPENAI_ERROR_VALUE,
	 "max_tokens"},
	{SL_OPENAI_CHAT, "{\"model\":\"m\",\"max_completion_tokens\":\"9\"," MSGS "}",
	 SL_OPENAI_ERROR_TYPE, "max_completion_tokens"},
	{SL_OPENAI_CHAT, "{\"model\":\"m\",\"max_tokens\":99999999999999999999," MSGS "}",
	 SL_OPENAI_ERROR_VALUE, "max_tokens"},
	{SL_OPENAI_CHAT, "{\"model\":\"m\",\"temperature\":\"hot\"," MSGS "}", SL_OPENAI_ERROR_TYPE,
	 "temperature"},
	{SL_OPENAI_CHAT, "{\"model\":\"m\",\"temperature\":-0.5," MSGS "}", SL_OPENAI_ERROR_VALUE,
	 "temperature"},
	{SL_OPENAI_CHAT, "{\"model\":\"m\",\"seed\":0.5," MSGS "}", SL_OPENAI_ERROR_TYPE, "seed"},
	{SL_OPENAI_CHAT, "{\"model\":\"m\",\"user\":[]," MSGS "}", SL_OPENAI_ERROR_TYPE, "user"},
};

/* The error as jansson reads it. */
static json_t *written(const struct sl_openai_error *e)
{
	char out[SL_OPENAI_ERROR_BYTES_MAX];
	int len = sl_openai_error_write(e, out, sizeof(out));
	json_t *root, *error;

	assert_true(len > 0);
	root = json_loadb(out, (size_t)len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(root);
	error = json_incref(json_object_get(root, "error"));
	json_decref(root);
	assert_true(json_is_string(json_object_get(error, "message")));
	assert_true(json_is_string(json_object_get(error, "type")));
	assert_non_null(json_object_get(error, "param"));
	assert_non_null(json_object_get(error, "code"));
	assert_null(strchr(json_string_value(json_object_get(error, "message")), '{'));
	return error;
}

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		const struct refused_case *c = &refused[i];
		size_t len = strlen(c->body);
		char *body = sl_guard_copy(c->body, len);
		struct sl_openai_request q;
		struct sl_openai_error e;
		enum sl_openai_error_id id = sl_openai_request_read(c->endpoint, body, len, &q, &e);
		json_t *error;

		if (id != c->id || e.id != c->id)
			fail_msg("%s: error %d, expected %d", c->body, (int)id, (int)c->id);
		error = written(&e);
		if (c->param)
			assert_string_equal(json_string_value(json_object_get(error, "param")),
					    c->param);
		else
			assert_true(json_is_null(json_object_get(error, "param")));
		assert_int_equal(sl_openai_error_status(id), 400);
		json_decref(error);
		sl_guard_free(body, len);
	}
}

static void test_json_error_says_where(void **state)
{
	static const char body[] = "{\"model\":\"m\",}";
	struct sl_openai_request q;
	struct sl_openai_error e;
	json_t *error;

	(void)state;
	sl_openai_request_read(SL_OPENAI_CHAT, body, sizeof(body) - 1, &q, &e);
	error = written(&e);
	assert_string_equal(json_string_value(json_object_get(error, "message")),
			    "The request body is not a valid JSON object: unexpected character at "
			    "byte 13 of 14.");
	json_decref(error);
}

static void read_good(enum sl_openai_endpoint endpoint, const char *body,
		      struct sl_openai_request *q)
{
	struct sl_openai_error e;

	if (sl_openai_request_read(endpoint, body, strlen(body), q, &e))
		fail_msg("%s: error %d", body, (int)e.id);
}

static void test_facts(void **state)
{
	struct sl_openai_request q;

	(void)state;
	read_good(SL_OPENAI_CHAT, "{\"model\":\"m\"," MSGS "}", &q);
	assert_string_equal(q.model, "m");
	assert_false(q.stream || q.include_usage || q.has_tools || q.has_seed || q.logprobs);
	assert_false(q.has_response_format);
	assert_int_equal(q.max_tokens, -1);
	assert_int_equal(q.n, -1);
	assert_true(q.temperature < 0);
	assert_int_equal(q.user_len, 0);
	assert_int_equal(q.prompt_bytes, sizeof(MSGS) - 1 - sizeof("\"messages\":") + 1);
	assert_int_equal(q.prompt_tokens_estimate, q.prompt_bytes / SL_OPENAI_BYTES_PER_TOKEN);
	read_good(SL_OPENAI_CHAT,
		  "{\"mod\\u0065l\":\"org\\/m-\\u00e4\",\"stream\":true,\"n\":3,\"seed\":-5,"
		  "\"stream_options\":{\"include_usage\":true},\"max_tokens\":10,"
		  "\"max_completion_tokens\":20,\"temperature\":0.5,\"tools\":[{}],\"user\":\"u\","
		  "\"safety_identifier\":\"s\",\"response_format\":{\"type\":\"json_object\"},"
		  "\"logprobs\":true,\"x\":[[[{}]]]," MSGS "}",
		  &q);
	assert_string_equal(q.model, "org/m-\xc3\xa4");
	assert_true(q.stream && q.include_usage && q.has_tools && q.has_seed && q.logprobs);
	assert_true(q.has_response_format);
	assert_int_equal(q.max_tokens, 20);
	assert_int_equal(q.n, 3);
	assert_int_equal(q.seed, -5);
	assert_true(q.temperature == 0.5);
	assert_string_equal(q.user, "s");
	read_good(SL_OPENAI_CHAT,
		  "{\"model\":\"m\",\"stream\":null,\"n\":null,\"tools\":[],\"user\":null," MSGS
		  "}",
		  &q);
	assert_false(q.stream || q.has_tools);
	read_good(SL_OPENAI_COMPLETIONS, "{\"model\":\"m\",\"prompt\":\"\"}", &q);
	assert_int_equal(q.prompt_tokens_estimate, 1);
	read_good(SL_OPENAI_EMBEDDINGS, "{\"model\":\"m\",\"input\":[\"a\",\"b\"]}", &q);
	assert_int_equal(q.prompt_bytes, 9);
}

struct rewrite_case {
	const char *body;
	const char *model;    /* JSON string or NULL */
	const char *expected; /* NULL: no edit */
};

#define ASK "\"stream_options\":{\"include_usage\":true}"

static const struct rewrite_case rewrites[] = {
	{"{\"model\":\"m\"," MSGS "}", NULL, NULL},
	{"{\"model\":\"m\"," MSGS "}", "\"m\"", NULL},
	{"{\"model\":\"m\"," MSGS "}", "\"n\"", "{\"model\":\"n\"," MSGS "}"},
	{"{\"stream\":true,\"model\":\"m\"," MSGS "}", NULL,
	 "{\"stream\":true,\"model\":\"m\"," MSGS "," ASK "}"},
	{"{\"stream\":true," MSGS ",\"model\":\"m\"}", "\"n\"",
	 "{\"stream\":true," MSGS ",\"model\":\"n\"," ASK "}"},
	{"{\"stream\":true,\"stream_options\":{},\"model\":\"m\"," MSGS "}", "\"n\"",
	 "{\"stream\":true," ASK ",\"model\":\"n\"," MSGS "}"},
	{"{\"stream\":true,\"stream_options\":null,\"model\":\"m\"," MSGS "}", NULL,
	 "{\"stream\":true," ASK ",\"model\":\"m\"," MSGS "}"},
	{"{\"stream\":true,\"stream_options\":{\"include_usage\":false},\"model\":\"m\"," MSGS "}",
	 NULL, "{\"stream\":true," ASK ",\"model\":\"m\"," MSGS "}"},
	{"{\"stream\":true,\"stream_options\":{\"include_usage\":null},\"model\":\"m\"," MSGS "}",
	 NULL, "{\"stream\":true," ASK ",\"model\":\"m\"," MSGS "}"},
	{"{\"stream\":true,\"stream_options\":{\"x\":1},\"model\":\"m\"," MSGS "}", NULL,
	 "{\"stream\":true,\"stream_options\":{\"x\":1,\"include_usage\":true},\"model\":"
	 "\"m\"," MSGS "}"},
	{"{\"stream\":true," ASK ",\"model\":\"m\"," MSGS "}", NULL, NULL},
	{"{\"stream\":false,\"model\":\"m\"," MSGS "}", NULL, NULL},
};

static void test_rewrites(void **state)
{
	char out[512];

	(void)state;
	for (size_t i = 0; i < COUNT(rewrites); i++) {
		const struct rewrite_case *c = &rewrites[i];
		const char *expected = c->expected ? c->expected : c->body;
		struct sl_openai_request q;
		struct sl_json_edit edits[2];
		size_t count;
		int64_t len;

		read_good(SL_OPENAI_CHAT, c->body, &q);
		count = sl_openai_request_edits(&q, c->model, c->model ? strlen(c->model) : 0, true,
						edits);
		assert_int_equal(count > 0, c->expected != NULL);
		len = sl_json_edit_write(c->body, strlen(c->body), edits, count, out, sizeof(out));
		if (len != (int64_t)strlen(expected) || memcmp(out, expected, (size_t)len) != 0)
			fail_msg("%s: %.*s", c->body, (int)len, out);
		assert_int_equal(sl_json_check(out, (size_t)len, NULL), 0);
	}
}

/* ---- chunks ---- */

#define T SL_OPENAI_CHUNK_TOKEN
#define F SL_OPENAI_CHUNK_FINISH
#define U SL_OPENAI_CHUNK_USAGE
#define E SL_OPENAI_CHUNK_ERROR
#define N SL_OPENAI_CHUNK_NO_CHOICES
#define I SL_OPENAI_CHUNK_INVALID
#define HEAD                                                                                    \
	"{\"id\":\"chatcmpl-123\",\"object\":\"chat.completion.chunk\",\"created\":1700000000," \
	"\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":"

static const struct {
	const char *data;
	uint32_t flags;
} chunks[] = {
	{HEAD "{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}", 0},
	{HEAD "{\"content\":\" word\"},\"logprobs\":null,\"finish_reason\":null}]}", T},
	{HEAD "{\"content\":\"x\"},\"finish_reason\":null}],\"usage\":null}", T},
	{HEAD "{\"content\" : \"x\"},\"finish_reason\" : null}],\"usage\" : null}", T},
	{HEAD "{\"content\":null},\"finish_reason\":null}]}", 0},
	{HEAD "{},\"finish_reason\":\"stop\"}]}", F},
	{HEAD "{\"content\":\"x\"},\"finish_reason\":\"length\"}]}", T | F},
	{HEAD "{},\"finish_reason\":null},{\"finish_reason\":\"stop\"}]}", F},
	{HEAD "{\"reasoning_content\":\"hm\"},\"finish_reason\":null}]}", T},
	{HEAD "{\"tool_calls\":[{\"index\":0}]},\"finish_reason\":null}]}", T},
	{HEAD "{\"tool_calls\":[]},\"finish_reason\":null}]}", 0},
	{"{\"choices\":[{\"text\":\" a\",\"finish_reason\":null}]}", T},
	{"{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5,"
	 "\"total_tokens\":8,\"prompt_tokens_details\":{\"cached_tokens\":2}}}",
	 U | N},
	{HEAD "{\"content\":\"x\"},\"finish_reason\":null}],\"usage\":{\"prompt_tokens\":3,"
	      "\"completion_tokens\":5,\"total_tokens\":8,\"prompt_tokens_details\":"
	      "{\"cached_tokens\":2}}}",
	 T | U},
	{"{\"error\":{\"message\":\"broken\",\"code\":500}}", E},
	{"{\"error\":\"broken\"}", E},
	{"{\"object\":\"error\",\"message\":\"broken\",\"code\":400}", E},
	{"{\"error\":null,\"choices\":[]}", 0},
	/* what the text of a token may look like */
	{HEAD "{\"content\":\"\\\"error\\\":1,\\\"usage\\\":{}\"},\"finish_reason\":null}]}", T},
	{HEAD "{\"content\":\"error\"},\"finish_reason\":null}]}", T},
	{HEAD "{\"content\":\"usage\"},\"finish_reason\":null}]}", T},
	{HEAD "{\"content\":\"finish_reason\",\"error\":1},\"finish_reason\":null}]}", T},
	{"{\"x\":{\"error\":1},\"usage\":[]}", 0},
	{"{\"error\":", I},
	{"{\"choices\":[{\"finish_reason\":\"stop\"}", I},
	{"{}", 0},
	{"", 0},
};

static void test_chunks(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(chunks); i++) {
		size_t len = strlen(chunks[i].data);
		char *data = sl_guard_copy(chunks[i].data, len);
		struct sl_openai_chunk c;

		sl_openai_chunk_read(data, len, &c);
		if (c.flags != chunks[i].flags)
			fail_msg("%s: flags %x, expected %x", chunks[i].data, c.flags,
				 chunks[i].flags);
		if (c.flags & U) {
			assert_int_equal(c.usage.prompt_tokens, 3);
			assert_int_equal(c.usage.completion_tokens, 5);
			assert_int_equal(c.usage.total_tokens, 8);
			assert_int_equal(c.usage.cached_tokens, 2);
		}
		sl_guard_free(data, len);
	}
}

/* The keys are found wherever they lie relative to a 16-byte load, and at any cut. */
static void test_chunk_offsets(void **state)
{
	static const char rest[] = "\"choices\":[{\"finish_reason\":\"stop\"}],"
				   "\"usage\":{\"total_tokens\":1}}";
	char text[256];

	(void)state;
	for (size_t pad = 0; pad < 40; pad++) {
		size_t len = (size_t)snprintf(text, sizeof(text), "{%*s%s", (int)pad, "", rest);
		char *data = sl_guard_copy(text, len);
		struct sl_openai_chunk c;

		sl_openai_chunk_read(data, len, &c);
		assert_int_equal(c.flags, F | U);
		assert_int_equal(c.usage.prompt_tokens, -1);
		for (size_t cut = 0; cut < len; cut++) {
			memmove(data + len - cut, text, cut);
			sl_openai_chunk_read(data + len - cut, cut, &c);
			assert_true(c.flags == 0 || c.flags == I);
		}
		sl_guard_free(data, len);
	}
}

#undef T
#undef F
#undef U
#undef E
#undef N
#undef I

static void test_usage(void **state)
{
	static const struct {
		const char *body;
		int rc;
	} bodies[] = {
		{"{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}", 0},
		{"{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3,"
		 "\"prompt_tokens_details\":null},\"choices\":[{\"usage\":7}]}",
		 0},
		{"{\"usage\":null}", -ENOENT},
		{"{\"choices\":[]}", -ENOENT},
		{"{\"usage\":{}", -EINVAL},
		{"oops", -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bodies); i++) {
		struct sl_openai_usage u;

		assert_int_equal(sl_openai_usage_read(bodies[i].body, strlen(bodies[i].body), &u),
				 bodies[i].rc);
		if (bodies[i].rc)
			continue;
		assert_int_equal(u.prompt_tokens, 1);
		assert_int_equal(u.completion_tokens, 2);
		assert_int_equal(u.total_tokens, 3);
		assert_int_equal(u.cached_tokens, -1);
	}
}

/* ---- servers' errors ---- */

static const struct {
	int status;
	const char *body;
	enum sl_openai_fault fault;
	const char *message; /* raw, or NULL */
} faults[] = {
	{400,
	 "{\"error\":{\"message\":\"too long\",\"type\":\"invalid_request_error\","
	 "\"param\":\"messages\",\"code\":\"context_length_exceeded\"}}",
	 SL_OPENAI_FAULT_CONTEXT_LENGTH, "\"too long\""},
	{400,
	 "{\"object\":\"error\",\"message\":\"This model's maximum context length is 4096 "
	 "tokens. However, you requested 5000\",\"type\":\"BadRequestError\",\"code\":400}",
	 SL_OPENAI_FAULT_CONTEXT_LENGTH,
	 "\"This model's maximum context length is 4096 tokens. However, you requested 5000\""},
	{400,
	 "{\"error\":{\"code\":400,\"message\":\"the request exceeds the available context size\","
	 "\"type\":\"exceed_context_size_error\"}}",
	 SL_OPENAI_FAULT_CONTEXT_LENGTH, "\"the request exceeds the available context size\""},
	{422,
	 "{\"error\":\"Input validation error: `inputs` tokens + `max_new_tokens` must be <= "
	 "2048\",\"error_type\":\"validation\"}",
	 SL_OPENAI_FAULT_CONTEXT_LENGTH,
	 "\"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048\""},
	{400, "{\"error\":{\"message\":\"no\",\"code\":\"content_filter\"}}",
	 SL_OPENAI_FAULT_CONTENT_POLICY, "\"no\""},
	{400, "{\"error\":{\"message\":\"no\",\"code\":\"content_policy_violation\"}}",
	 SL_OPENAI_FAULT_CONTENT_POLICY, "\"no\""},
	{429, "{\"error\":{\"message\":\"pay\",\"type\":\"insufficient_quota\",\"code\":null}}",
	 SL_OPENAI_FAULT_QUOTA, "\"pay\""},
	{429, "{\"error\":{\"message\":\"slow\",\"code\":\"rate_limit_exceeded\"}}",
	 SL_OPENAI_FAULT_RATE, "\"slow\""},
	{429, "", SL_OPENAI_FAULT_RATE, NULL},
	{429, "{\"error\":\"Model is overloaded\",\"error_type\":\"overloaded\"}",
	 SL_OPENAI_FAULT_OVERLOADED, "\"Model is overloaded\""},
	{401, "{\"error\":{\"message\":\"key\",\"code\":\"invalid_api_key\"}}",
	 SL_OPENAI_FAULT_AUTH, "\"key\""},
	{403, "<html>", SL_OPENAI_FAULT_AUTH, NULL},
	{404, "{\"object\":\"error\",\"message\":\"The model `x` does not exist.\"}",
	 SL_OPENAI_FAULT_MODEL, "\"The model `x` does not exist.\""},
	{400, "{\"detail\":[{\"loc\":[\"body\"]}]}", SL_OPENAI_FAULT_INVALID, NULL},
	{422, "{\"detail\":\"bad\"}", SL_OPENAI_FAULT_INVALID, "\"bad\""},
	{500, "{\"error\":{\"message\":\"oops\",\"type\":\"server_error\"}}",
	 SL_OPENAI_FAULT_SERVER, "\"oops\""},
	{502, "Bad Gateway", SL_OPENAI_FAULT_SERVER, NULL},
	{503,
	 "{\"error\":{\"code\":503,\"message\":\"Loading model\",\"type\":\"unavailable_error\"}}",
	 SL_OPENAI_FAULT_OVERLOADED, "\"Loading model\""},
	/* inside a stream whose status was 200 */
	{200, "{\"error\":{\"message\":\"oops\",\"code\":500}}", SL_OPENAI_FAULT_SERVER,
	 "\"oops\""},
	{200, "{\"object\":\"error\",\"message\":\"oops\",\"code\":429}", SL_OPENAI_FAULT_RATE,
	 "\"oops\""},
	{200, "{\"error\":{\"message\":\"oops\",\"type\":\"InternalServerError\"}}",
	 SL_OPENAI_FAULT_SERVER, "\"oops\""},
	{0, "{\"error\":{\"message\":\"odd\"}}", SL_OPENAI_FAULT_OTHER, "\"odd\""},
	{200, "{\"error\":null,\"choices\":[]}", SL_OPENAI_FAULT_NONE, NULL},
	{200, "{\"choices\":[]}", SL_OPENAI_FAULT_NONE, NULL},
	{200, "oops", SL_OPENAI_FAULT_NONE, NULL},
};

static void test_faults(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(faults); i++) {
		struct sl_json_field message;
		enum sl_openai_fault fault = sl_openai_fault_read(faults[i].status, faults[i].body,
								  strlen(faults[i].body), &message);

		if (fault != faults[i].fault)
			fail_msg("%d %s: %s", faults[i].status, faults[i].body,
				 sl_openai_fault_name(fault));
		if (!faults[i].message) {
			assert_int_equal(message.type, SL_JSON_ABSENT);
			continue;
		}
		assert_int_equal(message.value_len, strlen(faults[i].message));
		assert_memory_equal(message.value, faults[i].message, message.value_len);
	}
}

/* ---- what we write ---- */

static void test_errors_written(void **state)
{
	(void)state;
	for (int id = 1; id < SL_OPENAI_ERROR_COUNT; id++) {
		struct sl_openai_error e = {
			.id = (enum sl_openai_error_id)id, .object = "o\"<\n>", .detail = "d"};
		json_t *error = written(&e);

		assert_in_range(sl_openai_error_status(e.id), 400, 504);
		assert_string_equal(json_string_value(json_object_get(error, "code")),
				    sl_openai_error_code(e.id));
		json_decref(error);
	}
}

/* Texts of any length and bytes fit the promised room; the message is cut at a character. */
static void test_error_room(void **state)
{
	static char nasty[4096];
	char out[SL_OPENAI_ERROR_BYTES_MAX];
	struct sl_openai_error e = {
		.id = SL_OPENAI_ERROR_DEADLINE, .object = nasty, .detail = nasty, .param = nasty};
	static const char *const fills[] = {"\x01", "\xff", "\xf0\x9f\x98\x80", "a"};

	(void)state;
	for (size_t i = 0; i < COUNT(fills); i++) {
		size_t unit = strlen(fills[i]);
		int len;

		for (size_t at = 0; at + unit < sizeof(nasty); at += unit)
			memcpy(nasty + at, fills[i], unit + 1);
		json_decref(written(&e));
		len = sl_openai_error_write(&e, out, sizeof(out));
		for (int size = 0; size < len; size++)
			assert_int_equal(sl_openai_error_write(&e, out, (size_t)size), -ENOSPC);
		if (unit == 4)
			assert_null(memmem(out, (size_t)len, "\xef\xbf\xbd", 3));
	}
}

static void test_model_error(void **state)
{
	struct sl_openai_error e = {.id = SL_OPENAI_ERROR_MODEL, .object = "gpt-x"};
	json_t *error = written(&e);

	(void)state;
	assert_int_equal(sl_openai_error_status(e.id), 404);
	assert_string_equal(json_string_value(json_object_get(error, "code")), "model_not_found");
	assert_string_equal(json_string_value(json_object_get(error, "param")), "model");
	assert_non_null(strstr(json_string_value(json_object_get(error, "message")), "'gpt-x'"));
	json_decref(error);
}

static void test_event(void **state)
{
	struct sl_openai_error e = {.id = SL_OPENAI_ERROR_STREAM_STALL, .object = "m"};
	struct sl_openai_chunk c;
	char out[512];
	int len = sl_openai_error_event_write(&e, out, sizeof(out));

	(void)state;
	assert_true(len > 8);
	assert_memory_equal(out, "data: {", 7);
	assert_memory_equal(out + len - 3, "}\n\n", 3);
	sl_openai_chunk_read(out + 6, (size_t)len - 8, &c);
	assert_int_equal(c.flags, SL_OPENAI_CHUNK_ERROR);
}

static void test_models(void **state)
{
	static const struct sl_openai_model models[] = {{"a\"b", "sluice", 1700000000},
							{"c", NULL, 0}};
	static const char expected[] =
		"{\"object\":\"list\",\"data\":[{\"id\":\"a\\\"b\",\"object\":\"model\","
		"\"created\":1700000000,\"owned_by\":\"sluice\"},{\"id\":\"c\",\"object\":"
		"\"model\","
		"\"created\":0,\"owned_by\":\"\"}]}";
	char out[512];

	(void)state;
	assert_int_equal(sl_openai_models_write(models, 2, out, sizeof(out)), sizeof(expected) - 1);
	assert_memory_equal(out, expected, sizeof(expected) - 1);
	assert_int_equal(sl_openai_models_write(models, 2, out, sizeof(expected) - 2), -ENOSPC);
	assert_int_equal(sl_openai_models_write(models, 0, out, sizeof(out)), 27);
	assert_memory_equal(out, "{\"object\":\"list\",\"data\":[]}", 27);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),	       cmocka_unit_test(test_json_error_says_where),
		cmocka_unit_test(test_facts),	       cmocka_unit_test(test_rewrites),
		cmocka_unit_test(test_chunks),	       cmocka_unit_test(test_chunk_offsets),
		cmocka_unit_test(test_usage),	       cmocka_unit_test(test_faults),
		cmocka_unit_test(test_errors_written), cmocka_unit_test(test_error_room),
		cmocka_unit_test(test_model_error),    cmocka_unit_test(test_event),
		cmocka_unit_test(test_models),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
