/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/prefix.h"

#include <errno.h>
#include <string.h>

#include "user/base/address.h"
#include "user/base/text.h"

#define V4_BITS	  96u /* before an IPv4 address begins */
#define BITS_MAX  128u
#define FORMS	  "10.0.0.0/8, fd00::/8 or one address"
#define SHOWN_MAX 60

/* Clears what lies beyond the length. */
static struct sl_prefix cut(const struct sl_prefix *prefix)
{
	struct sl_prefix result = *prefix;
	unsigned char *bytes = (unsigned char *)&result.addr;

	for (uint32_t bit = result.bits; bit < BITS_MAX; bit++)
		bytes[bit / 8] &= (unsigned char)~(0x80u >> bit % 8);
	return result;
}

/* Whether the IPv4 addresses, ::ffff:0:0/96, lie within an IPv6 prefix. */
static bool covers_v4(const struct sl_prefix *prefix)
{
	struct sl_prefix v4 = {.bits = prefix->bits};

	v4.addr.w[2] = __builtin_bswap32(0xffffu);
	if (prefix->bits >= V4_BITS)
		return false;
	v4 = cut(&v4);
	return sl_prefix_compare(&v4, prefix) == 0;
}

int sl_prefix_parse(const char *text, struct sl_prefix *ret_prefix, struct sl_error *error)
{
	struct sl_span rest = sl_span_string(text);
	bool has_length = sl_span_find(rest, '/') < rest.len;
	struct sl_span host = sl_span_cut(&rest, '/');
	char host_text[SL_ADDRESS_TEXT_SIZE], meant[SL_PREFIX_TEXT_SIZE];
	bool is_v6 = sl_span_find(host, ':') < host.len;
	uint64_t length = is_v6 ? BITS_MAX : BITS_MAX - V4_BITS;
	uint64_t length_max = length;
	struct sl_prefix prefix, whole;

	if (host.len >= sizeof(host_text))
		host.len = 0;
	memcpy(host_text, host.data, host.len);
	host_text[host.len] = '\0';
	if (sl_address_parse_host(host_text, &prefix.addr, NULL) != 0 ||
	    (has_length && sl_span_u64(rest, &length) != 0))
		return sl_error_set(error, -EINVAL, "\"%.*s\" is no prefix (expected " FORMS ")",
				    SHOWN_MAX, text);
	if (length > length_max)
		return sl_error_set(error, -EINVAL,
				    "\"%.*s\" is longer than an address (at most /%u)", SHOWN_MAX,
				    text, (unsigned)length_max);
	prefix.bits = (uint32_t)length + (is_v6 ? 0 : V4_BITS);
	whole = cut(&prefix);
	if (sl_prefix_compare(&whole, &prefix) != 0)
		return sl_error_set(error, -EINVAL,
				    "\"%.*s\" has bits set beyond its length (did you mean %s?)",
				    SHOWN_MAX, text, sl_prefix_format(&whole, meant));
	if (covers_v4(&prefix))
		return sl_error_set(error, -EINVAL,
				    "\"%.*s\" would match every IPv4 address too (for all of IPv6 "
				    "write 2000::/3, for IPv4 0.0.0.0/0)",
				    SHOWN_MAX, text);
	*ret_prefix = prefix;
	return 0;
}

const char *sl_prefix_format(const struct sl_prefix *prefix, char out[SL_PREFIX_TEXT_SIZE])
{
	bool is_v4 = prefix->bits >= V4_BITS && sl_address_is_v4(&prefix->addr);
	char host[SL_ADDRESS_TEXT_SIZE];
	struct sl_text text;

	sl_text_init_fixed(&text, out, SL_PREFIX_TEXT_SIZE);
	sl_text_append_string(&text, sl_address_format_host(&prefix->addr, host));
	if (prefix->bits < BITS_MAX)
		sl_text_printf(&text, "/%u", is_v4 ? prefix->bits - V4_BITS : prefix->bits);
	return out;
}

int sl_prefix_compare(const struct sl_prefix *a, const struct sl_prefix *b)
{
	int order = memcmp(&a->addr, &b->addr, sizeof(a->addr));

	if (order != 0)
		return order;
	return a->bits < b->bits ? -1 : a->bits > b->bits;
}
