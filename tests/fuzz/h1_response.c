/* SPDX-License-Identifier: BSD-2-Clause */
/* Response heads: cuts, lenient readers, and that a body is never seen where none may be. */
#include "tests/fuzz/h1_head.h"

static void check_framing(const struct sl_h1_head *head)
{
	CHECK(head->status >= 100 && head->status <= 599);
	CHECK(sl_h1_response_body(head, true) == SL_H1_BODY_NONE);
	if (head->status < 200 || head->status == 204 || head->status == 304)
		CHECK(head->body == SL_H1_BODY_NONE);
	if (head->body == SL_H1_BODY_UNTIL_CLOSE)
		CHECK(!head->keep_alive);
	if (head->body == SL_H1_BODY_LENGTH)
		CHECK(head->content_length > 0);
	CHECK(head->retry_after_ms >= SL_H1_RETRY_AFTER_UNREAD);
}

/* The head as we would pass it on. */
static void check_anew(const struct sl_h1_head *head)
{
	static struct sl_h1_head again;
	static char room[SL_H1_RESPONSE_HEAD_BYTES_MAX + 1024];
	struct sl_h1_out out;
	int len;

	sl_h1_out_init(&out, room, sizeof(room));
	sl_h1_write_status_line(&out, head->status);
	sl_h1_write_headers_of(&out, head, 0);
	if (head->body == SL_H1_BODY_CHUNKED)
		sl_h1_write_chunked(&out);
	else if (head->body == SL_H1_BODY_LENGTH)
		sl_h1_write_content_length(&out, (uint64_t)head->content_length);
	len = sl_h1_write_end(&out);
	CHECK(len > 0);
	if (head->header_count + 1 > SL_H1_HEADERS_MAX)
		return;
	CHECK(sl_h1_parse_response(room, (size_t)len, 0, &again) == len);
	CHECK(again.status == head->status);
	h1_check_copied(head, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sl_h1_head head;
	char *copy = fuzz_copy(data, size);
	int rc = sl_h1_parse_response(copy, size, 0, &head);

	CHECK(rc <= (int)size);
	if (rc > 0) {
		h1_check_lenient(&head, copy, (size_t)rc);
		check_framing(&head);
		check_anew(&head);
	}
	free(copy);
	h1_check_pieces(sl_h1_parse_response, data, size, rc);
	return 0;
}
