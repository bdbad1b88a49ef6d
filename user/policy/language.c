/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/language.h"

#include <string.h>

#define COUNT(a)     (sizeof(a) / sizeof((a)[0]))
#define LETTERS_MIN  40u /* of alphabets; below that a name or two decide */
#define SIGNS_MIN    15u /* of scripts in which a letter is a syllable or a word */
#define SHARE_MIN    70u /* percent of the letters that are of the script */
#define WORDS_MIN    10u
#define HITS_MIN     3u
#define HITS_SHARE   10u /* percent of the words that are common ones */
#define WORD_LEN_MAX 12u
#define LATIN_COUNT  11u
#define LEAD	     2u /* times what the second has */

static const char *const names[SL_LANGUAGE_COUNT + 1] = {
	"en", "de", "fr", "es", "pt", "it", "nl", "pl", "sv", "cs", "tr",      "ru",
	"uk", "el", "ar", "fa", "he", "hi", "th", "ko", "ja", "zh", "unknown",
};

const char *sl_language_name(enum sl_language language)
{
	return names[(unsigned int)language < SL_LANGUAGE_COUNT ? language : SL_LANGUAGE_UNKNOWN];
}

/* Words that most texts of some sentences have, a blank on either side. */
static const char *const common[LATIN_COUNT] = {
	[SL_LANGUAGE_EN] =
		" the of and to is that it you for with this are be can your not have will "
		"from was which but they an or if by as there what ",
	[SL_LANGUAGE_DE] =
		" der die das und ist nicht ein eine zu den mit von sie für auf im dem sich "
		"auch es wird sind werden ich können oder wie bei aus ",
	[SL_LANGUAGE_FR] =
		" le la les de des et est un une pour dans que qui vous ce du pas sur avec "
		"au par plus être nous sont votre cette il ",
	[SL_LANGUAGE_ES] =
		" el la los las de y que en un una es por con para del se no su al lo como "
		"más pero este esta puede son tu ",
	[SL_LANGUAGE_PT] = " o os as de e que em um uma é não para com do da dos das se no na por "
			   "mais como você pode ao são seu sua ",
	[SL_LANGUAGE_IT] =
		" il lo gli di e che è un una per con non del della si le nel alla sono come "
		"più anche questo questa può da dei ",
	[SL_LANGUAGE_NL] =
		" de het een en van is dat niet te voor met zijn op aan er ook je kan dit "
		"wordt bij als naar om uw maar deze ",
	[SL_LANGUAGE_PL] = " i w na się nie jest do to z że o jak dla po może od przez są jego być "
			   "który lub oraz tak ",
	[SL_LANGUAGE_SV] =
		" och att det som en är på för av med den inte till har om kan du ett vi "
		"från eller så men din ",
	[SL_LANGUAGE_CS] =
		" a je se na že v to s z do pro jako jsou který nebo by ale si jak ve být "
		"také může není ",
	[SL_LANGUAGE_TR] =
		" ve bir bu için ile da de çok daha olarak olan gibi ne var değil kadar en "
		"ya veya sonra olduğu ",
};

enum script {
	OTHER = 0,
	LATIN,
	GREEK,
	CYRILLIC,
	HEBREW,
	ARABIC,
	DEVANAGARI,
	THAI,
	HANGUL,
	KANA,
	HAN,
	SCRIPTS
};

static enum script script_of(uint32_t c)
{
	static const struct {
		uint32_t from, to;
		enum script script;
	} ranges[] = {
		{0xc0, 0xd6, LATIN},	 {0xd8, 0xf6, LATIN},	   {0xf8, 0x24f, LATIN},
		{0x370, 0x3ff, GREEK},	 {0x400, 0x52f, CYRILLIC}, {0x5d0, 0x5ea, HEBREW},
		{0x620, 0x64a, ARABIC},	 {0x671, 0x6d3, ARABIC},   {0x900, 0x963, DEVANAGARI},
		{0xe01, 0xe4e, THAI},	 {0x1e00, 0x1eff, LATIN},  {0x1f00, 0x1fff, GREEK},
		{0x3041, 0x30ff, KANA},	 {0x3400, 0x9fff, HAN},	   {0xac00, 0xd7a3, HANGUL},
		{0x20000, 0x3ffff, HAN},
	};

	if (c < 0x80)
		return (c | 0x20) >= 'a' && (c | 0x20) <= 'z' ? LATIN : OTHER;
	for (size_t i = 0; i < COUNT(ranges); i++)
		if (c >= ranges[i].from && c <= ranges[i].to)
			return ranges[i].script;
	return OTHER;
}

/* The character that begins there; its bytes. Broken ones are taken byte by byte. */
static size_t decode(const char *data, size_t len, uint32_t *ret_char)
{
	unsigned char b = (unsigned char)data[0];
	size_t size = b < 0xc0 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;

	*ret_char = size == 1 ? b : b & (0x7fu >> size);
	if (size > len)
		size = 1;
	for (size_t i = 1; i < size; i++)
		*ret_char = *ret_char << 6 | ((unsigned char)data[i] & 0x3f);
	return size;
}

struct counts {
	uint32_t scripts[SCRIPTS];
	uint32_t words; /* in Latin letters */
	uint32_t hits[LATIN_COUNT];
	uint32_t ukrainian, russian, persian;
	char word[WORD_LEN_MAX + 2]; /* a blank before it */
	size_t word_len;
	bool too_long;
};

