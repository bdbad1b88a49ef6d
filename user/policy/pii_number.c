/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers: digits in groups with a separator between them. Each end of a group is a place where the
 * number may end; of those that pass the checks of pii_digits.h the longest wins.
 */
#include "user/policy/pii_digits.h"
#include "user/policy/pii_parts.h"

#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))
#define DIGITS_MAX 20
#define GROUPS_MAX 12

struct groups {
	uint8_t digits[DIGITS_MAX];
	size_t count; /* digits */
	size_t group_count;
	uint8_t lens[GROUPS_MAX];    /* digits of each group */
	size_t ends[GROUPS_MAX];     /* offset behind each group */
	size_t counts[GROUPS_MAX];   /* digits up to its end */
	char separators[GROUPS_MAX]; /* before each group; 0 before the first */
};

/* Does a word of the list stand at `at`, and end before `end`? */
static bool name_at(const struct sl_pii_text *text, size_t at, size_t end, const char *const *names)
{
	for (; *names; names++) {
		size_t len = strlen(*names);

		if (len > end - at || (text->data[at] | 0x20) != **names)
			continue;
		sl_pii_look(text, len);
		if (strncasecmp(text->data + at, *names, len) == 0 &&
		    !sl_pii_alnum(text->data[at + len]))
			return true;
	}
	return false;
}

/* Does a word of the list, in letters of any case, stand shortly before? */
static bool named_before(const struct sl_pii_text *text, size_t at, const char *const *names)
{
	size_t from = at > SL_PII_CONTEXT_MAX ? at - SL_PII_CONTEXT_MAX : 0;

	sl_pii_look(text, at - from);
	for (size_t i = from; i < at; i++)
		if (!(i > 0 && sl_pii_alnum(text->data[i - 1])) && name_at(text, i, at, names))
			return true;
	return false;
}

/* A number does not begin within a longer one, a decimal fraction, or something with hyphens. */
static bool may_begin(const struct sl_pii_text *text, size_t at)
{
	char before = at > 0 ? text->data[at - 1] : ' ';
	char further = at > 1 ? text->data[at - 2] : ' ';

	if (sl_pii_word(before) || before == '$' || before == '#')
		return false;
	return (before != '-' && before != '.' && before != ',' && before != '/') ||
	       !sl_pii_alnum(further);
}

static bool may_end(const struct sl_pii_text *text, size_t end)
{
	char behind = sl_pii_byte(text, end), further = sl_pii_byte(text, end + 1);

	if (sl_pii_word(behind) || behind == '%' || behind == '@')
		return false;
	if (behind != '-' && behind != '.' && behind != ',' && behind != '/' && behind != ':')
		return true;
	return behind == '-' ? !sl_pii_alnum(further) : !sl_pii_digit(further);
}

static void gather(const struct sl_pii_text *text, size_t at, struct groups *g)
{
	char separator = 0;

	g->count = g->group_count = 0;
	while (g->group_count < GROUPS_MAX) {
		size_t from = at;

		while (sl_pii_digit(sl_pii_byte(text, at)) && g->count < DIGITS_MAX)
			g->digits[g->count++] = (uint8_t)(text->data[at++] - '0');
		g->lens[g->group_count] = (uint8_t)(at - from);
		g->ends[g->group_count] = at;
		g->counts[g->group_count] = g->count;
		g->separators[g->group_count++] = separator;
		sl_pii_look(text, at - from + 1);
		separator = sl_pii_byte(text, at);
		if (at >= text->len ||
		    (separator != ' ' && separator != '-' && separator != '.' &&
		     separator != '/') ||
		    !sl_pii_digit(sl_pii_byte(text, at + 1)))
			return;
		at++;
	}
}

/* Are the groups up to `last` those of the shape ("3-2-4"), with that separator everywhere? */
static bool shaped(const struct groups *g, size_t last, const char *shape, char separator)
{
	size_t i = 0;

	for (; *shape; shape++) {
		if (*shape == '-')
			continue;
		if (i > last || g->lens[i] != *shape - '0' || (i && g->separators[i] != separator))
			return false;
		i++;
	}
	return i == last + 1;
}

