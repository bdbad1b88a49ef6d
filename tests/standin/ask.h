/* What a request's body asks for, in one shape for chat, completions, embeddings and messages.
 *
 * Owns: nothing but `keys` when there are several prompts; views point into the body.
 * Threads: pure, apart from the caller's scratch buffer. Costs: one pass over the body.
 */
#ifndef TESTS_STANDIN_ASK_H
#define TESTS_STANDIN_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/standin/buf.h"
#include "tests/standin/json.h"

enum { SL_ASK_CHOICE_COUNT_MAX = 256 };

enum sl_ask_kind { SL_ASK_CHAT, SL_ASK_COMPLETION, SL_ASK_EMBEDDING, SL_ASK_MESSAGES };

struct sl_ask {
	enum sl_ask_kind kind;
	bool stream;
	bool include_usage;
	bool ignore_eos;
	bool calls_tool; /* tools are given and the last user message says "call tool" */
	bool base64;	 /* embeddings */
	bool has_prompt;
	bool continues;	    /* the last message is the beginning of the answer */
	int64_t max_tokens; /* -1: not given */
	int64_t min_tokens;
	uint32_t n;	     /* choices a prompt */
	uint32_t dimensions; /* embeddings; 0: not given */
	uint64_t prompt_tokens;
	struct sl_str model;
	struct sl_str tool; /* name of the first one */
	struct sl_str fault;
	struct sl_str fault_node;
	struct sl_str prefix; /* content of the last message when it is the assistant's */
	int64_t prompt_len; /* of a completion: what lies behind is the answer's beginning; 0: all */
	uint32_t prompt_count;
	uint64_t keys[SL_ASK_CHOICE_COUNT_MAX]; /* one a prompt: its hash with the seed */
};

/* The estimate that stands in for a tokenizer: a token for every four bytes begun. */
static inline uint64_t sl_ask_tokens(size_t len)
{
	return (len + 3) / 4;
}

/* Reads a body. 0; -EBADMSG: not JSON, or *ret_why says what is wrong with a parameter (static
 * text; *ret_param names it). ret_ask is filled as far as it was read, so that a fault in it still
 * counts. scratch is used for decoding and may be overwritten by the next call. */
int sl_ask_read(enum sl_ask_kind kind, const char *body, size_t len, uint64_t seed,
		struct sl_buf *scratch, struct sl_ask *ret_ask, const char **ret_why,
		const char **ret_param);

#endif
