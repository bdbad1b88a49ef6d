/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/http/h2_head.h"

#include <errno.h>
#include <string.h>

#define IS(span, literal) sl_span_equal((span), SL_SPAN(literal))

void sl_h2_fields_init(struct sl_h2_fields *fields)
{
	*fields = (struct sl_h2_fields){0};
	for (int i = 0; i < SL_H2_PSEUDO_COUNT; i++)
		sl_text_init(&fields->pseudo[i], SL_H1_REQUEST_HEAD_BYTES_MAX);
	sl_text_init(&fields->lines, SL_H1_REQUEST_HEAD_BYTES_MAX);
	sl_text_init(&fields->host, SL_H1_REQUEST_HEAD_BYTES_MAX);
	sl_text_init(&fields->cookie, SL_H1_REQUEST_HEAD_BYTES_MAX);
}

void sl_h2_fields_fini(struct sl_h2_fields *fields)
{
	for (int i = 0; i < SL_H2_PSEUDO_COUNT; i++)
		sl_text_fini(&fields->pseudo[i]);
	sl_text_fini(&fields->lines);
	sl_text_fini(&fields->host);
	sl_text_fini(&fields->cookie);
}

static void refuse(struct sl_h2_fields *fields, enum sl_h1_bad bad)
{
	if (!fields->bad)
		fields->bad = bad;
}

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t';
}

static bool value_is_clean(struct sl_span value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char byte = (unsigned char)value.data[i];

		if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
			return false;
	}
	return !value.len || (!is_blank(value.data[0]) && !is_blank(value.data[value.len - 1]));
}

/* A colon would end the name early in the text; what else no token may hold the parser refuses. */
static bool name_is_clean(struct sl_span name)
{
	for (size_t i = 0; i < name.len; i++) {
		unsigned char byte = (unsigned char)name.data[i];

		if (byte <= 0x20 || byte >= 0x7f || byte == ':' || (byte >= 'A' && byte <= 'Z'))
			return false;
	}
	return name.len > 0;
}

static void take_pseudo(struct sl_h2_fields *fields, struct sl_span name, struct sl_span value)
{
	static const struct sl_span names[SL_H2_PSEUDO_COUNT] = {
		[SL_H2_METHOD] = {":method", 7},
		[SL_H2_SCHEME] = {":scheme", 7},
		[SL_H2_AUTHORITY] = {":authority", 10},
		[SL_H2_PATH] = {":path", 5},
	};
	int i;

	for (i = 0; i < SL_H2_PSEUDO_COUNT && !sl_span_equal(name, names[i]); i++)
		;
	if (i == SL_H2_PSEUDO_COUNT || fields->has[i] || fields->regular) {
		refuse(fields, SL_H1_BAD_PSEUDO);
		return;
	}
	fields->has[i] = true;
	sl_text_append_span(&fields->pseudo[i], value);
}

/* Of one connection, which HTTP/2 does not tell this way. */
static bool is_of_connection(enum sl_h1_id id, struct sl_span value)
{
	switch (id) {
	case SL_H1_ID_CONNECTION:
	case SL_H1_ID_KEEP_ALIVE:
	case SL_H1_ID_PROXY:
	case SL_H1_ID_TRANSFER_ENCODING:
	case SL_H1_ID_UPGRADE:
	case SL_H1_ID_HTTP2_SETTINGS:
		return true;
	case SL_H1_ID_TE:
		return !IS(value, "trailers");
	default:
		return false;
	}
}

static void take_regular(struct sl_h2_fields *fields, struct sl_span name, struct sl_span value)
{
	enum sl_h1_id id = sl_h1_name_id(name.data, name.len);

	fields->regular = true;
	if (!name_is_clean(name)) {
		refuse(fields, SL_H1_BAD_HEADER_NAME);
	} else if (is_of_connection(id, value)) {
		refuse(fields, SL_H1_BAD_OF_CONNECTION);
	} else if (id == SL_H1_ID_HOST) {
		if (fields->has_host)
			refuse(fields, SL_H1_BAD_HOST_DUPLICATE);
		fields->has_host = true;
		sl_text_append_span(&fields->host, value);
	} else if (id == SL_H1_ID_COOKIE) {
		if (fields->has_cookie)
			sl_text_append_string(&fields->cookie, "; ");
		fields->has_cookie = true;
		sl_text_append_span(&fields->cookie, value);
	} else {
		sl_text_append_span(&fields->lines, name);
		sl_text_append_string(&fields->lines, ": ");
		sl_text_append_span(&fields->lines, value);
		sl_text_append_string(&fields->lines, "\r\n");
	}
}

