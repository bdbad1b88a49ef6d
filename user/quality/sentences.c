/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/quality/sentences.h"

#define LIST_NUMBER_MAX 3u  /* digits of "12." before an item */
#define ABBREVIATED_MAX 12u /* bytes of an abbreviation */
#define CLOSING_MAX	64u /* signs behind an end: each of a row of dots looks behind itself */

/* Words whose dot ends no sentence, in lower case, without their last dot. */
static const char *const abbreviations[] = {
	"mr",  "mrs",	 "ms",	 "dr",	 "prof", "st",	 "jr",	"sr",  "hon",  "rev",  "gen",
	"col", "sgt",	 "capt", "lt",	 "e.g",	 "i.e",	 "eg",	"ie",  "cf",   "vs",   "viz",
	"al",  "no",	 "nos",	 "fig",	 "figs", "eq",	 "sec", "ch",  "vol",  "pp",   "ed",
	"eds", "approx", "ca",	 "est",	 "dept", "inc",	 "ltd", "co",  "corp", "bros", "u.s",
	"u.k", "u.n",	 "e.u",	 "a.m",	 "p.m",	 "jan",	 "feb", "mar", "apr",  "jun",  "jul",
	"aug", "sep",	 "sept", "oct",	 "nov",	 "dec",	 "mt",	"ft",  "min",  "max",  "hrs",
	"bzw", "z.b",	 "d.h",	 "nr",	 "ggf",	 "usw",	 "etc", "art", "abs",  "str",  "tel",
	"sra", "sr",	 "mme",	 "ph.d", "m.sc", "b.sc",
};

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

static bool is_letter(char byte)
{
	return ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z') || (byte & 0x80);
}

static bool is_lower(char byte)
{
	return byte >= 'a' && byte <= 'z';
}

static size_t blanks(struct sl_span text, size_t at)
{
	size_t from = at;

	while (at < text.len && is_blank(text.data[at]))
		at++;
	return at - from;
}

static bool starts(struct sl_span text, size_t at, const char *with)
{
	size_t len = strlen(with);

	return at + len <= text.len && memcmp(text.data + at, with, len) == 0;
}

static bool is_fence(struct sl_span text, size_t at)
{
	return starts(text, at, "```") || starts(text, at, "~~~");
}

/* Bytes of a mark of a list, a heading or a quotation at a line's beginning, its blanks too. */
static size_t mark_len(struct sl_span text, size_t at)
{
	static const char *const marks[] = {"- ", "* ", "+ ", "> ", "\xe2\x80\xa2 ", "| "};
	size_t i, digits = 0;

	for (i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		if (starts(text, at, marks[i]))
			return strlen(marks[i]);
	}
	while (at + digits < text.len && text.data[at + digits] == '#')
		digits++;
	if (digits)
		return at + digits < text.len && text.data[at + digits] == ' ' ? digits + 1 : 0;
	while (at + digits < text.len && digits <= LIST_NUMBER_MAX &&
	       is_digit(text.data[at + digits]))
		digits++;
	if (digits && digits <= LIST_NUMBER_MAX && at + digits + 1 < text.len &&
	    (text.data[at + digits] == '.' || text.data[at + digits] == ')') &&
	    text.data[at + digits + 1] == ' ')
		return digits + 2;
	return 0;
}

static size_t skip_marks(struct sl_span text)
{
	size_t at = blanks(text, 0), len;

	while ((len = mark_len(text, at)) > 0)
		at += len + blanks(text, at + len);
	return at;
}

/* Does the line that ends at `at` end its sentence as well? */
static bool line_ends(struct sl_span text, size_t at)
{
	size_t next = at + 1;

	while (next < text.len && (text.data[next] == ' ' || text.data[next] == '\t'))
		next++;
	return next >= text.len || text.data[next] == '\n' || text.data[next] == '\r' ||
	       is_fence(text, next) || mark_len(text, next) > 0 || text.data[0] == '|';
}

/* Bytes of a sentence's end in another script, 0: none. */
static size_t foreign_end(struct sl_span text, size_t at)
{
	static const char *const ends[] = {"\xe3\x80\x82", "\xef\xbc\x81", "\xef\xbc\x9f",
					   "\xef\xbc\x9b", "\xd8\x9f",	   "\xdb\x94",
					   "\xe0\xa5\xa4"};
	size_t i;

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		if (starts(text, at, ends[i]))
			return strlen(ends[i]);
	}
	return 0;
}

/* The word that ends at `at`. */
static struct sl_span word_before(struct sl_span text, size_t at)
{
	size_t from = at;

	while (from > 0 && (is_letter(text.data[from - 1]) || is_digit(text.data[from - 1]) ||
			    text.data[from - 1] == '.'))
		from--;
	return sl_span_make(text.data + from, at - from);
}

/* The letter of a name ("J. Smith", "Mr. K. Falk"), not of a thing ("gate B."). */
static bool is_initial(struct sl_span text, struct sl_span word)
{
	size_t at = (size_t)(word.data - text.data), start;

	if (word.len != 1 || word.data[0] < 'A' || word.data[0] > 'Z')
		return false;
	start = at + 2 + blanks(text, at + 2); /* behind its dot: another one? */
	if (start + 1 < text.len && text.data[start] >= 'A' && text.data[start] <= 'Z' &&
	    text.data[start + 1] == '.')
		return true;
	while (at > 0 && is_blank(text.data[at - 1]))
		at--;
	if (at == 0 || text.data[at - 1] == '.')
		return true;
	for (start = at; start > 0 && is_letter(text.data[start - 1]);)
		start--;
	return start < at && text.data[start] >= 'A' && text.data[start] <= 'Z';
}

