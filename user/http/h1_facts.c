/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What header fields mean. Each field with an id is digested once, when it is found; what
 * needs several fields (framing, Host against target) is decided when the head is complete.
 *
 * Framing, requests and responses (RFC 9112 6.3, refusing where it lets us choose):
 *
 *	Transfer-Encoding	Content-Length	version	result
 *	absent			absent		any	no body; a response: until close
 *	absent			one, digits	any	that many bytes
 *	chunked			absent		1.1	chunked
 *	chunked			present		any	refused
 *	chunked			absent		1.0	refused
 *	anything else		any		any	refused
 *	any			two or more	any	refused, equal or not
 *
 * Pure; any thread.
 */
#include "user/http/h1_facts.h"

#include <string.h>
#include "user/base/text.h"

#define HOST_PORT_DIGITS_MAX 5
#define RETRY_AFTER_S_MAX    (24 * 3600) /* more is cut: no wait of ours is longer */

static inline char lower(char b)
{
	return b >= 'A' && b <= 'Z' ? (char)(b | 0x20) : b;
}

bool sl_h1_text_equal(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (lower(a[i]) != lower(b[i]))
			return false;
	return true;
}

/*
 * Compares a header name with a lower-case literal, eight bytes at a time. Setting bit 0x20
 * maps no other token character onto a letter, a digit or '-', so this is exact for names.
 */
static inline __attribute__((always_inline)) bool name_is(const char *name, const char *literal,
							  size_t len)
{
	uint64_t a, b;
	uint32_t c, d;
	size_t i = 0;

	if (len >= 8) {
		for (; i + 8 <= len; i += 8) {
			memcpy(&a, name + i, 8);
			memcpy(&b, literal + i, 8);
			if ((a | UINT64_C(0x2020202020202020)) != b)
				return false;
		}
		if (i == len)
			return true;
		memcpy(&a, name + len - 8, 8);
		memcpy(&b, literal + len - 8, 8);
		return (a | UINT64_C(0x2020202020202020)) == b;
	}
	if (len >= 4) {
		memcpy(&c, name, 4);
		memcpy(&d, literal, 4);
		if ((c | 0x20202020) != d)
			return false;
		memcpy(&c, name + len - 4, 4);
		memcpy(&d, literal + len - 4, 4);
		return (c | 0x20202020) == d;
	}
	for (; i < len; i++)
		if ((name[i] | 0x20) != literal[i])
			return false;
	return true;
}

#define IS(literal, id)                                          \
	do {                                                     \
		if (name_is(name, literal, sizeof(literal) - 1)) \
			return id;                               \
	} while (0)

#define BEGINS(literal, id)                                                                        \
	do {                                                                                       \
		if (name_len > sizeof(literal) - 1 && name_is(name, literal, sizeof(literal) - 1)) \
			return id;                                                                 \
	} while (0)

static enum sl_h1_id family_of(const char *name, size_t name_len)
{
	switch (lower(name[0])) {
	case 'a':
		BEGINS("anthropic-", SL_H1_ID_ANTHROPIC);
		break;
	case 'p':
		BEGINS("proxy-", SL_H1_ID_PROXY);
		break;
	case 'x':
		BEGINS("x-sluice-", SL_H1_ID_X_SLUICE);
		BEGINS("x-ratelimit-", SL_H1_ID_X_RATELIMIT);
		BEGINS("x-forwarded-", SL_H1_ID_X_FORWARDED);
		break;
	}
	return SL_H1_ID_OTHER;
}

