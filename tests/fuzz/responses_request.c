/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests of the Responses API: what is refused has an error that is JSON in OpenAI's shape; what is
 * taken becomes a valid chat request of the same model and kind, and members to repeat in the answer.
 */
#include "tests/fuzz/fuzz.h"
#include "user/wire/responses.h"

static void check_refusal(const struct sl_openai_error *error, enum sl_openai_error_id id)
{
	char body[SL_OPENAI_ERROR_BYTES_MAX];
	int len = sl_openai_error_write(error, body, sizeof(body));

	CHECK(error->id == id);
	CHECK(len > 0 && !sl_json_check(body, (size_t)len, NULL));
}

static void check_translated(const char *body, size_t size, const struct sl_text *out)
{
	struct sl_json_field f[] = {SL_JSON_FIELD("model"), SL_JSON_FIELD("stream")};
	struct sl_openai_request q;
	struct sl_openai_error error;
	char *copy = fuzz_copy(out->data, out->len);
	enum sl_openai_error_id id;

	CHECK(!sl_json_scan(body, size, f, 2));
	CHECK(!sl_json_check(copy, out->len, NULL));
	id = sl_openai_request_read(SL_OPENAI_CHAT, copy, out->len, &q, &error);
	if (!id) {
		CHECK(sl_json_string_equal(&f[0], q.model, q.model_len) ||
		      q.model_len > SL_JSON_NAME_BYTES_MAX);
		CHECK(q.stream == (f[1].type == SL_JSON_TRUE));
		CHECK(q.include_usage == q.stream);
	}
	free(copy);
}

/* Members, each with a comma before it. */
static void check_echo(const struct sl_text *echo)
{
	struct sl_text object;

	sl_text_init(&object, 16u << 20);
	sl_text_append(&object, "{\"a\":1", 6);
	if (echo->len)
		sl_text_append(&object, echo->data, echo->len);
	sl_text_append(&object, "}", 1);
	CHECK(!sl_json_check(object.data, object.len, NULL));
	sl_text_fini(&object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char param[SL_RESPONSES_PARAM_BYTES];
	char *body = fuzz_copy(data, size);
	struct sl_openai_error error;
	struct sl_text out, echo;
	enum sl_openai_error_id id;

	sl_text_init(&out, 16u << 20);
	sl_text_init(&echo, 16u << 20);
	id = sl_responses_request_translate(body, size, &out, &echo, param, &error);
	if (id) {
		check_refusal(&error, id);
	} else {
		check_translated(body, size, &out);
		check_echo(&echo);
	}
	sl_text_fini(&echo);
	sl_text_fini(&out);
	free(body);
	return 0;
}
