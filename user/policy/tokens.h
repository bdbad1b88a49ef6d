/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tokens.h - how many tokens a text has, where nobody can be asked: an estimate that learns.
 *
 * The raw count goes by the kinds of bytes: words cost a token for each four letters begun, digits one
 * for each three, marks one each, blanks none, other scripts one for each two bytes. Tokenizers differ
 * from that by a factor, which a server's usage tells after each answer. Of each model, its mean and its
 * mean deviation are kept (both forget within some 16 answers), and the estimate is
 *
 *	raw * (mean + 2 * deviation)	after SL_TOKENS_SURE answers
 *	raw * 1.3			before
 *
 * which is to be too large, not too small: what is cut too early is a worse answer, what is not cut is
 * none. One word of 64 bits a model, so that threads learn without a lock. Pure but for that.
 */
#ifndef SL_POLICY_TOKENS_H
#define SL_POLICY_TOKENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_TOKENS_ONE	     1024u /* a factor of 1 */
#define SL_TOKENS_FIRST	     1331u /* 1.3: before anything was learnt */
#define SL_TOKENS_SURE	     8u
#define SL_TOKENS_MODELS     256u
#define SL_TOKENS_NAME	     128u
#define SL_TOKENS_LEAST	     64u /* raw; shorter prompts say more of a chat's frame than of its text */
#define SL_TOKENS_FACTOR_MIN 128u   /* 1/8 */
#define SL_TOKENS_FACTOR_MAX 16384u /* 16 */

struct sl_tokens {
	uint64_t word; /* count 16 bits, deviation 24, mean 24; atomic */
};

/* By the name of the model; full: further ones share the first, which is then only less sure. */
struct sl_tokens_table {
	struct sl_tokens models[SL_TOKENS_MODELS];
	char names[SL_TOKENS_MODELS][SL_TOKENS_NAME];
	uint32_t count;
	uint32_t lock; /* of names and count */
};

uint64_t sl_tokens_raw(const char *text, size_t len);

/* raw into tokens of the model; tokens NULL: of one that nothing is known of. */
uint64_t sl_tokens_estimate(const struct sl_tokens *tokens, uint64_t raw);

/* As few as they may be: below the mean by as much; half of raw before. */
uint64_t sl_tokens_least(const struct sl_tokens *tokens, uint64_t raw);

/* A prompt that was estimated as raw had so many. raw may be a sample of a frame, see below. */
void sl_tokens_learn(struct sl_tokens *tokens, uint64_t raw, uint64_t actual);

/*
 * Where the text's tokens are counted, what is left to learn is the frame that the chat's template puts
 * around: so many tokens for each message, and once more. An entry learns either that or a factor.
 */
#define SL_TOKENS_FRAME_FIRST 8u /* before SL_TOKENS_FRAME_SURE answers */
#define SL_TOKENS_FRAME_SURE  2u
#define SL_TOKENS_FRAME_MAX   256u
#define SL_TOKENS_FRAME_MARK  (UINT64_C(1) << 63)

/* Tokens for one message, rounded up. */
uint64_t sl_tokens_frame(const struct sl_tokens *tokens);

/* For sl_tokens_learn(): the text had so many tokens, in so many messages. */
uint64_t sl_tokens_sample(uint64_t text, uint64_t messages);

/* In 1/1024, and the answers it rests on. */
uint32_t sl_tokens_factor(const struct sl_tokens *tokens, uint32_t *ret_count);

/* The model's, made when it is new. Any thread. */
struct sl_tokens *sl_tokens_of(struct sl_tokens_table *table, const char *model);

#endif
