/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tokenizer.h - a text into the numbers of its tokens, as the model's own `tokenizer.json` says (the
 * format of Hugging Face's tokenizers).
 *
 *   text -> added tokens cut out -> normalised -> added tokens of normalised text cut out -> pieces by
 *   the pre-tokenizers -> each piece by the model
 *
 *   part            understood
 *   model           BPE: merges as strings or pairs, byte_fallback, fuse_unk, ignore_merges; Unigram, with
 *                   byte_fallback
 *   normalizer      NFC NFD NFKC NFKD Lowercase Prepend Replace Strip, Sequence of these
 *   pre_tokenizer   Split (any behaviour, invert), ByteLevel (as the last one), Metaspace, Digits,
 *                   Punctuation, WhitespaceSplit, Sequence of these
 *   added_tokens    lstrip, rstrip, normalized, special; single_word is refused
 *   the rest        post_processor, decoder, truncation, padding say nothing about how a text is cut
 *
 * What is not understood is refused by its name when the file is read: a count that is only nearly right
 * would pass for an exact one. Patterns are those of Oniguruma as far as PCRE2 takes them for the same;
 * sets within sets are refused.
 *
 * BPE: of all pairs that stand side by side the one with the lowest rank is joined, the leftmost first,
 * until none is left; a heap over a linked list for long pieces, a scan for short ones. Pieces that were
 * counted before are known by 61 bits of a hash with a secret key (one word each, no lock), so that
 * prose costs little more than the pattern. Unigram: the cut with the highest sum of scores (Viterbi), over a
 * tree of nine bytes a node. Memory: 5.8 times a file of 30,000 Unigram tokens of letters by chance, which
 * have few beginnings in common (60 times with a table of edges).
 *
 * Checked against @huggingface/tokenizers (npm) by tests/e2e/tokens.sh. Any thread, at once: a tokenizer
 * does not change but for what it knows of pieces. Only tokenizer*.c include PCRE2; NFC and its like are
 * utf8proc's.
 */
#ifndef SL_STORE_TOKENIZER_H
#define SL_STORE_TOKENIZER_H

#include <stdint.h>
#include "user/base/error.h"
#include "user/base/text.h"

#define SL_TOKENIZER_FILE_MAX	(64u << 20)
#define SL_TOKENIZER_TOKENS_MAX (1u << 21)
#define SL_TOKENIZER_MERGES_MAX (1u << 21)
#define SL_TOKENIZER_ADDED_MAX	65536u
#define SL_TOKENIZER_TOKEN_MAX	4096u /* bytes of one token */
#define SL_TOKENIZER_STEPS_MAX	16u   /* normalizers, and pre-tokenizers */
#define SL_TOKENIZER_TEXT_MAX	(16u << 20)

struct sl_tokenizer;

/*
 * Reads the text of a tokenizer.json; borrows nothing. Returns 0, -EINVAL (not such a file, or it wants
 * what is not understood: the error names it), -E2BIG (over a limit) or -ENOMEM. About 40 ms a megabyte.
 */
int sl_tokenizer_parse(const char *json, size_t len, struct sl_tokenizer **ret_tokenizer,
		       struct sl_error *error);

/* The same from a file; the error begins with its path. Or -errno of opening and reading it. */
int sl_tokenizer_read(const char *path, struct sl_tokenizer **ret_tokenizer,
		      struct sl_error *error);

/* NULLs the pointer; NULL is fine. Nobody counts with it any more. */
void sl_tokenizer_close(struct sl_tokenizer **tokenizer);

/*
 * How many tokens the text has, without those that a post-processor adds. -EILSEQ: it is no UTF-8;
 * -E2BIG: over SL_TOKENIZER_TEXT_MAX; -EIO: a pattern gave up; -ENOMEM.
 */
int64_t sl_tokenizer_count(const struct sl_tokenizer *tokenizer, struct sl_span text);

/* The same, and the first ids_max of them. */
int64_t sl_tokenizer_encode(const struct sl_tokenizer *tokenizer, struct sl_span text,
			    uint32_t *ret_ids, size_t ids_max);

/* Tokens of its vocabulary, the added ones among them or beside. */
uint32_t sl_tokenizer_size(const struct sl_tokenizer *tokenizer);

/* Memory that it takes, without the buffers of counts under way (a few, SL_TOKENIZER_WORK_BYTES at most). */
size_t sl_tokenizer_bytes(const struct sl_tokenizer *tokenizer);

#endif
