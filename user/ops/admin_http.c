/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/admin_http.h"

#include <string.h>
#include "user/http/h1_write.h"

#define HEAD_BYTES 512u /* of an answer, without the lines of its own */

bool sl_admin_http_begins(const char *line, size_t len)
{
	const char version[] = " HTTP/1.";
	const size_t tail = sizeof(version); /* with a digit */

	if (len && line[len - 1] == '\r')
		len--;
	return len > tail && !memcmp(line + len - tail, version, sizeof(version) - 1);
}

static struct sl_span field(const struct sl_h1_head *head, const char *name)
{
	const struct sl_h1_header *header = sl_h1_head_find_name(head, name, strlen(name));

	return header ? sl_span_make(header->value, header->value_len) : (struct sl_span){0};
}

int sl_admin_http_read(const char *bytes, size_t len, struct sl_admin_request *ret_request)
{
	struct sl_h1_head head;
	int head_len = sl_h1_parse_request(bytes, len, 0, &head);
	size_t body_len;

	ret_request->waits = false;
	if (head_len < 0)
		return -sl_h1_bad_status((enum sl_h1_bad) - head_len);
	if (!head_len)
		return 0;
	if (head.body == SL_H1_BODY_CHUNKED)
		return -411;
	body_len = head.content_length > 0 ? (size_t)head.content_length : 0;
	if (body_len > SL_ADMIN_BODY_BYTES_MAX)
		return -413;
	*ret_request = (struct sl_admin_request){
		.method = (enum sl_h1_method)head.method,
		.path = sl_span_make(head.path, head.path_len),
		.query = sl_span_make(head.query ? head.query : "", head.query_len),
		.body = sl_span_make(bytes + head_len, body_len),
		.host = sl_span_make(head.host, head.host_len),
		.authorization = field(&head, "authorization"),
		.origin = field(&head, "origin"),
		.site = field(&head, "sec-fetch-site"),
		.guard = field(&head, "x-sluice-page"),
		.match = field(&head, "if-none-match"),
		.waits = head.expect_continue,
	};
	return len - (size_t)head_len >= body_len;
}

static int hex(char c)
{
	const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static bool decode(struct sl_span text, char out[SL_ADMIN_QUERY_BYTES])
{
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];

		if (c == '%') {
			int high = i + 2 < text.len ? hex(text.data[i + 1]) : -1;
			int low = i + 2 < text.len ? hex(text.data[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (c < ' ' || c > '~' || len + 1 >= SL_ADMIN_QUERY_BYTES)
			return false;
		out[len++] = c;
	}
	out[len] = '\0';
	return true;
}

bool sl_admin_http_query(struct sl_span query, const char *name, char out[SL_ADMIN_QUERY_BYTES])
{
	while (query.len) {
		struct sl_span value = sl_span_cut(&query, '&');
		struct sl_span key = sl_span_cut(&value, '=');

		if (sl_span_equal(key, sl_span_string(name)))
			return decode(value, out);
	}
	return false;
}

/* The head but for its end; false: it does not fit, which no reply of ours is. */
static bool begin(const struct sl_admin_reply *reply, bool ends, size_t body_len,
		  struct sl_text *out)
{
	char room[HEAD_BYTES];
	struct sl_h1_out head;

	sl_h1_out_init(&head, room, sizeof(room));
	sl_h1_write_status_line(&head, reply->status);
	if (reply->type)
		SL_H1_WRITE_HEADER(&head, "content-type", reply->type, strlen(reply->type));
	if (reply->tag[0])
		SL_H1_WRITE_HEADER(&head, "etag", reply->tag, strlen(reply->tag));
	SL_H1_WRITE_HEADER(&head, "connection", "close", 5);
	if (ends && reply->status != 304) /* whose length would be that of what it stands for */
		sl_h1_write_content_length(&head, body_len);
	if (sl_h1_write_end(&head) <= 0)
		return false;
	sl_text_append(out, room, (size_t)(head.at - head.begin) - 2);
	sl_text_append_string(out, reply->lines ? reply->lines : "");
	sl_text_append_string(out, "\r\n");
	return true;
}

void sl_admin_http_write(const struct sl_admin_reply *reply, struct sl_span body,
			 struct sl_text *out)
{
	if (begin(reply, true, body.len, out))
		sl_text_append_span(out, body);
}

void sl_admin_http_write_open(const struct sl_admin_reply *reply, struct sl_text *out)
{
	begin(reply, false, 0, out);
}
