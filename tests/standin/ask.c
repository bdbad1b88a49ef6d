/* See ask.h. */
#include "tests/standin/ask.h"

#include <errno.h>

#include "tests/standin/text.h"

enum { MESSAGE_OVERHEAD_TOKENS = 4 };

static const char tool_phrase[] = "call tool";

/* The reading of one body. */
struct reading {
	struct sl_json json;
	struct sl_ask *ask;
	struct sl_buf *scratch;
	uint64_t key;	     /* of all messages so far */
	uint64_t key_before; /* of all but the last message */
	uint64_t seed;
	struct sl_str role;    /* of the last message */
	struct sl_str content; /* of the last message, when it is one string */
	bool has_tools;
	struct sl_str last_user; /* content of the last user message, as it came, whatever it is */
	bool continue_final;
	bool include_usage;
	const char *why, *param;
};

static int bad(struct reading *reading, const char *param, const char *why)
{
	reading->param = param;
	reading->why = why;
	return -EBADMSG;
}

/* Mixes a decoded string into the key, so that the way it was escaped does not matter. */
static uint64_t hash_text(struct reading *reading, uint64_t key, struct sl_str text)
{
	if (!text.escaped)
		return sl_text_hash(key, text.data, text.len);
	reading->scratch->len = 0;
	sl_json_decode(text, reading->scratch);
	return sl_text_hash(key, reading->scratch->data, reading->scratch->len);
}

/* Content is a string, null, or an array of parts of which the texts count. */
static int read_content(struct reading *reading, uint64_t *key)
{
	struct sl_json *json = &reading->json;
	struct sl_str text, name;
	bool first = true;
	int more;

	if (sl_json_peek(json) == '"') {
		if (sl_json_string(json, &text))
			return -EBADMSG;
		reading->content = text;
		reading->ask->prompt_tokens += sl_ask_tokens(text.len);
		*key = hash_text(reading, *key, text);
		return 0;
	}
	if (sl_json_peek(json) != '[')
		return sl_json_skip(json);
	while ((more = sl_json_element(json, &first)) == 1) {
		bool first_member = true;

		while ((more = sl_json_member(json, &first_member, &name)) == 1) {
			if (!sl_str_is(name, "text")) {
				if (sl_json_skip(json))
					return -EBADMSG;
				continue;
			}
			if (sl_json_string(json, &text))
				return -EBADMSG;
			reading->ask->prompt_tokens += sl_ask_tokens(text.len);
			*key = hash_text(reading, *key, text);
		}
		if (more)
			return more;
	}
	return more;
}

static int read_message(struct reading *reading)
{
	struct sl_json *json = &reading->json;
	struct sl_str name;
	uint64_t content_key = 0;
	bool first = true, has_role = false;
	struct sl_str span = {0};
	int more;

	reading->role = reading->content = (struct sl_str){0};
	if (sl_json_peek(json) != '{')
		return bad(reading, "messages", "each message must be an object");
	while ((more = sl_json_member(json, &first, &name)) == 1) {
		int err;

		if (sl_str_is(name, "role")) {
			err = sl_json_string(json, &reading->role);
			has_role = true;
		} else if (sl_str_is(name, "content")) {
			span.data = json->at;
			err = read_content(reading, &content_key);
			span.len = (size_t)(json->at - span.data);
		} else
			err = sl_json_skip(json);
		if (err)
			return -EBADMSG;
	}
	if (more)
		return -EBADMSG;
	if (!has_role)
		return bad(reading, "messages", "each message must have a role");
	if (sl_str_is(reading->role, "user"))
		reading->last_user = span;
	reading->ask->prompt_tokens += MESSAGE_OVERHEAD_TOKENS;
	reading->key_before = reading->key;
	reading->key = sl_text_mix(
		sl_text_hash(reading->key, reading->role.data, reading->role.len), content_key);
	return 0;
}

static int read_messages(struct reading *reading)
{
	bool first = true;
	int more;

	if (sl_json_peek(&reading->json) != '[')
		return bad(reading, "messages", "messages must be an array");
	while ((more = sl_json_element(&reading->json, &first)) == 1) {
		if (read_message(reading))
			return -EBADMSG;
		reading->ask->has_prompt = true;
	}
	return more;
}

