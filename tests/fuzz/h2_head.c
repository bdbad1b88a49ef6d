/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Header fields of HTTP/2, "name=value|name=value", and the HTTP/1 head made of them. Its lines are
 * the fields and no more, whatever bytes they hold; no lenient reader sees framing in it; nothing of
 * a connection passes.
 */
#include "tests/fuzz/h1_head.h"
#include "user/http/h2_head.h"

#define OF_CONNECTION                                                                   \
	(SL_H1_ID_BIT(SL_H1_ID_CONNECTION) | SL_H1_ID_BIT(SL_H1_ID_TRANSFER_ENCODING) | \
	 SL_H1_ID_BIT(SL_H1_ID_KEEP_ALIVE) | SL_H1_ID_BIT(SL_H1_ID_UPGRADE) |           \
	 SL_H1_ID_BIT(SL_H1_ID_PROXY) | SL_H1_ID_BIT(SL_H1_ID_HTTP2_SETTINGS))

static void check_text(const struct sl_h1_head *head, const char *text, size_t len)
{
	size_t lines = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)text[i];

		CHECK(byte >= 0x20 || byte == '\t' || byte == '\r' || byte == '\n');
		CHECK((byte == '\r') == (i + 1 < len && text[i + 1] == '\n'));
		lines += byte == '\n';
	}
	CHECK(lines == head->header_count + 2);
	CHECK(head->minor == 1 && head->host && head->keep_alive);
	CHECK(head->body != SL_H1_BODY_CHUNKED && head->body != SL_H1_BODY_UNTIL_CLOSE);
	CHECK(!(head->present & OF_CONNECTION));
	CHECK(head->target[0] == '/' || head->target_len == 1);
	for (uint32_t i = 0; i < head->header_count; i++) {
		for (uint32_t n = 0; n < head->headers[i].name_len; n++)
			CHECK(head->headers[i].name[n] < 'A' || head->headers[i].name[n] > 'Z');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sl_h1_head head;
	struct sl_span rest = {(const char *)data, size};
	struct sl_h2_fields fields;
	char *text = NULL;
	uint32_t count = 0;
	int rc;

	sl_h2_fields_init(&fields);
	while (rest.data) {
		struct sl_span value = sl_span_cut(&rest, '|');
		struct sl_span name = sl_span_cut(&value, '=');
		char *name_copy = fuzz_copy(name.data, name.len);
		char *value_copy = fuzz_copy(value.data, value.len);

		CHECK(sl_h2_fields_take(&fields, name_copy, name.len, value_copy, value.len) ==
		      (++count <= SL_H2_FIELDS_MAX));
		free(name_copy);
		free(value_copy);
	}
	rc = sl_h2_fields_write(&fields, &head, &text);
	sl_h2_fields_fini(&fields);
	CHECK(rc != 0 && (rc > 0) == (text != NULL));
	if (rc < 0) {
		CHECK(-rc < SL_H1_BAD_COUNT && sl_h1_bad_text((enum sl_h1_bad) - rc)[0]);
	} else {
		CHECK(head.header_count <= count);
		check_text(&head, text, (size_t)rc);
		h1_check_lenient(&head, text, (size_t)rc);
	}
	free(text);
	return 0;
}
