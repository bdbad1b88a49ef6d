/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/trace_context.h"

#include <string.h>

#define BILLION	       1000000000ull
#define KEY_MAX	       256u
#define TENANT_MAX     241u
#define SYSTEM_MAX     14u
#define VALUE_MAX      256u
#define RANDOM_BITS    56u
#define GOLDEN	       0x9e3779b97f4a7c15ull
#define AT_TRACE       3u
#define AT_PARENT      36u
#define AT_FLAGS       53u
#define VERSION_NOBODY 0xffu /* is not to be used */

/* ---- traceparent ----------------------------------------------------------------------------- */

/* Lower-case digits alone: what the standard wants of all of them. */
static bool read_hex(const char *text, size_t digits, uint64_t *ret_value)
{
	uint64_t value = 0;

	for (size_t i = 0; i < digits; i++) {
		char c = text[i];

		if (c >= '0' && c <= '9')
			value = value << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*ret_value = value;
	return true;
}

bool sl_trace_read_id(struct sl_span text, uint64_t *ret_high, uint64_t *ret_low)
{
	return text.len == SL_TRACE_ID_TEXT - 1 && read_hex(text.data, 16, ret_high) &&
	       read_hex(text.data + 16, 16, ret_low) && (*ret_high || *ret_low);
}

bool sl_trace_read(struct sl_span value, struct sl_trace_context *ret_trace)
{
	struct sl_trace_context trace = {0};
	const char *at = value.data;
	uint64_t version, flags;

	if (value.len < SL_TRACE_PARENT_LEN || !read_hex(at, 2, &version) ||
	    version == VERSION_NOBODY || (!version && value.len != SL_TRACE_PARENT_LEN) ||
	    (value.len > SL_TRACE_PARENT_LEN && at[SL_TRACE_PARENT_LEN] != '-'))
		return false;
	if (at[AT_TRACE - 1] != '-' || at[AT_PARENT - 1] != '-' || at[AT_FLAGS - 1] != '-')
		return false;
	if (!sl_trace_read_id(sl_span_make(at + AT_TRACE, SL_TRACE_ID_TEXT - 1), &trace.high,
			      &trace.low) ||
	    !read_hex(at + AT_PARENT, 16, &trace.parent) || !trace.parent ||
	    !read_hex(at + AT_FLAGS, 2, &flags))
		return false;
	trace.flags = (uint8_t)(flags & (SL_TRACE_SAMPLED | SL_TRACE_RANDOM));
	*ret_trace = trace;
	return true;
}

/* ---- tracestate ------------------------------------------------------------------------------ */

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A part of a key, from its second character on. */
static bool has_key_chars(struct sl_span part)
{
	for (size_t i = 1; i < part.len; i++) {
		if (!is_lower(part.data[i]) && !is_digit(part.data[i]) &&
		    !memchr("_-*/", part.data[i], 4))
			return false;
	}
	return true;
}

static bool is_key(struct sl_span key)
{
	size_t at = sl_span_find(key, '@');
	struct sl_span tenant = sl_span_make(key.data, at), system;

	if (at == key.len)
		return key.len && key.len <= KEY_MAX && is_lower(key.data[0]) && has_key_chars(key);
	system = sl_span_make(key.data + at + 1, key.len - at - 1);
	return tenant.len && tenant.len <= TENANT_MAX &&
	       (is_lower(tenant.data[0]) || is_digit(tenant.data[0])) && has_key_chars(tenant) &&
	       system.len && system.len <= SYSTEM_MAX && is_lower(system.data[0]) &&
	       has_key_chars(system);
}

static bool is_value(struct sl_span value)
{
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] < 0x20 || value.data[i] > 0x7e || value.data[i] == '=')
			return false;
	}
	return value.len && value.len <= VALUE_MAX;
}

bool sl_trace_state_is_valid(struct sl_span value, uint32_t *members)
{
	while (value.len) {
		struct sl_span rest = sl_span_trim(sl_span_cut(&value, ',')), key;
		size_t equals = sl_span_find(rest, '=');

		if (!rest.len) /* nothing between two commas */
			continue;
		if (equals == rest.len || ++*members > SL_TRACE_STATE_MAX)
			return false;
		key = sl_span_cut(&rest, '=');
		if (!is_key(key) || !is_value(rest))
			return false;
	}
	return true;
}

/* ---- ids ------------------------------------------------------------------------------------- */

bool sl_trace_is_in_share(const struct sl_trace_context *trace, uint64_t billionths)
{
	const uint64_t all = 1ull << RANDOM_BITS;

	if (billionths >= BILLION)
		return true;
	/* all / BILLION loses a part in 7 * 10^7 of the share */
	return (trace->low & (all - 1)) < all / BILLION * billionths;
}

uint64_t sl_trace_child(const struct sl_trace_context *trace, uint32_t number)
{
	/* the finalizer of splitmix64: one bit of the number changes half of those of the id */
	uint64_t x = trace->span + GOLDEN * (number + 1ull);

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	x ^= x >> 31;
	return x ? x : 1;
}

static char *write_hex(char *out, uint64_t value, int digits)
{
	static const char hex[] = "0123456789abcdef";

	while (digits-- > 0)
		*out++ = hex[value >> 4 * digits & 15];
	return out;
}

void sl_trace_write_id(const struct sl_trace_context *trace, char out[SL_TRACE_ID_TEXT])
{
	*write_hex(write_hex(out, trace->high, 16), trace->low, 16) = '\0';
}

void sl_trace_write(const struct sl_trace_context *trace, uint64_t span,
		    char out[SL_TRACE_PARENT_LEN + 1])
{
	memcpy(out, "00-", 3);
	sl_trace_write_id(trace, out + AT_TRACE);
	out[AT_PARENT - 1] = '-';
	write_hex(out + AT_PARENT, span, 16);
	out[AT_FLAGS - 1] = '-';
	*write_hex(out + AT_FLAGS, trace->flags, 2) = '\0';
}