static int add_prompt(struct reading *reading, uint64_t key)
{
	struct sl_ask *ask = reading->ask;

	if (ask->prompt_count == SL_ASK_CHOICE_COUNT_MAX)
		return bad(reading, "input", "too many inputs");
	ask->keys[ask->prompt_count++] = key;
	ask->has_prompt = true;
	return 0;
}

/* An array of token numbers whose first bracket is still to be taken. */
static int read_token_list(struct reading *reading)
{
	uint64_t key = 0;
	bool first = true;
	double token;
	int more;

	while ((more = sl_json_element(&reading->json, &first)) == 1) {
		if (sl_json_number(&reading->json, &token))
			return -EBADMSG;
		key = sl_text_mix(key, (uint64_t)(int64_t)token);
		reading->ask->prompt_tokens++;
	}
	return more ? more : add_prompt(reading, key);
}

static int read_prompt_text(struct reading *reading)
{
	struct sl_str text;

	if (sl_json_string(&reading->json, &text))
		return -EBADMSG;
	reading->ask->prompt_tokens += sl_ask_tokens(text.len);
	reading->content = text;
	return add_prompt(reading, hash_text(reading, 0, text));
}

/* A prompt or an embedding's input: a string, token numbers, or an array of either. */
static int read_prompts(struct reading *reading)
{
	struct sl_json *json = &reading->json;
	bool first = true;
	int more, err;

	if (sl_json_peek(json) == '"')
		return read_prompt_text(reading);
	if (sl_json_peek(json) != '[')
		return bad(reading, "prompt", "the prompt must be a string or an array");
	struct sl_json ahead = *json;
	ahead.at++;
	char c = sl_json_peek(&ahead);
	if (c != '"' && c != '[' && c != ']')
		return read_token_list(reading);
	while ((more = sl_json_element(json, &first)) == 1) {
		err = sl_json_peek(json) == '"' ? read_prompt_text(reading)
						: read_token_list(reading);
		if (err)
			return -EBADMSG;
	}
	return more;
}

static int read_function(struct reading *reading)
{
	struct sl_str name;
	bool first = true;
	int more;

	while ((more = sl_json_member(&reading->json, &first, &name)) == 1) {
		if (sl_str_is(name, "name") && !reading->has_tools) {
			if (sl_json_string(&reading->json, &reading->ask->tool))
				return -EBADMSG;
			reading->has_tools = true;
		} else if (sl_json_skip(&reading->json))
			return -EBADMSG;
	}
	return more;
}

static int read_tools(struct reading *reading)
{
	struct sl_str name;
	bool first = true;
	int more;

	if (sl_json_peek(&reading->json) != '[')
		return sl_json_skip(&reading->json);
	while ((more = sl_json_element(&reading->json, &first)) == 1) {
		bool first_member = true;

		while ((more = sl_json_member(&reading->json, &first_member, &name)) == 1) {
			int err;

			if (reading->ask->kind == SL_ASK_MESSAGES && !reading->has_tools &&
			    sl_str_is(name, "name")) {
				err = sl_json_string(&reading->json, &reading->ask->tool);
				reading->has_tools = true;
			} else
				err = sl_str_is(name, "function") ? read_function(reading)
								  : sl_json_skip(&reading->json);
			if (err)
				return -EBADMSG;
		}
		if (more)
			return more;
	}
	return more;
}

static int read_stream_options(struct reading *reading)
{
	struct sl_str name;
	bool first = true;
	int more;

	if (sl_json_peek(&reading->json) != '{')
		return sl_json_skip(&reading->json);
	while ((more = sl_json_member(&reading->json, &first, &name)) == 1) {
		int err = sl_str_is(name, "include_usage")
				  ? sl_json_bool(&reading->json, &reading->include_usage)
				  : sl_json_skip(&reading->json);

		if (err)
			return -EBADMSG;
	}
	return more;
}

