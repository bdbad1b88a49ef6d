/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Three searches, a window at a time, of which the first match counts: addresses are looked for by their
 * @, numbers by the first digit of each run of digits, secrets by their first three bytes (pii_scan.h).
 * What has none of these costs a few instructions for 64 bytes.
 *
 * Measured (build/bench/validate, 4 KB of prose with 140 numbers, CPU): 2.2 us, a third of what it takes to
 * check the same length of JSON; by a walk over each byte of each word 11.7.
 */
#include "user/policy/pii.h"

#include "user/policy/pii_parts.h"
#include "user/policy/pii_scan.h"

#define COUNT(a)       (sizeof(a) / sizeof((a)[0]))
#define LOCAL_MAX      64
#define DOMAIN_MAX     190
#define LABEL_MAX      63
#define TOP_MAX	       24
#define JOIN_UPPER_MAX 4 /* WEST in an IBAN */
#define PEM_HEAD_MAX   64
#define WINDOW	       512u /* bytes in which an @ is looked for ahead of the rest: no quadratic time */
#define DIGITS_MIN     6  /* before the letter in a French number; all others have 8 and more */
#define NUMBER_HEAD    4u /* a number's first digit is within its first so many bytes */

static const char *const names[SL_PII_COUNT] = {
	[SL_PII_NONE] = "none",		[SL_PII_EMAIL] = "email",   [SL_PII_PHONE] = "phone",
	[SL_PII_CARD] = "card",		[SL_PII_IBAN] = "iban",	    [SL_PII_SSN] = "ssn",
	[SL_PII_NATIONAL] = "national", [SL_PII_SECRET] = "secret",
};

const char *sl_pii_name(enum sl_pii_kind kind)
{
	return (unsigned int)kind < SL_PII_COUNT ? names[kind] : names[0];
}

enum sl_pii_kind sl_pii_find_name(const char *name, size_t len)
{
	for (int i = 1; i < SL_PII_COUNT; i++)
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return (enum sl_pii_kind)i;
	return SL_PII_NONE;
}

