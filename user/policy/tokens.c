/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/tokens.h"

#include <stdio.h>
#include <string.h>

#define LETTERS	 4u /* of a word, a token */
#define DIGITS	 3u
#define OTHERS	 2u /* bytes of another script */
#define FORGETS	 16 /* answers after which most of a change is known */
#define MEAN_MAX ((1u << 24) - 1)

/* ---- counting -------------------------------------------------------------------------------- */

enum kind { BLANK = 0, LETTER, DIGIT, MARK, OTHER };

static enum kind kind_of(unsigned char byte)
{
	if (byte >= 0x80)
		return OTHER;
	if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z'))
		return LETTER;
	if (byte >= '0' && byte <= '9')
		return DIGIT;
	return byte <= ' ' ? BLANK : MARK;
}

static uint64_t cost_of(enum kind kind, size_t len)
{
	switch (kind) {
	case LETTER:
		return (len + LETTERS - 1) / LETTERS;
	case DIGIT:
		return (len + DIGITS - 1) / DIGITS;
	case OTHER:
		return (len + OTHERS - 1) / OTHERS;
	case MARK:
		return len;
	default:
		return len > 8 ? len / 8 : 0; /* long runs of blanks are tokens too */
	}
}

uint64_t sl_tokens_raw(const char *text, size_t len)
{
	uint64_t tokens = 0;
	size_t at = 0;

	while (at < len) {
		enum kind kind = kind_of((unsigned char)text[at]);
		size_t from = at;

		while (at < len && kind_of((unsigned char)text[at]) == kind)
			at++;
		tokens += cost_of(kind, at - from);
	}
	return tokens;
}

/* ---- learning -------------------------------------------------------------------------------- */

struct learnt {
	uint32_t mean, deviation, count; /* the first two in 1/1024 */
};

static struct learnt unpack(uint64_t word)
{
	return (struct learnt){(uint32_t)(word & MEAN_MAX), (uint32_t)(word >> 24) & MEAN_MAX,
			       (uint32_t)(word >> 48)};
}

static uint64_t pack(struct learnt learnt)
{
	return (uint64_t)learnt.mean | (uint64_t)learnt.deviation << 24 |
	       (uint64_t)learnt.count << 48;
}

uint32_t sl_tokens_factor(const struct sl_tokens *tokens, uint32_t *ret_count)
{
	struct learnt learnt = {0};
	uint32_t factor;

	if (tokens)
		learnt = unpack(__atomic_load_n(&tokens->word, __ATOMIC_RELAXED));
	*ret_count = learnt.count;
	if (learnt.count < SL_TOKENS_SURE)
		return SL_TOKENS_FIRST;
	factor = learnt.mean + 2 * learnt.deviation;
	if (factor < SL_TOKENS_FACTOR_MIN)
		return SL_TOKENS_FACTOR_MIN;
	return factor < SL_TOKENS_FACTOR_MAX ? factor : SL_TOKENS_FACTOR_MAX;
}

uint64_t sl_tokens_estimate(const struct sl_tokens *tokens, uint64_t raw)
{
	uint32_t count;

	return (raw * sl_tokens_factor(tokens, &count) + SL_TOKENS_ONE - 1) / SL_TOKENS_ONE;
}

uint64_t sl_tokens_least(const struct sl_tokens *tokens, uint64_t raw)
{
	struct learnt learnt = {0};

	if (tokens)
		learnt = unpack(__atomic_load_n(&tokens->word, __ATOMIC_RELAXED));
	if (learnt.count < SL_TOKENS_SURE)
		return raw / 2;
	if (learnt.mean < 2 * learnt.deviation)
		return 0;
	return raw * (learnt.mean - 2 * learnt.deviation) / SL_TOKENS_ONE;
}