static int read_count(struct reading *reading, const char *param, int64_t min, int64_t max,
		      int64_t *ret_count)
{
	double number;

	if (sl_json_peek(&reading->json) == 'n')
		return sl_json_skip(&reading->json);
	if (sl_json_number(&reading->json, &number))
		return bad(reading, param, "must be a number");
	if (!(number >= (double)min && number <= (double)max))
		return bad(reading, param, "is out of range");
	*ret_count = (int64_t)number;
	return 0;
}

static int read_flag(struct reading *reading, const char *param, bool *ret_flag)
{
	if (sl_json_peek(&reading->json) == 'n')
		return sl_json_skip(&reading->json);
	return sl_json_bool(&reading->json, ret_flag) ? bad(reading, param, "must be true or false")
						      : 0;
}

enum { TOKENS_MAX = 1 << 24, DIMENSIONS_MAX = 8192 };

static int read_text(struct reading *reading, const char *param, struct sl_str *ret_text)
{
	return sl_json_string(&reading->json, ret_text) ? bad(reading, param, "must be a string")
							: 0;
}

static bool is_talk(enum sl_ask_kind kind)
{
	return kind == SL_ASK_CHAT || kind == SL_ASK_MESSAGES;
}

/* Counts, and has no say in the answer. */
static int read_system(struct reading *reading)
{
	struct sl_str content = reading->content;
	uint64_t key = 0;
	int err = read_content(reading, &key);

	reading->content = content;
	return err;
}

/* The value of one top-level member. Members that this server does not act on are only checked. */
static int read_member(struct reading *reading, struct sl_str name)
{
	struct sl_ask *ask = reading->ask;
	int64_t count = 0;
	int err;

	if (sl_str_is(name, "model"))
		return read_text(reading, "model", &ask->model);
	if (sl_str_is(name, "messages") && is_talk(ask->kind))
		return read_messages(reading);
	if (sl_str_is(name, "system") && ask->kind == SL_ASK_MESSAGES)
		return read_system(reading);
	if (sl_str_is(name, "prompt") && ask->kind == SL_ASK_COMPLETION)
		return read_prompts(reading);
	if (sl_str_is(name, "input") && ask->kind == SL_ASK_EMBEDDING)
		return read_prompts(reading);
	if (sl_str_is(name, "stream"))
		return read_flag(reading, "stream", &ask->stream);
	if (sl_str_is(name, "stream_options"))
		return read_stream_options(reading);
	if (sl_str_is(name, "max_tokens") || sl_str_is(name, "max_completion_tokens"))
		return read_count(reading, "max_tokens", 1, TOKENS_MAX, &ask->max_tokens);
	if (sl_str_is(name, "min_tokens"))
		return read_count(reading, "min_tokens", 0, TOKENS_MAX, &ask->min_tokens);
	if (sl_str_is(name, "ignore_eos"))
		return read_flag(reading, "ignore_eos", &ask->ignore_eos);
	if (sl_str_is(name, "continue_final_message"))
		return read_flag(reading, "continue_final_message", &reading->continue_final);
	if (sl_str_is(name, "standin_prompt_len"))
		return read_count(reading, "standin_prompt_len", 1, TOKENS_MAX, &ask->prompt_len);
	if (sl_str_is(name, "n")) {
		count = 1;
		err = read_count(reading, "n", 1, SL_ASK_CHOICE_COUNT_MAX, &count);
		ask->n = (uint32_t)count;
		return err;
	}
	if (sl_str_is(name, "seed")) {
		err = read_count(reading, "seed", -(1ll << 53), 1ll << 53, &count);
		reading->seed ^= (uint64_t)count;
		return err;
	}
	if (sl_str_is(name, "dimensions")) {
		err = read_count(reading, "dimensions", 1, DIMENSIONS_MAX, &count);
		ask->dimensions = (uint32_t)count;
		return err;
	}
	if (sl_str_is(name, "encoding_format")) {
		struct sl_str format;

		err = read_text(reading, "encoding_format", &format);
		ask->base64 = !err && sl_str_is(format, "base64");
		return err;
	}
	if (sl_str_is(name, "tools"))
		return read_tools(reading);
	if (sl_str_is(name, "standin_fault"))
		return read_text(reading, "standin_fault", &ask->fault);
	if (sl_str_is(name, "standin_fault_node"))
		return read_text(reading, "standin_fault_node", &ask->fault_node);
	return sl_json_skip(&reading->json);
}