static bool shaped_any(const struct groups *g, size_t last, const char *shape,
		       const char *separators)
{
	for (; *separators; separators++)
		if (shaped(g, last, shape, *separators))
			return true;
	return false;
}

static bool one_separator(const struct groups *g, size_t last)
{
	for (size_t i = 2; i <= last; i++)
		if (g->separators[i] != g->separators[1])
			return false;
	return true;
}

static bool is_card(const struct groups *g, size_t last)
{
	if (last > 0) {
		if (g->lens[0] != 4 || !one_separator(g, last) ||
		    (g->separators[1] != ' ' && g->separators[1] != '-'))
			return false;
		for (size_t i = 1; i <= last; i++)
			if (g->lens[i] < 3)
				return false;
	}
	return sl_pii_card(g->digits, g->counts[last]);
}

static bool is_national(const struct sl_pii_text *text, size_t at, const struct groups *g,
			size_t last)
{
	static const char *const aadhaar[] = {"aadhaar", "aadhar", "uidai", "uid", NULL};
	static const char *const cpf[] = {"cpf", NULL};
	static const char *const bsn[] = {"bsn", "burgerservicenummer", "sofinummer", "sofi", NULL};

	switch (g->counts[last]) {
	case 9:
		return sl_pii_bsn(g->digits) && (shaped(g, last, "4-2-3", '.') ||
						 (last == 0 && named_before(text, at, bsn)));
	case 11:
		if (last == 0 && sl_pii_pesel(g->digits))
			return true;
		if (!sl_pii_cpf(g->digits))
			return false;
		if (last == 3 && g->lens[0] == 3 && g->lens[1] == 3 && g->lens[2] == 3 &&
		    g->separators[1] == '.' && g->separators[2] == '.' && g->separators[3] == '-')
			return true;
		return last == 0 && named_before(text, at, cpf);
	case 12:
		return sl_pii_aadhaar(g->digits) &&
		       (shaped_any(g, last, "4-4-4", " -") ||
			(last == 0 && named_before(text, at, aadhaar)));
	case 15:
		return sl_pii_nir(g->digits) &&
		       (last == 0 || shaped_any(g, last, "1-2-2-2-3-3-2", " ") ||
			g->lens[last] == 2);
	default:
		return false;
	}
}

static bool is_ssn(const struct sl_pii_text *text, size_t at, const struct groups *g, size_t last)
{
	static const char *const names[] = {"ssn", "social security", "social security number",
					    NULL};

	if (g->counts[last] != 9 || !sl_pii_ssn(g->digits))
		return false;
	if (shaped(g, last, "3-2-4", '-'))
		return true;
	return (last == 0 || shaped(g, last, "3-2-4", ' ')) && named_before(text, at, names);
}

/* The ways in which people write numbers of their own country. */
static bool is_phone(const struct sl_pii_text *text, size_t at, const struct groups *g, size_t last)
{
	static const char *const names[] = {"phone", "tel", "telephone", "call", "mobile",
					    "cell",  "fax", "whatsapp",	 NULL};
	static const char *const british[] = {"5-6", "5-3-3", "4-3-4", "3-4-4", "4-7"};
	const uint8_t *d = g->digits;
	size_t n = g->counts[last];
	size_t area = shaped_any(g, last, "1-3-3-4", "-. ") && d[0] == 1 ? 1 : 0;

	if (area || shaped_any(g, last, "3-3-4", "-."))
		return d[area] >= 2 && d[area + 3] >= 2 && (area || d[0] != 0);
	if (shaped(g, last, "3-3-4", ' '))
		return d[0] >= 2 && d[3] >= 2 && named_before(text, at, names);
	if (d[0] != 0 || d[1] == 0)
		return false;
	if (shaped_any(g, last, "2-2-2-2-2", " .-"))
		return true;
	for (size_t i = 0; i < COUNT(british); i++)
		if (shaped(g, last, british[i], ' ') && n == 11 && (d[1] <= 3 || d[1] >= 7))
			return true;
	/* Germany: the area's code, a slash, a hyphen or a space, the rest in one */
	return last == 1 && n >= 9 && n <= 12 && g->lens[0] >= 3 && g->lens[0] <= 5 &&
	       g->lens[1] >= 6 && g->separators[1] != '.';
}

