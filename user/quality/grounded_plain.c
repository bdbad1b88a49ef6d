/* SPDX-License-Identifier: BSD-2-Clause */
/* grounded_plain.c - one way of writing for what is written in several. */
#include <stdlib.h>

#include "user/quality/grounded_parts.h"

#define HOURS_HALF 12u
#define HOURS_MAX  24u

static const char *const months[] = {
	"January", "February", "March",	    "April",   "May",	   "June",
	"July",	   "August",   "September", "October", "November", "December",
};

/* Behind a number and a blank or none, before what is no letter. The longest first. */
static const struct {
	const char *written, *plain;
} behind_numbers[] = {
	{"thousand", " thousand"},
	{"kWh", " kwh"},
	{"km/h", " kmh"},
	{"bn", " billion"},
	{"mn", " million"},
	{"min", " minute"},
	{"Wh", " wh"},
	{"k", "000"},
	{"K", "000"},
	{"M", " million"},
	{"B", " billion"},
	{"g", " gram"},
	{"m", " meter"},
	{"l", " liter"},
	{"L", " liter"},
	{"h", " hour"},
	{"s", " second"},
	{"t", " ton"},
};

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

static bool is_letter(char byte)
{
	return ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z') || (byte & 0x80);
}

static char at_of(struct sl_span text, size_t at)
{
	return at < text.len ? text.data[at] : '\0';
}

static size_t digits_at(struct sl_span text, size_t at)
{
	size_t len = 0;

	while (is_digit(at_of(text, at + len)))
		len++;
	return len;
}

static uint32_t value_of(struct sl_span text, size_t at, size_t len)
{
	uint32_t value = 0;

	while (len--)
		value = value * 10 + (uint32_t)(text.data[at++] - '0');
	return value;
}

/* 2024-03-15 becomes 15 March 2024. Bytes taken, 0: it is none. */
static size_t plain_date(struct sl_span text, size_t at, struct sl_text *out)
{
	uint32_t month;

	if (digits_at(text, at) != 4 || at_of(text, at + 4) != '-' ||
	    digits_at(text, at + 5) != 2 || at_of(text, at + 7) != '-' ||
	    digits_at(text, at + 8) != 2)
		return 0;
	month = value_of(text, at + 5, 2);
	if (month < 1 || month > 12)
		return 0;
	sl_text_printf(out, "%u %s %u", value_of(text, at + 8, 2), months[month - 1],
		       value_of(text, at, 4));
	return 10;
}

/* "pm", "p.m.", with a blank before it or not: its length. */
static size_t half_day(struct sl_span text, size_t at, bool *ret_afternoon)
{
	size_t from = at;
	char first;

	at += at_of(text, at) == ' ';
	first = (char)(at_of(text, at) | 0x20);
	if (first != 'a' && first != 'p')
		return 0;
	at += 1 + (at_of(text, at + 1) == '.');
	if ((at_of(text, at) | 0x20) != 'm')
		return 0;
	at++;
	if (at_of(text, at) == '.' && text.data[at - 2] == '.')
		at++;
	*ret_afternoon = first == 'p';
	return is_letter(at_of(text, at)) || is_digit(at_of(text, at)) ? 0 : at - from;
}

/* 8:15, 2 pm, 2:30 p.m. become 8.15, 14.00, 14.30: one number, that other readers leave whole. */
static size_t plain_time(struct sl_span text, size_t at, struct sl_text *out)
{
	size_t len = digits_at(text, at), half;
	uint32_t hours, minutes = 0;
	bool afternoon = false, clock;

	if (!len || len > 2)
		return 0;
	hours = value_of(text, at, len);
	clock = (at_of(text, at + len) == ':' || at_of(text, at + len) == '.') &&
		digits_at(text, at + len + 1) == 2;
	half = half_day(text, at + len + (clock ? 3 : 0), &afternoon);
	if (hours > HOURS_MAX || (!half && (!clock || at_of(text, at + len) == '.')))
		return 0;
	if (clock) {
		minutes = value_of(text, at + len + 1, 2);
		len += 3;
	}
	if (half && afternoon && hours < HOURS_HALF)
		hours += HOURS_HALF;
	else if (half && !afternoon && hours == HOURS_HALF)
		hours = 0;
	sl_text_printf(out, "%u.%02u", hours, minutes);
	return len + half;
}