/* Draws the conclusions that need the whole body. */
/* What the Messages API is strict about. */
static int conclude_messages(struct reading *reading)
{
	const struct sl_buf *text = reading->scratch;

	if (reading->ask->max_tokens < 0)
		return bad(reading, "max_tokens", "max_tokens: Field required");
	if (!reading->ask->continues)
		return 0;
	reading->scratch->len = 0;
	sl_json_decode(reading->content, reading->scratch);
	if (!text->len || strchr(" \t\r\n", text->data[text->len - 1]))
		return bad(reading, "messages",
			   "messages: final assistant content cannot be empty or end in blanks");
	return 0;
}

static int conclude(struct reading *reading)
{
	struct sl_ask *ask = reading->ask;

	if (!ask->has_prompt) {
		static const char *const params[] = {"messages", "prompt", "input", "messages"};

		return bad(reading, params[ask->kind], "is required and must not be empty");
	}
	ask->include_usage = ask->stream && reading->include_usage;
	ask->calls_tool = reading->has_tools && reading->last_user.len &&
			  memmem(reading->last_user.data, reading->last_user.len, tool_phrase,
				 sizeof(tool_phrase) - 1);
	if (is_talk(ask->kind)) {
		bool last_is_answer = sl_str_is(reading->role, "assistant");

		ask->continues =
			last_is_answer && (reading->continue_final || ask->kind == SL_ASK_MESSAGES);
		if (ask->continues)
			ask->prefix = reading->content;
		ask->keys[0] = ask->continues ? reading->key_before : reading->key;
		ask->prompt_count = 1;
	}
	if (ask->kind == SL_ASK_MESSAGES && conclude_messages(reading))
		return -EBADMSG;
	/* the prompt of such a test is written without escapes, so its length is the same in JSON */
	if (ask->prompt_len > 0 && ask->prompt_count == 1 &&
	    reading->content.len > (size_t)ask->prompt_len) {
		ask->continues = true;
		ask->prefix = reading->content;
		ask->prefix.data += ask->prompt_len;
		ask->prefix.len -= (size_t)ask->prompt_len;
		ask->keys[0] = sl_text_hash(0, reading->content.data, (size_t)ask->prompt_len);
	}
	if (ask->n * ask->prompt_count > SL_ASK_CHOICE_COUNT_MAX)
		return bad(reading, "n", "asks for too many choices");
	for (uint32_t i = 0; i < ask->prompt_count; i++)
		ask->keys[i] = sl_text_mix(ask->keys[i], reading->seed);
	return 0;
}

int sl_ask_read(enum sl_ask_kind kind, const char *body, size_t len, uint64_t seed,
		struct sl_buf *scratch, struct sl_ask *ret_ask, const char **ret_why,
		const char **ret_param)
{
	struct reading reading = {
		.json = {body, body + len}, .ask = ret_ask, .scratch = scratch, .seed = seed};
	struct sl_str name;
	bool first = true;
	int more, err = 0;

	/* The keys are written before they are read; clearing them would cost more than the rest.
	 */
	memset(ret_ask, 0, offsetof(struct sl_ask, keys));
	ret_ask->kind = kind;
	ret_ask->n = 1;
	ret_ask->max_tokens = -1;
	while ((more = sl_json_member(&reading.json, &first, &name)) == 1) {
		err = read_member(&reading, name);
		if (err)
			break;
	}
	if (!err && !more && !sl_json_over(&reading.json))
		err = conclude(&reading);
	else
		err = -EBADMSG;
	if (!err)
		return 0;
	*ret_param = reading.param;
	*ret_why = reading.why ? reading.why : "the body is not valid JSON";
	return -EBADMSG;
}
