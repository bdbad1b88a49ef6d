/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/page_auth.h"

#include <string.h>
#include "user/base/address.h"

/* "NAME:TOKEN" in base64, with some room for the name. */
#define BASIC_BYTES (SL_PAGE_TOKEN_MAX + 128u)

const char *sl_page_refusal_name(enum sl_page_refusal refusal)
{
	static const char *const names[SL_PAGE_REFUSALS] = {"none", "token", "host", "origin",
							    "guard"};

	return names[refusal];
}

int sl_page_refusal_status(enum sl_page_refusal refusal)
{
	static const int statuses[SL_PAGE_REFUSALS] = {200, 401, 421, 403, 403};

	return statuses[refusal];
}

bool sl_page_token_is_formed(struct sl_span token)
{
	if (token.len < SL_PAGE_TOKEN_MIN || token.len > SL_PAGE_TOKEN_MAX)
		return false;
	for (size_t i = 0; i < token.len; i++) {
		char c = token.data[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    c != '-' && c != '_' && c != '.')
			return false;
	}
	return true;
}

/* ---- token ----------------------------------------------------------------------------------- */

static int sextet(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* RFC 4648 section 4, without bits that are left over. Returns the length, or 0. */
static size_t decode(struct sl_span text, char out[BASIC_BYTES])
{
	size_t len = 0;
	uint32_t bits = 0, count = 0;

	while (text.len && text.data[text.len - 1] == '=')
		text.len--;
	for (size_t i = 0; i < text.len; i++) {
		int value = sextet(text.data[i]);

		if (value < 0 || len == BASIC_BYTES)
			return 0;
		bits = bits << 6 | (uint32_t)value;
		count += 6;
		if (count < 8)
			continue;
		count -= 8;
		out[len++] = (char)(bits >> count);
		bits &= (1u << count) - 1;
	}
	return bits ? 0 : len;
}

/* The token that the field brings; NULL, 0: none. room is what it may lie in. */
static struct sl_span token_of(struct sl_span field, char room[BASIC_BYTES])
{
	struct sl_span scheme = sl_span_cut(&field, ' '), all;

	field = sl_span_trim(field);
	if (sl_span_equal_case(scheme, SL_SPAN("bearer")))
		return field;
	if (!sl_span_equal_case(scheme, SL_SPAN("basic")))
		return (struct sl_span){0};
	all = sl_span_make(room, decode(field, room));
	sl_span_cut(&all, ':');
	return all;
}

static bool has_token(struct sl_span field, const uint8_t digest[SL_DIGEST_BYTES])
{
	uint8_t theirs[SL_DIGEST_BYTES];
	char room[BASIC_BYTES];
	struct sl_span token = field.data ? token_of(field, room) : (struct sl_span){0};

	if (!token.len)
		return false;
	sl_digest_sha256(&token, 1, theirs);
	return sl_digest_equal(theirs, digest, SL_DIGEST_BYTES);
}

/* ---- host and origin ------------------------------------------------------------------------- */

/* The name alone of "name:port", "[::1]:port". */
static struct sl_span name_of(struct sl_span host)
{
	if (host.len && host.data[0] == '[') {
		size_t end = sl_span_find(host, ']');

		return end < host.len ? sl_span_make(host.data, end + 1) : (struct sl_span){0};
	}
	return sl_span_make(host.data, sl_span_find(host, ':'));
}

/* This machine under a name that no stranger's resolver can give: an address of loopback, or localhost. */
static bool is_here(struct sl_span host)
{
	struct sl_span name = name_of(host);
	struct sl_addr addr;
	struct sl_error error;
	char text[SL_ADDRESS_TEXT_SIZE];

	if (sl_span_equal_case(name, SL_SPAN("localhost")) || sl_span_equal(name, SL_SPAN("[::1]")))
		return true;
	if (!name.len || name.len >= sizeof(text))
		return false;
	memcpy(text, name.data, name.len);
	text[name.len] = '\0';
	return !sl_address_parse_host(text, &addr, &error) && sl_address_is_v4(&addr) &&
	       ((const uint8_t *)addr.w)[12] == 127;
}

/* Does another origin ask, as far as the request says? */
static bool is_foreign(const struct sl_admin_request *request)
{
	struct sl_span origin = request->origin, scheme = SL_SPAN("http://");

	if (request->site.data && !sl_span_equal(request->site, SL_SPAN("same-origin")) &&
	    !sl_span_equal(request->site, SL_SPAN("none")))
		return true;
	if (!origin.data)
		return false;
	if (!sl_span_starts(origin, scheme))
		return true;
	origin = sl_span_make(origin.data + scheme.len, origin.len - scheme.len);
	return !sl_span_equal_case(origin, request->host);
}

enum sl_page_refusal sl_page_admit_other(const struct sl_admin_request *request)
{
	return !is_here(request->host) ? SL_PAGE_REFUSED_HOST
	       : is_foreign(request)   ? SL_PAGE_REFUSED_ORIGIN
				       : SL_PAGE_ADMITTED;
}

enum sl_page_refusal sl_page_admit(const struct sl_admin_request *request,
				   const uint8_t digest[SL_DIGEST_BYTES])
{
	bool reads = request->method == SL_H1_METHOD_GET || request->method == SL_H1_METHOD_HEAD;

	if (!is_here(request->host))
		return SL_PAGE_REFUSED_HOST;
	if (digest && !has_token(request->authorization, digest))
		return SL_PAGE_REFUSED_TOKEN;
	if (is_foreign(request) && !(reads && sl_span_equal(request->path, SL_SPAN("/"))))
		return SL_PAGE_REFUSED_ORIGIN;
	if (!reads && !request->guard.data)
		return SL_PAGE_REFUSED_GUARD;
	return SL_PAGE_ADMITTED;
}
