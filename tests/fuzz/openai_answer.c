/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What servers send: chunks, usage, errors. A chunk's flags agree with a walk over its members, and
 * whatever is made of an error is JSON.
 */
#include <errno.h>
#include <stdbool.h>
#include "tests/fuzz/fuzz.h"
#include "user/base/text.h"
#include "user/wire/anthropic.h"
#include "user/wire/openai.h"

/* A key as a server writes it: not escaped, as sl_openai_chunk_read says. */
static bool has_member(const struct sl_json_field *object, const char *name,
		       struct sl_json_field *ret_value)
{
	struct sl_json_field key, value;
	const char *cursor = NULL;
	bool found = false;

	while (sl_json_each_member(object, &cursor, &key, &value))
		if (!key.escaped && sl_json_string_equal(&key, name, strlen(name))) {
			*ret_value = value;
			found = true;
		}
	return found;
}

static void check_chunk(const char *text, size_t size)
{
	struct sl_json_field f[] = {SL_JSON_FIELD("error"), SL_JSON_FIELD("object")};
	struct sl_json_field whole = {.type = SL_JSON_OBJECT}, value;
	struct sl_openai_chunk chunk;
	bool good = !sl_json_scan(text, size, f, 2);

	sl_openai_chunk_read(text, size, &chunk);
	if (chunk.flags & SL_OPENAI_CHUNK_INVALID)
		CHECK(!(chunk.flags & (SL_OPENAI_CHUNK_USAGE | SL_OPENAI_CHUNK_FINISH)));
	if (chunk.flags & SL_OPENAI_CHUNK_USAGE)
		CHECK(chunk.usage.prompt_tokens >= -1 && chunk.usage.completion_tokens >= -1);
	if (!good || (chunk.flags & SL_OPENAI_CHUNK_INVALID))
		return;
	whole.value = memchr(text, '{', size);
	whole.value_len = (size_t)(text + size - whole.value);
	if (has_member(&whole, "error", &value) && value.type != SL_JSON_NULL)
		CHECK(chunk.flags & SL_OPENAI_CHUNK_ERROR);
	if (chunk.flags & SL_OPENAI_CHUNK_ERROR)
		CHECK((f[0].type != SL_JSON_ABSENT && f[0].type != SL_JSON_NULL) ||
		      sl_json_string_equal(&f[1], "error", 5));
}

static void check_fault(const char *text, size_t size)
{
	static const int statuses[] = {0, 200, 400, 404, 429, 500, 503};
	struct sl_text out;

	sl_text_init(&out, 4u << 20);
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		struct sl_json_field message;
		int status;

		CHECK(sl_openai_fault_name(
			sl_openai_fault_read(statuses[i], text, size, &message))[0]);
		CHECK(message.type == SL_JSON_ABSENT ||
		      (message.value >= text && message.value + message.value_len <= text + size));
		sl_text_reset(&out);
		status = sl_anthropic_fault_write(statuses[i] ? statuses[i] : 500, text, size,
						  "req", &out);
		CHECK(!out.error && status >= 200 && status < 600);
		CHECK(!sl_json_check(sl_text_string(&out), out.len, NULL));
	}
	sl_text_reset(&out);
	sl_anthropic_fault_event_write(text, size, "req", &out);
	CHECK(out.len > 2 && !memcmp(out.data + out.len - 2, "\n\n", 2));
	sl_text_fini(&out);
}

static void check_answer(const char *text, size_t size)
{
	struct sl_anthropic_names names = {.request_id = "req", .model = "m"};
	struct sl_openai_usage usage;
	struct sl_text out;
	int rc;

	rc = sl_openai_usage_read(text, size, &usage);
	CHECK(rc == 0 || rc == -ENOENT || rc == -EINVAL);
	sl_text_init(&out, 4u << 20);
	rc = sl_anthropic_answer_translate(&names, text, size, &out);
	CHECK(rc == 0 || rc == -EINVAL || rc == -EBADMSG);
	if (!rc)
		CHECK(!sl_json_check(sl_text_string(&out), out.len, NULL));
	sl_text_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_copy(data, size);

	check_chunk(text, size);
	check_fault(text, size);
	check_answer(text, size);
	free(text);
	return 0;
}
