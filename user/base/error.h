/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * error.h - the sentence that goes with a -errno.
 *
 * It names the object, the value and the next action:
 *	pool "chat": node 10.0.0.7:8000: connect refused (breaker opens after 5; see: sluice status)
 * The first writer is closest to the cause; callers that know more put their object in front with
 * sl_error_prefix(). Every function takes NULL for "the caller wants no text". No secrets.
 */
#ifndef SL_BASE_ERROR_H
#define SL_BASE_ERROR_H

#define SL_ERROR_TEXT_SIZE 512u

struct sl_error {
	char text[SL_ERROR_TEXT_SIZE]; /* NUL-terminated, cut to fit; "" when unset */
};

/* Writes the text and returns code, so that `return sl_error_set(error, -EINVAL, ...)` works. */
__attribute__((format(printf, 3, 4))) int sl_error_set(struct sl_error *error, int code,
						       const char *format, ...);

/* The same, with ": " and the system's words for the -errno `code` behind the text. */
__attribute__((format(printf, 3, 4))) int sl_error_set_errno(struct sl_error *error, int code,
							     const char *format, ...);

/* Puts the formatted text and ": " before what is there. Returns code. */
__attribute__((format(printf, 3, 4))) int sl_error_prefix(struct sl_error *error, int code,
							  const char *format, ...);

/* The system's words for an errno of either sign ("Connection refused"); static, thread-safe. */
const char *sl_error_words(int code);

#endif