static void end_word(struct counts *c)
{
	if (!c->word_len)
		return;
	c->words++;
	if (!c->too_long) {
		c->word[0] = ' ';
		c->word[c->word_len + 1] = ' ';
		for (size_t i = 0; i < LATIN_COUNT; i++)
			c->hits[i] += memmem(common[i], strlen(common[i]), c->word,
					     c->word_len + 2) != NULL;
	}
	c->word_len = 0;
	c->too_long = false;
}

static void add_latin(struct counts *c, const char *data, size_t size)
{
	if (c->word_len + size >= WORD_LEN_MAX) {
		c->too_long = true;
		return;
	}
	memcpy(c->word + 1 + c->word_len, data, size);
	if (size == 1 && *data >= 'A' && *data <= 'Z')
		c->word[1 + c->word_len] = (char)(*data | 0x20);
	c->word_len += size;
}

static void add(struct counts *c, uint32_t code, const char *data, size_t size)
{
	enum script script = script_of(code);

	if (script == LATIN)
		add_latin(c, data, size);
	else
		end_word(c);
	c->scripts[script]++;
	if (script == CYRILLIC) {
		c->ukrainian += code == 0x456 || code == 0x457 || code == 0x454 || code == 0x491;
		c->russian += code == 0x44b || code == 0x44d || code == 0x44a || code == 0x451;
	}
	c->persian += code == 0x67e || code == 0x686 || code == 0x698 || code == 0x6af ||
		      code == 0x6cc || code == 0x6a9;
}

/* Behind the code that begins at the back-quotes there; the end, when it has none. */
static size_t skip_code(const char *text, size_t len, size_t at)
{
	size_t ticks = 0, run = 0;

	while (at < len && text[at] == '`')
		at++, ticks++;
	for (; at < len; at++) {
		run = text[at] == '`' ? run + 1 : 0;
		if (run == ticks)
			return at + 1;
	}
	return len;
}

static enum sl_language latin_of(const struct counts *c)
{
	size_t best = 0;
	uint32_t next = 0;

	for (size_t i = 1; i < LATIN_COUNT; i++)
		if (c->hits[i] > c->hits[best])
			best = i;
	for (size_t i = 0; i < LATIN_COUNT; i++)
		if (i != best && c->hits[i] > next)
			next = c->hits[i];
	if (c->words < WORDS_MIN || c->hits[best] < HITS_MIN ||
	    c->hits[best] * 100 < c->words * HITS_SHARE || c->hits[best] < next * LEAD)
		return SL_LANGUAGE_UNKNOWN;
	return (enum sl_language)best;
}

static enum sl_language cyrillic_of(const struct counts *c)
{
	if (c->ukrainian > 2 * c->russian)
		return SL_LANGUAGE_UK;
	return c->russian > 2 * c->ukrainian ? SL_LANGUAGE_RU : SL_LANGUAGE_UNKNOWN;
}

static enum sl_language judge(const struct counts *c)
{
	static const struct {
		enum script script;
		enum sl_language language;
		uint32_t least;
	} alone[] = {
		{GREEK, SL_LANGUAGE_EL, LETTERS_MIN},	 {HEBREW, SL_LANGUAGE_HE, LETTERS_MIN},
		{DEVANAGARI, SL_LANGUAGE_HI, SIGNS_MIN}, {THAI, SL_LANGUAGE_TH, LETTERS_MIN},
		{HANGUL, SL_LANGUAGE_KO, SIGNS_MIN},
	};
	const uint32_t *n = c->scripts;
	uint32_t all = 0, east = n[KANA] + n[HAN];

	for (int i = LATIN; i < SCRIPTS; i++)
		all += n[i];
	if (n[LATIN] >= LETTERS_MIN && n[LATIN] * 100 >= all * SHARE_MIN)
		return latin_of(c);
	if (n[CYRILLIC] >= LETTERS_MIN && n[CYRILLIC] * 100 >= all * SHARE_MIN)
		return cyrillic_of(c);
	if (n[ARABIC] >= LETTERS_MIN && n[ARABIC] * 100 >= all * SHARE_MIN)
		return c->persian * 50 >= n[ARABIC] ? SL_LANGUAGE_FA : SL_LANGUAGE_AR;
	if (east >= SIGNS_MIN && east * 100 >= all * SHARE_MIN)
		return n[KANA] * 10 >= east ? SL_LANGUAGE_JA
		       : n[KANA]	    ? SL_LANGUAGE_UNKNOWN
					    : SL_LANGUAGE_ZH;
	for (size_t i = 0; i < COUNT(alone); i++)
		if (n[alone[i].script] >= alone[i].least &&
		    n[alone[i].script] * 100 >= all * SHARE_MIN)
			return alone[i].language;
	return SL_LANGUAGE_UNKNOWN;
}

enum sl_language sl_language_guess(const char *text, size_t len)
{
	struct counts c = {.words = 0};
	size_t at = 0, size;

	if (len > SL_LANGUAGE_TEXT_MAX)
		len = SL_LANGUAGE_TEXT_MAX;
	while (at < len) {
		uint32_t code;

		if (text[at] == '`') {
			end_word(&c);
			at = skip_code(text, len, at);
			continue;
		}
		size = decode(text + at, len - at, &code);
		add(&c, code, text + at, size);
		at += size;
	}
	end_word(&c);
	return judge(&c);
}