static bool found(size_t at, size_t end, enum sl_pii_kind kind, struct sl_pii_match *ret_match)
{
	*ret_match = (struct sl_pii_match){.at = at, .len = end - at, .kind = (uint8_t)kind};
	return true;
}

static bool digits_at(const struct sl_pii_text *text, size_t at, unsigned int kinds,
		      struct sl_pii_match *ret_match)
{
	struct groups g;

	gather(text, at, &g);
	for (size_t last = g.group_count; last-- > 0;) {
		enum sl_pii_kind kind = SL_PII_NONE;

		if (g.counts[last] < 9 || !may_end(text, g.ends[last]))
			continue;
		if (kinds & 1u << SL_PII_CARD && is_card(&g, last))
			kind = SL_PII_CARD;
		else if (kinds & 1u << SL_PII_NATIONAL && is_national(text, at, &g, last))
			kind = SL_PII_NATIONAL;
		else if (kinds & 1u << SL_PII_SSN && is_ssn(text, at, &g, last))
			kind = SL_PII_SSN;
		else if (kinds & 1u << SL_PII_PHONE && is_phone(text, at, &g, last))
			kind = SL_PII_PHONE;
		if (kind)
			return found(at, g.ends[last], kind, ret_match);
	}
	return false;
}

/* France's number of somebody from Corsica has a letter in it: 2A is reckoned as 19, 2B as 18. */
static bool corsican_at(const struct sl_pii_text *text, size_t at, struct sl_pii_match *ret_match)
{
	uint8_t digits[15];
	size_t count = 0, end = at;

	for (; end < text->len && count < 15; end++) {
		char b = text->data[end];

		if (b == ' ' && count && sl_pii_byte(text, end - 1) != ' ')
			continue;
		if (count == 6 && (b == 'A' || b == 'B') && digits[5] == 2) {
			digits[5] = 1;
			digits[count++] = b == 'A' ? 9 : 8;
		} else if (count != 6 && sl_pii_digit(b)) {
			digits[count++] = (uint8_t)(b - '0');
		} else {
			return false;
		}
	}
	return count == 15 && may_end(text, end) && sl_pii_nir(digits) &&
	       found(at, end, SL_PII_NATIONAL, ret_match);
}

/* Eight digits and their letter, or X, Y, Z for the first of them. */
static bool spanish_at(const struct sl_pii_text *text, size_t at, struct sl_pii_match *ret_match)
{
	char first = text->data[at], letter;
	bool foreign = first >= 'X' && first <= 'Z';
	uint32_t number = foreign ? (uint32_t)(first - 'X') : 0;
	size_t end = at + foreign, digits = foreign ? 7 : 8;

	if (foreign && sl_pii_byte(text, end) == '-')
		end++;
	for (size_t i = 0; i < digits; i++, end++) {
		if (!sl_pii_digit(sl_pii_byte(text, end)))
			return false;
		number = number * 10 + (uint32_t)(text->data[end] - '0');
	}
	if (sl_pii_byte(text, end) == '-')
		end++;
	letter = sl_pii_byte(text, end);
	return sl_pii_upper(letter) && sl_pii_dni_letter(number) == letter && number > 0 &&
	       may_end(text, end + 1) && found(at, end + 1, SL_PII_NATIONAL, ret_match);
}

/* AB 12 34 56 C, with or without spaces. */
static bool british_at(const struct sl_pii_text *text, size_t at, struct sl_pii_match *ret_match)
{
	size_t end = at + 2, digits = 0;

	for (; digits < 6; end++) {
		char b = sl_pii_byte(text, end);

		if (b == ' ' && digits % 2 == 0 && sl_pii_byte(text, end - 1) != ' ' &&
		    end < text->len)
			continue;
		if (!sl_pii_digit(b))
			return false;
		digits++;
	}
	if (sl_pii_byte(text, end) == ' ')
		end++;
	return sl_pii_ni_letters(text->data[at], sl_pii_byte(text, at + 1),
				 sl_pii_byte(text, end)) &&
	       may_end(text, end + 1) && found(at, end + 1, SL_PII_NATIONAL, ret_match);
}