/* The bytes of an address before its @. */
static const bool is_local[256] = {
	['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true, ['_'] = true,
	['.'] = true,	      ['%'] = true,	    ['\''] = true,	  ['&'] = true,
	['#'] = true,	      ['!'] = true,	    ['*'] = true,	  ['~'] = true,
	['='] = true,	      ['+'] = true,	    ['-'] = true,
};

static bool is_file_ending(const char *top, size_t len)
{
	static const char *const endings[] = {"png", "jpg", "jpeg", "gif",  "svg", "webp", "ico",
					      "js",  "mjs", "css",  "html", "htm", "json", "xml",
					      "yml", "txt", "yaml", "pdf",  "tsx", "jsx",  "ts"};

	for (size_t i = 0; i < COUNT(endings); i++)
		if (strlen(endings[i]) == len && strncasecmp(endings[i], top, len) == 0)
			return true;
	return false;
}

/* The end of the domain at `at`, 0 when there is none that mail could go to. */
static size_t domain_end(const struct sl_pii_text *text, size_t at)
{
	size_t label = at, end = at, best = 0;
	bool letters = true;
	int labels = 0;

	for (;; end++) {
		char b = end - at < DOMAIN_MAX ? sl_pii_byte(text, end) : ' ';

		if (sl_pii_alnum(b) || (b == '-' && end > label)) {
			letters = letters && !sl_pii_digit(b) && b != '-';
			continue;
		}
		if (end == label || end - label > LABEL_MAX || text->data[end - 1] == '-')
			break;
		labels++;
		if (labels > 1 && letters && end - label >= 2 && end - label <= TOP_MAX &&
		    !is_file_ending(text->data + label, end - label))
			best = end;
		else
			best = 0;
		if (b != '.')
			break;
		label = end + 1;
		letters = true;
	}
	sl_pii_look(text, end - at);
	return best;
}

/* The end of the address whose @ is at `sign`; 0: it is none. */
static size_t email_end(const struct sl_pii_text *text, size_t sign)
{
	size_t end = domain_end(text, sign + 1);
	char behind, further;

	if (!end || text->data[sign - 1] == '.')
		return 0;
	/* user@host:path as ssh writes it */
	behind = sl_pii_byte(text, end);
	further = sl_pii_byte(text, end + 1);
	if (behind == ':' && (sl_pii_alnum(further) || further == '/' || further == '~'))
		return 0;
	return behind == '_' || behind == '@' ? 0 : end;
}

/* user@host behind the two slashes of a URL */
static bool within_url(const struct sl_pii_text *text, size_t at)
{
	return at >= 2 && text->data[at - 1] == '/' && text->data[at - 2] == '/';
}

static bool begins_word(const struct sl_pii_text *text, size_t at)
{
	return sl_pii_word(text->data[at]) && (at == 0 || !sl_pii_word(text->data[at - 1]));
}

/* ---- addresses ------------------------------------------------------------------------------- */

/*
 * The first address that begins from `from` on and before `end`: each @ is looked at, and what is before
 * it. Local parts hold no @, so of two the one whose @ comes first begins first.
 */
static bool find_email(const struct sl_pii_text *text, size_t from, size_t end,
		       struct sl_pii_match *ret_match)
{
	size_t limit = text->len - end > LOCAL_MAX ? end + LOCAL_MAX : text->len;
	const char *sign = memchr(text->data + from, '@', limit - from);

	for (; sign; sign = memchr(sign + 1, '@', limit - (size_t)(sign + 1 - text->data))) {
		size_t at = (size_t)(sign - text->data), stop = at;
		size_t low = at - from > LOCAL_MAX ? at - LOCAL_MAX : from, domain;

		while (at > low && is_local[(unsigned char)text->data[at - 1]])
			at--;
		sl_pii_look(text, stop - at + 1);
		domain = at < stop && at < end ? email_end(text, stop) : 0;
		for (; domain && at < stop && at < end; at++) {
			if (!begins_word(text, at) || within_url(text, at))
				continue;
			*ret_match = (struct sl_pii_match){
				.at = at, .len = domain - at, .kind = SL_PII_EMAIL};
			return true;
		}
	}
	return false;
}

/* ---- numbers and secrets --------------------------------------------------------------------- */

/* A search for what begins from `first` on and before `before`. */
struct hunt {
	struct sl_pii_text text;
	size_t first, before;
	unsigned int kinds;
};

static bool number_at(const struct hunt *hunt, size_t at, struct sl_pii_match *ret_match)
{
	return at >= hunt->first && at < hunt->before &&
	       (at == 0 || !sl_pii_word(hunt->text.data[at - 1])) &&
	       sl_pii_number_at(&hunt->text, at, hunt->kinds, ret_match);
}

/* No number that begins with a digit has fewer, nor other separators before as many (gather()). */
static bool has_digits(const struct sl_pii_text *text, size_t at)
{
	for (int count = 0; count < DIGITS_MIN; count++, at++) {
		char b = sl_pii_byte(text, at);

		if (count && (b == ' ' || b == '-' || b == '.' || b == '/'))
			b = sl_pii_byte(text, ++at);
		if (!sl_pii_digit(b))
			return false;
	}
	return true;
}

/*
 * A number whose first digit is at `at`. It may begin up to three bytes before: AB 12, +(49, X-1. What
 * begins earlier is tried earlier.
 */
static bool find_number(const struct hunt *hunt, size_t at, struct sl_pii_match *ret_match)
{
	const struct sl_pii_text *text = &hunt->text;
	size_t before = at - hunt->first;
	char one = before > 0 ? text->data[at - 1] : ' ';
	char two = before > 1 ? text->data[at - 2] : ' ';
	char three = before > 2 ? text->data[at - 3] : ' ';

	if (sl_pii_word(one))
		return sl_pii_upper(one) &&
		       ((sl_pii_upper(two) && number_at(hunt, at - 2, ret_match)) ||
			number_at(hunt, at - 1, ret_match));
	if ((three == '+' || (one == ' ' && sl_pii_upper(two) && sl_pii_upper(three))) &&
	    number_at(hunt, at - 3, ret_match))
		return true;
	if ((two == '+' || (one == '-' && sl_pii_upper(two))) && number_at(hunt, at - 2, ret_match))
		return true;
	if ((one == '+' || one == '(') && number_at(hunt, at - 1, ret_match))
		return true;
	return has_digits(text, at) && number_at(hunt, at, ret_match);
}

static bool find_secret(const struct hunt *hunt, size_t at, struct sl_pii_match *ret_match)
{
	return hunt->kinds & 1u << SL_PII_SECRET && at < hunt->before &&
	       (hunt->text.data[at] == '-' || begins_word(&hunt->text, at)) &&
	       sl_pii_secret_at(&hunt->text, at, ret_match);
}

/* The first number or secret of those that are marked from `from` on and before `end`. */
static bool find_marked(const struct hunt *hunt, size_t from, size_t end,
			struct sl_pii_match *ret_match)
{
	const struct sl_pii_text *text = &hunt->text;
	uint64_t marks;

	for (; from < end; from += SL_PII_SCAN_BYTES) {
		size_t first = from;

		from = sl_pii_scan(text->data, text->len, from, end, &marks);
		sl_pii_look(text, (from < end ? from + SL_PII_SCAN_BYTES : end) - first);
		for (; marks; marks &= marks - 1) {
			size_t at = from + (size_t)__builtin_ctzll(marks);

			if (at >= end)
				return false;
			if (sl_pii_digit(text->data[at]) ? find_number(hunt, at, ret_match)
							 : find_secret(hunt, at, ret_match))
				return true;
		}
	}
	return false;
}

bool sl_pii_find_next(const char *data, size_t len, size_t from, unsigned int kinds,
		      struct sl_pii_memo *memo, struct sl_pii_match *ret_match)
{
	struct hunt hunt = {
		.text = {data, len, memo}, .before = len, .kinds = kinds & ~(1u << SL_PII_EMAIL)};
	struct sl_pii_match email;

	/* not in the middle of a word */
	hunt.first = from;
	while (from > 0 && from < len && sl_pii_word(data[from]) && sl_pii_word(data[from - 1]))
		from++;
	sl_pii_look(&hunt.text, from - hunt.first);
	hunt.first = from;
	while (from < len) {
		size_t end = len - from > WINDOW ? from + WINDOW : len;
		bool any = kinds & 1u << SL_PII_EMAIL && find_email(&hunt.text, from, end, &email);

		if (any) {
			hunt.before = email.at;
			/* what begins before it has its first digit at most three bytes on */
			end = len - email.at > NUMBER_HEAD ? email.at + NUMBER_HEAD : len;
		}
		if (hunt.kinds && find_marked(&hunt, from, end, ret_match))
			return true;
		if (any) {
			*ret_match = email;
			return true;
		}
		from = end;
	}
	return false;
}

bool sl_pii_find(const char *text, size_t len, size_t from, unsigned int kinds,
		 struct sl_pii_match *ret_match)
{
	struct sl_pii_memo memo = {.looked = 0};

	return sl_pii_find_next(text, len, from, kinds, &memo, ret_match);
}

bool sl_pii_contains(const char *text, size_t len)
{
	struct sl_pii_match match;

	return sl_pii_find(text, len, 0, SL_PII_ALL, &match);
}

static bool is_solid(char b)
{
	return (unsigned char)b > ' ' && (unsigned char)b < 0x7f;
}

/* May a number go on over the space behind this word? */
static bool may_join(const char *word, size_t len)
{
	bool upper = true;

	for (size_t i = 0; i < len; i++) {
		if (sl_pii_digit(word[i]))
			return true;
		upper = upper && sl_pii_upper(word[i]);
	}
	return len <= 2 || (upper && len <= JOIN_UPPER_MAX);
}

size_t sl_pii_hold(const char *text, size_t len)
{
	size_t low = len > SL_PII_HOLD_MAX ? len - SL_PII_HOLD_MAX : 0;
	size_t end = len, from = len, head = len > PEM_HEAD_MAX ? len - PEM_HEAD_MAX : 0;
	const char *pem;

	for (;;) {
		size_t word = end;
		bool joins;

		while (word > low && is_solid(text[word - 1]))
			word--;
		joins = may_join(text + word, end - word);
		if (end != len && !joins)
			break;
		from = word;
		/* a word at the end is held for itself */
		if (!joins)
			break;
		/* one plain space joins, anything else parts */
		if (word == low || text[word - 1] != ' ' || word - 1 == low ||
		    !is_solid(text[word - 2]))
			break;
		end = word - 1;
	}
	/* the header of a private key has spaces between words */
	head = head > low ? head : low;
	pem = len > head ? memchr(text + head, '-', len - head) : NULL;
	if (pem)
		pem = memmem(pem, (size_t)(text + len - pem), "-----BEGIN", 10);
	if (pem && (size_t)(pem - text) < from &&
	    !memmem(pem + 10, (size_t)(text + len - pem) - 10, "-----", 5))
		from = (size_t)(pem - text);
	return len - from;
}
