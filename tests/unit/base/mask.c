/* SPDX-License-Identifier: BSD-2-Clause */
/* What is hidden of a configuration text, what is not, and that errors show no secret. */
#include "user/base/mask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include "tests/unit/guard.h"
#include "user/base/config.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SECRET	     "sk-live-1"
#define STARS	     "*********"

static const struct {
	const char *what, *text, *expected;
} cases[] = {
	{"plain", "api_key: " SECRET, "api_key: " STARS},
	{"quoted", "api_key: \"" SECRET "\" # c", "api_key: \"" STARS "\" # c"},
	{"quoted once", "{'api_key': '" SECRET "', x: 1}", "{'api_key': '" STARS "', x: 1}"},
	{"quotes inside", "api_key: 'it''s' # c", "api_key: '*****' # c"},
	{"escapes inside", "{api_key: \"a\\\"b\", x: 1}", "{api_key: \"****\", x: 1}"},
	{"in brackets", "p: {api_key: " SECRET ", x: 1}", "p: {api_key: " STARS ", x: 1}"},
	{"the last in brackets", "p: {api_key: " SECRET "}", "p: {api_key: " STARS "}"},
	{"no brackets: all bytes of a key", "api_key: a,b}c # c", "api_key: ***** # c"},
	{"a reference", "api_key: ${NAME} # c", "api_key: ${NAME} # c"},
	{"references", "{api_key: '${A}${B}', x: 1}", "{api_key: '${A}${B}', x: 1}"},
	{"a reference in brackets", "{api_key: ${A}, x: 1}", "{api_key: ${A}, x: 1}"},
	{"a reference and more", "api_key: ${A}-x", "api_key: ******"},
	{"other spellings", "apiKey: a\nAPI-KEY: b\nOPENAI_API_KEY=c",
	 "apiKey: *\nAPI-KEY: *\nOPENAI_API_KEY=*"},
	{"other names", "master_key: a\npassword: b\nclient_secret: c\nauth-token: d",
	 "master_key: *\npassword: *\nclient_secret: *\nauth-token: *"},
	{"no colon", "api_key " SECRET, "api_key " STARS},
	{"no value", "{api_key, x: 1}", "{api_key, x: 1}"},
	{"names that only begin so", "api_key_header: x-api-key\ntokens_per_minute: 5x",
	 "api_key_header: x-api-key\ntokens_per_minute: 5x"},
	{"below it", "api_key:\n  " SECRET "\nx: 1", "api_key:\n  " STARS "\nx: 1"},
	{"a block", "  api_key: |\n    a\n\n    b\n  x: 1", "  api_key: *\n    *\n\n    *\n  x: 1"},
	{"a list below it", "api_key:\n- a\n- b\nx: 1", "api_key:\n* *\n* *\nx: 1"},
	{"the next of a list", "- api_key:\n- x: 1", "- api_key:\n- x: 1"},
	{"folded", "api_key: a\n  b\nx: 1", "api_key: *\n  *\nx: 1"},
	{"quotes over lines", "api_key: \"a\n b\" # c\nx: 1", "api_key: \"*\n *\" # c\nx: 1"},
	{"a list or map", "api_key: [a, b], x: 1", "api_key: *** *** ** *"},
	{"letters beyond ASCII", "api_key: \xc3\xa4\xe2\x82\xac. # c", "api_key: *** # c"},
	{"a beacon's key", "{id: 1, key: 00ff}", "{id: 1, key: ****}"},
	{"a certificate's key", "key: /a/b.key", "key: /a/b.key"},
	{"certificates' keys", "{key: [/a, /b], x: 1}", "{key: [/a, /b], x: 1}"},
	{"digits of a key", "x: 0123456789abcdef0123456789ABCDEF, y",
	 "x: ********************************, y"},
	{"fewer digits", "x: 0123456789abcdef0123456789ABCDE",
	 "x: 0123456789abcdef0123456789ABCDE"},
	{"ends at the name", "api_key", "api_key"},
	{"ends at the colon", "api_key:", "api_key:"},
	{"ends at the quote", "api_key: \"", "api_key: \""},
	{"nothing", "", ""},
	{"lines", "a\r\n\nb\n", "a\r\n\nb\n"},
};

