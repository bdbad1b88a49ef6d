/* See text.h. */
#include "tests/standin/text.h"

#include <stdbool.h>

#include "tests/standin/json.h"

enum { WORD_COUNT = 128, WORD_LEN_MAX = 24, TEXT_LEN_MIN = 16, TEXT_LEN_SPAN = 64 };

static const char *const words[WORD_COUNT] = {
	" the",	   " of",     " and",	  " to",      " a",	" in",	  " that",   " is",
	" was",	   " for",    " it",	  " with",    " as",	" on",	  " be",     " at",
	" by",	   " this",   " had",	  " not",     " are",	" but",	  " from",   " or",
	" have",   " an",     " they",	  " which",   " one",	" you",	  " were",   " all",
	" her",	   " she",    " there",	  " would",   " their", " we",	  " him",    " been",
	" has",	   " when",   " who",	  " will",    " no",	" more",  " if",     " out",
	" so",	   " up",     " said",	  " what",    " its",	" about", " than",   " into",
	" them",   " can",    " only",	  " other",   " time",	" new",	  " some",   " could",
	" these",  " two",    " may",	  " first",   " then",	" do",	  " any",    " like",
	" my",	   " now",    " over",	  " such",    " our",	" man",	  " me",     " even",
	" most",   " made",   " after",	  " also",    " well",	" did",	  " many",   " before",
	" must",   " years",  " back",	  " through", " much",	" where", " your",   " way",
	" down",   " should", " because", " long",    " each",	" just",  " state",  " those",
	" people", " too",    " mister",  " little",  " good",	" world", " make",   " very",
	" year",   " still",  " see",	  " work",    " life",	" naïve", " \"so\"", " 東京",
	" 🙂",   ",",	      ".",	  ".\n\n",    " a\\b",	" <em>",  " data:",  " [DONE]",
};

struct word {
	unsigned char plain_len;
	unsigned char json_len;
	char json[WORD_LEN_MAX + 1]; /* one more, so that a fixed-size copy may start at 1 */
};

static struct word table[WORD_COUNT];

void sl_text_init(void)
{
	struct sl_buf escaped = {0};

	for (unsigned int i = 0; i < WORD_COUNT; i++) {
		size_t len = strlen(words[i]);

		escaped.len = 0;
		sl_json_escape(&escaped, words[i], len);
		table[i].plain_len = (unsigned char)len;
		table[i].json_len = (unsigned char)escaped.len;
		memcpy(table[i].json, escaped.data, escaped.len);
	}
	sl_buf_free(&escaped);
}

/* The finaliser of SplitMix64 (Steele, Lea, Flood 2014). */
uint64_t sl_text_mix(uint64_t key, uint64_t value)
{
	uint64_t z = key + value * 0x9e3779b97f4a7c15ull + 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

uint64_t sl_text_hash(uint64_t key, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;
	uint64_t word;

	key = sl_text_mix(key, len);
	for (; len >= 8; at += 8, len -= 8) {
		memcpy(&word, at, 8);
		key = (key ^ word) * 0x9fb21c651e98df25ull;
		key ^= key >> 29;
	}
	word = 0;
	memcpy(&word, at, len);
	return sl_text_mix(key, word);
}

uint64_t sl_text_len(uint64_t key)
{
	return TEXT_LEN_MIN + sl_text_mix(key, ~0ull) % TEXT_LEN_SPAN;
}

static unsigned int word_at(uint64_t key, uint64_t index)
{
	return (unsigned int)(sl_text_mix(key, index) % WORD_COUNT);
}

/* Bytes of the listed word that this token leaves out: the first token has no leading space. */
static size_t lead_of(unsigned int word, uint64_t index)
{
	return index == 0 && words[word][0] == ' ';
}

void sl_text_put(struct sl_buf *out, uint64_t key, uint64_t index, size_t skip)
{
	unsigned int word = word_at(key, index);
	size_t lead = lead_of(word, index);

	if (skip) {
		size_t left_out = lead + skip;

		sl_json_escape(out, words[word] + left_out, table[word].plain_len - left_out);
		return;
	}
	/* A space is one byte in both forms. */
	memcpy(sl_buf_room(out, WORD_LEN_MAX), table[word].json + lead, WORD_LEN_MAX);
	out->len += table[word].json_len - lead;
}

void sl_text_resume(uint64_t key, const char *prefix, size_t len, uint64_t *ret_index,
		    size_t *ret_skip)
{
	uint64_t index = 0;
	size_t at = 0;

	*ret_skip = 0;
	while (at < len) {
		unsigned int word = word_at(key, index);
		size_t lead = lead_of(word, index);
		size_t word_len = table[word].plain_len - lead;
		size_t left = len - at;
		size_t same = left < word_len ? left : word_len;

		if (memcmp(prefix + at, words[word] + lead, same) != 0)
			break;
		if (same < word_len) {
			*ret_skip = same;
			break;
		}
		at += same;
		index++;
	}
	*ret_index = index;
}
