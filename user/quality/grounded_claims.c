/* SPDX-License-Identifier: BSD-2-Clause */
/* grounded_claims.c - which sentences claim nothing, and what their words weigh. */
#include <strings.h>

#include "user/quality/grounded_parts.h"

#define LEAD_WORDS_MAX 12u /* "These are the steps to do so:" */
#define WEIGHT_NAME    2.0f
#define WEIGHT_LIGHT   0.3f
#define STEM_MIN       4u
#define NAME_STEM_MIN  5u

/* A sentence that begins so is politeness, doubt or talk about itself. Lower case. */
static const char *const silent_starts[] = {
	"i hope",
	"hope this",
	"hope that helps",
	"let me know",
	"please let me",
	"feel free",
	"if you have any",
	"if you need any",
	"is there anything",
	"you're welcome",
	"you are welcome",
	"have a nice",
	"have a great",
	"good luck",
	"enjoy your",
	"i'm happy to",
	"i am happy to",
	"i'd be happy",
	"happy to help",
	"i'm sorry",
	"i am sorry",
	"i apologi",
	"as an ai",
	"i don't know",
	"i do not know",
	"i'm not sure",
	"i am not sure",
	"i cannot answer",
	"i can't answer",
	"the documents do not",
	"the document does not",
	"the documents don't",
	"the document doesn't",
	"the context does not",
	"the context doesn't",
	"the sources do not",
	"there is no information",
	"no information",
	"it is not stated",
	"it is not mentioned",
	"this is not legal",
	"this is not medical",
	"source:",
	"sources:",
	"ich hoffe",
	"j'esp\xc3\xa8re",
	"espero que",
};

/* The same, where nothing much follows: "Sure, it costs 5" does claim. */
static const char *const silent_words = " sure certainly absolutely hello hi hey thanks thank "
					"great good sorry welcome of course yes "
					"no question you for asking gerne bitte gracias merci ";

/* Words of talk about documents: they may be in an answer and in no context. */
static const char about_documents[] =
	" according document documents context provide provided based state states stated mention "
	"mentions mentioned say says said information info source sources above following note "
	"summary answer question excerpt passage handbook section therefore however thus hence "
	"moreover additionally furthermore instead meanwhile otherwise ";

/* Verbs and particles that paraphrases exchange freely. */
static const char light[] =
	" happen happens occur occurs contain contains reach reaches remain remains stay stays "
	"keep "
	"keeps become becomes begin begins go goes come comes came put set sets work works around "
	"roughly about approximately nearly almost since until till after before between within "
	"through over under while because as each every per both all any some most more few "
	"several "
	"such same other another only even still already again always usually often well long time "
	"place take takes took get gets got mean means place use uses used allow allowed allows "
	"either neither without rather roughly called named known located ";

/* "Of course!", "Great question." */
static bool is_greeting(const struct sl_gates_reading *reading)
{
	uint32_t i;

	for (i = 0; i < reading->count; i++) {
		const struct sl_gates_word *word = &reading->words[i];

		if (!sl_gates_is_in(silent_words, word->text, word->len))
			return false;
	}
	return true;
}

bool sl_grounded_claims(struct sl_span sentence, enum sl_sentence_kind kind,
			const struct sl_grounded_passage *read)
{
	const struct sl_gates_reading *reading = &read->reading;
	uint32_t i, content = 0;

	if (kind == SL_SENTENCE_QUESTION || kind == SL_SENTENCE_CODE || kind == SL_SENTENCE_MARKS)
		return false;
	for (i = 0; i < sizeof(silent_starts) / sizeof(silent_starts[0]); i++) {
		size_t len = strlen(silent_starts[i]);

		if (sentence.len >= len && strncasecmp(sentence.data, silent_starts[i], len) == 0 &&
		    read->figure_count == 0)
			return false;
	}
	if (kind == SL_SENTENCE_LEAD && read->figure_count == 0 &&
	    read->reading.count <= LEAD_WORDS_MAX)
		return false;
	if (!reading->count)
		return reading->too_long; /* of a word without an end */
	for (i = 0; i < reading->count; i++)
		content += reading->words[i].kind != SL_GATES_FILLER;
	return content > 0 && !is_greeting(reading);
}

float sl_grounded_weight(const struct sl_gates_word *word)
{
	if (word->kind == SL_GATES_FILLER)
		return word->name ? 1.0f : 0;
	if (word->kind != SL_GATES_CONTENT ||
	    sl_gates_is_in(about_documents, word->text, word->len))
		return 0;
	if (word->name)
		return WEIGHT_NAME;
	return sl_gates_is_in(light, word->text, word->len) ? WEIGHT_LIGHT : 1.0f;
}

static size_t common_len(const char *a, const char *b)
{
	size_t len = 0;

	while (a[len] && a[len] == b[len])
		len++;
	return len;
}

bool sl_grounded_akin(const struct sl_gates_word *a, const struct sl_gates_word *b)
{
	size_t common, a_len, b_len, longer;

	if (sl_gates_same(a, b))
		return true;
	if (a->kind == SL_GATES_NUMBER || b->kind == SL_GATES_NUMBER)
		return false;
	a_len = strlen(a->root);
	b_len = strlen(b->root);
	longer = a_len > b_len ? a_len : b_len;
	common = common_len(a->root, b->root);
	if (a->name || b->name) /* Danish is of Denmark, Austria not of Australia */
		return common >= NAME_STEM_MIN && common * 5 >= longer * 4;
	return common >= STEM_MIN && common * 5 >= longer * 3;
}

const char *sl_grounded_feature_name(enum sl_grounded_feature feature)
{
	static const char *const names[SL_GROUNDED_FEATURES] = {
		"none",	  "words", "words", "apart", "clause", "meaning",  "meaning",  "number",
		"number", "unit",  "name",  "name",  "roles",  "negation", "polarity", "roles",
	};

	return names[feature];
}

const char *sl_grounded_verdict_name(enum sl_grounded_verdict verdict)
{
	static const char *const names[] = {"doubtful", "supported", "unsupported"};

	return names[verdict];
}
