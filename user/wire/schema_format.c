/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The formats that structured outputs know. RFC 3339 (and its appendix A for durations), RFC 5321
 * section 4.1.2, RFC 1123 section 2.1, RFC 2673 section 3.2, RFC 4291 section 2.2, RFC 4122.
 */
#include "user/wire/schema_parts.h"

#define LOCAL_BYTES_MAX 64
#define HOST_BYTES_MAX	253
#define LABEL_BYTES_MAX 63
#define LEAP_SECOND	60

static const char *const names[SL_SCHEMA_FORMAT_COUNT] = {
	[SL_SCHEMA_FORMAT_DATE_TIME] = "date-time", [SL_SCHEMA_FORMAT_DATE] = "date",
	[SL_SCHEMA_FORMAT_TIME] = "time",	    [SL_SCHEMA_FORMAT_DURATION] = "duration",
	[SL_SCHEMA_FORMAT_EMAIL] = "email",	    [SL_SCHEMA_FORMAT_HOSTNAME] = "hostname",
	[SL_SCHEMA_FORMAT_IPV4] = "ipv4",	    [SL_SCHEMA_FORMAT_IPV6] = "ipv6",
	[SL_SCHEMA_FORMAT_UUID] = "uuid",
};

enum sl_schema_format sl_schema_format_find(struct sl_span name)
{
	for (int i = 1; i < SL_SCHEMA_FORMAT_COUNT; i++)
		if (sl_span_equal(name, sl_span_string(names[i])))
			return (enum sl_schema_format)i;
	return SL_SCHEMA_FORMAT_NONE;
}

const char *sl_schema_format_name(enum sl_schema_format format)
{
	return names[format] ? names[format] : "none";
}

static bool is_digit(char b)
{
	return b >= '0' && b <= '9';
}

static bool is_letter(char b)
{
	return (b | 0x20) >= 'a' && (b | 0x20) <= 'z';
}

static bool is_hex(char b)
{
	return is_digit(b) || ((b | 0x20) >= 'a' && (b | 0x20) <= 'f');
}

/* A cursor that takes what it is told, or does not move. */
struct cursor {
	const char *at;
	const char *end;
};

static bool take(struct cursor *c, char b)
{
	if (c->at == c->end || *c->at != b)
		return false;
	c->at++;
	return true;
}

/* Exactly that many digits, the value within bounds. */
static bool take_digits(struct cursor *c, int count, int low, int high, int *ret_value)
{
	int value = 0;

	if (c->end - c->at < count)
		return false;
	for (int i = 0; i < count; i++) {
		if (!is_digit(c->at[i]))
			return false;
		value = value * 10 + (c->at[i] - '0');
	}
	c->at += count;
	*ret_value = value;
	return value >= low && value <= high;
}

static bool take_date(struct cursor *c)
{
	static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int year, month, day;

	if (!take_digits(c, 4, 0, 9999, &year) || !take(c, '-') ||
	    !take_digits(c, 2, 1, 12, &month) || !take(c, '-') ||
	    !take_digits(c, 2, 1, days[month - 1], &day))
		return false;
	return month != 2 || day < 29 || (year % 4 == 0 && (year % 100 || year % 400 == 0));
}

static bool take_time(struct cursor *c)
{
	int hour, minute, second, off_hour = 0, off_minute = 0, sign = 0;

	if (!take_digits(c, 2, 0, 23, &hour) || !take(c, ':') ||
	    !take_digits(c, 2, 0, 59, &minute) || !take(c, ':') ||
	    !take_digits(c, 2, 0, LEAP_SECOND, &second))
		return false;
	if (take(c, '.')) {
		if (c->at == c->end || !is_digit(*c->at))
			return false;
		while (c->at < c->end && is_digit(*c->at))
			c->at++;
	}
	if (!take(c, 'Z') && !take(c, 'z')) {
		sign = take(c, '+') ? 1 : take(c, '-') ? -1 : 0;
		if (!sign || !take_digits(c, 2, 0, 23, &off_hour) || !take(c, ':') ||
		    !take_digits(c, 2, 0, 59, &off_minute))
			return false;
	}
	/* a leap second is the last one of a day in UTC */
	if (second == LEAP_SECOND) {
		int utc = hour * 60 + minute - sign * (off_hour * 60 + off_minute);

		return (utc + 2 * 24 * 60) % (24 * 60) == 23 * 60 + 59;
	}
	return true;
}

static bool take_date_time(struct cursor *c)
{
	return take_date(c) && (take(c, 'T') || take(c, 't')) && take_time(c);
}

/* Units in their order, without a gap between the first and the last (RFC 3339 appendix A). */
static bool take_units(struct cursor *c, const char *units)
{
	const char *unit = units;
	bool any = false;

	while (c->at < c->end && is_digit(*c->at)) {
		while (c->at < c->end && is_digit(*c->at))
			c->at++;
		if (c->at == c->end)
			return false;
		while (*unit && *unit != *c->at) {
			if (any)
				return false;
			unit++;
		}
		if (!*unit)
			return false;
		unit++;
		c->at++;
		any = true;
	}
	return any;
}

