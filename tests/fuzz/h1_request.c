/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Request heads. Cut anywhere the verdict is the same; no lenient reader sees other framing; what is
 * written anew from the head is read as the same request, without hop-by-hop fields.
 */
#include "tests/fuzz/h1_head.h"

static void check_anew(const struct sl_h1_head *head)
{
	static struct sl_h1_head again;
	static char room[SL_H1_REQUEST_HEAD_BYTES_MAX + 1024];
	struct sl_h1_out out;
	char *copy;
	int len;

	sl_h1_out_init(&out, room, sizeof(room));
	sl_h1_write_request_line(&out, head->method_text, head->method_len, head->target,
				 head->target_len);
	SL_H1_WRITE_HEADER(&out, "host", head->host ? head->host : "node",
			   head->host ? head->host_len : 4);
	sl_h1_write_headers_of(&out, head, 0);
	if (head->body == SL_H1_BODY_CHUNKED)
		sl_h1_write_chunked(&out);
	else if (head->content_length >= 0)
		sl_h1_write_content_length(&out, (uint64_t)head->content_length);
	len = sl_h1_write_end(&out);
	CHECK(len > 0);
	copy = fuzz_copy(room, (size_t)len);
	/* one field more than were there: the most that may be */
	if (head->header_count + 2 > SL_H1_HEADERS_MAX) {
		free(copy);
		return;
	}
	CHECK(sl_h1_parse_request(copy, (size_t)len, 0, &again) == len);
	CHECK(again.method == head->method && again.body == head->body);
	CHECK(again.content_length == head->content_length);
	CHECK(again.path_len == head->path_len && !memcmp(again.path, head->path, head->path_len));
	CHECK(again.query_len == head->query_len && !again.query == !head->query);
	h1_check_copied(head, &again);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sl_h1_head head;
	char *copy = fuzz_copy(data, size);
	int rc = sl_h1_parse_request(copy, size, 0, &head);

	CHECK(rc <= (int)size);
	if (rc < 0) {
		int status = sl_h1_bad_status((enum sl_h1_bad) - rc);

		CHECK(-rc < SL_H1_BAD_COUNT && sl_h1_bad_text((enum sl_h1_bad) - rc)[0]);
		CHECK(status == 400 || status == 414 || status == 417 || status == 431 ||
		      status == 501 || status == 505);
	}
	if (rc > 0) {
		CHECK(head.body != SL_H1_BODY_UNTIL_CLOSE);
		CHECK(head.minor == 0 || head.host);
		h1_check_lenient(&head, copy, (size_t)rc);
		check_anew(&head);
	}
	free(copy);
	h1_check_pieces(sl_h1_parse_request, data, size, rc);
	return 0;
}
