/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mask.h - hides the secrets of a configuration text before any of it is shown.
 *
 * An error shows its line, and the line may hold a provider's key, even where the error is about
 * something else or the text is no YAML at all. So this knows secrets by the look of the text, not
 * by its meaning:
 *
 *   the name              what is hidden
 *   ends in api_key, secret, token, password and the like (mask.c)     its value
 *   key                   its value, unless that is a path (of a certificate's key)
 *   anything              32 or more hexadecimal digits in a row
 *
 * Letter case, `_` and `-` of a name do not matter, so that a misspelt `apiKey` hides too. A value
 * ends where YAML's does: quotes, a comma or bracket inside brackets, a comment, the line; what is
 * indented deeper in the lines below belongs to it. References (${NAME}) stay: they are no secrets
 * and their names help. Rather too much is hidden than too little. Any thread.
 */
#ifndef SL_BASE_MASK_H
#define SL_BASE_MASK_H

#include "user/base/text.h"

#define SL_MASK_BYTE	'*'
#define SL_MASK_HEX_MIN 32u
/* Shorter values are not looked for elsewhere: they would hide half of the text. */
#define SL_MASK_VALUE_MIN   6u
#define SL_MASK_VALUE_BEGIN 48u /* less than any message shows of a value */

/*
 * Appends the source to text with each character of a secret as SL_MASK_BYTE, so that lines and
 * columns stay what they are. -ENOMEM, or the text's bound.
 */
int sl_mask_source(struct sl_span source, struct sl_text *text);

/*
 * Overwrites each place of the value in text, also where only its first SL_MASK_VALUE_BEGIN bytes or
 * more are there. NULL and values shorter than SL_MASK_VALUE_MIN: nothing.
 */
void sl_mask_value(char *text, size_t text_len, const char *value);

#endif
