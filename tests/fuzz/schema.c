/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first line is a schema, the rest a text. Beyond surviving: a refusal has a sentence, a text is
 * valid or has a reason, the verdict is the same the second time, and "not" turns it round.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>

#include "user/wire/json_scan.h"
#include "user/wire/schema.h"

#define SCRATCH_BYTES (32u << 20)

static int verdict(const char *schema_text, size_t schema_len, const char *text, size_t len)
{
	struct sl_schema *schema = NULL;
	struct sl_error error = {""};
	struct sl_arena scratch;
	int rc = sl_schema_compile(schema_text, schema_len, SL_SCHEMA_DRAFT_2020, SL_SCHEMA_FORMATS,
				   &schema, &error);
	int again;

	CHECK(!rc == !!schema);
	if (rc) {
		CHECK(rc == -EINVAL || rc == -ENOTSUP || rc == -E2BIG || rc == -ENOMEM);
		CHECK(error.text[0]);
		return 1;
	}
	sl_arena_init(&scratch, 0, SCRATCH_BYTES);
	rc = sl_schema_check(schema, text, len, &scratch, &error);
	CHECK(rc == 0 || rc == -EINVAL || rc == -E2BIG || rc == -ENOMEM);
	CHECK(!rc == !error.text[0]);
	sl_arena_reset(&scratch);
	again = sl_schema_check(schema, text, len, &scratch, NULL);
	CHECK(again == rc);
	sl_arena_fini(&scratch);
	sl_schema_free(&schema);
	return rc;
}

/* The schema within {"not": ...}; references into it would lead elsewhere. */
static void check_not(const char *schema, size_t schema_len, const char *text, size_t len, int rc)
{
	static const char head[] = "{\"not\":";
	char *turned;

	if (memmem(schema, schema_len, "$", 1) || memmem(schema, schema_len, "\\", 1) ||
	    memmem(schema, schema_len, "id", 2) || sl_json_check(text, len, NULL))
		return;
	turned = malloc(sizeof(head) + schema_len);
	CHECK(turned);
	memcpy(turned, head, sizeof(head) - 1);
	memcpy(turned + sizeof(head) - 1, schema, schema_len);
	turned[sizeof(head) - 1 + schema_len] = '}';
	rc = rc == 0 ? -EINVAL : 0;
	/* one level more may be one too many */
	switch (verdict(turned, sizeof(head) + schema_len, text, len)) {
	case 0:
		CHECK(rc == 0);
		break;
	case -EINVAL:
		CHECK(rc == -EINVAL);
		break;
	}
	free(turned);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *line = memchr(data, '\n', size);
	size_t schema_len = line ? (size_t)(line - data) : size;
	size_t len = line ? size - schema_len - 1 : 0;
	char *schema = fuzz_copy(data, schema_len);
	char *text = fuzz_copy(line ? line + 1 : data, len);
	int rc = verdict(schema, schema_len, text, len);

	if (rc == 0 || rc == -EINVAL)
		check_not(schema, schema_len, text, len, rc);
	free(schema);
	free(text);
	return 0;
}
