/* See json.h. */
#include "tests/standin/json.h"

#include <errno.h>
#include <stdlib.h>

enum { NUMBER_LEN_MAX = 63 };

char sl_json_peek(struct sl_json *json)
{
	while (json->at < json->end &&
	       (*json->at == ' ' || *json->at == '\n' || *json->at == '\r' || *json->at == '\t'))
		json->at++;
	return json->at < json->end ? *json->at : 0;
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'f');
}

/* The cursor stands behind a backslash. */
static int skip_escape(struct sl_json *json)
{
	if (json->at >= json->end)
		return -EBADMSG;
	char c = *json->at++;
	if (c == 0 || !strchr("\"\\/bfnrtu", c))
		return -EBADMSG;
	if (c != 'u')
		return 0;
	if (json->end - json->at < 4)
		return -EBADMSG;
	for (int i = 0; i < 4; i++)
		if (!is_hex(*json->at++))
			return -EBADMSG;
	return 0;
}

/* Steps over bytes that mean nothing inside a string, eight at a time. The test for a byte below n
 * is the well-known (x - n) & ~x & 0x80; it may also flag a byte above a flagged one, which only
 * ends the stride early. */
static const char *skip_plain(const char *at, const char *end)
{
	static const uint64_t ones = 0x0101010101010101ull, tops = 0x8080808080808080ull;

	while (end - at >= 8) {
		uint64_t bytes;

		memcpy(&bytes, at, sizeof(bytes));
		uint64_t quote = bytes ^ ones * '"', slash = bytes ^ ones * '\\';
		uint64_t hits = ((bytes - ones * 0x20) & ~bytes) | ((quote - ones) & ~quote) |
				((slash - ones) & ~slash);
		if (hits & tops)
			break;
		at += 8;
	}
	return at;
}

int sl_json_string(struct sl_json *json, struct sl_str *ret_text)
{
	struct sl_str text = {0};

	if (sl_json_peek(json) != '"')
		return -EBADMSG;
	text.data = ++json->at;
	while ((json->at = skip_plain(json->at, json->end)) < json->end) {
		unsigned char c = (unsigned char)*json->at++;

		if (c == '"') {
			text.len = (size_t)(json->at - 1 - text.data);
			*ret_text = text;
			return 0;
		}
		if (c < 0x20)
			return -EBADMSG;
		if (c == '\\') {
			text.escaped = true;
			if (skip_escape(json))
				return -EBADMSG;
		}
	}
	return -EBADMSG;
}

static size_t skip_digits(struct sl_json *json)
{
	const char *from = json->at;

	while (json->at < json->end && *json->at >= '0' && *json->at <= '9')
		json->at++;
	return (size_t)(json->at - from);
}

static int skip_number(struct sl_json *json)
{
	if (json->at < json->end && *json->at == '-')
		json->at++;
	const char *from = json->at;
	size_t digits = skip_digits(json);
	if (digits == 0 || (digits > 1 && *from == '0'))
		return -EBADMSG;
	if (json->at < json->end && *json->at == '.') {
		json->at++;
		if (skip_digits(json) == 0)
			return -EBADMSG;
	}
	if (json->at < json->end && (*json->at | 32) == 'e') {
		json->at++;
		if (json->at < json->end && (*json->at == '+' || *json->at == '-'))
			json->at++;
		if (skip_digits(json) == 0)
			return -EBADMSG;
	}
	return 0;
}

int sl_json_number(struct sl_json *json, double *ret_number)
{
	char copy[NUMBER_LEN_MAX + 1];

	sl_json_peek(json);
	const char *from = json->at;
	if (skip_number(json))
		return -EBADMSG;
	size_t len = (size_t)(json->at - from);
	if (len > NUMBER_LEN_MAX)
		return -EBADMSG;
	memcpy(copy, from, len);
	copy[len] = 0;
	*ret_number = strtod(copy, NULL);
	return 0;
}

static int skip_word(struct sl_json *json, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(json->end - json->at) < len || memcmp(json->at, word, len) != 0)
		return -EBADMSG;
	json->at += len;
	return 0;
}

int sl_json_bool(struct sl_json *json, bool *ret_value)
{
	bool value = sl_json_peek(json) == 't';

	if (skip_word(json, value ? "true" : "false"))
		return -EBADMSG;
	*ret_value = value;
	return 0;
}