static uint32_t toward(uint32_t old, uint32_t seen, uint32_t count)
{
	/* a plain mean at first, then one that forgets */
	int64_t share = count < FORGETS ? (int64_t)count + 1 : FORGETS;
	int64_t value = (int64_t)old + ((int64_t)seen - (int64_t)old) / share;

	return value < 0 ? 0 : value > (int64_t)MEAN_MAX ? MEAN_MAX : (uint32_t)value;
}

/* Takes in a value, in 1/1024. */
static void learn(struct sl_tokens *tokens, uint32_t seen)
{
	uint64_t word = __atomic_load_n(&tokens->word, __ATOMIC_RELAXED), next;

	do {
		struct learnt learnt = unpack(word);
		uint32_t off = seen > learnt.mean ? seen - learnt.mean : learnt.mean - seen;

		if (learnt.count) /* the first has nothing to deviate from */
			learnt.deviation = toward(learnt.deviation, off, learnt.count - 1);
		learnt.mean = toward(learnt.mean, seen, learnt.count);
		learnt.count += learnt.count < UINT16_MAX;
		next = pack(learnt);
	} while (!__atomic_compare_exchange_n(&tokens->word, &word, next, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
}

static void learn_frame(struct sl_tokens *tokens, uint64_t sample, uint64_t actual)
{
	uint64_t text = sample & ((UINT64_C(1) << 40) - 1);
	uint64_t messages = (sample & ~SL_TOKENS_FRAME_MARK) >> 40;
	uint64_t each = actual > text ? (actual - text) * SL_TOKENS_ONE / (messages + 1) : 0;

	if (actual && actual <= UINT32_MAX && each <= SL_TOKENS_FRAME_MAX * SL_TOKENS_ONE)
		learn(tokens, (uint32_t)each);
}

void sl_tokens_learn(struct sl_tokens *tokens, uint64_t raw, uint64_t actual)
{
	uint64_t ratio;

	if (raw & SL_TOKENS_FRAME_MARK) {
		learn_frame(tokens, raw, actual);
		return;
	}
	if (raw < SL_TOKENS_LEAST || !actual || actual > UINT32_MAX)
		return;
	ratio = actual * SL_TOKENS_ONE / raw;
	if (ratio < SL_TOKENS_FACTOR_MIN || ratio > SL_TOKENS_FACTOR_MAX)
		return; /* images, or a server that counts something else */
	learn(tokens, (uint32_t)ratio);
}

uint64_t sl_tokens_sample(uint64_t text, uint64_t messages)
{
	const uint64_t text_max = (UINT64_C(1) << 40) - 1, messages_max = (1u << 20) - 1;

	text = text < text_max ? text : text_max;
	messages = messages < messages_max ? messages : messages_max;
	return SL_TOKENS_FRAME_MARK | messages << 40 | text;
}

uint64_t sl_tokens_frame(const struct sl_tokens *tokens)
{
	struct learnt learnt = {0};

	if (tokens)
		learnt = unpack(__atomic_load_n(&tokens->word, __ATOMIC_RELAXED));
	if (learnt.count < SL_TOKENS_FRAME_SURE)
		return SL_TOKENS_FRAME_FIRST;
	return ((uint64_t)learnt.mean + 2 * (uint64_t)learnt.deviation + SL_TOKENS_ONE - 1) /
	       SL_TOKENS_ONE;
}

struct sl_tokens *sl_tokens_of(struct sl_tokens_table *table, const char *model)
{
	uint32_t i;

	while (__atomic_exchange_n(&table->lock, 1, __ATOMIC_ACQUIRE))
		;
	for (i = 0; i < table->count; i++) {
		if (strncmp(table->names[i], model, SL_TOKENS_NAME - 1) == 0)
			break;
	}
	if (i == table->count && table->count < SL_TOKENS_MODELS)
		snprintf(table->names[table->count++], SL_TOKENS_NAME, "%s", model);
	else if (i == table->count)
		i = 0;
	__atomic_store_n(&table->lock, 0, __ATOMIC_RELEASE);
	return &table->models[i];
}
