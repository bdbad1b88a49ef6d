/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One walk over the words of a text. Most words are only letters: for them the walk looks whether an @
 * follows and which letter is first, and goes on.
 */
#include "user/policy/pii.h"

#include "user/policy/pii_parts.h"

#define COUNT(a)       (sizeof(a) / sizeof((a)[0]))
#define LOCAL_MAX      64
#define DOMAIN_MAX     190
#define LABEL_MAX      63
#define TOP_MAX	       24
#define JOIN_UPPER_MAX 4 /* WEST in an IBAN */
#define PEM_HEAD_MAX   64

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

/* What a byte is to the walk. */
enum class {
	OTHER = 0,
	LETTER,
	DIGIT,
	MARK,  /* _ : part of words */
	LOCAL, /* part of an address, but of no word */
	SIGN,  /* + and ( begin a phone number */
	DASH,
};

static const uint8_t classes[256] = {
	['a' ... 'z'] = LETTER, ['A' ... 'Z'] = LETTER, ['0' ... '9'] = DIGIT, ['_'] = MARK,
	['.'] = LOCAL,		['%'] = LOCAL,		['\''] = LOCAL,	       ['&'] = LOCAL,
	['#'] = LOCAL,		['!'] = LOCAL,		['*'] = LOCAL,	       ['~'] = LOCAL,
	['='] = LOCAL,		['+'] = SIGN,		['('] = SIGN,	       ['-'] = DASH,
};

static uint8_t class_of(char b)
{
	return classes[(unsigned char)b];
}

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
	return best;
}

/* An address whose first byte is at `at`; sign is where its @ is. */
static bool email_at(const struct sl_pii_text *text, size_t at, size_t sign,
		     struct sl_pii_match *ret_match)
{
	size_t end = domain_end(text, sign + 1);
	char behind, further;

	if (!end || text->data[sign - 1] == '.')
		return false;
	/* user@host:path as ssh writes it, and user@host within a URL */
	behind = sl_pii_byte(text, end);
	further = sl_pii_byte(text, end + 1);
	if (behind == ':' && (sl_pii_alnum(further) || further == '/' || further == '~'))
		return false;
	if (at >= 2 && text->data[at - 1] == '/' && text->data[at - 2] == '/')
		return false;
	if (behind == '_' || behind == '@')
		return false;
	*ret_match = (struct sl_pii_match){.at = at, .len = end - at, .kind = SL_PII_EMAIL};
	return true;
}

/* The @ behind what may be a local part at `at`; 0: none. */
static size_t find_at_sign(const struct sl_pii_text *text, size_t at)
{
	size_t end = at, limit = text->len - at > LOCAL_MAX + 1 ? at + LOCAL_MAX + 1 : text->len;

	while (end < limit && class_of(text->data[end]) != OTHER && text->data[end] != '(')
		end++;
	return end < limit && text->data[end] == '@' ? end : 0;
}

struct word {
	size_t end;
	bool digit;
};

static struct word word_at(const struct sl_pii_text *text, size_t at)
{
	struct word word = {at, false};

	for (; word.end < text->len; word.end++) {
		uint8_t class = class_of(text->data[word.end]);

		if (class != LETTER && class != DIGIT && class != MARK)
			break;
		word.digit = word.digit || class == DIGIT;
	}
	return word;
}

/* The first two bytes of what pii_secret.c knows: most words are told from it by these. */
static bool may_be_secret(const struct sl_pii_text *text, size_t at)
{
	char next = sl_pii_byte(text, at + 1);

	switch (text->data[at]) {
	case 's':
	case 'r':
		return next == 'k';
	case 'A':
		return next == 'K' || next == 'S' || next == 'I';
	case 'g':
		return next == 'h' || next == 'i' || next == 'l';
	case 'x':
		return next == 'o' || next == 'a';
	case 'n':
		return next == 'p';
	case 'h':
		return next == 'f';
	case 'e':
		return next == 'y';
	case '-':
		return next == '-';
	default:
		return false;
	}
}

/* Something of the wanted kinds that begins with this word. */
static bool find_at(const struct sl_pii_text *text, size_t at, const struct word *word,
		    unsigned int kinds, struct sl_pii_match *ret_match)
{
	char behind = sl_pii_byte(text, word->end);
	size_t sign;

	/* plain words end at a space, or at a comma or a stop before one */
	if (behind != ' ' && kinds & 1u << SL_PII_EMAIL && word->end < text->len) {
		sign = find_at_sign(text, at);
		if (sign && email_at(text, at, sign, ret_match))
			return true;
	}
	if (kinds & 1u << SL_PII_SECRET && may_be_secret(text, at) &&
	    sl_pii_secret_at(text, at, ret_match))
		return true;
	/* with a digit in the first word, or in the next: AB 12 34 56 C */
	if (word->digit ||
	    (word->end - at == 2 && sl_pii_digit(sl_pii_byte(text, word->end + 1))) ||
	    (word->end - at == 1 && behind == '-'))
		return sl_pii_number_at(text, at, kinds, ret_match);
	return false;
}

/*
 * Behind the plain words at `at`: three letters or more and a blank, which begin nothing that is looked for.
 * Prose is made of these.
 */
static size_t skip_plain(const struct sl_pii_text *text, size_t at)
{
	for (;;) {
		size_t end = at;

		while (end < text->len && class_of(text->data[end]) == LETTER)
			end++;
		if (end - at < 3 || end == text->len || text->data[end] != ' ' ||
		    may_be_secret(text, at))
			return at;
		at = end + 1;
	}
}

bool sl_pii_find(const char *data, size_t len, size_t from, unsigned int kinds,
		 struct sl_pii_match *ret_match)
{
	const struct sl_pii_text text = {data, len};
	size_t at = from;

	/* not in the middle of a word */
	while (at > 0 && at < len && sl_pii_word(data[at]) && sl_pii_word(data[at - 1]))
		at++;
	while (at < len) {
		struct word word;

		switch (class_of(data[at])) {
		case LETTER:
			at = skip_plain(&text, at);
			if (at == len || class_of(data[at]) != LETTER)
				continue;
			/* fall through */
		case DIGIT:
		case MARK:
			word = word_at(&text, at);
			if (find_at(&text, at, &word, kinds, ret_match))
				return true;
			at = word.end;
			break;
		case SIGN:
			if ((at == 0 || !sl_pii_word(data[at - 1])) &&
			    sl_pii_number_at(&text, at, kinds, ret_match))
				return true;
			at++;
			break;
		case DASH:
			if (kinds & 1u << SL_PII_SECRET && may_be_secret(&text, at) &&
			    sl_pii_secret_at(&text, at, ret_match))
				return true;
			at++;
			break;
		default:
			at++;
		}
	}
	return false;
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
	pem = memmem(text + head, len - head, "-----BEGIN", 10);
	if (pem && (size_t)(pem - text) < from &&
	    !memmem(pem + 10, (size_t)(text + len - pem) - 10, "-----", 5))
		from = (size_t)(pem - text);
	return len - from;
}