/* A number, and what belongs to it behind it. */
static size_t plain_number(struct sl_span text, size_t at, struct sl_text *out)
{
	size_t from = at, i, blank;

	while (is_digit(at_of(text, at)) || ((at_of(text, at) == ',' || at_of(text, at) == '.') &&
					     is_digit(at_of(text, at + 1)))) {
		sl_text_append_char(out, text.data[at++]);
		if (at_of(text, at) == '\'' && digits_at(text, at + 1) == 3)
			at++;
	}
	blank = at_of(text, at) == ' ' || at_of(text, at) == '-';
	for (i = 0; i < sizeof(behind_numbers) / sizeof(behind_numbers[0]); i++) {
		size_t len = strlen(behind_numbers[i].written);
		bool joined = behind_numbers[i].plain[0] == '0';

		if (joined && blank)
			continue; /* "3 K" is none */
		if (at + blank + len > text.len ||
		    memcmp(text.data + at + blank, behind_numbers[i].written, len) != 0 ||
		    is_letter(at_of(text, at + blank + len)) ||
		    is_digit(at_of(text, at + blank + len)))
			continue;
		if (joined && memchr(text.data + from, '.', at - from)) {
			sl_text_append_string(out, " thousand");
		} else {
			sl_text_append_string(out, behind_numbers[i].plain);
		}
		return at + blank + len - from;
	}
	return at - from;
}

/* [1], [2, 3], [^4]: bytes, 0: none. */
static size_t mark_at(struct sl_span text, size_t at)
{
	size_t end = at + 1;

	if (at_of(text, at) != '[')
		return 0;
	while (is_digit(at_of(text, end)) || (end < text.len && strchr(", ^-", text.data[end])))
		end++;
	return at_of(text, end) == ']' && end > at + 1 ? end + 1 - at : 0;
}

/* A character of a script without blanks between words: its bytes, 0: none. */
static size_t dense_at(struct sl_span text, size_t at)
{
	unsigned char lead = (unsigned char)at_of(text, at);

	if (lead < 0xe3 || lead > 0xe9 || at + 3 > text.len ||
	    (lead == 0xe3 && (unsigned char)text.data[at + 1] == 0x80))
		return 0;
	return 3;
}

/* Each two neighbours of such a script become a word. */
static size_t plain_dense(struct sl_span text, size_t at, struct sl_text *out)
{
	size_t len = dense_at(text, at), next = len ? dense_at(text, at + len) : 0;

	if (!len)
		return 0;
	sl_text_append_char(out, ' ');
	if (next)
		sl_text_append(out, text.data + at, len + next);
	else if (at < len || !dense_at(text, at - len))
		sl_text_append(out, text.data + at, len);
	sl_text_append_char(out, ' ');
	return len;
}

/* Full-width signs, and those of such scripts, are blanks. */
static size_t plain_sign(struct sl_span text, size_t at, struct sl_text *out)
{
	unsigned char lead = (unsigned char)at_of(text, at);

	if (at + 3 > text.len || dense_at(text, at) ||
	    (lead != 0xe3 && !(lead == 0xef && (unsigned char)text.data[at + 1] >= 0xbc)))
		return 0;
	sl_text_append_char(out, ' ');
	return 3;
}

struct sl_span sl_grounded_plain(struct sl_span text, char *memory, bool *ret_cut)
{
	struct sl_text out;
	size_t at = 0, len;
	bool starts = true; /* no letter or digit before it */

	sl_text_init_fixed(&out, memory, SL_GROUNDED_PLAIN_BYTES);
	while (at < text.len && !out.error) {
		char byte = text.data[at];

		if ((len = mark_at(text, at)) > 0) {
			sl_text_append_char(&out, ' ');
		} else if ((len = plain_dense(text, at, &out)) > 0 ||
			   (len = plain_sign(text, at, &out)) > 0) {
			byte = ' ';
		} else if (starts && is_digit(byte)) {
			len = plain_date(text, at, &out);
			if (!len)
				len = plain_time(text, at, &out);
			if (!len)
				len = plain_number(text, at, &out);
		} else if (starts && byte == '-' && is_digit(at_of(text, at + 1)) &&
			   (at == 0 || text.data[at - 1] == ' ')) {
			sl_text_append_string(&out, "minus ");
			len = 1;
		} else {
			sl_text_append_char(&out, byte && strchr("*`|#\n\t", byte) ? ' ' : byte);
			len = 1;
		}
		at += len;
		starts = !(byte & 0x80) ? !is_letter(byte) : true;
	}
	*ret_cut = out.error != 0;
	return sl_text_span(&out);
}
