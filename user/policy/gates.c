/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/gates.h"

#include <stdio.h>
#include <stdlib.h>
#include "user/policy/gates_lexicon.h"
#include "user/policy/gates_words.h"

enum kind { CONTENT = 0, FILLER, NUMBER, UNIT, NEGATION };
enum course { NOWHERE = 0, SOURCE, TARGET };

struct word {
	char text[SL_GATES_WORD_MAX + 1]; /* lower case */
	char root[SL_GATES_WORD_MAX + 1]; /* of it, or of its group; a unit's or number's name */
	uint8_t len;
	uint8_t kind;
	uint8_t course;
	bool name;	     /* written like one */
	bool phrase;	     /* may begin one */
	uint64_t one, other; /* pairs of opposites that it is in, by bit: left, right */
};

struct reading {
	const struct sl_gates_lexicon *lexicon;
	struct word words[SL_GATES_WORDS_MAX];
	uint32_t count;
	bool too_long;
};

/* ---- words -------------------------------------------------------------------------------------- */

static bool is_in(const char *list, const char *text, size_t len)
{
	for (; *list; list += *list == ' ') {
		size_t word_len = strcspn(list, " ");

		if (word_len == len && memcmp(list, text, len) == 0)
			return true;
		list += word_len;
	}
	return false;
}

