/* SPDX-License-Identifier: BSD-2-Clause */
/* Fields written and read: the examples of the format's own guide, lengths around their limits, bad bytes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "user/wire/otlp.h"
#include "user/wire/protobuf.h"

static void assert_bytes(const struct sl_text *text, const char *wanted, size_t len)
{
	assert_int_equal(text->error, 0);
	assert_int_equal(text->len, len);
	assert_memory_equal(text->data, wanted, len);
}

static void test_written(void **unused)
{
	struct sl_text text;
	size_t mark;

	(void)unused;
	sl_text_init(&text, 0);
	sl_protobuf_u64(&text, 1, 150); /* of the guide */
	assert_bytes(&text, "\x08\x96\x01", 3);
	sl_text_reset(&text);
	sl_protobuf_string(&text, 2, "testing"); /* of the guide */
	assert_bytes(&text, "\x12\x07testing", 9);
	sl_text_reset(&text);
	mark = sl_protobuf_open(&text, 3); /* of the guide */
	sl_protobuf_u64(&text, 1, 150);
	sl_protobuf_close(&text, mark);
	assert_bytes(&text, "\x1a\x03\x08\x96\x01", 5);
	sl_text_reset(&text);
	sl_protobuf_fixed64(&text, 7, 0x0102030405060708ull);
	sl_protobuf_fixed32(&text, 16, 0x01020304u);
	assert_bytes(&text, "\x39\x08\x07\x06\x05\x04\x03\x02\x01\x85\x01\x04\x03\x02\x01", 15);
	sl_text_reset(&text);
	sl_protobuf_double(&text, 4, 1.0);
	assert_bytes(&text, "\x21\0\0\0\0\0\0\xf0\x3f", 9);
	sl_text_reset(&text);
	sl_protobuf_u64(&text, 1, UINT64_MAX);
	assert_bytes(&text, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
	sl_text_fini(&text);
}

/* Messages in messages, whose length takes one byte more from some size on. */
static void test_nested(void **unused)
{
	static const size_t sizes[] = {0, 1, 125, 126, 127, 128, 129, 16381, 16384, 70000};
	struct sl_text text;

	(void)unused;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct sl_protobuf_field outer, inner, field;
		struct sl_span rest, in;
		size_t a, b;

		sl_text_init(&text, 0);
		a = sl_protobuf_open(&text, 1);
		sl_protobuf_u64(&text, 5, 7);
		b = sl_protobuf_open(&text, 2);
		sl_text_append_fill(&text, 'x', sizes[i]);
		sl_protobuf_close(&text, b);
		sl_protobuf_u64(&text, 6, 8);
		sl_protobuf_close(&text, a);
		sl_protobuf_u64(&text, 9, 9);
		assert_int_equal(text.error, 0);
		rest = sl_text_span(&text);
		assert_int_equal(sl_protobuf_next(&rest, &outer), 1);
		assert_int_equal(outer.number, 1);
		in = outer.bytes;
		assert_int_equal(sl_protobuf_next(&in, &field), 1);
		assert_true(field.number == 5 && field.value == 7);
		assert_int_equal(sl_protobuf_next(&in, &inner), 1);
		assert_true(inner.number == 2 && inner.bytes.len == sizes[i]);
		for (size_t k = 0; k < sizes[i]; k++)
			assert_int_equal(inner.bytes.data[k], 'x');
		assert_int_equal(sl_protobuf_next(&in, &field), 1);
		assert_true(field.number == 6 && field.value == 8);
		assert_int_equal(sl_protobuf_next(&in, &field), 0);
		assert_int_equal(sl_protobuf_next(&rest, &field), 1);
		assert_true(field.number == 9 && field.value == 9);
		assert_int_equal(sl_protobuf_next(&rest, &field), 0);
		sl_text_fini(&text);
	}
}

/* A text that is full stays in error, and closing what was begun does nothing. */
static void test_full(void **unused)
{
	char memory[6];
	struct sl_text text;
	size_t mark;

	(void)unused;
	sl_text_init_fixed(&text, memory, sizeof(memory));
	mark = sl_protobuf_open(&text, 1);
	sl_protobuf_string(&text, 1, "too long for it");
	sl_protobuf_close(&text, mark);
	assert_int_not_equal(text.error, 0);
}

static const struct answer_case {
	const char *what;
	const char *bytes;
	size_t len;
	int rc;
	uint64_t rejected;
	const char *why;
} answers[] = {
	{"empty: all of it was taken", "", 0, 0, 0, ""},
	{"an empty partial success", "\x0a\x00", 2, 0, 0, ""},
	{"in part", "\x0a\x07\x08\x03\x12\x03old", 9, 0, 3, "old"},
	{"a word alone", "\x0a\x05\x12\x03old", 7, 0, 0, "old"},
	{"a field of a later version", "\x12\x01\x01\x0a\x02\x08\x01", 7, 0, 1, ""},
	{"cut in a tag", "\x8a", 1, -EBADMSG, 0, ""},
	{"cut in a length", "\x0a", 1, -EBADMSG, 0, ""},
	{"longer than it is", "\x0a\x05\x08", 3, -EBADMSG, 0, ""},
	{"a length that wraps", "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, -EBADMSG, 0,
	 ""},
	{"a number of 11 bytes", "\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 12, -EBADMSG,
	 0, ""},
	{"a number of 65 bits", "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11, -EBADMSG, 0,
	 ""},
	{"field 0", "\x00\x01", 2, -EBADMSG, 0, ""},
	{"a group", "\x0b\x0c", 2, -EBADMSG, 0, ""},
	{"a number where a message is due", "\x08\x01", 2, -EBADMSG, 0, ""},
	{"eight bytes cut", "\x11\x01\x02", 3, -EBADMSG, 0, ""},
	{"text", "not found", 9, -EBADMSG, 0, ""},
};

static void test_answers(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		const struct answer_case *c = &answers[i];
		struct sl_span why = SL_SPAN("");
		uint64_t rejected = 0;
		int rc = sl_otlp_read_answer(sl_span_make(c->bytes, c->len), &rejected, &why);

		if (rc != c->rc || rejected != c->rejected ||
		    !sl_span_equal(why, sl_span_string(c->why)))
			fail_msg("%s: %d", c->what, rc);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_written),
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