enum sl_h1_id sl_h1_name_id(const char *name, size_t name_len)
{
	switch (name_len) {
	case 0:
		return SL_H1_ID_OTHER;
	case 2:
		IS("te", SL_H1_ID_TE);
		break;
	case 3:
		IS("via", SL_H1_ID_VIA);
		break;
	case 4:
		IS("host", SL_H1_ID_HOST);
		IS("date", SL_H1_ID_DATE);
		break;
	case 6:
		IS("accept", SL_H1_ID_ACCEPT);
		IS("cookie", SL_H1_ID_COOKIE);
		IS("expect", SL_H1_ID_EXPECT);
		IS("server", SL_H1_ID_SERVER);
		break;
	case 7:
		IS("trailer", SL_H1_ID_TRAILER);
		IS("upgrade", SL_H1_ID_UPGRADE);
		break;
	case 9:
		IS("x-api-key", SL_H1_ID_X_API_KEY);
		IS("forwarded", SL_H1_ID_FORWARDED);
		break;
	case 10:
		IS("connection", SL_H1_ID_CONNECTION);
		IS("user-agent", SL_H1_ID_USER_AGENT);
		IS("request-id", SL_H1_ID_REQUEST_ID);
		IS("keep-alive", SL_H1_ID_KEEP_ALIVE);
		IS("tracestate", SL_H1_ID_TRACESTATE);
		break;
	case 11:
		IS("traceparent", SL_H1_ID_TRACEPARENT);
		IS("retry-after", SL_H1_ID_RETRY_AFTER);
		break;
	case 12:
		IS("content-type", SL_H1_ID_CONTENT_TYPE);
		IS("x-request-id", SL_H1_ID_X_REQUEST_ID);
		IS("x-session-id", SL_H1_ID_X_SESSION_ID);
		break;
	case 13:
		IS("authorization", SL_H1_ID_AUTHORIZATION);
		IS("cache-control", SL_H1_ID_CACHE_CONTROL);
		break;
	case 14:
		IS("content-length", SL_H1_ID_CONTENT_LENGTH);
		IS("retry-after-ms", SL_H1_ID_RETRY_AFTER_MS);
		IS("x-should-retry", SL_H1_ID_X_SHOULD_RETRY);
		IS("http2-settings", SL_H1_ID_HTTP2_SETTINGS);
		break;
	case 15:
		IS("accept-encoding", SL_H1_ID_ACCEPT_ENCODING);
		break;
	case 16:
		IS("content-encoding", SL_H1_ID_CONTENT_ENCODING);
		break;
	case 17:
		IS("transfer-encoding", SL_H1_ID_TRANSFER_ENCODING);
		break;
	}
	return family_of(name, name_len);
}

static inline bool value_is(const struct sl_h1_header *h, const char *literal, size_t len)
{
	return h->value_len == len && sl_h1_text_equal(h->value, literal, len);
}

#define VALUE_IS(h, literal) value_is((h), "" literal, sizeof(literal) - 1)

/* Digits only, no sign, no leading zero, at most INT64_MAX; -1 when it is anything else. */
static int64_t digits_of(const char *text, size_t len)
{
	int64_t value = 0;

	if (len == 0 || (len > 1 && text[0] == '0'))
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, text[i] - '0', &value))
			return -1;
	}
	return value;
}

static int take_length(struct sl_h1_head *head, const struct sl_h1_header *h, bool again)
{
	if (again)
		return -SL_H1_BAD_LENGTH_DUPLICATE;
	head->content_length = digits_of(h->value, h->value_len);
	return head->content_length < 0 ? -SL_H1_BAD_LENGTH : 0;
}

static int take_coding(const struct sl_h1_header *h, bool again)
{
	static const char chunked[] = "chunked";
	size_t len = sizeof(chunked) - 1;

	if (again)
		return -SL_H1_BAD_CODING;
	if (VALUE_IS(h, "chunked"))
		return 0;
	/* other codings, then chunked: understood but not done; anything else is malformed */
	if (h->value_len > len && sl_h1_text_equal(h->value + h->value_len - len, chunked, len) &&
	    memchr(", \t", h->value[h->value_len - len - 1], 3))
		return -SL_H1_BAD_CODING_UNSUPPORTED;
	return -SL_H1_BAD_CODING;
}

