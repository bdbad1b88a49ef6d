/* A pull scanner for JSON (RFC 8259) over bytes in memory, and the writing of strings.
 *
 * The scanner keeps a cursor and never allocates. Strings are returned as views of the input, still
 * escaped; they live as long as the input does. Every byte that is passed over is checked, so a
 * document whose scan ended well is valid JSON (string bytes are not checked to be UTF-8).
 * After an error the scanner must not be used again.
 * Threads: one owner. Costs: one pass; nesting is bounded by SL_JSON_DEPTH_MAX.
 */
#ifndef TESTS_STANDIN_JSON_H
#define TESTS_STANDIN_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/standin/buf.h"

enum { SL_JSON_DEPTH_MAX = 64 };

struct sl_json {
	const char *at;
	const char *end;
};

/* A view of bytes; escaped says that decoding would change them. */
struct sl_str {
	const char *data;
	size_t len;
	bool escaped;
};

/* Skips white space; returns the next byte without taking it, 0 at the end. */
char sl_json_peek(struct sl_json *json);

/* Takes any one value. 0, or -EBADMSG when it is not valid. */
int sl_json_skip(struct sl_json *json);

/* Takes a string. 0, or -EBADMSG when the value is not a valid string. */
int sl_json_string(struct sl_json *json, struct sl_str *ret_text);

/* Takes a number. 0, or -EBADMSG. */
int sl_json_number(struct sl_json *json, double *ret_number);

/* Takes true or false. 0, or -EBADMSG. */
int sl_json_bool(struct sl_json *json, bool *ret_value);

/* Steps to the next member of an object; *first must be true before the first call. The caller
 * takes the member's value before the next step. 1: *ret_key is set; 0: the object is over;
 * -EBADMSG. */
int sl_json_member(struct sl_json *json, bool *first, struct sl_str *ret_key);

/* The same for the elements of an array. 1, 0 or -EBADMSG. */
int sl_json_element(struct sl_json *json, bool *first);

/* 0 when nothing but white space is left, else -EBADMSG. */
int sl_json_over(struct sl_json *json);

/* Appends the decoded text; text must come from the scanner (a lone surrogate becomes U+FFFD). */
void sl_json_decode(struct sl_str text, struct sl_buf *out);

/* Appends the text with JSON's escapes, without the quotes around it. */
void sl_json_escape(struct sl_buf *out, const char *text, size_t len);

/* Whether a view is byte-equal to a C string. */
bool sl_str_is(struct sl_str text, const char *other);

#endif
