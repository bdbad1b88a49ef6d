/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A tokenizer.json, and a text behind a line "%%". Beyond surviving: a refusal has a sentence; a count is
 * that of the ids, with nothing known of the pieces and with all of them known; the file is a
 * text too.
 */
#include <errno.h>

#include "tests/fuzz/fuzz.h"
#include "user/store/tokenizer.h"

static void check_text(const struct sl_tokenizer *t, const char *text, size_t len)
{
	size_t room = 8 * len + 64;
	uint32_t *ids = malloc(room * sizeof(*ids));
	int64_t count;

	CHECK(ids);
	count = sl_tokenizer_encode(t, sl_span_make(text, len), ids, room);
	/* -EIO: a pattern that looks too far; with PCRE2's own bounds */
	CHECK(count >= 0 || count == -EILSEQ || count == -EIO || count == -ENOMEM ||
	      count == -E2BIG);
	for (int i = 0; i < 2; i++) {
		int64_t again = sl_tokenizer_count(t, sl_span_make(text, len));

		CHECK(again == count || (again < 0 && count < 0));
	}
	free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *all = (const char *)data;
	const char *rest = size ? memmem(all, size, "\n%%\n", 4) : NULL;
	size_t len = rest ? (size_t)(rest - all) : size;
	struct sl_tokenizer *t = NULL;
	struct sl_error error = {""};
	char *json = fuzz_copy(all, len), *text;
	int rc = sl_tokenizer_parse(json, len, &t, &error);

	CHECK(!rc == !!t);
	CHECK(!rc == !error.text[0]);
	if (t) {
		size_t text_len = rest ? size - len - 4 : 0;

		text = fuzz_copy(rest ? rest + 4 : "", text_len);
		check_text(t, text, text_len);
		check_text(t, json, len);
		free(text);
	}
	sl_tokenizer_close(&t);
	free(json);
	return 0;
}