static inline bool is_host_byte(char b)
{
	return (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') ||
	       b == '-' || b == '.' || b == '_' || b == '~';
}

static inline bool is_hex(char b)
{
	return (b >= '0' && b <= '9') || ((b | 0x20) >= 'a' && (b | 0x20) <= 'f');
}

/* name, IPv4 or [IPv6], then an optional port. Percent codes and sub-delimiters are refused. */
static bool host_valid(const char *host, size_t len)
{
	size_t i = 0;
	size_t digits;
	uint32_t port = 0;

	if (len == 0 || len > SL_H1_HOST_BYTES_MAX)
		return false;
	if (host[0] == '[') {
		for (i = 1; i < len && (is_hex(host[i]) || host[i] == ':' || host[i] == '.'); i++)
			;
		if (i < 3 || i == len || host[i] != ']')
			return false;
		i++;
	} else {
		while (i < len && is_host_byte(host[i]))
			i++;
		if (i == 0)
			return false;
	}
	if (i == len)
		return true;
	if (host[i++] != ':')
		return false;
	for (digits = 0; i < len; i++, digits++) {
		if (host[i] < '0' || host[i] > '9' || digits == HOST_PORT_DIGITS_MAX)
			return false;
		port = port * 10 + (uint32_t)(host[i] - '0');
	}
	return digits > 0 && port <= UINT16_MAX;
}

/* head->host holds the authority of an absolute target, if there was one. */
static int take_host(struct sl_h1_head *head, const struct sl_h1_header *h, bool again)
{
	if (again)
		return -SL_H1_BAD_HOST_DUPLICATE;
	if (!host_valid(h->value, h->value_len))
		return -SL_H1_BAD_HOST;
	if (head->host && (head->host_len != h->value_len ||
			   !sl_h1_text_equal(head->host, h->value, h->value_len)))
		return -SL_H1_BAD_HOST_MISMATCH;
	head->host = h->value;
	head->host_len = h->value_len;
	return 0;
}

static void take_connection_option(struct sl_h1_facts *f, const char *text, size_t len)
{
	if (len == 5 && sl_h1_text_equal(text, "close", 5)) {
		f->close = true;
		return;
	}
	switch (sl_h1_name_id(text, len)) {
	case SL_H1_ID_KEEP_ALIVE:
		f->keep = true;
		break;
	case SL_H1_ID_UPGRADE:
		f->upgrade = true;
		break;
	case SL_H1_ID_HOST:
	case SL_H1_ID_CONTENT_LENGTH:
	case SL_H1_ID_TRANSFER_ENCODING:
	case SL_H1_ID_CONNECTION:
	case SL_H1_ID_PROXY:
	case SL_H1_ID_TE:
	case SL_H1_ID_TRAILER:
	case SL_H1_ID_HTTP2_SETTINGS:
	case SL_H1_ID_EXPECT:
		break; /* never copied anyway */
	default:
		f->head->connection_names = true;
	}
}

static inline bool is_option_byte(char b)
{
	return (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') ||
	       (b && strchr("!#$%&'*+-.^_`|~", b));
}

/* A list of tokens separated by commas; empty elements are allowed (RFC 9110 5.6.1). */
static int take_connection(struct sl_h1_facts *f, const struct sl_h1_header *h)
{
	const char *at = h->value;
	const char *end = at + h->value_len;

	while (at < end) {
		const char *begin;

		if (*at == ',' || *at == ' ' || *at == '\t') {
			at++;
			continue;
		}
		for (begin = at; at < end && is_option_byte(*at); at++)
			;
		if (at == begin || f->connection_options++ == SL_H1_CONNECTION_OPTIONS_MAX)
			return -SL_H1_BAD_CONNECTION;
		take_connection_option(f, begin, (size_t)(at - begin));
		while (at < end && (*at == ' ' || *at == '\t'))
			at++;
		if (at < end && *at != ',')
			return -SL_H1_BAD_CONNECTION;
	}
	return 0;
}

/* The media type without its parameters. */
static enum sl_h1_content content_of(const struct sl_h1_header *h)
{
	const char *stop = memchr(h->value, ';', h->value_len);
	size_t len = stop ? (size_t)(stop - h->value) : h->value_len;

	while (len && (h->value[len - 1] == ' ' || h->value[len - 1] == '\t'))
		len--;
	if (len == 16 && sl_h1_text_equal(h->value, "application/json", len))
		return SL_H1_CONTENT_JSON;
	if (len == 17 && sl_h1_text_equal(h->value, "text/event-stream", len))
		return SL_H1_CONTENT_SSE;
	return SL_H1_CONTENT_OTHER;
}

static int64_t wait_of(const struct sl_h1_header *h, int64_t max)
{
	int64_t value = digits_of(h->value, h->value_len);

	if (value < 0)
		return SL_H1_RETRY_AFTER_UNREAD;
	return value < max ? value : max;
}

static int take_expect(const struct sl_h1_facts *f, const struct sl_h1_header *h)
{
	if (!f->request || f->head->minor == 0)
		return 0; /* RFC 9110 10.1.1: ignored from an HTTP/1.0 client */
	if (!VALUE_IS(h, "100-continue"))
		return -SL_H1_BAD_EXPECT;
	f->head->expect_continue = true;
	return 0;
}

/* Two of these would let us and the next server see different ones. */
static int take_single(const struct sl_h1_facts *f, bool again)
{
	return f->request && again ? -SL_H1_BAD_DUPLICATE : 0;
}

/*
 * Servers that hand fields on as variables (CGI, WSGI) make one name of '-' and '_': behind such a
 * one this would be a second field of framing.
 */
static bool is_framing_disguised(const struct sl_h1_header *h)
{
	static const struct sl_span names[] = {SL_SPAN("content-length"),
					       SL_SPAN("transfer-encoding")};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t at = 0;

		if (h->name_len != names[i].len)
			continue;
		while (at < h->name_len &&
		       (h->name[at] == '_' ? '-' : lower(h->name[at])) == names[i].data[at])
			at++;
		if (at == h->name_len)
			return true;
	}
	return false;
}

int sl_h1_facts_take(struct sl_h1_facts *f, uint32_t index)
{
	struct sl_h1_head *head = f->head;
	struct sl_h1_header *h = &head->headers[index];
	enum sl_h1_id id = sl_h1_name_id(h->name, h->name_len);
	bool again = head->present & SL_H1_ID_BIT(id);

	h->id = (uint8_t)id;
	head->present |= SL_H1_ID_BIT(id);
	if (!again)
		head->first[id] = (uint8_t)index;
	switch (id) {
	case SL_H1_ID_OTHER:
		return f->request && is_framing_disguised(h) ? -SL_H1_BAD_HEADER_NAME : 0;
	case SL_H1_ID_HOST:
		return f->request ? take_host(head, h, again) : 0;
	case SL_H1_ID_CONTENT_LENGTH:
		return take_length(head, h, again);
	case SL_H1_ID_TRANSFER_ENCODING:
		return take_coding(h, again);
	case SL_H1_ID_CONNECTION:
		return take_connection(f, h);
	case SL_H1_ID_EXPECT:
		return take_expect(f, h);
	case SL_H1_ID_CONTENT_TYPE:
		head->content = (uint8_t)content_of(h);
		return take_single(f, again);
	case SL_H1_ID_AUTHORIZATION:
	case SL_H1_ID_X_API_KEY:
		return take_single(f, again);
	case SL_H1_ID_RETRY_AFTER:
		f->retry_after_s = wait_of(h, RETRY_AFTER_S_MAX);
		return 0;
	case SL_H1_ID_RETRY_AFTER_MS:
		head->retry_after_ms = wait_of(h, (int64_t)RETRY_AFTER_S_MAX * 1000);
		return 0;
	default:
		return 0;
	}
}

int sl_h1_facts_target(struct sl_h1_head *head)
{
	const char *at = head->target;
	const char *end = at + head->target_len;
	const char *query;

	if (*at != '/') {
		const char *authority;
		size_t len = head->target_len;

		if (len == 1 && *at == '*' && head->method == SL_H1_METHOD_OPTIONS) {
			head->path = at;
			head->path_len = 1;
			return 0;
		}
		if (len > 7 && sl_h1_text_equal(at, "http://", 7))
			at += 7;
		else if (len > 8 && sl_h1_text_equal(at, "https://", 8))
			at += 8;
		else
			return -SL_H1_BAD_TARGET;
		for (authority = at; at < end && *at != '/' && *at != '?'; at++)
			;
		if (!host_valid(authority, (size_t)(at - authority)))
			return -SL_H1_BAD_TARGET;
		head->host = authority;
		head->host_len = (uint32_t)(at - authority);
	}
	query = memchr(at, '?', (size_t)(end - at));
	head->path = at;
	head->path_len = (uint32_t)((query ? query : end) - at);
	if (head->path_len == 0) { /* http://host: RFC 9112 3.2.1 sends "/" on */
		head->path = "/";
		head->path_len = 1;
	}
	if (query) {
		head->query = query + 1;
		head->query_len = (uint32_t)(end - query - 1);
	}
	return 0;
}

/* What requests and responses have in common. */
static int finish(struct sl_h1_facts *f)
{
	struct sl_h1_head *head = f->head;
	bool coded = head->present & SL_H1_ID_BIT(SL_H1_ID_TRANSFER_ENCODING);

	if (coded && head->content_length >= 0)
		return -SL_H1_BAD_LENGTH_AND_CODING;
	if (coded && head->minor == 0)
		return -SL_H1_BAD_CODING_VERSION;
	head->body = coded			? SL_H1_BODY_CHUNKED
		     : head->content_length > 0 ? SL_H1_BODY_LENGTH
						: SL_H1_BODY_NONE;
	head->keep_alive = !f->close && (head->minor == 1 || f->keep);
	head->upgrade = f->upgrade && (head->present & SL_H1_ID_BIT(SL_H1_ID_UPGRADE));
	if (head->retry_after_ms < 0 && f->retry_after_s != SL_H1_RETRY_AFTER_NONE)
		head->retry_after_ms =
			f->retry_after_s < 0 ? f->retry_after_s : f->retry_after_s * 1000;
	return 0;
}

int sl_h1_facts_finish_request(struct sl_h1_facts *f)
{
	struct sl_h1_head *head = f->head;

	if (head->minor == 1 && !(head->present & SL_H1_ID_BIT(SL_H1_ID_HOST)))
		return -SL_H1_BAD_HOST_MISSING;
	return finish(f);
}

int sl_h1_facts_finish_response(struct sl_h1_facts *f)
{
	struct sl_h1_head *head = f->head;
	int rc = finish(f);

	if (rc < 0)
		return rc;
	if (head->status < 200 || head->status == 204) {
		/* a body here would be read by others as the next response */
		if (head->body != SL_H1_BODY_NONE)
			return -SL_H1_BAD_CODING_STATUS;
		return 0;
	}
	if (head->status == 304) {
		head->body = SL_H1_BODY_NONE; /* Content-Length speaks of the body not sent */
		return 0;
	}
	if (head->body == SL_H1_BODY_NONE && head->content_length < 0) {
		head->body = SL_H1_BODY_UNTIL_CLOSE;
		head->keep_alive = false;
	}
	return 0;
}
