/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests of the Messages API: what is refused has an error that is JSON in that API's shape; what is
 * taken becomes a valid chat request of the same model, length and kind.
 */
#include "tests/fuzz/fuzz.h"
#include "user/wire/anthropic.h"

static void check_refusal(const struct sl_openai_error *error, enum sl_openai_error_id id)
{
	char body[SL_ANTHROPIC_ERROR_BYTES];
	int len = sl_anthropic_error_write(error, "req", body, sizeof(body));

	CHECK(error->id == id && sl_anthropic_error_status(id) == 400);
	CHECK(len > 0 && !sl_json_check(body, (size_t)len, NULL));
}

static void check_translated(const char *body, size_t size, const struct sl_text *out)
{
	struct sl_json_field f[] = {SL_JSON_FIELD("model"), SL_JSON_FIELD("stream"),
				    SL_JSON_FIELD("max_tokens")};
	struct sl_openai_request q;
	struct sl_openai_error error;
	char *copy = fuzz_copy(out->data, out->len);
	enum sl_openai_error_id id;
	int64_t max_tokens;

	CHECK(!sl_json_scan(body, size, f, 3));
	CHECK(!sl_json_check(copy, out->len, NULL));
	id = sl_openai_request_read(SL_OPENAI_CHAT, copy, out->len, &q, &error);
	if (id) {
		/* all that is left to it, as the header says */
		CHECK(!strcmp(error.param, "model") || error.bad == SL_JSON_BAD_DUPLICATE ||
		      error.bad == SL_JSON_BAD_CASE);
		free(copy);
		return;
	}
	CHECK(sl_json_string_equal(&f[0], q.model, q.model_len) ||
	      q.model_len > SL_JSON_NAME_BYTES_MAX);
	CHECK(q.stream == (f[1].type == SL_JSON_TRUE));
	CHECK(q.include_usage == q.stream);
	CHECK(!sl_json_int(&f[2], &max_tokens) && q.max_tokens == max_tokens);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char param[SL_ANTHROPIC_PARAM_BYTES];
	char *body = fuzz_copy(data, size);
	struct sl_openai_error error;
	struct sl_text out;
	enum sl_openai_error_id id;

	sl_text_init(&out, 16u << 20);
	id = sl_anthropic_request_translate(body, size, &out, param, &error);
	if (id)
		check_refusal(&error, id);
	else
		check_translated(body, size, &out);
	sl_text_fini(&out);
	free(body);
	return 0;
}