static void set_root(const struct sl_gates_lexicon *lexicon, struct word *word, const char *from,
		     size_t len)
{
	const struct sl_gates_known *known;

	memcpy(word->root, from, len);
	if (word->kind == CONTENT) {
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

static bool is_same(const struct word *a, const struct word *b)
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

static void classify_number(struct word *word)
{
	char plain[SL_GATES_WORD_MAX + 1];
	size_t i, len = 0;

	for (i = 0; i < word->len; i++) {
		if (word->text[i] != ',')
			plain[len++] = word->text[i];
	}
	plain[len] = '\0';
	word->kind = NUMBER;
	snprintf(word->root, sizeof(word->root), "%.12g", strtod(plain, NULL));
}

static void classify(const struct reading *reading, struct word *word)
{
	const struct word *before = word > reading->words ? word - 1 : NULL;
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
	    !(known->unit && before && before->kind == NUMBER)) { /* 5 second: the unit */
		word->kind = NUMBER;
		head = known->number;
	} else if (known->unit) {
		word->kind = UNIT;
		head = known->unit;
	} else if (known->negation) {
		word->kind = NEGATION;
	} else if (known->filler) {
		word->kind = FILLER;
	}
	if (head) {
		const char *name = sl_gates_lexicon_text(lexicon, head);

		set_root(lexicon, word, name, strlen(name));
	} else {
		set_root(lexicon, word, word->text, word->len);
	}
}

static struct word *push(struct reading *reading, const char *text, size_t len, bool name)
{
	struct word *word;
	size_t i;

	if (reading->count == SL_GATES_WORDS_MAX || len > SL_GATES_WORD_MAX) {
		reading->too_long = true;
		return NULL;
	}
	word = &reading->words[reading->count++];
	*word = (struct word){.len = (uint8_t)len, .name = name};
	for (i = 0; i < len; i++)
		word->text[i] = is_upper(text[i]) ? (char)(text[i] | 0x20) : text[i];
	classify(reading, word);
	return word;
}

/* "can't" is can and not; "who's" is who. Without its apostrophe's part, and what stood for one. */
static void push_letters(struct reading *reading, const char *text, size_t len, bool starts)
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

static void join_phrases(struct reading *reading)
{
	uint32_t i, j, kept = 0;

	for (i = 0; i < reading->count; i++) {
		struct word *word = &reading->words[kept];

		*word = reading->words[i];
		for (j = 0; word->phrase && i + 1 < reading->count && sl_gates_phrases[j][0]; j++) {
			if (strcmp(word->text, sl_gates_phrases[j][0]) != 0 ||
			    strcmp(reading->words[i + 1].text, sl_gates_phrases[j][1]) != 0)
				continue;
			snprintf(word->text, sizeof(word->text), "%s", sl_gates_phrases[j][2]);
			word->len = (uint8_t)strlen(word->text);
			word->kind = CONTENT;
			classify(reading, word);
			i++;
			break;
		}
		kept++;
	}
	reading->count = kept;
}

/* "to reset" after "how" or "steps" is a verb, no place. */
static bool is_infinitive(const struct reading *reading, uint32_t at)
{
	return at == 0 || reading->words[at - 1].kind == FILLER ||
	       is_in("command formula shortcut rate best allowed attempt try going",
		     reading->words[at - 1].text, reading->words[at - 1].len);
}

static void mark_courses(struct reading *reading)
{
	uint32_t i;

	for (i = 0; i + 1 < reading->count; i++) {
		const char *text = reading->words[i].text;
		enum course course = NOWHERE;
		uint32_t next = i + 1;

		if (strcmp(text, "from") == 0)
			course = SOURCE;
		else if (strcmp(text, "into") == 0 || strcmp(text, "onto") == 0 ||
			 (strcmp(text, "to") == 0 && !is_infinitive(reading, i)))
			course = TARGET;
		while (next < reading->count && reading->words[next].kind == FILLER)
			next++;
		if (course && next < reading->count)
			reading->words[next].course = (uint8_t)course;
	}
}

static void read_text(const struct sl_gates_lexicon *lexicon, struct sl_span text,
		      struct reading *reading)
{
	char room[SL_GATES_WORDS_MAX * 16];
	bool starts = true;
	size_t at, len;

	reading->lexicon = lexicon;
	reading->count = 0;
	reading->too_long = text.len > sizeof(room);
	text = sl_span_make(room, plain_text(text, room, sizeof(room)));
	for (at = 0; at < text.len && !reading->too_long; at += len ? len : 1) {
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

/* ---- the gates ------------------------------------------------------------------------------- */

/* The next word of that kind, from *at on. */
static const struct word *next_of(const struct reading *reading, enum kind kind, uint32_t *at)
{
	while (*at < reading->count) {
		const struct word *word = &reading->words[(*at)++];

		if (word->kind == kind)
			return word;
	}
	return NULL;
}

static bool same_numbers(const struct reading *a, const struct reading *b)
{
	uint32_t i = 0, j = 0;
	const struct word *one, *other;

	do {
		one = next_of(a, NUMBER, &i);
		other = next_of(b, NUMBER, &j);
		if (!one != !other || (one && strcmp(one->root, other->root) != 0))
			return false;
	} while (one);
	return true;
}

static bool has_root(const struct reading *reading, const struct word *wanted)
{
	uint32_t i;

	for (i = 0; i < reading->count; i++) {
		if (is_same(&reading->words[i], wanted))
			return true;
	}
	return false;
}

/* What stands right behind each number: 10 miles in kilometers is not 10 kilometers in miles. */
static const struct word *unit_behind(const struct reading *reading, uint32_t at)
{
	const struct word *before = at >= 2 ? &reading->words[at - 2] : NULL;

	if (at < reading->count && reading->words[at].kind == UNIT)
		return &reading->words[at];
	return before && before->kind == UNIT ? before : NULL; /* $1000 */
}

static bool same_units(const struct reading *a, const struct reading *b)
{
	uint32_t i, j = 0;
	const struct word *one, *other;

	for (i = 0; i < a->count; i++) {
		if (a->words[i].kind == UNIT && !has_root(b, &a->words[i]))
			return false;
	}
	for (i = 0; i < b->count; i++) {
		if (b->words[i].kind == UNIT && !has_root(a, &b->words[i]))
			return false;
	}
	for (i = 0; next_of(a, NUMBER, &i) && next_of(b, NUMBER, &j);) {
		one = unit_behind(a, i);
		other = unit_behind(b, j);
		if (one && other && strcmp(one->root, other->root) != 0)
			return false;
	}
	return true;
}

static bool same_negation(const struct reading *a, const struct reading *b)
{
	uint32_t i = 0, j = 0, count_a = 0, count_b = 0;

	while (next_of(a, NEGATION, &i))
		count_a++;
	while (next_of(b, NEGATION, &j))
		count_b++;
	return count_a == count_b;
}

static bool are_opposed(const struct reading *a, const struct reading *b)
{
	const struct reading *both[] = {a, b};
	uint64_t one[2] = {0}, other[2] = {0};

	for (uint32_t side = 0; side < 2; side++) {
		for (uint32_t i = 0; i < both[side]->count; i++) {
			one[side] |= both[side]->words[i].one;
			other[side] |= both[side]->words[i].other;
		}
	}
	return ((one[0] & ~other[0]) & (other[1] & ~one[1])) ||
	       ((other[0] & ~one[0]) & (one[1] & ~other[1]));
}

/* Words of both, marked so in one: in the other with the other mark, or others are marked there. */
static bool is_turned(const struct reading *a, const struct reading *b)
{
	uint32_t i, j, shared[2][TARGET + 1] = {0}, missing[TARGET + 1] = {0};

	for (j = 0; j < b->count; j++) {
		if (b->words[j].course && has_root(a, &b->words[j]))
			shared[1][b->words[j].course]++;
	}
	for (i = 0; i < a->count; i++) {
		const struct word *word = &a->words[i];
		bool there = false, same = false;

		if (!word->course)
			continue;
		for (j = 0; j < b->count; j++) {
			if (!is_same(word, &b->words[j]))
				continue;
			there = true;
			same |= b->words[j].course == word->course;
			if (b->words[j].course && b->words[j].course != word->course)
				return true;
		}
		shared[0][word->course] += there;
		missing[word->course] += there && !same;
	}
	for (i = SOURCE; i <= TARGET; i++) {
		if (missing[i] && shared[1][i])
			return true;
	}
	return false;
}

/* A word of a that b has nothing for, or NULL; names before others. */
static const struct word *uncovered(const struct reading *a, const struct reading *b)
{
	const struct word *found = NULL;
	uint32_t i;

	for (i = 0; i < a->count; i++) {
		const struct word *word = &a->words[i];

		if (word->kind != CONTENT && !(word->kind == FILLER && word->name))
			continue;
		if (!has_root(b, word) && (!found || (word->name && !found->name)))
			found = word;
	}
	return found;
}

enum sl_gate sl_gates_check(const struct sl_gates_lexicon *lexicon, struct sl_span asked,
			    struct sl_span kept)
{
	struct reading a, b;
	const struct word *one, *other;

	read_text(lexicon, asked, &a);
	read_text(lexicon, kept, &b);
	if (a.too_long || b.too_long || !a.count || !b.count)
		return SL_GATE_LENGTH;
	if (!same_numbers(&a, &b))
		return SL_GATE_NUMBERS;
	if (!same_units(&a, &b))
		return SL_GATE_UNITS;
	if (!same_negation(&a, &b))
		return SL_GATE_NEGATION;
	if (are_opposed(&a, &b))
		return SL_GATE_POLARITY;
	if (is_turned(&a, &b) || is_turned(&b, &a))
		return SL_GATE_DIRECTION;
	one = uncovered(&a, &b);
	other = uncovered(&b, &a);
	if ((one && one->name) || (other && other->name))
		return SL_GATE_ENTITIES;
	return one || other ? SL_GATE_CONTENT : SL_GATE_PASSED;
}

const char *sl_gate_name(enum sl_gate gate)
{
	static const char *const names[SL_GATES] = {
		"passed",   "length",	 "numbers",  "units",	"negation",
		"polarity", "direction", "entities", "content",
	};

	return names[gate];
}
