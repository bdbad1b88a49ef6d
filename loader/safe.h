/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * safe.h - other people's text on a terminal: the one gate through which all of it goes.
 *
 * Model names, incidents and what decisions say come from clients and servers. A control character among
 * them could move the cursor, set the title or answer in the operator's name; a character that turns the
 * direction of writing could show another node's name. So what is not printable, has no width or is not
 * UTF-8 is written out as \x1b or \u202e. Widths are those of wcwidth(3): a character may take two columns.
 */
#ifndef SL_LOADER_SAFE_H
#define SL_LOADER_SAFE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "user/base/text.h"

/*
 * Makes the process know characters at all. Returns whether the terminal shows more than ASCII, as LC_ALL,
 * LC_CTYPE or LANG say. Before any of the others.
 */
bool sl_safe_begin(void);

/*
 * Appends what fits into `columns` columns; what does not is cut, the last column then being '~'. A tab is a
 * blank. !utf8: whatever is not ASCII is written out. Returns the columns taken.
 */
uint32_t sl_safe_append(struct sl_text *text, struct sl_span span, uint32_t columns, bool utf8);

/* How many columns it takes whole. */
uint32_t sl_safe_width(struct sl_span span, bool utf8);

/* How many bytes of it fit into `columns`. */
size_t sl_safe_fit(struct sl_span span, uint32_t columns, bool utf8);

/* Makes JSON text fit for a terminal too: the controls that JSON allows within strings become \u00XX. */
void sl_safe_append_json(struct sl_text *text, struct sl_span json);

#endif
