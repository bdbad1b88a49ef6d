/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/gates_lexicon.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/text.h"
#include "user/policy/gates.h"
#include "user/policy/gates_words.h"

#define ENTRIES_MAX 2048u /* the words of all lists and their roots: about 1000 */
#define SLOTS	    4096u
#define TEXT_BYTES  (ENTRIES_MAX * 12u)
#define PAIRS_MAX   64u /* bits of a mask */

struct sl_gates_lexicon {
	uint16_t slots[SLOTS]; /* 0: free; else an index into known */
	struct sl_gates_known known[ENTRIES_MAX];
	char texts[TEXT_BYTES];
	uint32_t count, texts_len;
};

/* ---- roots ----------------------------------------------------------------------------------- */

static bool ends(const char *text, size_t len, const char *end)
{
	size_t end_len = strlen(end);

	return len > end_len + 2 && memcmp(text + len - end_len, end, end_len) == 0;
}

static bool is_vowel(char byte)
{
	return byte && strchr("aeiouy", byte) != NULL;
}

size_t sl_gates_root(char *text, size_t len)
{
	if (ends(text, len, "ies")) {
		text[len - 3] = 'y';
		len -= 2;
	} else if (ends(text, len, "sses") || ends(text, len, "shes") || ends(text, len, "ches") ||
		   ends(text, len, "xes") || ends(text, len, "oes")) {
		len -= 2;
	} else if (ends(text, len, "s") && text[len - 2] != 's' && text[len - 2] != 'u' &&
		   text[len - 2] != 'i') {
		len--;
	}
	if (ends(text, len, "ing") && len > 5)
		len -= 3;
	else if (ends(text, len, "ed") && len > 4)
		len -= 2;
	else
		return len > 3 && text[len - 1] == 'e' ? len - 1 : len;
	if (len > 3 && text[len - 1] == text[len - 2] && !is_vowel(text[len - 1]) &&
	    text[len - 1] != 'l' && text[len - 1] != 's')
		len--;
	return len > 3 && text[len - 1] == 'e' ? len - 1 : len;
}

/* ---- the table ------------------------------------------------------------------------------- */

/* FNV-1a; the upper bits too, for words are short. */
static uint32_t hash_of(const char *text, size_t len)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)text[i]) * 16777619u;
	return hash ^ hash >> 15;
}

static uint16_t *find_slot(struct sl_gates_lexicon *lexicon, const char *text, size_t len)
{
	uint32_t at = hash_of(text, len);

	for (;; at++) {
		uint16_t *slot = &lexicon->slots[at % SLOTS];
		const struct sl_gates_known *known = &lexicon->known[*slot];

		if (!*slot ||
		    (known->len == len && memcmp(lexicon->texts + known->text, text, len) == 0))
			return slot;
	}
}

const struct sl_gates_known *sl_gates_lexicon_find(const struct sl_gates_lexicon *lexicon,
						   const char *text, size_t len)
{
	/* It is changed only while it is made. */
	return &lexicon->known[*find_slot((struct sl_gates_lexicon *)lexicon, text, len)];
}

const char *sl_gates_lexicon_text(const struct sl_gates_lexicon *lexicon, uint16_t text)
{
	return lexicon->texts + text;
}

/* The lists are constant: a full table is a bug. */
static struct sl_gates_known *take(struct sl_gates_lexicon *lexicon, struct sl_span word)
{
	uint16_t *slot = find_slot(lexicon, word.data, word.len);
	struct sl_gates_known *known;

	if (*slot)
		return &lexicon->known[*slot];
	assert(word.len && word.len <= SL_GATES_WORD_MAX && lexicon->count < ENTRIES_MAX &&
	       lexicon->texts_len + word.len < TEXT_BYTES);
	*slot = (uint16_t)lexicon->count;
	known = &lexicon->known[lexicon->count++];
	known->text = (uint16_t)lexicon->texts_len;
	known->len = (uint8_t)word.len;
	memcpy(lexicon->texts + known->text, word.data, word.len);
	lexicon->texts_len += (uint32_t)word.len + 1;
	return known;
}

static struct sl_gates_known *take_root(struct sl_gates_lexicon *lexicon, struct sl_span word)
{
	char root[SL_GATES_WORD_MAX + 1];

	assert(word.len <= SL_GATES_WORD_MAX);
	memcpy(root, word.data, word.len);
	return take(lexicon, sl_span_make(root, sl_gates_root(root, word.len)));
}

/* ---- the lists ------------------------------------------------------------------------------- */

/* The next word of a list that ends with the string or a bar. */
static bool next_word(const char **at, struct sl_span *ret_word)
{
	const char *from = *at;

	while (*from == ' ')
		from++;
	*at = from;
	while (**at && **at != ' ' && **at != '|')
		(*at)++;
	*ret_word = sl_span_make(from, (size_t)(*at - from));
	return ret_word->len > 0;
}

enum member { NUMBER, UNIT, SYNONYM };

/* Where a word is in two groups it is of the first. */
static void read_groups(struct sl_gates_lexicon *lexicon, const char *const *groups,
			enum member member)
{
	struct sl_span word;

	for (; *groups; groups++) {
		const char *at = *groups;
		uint16_t head = 0, *of;

		while (next_word(&at, &word)) {
			struct sl_gates_known *known =
				member == SYNONYM ? take_root(lexicon, word) : take(lexicon, word);

			head = head ? head : known->text;
			of = member == NUMBER ? &known->number
			     : member == UNIT ? &known->unit
					      : &known->synonym;
			*of = *of ? *of : head;
		}
	}
}

static void read_opposites(struct sl_gates_lexicon *lexicon)
{
	struct sl_span word;
	uint32_t pair;

	for (pair = 0; sl_gates_opposites[pair]; pair++) {
		const char *at = sl_gates_opposites[pair];

		assert(pair < PAIRS_MAX);
		while (next_word(&at, &word))
			take(lexicon, word)->one |= (uint64_t)1 << pair;
		assert(*at == '|');
		for (at++; next_word(&at, &word);)
			take(lexicon, word)->other |= (uint64_t)1 << pair;
	}
}

static void read_lists(struct sl_gates_lexicon *lexicon)
{
	const char *at = sl_gates_fillers;
	struct sl_span word;

	while (next_word(&at, &word))
		take(lexicon, word)->filler = true;
	for (at = sl_gates_negations; next_word(&at, &word);)
		take(lexicon, word)->negation = true;
	for (uint32_t i = 0; sl_gates_phrases[i][0]; i++)
		take(lexicon, sl_span_string(sl_gates_phrases[i][0]))->phrase = true;
	read_groups(lexicon, sl_gates_numbers, NUMBER);
	read_groups(lexicon, sl_gates_units, UNIT);
	read_groups(lexicon, sl_gates_synonyms, SYNONYM);
	read_opposites(lexicon);
}

int sl_gates_lexicon_open(struct sl_gates_lexicon **ret_lexicon)
{
	struct sl_gates_lexicon *lexicon = calloc(1, sizeof(*lexicon));

	if (!lexicon)
		return -ENOMEM;
	lexicon->count = 1; /* 0 is of what is in no list */
	lexicon->texts_len = 1;
	read_lists(lexicon);
	*ret_lexicon = lexicon;
	return 0;
}

void sl_gates_lexicon_close(struct sl_gates_lexicon **lexicon)
{
	free(*lexicon);
	*lexicon = NULL;
}