static void secrets_are_hidden_and_nothing_else(void **state)
{
	struct sl_text text;

	(void)state;
	sl_text_init(&text, 0);
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = strlen(cases[i].text);
		char *source = sl_guard_copy(cases[i].text, len);

		sl_text_reset(&text);
		assert_int_equal(sl_mask_source(sl_span_make(source, len), &text), 0);
		if (strcmp(sl_text_string(&text), cases[i].expected) != 0)
			fail_msg("%s: \"%s\"", cases[i].what, sl_text_string(&text));
		sl_guard_free(source, len);
	}
	sl_text_fini(&text);
}

/* Line by line: each valid but for the last, whose error shows the key's line. */
static void no_error_shows_a_key(void **state)
{
	static const char *const texts[] = {
		"pools: {p: {api_key: SECRET, nodes: [10.0.0.7:80], oops: 1}}\n",
		"pools: {p: {nodes: [10.0.0.7:80], apikey: SECRET}}\n",
		"pools: {p: {nodes: [10.0.0.7:80], api_key: [SECRET]}}\n",
		"pools: {p: {nodes: ['http://a'], api_key: 'SECRET with spaces'}}\n",
		"pools: {p: {nodes: [10.0.0.7:80], api_key: SECRET, api_key: SECRET}}\n",
		"pools: {p: {nodes: [10.0.0.7:80], api_key: SECRET\n",
		"pools: {p: {api_key: &k SECRET, nodes: [*k]}}\n",
		"pools: {p: {nodes: ['http://a', &k SECRET], api_key: *k}}\n",
		"threads: &k SECRET\npools: {p: {nodes: ['http://a'], api_key: *k}}\n",
		"pools: {p: {nodes: ['http://a'], api_key: '${SL_TEST_KEY}', model: "
		"'! ${SL_TEST_KEY}'}}\nio: SECRET\n",
		"kernel: {beacon: {keys: [{id: 1, key: SECRET}]}}\n",
	};

	(void)state;
	setenv("SL_TEST_KEY", SECRET, 1);
	for (size_t i = 0; i < COUNT(texts); i++) {
		const char *from = texts[i], *at;
		struct sl_config *config = NULL;
		char *errors = NULL;
		struct sl_text text;

		sl_text_init(&text, 0);
		for (; (at = strstr(from, "SECRET")) != NULL; from = at + 6) {
			sl_text_append(&text, from, (size_t)(at - from));
			sl_text_append_string(&text, SECRET);
		}
		sl_text_append_string(&text, from);
		assert_int_equal(sl_config_parse("t.yaml", sl_text_string(&text), text.len, &config,
						 &errors),
				 -EINVAL);
		if (strstr(errors, SECRET) != NULL)
			fail_msg("%zu: %s", i, errors);
		free(errors);
		sl_text_fini(&text);
	}
}

static void values_are_hidden_where_they_stand(void **state)
{
	char twice[] = "a " SECRET " " SECRET;
	char shorter[] = "12345";
	char cut[] = "x 0123456789012345678901234567890123456789012345678901234567890...";

	(void)state;
	sl_mask_value(twice, strlen(twice), SECRET);
	assert_string_equal(twice, "a " STARS " " STARS);
	sl_mask_value(shorter, strlen(shorter), "12345");
	assert_string_equal(shorter, "12345");
	sl_mask_value(shorter, strlen(shorter), NULL);
	sl_mask_value(cut, strlen(cut),
		      "01234567890123456789012345678901234567890123456789012345678901234567890");
	assert_string_equal(cut,
			    "x *************************************************************...");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_are_hidden_and_nothing_else),
		cmocka_unit_test(no_error_shows_a_key),
		cmocka_unit_test(values_are_hidden_where_they_stand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