static bool iban_at(const struct sl_pii_text *text, size_t at, struct sl_pii_match *ret_match)
{
	char iban[SL_PII_IBAN_LEN_MAX];
	size_t wanted = sl_pii_iban_len(text->data + at), count = 0, end = at;

	if (!wanted)
		return false;
	for (; count < wanted; end++) {
		char b = sl_pii_byte(text, end);

		if (b == ' ' && end < text->len && count % 4 == 0 && count)
			b = sl_pii_byte(text, ++end);
		if (!sl_pii_digit(b) && !sl_pii_upper(b))
			return false;
		iban[count++] = b;
	}
	return may_end(text, end) && sl_pii_iban(iban, count) &&
	       found(at, end, SL_PII_IBAN, ret_match);
}

/* + and digits in groups of any kind, the area in parentheses too. */
static bool international_at(const struct sl_pii_text *text, size_t at,
			     struct sl_pii_match *ret_match)
{
	uint8_t digits[16];
	size_t count = 0, end = at + 1, best = 0;

	while (end < text->len && count < sizeof(digits)) {
		char b = text->data[end];

		if (sl_pii_digit(b)) {
			digits[count++] = (uint8_t)(b - '0');
			end++;
			if (may_end(text, end) && sl_pii_phone(digits, count < 16 ? count : 0))
				best = end;
			continue;
		}
		if (b == '\0' || !strchr(" -.()/", b))
			break;
		/* at most ") " between two digits */
		if (sl_pii_byte(text, end + 1) == ' ' || sl_pii_byte(text, end + 1) == '(')
			end++;
		if (!sl_pii_digit(sl_pii_byte(text, end + 1)))
			break;
		end++;
	}
	sl_pii_look(text, end - at);
	return best && found(at, best, SL_PII_PHONE, ret_match);
}

/* (212) 555-0123 */
static bool parenthesis_at(const struct sl_pii_text *text, size_t at,
			   struct sl_pii_match *ret_match)
{
	static const char shape[] = "(ddd) ddd-dddd";
	size_t end = at;

	for (const char *want = shape; *want; want++) {
		char b = sl_pii_byte(text, end);

		if (*want == 'd' ? !sl_pii_digit(b)
				 : b != *want && !(*want == '-' && (b == '.' || b == ' '))) {
			if (*want == ' ')
				continue;
			return false;
		}
		end++;
	}
	return text->data[at + 1] >= '2' && may_end(text, end) &&
	       found(at, end, SL_PII_PHONE, ret_match);
}

/* Each reader looks at a bounded number of bytes: those of its shape. */
bool sl_pii_number_at(const struct sl_pii_text *text, size_t at, unsigned int kinds,
		      struct sl_pii_match *ret_match)
{
	char b = text->data[at];
	bool national = kinds & 1u << SL_PII_NATIONAL;

	if (b == '+')
		return kinds & 1u << SL_PII_PHONE && international_at(text, at, ret_match);
	if (b == '(')
		return kinds & 1u << SL_PII_PHONE && parenthesis_at(text, at, ret_match);
	if (!may_begin(text, at))
		return false;
	if (sl_pii_digit(b)) {
		if (national && (b == '1' || b == '2') && corsican_at(text, at, ret_match))
			return true;
		if (national && spanish_at(text, at, ret_match))
			return true;
		return digits_at(text, at, kinds, ret_match);
	}
	if (!sl_pii_upper(b))
		return false;
	if (national && b >= 'X' && spanish_at(text, at, ret_match))
		return true;
	if (!sl_pii_upper(sl_pii_byte(text, at + 1)))
		return false;
	if (kinds & 1u << SL_PII_IBAN && sl_pii_digit(sl_pii_byte(text, at + 2)) &&
	    iban_at(text, at, ret_match))
		return true;
	return national && british_at(text, at, ret_match);
}
