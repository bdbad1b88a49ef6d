/* See http.h. */
#include "tests/standin/http.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

enum { CHUNK_DIGITS_MAX = 8 };

static bool is_name(const char *data, size_t len, const char *name)
{
	return strlen(name) == len && strncasecmp(data, name, len) == 0;
}

static bool has_token(struct sl_str value, const char *token)
{
	size_t len = strlen(token);

	for (size_t i = 0; i + len <= value.len; i++)
		if (strncasecmp(value.data + i, token, len) == 0)
			return true;
	return false;
}

static int parse_length(struct sl_str value, struct sl_head *head)
{
	size_t length = 0;

	if (value.len == 0 || value.len > 18 || head->has_length)
		return -EBADMSG;
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] < '0' || value.data[i] > '9')
			return -EBADMSG;
		length = length * 10 + (size_t)(value.data[i] - '0');
	}
	if (length > SL_HTTP_BODY_LEN_MAX)
		return -E2BIG;
	head->has_length = true;
	head->body_len = length;
	return 0;
}

static int parse_field(const char *line, size_t len, struct sl_head *head)
{
	const char *colon = memchr(line, ':', len);

	if (!colon || colon == line || colon[-1] == ' ')
		return -EBADMSG;
	size_t name_len = (size_t)(colon - line);
	struct sl_str value = {.data = colon + 1, .len = len - name_len - 1};
	while (value.len && (*value.data == ' ' || *value.data == '\t'))
		value.data++, value.len--;
	while (value.len && (value.data[value.len - 1] == ' ' || value.data[value.len - 1] == '\t'))
		value.len--;
	switch (line[0] | 32) {
	case 'c':
		if (is_name(line, name_len, "content-length"))
			return parse_length(value, head);
		if (is_name(line, name_len, "connection")) {
			if (has_token(value, "close"))
				head->keep_alive = false;
			else if (has_token(value, "keep-alive"))
				head->keep_alive = true;
		}
		return 0;
	case 't':
		if (is_name(line, name_len, "transfer-encoding")) {
			if (!is_name(value.data, value.len, "chunked"))
				return -EBADMSG;
			head->chunked = true;
		}
		return 0;
	case 'e':
		if (is_name(line, name_len, "expect"))
			head->expect_continue = is_name(value.data, value.len, "100-continue");
		return 0;
	case 'x':
		if (is_name(line, name_len, "x-standin-fault"))
			head->fault = value;
		else if (is_name(line, name_len, "x-standin-fault-node"))
			head->fault_node = value;
		return 0;
	default:
		return 0;
	}
}

static enum sl_method find_method(const char *name, size_t len)
{
	if (len == 3 && !memcmp(name, "GET", 3))
		return SL_METHOD_GET;
	if (len == 4 && !memcmp(name, "POST", 4))
		return SL_METHOD_POST;
	if (len == 4 && !memcmp(name, "HEAD", 4))
		return SL_METHOD_HEAD;
	if (len == 6 && !memcmp(name, "DELETE", 6))
		return SL_METHOD_DELETE;
	return SL_METHOD_OTHER;
}

static int parse_request_line(const char *line, size_t len, struct sl_head *head)
{
	const char *space = memchr(line, ' ', len);

	if (!space || len < 14 || memcmp(line + len - 9, " HTTP/1.", 8) != 0)
		return -EBADMSG;
	char minor = line[len - 1];
	if (minor != '0' && minor != '1')
		return -EBADMSG;
	head->http10 = minor == '0';
	head->keep_alive = !head->http10;
	head->method = find_method(line, (size_t)(space - line));
	head->path.data = space + 1;
	const char *path_end = line + len - 9;
	if (path_end <= head->path.data)
		return -EBADMSG;
	head->path.len = (size_t)(path_end - head->path.data);
	const char *query = memchr(head->path.data, '?', head->path.len);
	if (query)
		head->path.len = (size_t)(query - head->path.data);
	return 0;
}

int sl_http_head(const char *data, size_t len, struct sl_head *ret_head)
{
	struct sl_head head = {0};
	const char *end = memmem(data, len, "\r\n\r\n", 4);

	if (!end)
		return len > SL_HTTP_HEAD_LEN_MAX ? -E2BIG : -EAGAIN;
	head.head_len = (size_t)(end - data) + 4;
	if (head.head_len > SL_HTTP_HEAD_LEN_MAX)
		return -E2BIG;
	const char *at = data;
	for (int line = 0; at < end + 2; line++) {
		const char *stop = memchr(at, '\r', (size_t)(end + 2 - at));

		if (line > SL_HTTP_FIELD_COUNT_MAX)
			return -E2BIG;
		if (!stop || stop[1] != '\n')
			return -EBADMSG;
		size_t line_len = (size_t)(stop - at);
		int err = line ? parse_field(at, line_len, &head)
			       : parse_request_line(at, line_len, &head);
		if (err)
			return err;
		at = stop + 2;
	}
	if (head.chunked && head.has_length)
		return -EBADMSG;
	*ret_head = head;
	return 0;
}

/* Reads a chunk's size line at data. 0: *ret_used bytes were the line. */
static int parse_size(const char *data, size_t len, size_t *ret_size, size_t *ret_used)
{
	const char *stop = memchr(data, '\n', len);
	size_t size = 0, digits = 0;

	if (!stop)
		return len > SL_HTTP_HEAD_LEN_MAX ? -E2BIG : -EAGAIN;
	for (; data[digits] != '\r' && data[digits] != ';'; digits++) {
		char c = data[digits];
		int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) - 'a' + 10;

		if (digit < 0 || digit > 15 || digits == CHUNK_DIGITS_MAX)
			return -EBADMSG;
		size = size * 16 + (size_t)digit;
	}
	if (digits == 0 || stop[-1] != '\r')
		return -EBADMSG;
	*ret_size = size;
	*ret_used = (size_t)(stop - data) + 1;
	return 0;
}

/* Walks the chunks; copies when out is set, else only checks. Both walks are the same walk. */
static int walk_chunks(const char *data, size_t len, char *out, size_t *ret_body_len,
		       size_t *ret_used)
{
	size_t at = 0, body_len = 0, size, used;

	for (;;) {
		int err = parse_size(data + at, len - at, &size, &used);

		if (err)
			return err;
		at += used;
		if (size == 0)
			break;
		if (body_len + size > SL_HTTP_BODY_LEN_MAX)
			return -E2BIG;
		if (len - at < size + 2)
			return -EAGAIN;
		if (memcmp(data + at + size, "\r\n", 2) != 0)
			return -EBADMSG;
		if (out)
			memmove(out + body_len, data + at, size);
		body_len += size;
		at += size + 2;
	}
	for (int trailers = 0;; trailers++) {
		const char *stop = memchr(data + at, '\n', len - at);

		if (!stop)
			return -EAGAIN;
		if (trailers > SL_HTTP_FIELD_COUNT_MAX || stop == data + at || stop[-1] != '\r')
			return -EBADMSG;
		bool last = stop == data + at + 1;
		at = (size_t)(stop - data) + 1;
		if (last)
			break;
	}
	*ret_body_len = body_len;
	*ret_used = at;
	return 0;
}

int sl_http_dechunk(char *data, size_t len, size_t *ret_body_len, size_t *ret_used)
{
	size_t body_len, used;
	int err = walk_chunks(data, len, NULL, &body_len, &used);

	if (err)
		return err;
	walk_chunks(data, used, data, ret_body_len, ret_used);
	return 0;
}