int sl_json_element(struct sl_json *json, bool *first)
{
	if (*first) {
		if (sl_json_peek(json) != '[')
			return -EBADMSG;
		json->at++;
		*first = false;
		if (sl_json_peek(json) != ']')
			return 1;
		json->at++;
		return 0;
	}
	char c = sl_json_peek(json);
	if (c != ',' && c != ']')
		return -EBADMSG;
	json->at++;
	return c == ',';
}

int sl_json_member(struct sl_json *json, bool *first, struct sl_str *ret_key)
{
	if (*first) {
		if (sl_json_peek(json) != '{')
			return -EBADMSG;
		json->at++;
		*first = false;
		if (sl_json_peek(json) == '}') {
			json->at++;
			return 0;
		}
	} else {
		char c = sl_json_peek(json);

		if (c != ',' && c != '}')
			return -EBADMSG;
		json->at++;
		if (c == '}')
			return 0;
	}
	if (sl_json_string(json, ret_key) || sl_json_peek(json) != ':')
		return -EBADMSG;
	json->at++;
	return 1;
}

static int skip_value(struct sl_json *json, int depth);

static int skip_container(struct sl_json *json, int depth)
{
	bool object = *json->at == '{';
	bool first = true;
	struct sl_str key;
	int more;

	if (depth >= SL_JSON_DEPTH_MAX)
		return -EBADMSG;
	while ((more = object ? sl_json_member(json, &first, &key)
			      : sl_json_element(json, &first)) == 1) {
		if (skip_value(json, depth + 1))
			return -EBADMSG;
	}
	return more;
}

static int skip_value(struct sl_json *json, int depth)
{
	struct sl_str text;

	switch (sl_json_peek(json)) {
	case '"':
		return sl_json_string(json, &text);
	case '{':
	case '[':
		return skip_container(json, depth);
	case 't':
		return skip_word(json, "true");
	case 'f':
		return skip_word(json, "false");
	case 'n':
		return skip_word(json, "null");
	default:
		return skip_number(json);
	}
}

int sl_json_skip(struct sl_json *json)
{
	return skip_value(json, 0);
}

int sl_json_over(struct sl_json *json)
{
	sl_json_peek(json);
	return json->at == json->end ? 0 : -EBADMSG;
}

static unsigned int hex4(const char *at)
{
	unsigned int value = 0;

	for (int i = 0; i < 4; i++) {
		char c = at[i];

		value = value * 16 + (unsigned int)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
	}
	return value;
}

static void put_utf8(struct sl_buf *out, unsigned int code)
{
	char bytes[4];
	size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = len; i-- > 1; code >>= 6)
		bytes[i] = (char)(0x80 | (code & 0x3f));
	bytes[0] = (char)(lead[len] | code);
	sl_buf_put(out, bytes, len);
}

/* Decodes the \u escape at *at (behind the u) and steps over it, with its pair when it has one. */
static unsigned int take_code(const char **at, const char *end)
{
	unsigned int code = hex4(*at);

	*at += 4;
	if (code < 0xd800 || code > 0xdfff)
		return code;
	if (code > 0xdbff || end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u')
		return 0xfffd;
	unsigned int low = hex4(*at + 2);
	if (low < 0xdc00 || low > 0xdfff)
		return 0xfffd;
	*at += 6;
	return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
}

void sl_json_decode(struct sl_str text, struct sl_buf *out)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *at = text.data, *end = text.data + text.len;

	while (at < end) {
		const char *slash = memchr(at, '\\', (size_t)(end - at));

		sl_buf_put(out, at, (size_t)((slash ? slash : end) - at));
		if (!slash)
			return;
		char c = slash[1];
		at = slash + 2;
		if (c == 'u') {
			put_utf8(out, take_code(&at, end));
			continue;
		}
		const char *known = strchr(from, c);
		sl_buf_put(out, known ? &to[known - from] : &c, 1);
	}
}

void sl_json_escape(struct sl_buf *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\')
			sl_buf_put(out, (char[]){'\\', (char)c}, 2);
		else if (c == '\n')
			sl_buf_lit(out, "\\n");
		else if (c < 0x20)
			sl_buf_printf(out, "\\u%04x", c);
		else
			sl_buf_put(out, &text[i], 1);
	}
}

bool sl_str_is(struct sl_str text, const char *other)
{
	return text.len == strlen(other) && memcmp(text.data, other, text.len) == 0;
}
