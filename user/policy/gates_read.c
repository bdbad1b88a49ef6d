/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/gates_read.h"

#include <stdio.h>
#include <stdlib.h>
#include "user/policy/gates_lexicon.h"
#include "user/policy/gates_words.h"

/* ---- words -------------------------------------------------------------------------------------- */

bool sl_gates_is_in(const char *list, const char *text, size_t len)
{
	for (; *list && *list != '|'; list += *list == ' ') {
		size_t word_len = strcspn(list, " |");

		if (word_len == len && memcmp(list, text, len) == 0)
			return true;
		list += word_len;
	}
	return false;
}

static void set_root(const struct sl_gates_lexicon *lexicon, struct sl_gates_word *word,
		     const char *from, size_t len)
{
	const struct sl_gates_known *known;

	memcpy(word->root, from, len);
	if (word->kind == SL_GATES_CONTENT) {
		len = sl_gates_root(word->root, len);
		known = sl_gates_lexicon_find(lexicon, word->root, len);
		if (known->synonym) {
			from = sl_gates_lexicon_text(lexicon, known->synonym);
			len = strlen(from);
			memcpy(word->root, from, len);
		}
	}
	word->root[len] = '\0';
	known = sl_gates_lexicon_find(lexicon, word->root, len);
	word->one |= known->one;
	word->other |= known->other;
}

/* Germany and German, Japan and Japanese. */
static bool is_derived(const char *longer, const char *shorter)
{
	static const char *const endings[] = {"y", "ese", "ish", "ly", "ment", "ation", "i"};
	size_t len = strlen(shorter), i;

	if (len < 5 || strncmp(longer, shorter, len) != 0)
		return false;
	for (i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		if (strcmp(longer + len, endings[i]) == 0)
			return true;
	}
	return false;
}

bool sl_gates_same(const struct sl_gates_word *a, const struct sl_gates_word *b)
{
	return strcmp(a->root, b->root) == 0 || is_derived(a->root, b->root) ||
	       is_derived(b->root, a->root);
}

/* ---- reading a text -------------------------------------------------------------------------- */

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

static bool is_upper(char byte)
{
	return byte >= 'A' && byte <= 'Z';
}

static bool is_letter(char byte)
{
	return is_upper(byte) || (byte >= 'a' && byte <= 'z') || (byte & 0x80) || byte == '\'';
}

static void classify_number(struct sl_gates_word *word)
{
	char plain[SL_GATES_WORD_MAX + 1];
	size_t i, len = 0;

	for (i = 0; i < word->len; i++) {
		if (word->text[i] != ',')
			plain[len++] = word->text[i];
	}
	plain[len] = '\0';
	word->kind = SL_GATES_NUMBER;
	snprintf(word->root, sizeof(word->root), "%.12g", strtod(plain, NULL));
}

static void classify(const struct sl_gates_reading *reading, struct sl_gates_word *word)
{
	const struct sl_gates_word *before = word > reading->words ? word - 1 : NULL;
	const struct sl_gates_lexicon *lexicon = reading->lexicon;
	const struct sl_gates_known *known;
	uint16_t head = 0;

	if (is_digit(word->text[0])) {
		classify_number(word);
		return;
	}
	known = sl_gates_lexicon_find(lexicon, word->text, word->len);
	word->one = known->one;
	word->other = known->other;
	word->phrase = known->phrase;
	if (known->number &&
	    !(known->unit && before && before->kind == SL_GATES_NUMBER)) { /* 5 second: the unit */
		word->kind = SL_GATES_NUMBER;
		head = known->number;
	} else if (known->unit) {
		word->kind = SL_GATES_UNIT;
		head = known->unit;
	} else if (known->negation) {
		word->kind = SL_GATES_NEGATION;
	} else if (known->filler) {
		word->kind = SL_GATES_FILLER;
	}
	if (head) {
		const char *name = sl_gates_lexicon_text(lexicon, head);

		set_root(lexicon, word, name, strlen(name));
	} else {
		set_root(lexicon, word, word->text, word->len);
	}
}

static struct sl_gates_word *push(struct sl_gates_reading *reading, const char *text, size_t len,
				  bool name)
{
	struct sl_gates_word *word;
	size_t i;

	reading->full |= reading->count == SL_GATES_WORDS_MAX;
	if (reading->full || len > SL_GATES_WORD_MAX) {
		reading->too_long = true;
		for (i = 0; i < len; i++)
			reading->foreign |= (text[i] & 0x80) != 0;
		return NULL;
	}
	word = &reading->words[reading->count++];
	*word = (struct sl_gates_word){.len = (uint8_t)len, .name = name};
	for (i = 0; i < len; i++)
		word->text[i] = is_upper(text[i]) ? (char)(text[i] | 0x20) : text[i];
	classify(reading, word);
	return word;
}

