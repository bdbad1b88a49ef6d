/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A text with what lists name in it, whole and in pieces: what goes out is the same, however it was cut.
 * Beside it what looks at texts alone (language, refusals, citations) survives it. The first line, without slashes, is one more list of words.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>

#include "user/policy/language.h"
#include "user/policy/reply.h"
#include "user/stage/validate_screen.h"

static const char fixed[] =
	"bomb recipe\nJohn Appleseed\n\xd0\x91\xd0\xbe\xd0\xbc\xd0\xb1\xd0\xb0\n"
	"\xe7\x82\xb8\xe5\xbc\xb9\nC++\n/proj-[0-9]{2,4}/\n/a{1,3}b|xa/\n/^root:/\n";

static struct sl_pattern_list *compile(const char *text, size_t len)
{
	struct sl_pattern_list *list = NULL;
	struct sl_error error = {""};
	int rc = sl_pattern_compile(text, len, &list, &error);

	CHECK(!rc == !!list);
	CHECK(!rc || error.text[0]);
	return list;
}

static void look(const char *text, size_t len)
{
	CHECK(sl_language_guess(text, len) <= SL_LANGUAGE_UNKNOWN);
	sl_reply_is_refusal(text, len);
	sl_reply_has_number(text, len);
	sl_reply_has_link(text, len);
	sl_reply_is_blank(text, len);
}

static void screen(struct sl_pattern_list *const *lists, uint32_t count, struct fuzz_chance *chance,
		   const char *text, size_t len, struct sl_text *out)
{
	struct sl_screen screen;

	sl_screen_init(&screen, 0, SL_SCREEN_REDACT);
	screen.lists = lists;
	screen.list_count = count;
	for (size_t at = 0; at < len;) {
		size_t size = chance ? fuzz_piece(chance, len - at) : len;
		char *piece = fuzz_copy(text + at, size);

		CHECK(sl_screen_feed(&screen, piece, size, false, out) == 0);
		CHECK(out->len <= 9 * len + 9);
		free(piece);
		at += size;
	}
	CHECK(sl_screen_feed(&screen, NULL, 0, true, out) == 0);
	sl_screen_fini(&screen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sl_pattern_list *always;
	struct sl_pattern_list *lists[2];
	struct fuzz_chance chance = fuzz_chance_of(data, size);
	const uint8_t *end = memchr(data, '\n', size);
	size_t line = end ? (size_t)(end - data) : 0;
	struct sl_text whole, pieces;
	char *text = fuzz_copy(data + line, size - line);
	uint32_t count = 1;

	if (!always)
		always = compile(fixed, sizeof(fixed) - 1);
	lists[0] = always;
	if (line && line < 64 && !memchr(data, '/', line)) {
		lists[1] = compile((const char *)data, line);
		count += lists[1] != NULL;
	}
	sl_text_init(&whole, 0);
	sl_text_init(&pieces, 0);
	look(text, size - line);
	screen(lists, count, NULL, text, size - line, &whole);
	screen(lists, count, &chance, text, size - line, &pieces);
	CHECK(whole.len == pieces.len);
	CHECK(!memcmp(sl_text_string(&whole), sl_text_string(&pieces), whole.len));
	sl_text_fini(&whole);
	sl_text_fini(&pieces);
	if (count > 1)
		sl_pattern_free(&lists[1]);
	free(text);
	return 0;
}
