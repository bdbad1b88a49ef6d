/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/wire/protobuf.h"

#include <errno.h>
#include <string.h>

#define VARINT_MAX 10u
#define NUMBER_MAX 536870911u /* 2^29 - 1 */

enum { VARINT = 0, EIGHT = 1, BYTES = 2, FOUR = 5 };

static size_t put_varint(uint8_t out[VARINT_MAX], uint64_t value)
{
	size_t len = 0;

	while (value >= 0x80) {
		out[len++] = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	out[len++] = (uint8_t)value;
	return len;
}

static void varint(struct sl_text *text, uint64_t value)
{
	uint8_t room[VARINT_MAX];

	sl_text_append(text, room, put_varint(room, value));
}

static void tag(struct sl_text *text, uint32_t field, uint32_t type)
{
	varint(text, (uint64_t)field << 3 | type);
}

/* Lowest byte first, whatever the machine does. */
static void little(struct sl_text *text, uint64_t value, size_t len)
{
	uint8_t room[8];

	for (size_t i = 0; i < len; i++)
		room[i] = (uint8_t)(value >> 8 * i);
	sl_text_append(text, room, len);
}

void sl_protobuf_u64(struct sl_text *text, uint32_t field, uint64_t value)
{
	tag(text, field, VARINT);
	varint(text, value);
}

void sl_protobuf_fixed64(struct sl_text *text, uint32_t field, uint64_t value)
{
	tag(text, field, EIGHT);
	little(text, value, 8);
}

void sl_protobuf_fixed32(struct sl_text *text, uint32_t field, uint32_t value)
{
	tag(text, field, FOUR);
	little(text, value, 4);
}

void sl_protobuf_double(struct sl_text *text, uint32_t field, double value)
{
	uint64_t bits;

	_Static_assert(sizeof(bits) == sizeof(value), "IEEE 754 binary64");
	memcpy(&bits, &value, sizeof(bits));
	sl_protobuf_fixed64(text, field, bits);
}

void sl_protobuf_bytes(struct sl_text *text, uint32_t field, const void *data, size_t len)
{
	tag(text, field, BYTES);
	varint(text, len);
	if (len)
		sl_text_append(text, data, len);
}

void sl_protobuf_string(struct sl_text *text, uint32_t field, const char *string)
{
	sl_protobuf_bytes(text, field, string, strlen(string));
}

size_t sl_protobuf_open(struct sl_text *text, uint32_t field)
{
	tag(text, field, BYTES);
	sl_text_append_char(text, '\0');
	return text->len;
}

void sl_protobuf_close(struct sl_text *text, size_t mark)
{
	uint8_t room[VARINT_MAX];
	size_t len, more;

	if (text->error || !text->data)
		return;
	len = text->len - mark;
	more = put_varint(room, len) - 1;
	if (more && sl_text_append_fill(text, '\0', more))
		return;
	if (more)
		memmove(text->data + mark + more, text->data + mark, len);
	memcpy(text->data + mark - 1, room, more + 1);
}

static bool take_varint(struct sl_span *rest, uint64_t *ret_value)
{
	uint64_t value = 0;

	for (size_t i = 0; i < rest->len && i < VARINT_MAX; i++) {
		uint64_t byte = (uint8_t)rest->data[i];

		if (i == VARINT_MAX - 1 && byte > 1)
			return false;
		value |= (byte & 0x7f) << 7 * i;
		if (byte & 0x80)
			continue;
		*rest = sl_span_make(rest->data + i + 1, rest->len - i - 1);
		*ret_value = value;
		return true;
	}
	return false;
}

static bool take_bytes(struct sl_span *rest, uint64_t len, struct sl_span *ret_bytes)
{
	if (len > rest->len)
		return false;
	*ret_bytes = sl_span_make(rest->data, len);
	*rest = sl_span_make(rest->data + len, rest->len - len);
	return true;
}

int sl_protobuf_next(struct sl_span *rest, struct sl_protobuf_field *ret_field)
{
	struct sl_protobuf_field field = {.bytes = SL_SPAN("")};
	struct sl_span at = *rest;
	uint64_t head, len = 0;

	if (!at.len)
		return 0;
	if (!take_varint(&at, &head) || !(head >> 3) || head >> 3 > NUMBER_MAX)
		return -EBADMSG;
	field.number = (uint32_t)(head >> 3);
	field.type = head & 7;
	if (field.type == VARINT) {
		if (!take_varint(&at, &field.value))
			return -EBADMSG;
	} else {
		if (field.type == EIGHT || field.type == FOUR)
			len = field.type == EIGHT ? 8 : 4;
		else if (field.type != BYTES || !take_varint(&at, &len))
			return -EBADMSG;
		if (!take_bytes(&at, len, &field.bytes))
			return -EBADMSG;
		for (size_t i = 0; field.type != BYTES && i < len; i++)
			field.value |= (uint64_t)(uint8_t)field.bytes.data[i] << 8 * i;
	}
	*rest = at;
	*ret_field = field;
	return 1;
}