/* "can't" is can and not; "who's" is who. Without its apostrophe's part, and what stood for one. */
static void push_letters(struct sl_gates_reading *reading, const char *text, size_t len,
			 bool starts)
{
	const char *mark = memchr(text, '\'', len);
	size_t whole = mark ? (size_t)(mark - text) : len;
	bool digits = false, name, negates;
	size_t i, upper = 0;

	negates = mark && len - whole == 2 && (mark[1] | 0x20) == 't' && whole &&
		  (text[whole - 1] | 0x20) == 'n';
	if (mark && !negates && len - whole > 3)
		whole = len;
	if (negates)
		whole--;
	for (i = 0; i < whole; i++) {
		digits |= is_digit(text[i]);
		upper += is_upper(text[i]);
	}
	name = digits || upper > 1 || (upper && !starts);
	if (whole == 1 && upper && !digits)
		name = false; /* I; a letter alone is too common */
	if (whole)
		push(reading, text, whole, name);
	if (negates)
		push(reading, "not", 3, false);
}

/* Bytes of the word, number or sign at `at`; 0: there is none. */
static size_t word_end(struct sl_span text, size_t at)
{
	size_t end = at;

	if (is_digit(text.data[at])) {
		while (end < text.len && (is_digit(text.data[end]) ||
					  ((text.data[end] == '.' || text.data[end] == ',') &&
					   end + 1 < text.len && is_digit(text.data[end + 1]))))
			end++;
	} else if (text.data[at] == '%' || text.data[at] == '$') {
		end++;
	} else if (is_letter(text.data[at]) && text.data[at] != '\'') {
		bool foreign = text.data[at] & 0x80; /* a sign of money before its number */

		while (end < text.len &&
		       (is_letter(text.data[end]) || (!foreign && is_digit(text.data[end]))))
			end++;
	}
	return end - at;
}

/* A typographic apostrophe is one. */
static size_t plain_text(struct sl_span text, char *out, size_t size)
{
	size_t i, len = 0;

	for (i = 0; i < text.len && len < size; i++) {
		if (i + 2 < text.len && memcmp(text.data + i, "\xe2\x80\x99", 3) == 0) {
			out[len++] = '\'';
			i += 2;
		} else {
			out[len++] = text.data[i];
		}
	}
	return len;
}

static void join_phrases(struct sl_gates_reading *reading)
{
	uint32_t i, j, kept = 0;

	for (i = 0; i < reading->count; i++) {
		struct sl_gates_word *word = &reading->words[kept];

		*word = reading->words[i];
		for (j = 0; word->phrase && i + 1 < reading->count && sl_gates_phrases[j][0]; j++) {
			if (strcmp(word->text, sl_gates_phrases[j][0]) != 0 ||
			    strcmp(reading->words[i + 1].text, sl_gates_phrases[j][1]) != 0)
				continue;
			snprintf(word->text, sizeof(word->text), "%s", sl_gates_phrases[j][2]);
			word->len = (uint8_t)strlen(word->text);
			word->kind = SL_GATES_CONTENT;
			classify(reading, word);
			i++;
			break;
		}
		kept++;
	}
	reading->count = kept;
}

/* "to reset" after "how" or "steps" is a verb, no place. */
static bool is_infinitive(const struct sl_gates_reading *reading, uint32_t at)
{
	return at == 0 || reading->words[at - 1].kind == SL_GATES_FILLER ||
	       sl_gates_is_in("command formula shortcut rate best allowed attempt try going",
			      reading->words[at - 1].text, reading->words[at - 1].len);
}

static void mark_courses(struct sl_gates_reading *reading)
{
	uint32_t i;

	for (i = 0; i + 1 < reading->count; i++) {
		const char *text = reading->words[i].text;
		enum sl_gates_course course = SL_GATES_NOWHERE;
		uint32_t next = i + 1;

		if (strcmp(text, "from") == 0)
			course = SL_GATES_SOURCE;
		else if (strcmp(text, "into") == 0 || strcmp(text, "onto") == 0 ||
			 (strcmp(text, "to") == 0 && !is_infinitive(reading, i)))
			course = SL_GATES_TARGET;
		while (next < reading->count && reading->words[next].kind == SL_GATES_FILLER)
			next++;
		if (course && next < reading->count)
			reading->words[next].course = (uint8_t)course;
	}
}

void sl_gates_read(const struct sl_gates_lexicon *lexicon, struct sl_span text,
		   struct sl_gates_reading *reading)
{
	char room[SL_GATES_WORDS_MAX * 16];
	bool starts = true;
	size_t at, len;

	reading->lexicon = lexicon;
	reading->count = 0;
	reading->full = reading->too_long = text.len > sizeof(room);
	reading->foreign = false;
	text = sl_span_make(room, plain_text(text, room, sizeof(room)));
	for (at = 0; at < text.len && !reading->full; at += len ? len : 1) {
		char byte = text.data[at];

		len = word_end(text, at);
		if (!len) {
			starts |= byte == '.' || byte == '?' || byte == '!';
			continue;
		}
		if (is_letter(byte))
			push_letters(reading, text.data + at, len, starts);
		else
			push(reading, text.data + at, len, false);
		starts = false;
	}
	join_phrases(reading);
	mark_courses(reading);
}
