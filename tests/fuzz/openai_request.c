/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * OpenAI requests: what is refused has an error that is JSON; what is taken is, once edited for the
 * server, the same request with the server's model and with usage asked for; and where it may be asked
 * for the rest of an answer, what asks for it is a request once more, and no third time.
 */
#include <errno.h>
#include "tests/fuzz/fuzz.h"
#include "user/wire/openai.h"
#include "user/wire/openai_continue.h"

static void check_refusal(const struct sl_openai_error *error, enum sl_openai_error_id id)
{
	char body[SL_OPENAI_ERROR_BYTES_MAX];
	int len = sl_openai_error_write(error, body, sizeof(body));
	int status = sl_openai_error_status(id);

	CHECK(error->id == id);
	CHECK(len > 0 && !sl_json_check(body, (size_t)len, NULL));
	CHECK(status == 400);
}

static void check_edited(enum sl_openai_endpoint endpoint, const struct sl_openai_request *q)
{
	static const char model[] = "\"the\\u0020server's\"";
	struct sl_openai_request again;
	struct sl_openai_error error;
	struct sl_json_edit edits[2];
	size_t count = sl_openai_request_edits(q, model, sizeof(model) - 1, true, edits);
	size_t room = q->body_len + sizeof(model) + 64;
	char *out = malloc(room);
	int64_t len = sl_json_edit_write(q->body, q->body_len, edits, count, out, room);
	char *copy;

	CHECK(count >= 1 && len > 0);
	copy = fuzz_copy(out, (size_t)len);
	CHECK(!sl_openai_request_read(endpoint, copy, (size_t)len, &again, &error));
	CHECK(!strcmp(again.model, "the server's"));
	CHECK(again.stream == q->stream && again.max_tokens == q->max_tokens && again.n == q->n);
	CHECK(again.prompt_bytes == q->prompt_bytes && again.has_tools == q->has_tools);
	CHECK(again.include_usage || !q->stream);
	CHECK(!memcmp(again.prompt_field.value, q->prompt_field.value, q->prompt_bytes));
	free(copy);
	free(out);
}

static void check_continued(enum sl_openai_endpoint endpoint, const struct sl_openai_request *q)
{
	const struct sl_openai_continue how = {.text = "a\"\n\xff", .text_len = 4, .tokens = 2};
	struct sl_openai_request again;
	struct sl_openai_error error;
	struct sl_text out;
	char *copy;
	int rc;

	sl_text_init(&out, 1u << 20);
	rc = sl_openai_continue_write(q, &how, &out);
	CHECK(rc == 0 || rc == -ENOTSUP);
	CHECK(rc || sl_openai_continue_may(q));
	if (!rc) {
		copy = fuzz_copy(out.data, out.len);
		CHECK(!sl_openai_request_read(endpoint, copy, out.len, &again, &error));
		CHECK(!strcmp(again.model, q->model) && again.stream == q->stream);
		CHECK(again.prompt_bytes > q->prompt_bytes);
		CHECK(again.max_tokens == (q->max_tokens < 0 ? -1 : q->max_tokens - 2));
		CHECK(!sl_openai_continue_may(&again) || endpoint == SL_OPENAI_COMPLETIONS);
		free(copy);
	}
	sl_text_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum sl_openai_endpoint endpoints[] = {SL_OPENAI_CHAT, SL_OPENAI_COMPLETIONS,
							    SL_OPENAI_EMBEDDINGS};
	char *body = fuzz_copy(data, size);

	for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
		struct sl_openai_request q;
		struct sl_openai_error error;
		enum sl_openai_error_id id =
			sl_openai_request_read(endpoints[i], body, size, &q, &error);

		if (id) {
			check_refusal(&error, id);
			continue;
		}
		CHECK(q.model_len > 0 && q.model_len <= SL_OPENAI_MODEL_BYTES_MAX);
		CHECK(strlen(q.model) == q.model_len && q.prompt_tokens_estimate > 0);
		CHECK(q.max_tokens >= -1 && q.n >= -1 && q.n <= SL_OPENAI_CHOICES_MAX);
		check_edited(endpoints[i], &q);
		check_continued(endpoints[i], &q);
	}
	free(body);
	return 0;
}
