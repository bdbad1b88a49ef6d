/* SPDX-License-Identifier: BSD-2-Clause */
/* "key=value,key=value": what is read, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "user/base/pairs.h"

#define LONG64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LONG   LONG64 LONG64 LONG64 LONG64 LONG64 LONG64 LONG64 LONG64

static const struct pair_case {
	const char *pairs;
	const char *read; /* "key|value;" of each */
	const char *bad;  /* NULL: none is */
} cases[] = {
	{"", "", NULL},
	{"a=b", "a|b;", NULL},
	{"a=b,c=d", "a|b;c|d;", NULL},
	{" a = b , c=d,", "a|b;c|d;", NULL},
	{"a=", "a|;", NULL},
	{"authorization=Bearer%20x%2Cy%3d", "authorization|Bearer x,y=;", NULL},
	{"a=b=c", "a|b=c;", NULL},
	{"a", "", "a"},
	{"a=b,=c", "a|b;", "=c"},
	{"a=%2", "", "a=%2"},
	{"a=%zz", "", "a=%zz"},
	{"a=b,c", "a|b;", "c"},
};

static void add(void *arg, struct sl_span key, struct sl_span value)
{
	sl_text_printf(arg, "%.*s|%.*s;", (int)key.len, key.data, (int)value.len, value.data);
}

static void test_pairs(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct pair_case *c = &cases[i];
		struct sl_span bad = SL_SPAN("");
		struct sl_text text;
		bool good;

		sl_text_init(&text, 0);
		good = sl_pairs_each(sl_span_string(c->pairs), add, &text, &bad);
		if (good != !c->bad || strcmp(sl_text_string(&text), c->read) != 0 ||
		    (c->bad && !sl_span_equal(bad, sl_span_string(c->bad))))
			fail_msg("%s: %s", c->pairs, sl_text_string(&text));
		sl_text_fini(&text);
	}
}

static void test_long(void **unused)
{
	struct sl_span bad;
	struct sl_text text;

	(void)unused;
	sl_text_init(&text, 0);
	assert_true(sl_pairs_each(SL_SPAN("a=" LONG LONG), add, &text, &bad));
	assert_false(sl_pairs_each(SL_SPAN("a=" LONG LONG "a"), add, &text, &bad));
	sl_text_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_pairs),
					   cmocka_unit_test(test_long)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
