/* Deterministic text: token i of the text with a given key is a pure function of both.
 *
 * So the same prompt and seed give the same text on every server and run, any token can be computed
 * without those before it, and a text that broke off can be continued by another server.
 * Tokens are words from a fixed list with a leading space (the first has none); a few carry quotes,
 * line breaks and non-ASCII letters so that whoever relays them must escape and frame properly.
 * Threads: the table is built once by sl_text_init, read-only afterwards.
 */
#ifndef TESTS_STANDIN_TEXT_H
#define TESTS_STANDIN_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "tests/standin/buf.h"

/* Builds the escaped forms of the words. Call once, before any other. */
void sl_text_init(void);

/* Mixes bytes into a key; for the hash of a prompt. */
uint64_t sl_text_hash(uint64_t key, const void *bytes, size_t len);

/* Mixes a number into a key. */
uint64_t sl_text_mix(uint64_t key, uint64_t value);

/* The number of tokens after which the text ends by itself (16 to 79). */
uint64_t sl_text_len(uint64_t key);

/* Appends token `index` without its first `skip` bytes, escaped for JSON. */
void sl_text_put(struct sl_buf *out, uint64_t key, uint64_t index, size_t skip);

/* Finds where a text goes on behind `prefix`: *ret_index is the next token, of which *ret_skip
 * bytes were in the prefix already. A prefix that is not of this text goes on behind the last token
 * that was. */
void sl_text_resume(uint64_t key, const char *prefix, size_t len, uint64_t *ret_index,
		    size_t *ret_skip);

#endif