static bool is_abbreviated(struct sl_span text, struct sl_span word)
{
	size_t i;

	if (is_initial(text, word))
		return true;
	for (i = 0;
	     word.len <= ABBREVIATED_MAX && i < sizeof(abbreviations) / sizeof(abbreviations[0]);
	     i++) {
		if (sl_span_equal_case(word, sl_span_string(abbreviations[i])))
			return true;
	}
	return false;
}

/* Behind a sentence's end: what closes it, and marks of citation. */
static size_t closing(struct sl_span text, size_t at)
{
	size_t from = at, mark;

	while (at < text.len && at - from < CLOSING_MAX && strchr(".!?)\"'*_]", text.data[at]))
		at++;
	while (starts(text, at, "\xe2\x80\x9d") || starts(text, at, "\xe2\x80\x99"))
		at += 3;
	for (;;) {
		mark = at;
		while (mark < text.len && text.data[mark] == ' ')
			mark++;
		if (mark >= text.len || text.data[mark] != '[')
			return at - from;
		mark++;
		while (mark < text.len &&
		       (is_digit(text.data[mark]) || strchr(", ^-", text.data[mark])))
			mark++;
		if (mark >= text.len || text.data[mark] != ']')
			return at - from;
		at = mark + 1;
	}
}

/* The sign at `at` ends a sentence: bytes with what closes it; 0: it does not. */
static size_t end_len(struct sl_span text, size_t at)
{
	char byte = text.data[at];
	size_t len, next;

	if (byte == ';')
		return at + 1 == text.len || is_blank(text.data[at + 1]);
	if (byte != '.' && byte != '!' && byte != '?')
		return foreign_end(text, at);
	len = 1 + closing(text, at + 1);
	next = at + len;
	if (next >= text.len)
		return len;
	if (!is_blank(text.data[next]))
		return 0;
	if (byte != '.')
		return len;
	if (len == 1 && is_abbreviated(text, word_before(text, at)))
		return 0;
	next += blanks(text, next);
	return next < text.len && is_lower(text.data[next]) && len == 1 ? 0 : len;
}

/* Past a span of `code` within the line; 1: it is none. */
static size_t code_len(struct sl_span text, size_t at)
{
	size_t end = at + 1;

	while (end < text.len && text.data[end] != '`' && text.data[end] != '\n')
		end++;
	return end < text.len && text.data[end] == '`' ? end + 1 - at : 1;
}

static size_t fence_len(struct sl_span text)
{
	size_t at = 3;

	while (at < text.len && !(text.data[at - 1] == '\n' && is_fence(text, at)))
		at++;
	while (at < text.len && text.data[at] != '\n')
		at++;
	return at;
}

size_t sl_sentences_cut(struct sl_span text, size_t most)
{
	size_t at = most;

	while (at > most / 2 && !is_blank(text.data[at]))
		at--;
	if (at > most / 2)
		return at;
	at = most;
	while (at > most - 4 && (text.data[at] & 0xc0) == 0x80)
		at--;
	return at;
}

static size_t sentence_len(struct sl_span text)
{
	size_t at = 0, len;

	while (at < text.len && at < SL_SENTENCE_BYTES_MAX) {
		if (text.data[at] == '\n' && line_ends(text, at))
			return at;
		len = end_len(text, at);
		if (len)
			return at + len;
		at += text.data[at] == '`' ? code_len(text, at) : 1;
	}
	return at < text.len && text.len > SL_SENTENCE_BYTES_MAX
		       ? sl_sentences_cut(text, SL_SENTENCE_BYTES_MAX)
		       : text.len;
}

static enum sl_sentence_kind kind_of(struct sl_span sentence)
{
	size_t end = sentence.len, i;
	bool any = false;

	for (i = 0; i < sentence.len && !any; i++)
		any = is_letter(sentence.data[i]) || is_digit(sentence.data[i]);
	if (!any)
		return SL_SENTENCE_MARKS;
	while (end > 0 && strchr(")\"'*_] ", sentence.data[end - 1]))
		end--;
	sentence.len = end;
	if ((end && sentence.data[end - 1] == '?') ||
	    (end >= 3 && starts(sentence, end - 3, "\xef\xbc\x9f")) ||
	    (end >= 2 && starts(sentence, end - 2, "\xd8\x9f")))
		return SL_SENTENCE_QUESTION;
	if ((end && sentence.data[end - 1] == ':') ||
	    (end >= 3 && starts(sentence, end - 3, "\xef\xbc\x9a")))
		return SL_SENTENCE_LEAD;
	return SL_SENTENCE_PLAIN;
}

bool sl_sentences_next(struct sl_span *rest, struct sl_span *ret_sentence,
		       enum sl_sentence_kind *ret_kind)
{
	size_t at = skip_marks(*rest), len;
	bool code;

	if (at >= rest->len)
		return false;
	*rest = sl_span_make(rest->data + at, rest->len - at);
	code = is_fence(*rest, 0);
	len = code ? fence_len(*rest) : sentence_len(*rest);
	*ret_sentence = sl_span_make(rest->data, len);
	*rest = sl_span_make(rest->data + len, rest->len - len);
	while (ret_sentence->len && is_blank(ret_sentence->data[ret_sentence->len - 1]))
		ret_sentence->len--;
	*ret_kind = code ? SL_SENTENCE_CODE : kind_of(*ret_sentence);
	return true;
}
