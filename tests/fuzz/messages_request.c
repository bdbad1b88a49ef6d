/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A chat completion becomes a request of the Messages API: valid JSON, or an error that names its field;
 * and a message becomes a chat completion.
 */
#include <errno.h>
#include "tests/fuzz/fuzz.h"
#include "user/wire/messages.h"

static void translate(const char *body, size_t len)
{
	const struct sl_messages_terms terms = {.max_tokens = 7};
	char param[SL_PLACE_PARAM_BYTES], message[SL_OPENAI_ERROR_BYTES_MAX];
	struct sl_openai_request request;
	struct sl_openai_error error;
	enum sl_openai_error_id id;
	struct sl_text out;
	int written;

	if (sl_openai_request_read(SL_OPENAI_CHAT, body, len, &request, &error))
		return;
	sl_text_init(&out, 0);
	id = sl_messages_request_write(&request, &terms, &out, param, &error);
	if (id) {
		CHECK(error.id == id);
		written = sl_openai_error_write(&error, message, sizeof(message));
		CHECK(written > 0 && !sl_json_check(message, (size_t)written, NULL));
	} else {
		CHECK(!sl_json_check(out.data, out.len, NULL));
	}
	sl_text_fini(&out);
}

static void answer(const char *body, size_t len)
{
	const struct sl_messages_names names = {.created_s = 1};
	bool refused = false;
	struct sl_text out;
	int rc;

	sl_text_init(&out, 0);
	rc = sl_messages_answer_read(&names, body, len, &out, &refused);
	CHECK(rc == 0 || rc == -EINVAL);
	if (!rc)
		CHECK(!sl_json_check(out.data, out.len, NULL));
	sl_text_reset(&out);
	sl_messages_fault_write(500, body, len, &out);
	CHECK(!sl_json_check(out.data, out.len, NULL));
	sl_text_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *body = fuzz_copy(data, size);

	translate(body, size);
	answer(body, size);
	free(body);
	return 0;
}