bool sl_h2_fields_take(struct sl_h2_fields *fields, const char *name, size_t name_len,
		       const char *value, size_t value_len)
{
	struct sl_span name_span = {name, name_len}, value_span = {value, value_len};

	if (++fields->seen > SL_H2_FIELDS_MAX)
		return false;
	fields->bytes += name_len + value_len;
	if (fields->bytes > SL_H1_REQUEST_HEAD_BYTES_MAX)
		refuse(fields, SL_H1_BAD_HEAD_LONG);
	if (!value_is_clean(value_span))
		refuse(fields, SL_H1_BAD_CONTROL);
	if (fields->bad) /* nothing more is kept of it */
		return true;
	if (name_len && name[0] == ':')
		take_pseudo(fields, name_span, value_span);
	else
		take_regular(fields, name_span, value_span);
	return true;
}

/* What must hold across the pseudo fields. */
static void check_pseudo(struct sl_h2_fields *fields)
{
	struct sl_span method = sl_text_span(&fields->pseudo[SL_H2_METHOD]);
	struct sl_span scheme = sl_text_span(&fields->pseudo[SL_H2_SCHEME]);
	struct sl_span path = sl_text_span(&fields->pseudo[SL_H2_PATH]);
	struct sl_span authority = sl_text_span(&fields->pseudo[SL_H2_AUTHORITY]);
	struct sl_span host = sl_text_span(&fields->host);

	if (IS(method, "CONNECT"))
		refuse(fields, SL_H1_BAD_METHOD_CONNECT);
	if (!fields->has[SL_H2_METHOD] || !fields->has[SL_H2_SCHEME] || !fields->has[SL_H2_PATH])
		refuse(fields, SL_H1_BAD_PSEUDO);
	if (sl_span_find(method, ' ') < method.len)
		refuse(fields, SL_H1_BAD_METHOD);
	if (sl_span_find(path, ' ') < path.len || sl_span_find(path, '\t') < path.len ||
	    !path.len || (path.data[0] != '/' && !IS(path, "*")))
		refuse(fields, SL_H1_BAD_TARGET);
	if (!IS(scheme, "http") && !IS(scheme, "https"))
		refuse(fields, SL_H1_BAD_PSEUDO);
	if (fields->has[SL_H2_AUTHORITY] && fields->has_host &&
	    !sl_span_equal_case(authority, host))
		refuse(fields, SL_H1_BAD_HOST_MISMATCH);
}

static void write_all(struct sl_h2_fields *fields, struct sl_text *out)
{
	const struct sl_text *host = &fields->pseudo[SL_H2_AUTHORITY];

	sl_text_append_span(out, sl_text_span(&fields->pseudo[SL_H2_METHOD]));
	sl_text_append_char(out, ' ');
	sl_text_append_span(out, sl_text_span(&fields->pseudo[SL_H2_PATH]));
	sl_text_append_string(out, " HTTP/1.1\r\n");
	if (!fields->has[SL_H2_AUTHORITY])
		host = &fields->host;
	if (fields->has[SL_H2_AUTHORITY] || fields->has_host) {
		sl_text_append_string(out, "host: ");
		sl_text_append_span(out, sl_text_span(host));
		sl_text_append_string(out, "\r\n");
	}
	sl_text_append_span(out, sl_text_span(&fields->lines));
	if (fields->has_cookie) {
		sl_text_append_string(out, "cookie: ");
		sl_text_append_span(out, sl_text_span(&fields->cookie));
		sl_text_append_string(out, "\r\n");
	}
	sl_text_append_string(out, "\r\n");
}

/* One text that could not take all: too long, or no memory. */
static int error_of(const struct sl_h2_fields *fields)
{
	int error = fields->lines.error;

	if (!error)
		error = fields->cookie.error;
	if (!error)
		error = fields->host.error;
	for (int i = 0; i < SL_H2_PSEUDO_COUNT && !error; i++)
		error = fields->pseudo[i].error;
	return error;
}

int sl_h2_fields_write(struct sl_h2_fields *fields, struct sl_h1_head *head, char **ret_text)
{
	struct sl_text out;
	int error = error_of(fields), rc;

	check_pseudo(fields);
	if (fields->bad)
		return -(int)fields->bad;
	sl_text_init(&out, SL_H1_REQUEST_HEAD_BYTES_MAX);
	if (!error) {
		write_all(fields, &out);
		error = out.error;
	}
	if (error) {
		sl_text_fini(&out);
		return error == -E2BIG ? -SL_H1_BAD_HEAD_LONG : 0;
	}
	rc = sl_h1_parse_request(out.data, out.len, 0, head);
	/* Every line end is ours: a head that is not all of the text cannot be. */
	if (rc > 0 && (size_t)rc != out.len)
		rc = -SL_H1_BAD_CONTROL;
	if (rc == 0)
		rc = out.len >= SL_H1_REQUEST_HEAD_BYTES_MAX ? -SL_H1_BAD_HEAD_LONG
							     : -SL_H1_BAD_CONTROL;
	if (rc < 0) {
		sl_text_fini(&out);
		return rc;
	}
	*ret_text = out.data;
	return rc;
}