static bool take_duration(struct cursor *c)
{
	struct cursor weeks;

	if (!take(c, 'P'))
		return false;
	weeks = *c;
	if (take_units(&weeks, "W") && weeks.at == weeks.end) {
		*c = weeks;
		return true;
	}
	if (c->at < c->end && *c->at != 'T' && !take_units(c, "YMD"))
		return false;
	if (take(c, 'T'))
		return take_units(c, "HMS");
	return c->at[-1] != 'P';
}

static bool take_hostname(struct cursor *c)
{
	const char *from = c->at;
	size_t label = 0;

	for (; c->at < c->end &&
	       (is_letter(*c->at) || is_digit(*c->at) || *c->at == '-' || *c->at == '.');
	     c->at++) {
		if (*c->at == '.') {
			if (label == 0 || c->at[-1] == '-')
				return false;
			label = 0;
			continue;
		}
		if (label == 0 && *c->at == '-')
			return false;
		/* two hyphens there are for encoded names, which are taken as they are (RFC 5890) */
		if (label == 3 && *c->at == '-' && c->at[-1] == '-' &&
		    ((c->at[-3] | 0x20) != 'x' || (c->at[-2] | 0x20) != 'n'))
			return false;
		if (++label > LABEL_BYTES_MAX)
			return false;
	}
	return label > 0 && c->at[-1] != '-' && c->at - from <= HOST_BYTES_MAX;
}

static bool take_ipv4(struct cursor *c)
{
	for (int i = 0; i < 4; i++) {
		int value = 0, digits = 0;

		if (i && !take(c, '.'))
			return false;
		for (; c->at < c->end && is_digit(*c->at) && digits < 4; c->at++, digits++)
			value = value * 10 + (*c->at - '0');
		if (digits == 0 || digits > 3 || value > 255 ||
		    (digits > 1 && c->at[-digits] == '0'))
			return false;
	}
	return true;
}

static bool take_ipv6(struct cursor *c)
{
	int groups = 0;
	bool gap = false;

	if (c->end - c->at >= 2 && c->at[0] == ':' && c->at[1] == ':') {
		gap = true;
		c->at += 2;
	}
	while (c->at < c->end && groups < 8) {
		struct cursor v4 = *c;
		int digits = 0;

		if (groups <= 6 && take_ipv4(&v4) && v4.at == v4.end) {
			*c = v4;
			groups += 2;
			break;
		}
		for (; c->at < c->end && is_hex(*c->at) && digits < 5; c->at++)
			digits++;
		if (digits == 0 || digits > 4)
			return false;
		groups++;
		if (c->at == c->end)
			break;
		if (!take(c, ':') || c->at == c->end)
			return false;
		if (*c->at == ':') {
			if (gap)
				return false;
			gap = true;
			c->at++;
		}
	}
	return gap ? groups < 8 : groups == 8;
}

static bool is_local(char b)
{
	return is_letter(b) || is_digit(b) || (b && strchr("!#$%&'*+-/=?^_`{|}~", b));
}

static bool take_email(struct cursor *c)
{
	const char *from = c->at;

	if (take(c, '"')) {
		for (; c->at < c->end && *c->at != '"'; c->at++) {
			if (*c->at < 0x20 || *c->at == 0x7f)
				return false;
			if (*c->at == '\\' && ++c->at == c->end)
				return false;
		}
		if (!take(c, '"'))
			return false;
	} else {
		for (; c->at < c->end && *c->at != '@'; c->at++) {
			bool dot = *c->at == '.' && c->at > from && c->at[-1] != '.';

			if (!dot && !is_local(*c->at))
				return false;
		}
		if (c->at == from || c->at[-1] == '.')
			return false;
	}
	if (c->at - from > LOCAL_BYTES_MAX || !take(c, '@'))
		return false;
	if (take(c, '[')) {
		struct cursor inside = {c->at, c->end - 1};
		bool six = c->end - c->at > 5 && memcmp(c->at, "IPv6:", 5) == 0;

		inside.at += six ? 5 : 0;
		if (inside.at >= inside.end || *inside.end != ']')
			return false;
		c->at = c->end;
		return (six ? take_ipv6(&inside) : take_ipv4(&inside)) && inside.at == inside.end;
	}
	return take_hostname(c);
}

static bool take_uuid(struct cursor *c)
{
	if (c->end - c->at < 36)
		return false;
	for (int i = 0; i < 36; i++, c->at++) {
		bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;

		if (hyphen ? *c->at != '-' : !is_hex(*c->at))
			return false;
	}
	return true;
}

bool sl_schema_format_holds(enum sl_schema_format format, struct sl_span text)
{
	static bool (*const takers[SL_SCHEMA_FORMAT_COUNT])(struct cursor *) = {
		[SL_SCHEMA_FORMAT_DATE_TIME] = take_date_time,
		[SL_SCHEMA_FORMAT_DATE] = take_date,
		[SL_SCHEMA_FORMAT_TIME] = take_time,
		[SL_SCHEMA_FORMAT_DURATION] = take_duration,
		[SL_SCHEMA_FORMAT_EMAIL] = take_email,
		[SL_SCHEMA_FORMAT_HOSTNAME] = take_hostname,
		[SL_SCHEMA_FORMAT_IPV4] = take_ipv4,
		[SL_SCHEMA_FORMAT_IPV6] = take_ipv6,
		[SL_SCHEMA_FORMAT_UUID] = take_uuid,
	};
	struct cursor c = {text.data, text.data + text.len};

	return !takers[format] || (takers[format](&c) && c.at == c.end);
}
